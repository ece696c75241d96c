"""The arithmetic between figures and promises."""

from dataclasses import replace

import pytest

from benchmarks import verdict
from benchmarks.verdict import Cost, SetFigures, Verdict
from core.limits import GIB, MIB

FIGURES = SetFigures(
    name="small",
    blob_size=28_000,
    content_size=1_000_000_000,
    core_count=2,
    floor_cpu=12.0,
    first=Cost(wall=7.5, cpu=15.0),
    idle=Cost(wall=0.5, cpu=1.0),
    incremental=Cost(wall=0.9, cpu=1.35),
    peers={
        "restic copy": Cost(wall=30.0, cpu=60.0),
        "script": Cost(wall=15.0, cpu=75.0),
    },
    source_count=40_000,
    written_count=20,
    request_count=40_020,
    incremental_request_count=415,
    archived_size=430,
    single_size=500,
    peak=200 * MIB,
)


def judged(figures: SetFigures) -> dict[str, Verdict]:
    return {each.promise: each for each in verdict.judge_set(figures)}


def test_the_floor_is_the_cpu_of_all_stages_over_the_cores() -> None:
    assert verdict.floor_share(FIGURES) == pytest.approx(12 / 2 / 7.5)


def test_servers_on_the_same_cores_are_part_of_the_floor_and_not_of_the_client() -> None:
    served = replace(FIGURES, floor_server_cpu=1.5)
    promises = judged(served)
    assert promises["wall: share that the floor would take"].value == pytest.approx(0.9)
    assert promises["CPU: share that the floor would take"].value == pytest.approx(0.8)
    assert "CPU: share that the floor would take" not in judged(FIGURES)


def test_start_up_counts_neither_for_the_first_nor_for_the_incremental_run() -> None:
    assert verdict.incremental_share(FIGURES) == pytest.approx(0.35 / 14)
    faster = replace(FIGURES, incremental=Cost(wall=0.4, cpu=0.9))
    assert verdict.incremental_share(faster) == 0


def test_requests_of_an_incremental_run_are_a_share_of_the_first_ones() -> None:
    assert verdict.request_share(FIGURES) == pytest.approx(415 / 40_020)


def test_peers_compete_in_wall_and_in_cpu_each_with_its_own_best() -> None:
    promises = judged(FIGURES)
    assert promises["wall: fastest peer / ours"].value == pytest.approx(2.0)
    assert promises["CPU: least peer / ours"].value == pytest.approx(4.0)
    assert promises["wall: restic copy / ours"].value == pytest.approx(4.0)
    assert [promises[p].word for p in ("wall: fastest peer / ours", "CPU: least peer / ours")] == [
        "short",
        "met",
    ]


@pytest.mark.parametrize(("blob_size", "times"), [(28_000, 3), (MIB, 2), (8 * MIB, 1)])
def test_larger_blobs_ask_for_less_of_a_lead(blob_size: int, times: float) -> None:
    promises = judged(replace(FIGURES, blob_size=blob_size))
    assert promises["wall: fastest peer / ours"].target == times


def test_archived_bytes_and_writes_are_judged_on_small_blobs_only() -> None:
    assert judged(FIGURES)["archived bytes / zstd of each blob"].value == pytest.approx(0.86)
    assert judged(FIGURES)["writes / objects of the source"].value == pytest.approx(0.0005)
    large = judged(replace(FIGURES, blob_size=MIB))
    assert "archived bytes / zstd of each blob" not in large


def test_a_promise_is_kept_exactly_at_its_target() -> None:
    peak, beyond = 512 * MIB, 512 * MIB + MIB // 2
    assert judged(replace(FIGURES, peak=peak))["peak memory of a process"].is_met
    assert not judged(replace(FIGURES, peak=beyond))["peak memory of a process"].is_met


def test_a_plan_is_judged_by_time_and_memory() -> None:
    words = [each.word for each in verdict.judge_plan(10_000_000, 59.0, 3 * GIB)]
    assert words == ["met", "short"]
    words = [each.word for each in verdict.judge_listing(10_000_000, 61.0, GIB)]
    assert words == ["short", "met"]
