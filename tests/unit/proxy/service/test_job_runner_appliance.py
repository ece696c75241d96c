"""A job with an appliance in the service: watched, left at the service's end, found again."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from core.engine.session import system_clock
from core.engine.standing import NEVER
from core.errors import InputError, StoreError
from core.model import SessionStatus
from proxy.invocation import Invocation
from proxy.schedule import parse_schedule
from proxy.service.decision import Decision, Step, Terms
from proxy.service.event_log import EventLog
from proxy.service.job_runner import JobRunner, Order
from proxy.service.metrics import Metrics
from proxy.service.run_progress import RunProgress
from tests.cli.appliance_site import Site, site_of
from tests.support.appliance_clouds import Cloud
from tests.support.appliances import ENDS_WHEN_TOLD, WAITS_FOREVER, fails

pytestmark = pytest.mark.xdist_group("appliances")
BEGIN = Decision(step=Step.BEGIN, why="it is due")


@pytest.fixture
def site(tmp_path: Path, cloud: Cloud, request: pytest.FixtureRequest) -> Site:
    return site_of(tmp_path, cloud, request)


def runner_of(site: Site) -> JobRunner:
    terms = Terms(schedule=parse_schedule("daily 22:00"), windows=[], zone=UTC)
    invocation = Invocation(config_path=site.config, is_json=False)
    return JobRunner(invocation, "nightly", terms, system_clock, is_shared=True)


def order(**changed: Callable[[], object]) -> Order:
    progress = RunProgress("nightly", EventLog(io.StringIO(), is_json=True), Metrics())
    plain = Order(progress=progress, stop=lambda: False, workers=1)
    return replace(plain, **changed)  # type: ignore[arg-type]


def test_a_due_job_is_run_by_its_appliance(site: Site) -> None:
    deployed = site.appoint(ENDS_WHEN_TOLD)
    with site.functions(deployed):
        run = runner_of(site).run(BEGIN, order(), lambda _: None)
    assert run.outcome is not None
    assert run.outcome.status is SessionStatus.SUCCESS
    assert run.outcome.transfer.pack_count == 1
    assert run.runner == site.cloud.kind
    assert "appliance serves" in run.reason
    assert len(deployed.executions()) == 1


def test_a_service_that_begins_again_finds_what_it_left_running(site: Site) -> None:
    deployed = site.appoint(WAITS_FOREVER)
    left = runner_of(site).run(BEGIN, order(leave=lambda: True), lambda _: None)
    assert (left.outcome, left.is_counted, left.why) == (None, False, "the appliance works on")
    again = runner_of(site)
    look = again.look(NEVER)
    assert look.decision.step is Step.RESUME
    run = again.run(look.decision, order(leave=lambda: True), lambda _: None)
    assert run.outcome is None
    assert len(deployed.executions()) == 1
    ended = again.run(look.decision, order(end=lambda: "its window has closed"), lambda _: None)
    assert ended.outcome is not None
    assert ended.outcome.status is SessionStatus.STOPPED
    assert again.look(NEVER).decision.step is Step.RESUME
    # A new process finds none that runs; it was left, so that nobody has to be waited for.
    assert runner_of(site).look(NEVER).decision.step is Step.RESUME


def test_a_session_that_somebody_else_began_is_left_to_him_while_it_moves(site: Site) -> None:
    site.appoint(fails("StoreError", "access denied"))
    with pytest.raises(StoreError, match="access denied"):
        runner_of(site).run(BEGIN, order(), lambda _: None)
    look = runner_of(site).look(NEVER)
    assert (look.decision.step, look.decision.why) == (Step.WAIT, "somebody else works on it")


def test_nothing_is_claimed_for_an_appliance_that_cannot_be_used(site: Site) -> None:
    site.appoint(WAITS_FOREVER, version="9.9.9")
    with pytest.raises(InputError, match=r"9\.9\.9"):
        runner_of(site).run(BEGIN, order(), lambda _: None)
    assert site.json("session", "list", "nightly")["sessions"] == []


def test_an_appliance_out_of_reach_does_not_stop_a_look(site: Site) -> None:
    deployed = site.appoint(WAITS_FOREVER)
    runner_of(site).run(BEGIN, order(leave=lambda: True), lambda _: None)
    nowhere = {"aws": 'stack = "no-such"', "azure": 'url = "http://127.0.0.1:9"'}[deployed.kind]
    here = re.search(r'(stack|url) = "[^"]*"', deployed.table)
    assert here is not None
    site.edit(here[0], nowhere)
    assert runner_of(site).look(NEVER).decision.step is Step.WAIT
