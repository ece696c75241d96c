"""Sessions in Azure while something goes wrong: each ends whole, or is told and kept open.

Objects are refused by the proxy in front of Azurite, which enforces no roles itself.
"""

import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance_azure.log import FAILED_SESSIONS
from core.engine.session import CopySession
from core.errors import ConflictError, InputError
from core.model import SessionStatus
from tests.emulated.azure_site import AzureSite, AzureWays
from tests.emulated.copy_place import JOB
from tests.emulators.faults import Delay, Rule, refusal
from tests.emulators.task_hub import RUNNING, Disturbance, Instance, Moment
from tests.support.invariants import check_copies
from tests.support.waiting import PATIENCE_SECONDS

BLOBS = "/primary/blobs/"
GET = frozenset({"GetBlob"})
LISTING = frozenset({"ListBlobs"})
DENIAL = refusal("azure", "AuthorizationPermissionMismatch")


@pytest.fixture(scope="module")
def plain(azure_ways: AzureWays, tmp_path_factory: pytest.TempPathFactory) -> AzureSite:
    """An unencrypted pair in a tier that is read at once, started by events and a timer as well."""
    site = AzureSite(tmp_path_factory.mktemp("site"), azure_ways, storage_class="Cool")
    site.create()
    site.serve(COLDHAUL_JOB="nightly", COLDHAUL_SCHEDULE="0 0 22 * * *", COLDHAUL_EVENTS="true")
    return site


@pytest.fixture
def site(plain: AzureSite) -> Iterator[AzureSite]:
    """The same with a new point to copy; nothing goes wrong in it afterwards."""
    new = secrets.token_hex(4)
    plain.back_up({f"{new}-{number}": secrets.token_bytes(20_000) for number in range(6)})
    yield plain
    plain.ways.clear()


def slow(seconds: float, count: int | None = None) -> Rule:
    """Let the source's blobs come late."""
    return Rule(fault=Delay(seconds=seconds), operations=GET, path=BLOBS, count=count)


def check_copied(site: AzureSite, ended: Instance) -> None:
    """Hold an instance and its session to a good end, and restore what was copied."""
    assert (ended.status, ended.output["status"]) == ("Completed", "Success"), ended
    site.check_newest()
    check_copies(site.target())


def check_failed(
    site: AzureSite, session: CopySession, ended: Instance, category: str, words: str
) -> None:
    """Hold a failed instance to what is promised: a report that says why, a session kept open."""
    assert ended.status == "Failed", ended
    view = site.session_view()
    assert (view.claim.session_id, view.record) == (session.id, None)
    assert view.status is not SessionStatus.FAILED
    attempt = view.attempts[-1]
    assert attempt.runner == "azure"
    assert attempt.outcome.startswith(category), attempt.outcome
    assert words in attempt.outcome


def once(disturbance: Disturbance, name: str, *, is_answer: bool) -> "OneMoment":
    """Disturb the first such moment."""
    return OneMoment(disturbance, name, is_answer)


def hold(site: AzureSite, name: str) -> threading.Event:
    """Have calls of an activity wait until this is set."""
    let_go = threading.Event()

    def wait(moment: Moment) -> None:
        if moment.name == name:
            let_go.wait(PATIENCE_SECONDS)

    site.host.hub.disturb = wait
    return let_go


class OneMoment:
    """Disturbs one moment and counts what it has done."""

    def __init__(self, disturbance: Disturbance, name: str, is_answer: bool) -> None:
        self._disturbance, self._name, self._is_answer = disturbance, name, is_answer
        self.count = 0

    def __call__(self, moment: Moment) -> Disturbance | None:
        if self.count or (moment.name, moment.is_answer) != (self._name, self._is_answer):
            return None
        self.count += 1
        return self._disturbance


def test_the_host_is_taken_away_between_events_all_along_a_session(site: AzureSite) -> None:
    """At every moment that an activity, or an episode of an orchestrator, begins or has ended."""
    session = site.begin()
    struck: Counter[tuple[str, bool]] = Counter()

    def disturb(moment: Moment) -> Disturbance | None:
        kind = (moment.name, moment.is_answer)
        struck[kind] += 1
        return Disturbance.RESTART if struck[kind] == 1 else None

    site.host.hub.disturb = disturb
    ended = site.execute(session)
    assert {name for name, _ in struck} == {"session", "batches", "plan", "repack", "publish"}
    assert struck["publish", True] == 2
    check_copied(site, ended)


@pytest.mark.parametrize("name", ["plan", "repack", "publish"])
@pytest.mark.parametrize("is_answer", [True, False])
def test_an_activity_that_dies(site: AzureSite, name: str, is_answer: bool) -> None:
    disturb = once(Disturbance.FAIL, name, is_answer=is_answer)
    site.host.hub.disturb = disturb
    ended = site.execute(site.begin())
    assert disturb.count == 1
    check_copied(site, ended)


def test_an_activity_that_is_killed_in_the_middle_of_a_pack(site: AzureSite) -> None:
    session = site.begin()
    before = site.ways.objects.outcomes["delay"]
    site.ways.objects.add(slow(30))
    site.order(session)
    site.until(lambda: site.ways.objects.outcomes["delay"] > before)
    site.host.kill()
    site.ways.objects.clear()
    ended = site.wait(session.id)
    assert times_called(site, session, "repack") == 2
    check_copied(site, ended)


def test_an_activity_that_comes_to_its_time_limit(site: AzureSite) -> None:
    session = site.begin()
    site.ways.objects.add(slow(60, count=1))
    with site.host.limited(10):
        ended = site.execute(session)
    assert times_called(site, session, "repack") == 2
    check_copied(site, ended)


@pytest.mark.parametrize("name", ["plan", "repack", "publish"])
def test_a_call_that_is_delivered_twice_at_the_same_moment(site: AzureSite, name: str) -> None:
    """Both work, one of each two packs is lost, and nothing else (I3)."""
    disturb = once(Disturbance.REPEAT, name, is_answer=False)
    site.host.hub.disturb = disturb
    site.ways.objects.add(slow(0.3))
    ended = site.execute(site.begin())
    assert disturb.count == 1
    check_copied(site, ended)
    assert site.json("verify", "vault", "--read-data")["finding_count"] == 0


@pytest.mark.parametrize("path", [BLOBS, "/vault/"])
def test_a_store_that_is_busy(site: AzureSite, path: str) -> None:
    busy = refusal("azure", "ServerBusy")
    site.ways.objects.add(Rule(fault=busy, path=path, probability=0.3))
    session = site.begin()
    ended = site.execute(session)
    assert site.ways.objects.outcomes[busy.name] > 0
    site.ways.clear()
    check_copied(site, ended)


def test_credentials_that_expire(site: AzureSite) -> None:
    """Each request is refused once: tokens are fetched anew, and no call is lost by it."""
    session = site.begin()
    expired = refusal("azure", "InvalidAuthenticationInfo")
    site.ways.objects.add(Rule(fault=expired, path=f"{BLOBS}|/vault/packs/", is_once=True))
    ended = site.execute(session)
    assert site.ways.objects.outcomes[expired.name] > 0
    site.ways.clear()
    check_copied(site, ended)


DENIED = [
    pytest.param(GET, BLOBS, "Storage Blob Data Reader", id="source"),
    pytest.param(frozenset({"PutBlob"}), "/vault/packs/", "Storage Blob Data", id="target"),
]


@pytest.mark.parametrize(("operations", "path", "role"), DENIED)
def test_a_role_that_is_missing(
    site: AzureSite, operations: frozenset[str], path: str, role: str
) -> None:
    session = site.begin()
    site.ways.objects.add(Rule(fault=DENIAL, operations=operations, path=path))
    ended = site.execute(session)
    check_failed(site, session, ended, "store: ", role)
    site.ways.clear()
    check_copied(site, site.execute(session, 2))


def test_a_target_that_cannot_even_be_listed(site: AzureSite) -> None:
    """No report can be left then; the instance itself says why."""
    session = site.begin()
    container = site.target_url.split("/")[2]
    site.ways.objects.add(Rule(fault=DENIAL, operations=LISTING, path=container))
    site.order(session)
    site.until(lambda: site.host.hub.instances[session.id].status not in RUNNING)
    site.ways.clear()
    logged = [each for each in site.host.logged() if each["logger"] == "coldhaul"]
    lines = [json.loads(each["message"]) for each in logged]
    failed = [line for line in lines if line.get(FAILED_SESSIONS)]
    assert [line["error"] for line in failed if line["session"] == session.id] == ["StoreError"]
    found = site.client.find_latest(session.id)
    assert found is not None
    assert (found.standing, found.error) == ("failed", "StoreError")
    assert "Storage Blob Data" in found.cause
    check_copied(site, site.execute(session, 2))


def test_damage_is_never_tried_again(site: AzureSite) -> None:
    session = site.begin()
    site.plan(session)
    (batch,) = site.keys(f"sessions/{session.id}/batches/1/")
    with site.blob(site.target_url, batch) as blob:
        good = blob.download_blob().readall()
        blob.upload_blob(good[:-1] + bytes([good[-1] ^ 1]), overwrite=True)
    ended = site.execute(session)
    check_failed(site, session, ended, "integrity: ", batch)
    assert times_called(site, session, "repack") == 1
    with site.blob(site.target_url, batch) as blob:
        blob.upload_blob(good, overwrite=True)
    check_copied(site, site.execute(session, 2))


def test_an_instance_that_was_ended_is_continued_by_the_next_attempt(site: AzureSite) -> None:
    session = site.begin(batch_size=30_000)
    site.ways.objects.add(slow(1))
    site.order(session)
    site.until(lambda: site.parts(session))
    site.client.stop(session.id, 1, "by a test")
    assert site.wait(session.id).status == "Terminated"
    done = site.parts(session)
    site.ways.clear()
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"], ended["status"]) == (session.id, "azure", "Success")
    assert set(done) <= set(site.parts(session))
    found = site.client.find_latest(session.id)
    assert found is not None
    assert found.attempt == 2
    check_copied(site, site.wait(session.id))


def test_a_second_start_is_refused(site: AzureSite) -> None:
    session = site.begin()
    let_go = hold(site, "publish")
    site.order(session)
    with pytest.raises(ConflictError):
        site.order(session, 2)
    let_go.set()
    ended = site.wait(session.id)
    check_copied(site, ended)
    with pytest.raises(ConflictError):
        site.order(session)


def test_many_starts_at_once_are_one(site: AzureSite) -> None:
    session = site.begin()
    site.ways.objects.add(slow(0.5))

    def order(_: int) -> bool:
        try:
            site.order(session)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(order, range(4))) == [False, False, False, True]
    site.ways.clear()
    check_copied(site, site.wait(session.id))
    assert times_called(site, session, "publish") == 1


def test_another_version_is_refused(site: AzureSite) -> None:
    session = site.begin()
    with pytest.raises(InputError, match=r"the proxy has version 9\.9\.9"):
        site.order(session, version="9.9.9")
    assert session.id not in site.host.hub.instances
    check_copied(site, site.execute(session))


def test_a_new_point_starts_a_session_by_itself(site: AzureSite) -> None:
    """However often Event Grid delivers its event, and if many come at once."""
    before = set(site.host.hub.instances)
    event = site.event_of_newest()
    subject = str(event["subject"]).partition("/restore-points/")[0]
    site.host.deliver({**event, "subject": f"{subject}/blobs/{'0' * 64}"})
    assert set(site.host.hub.instances) == before
    let_go = hold(site, "publish")
    for _ in range(2):
        site.host.deliver(event)
    (instance,) = {each for each in set(site.host.hub.instances) - before if ":" not in each}
    assert site.client.find_ordered(JOB) == instance
    # Whoever asks for the same by hand watches what is under way.
    site.until(lambda: site.session_view().claim.session_id == instance)
    watching = site.start("job", "run", "nightly", "--config", str(site.config))
    assert watching.stderr is not None
    assert any(f"watches execution {instance}-1" in line for line in watching.stderr)
    let_go.set()
    _, said = watching.communicate(timeout=120)
    assert watching.returncode == 0, said
    ended = site.wait(instance)
    check_copied(site, ended)
    assert site.session_view().claim.session_id == instance


def test_a_tick_of_the_timer_starts_a_session(site: AzureSite) -> None:
    before = set(site.host.hub.instances)
    site.host.tick("on_time")
    (instance,) = {each for each in set(site.host.hub.instances) - before if ":" not in each}
    check_copied(site, site.wait(instance))
    assert site.session_view().claim.session_id == instance
    before = set(site.host.hub.instances)
    site.host.tick("on_time")
    (instance,) = set(site.host.hub.instances) - before
    ended = site.wait(instance)
    assert (ended.status, ended.output["state"]) == ("Completed", "nothing")


def times_called(site: AzureSite, session: CopySession, name: str) -> int:
    """Return how often an activity was called for a session."""
    return sum(call.name == name and session.id in call.input for call in site.host.hub.calls)
