"""The client of a function app against the app itself, as it is deployed, in real workers."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.check import Level
from core.engine.jobs import load_definition
from core.engine.run import begin_session
from core.engine.session import CopySession, claim_name, system_clock
from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.ids import JobId, SessionId
from core.plan.placement import Served
from core.sources.repository import open_repository
from core.stores.opening import open_store
from proxy.appliance import Execution, Order, Standing
from proxy.appliance_azure import AzureAppliance
from proxy.appliance_failure import execution_failure
from proxy.version import own_version
from tests.cli.clouds import move_to
from tests.cli.place import Place
from tests.emulators.identity import found_identity
from tests.emulators.services import AzureService
from tests.support.served_apps import ServedCloud

pytestmark = [pytest.mark.xdist_group("package"), pytest.mark.timeout(300)]
NOBODY = SessionId("0" * 32)
JOB = JobId("nightly")
PATIENCE = 120


class Site(Place):
    """A place whose job copies between two repositories that an app serves."""

    def __init__(self, root: Path, service: AzureService, cloud: ServedCloud) -> None:
        """Create both and the job, and back something up."""
        super().__init__(root)
        self.service = service
        self.drop_encryption()
        self.url = move_to(self, service, "primary", "vault")
        for name in ("primary", "vault"):
            self.done("repository", "create", name)
        self.done("job", "create", "nightly")
        self.back_up(b"content")
        self.app = cloud.serve(f"{self.url}/primary", f"{self.url}/vault")
        self.edit(
            f'url = "{self.url}/vault"\n',
            f'url = "{self.url}/vault"\nappliance = {{ {self.app.table} }}\n',
        )

    def back_up(self, content: bytes) -> None:
        """Make a new point for the job."""
        (self.tree / "a").write_bytes(content)
        self.done("backup", str(self.tree), "--to", "primary")

    def claim(self) -> CopySession:
        """Claim the newest point."""
        source, target = (
            open_repository(open_store(f"{self.url}/{name}", self.service.settings), None)
            for name in ("primary", "vault")
        )
        begun = begin_session(target, source, load_definition(target, JOB), system_clock)
        assert begun is not None
        return begun.session


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, azurite_https: AzureService) -> Iterator[Site]:
    """One app for all of these tests."""
    with found_identity() as identity, ServedCloud(azurite_https, identity.environment) as cloud:
        yield Site(tmp_path_factory.mktemp("site"), azurite_https, cloud)


def order(session: CopySession, attempt: int = 1, version: str = "") -> Order:
    return Order(
        session=session.id, claim=claim_name(session), attempt=attempt,
        version=version or own_version(), reason="why",
    )  # fmt: skip


def ended(appliance: AzureAppliance, session_id: SessionId) -> Execution:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = appliance.find_latest(session_id)
        if found is not None and found.is_over:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_app_says_what_it_was_deployed_for(site: Site) -> None:
    deployment = site.app.client().deployment()
    assert deployment.version == own_version()
    assert deployment.serves == Served(
        source_url=f"{site.url}/primary", source_endpoint=site.service.endpoint,
        source_kind="repository", target_url=f"{site.url}/vault",
        target_endpoint=site.service.endpoint, storage_class="",
    )  # fmt: skip


def test_an_app_finds_itself_well(site: Site) -> None:
    findings = list(site.app.client().inspect())
    assert {each.level for each in findings} == {Level.OK}
    assert {each.what for each in findings} >= {"sign-in", "environment", "source", "target"}


def test_what_was_never_started_is_not_there(site: Site) -> None:
    appliance = site.app.client()
    assert appliance.find(NOBODY, 1) is None
    assert appliance.find_latest(NOBODY) is None
    assert appliance.find_ordered(JOB) is None
    with pytest.raises(NotFoundError):
        appliance.stop(NOBODY, 1, "why")


def test_a_job_is_run_by_the_app_and_shown_like_one_that_runs_here(site: Site) -> None:
    answer = site.done("job", "run", "nightly")
    assert "ran on     azure, because the target's appliance serves azure-blob" in answer.out
    for words in ("runner: azure", "started as execution", "planned: 1 rows", "Repacking: 1 done"):
        assert words in answer.err
    (session,) = site.json("session", "list", "nightly")["sessions"]
    assert (session["status"], session["runner"]) == ("Success", "azure")
    found = site.app.client().find_latest(SessionId(session["id"]))
    assert found is not None
    assert (found.attempt, found.standing) == (1, Standing.SUCCEEDED)
    assert site.json("job", "run", "nightly")["session"] is None


def test_attempts_follow_each_other_and_each_runs_alone(site: Site) -> None:
    site.back_up(b"more")
    session, appliance = site.claim(), site.app.client()
    with site.app.holding():
        appliance.start(order(session))
        running = appliance.find(session.id, 1)
        assert running is not None
        assert running.standing is Standing.RUNNING
        for attempt in (1, 2):
            with pytest.raises(ConflictError):
                appliance.start(order(session, attempt))
        with pytest.raises(InputError, match=r"has version 9\.9\.9"):
            appliance.start(order(session, 2, "9.9.9"))
        appliance.stop(session.id, 1, "its window has closed")
    stopped = ended(appliance, session.id)
    assert (stopped.attempt, stopped.standing) == (1, Standing.ABORTED)
    appliance.stop(session.id, 1, "once more")
    with pytest.raises(ConflictError):
        appliance.start(order(session))
    appliance.start(order(session, 2))
    assert ended(appliance, session.id).standing is Standing.SUCCEEDED
    first = appliance.find(session.id, 1)
    assert first is not None
    assert first.standing is Standing.REPLACED
    assert site.json("session", "show", session.id)["session"]["status"] == "Success"


def test_a_failure_comes_through_with_its_class_and_what_it_says(site: Site) -> None:
    appliance = site.app.client()
    claim = f"jobs/{JOB}/claims/20260301T000000000000Z-{NOBODY}-0.json"
    lost = Order(session=NOBODY, claim=claim, attempt=1, version=own_version(), reason="why")
    appliance.start(lost)
    failed = ended(appliance, NOBODY)
    assert failed.standing is Standing.FAILED
    error = execution_failure(failed, "", "coldhaul go on")
    assert isinstance(error, NotFoundError)
    assert f"execution {NOBODY}-1 failed: " in error.message


def test_another_audience_and_no_token_are_not_let_in(site: Site) -> None:
    with pytest.raises(StoreError, match="does not accept the token") as caught:
        site.app.client("api://somebody-else").deployment()
    assert "api://somebody-else" in caught.value.hint


def test_an_app_without_authentication_is_found_out(
    azurite_https: AzureService, site: Site
) -> None:
    with found_identity() as identity, ServedCloud(azurite_https, identity.environment) as cloud:
        ends = (f"{site.url}/primary", f"{site.url}/vault")
        open_app = cloud.serve(*ends, is_protected=False).client()
        (sign_in,) = (each for each in open_app.inspect() if each.what == "sign-in")
        assert sign_in.level is Level.ERROR
        with pytest.raises(StoreError, match="let in"):
            open_app.deployment()
