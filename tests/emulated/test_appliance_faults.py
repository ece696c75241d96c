"""Sessions in the appliance while something goes wrong: each ends whole, or is told and kept open.

Objects are refused by the proxy in front of LocalStack, which enforces no permissions itself.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.engine.session import CopySession, claim_name
from core.model import SessionStatus
from tests.emulated.site import Site, Ways, below
from tests.emulated.stack import Execution
from tests.emulators.faults import LATE_LISTING, Delay, Rule, refusal
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees

BLOBS = "/primary/blobs/"
GET = frozenset({"GetObject"})


@pytest.fixture(scope="module")
def plain(light_ways: Ways, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An unencrypted pair in a class that is read at once."""
    site = Site(tmp_path_factory.mktemp("site"), light_ways, storage_class="GLACIER_IR")
    site.create()
    site.serve()
    return site


@pytest.fixture
def site(plain: Site) -> Iterator[Site]:
    """The same with a new point to copy; nothing goes wrong in it afterwards."""
    new = secrets.token_hex(4)
    plain.back_up({f"{new}-{number}": secrets.token_bytes(20_000) for number in range(6)})
    yield plain
    plain.ways.clear()


@pytest.fixture
def hasty(site: Site) -> Iterator[Site]:
    """The same, with ten seconds for each call on a batch."""
    site.stack.configure("Repack", Timeout=10)
    yield site
    site.stack.configure("Repack", Timeout=300)


def slow(seconds: float, count: int | None = None) -> Rule:
    """Let the source's blobs come late."""
    return Rule(fault=Delay(seconds=seconds), operations=GET, path=BLOBS, count=count)


def check_copied(site: Site, execution: Execution) -> None:
    """Hold an execution and its session to a good end, and restore what was copied."""
    assert (execution.status, execution.output["status"]) == ("SUCCEEDED", "Success"), execution
    folder = site.root / secrets.token_hex(4)
    site.done("restore", "vault", "--to", str(folder))
    assert compare_trees(site.tree, folder) == []
    check_copies(site.target())


def process_of(site: Site, role: str) -> int:
    """Return the process of a function that serves this site, the newest one."""
    mark, handler = site.target_url.encode(), f"light.{role}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment, status = (
                (folder / name).read_bytes() for name in ("cmdline", "environ", "stat")
            )
        except OSError:
            continue  # It has just ended.
        if handler in command.split(b"\0") and mark in environment:
            # Numbers of processes come again; the moment when one began is their 22nd value.
            began = int(status.rpartition(b")")[2].split()[19])
            found.append((began, int(folder.name)))
    return max(found)[1]


def test_a_function_killed_at_its_time_limit_in_the_middle_of_a_pack(hasty: Site) -> None:
    session = hasty.begin()
    hasty.ways.functions.add(slow(60, count=1))
    execution = hasty.execute(session)
    assert times_read(hasty, session, "00000") == 2
    check_copied(hasty, execution)


def test_a_function_that_dies(site: Site) -> None:
    session = site.begin()
    before = site.ways.functions.outcomes["delay"]
    site.ways.functions.add(slow(30))
    arn = site.order(session)
    site.until(lambda: site.ways.functions.outcomes["delay"] > before)
    os.kill(process_of(site, "repack"), signal.SIGKILL)
    site.ways.functions.clear()
    execution = site.stack.wait(arn)
    assert times_read(site, session, "00000") == 2
    check_copied(site, execution)


def test_two_calls_on_one_batch_at_the_same_moment(site: Site) -> None:
    """Both work, one of each two packs is lost, and nothing else (I3)."""
    session = site.begin()
    site.plan(session)
    (batch,) = site.keys(f"sessions/{session.id}/batches/1/")
    event = {"session": session.id, "claim": claim_name(session), "batch": site.key(batch)["Key"]}
    site.ways.functions.add(slow(0.5))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: site.stack.call("Repack", event), range(2)))
    assert [answer.get("state") for answer in answers] == ["done", "done"], answers
    site.ways.functions.clear()
    check_copied(site, site.execute(session))
    assert site.json("verify", "vault", "--read-data")["finding_count"] == 0


def test_a_source_that_is_throttled(site: Site) -> None:
    throttle = refusal("s3", "SlowDown")
    site.ways.functions.add(Rule(fault=throttle, operations=GET, path=BLOBS, probability=0.5))
    execution = site.execute(site.begin())
    assert site.ways.functions.outcomes[throttle.name] > 0
    check_copied(site, execution)


def test_a_stopped_execution_is_continued_by_the_next_attempt(site: Site) -> None:
    session = site.begin(batch_size=30_000)
    site.ways.functions.add(slow(1))
    arn = site.order(session)
    site.until(lambda: site.parts(session))
    site.stack.service.client("stepfunctions").stop_execution(executionArn=arn)
    assert site.stack.wait(arn).status == "ABORTED"
    site.ways.functions.clear()
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"], ended["status"]) == (session.id, "aws", "Success")
    again = site.stack.wait(arn[: -len("1")] + "2")
    assert site.input_of(again.arn)["attempt"] == 2
    check_copied(site, again)


def test_an_order_to_stop_is_honoured_and_taken_back(site: Site) -> None:
    session = site.begin(batch_size=30_000)
    site.ways.functions.add(slow(1))
    arn = site.order(session)
    site.until(lambda: site.parts(session))
    site.done("session", "stop", session.id)
    execution = site.stack.wait(arn)
    assert (execution.status, execution.output["status"]) == ("SUCCEEDED", "Stopped")
    assert site.session_view().attempts[-1].outcome == "Stopped"
    site.ways.functions.clear()
    assert site.json("session", "resume", session.id)["session"]["status"] == "Success"
    check_copied(site, site.stack.wait(arn[: -len("1")] + "2"))


DENIED = [
    pytest.param(GET, BLOBS, "s3:GetObject", id="source"),
    pytest.param(frozenset({"PutObject"}), "/vault/packs/", "s3:PutObject", id="target"),
]


@pytest.mark.parametrize(("operations", "path", "permission"), DENIED)
def test_an_access_that_is_denied(
    site: Site, operations: frozenset[str], path: str, permission: str
) -> None:
    session = site.begin()
    site.ways.functions.add(Rule(fault=DENIAL, operations=operations, path=path))
    execution = site.execute(session)
    check_failed(site, session, execution, "store: ", permission)
    site.ways.functions.clear()
    check_copied(site, site.execute(session, 2))


def test_a_target_that_cannot_even_be_listed(site: Site) -> None:
    """No report can be left then; the execution itself says why."""
    session = site.begin()
    site.ways.functions.add(Rule(fault=DENIAL, operations=frozenset({"ListObjectsV2"})))
    execution = site.execute(session)
    assert (execution.status, execution.error) == ("FAILED", "StoreError")
    assert "s3:ListBucket" in execution.cause
    site.ways.functions.clear()
    check_copied(site, site.execute(session, 2))


DENIAL = refusal("s3", "AccessDenied")


def check_failed(
    site: Site, session: CopySession, execution: Execution, category: str, words: str
) -> None:
    """Hold a failed execution to what is promised: a report that says why, a session kept open."""
    assert execution.status == "FAILED"
    view = site.session_view()
    assert (view.claim.session_id, view.record) == (session.id, None)
    outcome = view.attempts[-1].outcome
    assert outcome.startswith(category), outcome
    assert words in outcome
    assert view.attempts[-1].runner == "aws"
    assert view.status is not SessionStatus.FAILED


def test_damage_is_never_tried_again(site: Site) -> None:
    session = site.begin()
    site.plan(session)
    (batch,) = site.keys(f"sessions/{session.id}/batches/1/")
    client = site.stack.service.client()
    good = client.get_object(**site.key(batch))["Body"].read()
    client.put_object(**site.key(batch), Body=good[:-1] + bytes([good[-1] ^ 1]))
    execution = site.execute(session)
    check_failed(site, session, execution, "integrity: ", batch)
    assert times_read(site, session, "00000") == 1
    client.put_object(**site.key(batch), Body=good)
    check_copied(site, site.execute(session, 2))


def test_a_session_that_makes_no_progress_fails_with_its_reason(site: Site) -> None:
    """Parts that are written and never seen: three calls are enough."""
    session = site.begin()
    site.ways.functions.add(Rule(fault=LATE_LISTING))
    execution = site.execute(session)
    assert execution.status == "FAILED"
    view = site.session_view()
    assert view.status is SessionStatus.FAILED, (execution, view)
    assert "makes no progress" in view.reasons[0]
    assert "makes no progress" in execution.cause
    site.ways.functions.clear()
    assert site.json("job", "run", "nightly")["session"]["status"] == "Success"


def test_another_version_is_refused(site: Site) -> None:
    session = site.begin()
    execution = site.execute(session, version="9.9.9")
    check_failed(site, session, execution, "input: ", "the proxy has version 9.9.9")
    check_copied(site, site.execute(session, 2))


def times_read(site: Site, session: CopySession, batch: str) -> int:
    """Return how often a batch was fetched: once in each call on it."""
    path = f"/{session.id}/batches/1/{batch}"
    calls = below(site.ways.functions.calls, site.target_url)
    return sum(call.operation == "GetObject" and path in call.path for call in calls)
