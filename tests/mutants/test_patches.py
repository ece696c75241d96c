"""The patches beside this file fit the tree as it is."""

import shutil
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, has_test
from tests.mutants.patch import apply_mutant, parse_mutant

PATCHES = sorted(Path(__file__).parent.glob("*.patch"))


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)
def test_the_patch_fits_the_tree_and_names_a_test_that_exists(path: Path, tmp_path: Path) -> None:
    mutant = parse_mutant(path.stem, path.read_text())
    assert path.stem.startswith(mutant.invariant)
    assert [test for test in mutant.tests if not has_test(test)] == []
    for name in {hunk.path for hunk in mutant.hunks}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    apply_mutant(mutant, tmp_path)
    for name in {hunk.path for hunk in mutant.hunks}:
        # A mutant breaks a promise, not the syntax.
        compile((tmp_path / name).read_text(), name, "exec")
