"""What ``/health`` answers."""

from datetime import UTC, datetime, timedelta

from core.engine.run import SessionOutcome
from core.engine.state import Report, Transfer
from core.ids import PointId, SessionId
from core.model import SessionStatus
from proxy.service.health import health_document, outcome_document
from proxy.service_tables import ProxyTable
from tests.unit.proxy.service.test_job_state import NOW, job

PROXY = ProxyTable.model_validate({"name": "hq", "time_zone": "Europe/Berlin"})


def test_a_service_is_healthy_while_nobody_has_to_act() -> None:
    state = job()
    state.last = NOW - timedelta(hours=1)
    document = health_document(PROXY, [state], NOW, NOW, [])
    assert document["is_healthy"] is True
    assert (document["proxy"], document["time_zone"]) == ("hq", "Europe/Berlin")
    (shown,) = document["jobs"]
    assert (shown["name"], shown["doing"], shown["is_enabled"]) == ("nightly", "idle", True)
    assert shown["last_run"] == "2026-05-04T11:00:00+00:00"
    assert shown["next_run"] == "2026-05-05T10:00:00+00:00"


def test_every_problem_makes_it_unhealthy_and_names_its_job() -> None:
    state = job()
    assert health_document(PROXY, [state], NOW, NOW, ["bad"])["problems"] == ["bad"]
    state.hold("a bug")
    document = health_document(PROXY, [state], NOW, NOW, [])
    assert document["is_healthy"] is False
    assert document["problems"][0] == "nightly: a bug"
    assert (document["jobs"][0]["last_run"], document["jobs"][0]["next_run"]) == (None, None)


def test_an_outcome_is_told_without_names_of_items() -> None:
    outcome = SessionOutcome(
        session_id=SessionId("a" * 32),
        source_point=PointId("p"),
        status=SessionStatus.FAILED,
        record=None,
        report=Report(reasons=("2 items are damaged",)),
        plan=None,
        transfer=Transfer(),
        seconds=1.0,
    )
    assert outcome_document(outcome, datetime(2026, 5, 4, tzinfo=UTC)) == {
        "session": "a" * 32,
        "status": "Failed",
        "ended": "2026-05-04T00:00:00+00:00",
        "reasons": ["2 items are damaged"],
        "restore_point": None,
    }
