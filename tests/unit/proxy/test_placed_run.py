"""A session is run where it was placed, and nobody is left in doubt who ran it."""

from pathlib import Path

import pytest

from core.engine.history import view_session
from core.engine.runner import Runner
from core.errors import StoreError
from core.model import SessionStatus
from core.plan.placement import NOT_CONFIGURED, Place, Placement
from proxy.appliance import Appliance
from proxy.appliance_run import Watch
from proxy.placed_run import Ran, Terms, run_placed
from proxy.placing import Placed
from tests.support.appliance_clouds import Cloud
from tests.support.appliances import WAITS_FOREVER, Heard, fails
from tests.support.copies import Pair, back_up, make_pair

pytestmark = pytest.mark.xdist_group("appliances")
HERE = Placed(placement=Placement(place=Place.LOCAL, reason=NOT_CONFIGURED))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    return pair


class Case:
    """A run, and what whoever watches it has heard."""

    def __init__(self, pair: Pair, placed: Placed, *, fallback: bool, leaves: bool = False) -> None:
        self.heard = Heard()
        self.places: list[Place] = []
        self.pair = pair
        self.session = pair.session()
        self.placed = placed
        self.terms = Terms(
            local=Runner(progress=self.heard, workers=1),
            watch=Watch(progress=self.heard, leave=lambda: leaves),
            fallback=fallback,
            tell_place=self.places.append,
        )

    def run(self) -> Ran:
        return run_placed(self.session, self.placed, self.terms)

    def runner_reason(self) -> tuple[str, str]:
        attempt = view_session(self.pair.target, self.session.claim).attempts[-1]
        return attempt.runner, attempt.runner_reason


def in_appliance(appliance: Appliance) -> Placed:
    placement = Placement(place=Place.APPLIANCE, reason="it serves it")
    return Placed(placement=placement, appliance=appliance)


def machine(cloud: Cloud, error: str = "") -> Appliance:
    return cloud.deploy(fails(error, "access denied") if error else WAITS_FOREVER).client()


def test_a_local_run_keeps_its_reason(pair: Pair) -> None:
    case = Case(pair, HERE, fallback=False)
    ran = case.run()
    assert ran.outcome is not None
    assert ran.outcome.status is SessionStatus.SUCCESS
    assert (ran.runner, ran.reason) == ("local", NOT_CONFIGURED)
    assert case.runner_reason() == ("local", NOT_CONFIGURED)
    assert (case.places, case.heard.warnings) == ([Place.LOCAL], [])


def test_whoever_leaves_an_appliance_has_no_outcome(pair: Pair, cloud: Cloud) -> None:
    appliance = machine(cloud)
    case = Case(pair, in_appliance(appliance), fallback=True, leaves=True)
    ran = case.run()
    assert (ran.outcome, ran.runner, ran.session) == (None, cloud.kind, case.session)
    assert case.places == [Place.APPLIANCE]
    appliance.stop(case.session.id, 1, "the test is over")


def test_an_appliance_that_breaks_is_an_error_or_a_fallback(pair: Pair, cloud: Cloud) -> None:
    placed = in_appliance(machine(cloud, "StoreError"))
    with pytest.raises(StoreError, match="access denied"):
        Case(pair, placed, fallback=False).run()
    case = Case(pair, placed, fallback=True)
    ran = case.run()
    assert ran.outcome is not None
    assert ran.outcome.status is SessionStatus.SUCCESS
    assert ran.runner == "local"
    assert "access denied" in ran.reason
    assert case.heard.warnings == [ran.reason]
    assert case.runner_reason() == ("local", ran.reason)
    assert case.places == [Place.APPLIANCE, Place.LOCAL]


@pytest.mark.parametrize("error", ["IntegrityError", "NotReadyError"])
def test_damage_and_orders_are_no_reason_to_run_here(pair: Pair, cloud: Cloud, error: str) -> None:
    case = Case(pair, in_appliance(machine(cloud, error)), fallback=True)
    with pytest.raises(Exception, match="access denied") as caught:
        case.run()
    assert type(caught.value).__name__ == error
    assert case.places == [Place.APPLIANCE]
