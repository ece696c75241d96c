"""The template's parameters, from the configuration: all of them, and what is in their way."""

from pathlib import Path

from proxy.appliance_aws_parameters import plan_parameters
from proxy.appliance_deploy import End
from proxy.config import Config, load_config
from proxy.store_settings import store_settings

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:vault-AbCdEf"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
CONFIG = """\
version = 1

[stores.here]
endpoint = "https://s3.example.com"

[stores.keyed]
kms_key = "{sse}"

[repositories.primary]
url = "{source}"
{source_keys}proxy = "hq"
retention_type = "item-level"

[repositories.vault]
url = "s3://copies/long term/vault"
proxy = "hq"
retention_type = "item-level"
retention = "7 years"
{target_keys}
appliance = {{ kind = "aws", stack = "s", region = "eu-central-1" }}

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""
REPOSITORY = 'retention = "1 year"\n'


def config(folder: Path, source_keys: str, target_keys: str, **changed: str) -> Config:
    said = {"source": "s3://backups", "sse": KEY, **changed}
    path = folder / "coldhaul.toml"
    path.write_text(CONFIG.format(source_keys=source_keys, target_keys=target_keys, **said))
    return load_config(path)


def end(loaded: Config, name: str) -> End:
    table = loaded.repository(name)
    return End(name=name, table=table, settings=store_settings(loaded, table))


def test_a_configuration_says_all_parameters(tmp_path: Path) -> None:
    keys = f'storage_class = "Deep_Archive"\nencryption.passphrase = "secretsmanager:{SECRET}"'
    source_keys = f'{REPOSITORY}encryption.kms = "{KEY}"\n'
    loaded = config(tmp_path, source_keys, keys)
    found = plan_parameters("nightly", end(loaded, "primary"), end(loaded, "vault"))
    assert found.problems == ()
    assert found.values == {
        "JobId": "nightly",
        "SourceKind": "repository",
        "SourceBucket": "backups",
        "SourcePrefix": "",
        "TargetBucket": "copies",
        "TargetPrefix": "long term/vault",
        "StorageClass": "DEEP_ARCHIVE",
        "MetadataClass": "",
        "AllowOtherRegion": "false",
        "SourceSecretArn": "",
        "SourceKeyArn": KEY,
        "SourceSseKeyArn": "",
        "TargetSecretArn": SECRET,
        "TargetKeyArn": "",
        "TargetSseKeyArn": "",
    }


def test_a_bucket_says_its_retention_type_and_a_store_its_key(tmp_path: Path) -> None:
    loaded = config(tmp_path, 'kind = "bucket"\n', 'store = "keyed"\nmetadata_class = "standard"')
    found = plan_parameters("nightly", end(loaded, "primary"), end(loaded, "vault"))
    assert found.problems == ()
    chosen = {"SourceKind", "RetentionType", "StorageClass", "MetadataClass", "TargetSseKeyArn"}
    assert {key: found.values[key] for key in chosen} == {
        "SourceKind": "bucket",
        "RetentionType": "item-level",
        "StorageClass": "STANDARD",
        "MetadataClass": "STANDARD",
        "TargetSseKeyArn": KEY,
    }


def test_what_functions_cannot_read_is_told_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    keys = 'store = "keyed"\nencryption.passphrase = "secretsmanager:vault"'
    source_keys = f'{REPOSITORY}encryption.passphrase = "env:PRIMARY"\n'
    loaded = config(tmp_path, source_keys, keys, sse="alias/copies")
    found = plan_parameters("nightly", end(loaded, "primary"), end(loaded, "vault"))
    assert len(found.problems) == 3
    source, target, key = found.problems
    assert source.startswith('repositories.primary.encryption.passphrase = "env:PRIMARY"')
    assert target.startswith('repositories.vault.encryption.passphrase = "secretsmanager:vault"')
    assert "secretsmanager:ARN" in target
    assert key.startswith('stores.keyed.kms_key = "alias/copies"')


def test_other_vendors_are_out_of_the_functions_reach(tmp_path: Path) -> None:
    loaded = config(tmp_path, REPOSITORY, "", source="file:///srv/primary")
    found = plan_parameters("nightly", end(loaded, "primary"), end(loaded, "vault"))
    assert found.values == {}
    assert found.problems == (
        "repositories.primary: it is in filesystem, and the functions reach amazon-s3 only",
    )


def test_a_key_in_azure_is_of_no_use_to_functions_in_amazon(tmp_path: Path) -> None:
    key = 'encryption.key_vault = "https://cold.vault.azure.net/keys/copies"\n'
    loaded = config(tmp_path, REPOSITORY, key)
    (problem,) = plan_parameters("nightly", end(loaded, "primary"), end(loaded, "vault")).problems
    assert problem.startswith("repositories.vault.encryption.key_vault = ")
    assert "coldhaul key add --kms" in problem
