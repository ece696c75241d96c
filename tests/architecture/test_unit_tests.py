"""Every module has a test file of its own, in the place where one looks for it."""

from pathlib import Path

from tests.architecture.tree import PACKAGES, ROOT, modules

# Modules without one, and why.
ELSEWHERE = {
    "core/stores/store.py": "what every store promises: tests/conformance holds each to it",
    "core/stores/folder.py": "tests/conformance",
    "core/limits.py": "constants; the module asserts the relations between them as it is imported",
}


def file_of(module: Path) -> Path:
    """Return where the tests of a module are: ``core`` itself is left out of the path."""
    parts = module.parts[1:] if module.parts[0] == "core" else module.parts
    return Path("tests", "unit", *parts[:-1], f"test_{parts[-1]}")


def test_every_module_has_its_test_file() -> None:
    missing = {
        str(module): str(file_of(module))
        for module in modules(*PACKAGES)
        if not module.stem.startswith("__")
        and str(module) not in ELSEWHERE
        and not (ROOT / file_of(module)).is_file()
    }
    assert missing == {}


def test_exceptions_are_still_needed() -> None:
    stale = [
        module
        for module in ELSEWHERE
        if not (ROOT / module).is_file() or (ROOT / file_of(Path(module))).is_file()
    ]
    assert stale == []


def test_no_unit_test_outlives_its_module() -> None:
    stems = [str(file_of(module).with_suffix("")) for module in modules(*PACKAGES)]
    unit = [path for path in modules("tests") if path.parts[1] == "unit"]
    orphans = [
        str(path)
        for path in unit
        if path.name.startswith("test_")
        # A long test file may be cut in several: test_seal_vectors.py beside test_seal.py.
        and not any(f"{path.with_suffix('')}_".startswith(f"{stem}_") for stem in stems)
    ]
    assert orphans == []
