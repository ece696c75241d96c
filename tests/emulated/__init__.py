"""Whole sessions between real stores' emulators, through the real command."""
