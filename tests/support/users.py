"""Being somebody whom a file's mode can keep out, also where tests run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65_534


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Drop root's powers, in all threads, until the end of the block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def ordinary_folder() -> Iterator[Path]:
    """Make a folder that belongs to that user and that no other folder closes off."""
    folder = Path(tempfile.mkdtemp(prefix="coldhaul-test-")).resolve()
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, -1)
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)
