"""The parameters of the Bicep template, and what is in their way."""

from pathlib import Path

import pytest

from proxy.appliance_azure_parameters import app_name, plan_parameters
from proxy.appliance_deploy import DeployedJob, End, Parameters
from proxy.config import Config, load_config
from proxy.store_settings import store_settings

CONFIG = """\
version = 1

[stores.backups]
endpoint = "https://backups.blob.core.windows.net"

[stores.copies]
endpoint = "https://copies.blob.core.windows.net"

[repositories.primary]
url = "{source}"
{source_keys}proxy = "hq"
retention_type = "item-level"

[repositories.vault]
url = "az://copies/long term/vault"
store = "copies"
proxy = "hq"
retention_type = "item-level"
retention = "7 years"
{target_keys}

[repositories.vault.appliance]
kind = "azure"
url = "https://coldhaul-vault.azurewebsites.net"
audience = "api://coldhaul"

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""
VAULT = "https://example.vault.azure.net"
KMS = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
REPOSITORY = 'retention = "1 year"\n'
IN_AZURE = 'store = "backups"\n'


def planned(folder: Path, source_keys: str, target_keys: str, source: str = "") -> Parameters:
    path = folder / "coldhaul.toml"
    source = source or "az://backups"
    path.write_text(CONFIG.format(source=source, source_keys=source_keys, target_keys=target_keys))
    loaded = load_config(path)
    job = DeployedJob(name="nightly", source=end(loaded, "primary"), target=end(loaded, "vault"))
    appliance = loaded.repository("vault").appliance
    assert appliance is not None
    return plan_parameters(appliance, job)


def end(loaded: Config, name: str) -> End:
    table = loaded.repository(name)
    return End(name=name, table=table, settings=store_settings(loaded, table))


def test_a_configuration_says_all_parameters(tmp_path: Path) -> None:
    found = planned(tmp_path, IN_AZURE + REPOSITORY, 'storage_class = "ARCHIVE"')
    assert found.problems == ()
    assert found.values == {
        "appName": "coldhaul-vault",
        "audience": "api://coldhaul",
        "jobId": "nightly",
        "sourceKind": "repository",
        "retentionType": "",
        "storageClass": "Archive",
        "metadataClass": "",
        "sourceAccount": "backups",
        "sourceContainer": "backups",
        "sourcePrefix": "",
        "sourceSecret": "",
        "sourceVaultKey": "",
        "targetAccount": "copies",
        "targetContainer": "copies",
        "targetPrefix": "long term/vault",
        "targetSecret": "",
        "targetVaultKey": "",
    }


def test_a_bucket_says_its_retention_type(tmp_path: Path) -> None:
    found = planned(tmp_path, IN_AZURE + 'kind = "bucket"\n', 'metadata_class = "cool"')
    assert found.problems == ()
    chosen = {"sourceKind", "retentionType", "storageClass", "metadataClass"}
    assert {key: found.values[key] for key in chosen} == {
        "sourceKind": "bucket",
        "retentionType": "item-level",
        "storageClass": "",
        "metadataClass": "Cool",
    }


def test_what_opens_a_repository_is_in_a_vault(tmp_path: Path) -> None:
    source_keys = f'{IN_AZURE}{REPOSITORY}encryption.key_vault = "{VAULT}/keys/primary"\n'
    found = planned(
        tmp_path, source_keys, f'encryption.passphrase = "keyvault:{VAULT}/secrets/vault"'
    )
    assert found.problems == ()
    assert found.values["sourceVaultKey"] == f"{VAULT}/keys/primary"
    assert found.values["targetSecret"] == f"{VAULT}/secrets/vault"
    assert (found.values["sourceSecret"], found.values["targetVaultKey"]) == ("", "")


def test_what_functions_cannot_read_is_told_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    keys = f'encryption.kms = "{KMS}"'
    source_keys = IN_AZURE + REPOSITORY + 'encryption.passphrase = "env:PRIMARY"\n'
    source, target = planned(tmp_path, source_keys, keys).problems
    assert source.startswith(
        'repositories.primary.encryption.passphrase = "env:PRIMARY": functions'
    )
    assert target.startswith('repositories.vault.encryption.kms = "arn:aws:kms:')
    assert "keyvault:" in target
    assert "key_vault" in target


def test_other_vendors_are_out_of_the_functions_reach(tmp_path: Path) -> None:
    found = planned(tmp_path, REPOSITORY, "", source="file:///srv/primary")
    assert found.values == {}
    assert found.problems == (
        "repositories.primary: it is in filesystem, and the functions reach azure-blob only",
    )


def test_a_prefix_that_would_end_a_condition_is_refused(tmp_path: Path) -> None:
    """It stands between quotes in the conditions of roles: what follows a quote would be read."""
    source = "az://backups/it's"
    found = planned(tmp_path, IN_AZURE + REPOSITORY, "", source=source)
    assert found.values == {}
    (problem,) = found.problems
    assert problem.startswith("repositories.primary.url: its prefix has a quote")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://coldhaul-vault.azurewebsites.net", "coldhaul-vault"),
        ("https://Vault.AzureWebsites.net:443", "vault"),
        ("https://vault.azurewebsites.us", "vault"),
        # A unique host name has a hash of sixteen, and a region with a number.
        ("https://coldhaul-vault-g9hqaacaadcwdhfn.westus2-01.azurewebsites.net", "coldhaul-vault"),
        ("https://vault-g9hqaacaadcwdhfn.azurewebsites.net", "vault-g9hqaacaadcwdhfn"),
        ("https://app-a1b2.westeurope-01.azurewebsites.net", ""),
        ("https://vault-g9hqaacaadcwdhfn.scm.azurewebsites.net", ""),
        ("https://vault-g9hqaacaadcwdhfn.westus2-01.example.com", ""),
        ("https://vault.example.com", ""),
        ("http://127.0.0.1:7071", ""),
    ],
)
def test_an_app_is_called_after_its_url_where_azure_has_given_that(url: str, name: str) -> None:
    assert app_name(url) == name
