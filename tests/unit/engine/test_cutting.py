"""Rows come out in order, in the same objects however they went in."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace, quote
from core.engine import cutting
from core.engine.cutting import Cutter, Extent, run_conditions, sample_sql

COUNT = 1_000
SIZE = 10
SIZE_MAX = 700


def extent(columns: str = "* exclude (row_no)", size: int = SIZE) -> Extent:
    return Extent(row_size=str(size), count=COUNT, size=COUNT * size, largest=size, columns=columns)


def cut(workspace: Workspace, bounds: list[int], rows: Extent) -> list[list[tuple[int, ...]]]:
    """Cut the numbers up to COUNT, given in runs up to before each of the bounds."""
    starts = [0, *bounds]
    runs = (
        f"(select -range as n, range as i from range({start}, {end}))"
        for start, end in zip(starts, bounds, strict=False)
    )
    queries = Cutter(workspace, rows, SIZE_MAX).cut(runs, "i")
    return [list(workspace.rows(query)) for query in queries]


@pytest.mark.parametrize("seed", range(4))
def test_objects_are_the_same_however_rows_are_cut_into_runs(
    workspace: Workspace, seed: int
) -> None:
    whole = cut(workspace, [COUNT], extent())
    assert [row for rows in whole for row in rows] == [(-n, n) for n in range(COUNT)]
    assert max(len(rows) for rows in whole) * SIZE <= SIZE_MAX
    chance = random.Random(seed)
    bounds = sorted(chance.randrange(COUNT) for _ in range(chance.randrange(40)))
    assert cut(workspace, [*bounds, COUNT], extent()) == whole


def test_what_fits_is_one_object(workspace: Workspace) -> None:
    (rows,) = cut(workspace, [300, 301, 301, COUNT], Extent(
        row_size="0.7", count=COUNT, size=SIZE_MAX, largest=1
    ))  # fmt: skip
    assert len(rows) == COUNT


def test_rows_are_numbered_through_all_objects(workspace: Workspace) -> None:
    objects = cut(workspace, [11, 999, COUNT], extent("row_no"))
    assert [row for rows in objects for row in rows] == [(n,) for n in range(COUNT)]


def test_no_rows_are_no_objects(workspace: Workspace) -> None:
    assert list(Cutter(workspace, extent(), SIZE_MAX).cut([], "i")) == []
    assert cut(workspace, [0], extent()) == []


def test_files_of_runs_go_as_soon_as_they_are_stored(workspace: Workspace) -> None:
    def files() -> list[Path]:
        return list(workspace.folder.glob("run-*"))

    def runs() -> Iterator[str]:
        for start in range(0, COUNT, 100):
            yield f"(select range as i from range({start}, {start + 100}))"
            assert len(files()) <= 1

    assert len(list(Cutter(workspace, extent(), SIZE_MAX).cut(runs(), "i"))) > 10
    assert files() == []


@pytest.mark.parametrize("sampled", [1, 7, 10**9])
@pytest.mark.parametrize("order", ["path", "month, path", "name, month, path"])
def test_conditions_part_all_rows_in_their_order(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, order: str, sampled: int
) -> None:
    monkeypatch.setattr(cutting, "_RUN_ROWS", 100)
    monkeypatch.setattr(cutting, "_SAMPLED_ROWS", sampled)
    path = workspace.new_path("rows")
    workspace.run(
        f"""copy (select encode('p' || hash(i)) as path, (i * 37 % 5) - 2 as month,
            chr(65 + (i % 3)::INTEGER) || '''' as name from range({COUNT}) t(i)) to {quote(path)}"""
    )
    rows = f"read_parquet({quote(path)})"
    (sample,) = workspace.row(f"select {sample_sql(order)} from {rows}")
    conditions = list(run_conditions(order, extent(), sample or ()))
    assert len(conditions) == {1: 10, 7: 10, 10**9: 1}[sampled]
    found = [
        row
        for condition in conditions
        for row in workspace.rows(f"from {rows} where {condition} order by {order}")
    ]
    assert found == list(workspace.rows(f"from {rows} order by {order}"))
