"""What another thread does at the worst moment, done there each time."""

import os
from collections.abc import Callable
from pathlib import Path


def after_missing(root: Path, then: Callable[[], object]) -> Callable[..., int]:
    """Return an ``os.open`` that calls ``then`` once, before it tells that ``root`` is missing."""
    real = os.open
    told: list[str] = []

    def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        try:
            return real(path, flags, mode, dir_fd=dir_fd)
        except FileNotFoundError:
            if path == str(root) and not told:
                told.append(path)
                then()
            raise

    return opened
