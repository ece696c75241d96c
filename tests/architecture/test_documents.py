"""Links and paths in documents lead somewhere; invariants have their tests and mutants."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, has_test, project_files, text_files
from tests.mutants.patch import parse_mutant

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py::[\w:]+)(?:\[[^`]*)?`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TREES = (*PACKAGES, "benchmarks", "docs", "examples", "scripts", "tests")
INVARIANTS = tuple(f"I{number}" for number in range(1, 9))


def documents() -> Iterator[tuple[Path, str]]:
    """Yield the documents, code blocks left out."""
    for path, text in text_files():
        if path.suffix == ".md":
            yield path, FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """Return what a document's headings can be linked as."""
    headings = re.findall(r"^#+ +(.*)$", (ROOT / path).read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def leads_somewhere(source: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    name, _, anchor = link.partition("#")
    target = (ROOT / source.parent / name).resolve() if name else ROOT / source
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.relative_to(ROOT))


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{path}: {link}"
        for path, text in documents()
        for link in LINK.findall(text)
        if not leads_somewhere(path, link)
    ]
    assert broken == []


def test_every_path_in_backticks_exists() -> None:
    missing = []
    for path, text in documents():
        for code in CODE.findall(text):
            name = code.split("::")[0].rstrip("/")
            is_path = re.fullmatch(rf"(?:{'|'.join(TREES)})(?:/[\w.-]+)+", name)
            if is_path and not (ROOT / name).exists():
                missing.append(f"{path}: {code}")
    assert missing == []


def test_every_test_in_backticks_exists() -> None:
    tests = [(path, test) for path, text in documents() for test in TEST.findall(text)]
    assert [f"{path}: {test}" for path, test in tests if not has_test(test)] == []


def invariant_section(invariant: str) -> str:
    """Return what docs/invariants.md says below the heading of an invariant."""
    text = (ROOT / "docs" / "invariants.md").read_text()
    match = re.search(rf"^#+ +{invariant}\b.*?(?=^#+ +I\d|^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"docs/invariants.md has no heading for {invariant}"
    return match.group()


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_every_invariant_is_proved_by_a_test(invariant: str) -> None:
    proofs = TEST.findall(invariant_section(invariant))
    assert proofs, f"docs/invariants.md names no test for {invariant}"
    unaware = [
        proof
        for proof in proofs
        if not re.search(rf"\b{invariant}\b", (ROOT / proof.split("::")[0]).read_text())
    ]
    assert unaware == [], f"these tests do not say that they prove {invariant}"


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_every_invariant_has_a_mutant(invariant: str) -> None:
    patches = [path for path in project_files() if path.suffix == ".patch"]
    mutants = [parse_mutant(path.stem, (ROOT / path).read_text()) for path in patches]
    assert [mutant.name for mutant in mutants if mutant.invariant == invariant]
