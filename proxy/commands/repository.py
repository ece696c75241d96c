"""``coldhaul repository``: creating repositories and checking whether they can be used."""

from collections.abc import Sequence

import typer
from rich.table import Table

from core.engine.check import Finding, Level, check_repository
from core.engine.check_bucket import check_bucket
from core.engine.create import create_repository
from core.engine.session import system_clock
from core.errors import ColdhaulError
from core.model import Parameters
from core.sources.repository import read_identity
from core.sources.unlocking import Secret
from proxy.commands.arguments import OnlyCloudKeyOption, RepositoryName
from proxy.exits import DONE, STORE, WARNINGS
from proxy.invocation import Invocation, command, new_group
from proxy.opening import fetch_secret, find_mismatches, open_bucket, open_store
from proxy.output import add_row, make_table
from proxy.store_findings import check_configured_store, describe_classes

# What the finding about the secret itself is called.
_FETCH_CHECK = "the secret"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Create and check repositories.")
    command(group, "create")(create)
    command(group, "check")(check)
    app.add_typer(group, name="repository")


def create(
    invocation: Invocation, name: RepositoryName, is_only_cloud_key: OnlyCloudKeyOption = False
) -> int:
    """Create a repository as the configuration describes it.

    Makes its folder (a bucket or container has to be there), tries whether the place keeps what
    coldhaul relies on, and leaves FORMAT.md and read_pack.py, which tell how to read it without
    coldhaul. Interrupted, it is finished by running it again. With encryption.kms or
    encryption.key_vault it needs --only-cloud-key: whoever deletes that key would take every
    restore point with it.

    Example: coldhaul repository create vault
    """
    table = invocation.config.repository(name)
    secret = fetch_secret(invocation, name)
    repository = create_repository(
        open_store(invocation, name, create=True),
        retention_type=table.retention_type,
        secret=secret,
        parameters=Parameters(),
        now=system_clock(),
        may_be_cloud_key_only=is_only_cloud_key,
    )
    identity = repository.identity
    lines = [
        f"Created repository {name!r} at {table.url}: {identity.retention_type}, "
        f"{'encrypted' if identity.is_encrypted else 'not encrypted'}."
    ]
    classes = describe_classes(invocation.config, table)
    if classes:
        lines.append(f"Objects go into these classes: {classes}.")
    if identity.is_encrypted:
        recovery = invocation.command_line("key", "add", name, "--recovery")
        lines += [
            f"Without {_its(secret)} nothing in it can ever be read. Make a recovery key and keep "
            "it on paper:",
            f"  {recovery}",
        ]
    document = {
        "repository": name,
        "url": table.url,
        "id": identity.id,
        "format_version": identity.format_version,
        "retention_type": identity.retention_type,
        "is_encrypted": identity.is_encrypted,
    }
    invocation.output.show(document, *lines)
    return DONE


def _its(secret: Secret | None) -> str:
    if secret is None or isinstance(secret, str):
        return "its passphrase"
    return {"aws-kms": "its KMS key", "azure-key-vault": "its key in Key Vault"}[secret.kind]


def check(invocation: Invocation, name: RepositoryName) -> int:
    """Check whether a repository can be used, and show everything found.

    Tries reach, identity, keys, their copies, permissions and create-only writes; of a bucket of
    other tools, whether it can be listed and read. Exit code 6 when a finding is an error, 8 when
    one is a warning.

    Example: coldhaul repository check vault
    """
    table = invocation.config.repository(name)
    if table.is_bucket:
        return show_findings(invocation, name, _check_bucket(invocation, name))
    store = open_store(invocation, name)
    # Without an identity there is nothing else to find out.
    identity = read_identity(store)
    secret, findings = _try_secret(invocation, name)
    findings += check_configured_store(invocation.config, table)
    findings += [
        Finding(level=Level.ERROR, what="configuration", detail=problem)
        for problem in find_mismatches(name, table, identity)
    ]
    is_secret_known = not any(finding.what == _FETCH_CHECK for finding in findings)
    findings += [
        finding
        for finding in check_repository(store, secret, system_clock())
        if is_secret_known or finding.what != "keys"
    ]
    return show_findings(invocation, name, findings)


def _check_bucket(invocation: Invocation, name: str) -> list[Finding]:
    config = invocation.config
    configured = check_configured_store(config, config.repository(name))
    return [*configured, *check_bucket(open_bucket(invocation, name))]


def show_findings(invocation: Invocation, name: str, findings: Sequence[Finding]) -> int:
    """Show what was found about a repository, or its appliance, and return the exit code."""
    document = {
        "repository": name,
        "url": invocation.config.repository(name).url,
        "findings": [
            {
                "level": each.level,
                "what": each.what,
                "detail": each.detail,
                "items": each.items,
                "hint": each.hint,
            }
            for each in findings
        ],
    }
    invocation.output.show(document, _findings_table(findings))
    return _exit_code(findings)


def _try_secret(invocation: Invocation, name: str) -> tuple[Secret | None, list[Finding]]:
    """Fetch the secret; that it cannot be had is one finding among others."""
    try:
        return fetch_secret(invocation, name), []
    except ColdhaulError as error:
        finding = Finding(
            level=Level.ERROR, what=_FETCH_CHECK, detail=error.message, hint=error.hint
        )
        return None, [finding]


def _findings_table(findings: Sequence[Finding]) -> Table:
    table = make_table("", "check", "finding")
    for finding in findings:
        hint = f" ({finding.hint})" if finding.hint else ""
        items = "".join(f" [{item}]" for item in finding.items)
        add_row(table, finding.level, finding.what, f"{finding.detail}{items}{hint}")
    return table


def _exit_code(findings: Sequence[Finding]) -> int:
    levels = {finding.level for finding in findings}
    if Level.ERROR in levels:
        return STORE
    return WARNINGS if Level.WARNING in levels else DONE
