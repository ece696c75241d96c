"""Whole sessions in the function app: ordered over HTTP by the proxy's command, by events, by time.

The app is the package as it is deployed, under Azure's own worker; ``tests/emulated/azure_app.py``
says what stands in for what.
"""

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.cli.place import PASSPHRASE
from tests.emulated.azure_app import AzureApp, AzureSite
from tests.emulators.functions_host import created_event
from tests.emulators.task_hub import MESSAGE_SIZE_MAX, RUNNING, Moment
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees

IMMEDIATE = "immediate"


def files() -> dict[str, bytes]:
    """Return what changes from one point to the next: a dozen files, and one in several packs."""
    new = secrets.token_hex(4)
    names = [f"folder-{number % 3}/{new}-{number}" for number in range(12)]
    return {
        **{name: secrets.token_bytes(3_000) for name in names},
        "large": secrets.token_bytes(200_000),
    }


@pytest.fixture(scope="module")
def vault(azure_app: AzureApp, tmp_path_factory: pytest.TempPathFactory) -> AzureSite:
    site = AzureSite(tmp_path_factory.mktemp("site"), azure_app)
    site.create()
    site.serve()
    return site


@pytest.fixture
def site(vault: AzureSite) -> Iterator[AzureSite]:
    """The same, as every test finds it, with a new point to copy."""
    configuration = vault.config.read_text()
    vault.back_up(files())
    yield vault
    vault.config.write_text(configuration)


def check_newest(site: AzureSite) -> None:
    """Restore the newest point out of the archive and compare it with what was backed up."""
    site.retrieve()
    folder = site.root / secrets.token_hex(4)
    site.done("restore", "vault", "--to", str(folder))
    assert compare_trees(site.tree, folder) == []


def test_a_session_runs_beside_the_storage_and_comes_back(site: AzureSite) -> None:
    answer = site.done("job", "run", "nightly")
    assert "ran on     azure, because the target's appliance serves azure-blob" in answer.out
    packs = {name: tier for name, tier in site.keys("packs/").items() if "/" in name[6:]}
    assert set(packs.values()) == {"Archive"}
    assert len(packs) > 2
    instance = site.app.host.hub.instances[site.session_view().claim.session_id]
    assert instance.status == "Completed"
    assert site.app.host.hub.payload_size_max < MESSAGE_SIZE_MAX
    check_newest(site)
    check_copies(site.target())


def test_appliance_and_proxy_make_points_of_one_repository_in_turns(site: AzureSite) -> None:
    """One format: whoever runs a session, the next one goes on from there."""
    looks = [site.copied("azure")]
    with_appliance = site.config.read_text()
    site.back_up(files())
    site.edit("appliance = {", "# appliance = {")
    looks.append(site.copied("local"))
    site.config.write_text(with_appliance)
    site.back_up(files())
    looks.append(site.copied("azure"))
    site.retrieve()
    points = site.json("restore-point", "list", "vault")["restore_points"]
    for point, look in zip(points[-3:], looks, strict=True):
        folder = site.root / f"restored-{look.name}"
        site.done("restore", "vault", "--to", str(folder), "--point", point["id"])
        assert compare_trees(look, folder) == []
    assert site.json("verify", "vault", "--read-data")["finding_count"] == 0
    check_copies(site.target())


def test_an_appliance_that_serves_the_vault_is_well(site: AzureSite) -> None:
    site.done("appliance", "check", "vault")


def test_an_instance_that_was_ended_does_no_more_work(site: AzureSite) -> None:
    session = site.begin(batch_size=60_000)
    hub = site.app.host.hub
    ended: list[bool] = []

    def end(moment: Moment) -> None:
        if moment.name == "repack" and not ended:
            ended.append(True)
            for each in list(hub.instances.values()):
                if each.id.startswith(session.id) and each.status in RUNNING:
                    hub.terminate(each.id, "by a test")

    hub.disturb = end
    try:
        assert site.execute(session).status == "Terminated"
    finally:
        hub.disturb = lambda _: None
    assert site.json("job", "run", "nightly")["session"]["id"] == session.id
    check_newest(site)
    stopped = [each for each in lines(site) if each.get("state") == "stopped"]
    assert {each["message"] for each in stopped} == {"repack"}


def lines(site: AzureSite) -> list[dict[str, object]]:
    logged = [each for each in site.app.host.logged() if each["logger"] == "coldhaul"]
    return [json.loads(each["message"]) for each in logged]


def test_an_event_copies_each_new_point(
    azure_app: AzureApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = AzureSite(tmp_path_factory.mktemp("events"), azure_app, schedule=IMMEDIATE)
    site.create()
    site.serve(job="nightly", events="true", schedule="0 0 22 * * *")
    for _ in range(2):
        site.back_up(files())
    container, prefix = site.source_url.removeprefix("az://").split("/")
    record = site.source().list_records()[-1].name
    event = created_event(container, f"{prefix}/{record}")
    known = set(azure_app.host.hub.instances)
    azure_app.host.deliver(created_event(container, f"{prefix}/blobs/{'0' * 64}"))
    assert set(azure_app.host.hub.instances) == known
    azure_app.host.deliver(event)
    # And once more: events may come twice.
    azure_app.host.deliver(event)
    # One instance for each of the two points, and one that finds nothing more.
    while running := [
        each.id for each in list(azure_app.host.hub.instances.values()) if each.status in RUNNING
    ]:
        azure_app.wait(running[0])
    hub = azure_app.host.hub
    new = [each for each in hub.instances.values() if each.id not in known]
    sessions = [each for each in new if each.name == "session"]
    assert [each.status for each in sessions] == ["Completed"] * 3
    assert [each.output["state"] for each in sessions] == ["done", "done", "nothing"]
    assert len(site.json("restore-point", "list", "vault")["restore_points"]) == 2
    check_newest(site)


def test_the_timer_copies_what_is_new(
    azure_app: AzureApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = AzureSite(tmp_path_factory.mktemp("timer"), azure_app)
    site.create()
    site.serve(job="nightly", schedule="0 0 22 * * *")
    site.back_up(files())
    known = set(azure_app.host.hub.instances)
    azure_app.host.tick()
    (instance,) = set(azure_app.host.hub.instances) - known
    assert azure_app.wait(instance).output["status"] == "Success"
    # The instance is called as the session that it claimed.
    assert site.session_view().claim.session_id == instance


def test_an_encrypted_vault_is_opened_by_nothing_that_is_not_named(
    azure_app: AzureApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = AzureSite(tmp_path_factory.mktemp("sealed"), azure_app, is_encrypted=True)
    site.create()
    site.serve()
    site.back_up(files())
    ended = site.execute(site.begin())
    assert ended.status == "Failed"
    assert "InputError" in ended.output
    assert PASSPHRASE not in azure_app.host.printed()
