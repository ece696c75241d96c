"""The loop: looks at jobs when it is time, runs those that are due, and tells how they ended.

One thread decides; looks and runs happen in threads beside it, so that a store that does not
answer holds up no other job. An error of a job is that job's, and never ends the service.
"""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from core import limits
from core.engine.run import SessionOutcome
from core.engine.session import system_clock
from core.errors import ColdhaulError, InputError
from core.ids import SessionId
from proxy.config import Config
from proxy.exits import keep_traceback
from proxy.interrupt import Stop
from proxy.invocation import Invocation
from proxy.service.decision import Terms
from proxy.service.event_log import EventLog
from proxy.service.health import Document, health_document, outcome_document
from proxy.service.job_runner import JobRunner, Look, Order, Run
from proxy.service.job_state import Doing, JobState
from proxy.service.metrics import Metrics
from proxy.service.notices import Notice, Notifier, error_notice, outcome_notice
from proxy.service.run_progress import RunProgress
from proxy.service.run_stop import RunStop
from proxy.service.signals import Orders
from proxy.service.web import serving
from proxy.service_tables import ERROR, ProxyTable
from proxy.tables import JobTable

_TICK_SECONDS = 0.2


def need_proxy(invocation: Invocation) -> ProxyTable:
    """Return the proxy that a configuration declares, or raise ``InputError``."""
    proxy = invocation.config.proxy
    if proxy is None:
        raise InputError(
            f"{invocation.config_path} has no [proxy]",
            hint='Say which jobs this machine runs, for example: [proxy], then name = "hq".',
        )
    return proxy


def jobs_of(config: Config, proxy: ProxyTable) -> Mapping[str, JobTable]:
    """Return the jobs that a proxy runs: those whose source and target name it or its pool."""
    return {
        name: job
        for name, job in config.jobs.items()
        # Source and target name the same (rule R1).
        if (proxy.name and config.repository(job.target).proxy == proxy.name)
        or (proxy.pool and config.repository(job.target).proxy_pool == proxy.pool)
    }


class Service:
    """Keeps the schedule of a proxy's jobs until it is ordered to end."""

    def __init__(self, invocation: Invocation, log: EventLog) -> None:
        """Take the configuration; nothing is opened and nothing listens yet."""
        self._invocation = invocation
        self._log = log
        self._clock = system_clock
        self._metrics = Metrics()
        self._proxy = need_proxy(invocation)
        jobs = jobs_of(invocation.config, self._proxy)
        self._started = self._clock()
        self._problems: list[str] = []
        self._is_ending: Callable[[], bool] = Stop()
        self._states = {name: self._new_state(name, job) for name, job in jobs.items()}
        self.run_count = 0

    @property
    def proxy(self) -> ProxyTable:
        """The proxy as configured now."""
        return self._proxy

    def _new_state(self, name: str, job: JobTable) -> JobState:
        proxy = self._proxy
        terms = Terms(schedule=job.schedule, windows=job.window, zone=proxy.time_zone)
        # Beside an appliance an event may begin sessions, as another member of a pool does.
        has_appliance = self._invocation.config.repository(job.target).appliance is not None
        is_shared = proxy.pool is not None or has_appliance
        state = JobState(
            runner=JobRunner(self._invocation, name, terms, self._clock, is_shared=is_shared),
            receivers=job.notify,
            look_seconds=proxy.look_every,
            is_shared=is_shared,
        )
        self._metrics.watch_job(name, lambda: state.lag_seconds(self._clock()))
        return state

    def run(self, orders: Orders) -> None:
        """Work until ordered to end; then stop every run at a safe point and wait for it."""
        self._is_ending = orders.stop
        with ExitStack() as stack:
            if self._proxy.listen is not None:
                server = serving(self._proxy.listen, self.health, self._metrics.render)
                place = stack.enter_context(server)
                self._log.info("listening", address=str(place), is_loopback=place.is_loopback)
            self._notifier = Notifier(self._log, self._metrics)
            stack.callback(self._notifier.close)
            self._looks = stack.enter_context(ThreadPoolExecutor(limits.LOOK_THREADS))
            self._runs = stack.enter_context(ThreadPoolExecutor(limits.PARALLEL_RUNS_MAX))
            self._tell_begin()
            while not (orders.stop() and self._is_quiet()):
                if orders.take_reload():
                    self._reload()
                self._tick()
                time.sleep(_TICK_SECONDS)
        self._metrics.up.set(0)

    def _tell_begin(self) -> None:
        self._metrics.up.set(1)
        self._log.info(
            "proxy started",
            proxy=self._proxy.name,
            pool=self._proxy.pool,
            time_zone=str(self._proxy.time_zone),
            jobs=list(self._states),
        )
        if not self._states:
            self._log.warning("no jobs", message="no job's repositories name this proxy or pool")

    def _is_quiet(self) -> bool:
        return all(state.future is None for state in self._states.values())

    def health(self) -> Document:
        """Say how the service and its jobs are; called from any thread."""
        states = list(self._states.values())
        return health_document(
            self._proxy, states, self._started, self._clock(), list(self._problems)
        )

    def _tick(self) -> None:
        for state in list(self._states.values()):
            if state.future is not None and state.future.done():
                self._finish(state, state.future)
        if self._is_ending():
            return
        steady, now = time.monotonic(), self._clock()
        for state in self._states.values():
            if state.is_time(steady, now):
                state.doing = Doing.LOOKING
                state.future = self._looks.submit(state.runner.look, state.own_last)
        self._start_runs()

    def _start_runs(self) -> None:
        """Start the jobs that wait while there is room; one at a time for each target."""
        running = [state for state in self._states.values() if state.doing is Doing.RUNNING]
        targets = {self._target_of(state) for state in running}
        for state in self._states.values():
            if len(targets) >= self._proxy.parallel:
                return
            if state.doing is Doing.WAITING and self._target_of(state) not in targets:
                targets.add(self._target_of(state))
                self._start_run(state)

    def _target_of(self, state: JobState) -> str:
        job = self._invocation.config.jobs.get(state.name)
        return job.target if job else state.name

    def _start_run(self, state: JobState) -> None:
        assert state.decision is not None
        progress = RunProgress(state.name, self._log, self._metrics)
        name = state.name
        stop = RunStop(
            state.runner.terms, self._clock, self._is_ending, partial(self._is_removed, name)
        )
        workers = max(1, (os.cpu_count() or 1) // self._proxy.parallel)
        order = Order(
            progress=progress,
            stop=stop,
            leave=stop.leaves,
            end=stop.why,
            workers=workers,
            skipped=state.skipped,
        )
        state.doing = Doing.RUNNING
        self._metrics.running.labels(state.name).set(1)
        tell = partial(self._tell_session, state.name, state.decision.why)
        state.future = self._runs.submit(state.runner.run, state.decision, order, tell)

    def _is_removed(self, name: str) -> bool:
        return self._states[name].is_removed

    def _tell_session(self, name: str, why: str, session: SessionId) -> None:
        self._states[name].session = session
        self._log.info("session begun", job=name, session=session, message=why)

    def _finish(self, state: JobState, future: "Future[Look | Run]") -> None:
        was_running = state.doing is Doing.RUNNING
        state.future = None
        if was_running:
            self._metrics.running.labels(state.name).set(0)
        error = future.exception()
        if error is None:
            self._take(state, future.result())
        elif isinstance(error, ColdhaulError):
            self._take_error(state, error)
        else:
            self._take_bug(state, error)
        if state.is_removed:
            self._drop(state)

    def _take(self, state: JobState, result: Look | Run) -> None:
        steady, now = time.monotonic(), self._clock()
        if isinstance(result, Look):
            state.take_look(result, steady, now)
            return
        state.take_run(result, steady, now)
        if result.outcome is not None:
            self._tell_end(state, result, result.outcome)

    def _tell_end(self, state: JobState, run: Run, outcome: SessionOutcome) -> None:
        now = self._clock()
        self.run_count += 1
        state.last_outcome = outcome_document(outcome, now)
        moved, status = outcome.transfer, outcome.status.value
        self._metrics.count_run(state.name, status, moved, outcome.seconds, now.timestamp())
        name = self._shown_name()
        notice = outcome_notice(name, state.name, now.isoformat(), outcome, run.reason)
        tell = self._log.error if status == "Failed" else self._log.info
        tell(
            "session ended",
            job=state.name,
            session=outcome.session_id,
            status=status,
            runner=run.runner,
            runner_reason=run.reason,
            reasons=list(notice.reasons) or None,
            damaged_item_count=notice.damaged_item_count,
            blob_count=moved.blob_count,
            pack_count=moved.pack_count,
            content_size=moved.content_size,
            stored_size=moved.stored_size,
            seconds=notice.seconds,
        )
        self._send(state, notice)

    def _take_error(self, state: JobState, error: ColdhaulError) -> None:
        session = state.session
        is_told = state.take_error(error, time.monotonic())
        self._log.refusal("refused", error, job=state.name, session=session)
        self._metrics.errors.labels(state.name, error.category).inc()
        if session is not None:
            self._metrics.sessions.labels(state.name, ERROR).inc()
        if is_told:
            now = self._clock().isoformat()
            name = self._shown_name()
            self._send(state, error_notice(name, state.name, now, error, session or ""))

    def _take_bug(self, state: JobState, error: BaseException) -> None:
        place = keep_traceback(error)
        what = f"this is a bug in coldhaul: {type(error).__name__}; please report it with {place}"
        self._log.error("bug", job=state.name, session=state.session, message=what)
        self._metrics.errors.labels(state.name, "bug").inc()
        notice = Notice(
            proxy=self._shown_name(),
            job=state.name,
            time=self._clock().isoformat(),
            status=ERROR,
            reasons=(what,),
            session=state.session or "",
            is_urgent=True,
        )
        state.session = None
        state.hold(what)
        self._send(state, notice)

    def _shown_name(self) -> str:
        return self._proxy.name or self._proxy.pool or ""

    def _send(self, state: JobState, notice: Notice) -> None:
        tables = self._invocation.config.notify
        receivers = {name: tables[name] for name in state.receivers if name in tables}
        self._notifier.tell(receivers, notice)

    def _reload(self) -> None:
        """Read the configuration again; one that is refused changes nothing."""
        path, is_json = self._invocation.config_path, self._invocation.is_json
        again = Invocation(config_path=path, is_json=is_json)
        try:
            proxy = need_proxy(again)
            self._refuse_other(proxy)
        except ColdhaulError as error:
            self._problems = [error.message, *error.problems]
            self._log.refusal("configuration refused", error)
            return
        for key in ("listen", "log"):
            if getattr(proxy, key) != getattr(self._proxy, key):
                self._log.warning("restart needed", message=f"proxy.{key} counts after a restart")
        self._problems = []
        self._invocation, self._proxy = again, proxy
        self._replace_states(jobs_of(again.config, proxy))
        self._log.info("configuration read", jobs=list(self._states))

    def _refuse_other(self, proxy: ProxyTable) -> None:
        if (proxy.name, proxy.pool) != (self._proxy.name, self._proxy.pool):
            raise InputError(
                "the proxy has another name or pool now, and goes on as the one it began as",
                hint="Restart the service to make it another proxy.",
            )

    def _replace_states(self, jobs: Mapping[str, JobTable]) -> None:
        for name, state in list(self._states.items()):
            if name in jobs:
                fresh = self._new_state(name, jobs[name])
                fresh.inherit(state)
                self._states[name] = fresh
            elif state.future is None:
                self._drop(state)
            else:
                # Its run is stopped at a safe point first.
                state.is_removed = True
        for name in jobs.keys() - self._states.keys():
            self._states[name] = self._new_state(name, jobs[name])

    def _drop(self, state: JobState) -> None:
        del self._states[state.name]
        self._metrics.forget_job(state.name)
