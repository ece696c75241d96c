"""The loop by itself: whose jobs it runs, what a bug or a reload does, how many run at once."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from proxy.config import load_config
from proxy.invocation import Invocation
from proxy.service import service as module
from proxy.service.service import Service, jobs_of, need_proxy
from proxy.service_tables import ProxyTable
from tests.cli.place import Place
from tests.cli.service import declare_proxy
from tests.support.receivers import web_receiver
from tests.support.running import running

THIRD = """
[repositories.third]
url = "file://{root}/third"
proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[jobs.other]
source = "primary"
target = "third"
schedule = "immediate"
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.02)


@pytest.fixture
def ready(place: Place) -> Place:
    """Two immediate jobs of one source, created, and a point for both."""
    place.drop_encryption()
    place.edit('"daily 22:00"', '"immediate"')
    place.config.write_text(place.config.read_text() + THIRD.format(root=place.root))
    declare_proxy(place)
    for name in ("primary", "vault", "third"):
        place.done("repository", "create", name)
    for name in ("nightly", "other"):
        place.done("job", "create", name)
    (place.tree / "a").write_bytes(b"content")
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_a_proxy_runs_the_jobs_whose_repositories_name_it(place: Place) -> None:
    config = load_config(place.config)
    for values, names in (
        ({"name": "hq"}, ["nightly"]),
        ({"name": "lab"}, []),
        ({"pool": "hq"}, []),
    ):
        assert list(jobs_of(config, ProxyTable.model_validate(values))) == names


def test_a_configuration_without_a_proxy_is_refused(place: Place) -> None:
    with pytest.raises(InputError, match=r"has no \[proxy\]"):
        need_proxy(Invocation(config_path=place.config, is_json=False))


def test_every_job_runs_one_after_the_other(ready: Place) -> None:
    with running(ready) as service:
        service.wait(lambda: len(service.events("session ended")) == 2)
    assert {each["job"] for each in service.events("session ended")} == {"nightly", "other"}
    kinds = [
        json.loads(line)["event"]
        for line in service.stream.getvalue().splitlines()
        if "session " in json.loads(line)["event"]
    ]
    assert kinds == ["session begun", "session ended"] * 2
    assert service.service.run_count == 2


def test_jobs_of_different_targets_run_side_by_side_when_told(
    ready: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.edit('log = "json"', 'log = "json"\nparallel = 2')
    both = threading.Barrier(2, timeout=20)
    tell = Service._tell_session

    def meet(self: Service, name: str, why: str, session: Any) -> None:  # noqa: ANN401
        tell(self, name, why, session)
        both.wait()

    monkeypatch.setattr(Service, "_tell_session", meet)
    with running(ready) as service:
        service.wait(lambda: len(service.events("session ended")) == 2)
    assert service.events("bug") == []


def test_a_bug_in_one_job_holds_it_and_no_other(
    ready: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Service._tell_session

    def fail(self: Service, name: str, why: str, session: Any) -> None:  # noqa: ANN401
        assert name != "nightly", "made up"
        tell(self, name, why, session)

    monkeypatch.setattr(Service, "_tell_session", fail)
    with web_receiver(200) as receiver:
        ready.edit('"immediate"', '"immediate"\nnotify = ["ops"]')
        notify = f'\n[notify.ops]\nkind = "webhook"\nurl = "{receiver.url}"\non = ["Failed"]\n'
        ready.config.write_text(ready.config.read_text() + notify)
        with running(ready) as service:
            service.wait(lambda: service.events("bug") and service.events("session ended"))
            assert service.job("nightly")["doing"] == "held"
            assert service.service.health()["is_healthy"] is False
            assert [each["job"] for each in service.events("session ended")] == ["other"]
    (bug,) = service.events("bug")
    report = Path(bug["message"].rpartition(" ")[2])
    assert "AssertionError: made up" in report.read_text()
    report.unlink()
    (notice,) = receiver.received
    assert (notice["job"], notice["status"]) == ("nightly", "Error")
    assert notice["reasons"] == [bug["message"]]


def test_jobs_come_and_go_with_the_configuration(ready: Place) -> None:
    text = ready.config.read_text()
    ready.config.write_text(text.replace(THIRD.format(root=ready.root), ""))
    with running(ready) as service:
        service.wait(lambda: service.events("session ended"))
        assert [job["name"] for job in service.service.health()["jobs"]] == ["nightly"]
        ready.config.write_text(text.replace('listen = "127.0.0.1:0"', 'listen = "[::1]:0"'))
        service.orders.want_reload()
        service.wait(lambda: len(service.events("session ended")) == 2)
        assert service.events("restart needed")
        session = service.job("nightly")["last_outcome"]["session"]
        assert session == service.events("session ended")[0]["session"]
        ready.config.write_text(text.replace('proxy = "hq"', 'proxy = "lab"'))
        service.orders.want_reload()
        service.wait(lambda: service.service.health()["jobs"] == [])


def test_a_proxy_stays_the_one_that_it_began_as(ready: Place) -> None:
    with running(ready) as service:
        ready.edit('name = "hq"', 'name = "lab"')
        service.orders.want_reload()
        service.wait(lambda: service.events("configuration refused"))
        assert len(service.service.health()["jobs"]) == 2


def test_a_job_whose_target_is_away_is_tried_again(ready: Place) -> None:
    (ready.root / "third").rename(ready.root / "away")
    with running(ready) as service:
        service.wait(lambda: service.events("refused") and service.events("session ended"))
        assert service.job("other")["problems"]
        (ready.root / "away").rename(ready.root / "third")
        service.wait(lambda: len(service.events("session ended")) == 2)
        service.wait(lambda: service.service.health()["is_healthy"])


def test_a_claim_in_a_pool_is_no_bug(ready: Place) -> None:
    """What a member leaves to another it only waits for."""
    text = ready.config.read_text().replace('proxy = "hq"', 'proxy_pool = "two"')
    ready.config.write_text(text.replace('name = "hq"', 'pool = "two"'))
    with running(ready) as one, running(ready) as other:
        one.wait(lambda: len(one.events("session ended") + other.events("session ended")) == 2)
    for service in (one, other):
        assert service.events("bug") == service.events("refused") == []
