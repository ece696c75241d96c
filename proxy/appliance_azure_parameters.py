"""What an appliance in Azure is deployed with: the template's parameters, from the configuration.

Pure. What the functions could not open is a problem; no secret ever is among the parameters.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from core.errors import InputError
from core.stores.address import AZURE_BLOB, parse_address
from core.stores.azure_client import parse_endpoint
from core.stores.classes import class_name
from proxy.appliance_deploy import DeployedJob, End, Parameters
from proxy.appliance_table import ApplianceTable
from proxy.problems import key_path

# What the template says of a class that nobody has named: the account's own default tier.
_DEFAULT = ""


# The hosts that Azure gives an app: APP, or where they are unique APP-HASH.REGION-NUMBER.
_HOST = re.compile(
    r"(?:(?P<app>[a-z0-9-]+)|(?P<unique>[a-z0-9-]+)-[a-z0-9]{16}\.[a-z0-9]+-[0-9]{2})"
    r"\.(?:azurewebsites\.(?:net|us)|chinacloudsites\.cn)",
    re.ASCII,
)


def app_name(url: str) -> str:
    """Return the name of the app that a URL of Azure's leads to; any other URL says none: ""."""
    host = _HOST.fullmatch(urlsplit(url).hostname or "")
    return (host["app"] or host["unique"]) if host else ""


def plan_parameters(appliance: ApplianceTable, job: DeployedJob) -> Parameters:
    """Return the parameters of an appliance that runs a job, or what is in their way."""
    ends = {"source": job.source, "target": job.target}
    foreign = [problem for end in ends.values() for problem in _foreign(end)]
    if foreign:
        return Parameters(values={}, problems=tuple(foreign))
    source, target = job.source.table, job.target.table
    values = {
        "appName": app_name(appliance.url),
        "audience": appliance.audience,
        "jobId": job.name,
        "sourceKind": source.kind,
        "retentionType": source.retention_type.value if source.is_bucket else "",
        "storageClass": class_name(target.storage_class, AZURE_BLOB) or _DEFAULT,
        "metadataClass": class_name(target.metadata_class, AZURE_BLOB) or _DEFAULT,
    }
    problems: list[str] = []
    for which, end in ends.items():
        keys, wrong = _keys(which, end)
        values |= {**_place(which, end), **keys}
        problems += wrong
    return Parameters(values=values, problems=tuple(problems))


def _foreign(end: End) -> Iterator[str]:
    where = key_path(("repositories", end.name))
    if end.settings.vendor != AZURE_BLOB:
        yield f"{where}: it is in {end.settings.vendor}, and the functions reach {AZURE_BLOB} only"
        return
    try:
        parse_endpoint(end.table.url, end.settings.endpoint)
    except InputError as error:
        yield f"{where}: {error.message}"
    if "'" in parse_address(end.table.url).prefix:
        yield (
            f"{where}.url: its prefix has a quote, which the conditions of roles cannot have; "
            "another one has to be chosen"
        )


def _place(which: str, end: End) -> dict[str, str]:
    address = parse_address(end.table.url)
    _, account = parse_endpoint(end.table.url, end.settings.endpoint)
    return {
        f"{which}Account": account,
        f"{which}Container": address.container,
        f"{which}Prefix": address.prefix,
    }


def _keys(which: str, end: End) -> tuple[dict[str, str], list[str]]:
    """Return the parameters of what opens a repository, and what the functions could not use."""
    values = {f"{which}Secret": "", f"{which}VaultKey": ""}
    encryption = end.table.encryption
    if encryption is None:
        return values, []
    where = ("repositories", end.name, "encryption")
    reference = encryption.passphrase
    if encryption.key_vault is not None:
        return {**values, f"{which}VaultKey": encryption.key_vault}, []
    if reference is not None and reference.kind == "keyvault":
        return {**values, f"{which}Secret": reference.place}, []
    key, said = ("passphrase", reference) if reference is not None else ("kms", encryption.kms)
    return values, [
        f'{key_path((*where, key))} = "{said}": functions in Azure cannot use it; store the '
        "passphrase in Key Vault and write 'keyvault:https://VAULT.vault.azure.net/secrets/NAME', "
        "or add a key of a vault ('coldhaul key add --key-vault') and write it as key_vault"
    ]
