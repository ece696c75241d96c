"""The folder store keeps the promises of every store."""

import os
from pathlib import Path

import pytest

from core.stores.folder import FolderStore
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.conformance.medium import Medium
from tests.conformance.suite import StoreConformance


class FolderMedium:
    """A folder, looked at with the operating system's calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = StoreSettings()
        self.store: Store = FolderStore(root)

    def names(self) -> set[str]:
        """Walk the folder, without the one for temporary files."""
        return {name for name in _files(self.root) if not name.startswith(".coldhaul-tmp/")}

    def read(self, name: str) -> bytes:
        """Read the file."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write the file and the folders to it."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def remove(self, name: str) -> None:
        """Remove the file and emptied folders."""
        (self.root / name).unlink()
        os.removedirs((self.root / name).parent)
        self.root.mkdir(parents=True, exist_ok=True)

    def leftovers(self) -> set[str]:
        """Find temporary files and empty folders."""
        empty = {
            folder
            for folder, folders, files in os.walk(self.root)
            if not folders and not files and Path(folder) not in self._own()
        }
        return (_files(self.root) - self.names()) | empty

    def gone(self) -> Store:
        """Point at a folder that nobody made."""
        return FolderStore(self.root.parent / "unmounted")

    def _own(self) -> set[Path]:
        return {self.root, self.root / ".coldhaul-tmp"}


def _files(root: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(folder, file), root)
        for folder, _, files in os.walk(root)
        for file in files
    }


class TestFolderStore(StoreConformance):
    """The embedded default."""

    @pytest.fixture
    def medium(self, tmp_path: Path) -> Medium:
        (tmp_path / "root").mkdir()
        return FolderMedium(tmp_path / "root")
