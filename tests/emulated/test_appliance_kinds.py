"""Every kind of source and key in the appliance; then what functions asked and told.

Two sessions of two deployments: an encrypted source into a vault opened by KMS, and a bucket of
another tool's that changes meanwhile. Both are refused at first. Each name has a marker in it.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.engine.history import list_sessions
from core.engine.session import CopySession
from core.stores.address import parse_address
from tests.cli.place import PASSPHRASE
from tests.emulated.copy_place import JOB
from tests.emulated.grants import Asked, asked, granted
from tests.emulated.site import Site, Ways
from tests.emulated.stack import ROLES, Execution
from tests.emulators.faults import Rule, refusal
from tests.support.invariants import check_copies

MARKER = "zebra-payroll"
KEYS = [f"{MARKER}/{MARKER}-{number}" for number in range(4)]
CHANGED, VANISHED = KEYS[1], KEYS[2]
# What these sessions cannot show, and why it is granted nevertheless.
UNSEEN = {
    "s3:AbortMultipartUpload": "packs of more than a part that fail",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A deployment, its sessions' executions, and what its functions asked for."""

    site: Site
    session: CopySession
    executions: list[Execution]
    before: set[str]
    asked: list[Asked]
    parameters: dict[str, str]


@pytest.fixture(scope="module")
def reached(light_ways: Ways) -> Iterator[Ways]:
    """The ways, with the proxy's own to KMS."""
    with pytest.MonkeyPatch.context() as patch:
        light_ways.amazon.reach_by(light_ways.amazon.endpoint, patch)
        yield light_ways


@pytest.fixture(scope="module")
def keys(reached: Ways, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """A source whose passphrase is in Secrets Manager, a vault that KMS opens, not at first."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, reached, is_encrypted=True, is_source_encrypted=True)
    site.create()
    key = reached.amazon.new_key()
    secret = reached.amazon.new_secret(SecretString=PASSPHRASE)
    site.done("key", "add", "vault", "--kms", key)
    site.serve(target_kms_key=key, source_secret=secret)
    site.back_up({name: secrets.token_bytes(9_000) for name in KEYS})
    session = site.begin()
    before, names = reached.counts(), set(site.keys())
    denied = refusal("aws", "AccessDeniedException")
    reached.services.add(Rule(fault=denied, operations=frozenset({"Decrypt"})))
    executions = [site.execute(session)]
    reached.clear()
    executions.append(site.execute(session, 2))
    parameters = {**places(site), "TargetKeyArn": key, "SourceSecretArn": secret}
    return Kind(
        site=site,
        session=session,
        executions=executions,
        before=names,
        asked=asked(reached, before),
        parameters=parameters,
    )


@pytest.fixture(scope="module")
def bucket(reached: Ways, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """A bucket whose objects may not be read at first, and then have changed since the plan."""
    site = Site(tmp_path_factory.mktemp("site"), reached, kind="bucket", storage_class="GLACIER")
    site.create()
    site.serve()
    for key in KEYS:
        put(site, key, b"first " * 2_000)
    session = site.begin()
    site.plan(session)
    before, names = reached.counts(), set(site.keys())
    denied = refusal("s3", "AccessDenied")
    reached.functions.add(
        Rule(fault=denied, operations=frozenset({"GetObject"}), path=f"/primary/{MARKER}")
    )
    executions = [site.execute(session)]
    reached.clear()
    put(site, CHANGED, b"second " * 2_000)
    site.stack.service.client().delete_object(**place(site, VANISHED))
    executions.append(site.execute(session, 2))
    parameters = {**places(site), "SourceKind": "bucket"}
    return Kind(
        site=site,
        session=session,
        executions=executions,
        before=names,
        asked=asked(reached, before),
        parameters=parameters,
    )


def place(site: Site, key: str) -> dict[str, str]:
    address = parse_address(site.source_url)
    return {"Bucket": address.container, "Key": f"{address.prefix}/{key}"}


def put(site: Site, key: str, content: bytes) -> None:
    client = site.stack.service.client()
    client.put_object(**place(site, key), Body=content, Tagging="colour=red")


def places(site: Site) -> dict[str, str]:
    """Return the template's parameters for a site."""
    source, target = parse_address(site.source_url), parse_address(site.target_url)
    return {
        "SourceBucket": source.container,
        "SourcePrefix": source.prefix,
        "TargetBucket": target.container,
        "TargetPrefix": target.prefix,
    }


def test_a_vault_is_opened_by_kms_and_a_source_by_secrets_manager(keys: Kind) -> None:
    refused, ended = keys.executions
    # Without its key not even a report can be left: the execution says why.
    assert (refused.status, refused.error) == ("FAILED", "StoreError"), refused
    assert "kms:Decrypt" in refused.cause
    assert (ended.status, ended.output["status"]) == ("SUCCEEDED", "Success"), ended
    keys.site.retrieve()
    folder = keys.site.root / "restored"
    keys.site.done("restore", "vault", "--to", str(folder))
    for name in KEYS:
        assert (folder / name).read_bytes() == (keys.site.tree / name).read_bytes()
    check_copies(keys.site.target())


def test_a_bucket_that_changes_meanwhile_is_looked_at_again(bucket: Kind) -> None:
    refused, ended = bucket.executions
    assert refused.status == "FAILED"
    assert ended.status == "SUCCEEDED", ended
    rounds = {name.split("/")[3] for name in bucket.site.keys(f"{batches(bucket)}")}
    assert rounds == {"1", "2"}
    bucket.site.retrieve()
    folder = bucket.site.root / "restored"
    bucket.site.done("restore", "vault", "--to", str(folder))
    assert (folder / CHANGED).read_bytes() == b"second " * 2_000
    assert (folder / KEYS[0]).read_bytes() == b"first " * 2_000
    assert not (folder / VANISHED).exists()
    check_copies(bucket.site.target())


def batches(kind: Kind) -> str:
    return f"sessions/{kind.session.id}/batches/"


def test_what_is_granted_is_what_is_asked_for(keys: Kind, bucket: Kind) -> None:
    used: set[str] = set()
    for kind in (keys, bucket):
        statements = granted(kind.parameters)
        for each in kind.asked:
            grants = [name for name, grant in statements.items() if grant.allows(each)]
            assert grants, f"nothing in the template allows {each}"
            used |= {f"{name} {each.action}" for name in grants}
    everything = {
        f"{name} {action}"
        for kind in (keys, bucket)
        for name, grant in granted(kind.parameters).items()
        for action in grant.actions
    }
    more = {each for each in everything - used if each.split()[1] not in UNSEEN}
    assert more == set()


def test_functions_delete_nothing_but_working_objects(keys: Kind, bucket: Kind) -> None:
    for kind in (keys, bucket):
        gone = kind.before - set(kind.site.keys())
        assert gone == {f"sessions/open/{kind.session.id}"}


def test_no_name_and_no_secret_is_told_by_anything(keys: Kind, bucket: Kind) -> None:
    """Logs, the executions with all their states, and the reports, of failures too (I5)."""
    for kind in (keys, bucket):
        said = "\n".join([*logs(kind), *histories(kind), *reports(kind)])
        assert kind.session.id in said
        assert MARKER not in said
        assert PASSPHRASE not in said


def logs(kind: Kind) -> list[str]:
    found = [line for role in ROLES for line in kind.site.stack.logged(role)]
    assert any('"level":"ERROR"' in line for line in found)
    return found


def histories(kind: Kind) -> list[str]:
    client = kind.site.stack.service.client("stepfunctions")
    found = []
    for execution in kind.executions:
        said = client.describe_execution(executionArn=execution.arn)
        pages = client.get_paginator("get_execution_history").paginate(executionArn=execution.arn)
        found += [json.dumps(said, default=str), *(json.dumps(p, default=str) for p in pages)]
    return found


def reports(kind: Kind) -> list[str]:
    views = list_sessions(kind.site.target(), JOB)
    assert [bool(view.attempts) for view in views] == [True]
    return [repr(view) for view in views]
