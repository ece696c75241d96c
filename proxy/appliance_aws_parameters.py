"""What an appliance in AWS is deployed with: the template's parameters, from the configuration.

Pure. What the functions could not open is a problem; no secret ever is among the parameters.
"""

from collections.abc import Iterator

from core.stores.address import AMAZON_S3, parse_address
from proxy.appliance_deploy import End, Parameters
from proxy.problems import key_path

# What the template says of a class that nobody has named is not what a bucket does.
_CLASS_DEFAULT = "STANDARD"


def plan_parameters(job: str, source: End, target: End) -> Parameters:
    """Return the parameters of an appliance that runs a job, or what is in their way."""
    problems = [*_foreign(source), *_foreign(target)]
    if problems:
        return Parameters(values={}, problems=tuple(problems))
    values = {
        "JobId": job,
        "SourceKind": source.table.kind,
        **_place("Source", source),
        **_place("Target", target),
        "StorageClass": target.table.storage_class.upper() or _CLASS_DEFAULT,
        "MetadataClass": target.table.metadata_class.upper(),
    }
    if source.table.is_bucket:
        values["RetentionType"] = source.table.retention_type.value
    appliance = target.table.appliance
    if appliance is not None:
        values["AllowOtherRegion"] = str(appliance.allow_other_region).lower()
    for which, end in (("Source", source), ("Target", target)):
        keys, wrong = _keys(which, end)
        values |= keys
        problems += wrong
    return Parameters(values=values, problems=tuple(problems))


def _foreign(end: End) -> Iterator[str]:
    if end.settings.vendor != AMAZON_S3:
        where = key_path(("repositories", end.name))
        yield f"{where}: it is in {end.settings.vendor}, and the functions reach {AMAZON_S3} only"


def _place(which: str, end: End) -> dict[str, str]:
    address = parse_address(end.table.url)
    return {f"{which}Bucket": address.container, f"{which}Prefix": address.prefix}


def _keys(which: str, end: End) -> tuple[dict[str, str], list[str]]:
    """Return the parameters of what opens a repository, and what the functions could not use."""
    where = ("repositories", end.name, "encryption")
    values = {f"{which}SecretArn": "", f"{which}KeyArn": "", f"{which}SseKeyArn": ""}
    problems = []
    encryption = end.table.encryption
    if encryption is not None and encryption.kms is not None:
        values[f"{which}KeyArn"] = encryption.kms
    elif encryption is not None and encryption.key_vault is not None:
        problems.append(
            f'{key_path((*where, "key_vault"))} = "{encryption.key_vault}": functions in Amazon '
            "cannot use a key in Azure; add a KMS key ('coldhaul key add --kms') and write it as "
            "kms"
        )
    elif encryption is not None and encryption.passphrase is not None:
        reference = encryption.passphrase
        if reference.kind == "secretsmanager" and _is_arn(reference.place):
            values[f"{which}SecretArn"] = reference.place
        else:
            problems.append(
                f'{key_path((*where, "passphrase"))} = "{reference}": functions cannot read it; '
                "store it in Secrets Manager and write 'secretsmanager:ARN', or add a KMS key "
                "('coldhaul key add --kms') and write it as kms"
            )
    sse = end.settings.kms_key
    if sse and not _is_arn(sse):
        store = key_path(("stores", end.table.store or "", "kms_key"))
        problems.append(
            f'{store} = "{sse}": the policies of the functions need its ARN; write that'
        )
    elif sse:
        values[f"{which}SseKeyArn"] = sse
    return values, problems


def _is_arn(text: str) -> bool:
    return text.startswith("arn:")
