"""Rows wait in the range of their id, and in no file when it was looked at."""

import pytest

from core.catalog.index import range_bounds
from core.catalog.workspace import Workspace
from core.engine.ranges import RangeFiles

EMPTY = "select ''::BLOB as id, 0::BIGINT as n where false"
ROWS = "select unhex(sha256(i::VARCHAR)) as id, i as n from range({}, {}) t(i)"


def rows(workspace: Workspace, ranges: RangeFiles, number: int) -> list[tuple[bytes, int]]:
    return list(workspace.rows(f"from {ranges.relation(number)}"))


@pytest.mark.parametrize("count", [1, 3, 16])
def test_rows_are_found_in_their_ranges(workspace: Workspace, count: int) -> None:
    ranges = RangeFiles(workspace, count, EMPTY)
    ranges.add(ROWS.format(0, 500))
    ranges.add(ROWS.format(500, 501))
    found = []
    for number in range(count):
        low, high = range_bounds(number, count)
        within = rows(workspace, ranges, number)
        assert all(low <= blob and (high is None or blob < high) for blob, _ in within)
        assert ranges.count(number) == len(within)
        found += [n for _, n in within]
    assert sorted(found) == list(range(501))


@pytest.mark.parametrize("count", [1, 4])
def test_without_rows_ranges_are_empty(workspace: Workspace, count: int) -> None:
    ranges = RangeFiles(workspace, count, EMPTY)
    assert rows(workspace, ranges, 0) == []
    ranges.add(ROWS.format(0, 0))
    assert rows(workspace, ranges, count - 1) == []


@pytest.mark.parametrize("count", [1, 4])
def test_what_is_dropped_takes_no_room(workspace: Workspace, count: int) -> None:
    ranges = RangeFiles(workspace, count, EMPTY)
    for start in (0, 100):
        ranges.add(ROWS.format(start, start + 100))
    for number in range(count):
        assert rows(workspace, ranges, number)
        ranges.drop(number)
        assert rows(workspace, ranges, number) == []
    assert not list(workspace.folder.glob("range-*/**/*.parquet"))
    assert not list(workspace.folder.glob("range-*.parquet"))


def test_ranges_that_are_not_wanted_are_not_kept(workspace: Workspace) -> None:
    ranges = RangeFiles(workspace, 4, EMPTY, first=3)
    ranges.add(ROWS.format(0, 100))
    assert [bool(rows(workspace, ranges, number)) for number in range(4)] == [
        False, False, False, True,
    ]  # fmt: skip
