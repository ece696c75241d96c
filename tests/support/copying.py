"""Copies in processes of their own, which may be killed at any request to their target."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from core import limits
from core.engine import repack
from core.engine.history import abandon_session, find_claim
from core.engine.jobs import load_definition
from core.engine.run import run_job
from core.engine.runner import Runner
from core.errors import ConflictError
from core.sources.repository import open_repository
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import JOB, SECRET
from tests.support.stores import Hooked, Kind

PATIENCE_SECONDS = 120

# A server that has everything imported already forks each of them in some milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a child runs its job. ``killed_at`` is the number of a request to the target."""

    workers: int = 1
    batch_size: int
    call_seconds: float | None = None
    seconds_per_request: float = 0.0
    killed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process that copies below ``folder``."""

    process: BaseProcess
    answer: Path

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self.process.pid is not None
        return self.process.pid

    def result(self) -> dict[str, Any]:
        """Wait for its end and return what it says of its run."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode == 0, f"the child ended with {self.process.exitcode}"
        answer: dict[str, Any] = json.loads(self.answer.read_text())
        return answer

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.join(PATIENCE_SECONDS)

    def wait_killed(self) -> bool:
        """Wait for its end; say whether that was a kill."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode in {0, -signal.SIGKILL}, self.process.exitcode
        return self.process.exitcode != 0


def start_copy(source: Path, target: Path, terms: Terms, answer: Path) -> Child:
    """Start a run of the job in a process of its own."""
    return _start(answer, _copy, source, target, terms, answer)


def start_abandon(target: Path, session_id: str, delay_seconds: float, answer: Path) -> Child:
    """Give a session up from a process of its own."""
    return _start(answer, _abandon, target, session_id, delay_seconds, answer)


def _start(answer: Path, act: Any, *arguments: object) -> Child:  # noqa: ANN401
    process = _context.Process(target=act, args=arguments)
    process.start()
    return Child(process=process, answer=answer)


def _copy(source: Path, target: Path, terms: Terms, answer: Path) -> None:
    limits.BATCH_SIZE_MIN = limits.BATCH_SIZE_MAX = terms.batch_size
    # An order to stop is to be seen at once: nobody wants to wait for it in a test.
    repack._STOP_CHECK_SECONDS = 0.1
    store: Store = FolderStore(target)
    if terms.seconds_per_request or terms.killed_at is not None:
        store = Hooked(store, _Moment(terms))
    opened = open_repository(store, lambda: SECRET)
    outcome = run_job(
        opened,
        open_repository(FolderStore(source), lambda: SECRET),
        load_definition(opened, JOB),
        Runner(workers=terms.workers, call_seconds=terms.call_seconds),
    )
    _say(
        answer,
        status=None if outcome is None else outcome.status.value,
        session=None if outcome is None else outcome.session_id,
        reasons=outcome.report.reasons if outcome and outcome.report else [],
    )


class _Moment:
    """Slows requests down, and kills its own process ahead of one of them."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._count = 0

    def __call__(self, kind: Kind, name: str) -> None:
        if self._count == self._terms.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._count += 1
        time.sleep(self._terms.seconds_per_request)


def _abandon(target: Path, session_id: str, delay_seconds: float, answer: Path) -> None:
    opened = open_repository(FolderStore(target), lambda: SECRET)
    claim = find_claim(opened, session_id)
    time.sleep(delay_seconds)
    try:
        abandon_session(opened, claim, "no longer wanted")
    except ConflictError:
        _say(answer, is_abandoned=False)
    else:
        _say(answer, is_abandoned=True)


def _say(answer: Path, **values: object) -> None:
    answer.write_text(json.dumps(values))


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    running = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [other for other in running if _parent_of(other) == pid]


def is_alive(pid: int) -> bool:
    """Say whether a process still runs; one that nobody has waited for does not."""
    return _parent_of(pid) is not None


def _parent_of(pid: int) -> int | None:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)
