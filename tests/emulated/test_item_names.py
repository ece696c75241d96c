"""No name of somebody's object leaves a session by any way but the list of a command's error (I5).

Every key of the source has a marker in it. Sessions are run by the service, and end in all kinds of
errors; then everything is searched that they have told or stored.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.engine.state import Attempt
from core.stores import pacing
from core.stores.bucket import Properties
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings
from proxy.service import service as module
from tests.cli.clouds import store_table
from tests.cli.place import PASSPHRASE, Place
from tests.cli.service import declare_proxy, far_moment
from tests.emulated.pair import Service
from tests.emulators import faults
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import Refusal, Rule, refusal
from tests.emulators.services import S3Service
from tests.support.receivers import WebReceiver, web_receiver
from tests.support.repositories import reopen
from tests.support.running import running

MARKER = "zebra-payroll"
KEYS = [f"{MARKER}/{MARKER}-{number}/{MARKER}" for number in range(3)]

CONFIG = """\
version = 1

[repositories.theirs]
kind = "bucket"
url = "{url}"
store = "cloud"
proxy = "hq"
retention_type = "snapshot-based"

[repositories.vault]
url = "file://{root}/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "file:{passphrase}"

[jobs.nightly]
source = "theirs"
target = "vault"
schedule = "daily {moment}"
notify = ["ops"]

[notify.ops]
kind = "webhook"
url = "{hook}"
on = ["Success", "Warning", "Failed", "Error"]

[stores.cloud]
"""

LIST = {"localstack": {"ListObjectsV2"}, "azurite": {"ListBlobs"}}
READ = {"localstack": {"GetObject"}, "azurite": {"GetBlob"}}

# An answer that nobody knows, which repeats the key.
ODD = Refusal(name="Peculiar", status=418, message=f"no tea for {KEYS[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything that a service has said, and what it has stored."""

    log: str
    notices: str
    health: str
    reports: tuple[Attempt, ...]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once: here they are all in vain."""
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(pacing, "STORE_DELAY_SECONDS_MAX", 0.01)


@contextmanager
def ready(folder: Path, service: Service) -> Iterator[tuple[Place, WebReceiver, FaultProxy]]:
    """Lend a place whose bucket is behind a proxy that lets go wrong what a test says."""
    url = service.new_url()
    bucket = open_bucket(url, service.settings)
    for key in KEYS:
        content = MARKER.encode() * 100
        upload = bucket.write(key, Properties(), overwrite=False, size=len(content))
        upload.write(content)
        upload.complete()
    with service.fault_proxy() as proxy, web_receiver(204) as hook:
        place = Place(folder)
        text = CONFIG.format(
            url=url,
            root=place.root,
            passphrase=place.passphrase,
            moment=far_moment(),
            hook=hook.url,
        )
        place.config.write_text(text + store_table(service.behind(proxy.endpoint).settings))
        declare_proxy(place)
        place.done("repository", "create", "vault")
        place.done("job", "create", "nightly")
        make_old(place)
        yield place, hook, proxy


def make_old(place: Place) -> None:
    """Let the job have been created days ago, so that a run of it is due."""
    then = time.time() - 3 * 86_400
    for path in (place.root / "vault" / "jobs").rglob("*.json"):
        os.utime(path, (then, then))


def run_service(place: Place, hook: WebReceiver, event: str) -> Told:
    """Run the service until a run has ended and somebody was told."""
    with running(place) as service:
        service.wait(lambda: service.events(event) and hook.received)
        health = json.dumps(service.service.health())
    assert service.events("bug") == []
    return Told(
        log=service.stream.getvalue(),
        notices=json.dumps(hook.received),
        health=health,
        reports=reports_of(place),
    )


def reports_of(place: Place) -> tuple[Attempt, ...]:
    vault = reopen(open_store(f"file://{place.root}/vault", StoreSettings()), PASSPHRASE)
    names = [head.name for head in vault.store.list("sessions/") if "/attempts/" in head.name]
    return tuple(vault.read_value(Attempt, name) for name in names)


def check_nothing_told(place: Place, told: Told) -> None:
    """Search everything for the marker; the vault is encrypted and has to show none either."""
    for text in (told.log, told.notices, told.health, str(told.reports)):
        assert MARKER not in text
    for path in (place.root / "vault").rglob("*"):
        assert MARKER not in str(path)
        assert not path.is_file() or MARKER.encode() not in path.read_bytes()


FATAL = [
    ("localstack", LIST, refusal("s3", "AccessDenied")),
    ("localstack", LIST, refusal("s3", "InternalError")),
    ("localstack", READ, refusal("s3", "AccessDenied")),
    ("localstack", READ, refusal("s3", "InternalError")),
    ("localstack", READ, refusal("s3", "SlowDown")),
    ("localstack", READ, refusal("s3", "SignatureDoesNotMatch")),
    ("localstack", READ, faults.RESET_BEFORE),
    ("localstack", READ, ODD),
    ("azurite", LIST, refusal("azure", "AuthorizationFailure")),
    ("azurite", READ, refusal("azure", "AuthorizationPermissionMismatch")),
    ("azurite", READ, refusal("azure", "ServerBusy")),
    ("azurite", READ, faults.RESET_BEFORE),
    ("azurite", READ, ODD),
]


@pytest.mark.parametrize(
    ("name", "operations", "fault"),
    [pytest.param(n, o[n], f, id=f"{n} {min(o[n])} {f.name}") for n, o, f in FATAL],
)
def test_an_error_that_ends_a_run_names_no_object_but_to_whoever_runs_it(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    operations: set[str],
    fault: faults.Fault,
) -> None:
    service: Service = request.getfixturevalue(name)
    with ready(tmp_path, service) as (place, hook, proxy):
        proxy.add(Rule(fault=fault, operations=frozenset(operations)))
        told = run_service(place, hook, "refused")
        assert proxy.outcomes[fault.name] > 0
        assert told.reports
        assert all(report.outcome.startswith("store: ") for report in told.reports)
        check_nothing_told(place, told)
        answer = place.run("job", "run", "nightly", "--json")
        assert answer.code == 6
        error = answer.document["error"]
        is_read = operations == READ[name]
        assert [item in KEYS for item in error["items"]] == [True] * is_read
        assert (MARKER in answer.err) is is_read
        assert MARKER not in error["message"] + error["hint"]


def test_objects_that_cannot_be_copied_are_counted(tmp_path: Path, localstack: S3Service) -> None:
    """Here the session goes on without them; only the sealed list has their names."""
    with ready(tmp_path, localstack) as (place, hook, proxy):
        archived = refusal("s3", "InvalidObjectState")
        proxy.add(
            Rule(fault=archived, operations=frozenset(READ["localstack"]), path=f"{MARKER}-1")
        )
        told = run_service(place, hook, "session ended")
        assert proxy.outcomes[archived.name] > 0
        assert [report.outcome for report in told.reports] == ["Failed"]
        assert json.loads(told.notices)[0]["damaged_item_count"] == 1
        check_nothing_told(place, told)
