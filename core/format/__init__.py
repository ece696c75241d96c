"""Bytes to values and back, without IO. ``docs/format.md`` is the specification."""
