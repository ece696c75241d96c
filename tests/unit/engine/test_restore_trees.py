"""Whole trees through everything: backed up, copied, restored from the hot and the cold side."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.backup import backup_folder
from core.engine.progress import Silent
from core.engine.restore import list_items, restore_point
from core.model import Record
from core.plan.restore import MODE_MASK
from core.sources.repository import Repository
from tests.support.copies import Pair, make_pair
from tests.support.trees import Entry, content_of, make_hostile_tree, make_tree, read_tree


def never() -> bool:
    return False


def back_up(repository: Repository, tree: Path) -> Record:
    return backup_folder(repository, tree, Silent(), never).record


def restore(repository: Repository, record: Record, folder: Path) -> None:
    outcome = restore_point(
        repository, record, folder, include=(), overwrite=False, progress=Silent(), stop=never
    )
    assert outcome.failed == ()
    assert outcome.problems == ()


def restorable(tree: Path) -> dict[bytes, Entry]:
    """Return a tree as a restore brings it back: without set-user-id and set-group-id."""
    return {
        path: entry if entry.kind == "link" else replace(entry, mode=entry.mode & MODE_MASK)
        for path, entry in read_tree(tree).items()
    }


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return make_pair(tmp_path / "pair", is_encrypted=request.param)


def test_a_tree_of_everything_comes_back_from_the_backup_and_from_its_copy(
    pair: Pair, tmp_path: Path
) -> None:
    make_hostile_tree(tmp_path / "tree")
    record = back_up(pair.source, tmp_path / "tree")
    copy = pair.copied()
    expected = restorable(tmp_path / "tree")
    for name, repository, point in (("hot", pair.source, record), ("cold", pair.target, copy)):
        restore(repository, point, tmp_path / name)
        assert restorable(tmp_path / name) == expected
        listed = [item.path for item in list_items(repository, point, ())]
        assert listed == sorted(expected)


def test_every_point_of_a_changing_tree_comes_back(pair: Pair, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    make_tree(tree, {f"{n % 5}/{n}": content_of(b"%d" % n, 200 * n) for n in range(50)})
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: make_tree(tree, {f"0/{n}": b"changed" for n in range(0, 50, 5)}),
        lambda: (tree / "1/1").unlink(),
        lambda: shutil.rmtree(tree / "1"),
        lambda: make_tree(tree, {"1": b"a file where a folder was"}),
        lambda: None,
    ]
    expected, hot, cold = [], [], []
    for change in changes:
        change()
        expected.append(restorable(tree))
        hot.append(back_up(pair.source, tree))
        cold.append(pair.copied())
    for number, state in enumerate(expected):
        for name, repository, points in (("hot", pair.source, hot), ("cold", pair.target, cold)):
            folder = tmp_path / f"{name}{number}"
            restore(repository, points[number], folder)
            assert restorable(folder) == state, folder
