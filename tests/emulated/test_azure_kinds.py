"""Every kind of source and key in Azure; then what functions asked and told.

Two sessions of two deployments: an encrypted source into a vault opened by Key Vault, and a bucket
of another tool's that changes meanwhile. Both are refused at first. Each name has a marker in it.
"""

import secrets
from dataclasses import dataclass, field

import pytest

from core.engine.history import list_sessions
from core.engine.session import CopySession
from core.stores.address import parse_address
from tests.cli.place import PASSPHRASE
from tests.emulated.azure_grants import (
    Asked,
    allowing,
    asked_of_storage,
    asked_of_vault,
    granted,
)
from tests.emulated.azure_site import AzureSite, AzureWays
from tests.emulated.copy_place import JOB
from tests.emulators.faults import Rule, refusal
from tests.emulators.task_hub import Instance
from tests.infra.azure import SERVED
from tests.support.invariants import check_copies

MARKER = "zebra-payroll"
KEYS = [f"{MARKER}/{MARKER}-{number}" for number in range(4)]
CHANGED, VANISHED = KEYS[1], KEYS[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A deployment, how its session's attempts ended, and what its functions asked and told."""

    site: AzureSite
    session: CopySession
    attempts: list[Instance]
    before: set[str]
    asked: list[Asked]
    parameters: dict[str, str]
    logs: str = field(repr=False)


@pytest.fixture(scope="module")
def keys(azure_ways: AzureWays, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """A source whose passphrase is in Key Vault, a vault that a key there opens, not at first."""
    folder, vault = tmp_path_factory.mktemp("site"), azure_ways.vault
    site = AzureSite(folder, azure_ways, is_encrypted=True, is_source_encrypted=True)
    site.create()
    key, secret = vault.new_key(), vault.new_secret(PASSPHRASE)
    site.done("key", "add", "vault", "--key-vault", key)
    site.serve(COLDHAUL_TARGET_VAULT_KEY=key, COLDHAUL_SOURCE_SECRET=secret)
    site.back_up({name: secrets.token_bytes(9_000) for name in KEYS})
    session = site.begin()
    before, names = len(azure_ways.objects.calls), set(site.keys())
    vault.operations.clear()
    vault.denied = {"keys/unwrapKey"}
    attempts = [site.execute(session)]
    azure_ways.clear()
    attempts.append(site.execute(session, 2))
    of_key = {each for each in vault.operations if each.startswith("keys/")}
    asked = [
        *asked_of_storage(azure_ways.asked(before)),
        *asked_of_vault(of_key, key),
        *asked_of_vault(set(vault.operations) - of_key, secret),
    ]
    return Kind(
        site=site,
        session=session,
        attempts=attempts,
        before=names,
        asked=asked,
        parameters={**places(site), "targetVaultKey": key, "sourceSecret": secret},
        logs=site.host.printed(),
    )


@pytest.fixture(scope="module")
def bucket(azure_ways: AzureWays, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """A bucket whose blobs may not be read at first, and then have changed since the plan."""
    folder = tmp_path_factory.mktemp("site")
    site = AzureSite(folder, azure_ways, kind="bucket", storage_class="Cold")
    site.create()
    site.serve()
    for key in KEYS:
        put(site, key, b"first " * 2_000)
    session = site.begin()
    site.plan(session)
    before, names = len(azure_ways.objects.calls), set(site.keys())
    denied = refusal("azure", "AuthorizationPermissionMismatch")
    reading = frozenset({"GetBlob"})
    azure_ways.objects.add(Rule(fault=denied, operations=reading, path=f"/primary/{MARKER}"))
    attempts = [site.execute(session)]
    azure_ways.clear()
    put(site, CHANGED, b"second " * 2_000)
    with site.blob(site.source_url, VANISHED) as blob:
        blob.delete_blob()
    attempts.append(site.execute(session, 2))
    return Kind(
        site=site,
        session=session,
        attempts=attempts,
        before=names,
        asked=asked_of_storage(azure_ways.asked(before)),
        parameters={**places(site), "sourceKind": "bucket"},
        logs=site.host.printed(),
    )


def put(site: AzureSite, key: str, content: bytes) -> None:
    with site.blob(site.source_url, key) as blob:
        blob.upload_blob(content, overwrite=True, tags={"colour": "red"})


def places(site: AzureSite) -> dict[str, str]:
    """Return the parameters of a site."""
    source, target = parse_address(site.source_url), parse_address(site.target_url)
    return {
        **SERVED,
        "sourceContainer": source.container,
        "sourcePrefix": source.prefix,
        "targetContainer": target.container,
        "targetPrefix": target.prefix,
    }


def test_a_vault_is_opened_by_a_key_and_a_source_by_a_secret(keys: Kind) -> None:
    refused, ended = keys.attempts
    # Without its key not even a report can be left: the instance says why.
    assert refused.status == "Failed"
    assert "Key Vault" in refused.output, refused.output
    assert (ended.status, ended.output["status"]) == ("Completed", "Success"), ended
    keys.site.check_newest()
    check_copies(keys.site.target())


def test_a_bucket_that_changes_meanwhile_is_looked_at_again(bucket: Kind) -> None:
    refused, ended = bucket.attempts
    assert refused.status == "Failed"
    # What has vanished is left out and told.
    assert (ended.status, ended.output["status"]) == ("Completed", "Warning"), ended
    assert '\\"failed_sessions\\": 1' in bucket.logs
    prefix = f"sessions/{bucket.session.id}/batches/"
    assert {name.split("/")[3] for name in bucket.site.keys(prefix)} == {"1", "2"}
    folder = bucket.site.root / "restored"
    bucket.site.done("restore", "vault", "--to", str(folder))
    assert (folder / CHANGED).read_bytes() == b"second " * 2_000
    assert (folder / KEYS[0]).read_bytes() == b"first " * 2_000
    assert not (folder / VANISHED).exists()
    tiers = bucket.site.keys("packs/")
    assert {tiers[name] for name in tiers if "/" in name[6:]} == {"Cold"}
    check_copies(bucket.site.target())


def test_what_is_granted_is_what_is_asked_for(keys: Kind, bucket: Kind) -> None:
    for kind in (keys, bucket):
        found = granted(kind.parameters)
        used: set[tuple[str, str]] = set()
        for each in kind.asked:
            allowed = {(grant.scope, act) for grant in found for act in allowing(grant, each)}
            assert allowed, f"nothing in the Bicep files allows {each}"
            used |= allowed
        everything = {(grant.scope, action) for grant in found for action in grant.actions}
        assert everything == used


def test_functions_delete_nothing_but_working_objects(keys: Kind, bucket: Kind) -> None:
    for kind in (keys, bucket):
        gone = kind.before - set(kind.site.keys())
        assert gone == {f"sessions/open/{kind.session.id}"}


def test_no_name_and_no_secret_is_told_by_anything(keys: Kind, bucket: Kind) -> None:
    """Logs, what the task hub stores of every call, and the reports, of failures too (I5)."""
    for kind in (keys, bucket):
        hub = kind.site.host.hub
        stored = [each for name, each in hub.instances.items() if kind.session.id in name]
        reports = list_sessions(kind.site.target(), JOB)
        assert reports[0].attempts
        told = "\n".join([kind.logs, *map(repr, stored), *map(repr, reports)])
        assert kind.session.id in told
        assert MARKER not in told
        assert PASSPHRASE not in told
