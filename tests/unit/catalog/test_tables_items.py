"""Items go into tables and come out as they were, whatever their names and however many blobs."""

from collections.abc import Iterator

import pytest

from core.catalog.tables import read_items, write_items
from core.catalog.workspace import Workspace
from core.ids import BlobId
from core.limits import MIB, PATH_SIZE_MAX
from core.model import Item, ItemKind
from tests.support.trees import ODD_NAMES


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(128 * MIB) as made:
        yield made


def blobs(count: int) -> tuple[BlobId, ...]:
    return tuple(BlobId(number.to_bytes(32, "little")) for number in range(count))


def round_trip(workspace: Workspace, items: list[Item]) -> list[Item]:
    assert write_items(workspace, items, "items") == len(items)
    return list(read_items(workspace, "items", "order by path"))


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1_000, 1_001, 40_000])
def test_any_number_of_blobs_comes_back_in_order(workspace: Workspace, count: int) -> None:
    item = Item(path=b"file", kind=ItemKind.FILE, size=5, blobs=blobs(count))
    other = Item(path=b"other", kind=ItemKind.FILE, size=5, blobs=blobs(3)[::-1])
    assert round_trip(workspace, [item, other]) == [item, other]


def test_any_name_and_any_field_comes_back(workspace: Workspace) -> None:
    paths = [b"", *ODD_NAMES, b"p" * PATH_SIZE_MAX]
    items = [
        Item(
            path=path,
            kind=list(ItemKind)[number % 3],
            size=number,
            modified=(-1) ** number * ((1 << 63) - 1 - number),
            metadata='{"target":"odd\u00fc"}' if number % 2 else "",
            is_deleted=number % 5 == 0,
            is_damaged=number % 7 == 0,
        )
        for number, path in enumerate(sorted(set(paths)))
    ]
    assert round_trip(workspace, items) == items


def test_no_items_make_an_empty_table(workspace: Workspace) -> None:
    assert round_trip(workspace, []) == []


def test_many_small_files_need_little_memory(workspace: Workspace) -> None:
    workspace.run("set memory_limit = '48MiB'")
    items = (
        Item(path=b"%d" % n, kind=ItemKind.FILE, size=1, blobs=(BlobId(n.to_bytes(32, "big")),))
        for n in range(300_000)
    )
    assert write_items(workspace, items, "items") == 300_000
    assert workspace.row("select count(*), sum(len(blobs)) from items") == (300_000, 300_000)
