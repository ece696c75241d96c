"""A disk that may lose power: what would still be there, judged from the calls that were made.

The calls go to the real disk and are noted. The rules are the most pessimistic that POSIX allows:
bytes are durable after an ``fsync`` of their file, an entry of a folder only after an ``fsync``
of that folder; without one either may be lost or not. So a file may get its final name only
when its bytes are durable.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest


class File:
    """Bytes, durable or not."""

    def __init__(self) -> None:
        self.size = 0
        self.is_durable = False


class Folder:
    """Entries as programs see them, and as they would be after a power cut."""

    def __init__(self) -> None:
        self.entries: dict[str, File | Folder] = {}
        self.durable: dict[str, File | Folder] = {}


class Disk:
    """The folder ``top`` and all below it, from now on, through the module ``os``."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = str(top)
        self.root = Folder()
        self.faults: list[str] = []
        self._lock = threading.RLock()
        self._real = {
            name: getattr(os, name)
            for name in ("open", "write", "fsync", "link", "mkdir", "unlink", "rmdir")
        }
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, f"_{name}"))

    def after_power_cut(self, folder: Folder | None = None, path: str = "") -> dict[str, int]:
        """Return what would surely be left: names below ``top`` and sizes."""
        with self._lock:
            left: dict[str, int] = {}
            for leaf, node in (folder or self.root).durable.items():
                name = f"{path}{leaf}"
                if isinstance(node, Folder):
                    left |= self.after_power_cut(node, f"{name}/")
                elif node.is_durable:
                    left[name] = node.size
            return left

    def _call(self, name: str, *arguments: object, **options: object) -> object:
        real: Callable[..., object] = self._real[name]
        return real(*arguments, **options)

    def _path(self, path: str | int | os.PathLike[str], folder: int | None = None) -> str | None:
        """Return where a path or a descriptor leads, below ``top``; None outside."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        elif folder is not None:
            path = f"{os.readlink(f'/proc/self/fd/{folder}')}/{path}"
        below = os.path.relpath(path, self.top)
        return None if below.startswith("..") else below

    def _node(self, path: str) -> File | Folder:
        node: File | Folder = self.root
        for part in path.split("/") if path != "." else []:
            assert isinstance(node, Folder), path
            node = node.entries[part]
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        above, leaf = os.path.split(path)
        parent = self._node(above or ".")
        assert isinstance(parent, Folder), path
        return parent, leaf

    def _open(
        self,
        path: str | os.PathLike[str],
        flags: int,
        mode: int = 0o777,
        *,
        dir_fd: int | None = None,
    ) -> object:
        with self._lock:
            descriptor = self._call("open", path, flags, mode, dir_fd=dir_fd)
            below = self._path(path, dir_fd)
            if below is not None and flags & os.O_CREAT:
                parent, leaf = self._parent(below)
                parent.entries.setdefault(leaf, File())
            return descriptor

    def _write(self, descriptor: int, data: bytes) -> object:
        with self._lock:
            size = self._call("write", descriptor, data)
            below = self._path(descriptor)
            if below is not None:
                node = self._node(below)
                assert isinstance(node, File)
                assert isinstance(size, int)
                node.size += size
                node.is_durable = False
            return size

    def _fsync(self, descriptor: int) -> None:
        with self._lock:
            below = self._path(descriptor)
            self._call("fsync", descriptor)
            if below is None:
                return
            node = self._node(below)
            if isinstance(node, File):
                node.is_durable = True
            else:
                node.durable = dict(node.entries)

    def _link(
        self,
        source: str,
        target: str,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        with self._lock:
            self._call(
                "link",
                source,
                target,
                src_dir_fd=src_dir_fd,
                dst_dir_fd=dst_dir_fd,
                follow_symlinks=follow_symlinks,
            )
            below = self._path(target, dst_dir_fd)
            temporary = self._path(source, src_dir_fd)
            assert below is not None
            assert temporary is not None
            node = self._node(temporary)
            assert isinstance(node, File)
            if not node.is_durable:
                self.faults.append(f"{below} has a name before its bytes are durable")
            parent, leaf = self._parent(below)
            parent.entries[leaf] = node

    def _mkdir(
        self, path: str | os.PathLike[str], mode: int = 0o777, *, dir_fd: int | None = None
    ) -> None:
        with self._lock:
            self._call("mkdir", path, mode, dir_fd=dir_fd)
            below = self._path(path, dir_fd)
            if below is not None:
                parent, leaf = self._parent(below)
                parent.entries[leaf] = Folder()

    def _unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        self._remove("unlink", path, dir_fd)

    def _rmdir(self, path: str, *, dir_fd: int | None = None) -> None:
        self._remove("rmdir", path, dir_fd)

    def _remove(self, name: str, path: str, folder: int | None) -> None:
        with self._lock:
            below = self._path(path, folder)
            self._call(name, path, dir_fd=folder)
            if below is not None:
                parent, leaf = self._parent(below)
                del parent.entries[leaf]
