"""One job at work on real folders: what it sees, and what it does."""

import io
from dataclasses import replace
from datetime import UTC

import pytest

from core import limits
from core.engine.session import system_clock
from core.engine.standing import NEVER
from core.errors import InputError, NotFoundError, StoreError
from core.ids import PointId, SessionId
from core.model import SessionStatus
from core.stores.opening import open_store
from proxy.invocation import Invocation
from proxy.schedule import parse_schedule
from proxy.service.decision import Decision, Step, Terms
from proxy.service.event_log import EventLog
from proxy.service.job_runner import JobRunner, Order
from proxy.service.metrics import Metrics
from proxy.service.run_progress import RunProgress
from tests.cli.clouds import move_to
from tests.cli.place import Place
from tests.emulators.services import S3Service

BEGIN = Decision(step=Step.BEGIN, why="it is due")


def runner_of(place: Place, *, is_shared: bool = False) -> JobRunner:
    terms = Terms(schedule=parse_schedule("immediate"), windows=[], zone=UTC)
    invocation = Invocation(config_path=place.config, is_json=False)
    return JobRunner(invocation, "nightly", terms, system_clock, is_shared=is_shared)


def order(**changed: object) -> Order:
    progress = RunProgress("nightly", EventLog(io.StringIO(), is_json=True), Metrics())
    plain = Order(progress=progress, stop=lambda: False, workers=1)
    return replace(plain, **changed)  # type: ignore[arg-type]


@pytest.fixture
def ready(place: Place) -> Place:
    """A place with a job and one new point for it."""
    make_ready(place)
    return place


def make_ready(place: Place) -> None:
    place.drop_encryption()
    place.edit('"daily 22:00"', '"immediate"')
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    (place.tree / "a").write_bytes(b"content")
    place.done("backup", str(place.tree), "--to", "primary")


def test_a_job_is_looked_at_and_run(ready: Place) -> None:
    runner, told = runner_of(ready), list[SessionId]()
    look = runner.look(NEVER)
    assert (look.decision.step, look.is_enabled) == (Step.BEGIN, True)
    assert look.last > NEVER
    run = runner.run(look.decision, order(), told.append)
    assert run.outcome is not None
    assert run.outcome.status is SessionStatus.SUCCESS
    assert told == [run.outcome.session_id]
    again = runner.run(BEGIN, order(), told.append)
    assert (again.outcome, again.why, again.is_counted) == (None, "nothing to copy", True)


def test_a_disabled_job_waits(ready: Place) -> None:
    runner = runner_of(ready)
    assert runner.look(NEVER).is_enabled
    ready.done("job", "disable", "nightly")
    look = runner.look(NEVER)
    assert (look.decision.step, look.is_enabled) == (Step.WAIT, False)


def test_an_interrupted_session_is_gone_on_with(ready: Place) -> None:
    first = runner_of(ready)
    stopped = first.run(BEGIN, order(stop=_stop_later()), lambda _: None)
    assert stopped.outcome is not None
    assert stopped.outcome.status is SessionStatus.STOPPED
    second = runner_of(ready)
    look = second.look(NEVER)
    assert look.decision.step is Step.RESUME
    run = second.run(look.decision, order(), lambda _: None)
    assert run.outcome is not None
    assert run.outcome.session_id == stopped.outcome.session_id
    assert run.outcome.status is SessionStatus.SUCCESS


def _stop_later() -> "object":
    asked = iter([False])
    return lambda: next(asked, True)


def test_a_run_whose_time_is_over_before_it_begins_is_not_counted(ready: Place) -> None:
    run = runner_of(ready).run(BEGIN, order(stop=lambda: True), lambda _: None)
    assert (run.outcome, run.is_counted) == (None, False)
    assert ready.json("session", "list", "nightly")["sessions"] == []


def test_a_point_that_failed_is_not_begun_again(ready: Place) -> None:
    (point,) = ready.json("restore-point", "list", "primary")["restore_points"]
    skipped = order(skipped=PointId(point["id"]))
    run = runner_of(ready).run(BEGIN, skipped, lambda _: None)
    assert run.outcome is None
    assert "failed" in run.why
    other = runner_of(ready).run(BEGIN, order(skipped=PointId("other")), lambda _: None)
    assert other.outcome is not None


def test_a_member_of_a_pool_leaves_a_claim_to_its_owner_until_it_has_seen_it_idle(
    ready: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimer, member = runner_of(ready), runner_of(ready, is_shared=True)
    claimer.run(BEGIN, order(stop=_stop_later()), lambda _: None)
    # As if whoever claimed it were killed: nobody says that it was left.
    for attempt in (ready.root / "vault" / "sessions").rglob("attempts/*"):
        attempt.unlink()
    run = member.run(BEGIN, order(), lambda _: None)
    assert (run.outcome, run.why) == (None, "somebody else was first")
    assert member.look(NEVER).decision.step is Step.WAIT
    monkeypatch.setattr(limits, "POOL_JOIN_AFTER_SECONDS", 0)
    look = member.look(NEVER)
    assert look.decision.step is Step.RESUME
    run = member.run(look.decision, order(), lambda _: None)
    assert run.outcome is not None
    assert run.outcome.status is SessionStatus.SUCCESS


def test_a_member_of_a_pool_waits_for_packs_that_the_configuration_makes_slow(
    place: Place, localstack: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = move_to(place, localstack, "vault")
    place.config.write_text(place.config.read_text() + 'write_bandwidth = "10 MB/s"\n')
    make_ready(place)
    claimer, member = runner_of(place), runner_of(place, is_shared=True)
    claimer.run(BEGIN, order(stop=_stop_later()), lambda _: None)
    store = open_store(f"{url}/vault", localstack.settings)
    store.delete([head.name for head in store.list("sessions/") if "/attempts/" in head.name])
    monkeypatch.setattr(limits, "POOL_JOIN_AFTER_SECONDS", 0)
    assert member.look(NEVER).decision.step is Step.WAIT
    monkeypatch.setattr(limits, "POOL_JOIN_AFTER_SECONDS", -limits.PACK_SIZE_MAX / 10_000_000)
    assert member.look(NEVER).decision.step is Step.RESUME


def test_a_member_of_a_pool_looks_again_before_it_joins(ready: Place) -> None:
    claimer, member = runner_of(ready), runner_of(ready, is_shared=True)
    claimer.run(BEGIN, order(stop=_stop_later()), lambda _: None)
    look = member.look(NEVER)
    assert look.decision.step is Step.RESUME
    # While the member's run waits for others, the session comes to its end.
    ended = claimer.run(claimer.look(NEVER).decision, order(), lambda _: None)
    assert ended.outcome is not None
    assert ended.outcome.status is SessionStatus.SUCCESS
    told = list[SessionId]()
    run = member.run(look.decision, order(), told.append)
    assert (run.outcome, run.is_counted, told) == (None, False, [])


def test_errors_are_those_of_the_world(ready: Place) -> None:
    runner = runner_of(ready)
    runner.look(NEVER)
    ready.edit('"immediate"', '"daily 22:00"')
    with pytest.raises(InputError, match="defined otherwise"):
        runner_of(ready).look(NEVER)
    ready.edit('"daily 22:00"', '"immediate"')
    (ready.root / "vault").rename(ready.root / "away")
    with pytest.raises((StoreError, NotFoundError)):
        runner.look(NEVER)
    (ready.root / "away").rename(ready.root / "vault")
    runner.forget()
    assert runner.look(NEVER).decision.step is Step.BEGIN
