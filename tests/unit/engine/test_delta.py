"""What a point adds to its parent: whatever way it is found, the copy shows the same."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.delta import count_shared_layers, read_source_record
from core.engine.plan import run_plan
from core.errors import IntegrityError, NotFoundError
from core.format import names
from core.ids import BlobId, PointId
from core.limits import BLOB_SIZE_MAX
from core.model import Item, ItemKind, Record, RetentionType
from tests.support.copies import (
    MODIFIED,
    Change,
    Pair,
    back_up,
    check_copied,
    file_item,
    make_pair,
    names_below,
    packs_of,
    read_state,
    record_name,
)
from tests.support.damaged_stores import Missing
from tests.support.stores import below

BASE: dict[bytes, Change] = {b"%02d" % number: b"content %d" % number for number in range(20)}


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Pair:
    pair = make_pair(tmp_path, is_encrypted=request.param)
    back_up(pair.source, BASE)
    pair.copied()
    return pair


def copy_next(pair: Pair, *, is_full: bool) -> Record:
    """Copy the newest point, and say how its delta is expected to be found."""
    outcome = pair.copy()
    assert outcome is not None
    assert outcome.record is not None
    assert outcome.plan is not None
    assert outcome.plan.delta.is_full is is_full
    return outcome.record


CHANGES: Mapping[bytes, Change] = {b"03": b"new content", b"04": None, b"new": b"and more"}


def test_what_follows_the_shared_layers_is_the_delta(pair: Pair) -> None:
    source_record = back_up(pair.source, CHANGES)
    record = copy_next(pair, is_full=False)
    assert (record.added_count, record.removed_count, record.item_count) == (2, 1, 20)
    check_copied(pair, source_record, record)


def test_points_that_were_skipped_leave_nothing_behind(pair: Pair) -> None:
    back_up(pair.source, CHANGES)
    back_up(pair.source, {b"03": b"newer", b"new": None, b"04": b"back again"})
    source_record = back_up(pair.source, {b"05": b"newest"})
    record = copy_next(pair, is_full=False)
    check_copied(pair, source_record, record)
    assert record.new_blob_count == 3


def test_a_new_base_is_compared_whole(pair: Pair) -> None:
    """Nothing is shared, and still only what differs is added."""
    back_up(pair.source, {path: b"changed" for path in list(BASE)[:15]})
    source_record = back_up(pair.source, BASE | {b"extra": b"x", b"04": None})
    record = copy_next(pair, is_full=True)
    check_copied(pair, source_record, record)
    assert (record.added_count, record.removed_count) == (1, 1)


def test_a_point_of_another_line_is_compared_whole(pair: Pair) -> None:
    """Two backups that ran at once: what the one changed, the other never saw."""
    root = pair.source.read_record(pair.source.list_records()[0].name)
    back_up(pair.source, {b"03": b"one line", b"one": b"1"}, 2, parent=root)
    pair.copied()
    source_record = back_up(pair.source, {b"05": b"other line"}, 3, parent=root)
    record = copy_next(pair, is_full=True)
    check_copied(pair, source_record, record)


def test_a_point_between_that_is_gone_is_no_obstacle(pair: Pair) -> None:
    gone = back_up(pair.source, {b"03": b"two"})
    source_record = back_up(pair.source, {b"05": b"three"})
    pair.source.store.delete([record_name(gone)])
    record = copy_next(pair, is_full=True)
    check_copied(pair, source_record, record)


def test_no_change_is_an_empty_delta(pair: Pair) -> None:
    source_record = back_up(pair.source, {})
    record = copy_next(pair, is_full=False)
    assert (record.added_count, record.removed_count, record.new_blob_count) == (0, 0, 0)
    check_copied(pair, source_record, record)


def test_an_emptied_tree_is_copied_as_empty(pair: Pair) -> None:
    source_record = back_up(pair.source, dict.fromkeys(BASE))
    record = pair.copied()
    assert (record.item_count, record.layers) == (0, ())
    check_copied(pair, source_record, record)


def test_kinds_modes_and_times_are_changes_too(pair: Pair) -> None:
    item = file_item(pair.source, b"03", b"content 3")
    changed = {
        b"03": replace(item, modified=5),
        b"04": Item(path=b"04", kind=ItemKind.FOLDER, metadata='{"mode":448}'),
        b"05": Item(path=b"05", kind=ItemKind.LINK, metadata='{"target":"ff"}'),
    }
    source_record = back_up(pair.source, changed)
    record = copy_next(pair, is_full=False)
    assert record.new_blob_count == 0
    check_copied(pair, source_record, record)


def test_rows_whose_packs_are_lost_are_copied_anew(pair: Pair) -> None:
    (pack,) = packs_of(pair.target)
    pair.target.store.put(names.damaged(pack), b"")
    source_record = back_up(pair.source, {b"new": b"x"})
    record = copy_next(pair, is_full=False)
    assert record.new_blob_count == 21
    pair.target.store.delete([pack, *(n.name for n in pair.target.store.list(names.DAMAGED))])
    check_copied(pair, source_record, record)


def test_rows_whose_packs_are_lost_with_their_index_are_copied_anew(pair: Pair) -> None:
    """I1: nothing stored names the lost pack any more."""
    pair.target.store.delete([*packs_of(pair.target), *names_below(pair.target.store, names.INDEX)])
    source_record = back_up(pair.source, {b"new": b"x"})
    record = copy_next(pair, is_full=False)
    assert record.new_blob_count == 21
    check_copied(pair, source_record, record)


def copy_with_holes(tmp_path: Path) -> tuple[Pair, Record]:
    """Copy a point of which two files have lost their blobs."""
    pair = make_pair(tmp_path)
    pair = replace(pair, definition=replace(pair.definition, allow_damaged=True))
    first = back_up(pair.source, BASE)
    lost = [item.blobs[0] for item in read_state(pair.source, first).values()][3:5]
    missing = Missing(pair.source.store, below(*map(names.blob, lost)))
    record = pair.seen(source=missing).copied()
    assert record.damaged_count == 2
    return pair, record


@pytest.mark.parametrize("is_full", [True, False])
def test_flagged_rows_are_tried_again_by_the_next_session(tmp_path: Path, *, is_full: bool) -> None:
    pair, _ = copy_with_holes(tmp_path)
    if is_full:
        back_up(pair.source, {path: b"changed" for path in list(BASE)[:15]})
        source_record = back_up(pair.source, BASE)
    else:
        source_record = back_up(pair.source, {b"new": b"x"})
    record = copy_next(pair, is_full=is_full)
    assert (record.damaged_count, record.warnings) == (0, ())
    check_copied(pair, source_record, record)


# Retention floors: nanoseconds that some items lie below.
OLD, YOUNG, FLOOR = MODIFIED - 100, MODIFIED, MODIFIED - 50


def aged(pair: Pair, path: bytes, content: bytes, modified: int) -> Item:
    return replace(file_item(pair.source, path, content), modified=modified)


def set_floor(pair: Pair, *, is_source: bool) -> None:
    repository = pair.source if is_source else pair.target
    repository.store.put(f"{names.RETENTION}{FLOOR}.json", b"")


@pytest.fixture
def item_level(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path, retention_type=RetentionType.ITEM_LEVEL)
    back_up(
        pair.source,
        {path: aged(pair, path, b"x" + path, YOUNG) for path in BASE}
        | {b"old": aged(pair, b"old", b"old", OLD)},
    )
    return pair


def test_rows_below_the_targets_floor_are_never_copied(item_level: Pair) -> None:
    set_floor(item_level, is_source=False)
    record = item_level.copied()
    assert set(read_state(item_level.target, record)) == set(BASE)
    assert record.new_blob_count == len(BASE)


def change_everything(pair: Pair) -> None:
    """Make the source begin a new base, so that the next delta is a whole comparison."""
    back_up(pair.source, {path: aged(pair, path, b"y", YOUNG) for path in list(BASE)[:18]})


@pytest.mark.parametrize("is_full", [True, False])
def test_what_expired_in_the_source_stays_by_the_copys_own_floor(
    item_level: Pair, *, is_full: bool
) -> None:
    """R8: the source keeps a year and the copy seven."""
    item_level.copied()
    set_floor(item_level, is_source=True)
    if is_full:
        change_everything(item_level)
    back_up(item_level.source, {b"new": b"x", b"03": None})
    record = copy_next(item_level, is_full=is_full)
    assert set(read_state(item_level.target, record)) == (set(BASE) | {b"old", b"new"}) - {b"03"}


@pytest.mark.parametrize("is_full", [True, False])
def test_a_row_that_an_expired_one_replaced_is_gone(item_level: Pair, *, is_full: bool) -> None:
    """A file was put back from long ago: the point shows neither it nor what it replaced."""
    item_level.copied()
    set_floor(item_level, is_source=True)
    if is_full:
        change_everything(item_level)
    back_up(item_level.source, {b"03": aged(item_level, b"03", b"long ago", OLD)})
    record = copy_next(item_level, is_full=is_full)
    assert b"03" not in read_state(item_level.target, record)


def bad_items(pair: Pair, what: str) -> dict[bytes, Change]:
    item = file_item(pair.source, b"a", b"content")
    if what == "blobs":
        return {b"a": replace(item, size=BLOB_SIZE_MAX + 1)}
    return {b"a": item, b"b": replace(item, path=b"b", size=3)}


@pytest.mark.parametrize("what", ["blobs", "lengths"])
def test_layers_that_contradict_themselves_are_damage(tmp_path: Path, what: str) -> None:
    pair = make_pair(tmp_path)
    back_up(pair.source, bad_items(pair, what))
    with pytest.raises(IntegrityError, match="contradict"):
        run_plan(pair.session())


def test_a_point_that_the_source_has_lost_says_what_to_do(pair: Pair) -> None:
    with pytest.raises(NotFoundError, match="no restore point") as caught:
        read_source_record(pair.source, PointId(f"20260101T000000000001Z-{'0' * 32}"))
    assert "abandon" in caught.value.hint


def test_without_a_parent_nothing_is_shared(pair: Pair) -> None:
    back_up(pair.source, {})
    assert count_shared_layers(pair.session(), pair.source, "") == 0


def test_ids_of_one_blob_in_two_files_are_one(pair: Pair) -> None:
    twin = file_item(pair.source, b"twin", b"content 3")
    assert isinstance(twin.blobs[0], bytes)
    source_record = back_up(pair.source, {b"twin": twin})
    record = copy_next(pair, is_full=False)
    assert (record.new_blob_count, record.reused_blob_count) == (0, 1)
    check_copied(pair, source_record, record)
    assert BlobId(twin.blobs[0])
