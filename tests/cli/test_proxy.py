"""The service as a process, on folders: what it runs, when, and what a signal leaves."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cli.place import Place
from tests.cli.service import Hook, ProxyProcess, declare_proxy, far_moment
from tests.support.waiting import wait_until

Start = Callable[..., ProxyProcess]


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    """Start services, and end those that are left."""
    started: list[ProxyProcess] = []

    def begin(join_after: float = 600) -> ProxyProcess:
        started.append(ProxyProcess(place, join_after))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def ready(place: Place) -> Place:
    """A place with both repositories; the job is created by each test."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    return place


def back_up(place: Place, name: str, content: bytes) -> None:
    (place.tree / name).write_bytes(content)
    place.done("backup", str(place.tree), "--to", "primary")


def back_up_much(place: Place) -> None:
    numbers = random.Random(7)
    for number in range(4):
        (place.tree / f"{number}").write_bytes(numbers.randbytes(24 << 20))
    place.done("backup", str(place.tree), "--to", "primary")


def make_old(place: Place, days: int) -> None:
    """Let the job have been created, and have run, so many days ago."""
    then = time.time() - days * 86_400
    for path in (place.root / "vault" / "jobs").rglob("*.json"):
        os.utime(path, (then, then))


def sessions(place: Place) -> list[str]:
    return [each["status"] for each in place.json("session", "list", "nightly")["sessions"]]


def test_an_immediate_job_copies_each_new_point_and_the_world_is_told(
    ready: Place, start: Start, hook: Hook
) -> None:
    ready.edit('"daily 22:00"', '"immediate"\nnotify = ["ops"]')
    notify = f'\n[notify.ops]\nkind = "webhook"\nurl = "{hook.url}"\non = ["Success"]\n'
    declare_proxy(ready, more=notify)
    ready.done("job", "create", "nightly")
    service = start()
    service.wait_for("proxy started", proxy="hq", jobs=["nightly"])
    back_up(ready, "a", b"first")
    first = service.wait_for("session ended", job="nightly", status="Success")
    back_up(ready, "b", b"second")
    second = service.wait_for("session ended", job="nightly", status="Success")
    assert first["session"] != second["session"]
    notice = hook.received.get(timeout=60)
    assert (notice["job"], notice["session"]) == ("nightly", first["session"])
    assert (notice["status"], notice["content_size"]) == ("Success", 5)
    status, health = service.health()
    assert (status, health["is_healthy"], health["problems"]) == (200, True, [])
    (job,) = health["jobs"]
    assert job["last_outcome"]["session"] == second["session"]
    metrics = service.get("/metrics")[1]
    assert 'coldhaul_sessions_total{job="nightly",status="Success"} 2.0' in metrics
    assert 'coldhaul_content_bytes_total{job="nightly"} 11.0' in metrics
    assert "coldhaul_up 1.0" in metrics
    assert service.end() == 143
    assert sessions(ready) == ["Success", "Success"]


def test_a_missed_run_runs_once(ready: Place, start: Start) -> None:
    ready.edit('"daily 22:00"', f'"daily {far_moment()}"')
    declare_proxy(ready)
    ready.done("job", "create", "nightly")
    back_up(ready, "a", b"first")
    make_old(ready, days=3)
    service = start()
    service.wait_for("session ended", status="Success")
    back_up(ready, "b", b"second")
    time.sleep(2)
    assert len(service.named("session begun")) == 1
    service.end()
    # What ran is known after a restart as well.
    service = start()
    service.wait_for("proxy started")
    time.sleep(2)
    assert service.named("session begun") == []
    assert service.health()[1]["jobs"][0]["waits_for"] == "nothing is due"
    assert service.end() == 143
    assert sessions(ready) == ["Success"]


def test_a_session_that_sigterm_stops_goes_on_at_the_next_start(ready: Place, start: Start) -> None:
    ready.edit('"daily 22:00"', f'"daily {far_moment()}"')
    declare_proxy(ready)
    ready.done("job", "create", "nightly")
    back_up_much(ready)
    make_old(ready, days=3)
    service = start()
    begun = service.wait_for("session begun", job="nightly")
    while "planned" not in service.wait_for("note")["message"]:
        pass
    assert service.end() == 143
    (ended,) = service.named("session ended")
    assert ended["status"] == "Stopped"
    service = start()
    resumed = service.wait_for("session begun", session=begun["session"])
    assert resumed["message"] == "its session was interrupted"
    service.wait_for("session ended", session=begun["session"], status="Success")
    assert service.end(signal.SIGINT) == 130


def test_a_member_of_a_pool_joins_another_that_was_killed(ready: Place, start: Start) -> None:
    ready.config.write_text(ready.config.read_text().replace('proxy = "hq"', 'proxy_pool = "two"'))
    ready.edit('"daily 22:00"', '"immediate"')
    declare_proxy(ready, who='pool = "two"')
    ready.done("job", "create", "nightly")
    both = [start(join_after=5), start(join_after=5)]
    for service in both:
        service.wait_for("proxy started", pool="two")
    back_up_much(ready)
    wait_until(lambda: any(service.named("session begun") for service in both))
    one, other = sorted(both, key=lambda service: not service.named("session begun"))
    assert other.named("session begun") == []
    one.end(signal.SIGKILL)
    (begun,) = one.named("session begun")
    joined = other.wait_for("session begun")
    assert joined["session"] == begun["session"]
    words, seconds, unit = joined["message"].rsplit(" ", 2)
    assert (words, unit) == ("nothing was written for its session for", "s")
    assert int(seconds) >= 5
    other.wait_for("session ended", session=begun["session"], status="Success")
    assert other.end() == 143
    assert sessions(ready) == ["Success"]


def test_damage_is_told_at_once_and_never_tried_in_a_loop(
    ready: Place, start: Start, hook: Hook
) -> None:
    ready.edit('"daily 22:00"', '"immediate"\nnotify = ["ops"]')
    declare_proxy(ready, more=f'\n[notify.ops]\nkind = "webhook"\nurl = "{hook.url}"\n')
    ready.done("job", "create", "nightly")
    back_up(ready, "secret-name", b"content")
    (blob,) = (ready.root / "primary" / "blobs").rglob("*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    service = start()
    service.wait_for("session ended", status="Failed")
    notice = hook.received.get(timeout=60)
    assert (notice["status"], notice["damaged_item_count"]) == ("Failed", 1)
    time.sleep(2)
    assert len(service.named("session begun")) == 1
    status, health = service.health()
    assert status == 503
    assert "before a human has acted" in health["problems"][1]
    # Reading the configuration again is a human's word: it is tried once more.
    service.send(signal.SIGHUP)
    service.wait_for("session ended", status="Failed")
    service.end()
    assert "secret-name" not in str(service.drain()) + str(notice)


def test_a_job_that_differs_is_reported_until_it_is_updated(ready: Place, start: Start) -> None:
    declare_proxy(ready)
    ready.done("job", "create", "nightly")
    ready.edit('"daily 22:00"', '"immediate"')
    back_up(ready, "a", b"first")
    service = start()
    refused = service.wait_for("refused", job="nightly", category="input")
    assert "jobs.nightly.schedule" in refused["problems"][0]
    assert service.health()[0] == 503
    ready.done("job", "update", "nightly")
    service.wait_for("session ended", status="Success")
    assert service.health()[0] == 200
    service.end()


def test_a_bad_configuration_keeps_the_old_one(ready: Place, start: Start) -> None:
    ready.edit('"daily 22:00"', '"immediate"')
    declare_proxy(ready)
    ready.done("job", "create", "nightly")
    service = start()
    service.wait_for("proxy started")
    ready.edit('"immediate"', '"often"')
    service.send(signal.SIGHUP)
    refused = service.wait_for("configuration refused")
    assert 'jobs.nightly.schedule = "often"' in refused["problems"][0]
    assert service.health()[0] == 503
    back_up_without_config(ready)
    service.wait_for("session ended", status="Success")
    ready.edit('"often"', '"immediate"')
    service.send(signal.SIGHUP)
    service.wait_for("configuration read")
    assert service.health()[0] == 200
    service.end()


def back_up_without_config(place: Place) -> None:
    """Back up although the configuration is broken, with a copy of it that is not."""
    text = place.config.read_text()
    place.edit('"often"', '"immediate"')
    back_up(place, "a", b"first")
    place.config.write_text(text)


def test_a_configuration_without_a_proxy_is_refused(ready: Place) -> None:
    error = ready.json("proxy", "run", code=2)["error"]
    assert "has no [proxy]" in error["message"]


def test_a_place_that_is_taken_is_refused(ready: Place, start: Start) -> None:
    declare_proxy(ready)
    first = start()
    address = first.address
    ready.edit('"127.0.0.1:0"', f'"{address}"')
    second = ready.spawn("proxy", "run")
    assert second.code == 6
    assert f"cannot listen at {address}" in second.err
    first.end()
