"""Whole sessions in Azure: ordered by the proxy's command, run by the packaged app, restored.

Orders go over HTTP with a bearer token; what the functions reach they reach as their identity.
"""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.probe import PREFIX, delete_probes
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession
from tests.cli.place import PASSPHRASE
from tests.emulated.azure_site import AzureSite, AzureWays
from tests.emulators.faults import Delay, Rule, refusal
from tests.emulators.task_hub import MESSAGE_SIZE_MAX, RUNNING, Moment
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees


@pytest.fixture(scope="module")
def vault(azure_ways: AzureWays, tmp_path_factory: pytest.TempPathFactory) -> AzureSite:
    """An encrypted vault whose passphrase the functions have from Key Vault."""
    site = AzureSite(
        tmp_path_factory.mktemp("site"), azure_ways, metadata_class="Hot", is_encrypted=True
    )
    site.create()
    site.serve(COLDHAUL_TARGET_SECRET=azure_ways.vault.new_secret(PASSPHRASE))
    return site


@pytest.fixture
def site(vault: AzureSite) -> Iterator[AzureSite]:
    """The same, as every test finds it, with a new point to copy."""
    configuration = vault.config.read_text()
    vault.back_up(files())
    yield vault
    vault.config.write_text(configuration)
    vault.ways.clear()


def files() -> dict[str, bytes]:
    """Return what changes from one point to the next: a dozen files, and one in several packs."""
    new = secrets.token_hex(4)
    names = [f"folder-{number % 3}/{new}-{number}" for number in range(12)]
    return {
        **{name: secrets.token_bytes(3_000) for name in names},
        "large": secrets.token_bytes(200_000),
    }


def run_here(site: AzureSite) -> None:
    """Have sessions run by the proxy from now on."""
    site.edit("appliance = {", "# appliance = {")


def test_a_session_runs_beside_the_storage_and_comes_back(site: AzureSite) -> None:
    calls = site.ways.objects.calls
    before = len(calls)
    answer = site.done("job", "run", "nightly")
    assert "ran on     azure, because the target's appliance serves azure-blob" in answer.out
    made = calls[before:]
    own = [call for call in made if call.credentials == "SharedKey"]
    # No data came by way of the proxy: neither a blob of the source nor a pack.
    assert not any("/primary/blobs/" in call.path for call in own)
    assert not any("/vault/packs/" in call.path for call in own)
    theirs = [call for call in made if call.credentials == "Bearer"]
    assert any("/primary/blobs/" in call.path for call in theirs)
    tiers = site.keys()
    packs = {name for name in tiers if name.startswith("packs/") and "/" in name[6:]}
    assert {tiers[name] for name in packs} == {"Archive"}
    assert len(packs) > 2
    assert {tiers[name] for name in tiers.keys() - packs} == {"Hot"}
    assert site.host.hub.payload_size_max < MESSAGE_SIZE_MAX
    site.check_newest()


def test_appliance_and_proxy_make_points_of_one_repository_in_turns(site: AzureSite) -> None:
    """One format: whoever runs a session, the next one goes on from there."""
    looks = [site.copied("azure")]
    with_appliance = site.config.read_text()
    site.back_up(files())
    run_here(site)
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


def test_the_app_goes_on_where_a_local_runner_was_stopped_and_the_other_way_round(
    site: AzureSite,
) -> None:
    session = site.begin(batch_size=60_000)
    site.plan(session)
    run_repack(session, 1, Call())
    done = site.parts(session)
    assert done
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"]) == (session.id, "azure")
    assert set(done) <= set(site.parts(session))
    site.check_newest()
    site.back_up(files())
    session = site.begin(batch_size=60_000)
    slow = Rule(fault=Delay(seconds=1), methods=frozenset({"GET"}), path="/primary/blobs/")
    site.ways.objects.add(slow)
    site.order(session)
    site.until(lambda: site.parts(session))
    site.client.stop(session.id, 1, "by a test")
    assert site.wait(session.id).status == "Terminated"
    site.ways.clear()
    done = site.parts(session)
    run_here(site)
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"]) == (session.id, "local")
    assert set(done) <= set(site.parts(session))
    site.check_newest()


def test_a_session_is_watched_and_stopped_and_gone_on_with(site: AzureSite) -> None:
    session = site.begin(batch_size=30_000)
    slow = Rule(fault=Delay(seconds=1), methods=frozenset({"GET"}), path="/primary/blobs/")
    site.ways.objects.add(slow)
    site.order(session)
    site.until(lambda: site.parts(session))
    watching = site.start("session", "watch", session.id, "--config", str(site.config), "--json")
    site.done("session", "stop", session.id)
    _, said = watching.communicate(timeout=120)
    assert watching.returncode == 5, said
    ended = site.wait(session.id)
    assert (ended.status, ended.output["status"]) == ("Completed", "Stopped"), ended
    assert site.session_view().attempts[-1].outcome == "Stopped"
    site.ways.clear()
    assert site.json("session", "resume", session.id)["session"]["status"] == "Success"
    assert site.host.hub.instances[session.id].status == "Completed"
    site.check_newest()


def test_the_appliance_is_checked_by_itself(site: AzureSite) -> None:
    found = site.json("appliance", "check", "vault")["findings"]
    looked_at = {"sign-in", "environment", "target", "source", "permissions"}
    assert looked_at <= {each["what"] for each in found}
    assert {each["level"] for each in found} == {"ok"}, found
    assert site.keys(PREFIX) == {}
    site.ways.vault.denied.add("secrets/get")
    found = site.json("appliance", "check", "vault", code=6)["findings"]
    wrong = [each for each in found if each["level"] == "error"]
    assert [each["what"] for each in wrong] == ["target"], found
    assert "Key Vault Secrets User" in wrong[0]["hint"], wrong


@pytest.mark.parametrize("operation", ["PutBlob", "PutBlock", "DeleteBlob"])
def test_a_role_that_lacks_a_write_is_found_and_nothing_is_left(
    site: AzureSite, operation: str
) -> None:
    denial = refusal("azure", "AuthorizationPermissionMismatch")
    site.ways.objects.add(Rule(fault=denial, operations=frozenset({operation}), path=PREFIX))
    found = site.json("appliance", "check", "vault", code=6)["findings"]
    wrong = [each for each in found if each["level"] == "error"]
    assert [each["what"] for each in wrong] == ["permissions"], found
    assert "Storage Blob Data" in wrong[0]["detail"], wrong
    assert bool(site.keys(PREFIX)) is (operation == "DeleteBlob")
    site.ways.clear()
    delete_probes(site.target().store)


def test_an_instance_that_was_ended_does_no_more_work(site: AzureSite) -> None:
    session = site.begin(batch_size=60_000)
    hub = site.host.hub
    ended: list[bool] = []

    def end(moment: Moment) -> None:
        if moment.name == "repack" and not ended:
            ended.append(True)
            for each in list(hub.instances.values()):
                if each.id.startswith(session.id) and each.status in RUNNING:
                    hub.terminate(each.id, "by a test")

    hub.disturb = end
    assert site.execute(session).status == "Terminated"
    hub.disturb = lambda _: None
    # The next attempt takes its place: by then its calls have seen that it was ended.
    site.until(lambda: stopped_calls(site, session))
    assert site.json("job", "run", "nightly")["session"]["id"] == session.id
    site.check_newest()
    assert stopped_calls(site, session) == {"repack"}


def stopped_calls(site: AzureSite, session: CopySession) -> set[str]:
    """Return which activities have told that they did nothing more."""
    logged = [each for each in site.host.logged() if each["logger"] == "coldhaul"]
    lines = [json.loads(each["message"]) for each in logged]
    of_session = [each for each in lines if each.get("session") == session.id]
    return {each["message"] for each in of_session if each.get("state") == "stopped"}


def test_an_event_copies_each_new_point(azure_ways: AzureWays, tmp_path: Path) -> None:
    site = AzureSite(tmp_path, azure_ways, schedule="immediate")
    site.create()
    site.serve(COLDHAUL_JOB="nightly", COLDHAUL_EVENTS="true", COLDHAUL_SCHEDULE="0 0 22 * * *")
    for _ in range(2):
        site.back_up(files())
    event = site.event_of_newest()
    known = set(site.host.hub.instances)
    site.host.deliver(event)
    # And once more: events may come twice.
    site.host.deliver(event)
    # One instance for each of the two points, and one that finds nothing more.
    hub = site.host.hub
    while running := [each.id for each in list(hub.instances.values()) if each.status in RUNNING]:
        site.wait(running[0])
    new = [each for each in hub.instances.values() if each.id not in known]
    sessions = [each for each in new if each.name == "session"]
    assert [each.status for each in sessions] == ["Completed"] * 3
    assert [each.output["state"] for each in sessions] == ["done", "done", "nothing"]
    assert len(site.json("restore-point", "list", "vault")["restore_points"]) == 2
    site.check_newest()


def test_an_encrypted_vault_is_opened_by_nothing_that_is_not_named(
    azure_ways: AzureWays, tmp_path: Path
) -> None:
    site = AzureSite(tmp_path, azure_ways, is_encrypted=True)
    site.create()
    site.serve()
    site.back_up(files())
    ended = site.execute(site.begin())
    assert ended.status == "Failed"
    assert "InputError" in ended.output
    assert PASSPHRASE not in site.host.printed()
