"""The report that an execution of an appliance leaves of its attempt at a session."""

from dataclasses import dataclass
from datetime import datetime

from core import ids
from core.engine import state
from core.engine.batches import describe_plan, read_plan
from core.engine.packed import read_packed
from core.engine.publish import PublishOutcome
from core.engine.session import Clock, CopySession
from core.engine.state import Attempt, Plan
from core.engine.step_documents import PublishCall
from core.model import SessionStatus

ORDERED_HERE = "an event or the schedule of the appliance ordered it"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who runs sessions, and by which clock."""

    runner: str
    clock: Clock


def keep_report(
    reporter: Reporter, session: CopySession, call: PublishCall, outcome: PublishOutcome
) -> Attempt:
    """Store the report of an execution, or return the one that it has left already.

    Its name is fixed by the execution, so that none is told twice: the batch that fails reports
    why, and the execution, which knows less, finds that report.
    """
    began = datetime.fromisoformat(call.started) if call.started else None
    started = ids.parse_time(session.claim.claimed) if began is None else began
    ended = reporter.clock()
    attempt = Attempt(
        runner=reporter.runner,
        runner_reason=call.reason or ORDERED_HERE,
        started=ids.format_time(started),
        ended=ids.format_time(ended),
        seconds=max(0.0, (ended - started).total_seconds()),
        outcome=_outcome_text(call, outcome),
        # A store may know whole seconds only: what it wrote within the first one counts.
        transfer=read_packed(
            session.target.store, session.id, began and began.replace(microsecond=0)
        ),
        log=tuple(_log(reporter, session, call, read_plan(session.target, session.id))),
    )
    name = f"{attempt.started}-{reporter.runner}-{call.attempt}.json"
    return session.target.adopt_value(f"{state.attempts_prefix(session.id)}{name}", attempt)


def _outcome_text(call: PublishCall, outcome: PublishOutcome) -> str:
    is_open = outcome.status is SessionStatus.RUNNING
    return call.error.outcome() if is_open else outcome.status.value


def _log(
    reporter: Reporter, session: CopySession, call: PublishCall, plan: Plan | None
) -> list[str]:
    """Return what a report's log says of an execution: the functions' logs have the rest."""
    lines = [
        f"session {session.id} copies {session.claim.source_point}",
        f"runner: {reporter.runner}, because {call.reason or ORDERED_HERE}",
    ]
    if plan is not None:
        lines.append(describe_plan(plan))
    moment = ids.format_time(reporter.clock())
    return [f"{moment} {line}" for line in [*lines, f"ended: {call.end.value}"]]
