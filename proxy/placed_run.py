"""A claimed session run where it was placed: by an appliance, or here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from core.engine.run import SessionOutcome, run_session
from core.engine.runner import LOCAL, Runner
from core.engine.session import CopySession
from core.errors import ColdhaulError, IntegrityError, NotReadyError
from core.plan.placement import Place, fallback_reason, is_fallback
from proxy.appliance_run import LostSightError, Watch, run_by_appliance
from proxy.placing import Placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a run works here, and how one in an appliance is watched.

    ``fallback``: the job would rather run here than not at all. ``tell_place`` learns where the
    session runs before it does.
    """

    local: Runner
    watch: Watch
    fallback: bool
    tell_place: Callable[[Place], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run of a session, who ran it and why.

    Without an outcome whoever watched has left, and the appliance works on.
    """

    session: CopySession
    outcome: SessionOutcome | None
    runner: str
    reason: str


def run_placed(session: CopySession, placed: Placed, terms: Terms) -> Ran:
    """Run a session where it was placed, or here when its appliance fails and the job says so.

    Damage, an order to stop and a lost sight of what goes on are no reasons to run it here.
    """
    reason = placed.placement.reason
    if placed.appliance is None:
        return _run_here(session, reason, terms)
    terms.tell_place(Place.APPLIANCE)
    try:
        outcome = run_by_appliance(session, placed.appliance, reason, terms.watch)
    except (IntegrityError, NotReadyError, LostSightError):
        raise
    except ColdhaulError as fault:
        if not terms.fallback:
            raise
        return _run_here(session, fallback_reason(fault), terms)
    return Ran(session=session, outcome=outcome, runner=placed.appliance.kind, reason=reason)


def _run_here(session: CopySession, reason: str, terms: Terms) -> Ran:
    terms.tell_place(Place.LOCAL)
    if is_fallback(reason):
        terms.local.progress.warn(reason)
    outcome = run_session(session, replace(terms.local, reason=reason))
    return Ran(session=session, outcome=outcome, runner=LOCAL, reason=reason)
