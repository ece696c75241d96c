"""The project's own files, found without git: a tree unpacked from an archive has the same."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("appliance_aws", "appliance_azure", "core", "proxy")

# Made by tools, never by hand; .gitignore lists them too.
_MADE = {
    ".bench", ".demo", ".emulators", ".git", ".hypothesis", ".import_linter_cache", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".venv", "__pycache__", "build", "dist",
}  # fmt: skip
_BINARY = {".pack", ".parquet", ".png", ".svg", ".zst", ".bin", ".gz"}


def project_files() -> Iterator[Path]:
    """Yield every file of the project, in order, as paths below ``ROOT``."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in _MADE)
        for name in sorted(set(files) - _MADE):  # In a worktree .git is a file.
            yield (Path(folder) / name).relative_to(ROOT)


def text_files() -> Iterator[tuple[Path, str]]:
    """Yield the project's files that are text, with their text."""
    for path in project_files():
        is_foreign = path.parts[:2] == ("tests", "vectors")
        if path.suffix in _BINARY or is_foreign or path.parts[:3] == ("tests", "golden", "data"):
            continue
        yield path, (ROOT / path).read_text(encoding="utf-8")


def modules(*folders: str) -> Iterator[Path]:
    """Yield the Python files below these folders, as paths below ``ROOT``."""
    for path in project_files():
        if path.suffix == ".py" and path.parts[0] in folders:
            yield path


def syntax(path: Path) -> ast.Module:
    """Parse a module of the project."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def has_test(node_id: str) -> bool:
    """Say whether ``tests/...py::test_name`` (or ``::TestClass::test_name``) exists."""
    path, *names = node_id.split("[")[0].split("::")
    if not names or not (ROOT / path).is_file():
        return False
    body = syntax(Path(path)).body
    for name in names:
        found = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == name
        ]
        if not found:
            # A class may inherit the test from a conformance suite elsewhere.
            return name != names[0] and name.startswith("test_")
        body = found[0].body
    return True
