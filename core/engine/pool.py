"""Batches run side by side on this machine: one process a core, each calling repack.

A worker that finds its parent gone ends itself, so a killed run leaves nothing that writes.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from multiprocessing.util import Finalize

from core import limits
from core.engine.repack import Call, RepackOutcome, run_repack
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.engine.state import Transfer
from core.errors import StoreError

_PARENT_CHECK_SECONDS = 1.0
_STOP_CHECK_SECONDS = 0.2
_ADVANCE_SECONDS = 0.2

Advance = tuple[int, int] | None


class StalledError(Exception):
    """A batch was called again and again and nobody has added a part."""

    def __init__(self, batch_number: int) -> None:
        """Name the batch."""
        super().__init__(f"batch {batch_number} makes no progress")
        self.batch_number = batch_number


class BatchCalls:
    """Decides whether a batch is called again: pure bookkeeping of its calls."""

    def __init__(self) -> None:
        """No call has been made."""
        self._seen: dict[int, tuple[int, int]] = {}

    def note(self, batch_number: int, part_count: int) -> None:
        """Note a call that did not finish; raise ``StalledError`` when it is one too many."""
        before, idle = self._seen.get(batch_number, (0, 0))
        idle = idle + 1 if part_count <= before else 0
        if idle >= limits.BATCH_CALLS_WITHOUT_PROGRESS_MAX:
            raise StalledError(batch_number)
        self._seen[batch_number] = (max(part_count, before), idle)


def repack_all(
    session: CopySession, batches: Sequence[int], runner: Runner
) -> tuple[Transfer, bool]:
    """Repack batches to their ends; return what was moved and whether it was stopped."""
    if runner.workers <= 1 or len(batches) <= 1:
        return _repack_here(session, batches, runner)
    return _Pool(session, runner).run(batches)


def _deadline(call_seconds: float | None) -> float | None:
    return None if call_seconds is None else time.monotonic() + call_seconds


def _repack_here(
    session: CopySession, batches: Sequence[int], runner: Runner
) -> tuple[Transfer, bool]:
    total = Transfer()
    calls = BatchCalls()
    for number in batches:
        while True:
            call = Call(
                deadline=_deadline(runner.call_seconds),
                stop=runner.stop,
                advance=runner.progress.advance,
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

    def __init__(self, session: CopySession, runner: Runner) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop_event = context.Event()
        self._advances: SimpleQueue[Advance] = context.SimpleQueue()
        self._runner = runner
        self._pool = ProcessPoolExecutor(
            runner.workers,
            mp_context=context,
            initializer=_begin_worker,
            initargs=(session, self._stop_event, self._advances, os.getpid()),
        )

    def run(self, batches: Sequence[int]) -> tuple[Transfer, bool]:
        listener = threading.Thread(target=self._listen, name="progress", daemon=True)
        listener.start()
        try:
            return self._drive(batches)
        except BrokenProcessPool as error:
            raise StoreError(
                "a worker process died while it was repacking",
                hint="Most often the machine ran out of memory. Run the job again: "
                "finished packs are kept.",
            ) from error
        finally:
            self._stop_event.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._advances.put(None)
            listener.join()

    def _drive(self, batches: Sequence[int]) -> tuple[Transfer, bool]:
        total = Transfer()
        calls = BatchCalls()
        pending = {self._submit(number): number for number in batches}
        is_stopped = False
        while pending:
            done, _ = wait(pending, timeout=_STOP_CHECK_SECONDS, return_when=FIRST_COMPLETED)
            if self._runner.stop():
                self._stop_event.set()
            for future in done:
                number = pending.pop(future)
                if future.cancelled():
                    continue
                outcome = future.result()
                total = total.plus(outcome.transfer)
                is_stopped = is_stopped or outcome.is_stopped
                if is_stopped or self._stop_event.is_set():
                    is_stopped = True
                    self._stop_event.set()
                    for other in pending:
                        other.cancel()
                elif not outcome.is_done:
                    calls.note(number, outcome.part_count)
                    pending[self._submit(number)] = number
        return total, is_stopped

    def _submit(self, number: int) -> "Future[RepackOutcome]":
        return self._pool.submit(_work, number, self._runner.call_seconds)

    def _listen(self) -> None:
        while (advance := self._advances.get()) is not None:
            self._runner.progress.advance(*advance)


class _Worker:
    """What a worker process knows: set once when it begins."""

    session: CopySession
    stop_event: Event
    advances: "SimpleQueue[Advance]"


def _begin_worker(
    session: CopySession, stop_event: Event, advances: "SimpleQueue[Advance]", parent: int
) -> None:
    # A terminal sends Ctrl-C to all; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.session = session
    _Worker.stop_event = stop_event
    _Worker.advances = advances
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


def _work(batch_number: int, call_seconds: float | None) -> RepackOutcome:
    advances = _Batched(_Worker.advances)
    call = Call(
        deadline=_deadline(call_seconds), stop=_Worker.stop_event.is_set, advance=advances.add
    )
    outcome = run_repack(_Worker.session, batch_number, call)
    advances.flush()
    return outcome


class _Batched:
    """Sends progress a few times a second instead of once a frame."""

    def __init__(self, queue: "SimpleQueue[Advance]") -> None:
        self._queue = queue
        self._size = self._count = 0
        self._sent = 0.0

    def add(self, size: int, count: int) -> None:
        self._size += size
        self._count += count
        if time.monotonic() - self._sent >= _ADVANCE_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._queue.put((self._size, self._count))
        self._size = self._count = 0
        self._sent = time.monotonic()
