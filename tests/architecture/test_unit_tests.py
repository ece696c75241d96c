"""Every module has a test file of its own, in the place where one looks for it."""

from pathlib import Path

from tests.architecture.tree import PACKAGES, ROOT, modules

# Modules without one, and why.
ELSEWHERE = {
    "core/stores/store.py": "what every store promises: tests/conformance holds each to it",
    "core/stores/cloud_key.py": "what every cloud key promises: the tests of each hold it to it",
    "core/stores/bucket.py": "what every bucket promises: tests/conformance holds each to it",
    "core/stores/folder*.py": "tests/conformance",
    "core/stores/azure_answers.py": "tests/unit/stores/test_azure_errors.py meets every library",
    "core/stores/azure_bucket.py": "tests/conformance",
    "core/stores/azure_place.py": "tests/conformance, by what is made of it",
    "core/stores/s3*.py": "tests/conformance",
    "core/format/resources/read_pack.py": "tests/golden/test_read_pack.py runs the whole program",
    "core/limits.py": "constants; the module asserts the relations between them as it is imported",
}


def file_of(module: Path) -> Path:
    """Return where the tests of a module are: ``core`` itself is left out of the path."""
    parts = module.parts[1:] if module.parts[0] == "core" else module.parts
    return Path("tests", "unit", *parts[:-1], f"test_{parts[-1]}")


def lacking() -> dict[Path, Path]:
    """Return the modules without a test file, and where it would be."""
    files = {module: file_of(module) for module in modules(*PACKAGES)}
    return {
        module: file
        for module, file in files.items()
        if not module.stem.startswith("__") and not (ROOT / file).is_file()
    }


def test_every_module_has_its_test_file() -> None:
    missing = {
        str(module): str(file)
        for module, file in lacking().items()
        if not any(module.match(pattern) for pattern in ELSEWHERE)
    }
    assert missing == {}


def test_exceptions_are_still_needed() -> None:
    stale = [p for p in ELSEWHERE if not any(module.match(p) for module in lacking())]
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
