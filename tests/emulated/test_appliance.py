"""Whole sessions in the appliance: started by the proxy's command, restored and compared.

The functions run under Amazon's runtime client; the state machine, S3's classes, KMS and Secrets
Manager are LocalStack's.
"""

import secrets
from collections.abc import Iterator

import pytest

from core.engine.repack import Call, run_repack
from core.engine.session import CopySession
from tests.cli.place import PASSPHRASE
from tests.emulated.site import Site, Ways, below
from tests.emulators.faults import Delay, Rule
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees


@pytest.fixture(scope="module")
def vault(light_ways: Ways, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An encrypted vault whose passphrase the functions have from Secrets Manager."""
    site = Site(tmp_path_factory.mktemp("site"), light_ways, is_encrypted=True)
    site.create()
    site.serve(target_secret=light_ways.amazon.new_secret(SecretString=PASSPHRASE))
    return site


@pytest.fixture
def site(vault: Site) -> Iterator[Site]:
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


def run_here(site: Site) -> None:
    """Have sessions run by the proxy from now on."""
    site.edit("appliance = {", "# appliance = {")


def check_newest(site: Site) -> None:
    """Restore the newest point out of the archive and compare it with what was backed up."""
    site.retrieve()
    folder = site.root / secrets.token_hex(4)
    site.done("restore", "vault", "--to", str(folder))
    assert compare_trees(site.tree, folder) == []


def test_a_session_runs_beside_the_storage_and_comes_back(site: Site) -> None:
    own, functions = site.ways.own, site.ways.functions
    before, there = len(own.calls), len(functions.calls)
    answer = site.done("job", "run", "nightly")
    assert "ran on     aws, because the target's appliance serves amazon-s3" in answer.out
    made, theirs = own.calls[before:], functions.calls[there:]
    # No data came by way of the proxy: neither a blob of the source nor a pack.
    read = {call.operation for call in below(made, f"{site.source_url}/blobs")}
    assert "GetObject" not in read
    assert below(made, f"{site.target_url}/packs/") == []
    assert any(call.operation == "GetObject" for call in below(theirs, f"{site.source_url}/blobs"))
    packs = {name: kind for name, kind in site.keys("packs/").items() if "/" in name[6:]}
    assert set(packs.values()) == {"DEEP_ARCHIVE"}
    assert len(packs) > 2
    check_newest(site)


def test_appliance_and_proxy_make_points_of_one_repository_in_turns(site: Site) -> None:
    """One format: whoever runs a session, the next one goes on from there."""
    looks = [site.copied("aws")]
    with_appliance = site.config.read_text()
    site.back_up(files())
    run_here(site)
    looks.append(site.copied("local"))
    site.config.write_text(with_appliance)
    site.back_up(files())
    looks.append(site.copied("aws"))
    site.retrieve()
    points = site.json("restore-point", "list", "vault")["restore_points"]
    for point, look in zip(points[-3:], looks, strict=True):
        folder = site.root / f"restored-{look.name}"
        site.done("restore", "vault", "--to", str(folder), "--point", point["id"])
        assert compare_trees(look, folder) == []
    assert site.json("verify", "vault", "--read-data")["finding_count"] == 0
    check_copies(site.target())


def test_a_local_runner_goes_on_where_an_execution_was_stopped(site: Site) -> None:
    session = site.begin(batch_size=60_000)
    stop_in_the_middle(site, session)
    done = site.parts(session)
    run_here(site)
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"]) == (session.id, "local")
    assert set(done) <= set(site.parts(session))
    check_newest(site)


def test_the_appliance_goes_on_where_a_local_runner_was_stopped(site: Site) -> None:
    session = site.begin(batch_size=60_000)
    site.plan(session)
    run_repack(session, 1, Call())
    done = site.parts(session)
    assert done
    ended = site.json("job", "run", "nightly")["session"]
    assert (ended["id"], ended["runner"]) == (session.id, "aws")
    assert set(done) <= set(site.parts(session))
    check_newest(site)


def stop_in_the_middle(site: Site, session: CopySession) -> None:
    """Have the appliance work until it has made a part, and stop its execution there."""
    slow = Rule(fault=Delay(seconds=1), methods=frozenset({"GET"}), path="/primary/blobs/")
    site.ways.functions.add(slow)
    arn = site.order(session)
    site.until(lambda: site.parts(session))
    client = site.stack.service.client("stepfunctions")
    client.stop_execution(executionArn=arn, error="Stopped", cause="by a test")
    ended = site.stack.wait(arn)
    assert ended.status == "ABORTED", ended
    site.ways.functions.clear()
    assert site.session_view().record is None
