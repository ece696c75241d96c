"""The tree names nothing that a stranger's machine does not have."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, project_files, text_files

# Folders of the machine at hand. Examples in documents use /srv and relative paths.
MACHINE_FOLDERS = ("work", "tmp", "root", "home", "opt", "Users")
MACHINE_PATH = re.compile(rf"(?<![\w.~*$}}/-])/(?:{'|'.join(MACHINE_FOLDERS)})(?![\w-])")
DOCUMENT = re.compile(r"(?<![\w*<{])[\w./-]*\w\.md\b")

# Written by the product into repositories, never in the tree.
WRITTEN = {"FORMAT.md"}
# Whoever installs configures where packages come from.
INSTALLING = ("pyproject.toml", "constraints.txt", "Makefile", "scripts/*", ".ci/*")


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = [
        f"{path}:{number} {line.strip()}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_every_document_that_is_mentioned_exists() -> None:
    files = list(project_files())
    names = {path.name for path in files}
    missing = []
    for path, text in text_files():
        for mention in DOCUMENT.findall(text):
            name = mention.removeprefix("./")
            is_here = "/" in name and (
                (ROOT / name).is_file() or (ROOT / path.parent / name).is_file()
            )
            if not is_here and not ("/" not in name and name in names | WRITTEN):
                missing.append(f"{path}: {mention}")
    assert missing == []


@pytest.mark.parametrize("pattern", INSTALLING)
def test_nothing_that_installs_names_an_address(pattern: str) -> None:
    paths = [path for path in project_files() if path.match(pattern)]
    assert paths
    assert [str(path) for path in paths if "://" in (ROOT / path).read_text()] == []


def test_no_file_is_left_unreadable_as_text() -> None:
    """A binary outside the golden files needs its suffix declared in tree.py."""
    assert all(isinstance(path, Path) for path, _ in text_files())
