"""The rows of a restore come in order, each once, from every place where they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace
from core.engine.faults import FaultLog
from core.engine.restore_tables import RestoreTables
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind
from core.plan.paths import Selection
from core.plan.restore import Inode, Piece
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import make_repository
from tests.support.points import (
    file_item,
    folder_item,
    link_item,
    packed_id,
    write_index,
    write_pack,
    write_point,
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path / "repository", create=True), is_encrypted=True)


@contextmanager
def opened(
    repository: Repository, items: Iterable[Item], include: tuple[str, ...] = ()
) -> Iterator[tuple[RestoreTables, FaultLog, Tables]]:
    record = write_point(repository, items)
    with Workspace(128 * MIB, threads=1) as workspace, FaultLog(workspace) as log:
        tables = Tables(repository, workspace)
        rows = RestoreTables(tables, record, log)
        rows.choose(Selection(include))
        yield rows, log, tables


def open_content(
    rows: RestoreTables,
    tables: Tables,
    last: tuple[str, ...] = (),
    archived: tuple[str, ...] = (),
) -> list[str]:
    files = [tables.fetch(head.name) for head in tables.repository.store.list(names.INDEX)]
    rows.open_content(files, last)
    return rows.choose_places(archived)


def blob(number: int) -> BlobId:
    return BlobId(bytes([number]) * 32)


def paths(pieces: Iterable[Piece]) -> list[bytes]:
    return [piece.target.path for piece in pieces]


TREE = [
    folder_item(b"a", 0o711),
    folder_item(b"a/b"),
    file_item(b"a/b/x", 1, [blob(1)], 0o4755),
    file_item(b"a/empty", 0, []),
    link_item(b"a-link", b"a/b"),
    file_item(b"\xff", 0, []),
]


def test_candidates_come_in_the_order_of_their_paths(repository: Repository) -> None:
    with opened(repository, reversed(TREE)) as (rows, _, _):
        candidates = list(rows.candidates())
    assert [candidate.path for candidate in candidates] == sorted(item.path for item in TREE)
    assert [candidate.row for candidate in candidates] == list(range(len(TREE)))
    assert all(c.is_consistent and not c.is_damaged and not c.is_way for c in candidates)


def test_what_is_chosen_brings_the_folders_on_its_way(repository: Repository) -> None:
    with opened(repository, TREE, ("**/x", "a/empty")) as (rows, _, _):
        ways = {candidate.path: candidate.is_way for candidate in rows.candidates()}
    assert ways == {b"a": True, b"a/b": True, b"a/b/x": False, b"a/empty": False}


def test_a_folder_that_is_chosen_itself_is_no_way(repository: Repository) -> None:
    with opened(repository, TREE, ("a",)) as (rows, _, _):
        ways = {candidate.path: candidate.is_way for candidate in rows.candidates()}
    assert ways == dict.fromkeys([b"a", b"a/b", b"a/b/x", b"a/empty"], False)


@pytest.mark.parametrize(
    ("item", "is_consistent"),
    [
        (file_item(b"x", 0, []), True),
        (file_item(b"x", 1, [blob(1)]), True),
        (file_item(b"x", BLOB_SIZE_MAX, [blob(1)]), True),
        (file_item(b"x", BLOB_SIZE_MAX + 1, [blob(1)]), False),
        (file_item(b"x", BLOB_SIZE_MAX + 1, [blob(1), blob(1)]), True),
        (file_item(b"x", BLOB_SIZE_MAX, [blob(1), blob(2)]), False),
        (file_item(b"x", -1, []), False),
        (file_item(b"x", 1, [b"31 bytes" * 3]), False),
        (file_item(b"x", (1 << 63) - 1, [blob(1)]), False),
        (Item(path=b"x", kind=ItemKind.LINK, size=3), True),
        (Item(path=b"x", kind=ItemKind.LINK, blobs=(blob(1),)), False),
    ],
)
def test_blobs_that_contradict_the_size_are_seen(
    repository: Repository, item: Item, is_consistent: bool
) -> None:
    with opened(repository, [item]) as (rows, _, _):
        assert [candidate.is_consistent for candidate in rows.candidates()] == [is_consistent]


def test_what_has_failed_is_no_target(repository: Repository) -> None:
    with opened(repository, TREE) as (rows, log, _):
        log.fail_with(0, IntegrityError("x"))
        rows.keep([])
        assert rows.totals() == (5, 1)
        log.fail_with(2, IntegrityError("y"))
        assert [target.path for target, _ in rows.folders()] == []
        assert [target.path for target in rows.empty_files()] == [b"a/empty", b"\xff"]
        assert [(target.path, to) for target, to in rows.links()] == [(b"a-link", b"a/b")]
        assert rows.failed_count() == 2
        assert list(rows.failed(10)) == [
            (b"a", "integrity", "x"),
            (b"a/b", "integrity", "y"),
        ]
        assert len(list(rows.failed(1))) == 1


def test_folders_come_from_both_ends(repository: Repository) -> None:
    with opened(repository, TREE, ("a/b/x", "a/b")) as (rows, _, _):
        rows.keep([(0, Inode(device=1 << 63, number=(1 << 64) - 1))])
        folders = [(target.path, is_way) for target, is_way in rows.folders()]
        assert folders == [(b"a", True), (b"a/b", False)]
        deepest_first = list(rows.folders(is_deepest_first=True))
        assert [target.path for target, _ in deepest_first] == [b"a/b", b"a"]
        top = deepest_first[-1][0]
        assert top.mode == 0o711
        assert top.replaces == Inode(device=1 << 63, number=(1 << 64) - 1)
        assert rows.totals() == (2, 1)


def test_folders_that_are_the_same_here_are_told_but_for_the_first(repository: Repository) -> None:
    items = [folder_item(b"%d" % n) for n in range(4)] + [file_item(b"4", 0, [])]
    one, other = Inode(device=1, number=1), Inode(device=2, number=1)
    with opened(repository, items) as (rows, _, _):
        rows.keep([(0, one), (1, other), (2, one), (4, one)])
        assert list(rows.doubled_folders()) == [2]


def test_loose_pieces_come_in_path_order_with_equal_blobs_together(repository: Repository) -> None:
    size = 2 * BLOB_SIZE_MAX + 5
    items = [
        file_item(b"a", 3, [blob(1)]),
        file_item(b"b", size, [blob(9), blob(1), blob(3)]),
        file_item(b"c", 3, [blob(2)]),
        file_item(b"d", 3, [blob(1)]),
    ]
    with opened(repository, items) as (rows, _, tables):
        rows.keep([])
        open_content(rows, tables)
        pieces = list(rows.loose_pieces())
        assert list(rows.packed_pieces(1)) == []
    assert [(piece.target.path, piece.ordinal) for piece in pieces] == [
        (b"a", 0),
        (b"b", 1),
        (b"d", 0),
        (b"b", 2),
        (b"b", 0),
        (b"c", 0),
    ]
    large = {piece.ordinal: piece for piece in pieces if piece.target.path == b"b"}
    assert [large[n].offset for n in range(3)] == [0, BLOB_SIZE_MAX, 2 * BLOB_SIZE_MAX]
    assert [large[n].length for n in range(3)] == [BLOB_SIZE_MAX, BLOB_SIZE_MAX, 5]
    assert {piece.target.piece_count for piece in large.values()} == {3}


def test_packed_pieces_come_in_the_order_of_packs_and_frames(repository: Repository) -> None:
    contents = [b"%02d" % number for number in range(30)]
    for start in (0, 15):
        frames = [contents[start + n : start + n + 3] for n in range(0, 15, 3)]
        made = write_pack(repository, frames)
        write_index(repository, made.row, reversed(made.blobs))
    items = [file_item(content[::-1], 2, [packed_id(repository, content)]) for content in contents]
    with opened(repository, items) as (rows, _, tables):
        rows.keep([])
        open_content(rows, tables)
        pieces = list(rows.packed_pieces(1))
        packs = [rows.pack_row(number) for number in (1, 2)]
        assert list(rows.loose_pieces()) == []
    places = [piece.place for piece in pieces if piece.place]
    keys = [(place.frame.pack, place.frame.offset, place.offset) for place in places]
    assert len(keys) == 30
    assert keys == sorted(set(keys))
    assert packs[0].session_id < packs[1].session_id
    assert {len(pack.header) for pack in packs} == {56}


def test_places_are_tried_one_after_the_other(repository: Repository) -> None:
    packs = [write_pack(repository, [[b"shared"]]) for _ in range(3)]
    for pack in packs:
        write_index(repository, pack.row, pack.blobs)
    items = [file_item(b"x", 6, [packed_id(repository, b"shared")])]
    with opened(repository, items) as (rows, log, tables):
        rows.keep([])
        open_content(rows, tables, (packs[1].name, "index/other", "packs/not-one"))
        tried = []
        for choice in (1, 2, 3):
            (piece,) = rows.packed_pieces(choice)
            assert piece.place
            tried.append(names.pack_of(rows.pack_row(piece.place.frame.pack)))
            log.retry(piece, IntegrityError(f"attempt {choice}"))
            assert rows.advance(choice + 1) == (choice < 3)
        assert sorted(tried) == sorted(pack.name for pack in packs)
        assert tried[-1] == packs[1].name
        assert list(rows.failed(10)) == [(b"x", "integrity", "attempt 3")]


def test_only_packs_that_cannot_be_done_without_are_retrieved(repository: Repository) -> None:
    """Archived ones come last of all, even after those that are listed as damaged."""
    shared, alone, unneeded = (
        write_pack(repository, frames) for frames in ([[b"s"]], [[b"s"], [b"a"]], [[b"u"]])
    )
    for pack in (alone, shared, unneeded):
        write_index(repository, pack.row, pack.blobs)
    cold = (alone.name, shared.name, unneeded.name)
    for archived, last, needed in (
        ((alone.name,), (shared.name,), []),
        (cold, (), sorted([alone.name, shared.name])[:1]),
    ):
        items = [file_item(b"x", 1, [packed_id(repository, b"s")])]
        with opened(repository, items) as (rows, _, tables):
            rows.keep([])
            assert open_content(rows, tables, last, archived) == needed
            assert sorted(dict(rows.usable_packs())) == sorted([alone.name, shared.name])
    items = [file_item(b"x", 1, [packed_id(repository, b"a")])]
    with opened(repository, items) as (rows, _, tables):
        rows.keep([])
        assert open_content(rows, tables, (), cold) == [alone.name]


def test_nothing_to_retry_ends_the_rounds(repository: Repository) -> None:
    with opened(repository, TREE) as (rows, _, tables):
        rows.keep([])
        open_content(rows, tables)
        assert not rows.advance(2)
        assert rows.failed_count() == 0


def test_rows_of_the_index_that_cannot_be_true_are_no_places(repository: Repository) -> None:
    made = write_pack(repository, [[b"x"]])
    for change in ({"size": 0}, {"header": b"short"}, {"session_id": "../../etc"}):
        write_index(repository, replace(made.row, **change), made.blobs)
    write_index(repository, made.row, [replace(made.blobs[0], frame_length=0)])
    with opened(repository, [file_item(b"x", 1, [made.blobs[0].id])]) as (rows, _, tables):
        rows.keep([])
        open_content(rows, tables)
        assert list(rows.packed_pieces(1)) == []
        assert paths(rows.loose_pieces()) == [b"x"]
