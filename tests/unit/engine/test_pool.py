"""Batches side by side: bookkeeping, progress, stops, and workers that die."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from core.engine import pool
from core.engine.plan import run_plan
from core.engine.pool import BatchCalls, StalledError, repack_all
from core.engine.progress import Silent
from core.engine.repack import Call, list_parts, run_repack
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.engine.state import Plan
from core.errors import IntegrityError, StoreError
from core.format import names
from core.limits import KIB
from tests.support.copies import back_up, make_pair, packs_of, pin_batches, through
from tests.support.damaged_stores import Unlisted
from tests.support.stores import Hooked, Kind, below

Given = ParamSpec("Given")
Result = TypeVar("Result")

COUNT = 60
SIZE = 30_000


class Counting(Silent):
    """A progress that adds up."""

    def __init__(self) -> None:
        self.size = self.count = 0

    def advance(self, size: int = 0, count: int = 0) -> None:
        self.size += size
        self.count += count


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CopySession:
    pin_batches(monkeypatch, 500 * KIB)
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(2)
    back_up(pair.source, {b"%d" % number: chance.randbytes(SIZE) for number in range(COUNT)})
    return pair.session()


@pytest.fixture
def plan(session: CopySession) -> Plan:
    plan = run_plan(session)
    assert plan is not None
    assert len(plan.batches) > 2
    return plan


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def part_count(session: CopySession, plan: Plan) -> int:
    return sum(
        len(list_parts(session.target, session, number)) for number in range(len(plan.batches))
    )


def test_a_batch_is_called_again_while_somebody_adds_parts() -> None:
    calls = BatchCalls()
    for part_count in (0, 0, 1, 1, 1, 2):
        calls.note(7, part_count)


def test_three_calls_without_a_new_part_are_too_many() -> None:
    calls = BatchCalls()
    for part_count in (4, 4, 4):
        calls.note(7, part_count)
        calls.note(8, part_count + 1)
    with pytest.raises(StalledError) as caught:
        calls.note(7, 4)
    assert caught.value.batch_number == 7


@pytest.mark.parametrize("workers", [1, 2])
def test_all_batches_come_to_their_end_and_all_progress_is_told(
    session: CopySession, plan: Plan, workers: int
) -> None:
    progress = Counting()
    batches = range(len(plan.batches))
    transfer, is_stopped = repack_all(session, batches, Runner(progress=progress, workers=workers))
    assert not is_stopped
    assert transfer.content_size == progress.size == COUNT * SIZE
    assert transfer.blob_count == progress.count == COUNT
    assert transfer.pack_count == len(packs_of(session.target)) == part_count(session, plan)


@pytest.mark.parametrize("workers", [1, 2])
def test_short_calls_come_to_the_end_and_no_progress_is_told_twice(
    session: CopySession, plan: Plan, workers: int
) -> None:
    run_repack(session, 0, Call(deadline=0))
    progress = Counting()
    runner = Runner(progress=progress, workers=workers, call_seconds=0.0)
    transfer, is_stopped = repack_all(session, range(len(plan.batches)), runner)
    assert not is_stopped
    assert transfer.blob_count < COUNT
    assert (progress.size, progress.count) == (COUNT * SIZE, COUNT)


def take_time(_: Kind, name: str) -> None:
    """Have workers not run away from whoever watches them."""
    if name.startswith(names.PACKS):
        time.sleep(0.1)


@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_watches_stops_it(session: CopySession, plan: Plan, workers: int) -> None:
    runner = Runner(stop=lambda: part_count(session, plan) > 2, workers=workers)
    slow = replace(session, target=through(session.target, Hooked(session.target.store, take_time)))
    _, is_stopped = repack_all(slow, range(len(plan.batches)), runner)
    assert is_stopped
    assert 2 < part_count(session, plan) < COUNT / 2
    finished = packs_of(session.target)
    transfer, is_stopped = repack_all(session, range(len(plan.batches)), Runner(workers=workers))
    assert not is_stopped
    assert len(packs_of(session.target)) == len(finished) + transfer.pack_count


def kill_a_worker(session: CopySession, plan: Plan) -> None:
    """Kill one as soon as there are parts."""
    while part_count(session, plan) < 2:
        time.sleep(0.01)
    pid = multiprocessing.active_children()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_ends_the_run_and_the_next_one_goes_on(
    session: CopySession, plan: Plan
) -> None:
    killer = threading.Thread(target=kill_a_worker, args=(session, plan))
    killer.start()
    with pytest.raises(StoreError, match="worker process died"):
        repack_all(session, range(len(plan.batches)), Runner(workers=2))
    killer.join()
    finished = part_count(session, plan)
    transfer, _ = repack_all(session, range(len(plan.batches)), Runner(workers=2))
    assert transfer.pack_count == part_count(session, plan) - finished


def test_workers_that_end_with_their_parent_make_no_failure_of_a_stop(
    session: CopySession, plan: Plan
) -> None:
    """A signal to a group of processes reaches them as well."""
    asked = threading.Event()

    def ask_all() -> None:
        while part_count(session, plan) < 2:
            time.sleep(0.01)
        asked.set()
        for worker in multiprocessing.active_children():
            worker.terminate()

    asking = threading.Thread(target=ask_all)
    asking.start()
    runner = Runner(stop=asked.is_set, workers=2)
    _, is_stopped = repack_all(session, range(len(plan.batches)), runner)
    asking.join()
    assert is_stopped
    assert part_count(session, plan) >= 2


class Interrupted(ProcessPoolExecutor):
    """A pool at whose terminal somebody presses Ctrl-C as soon as there are workers."""

    def submit(
        self, work: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs
    ) -> "Future[Result]":
        future = super().submit(work, *args, **named)
        for worker in multiprocessing.active_children():
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGINT)
        return future


def test_a_ctrl_c_is_the_parents_from_a_workers_first_moment(
    session: CopySession, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ProcessPoolExecutor", Interrupted)
    transfer, is_stopped = repack_all(session, range(len(plan.batches)), Runner(workers=2))
    assert (transfer.blob_count, is_stopped) == (COUNT, False)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_error_of_a_worker_arrives_whole(session: CopySession, plan: Plan) -> None:
    name = names.batch(session.id, 1, 1)
    session.target.store.delete([name])
    with pytest.raises(IntegrityError, match=name):
        repack_all(session, range(len(plan.batches)), Runner(workers=2))


def test_a_batch_that_gains_no_part_is_given_up(session: CopySession, plan: Plan) -> None:
    hiding = Unlisted(session.target.store, below(names.session(session.id, "parts/")))
    blind = replace(session, target=through(session.target, hiding))
    with pytest.raises(StalledError):
        repack_all(blind, range(len(plan.batches)), Runner(workers=1))
