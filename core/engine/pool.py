"""Batches run side by side on this machine: one process a core, each calling repack.

A worker that finds its parent gone ends itself, so a killed run leaves nothing that writes. What
parent and workers share are plain numbers without a lock: one that a killed worker held would
stop all the others for ever.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import Array, c_bool, c_uint64
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.util import Finalize

from core.engine.obeying import obey, places_of
from core.engine.repack import Call, RepackOutcome, run_repack
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.engine.state import Transfer
from core.errors import StoreError
from core.plan.calls import CallsMade, stalled_reason

_PARENT_CHECK_SECONDS = 1.0
_STOP_CHECK_SECONDS = 0.2


class StalledError(Exception):
    """A batch was called again and again and nobody has added a part."""

    def __init__(self, batch_number: int) -> None:
        """Name the batch."""
        super().__init__(stalled_reason(batch_number))
        self.batch_number = batch_number


class BatchCalls:
    """The calls on a session's batches."""

    def __init__(self) -> None:
        """No call has been made."""
        self._made: dict[int, CallsMade] = {}

    def note(self, batch_number: int, part_count: int) -> None:
        """Note a call that did not finish; raise ``StalledError`` when it is one too many."""
        made = self._made.get(batch_number, CallsMade()).then(part_count)
        if made.is_stalled:
            raise StalledError(batch_number)
        self._made[batch_number] = made


def repack_all(
    session: CopySession, batches: Sequence[int], runner: Runner
) -> tuple[Transfer, bool]:
    """Repack batches to their ends; return what was moved and whether it was stopped."""
    if runner.workers <= 1 or len(batches) <= 1:
        return _repack_here(session, batches, runner)
    return _Pool(session, runner, max(batches) + 1).run(batches)


def _deadline(call_seconds: float | None) -> float | None:
    return None if call_seconds is None else time.monotonic() + call_seconds


def _repack_here(
    session: CopySession, batches: Sequence[int], runner: Runner
) -> tuple[Transfer, bool]:
    total = Transfer()
    calls = BatchCalls()
    for number in batches:
        for attempt in count():
            call = Call(
                deadline=_deadline(runner.call_seconds),
                stop=runner.stop,
                advance=runner.progress.advance,
                is_first=attempt == 0,
            )
            outcome = run_repack(session, number, call)
            total = total.plus(outcome.transfer)
            if outcome.is_stopped:
                return total, True
            if outcome.is_done:
                break
            calls.note(number, outcome.part_count)
    return total, False


class _Pool:
    """A pool for one session's batches."""

    def __init__(self, session: CopySession, runner: Runner, batch_count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._shared = _Shared(
            stop=context.RawArray(c_bool, 1), done=context.RawArray(c_uint64, 2 * batch_count)
        )
        self._core_count = max(1, (os.cpu_count() or 1) // min(runner.workers, batch_count))
        self._told = (0, 0)
        self._total = Transfer()
        self._runner = runner
        self._pool = ProcessPoolExecutor(
            runner.workers,
            mp_context=context,
            initializer=_begin_worker,
            initargs=(session, self._shared, os.getpid()),
        )

    def run(self, batches: Sequence[int]) -> tuple[Transfer, bool]:
        try:
            return self._drive(batches)
        except BrokenProcessPool as error:
            if self._runner.stop():
                # What asks a process to end often asks all of its group at once.
                return self._total, True
            raise StoreError(
                "a worker process died while it was repacking",
                hint="Most often the machine ran out of memory. Run the job again: "
                "finished packs are kept.",
            ) from error
        finally:
            self._shared.order_stop()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._tell()

    def _drive(self, batches: Sequence[int]) -> tuple[Transfer, bool]:
        calls = BatchCalls()
        pending = {self._submit(number): number for number in batches}
        is_stopped = False
        while pending:
            done, _ = wait(pending, timeout=_STOP_CHECK_SECONDS, return_when=FIRST_COMPLETED)
            self._tell()
            if self._runner.stop():
                self._shared.order_stop()
            for future in done:
                number = pending.pop(future)
                if future.cancelled():
                    continue
                outcome = future.result()
                self._total = self._total.plus(outcome.transfer)
                is_stopped = is_stopped or outcome.is_stopped
                if is_stopped or self._shared.is_stopping():
                    is_stopped = True
                    self._shared.order_stop()
                    for other in pending:
                        other.cancel()
                elif not outcome.is_done:
                    calls.note(number, outcome.part_count)
                    pending[self._submit(number, is_first=False)] = number
        return self._total, is_stopped

    def _submit(self, number: int, *, is_first: bool = True) -> "Future[RepackOutcome]":
        terms = (self._runner.call_seconds, self._core_count, is_first)
        with _without_interrupts():
            return self._pool.submit(_work, number, *terms)

    def _tell(self) -> None:
        """Tell whoever watches what the workers have done since the last time."""
        before, self._told = self._told, self._shared.sums()
        size, count = self._told[0] - before[0], self._told[1] - before[1]
        if size or count:
            self._runner.progress.advance(size, count)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What parent and workers see of each other: an order to stop; bytes and blobs by batch.

    A batch is worked on by one worker at a time, so each number has one writer.
    """

    stop: "Array[c_bool]"
    done: "Array[c_uint64]"

    def order_stop(self) -> None:
        self.stop[0] = True

    def is_stopping(self) -> bool:
        return bool(self.stop[0])

    def add(self, batch_number: int, size: int, count: int) -> None:
        self.done[2 * batch_number] += size
        self.done[2 * batch_number + 1] += count

    def sums(self) -> tuple[int, int]:
        done = self.done[:]
        return sum(done[::2]), sum(done[1::2])


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Have the processes that are made meanwhile never see a Ctrl-C, from their first moment on.

    A terminal sends it to all; only the parent decides what it means.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process knows: set once when it begins."""

    session: CopySession
    shared: _Shared


def _begin_worker(session: CopySession, shared: _Shared, parent: int) -> None:
    _Worker.session = session
    _Worker.shared = shared
    obey(shared.is_stopping, *places_of(session))
    ended = threading.Event()
    watch = threading.Thread(target=_watch_parent, args=(parent, ended), daemon=True)
    watch.start()
    # A thread that outlives the interpreter makes native libraries complain of leaks.
    Finalize(None, _end_watch, args=(watch, ended), exitpriority=0)


def _watch_parent(parent: int, ended: threading.Event) -> None:
    while not ended.wait(_PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            os._exit(1)


def _end_watch(watch: threading.Thread, ended: threading.Event) -> None:
    ended.set()
    watch.join()


def _work(
    batch_number: int,
    call_seconds: float | None,
    core_count: int,
    is_first: bool,
) -> RepackOutcome:
    shared = _Worker.shared
    call = Call(
        deadline=_deadline(call_seconds),
        stop=shared.is_stopping,
        advance=partial(shared.add, batch_number),
        core_count=core_count,
        is_first=is_first,
    )
    return run_repack(_Worker.session, batch_number, call)
