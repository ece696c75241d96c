"""Bytes that were written once and have to stay readable for ever."""
