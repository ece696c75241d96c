"""Functions in Azure read the environment that the Bicep files give them, and nothing else."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from appliance_azure.app import make_app
from appliance_azure.log import FAILED_SESSIONS
from appliance_azure.settings import find_triggers, read_settings
from core.limits import AZURE_MEMORY_FOR_CORE_MB
from tests.architecture.tree import ROOT, modules
from tests.infra.asked import Asked
from tests.infra.azure import EVERYTHING, SERVED
from tests.infra.bicep import deploy
from tests.unit.proxy.test_appliance_azure_parameters import IN_AZURE, REPOSITORY, planned

# Read by the host of Azure Functions, and by what it loads.
HOST = {
    *(f"AzureWebJobsStorage__{name}" for name in ("credential", "clientId")),
    *(f"AzureWebJobsStorage__{name}ServiceUri" for name in ("blob", "queue", "table")),
    *(f"APPLICATIONINSIGHTS_{name}_STRING" for name in ("CONNECTION", "AUTHENTICATION")),
}
VAULT = "https://example-vault.vault.azure.net"
IN_VAULT = f'encryption.passphrase = "keyvault:{VAULT}/secrets/vault"'


def variables(parameters: dict[str, Any]) -> dict[str, str]:
    """Return the app settings of a deployment."""
    configs = deploy(parameters).of("Microsoft.Web/sites/config")
    (found,) = (each for each in configs if each.name.endswith("/appsettings"))
    return dict(found.properties)


@pytest.mark.parametrize("parameters", [SERVED, {**EVERYTHING, "sourceSecret": ""}])
def test_settings_read_what_is_set_and_nothing_else(parameters: dict[str, Any]) -> None:
    asked = Asked(variables(parameters))
    read_settings(asked)
    find_triggers(asked)
    assert asked.names == variables(parameters).keys() - HOST
    assert all(isinstance(value, str) for value in asked.values_of.values())


def test_settings_understand_the_least_and_everything() -> None:
    least = read_settings(variables(SERVED))
    assert (least.ends.target.url, least.ends.source.url) == (
        "az://example-copies/vault",
        "az://example-backups/primary",
    )
    assert least.target_endpoint == "https://copies.blob.core.windows.net"
    assert least.source_endpoint == "https://backups.blob.core.windows.net"
    assert (least.ends.storage_class, least.ends.metadata_class) == ("Archive", "")
    assert least.core_count == 4096 // AZURE_MEMORY_FOR_CORE_MB
    assert find_triggers(variables({**SERVED, "jobId": "nightly"})) is None
    found = read_settings(variables(EVERYTHING))
    assert found.ends.target.key == EVERYTHING["targetVaultKey"]
    assert found.ends.source.secret == EVERYTHING["sourceSecret"]
    triggers = find_triggers(variables(EVERYTHING))
    assert triggers is not None
    assert (triggers.job, triggers.schedule, triggers.has_events) == (
        "nightly",
        "0 0 22 * * *",
        True,
    )


def test_settings_understand_a_bucket_at_the_root_of_its_container() -> None:
    bucket = {
        **SERVED,
        "sourceKind": "bucket",
        "sourcePrefix": "",
        "targetPrefix": "",
        "retentionType": "item-level",
        "storageClass": "",
        "metadataClass": "Cool",
        "memory": 2048,
        "targetSecret": f"{VAULT}/secrets/vault",
    }
    found = read_settings(variables(bucket))
    assert (found.ends.source.url, found.ends.root) == ("az://example-backups", "")
    assert (found.ends.source_kind, found.ends.retention_type) == ("bucket", "item-level")
    assert (found.ends.storage_class, found.ends.metadata_class) == ("", "Cool")
    assert found.ends.target.secret == f"{VAULT}/secrets/vault"
    assert found.core_count == 1


def test_no_other_module_of_the_appliance_names_a_variable() -> None:
    read = set()
    for module in modules("appliance_azure"):
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                read.add(str(module))
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told = {word for word in node.value.split() if word.startswith("COLDHAUL_")}
                assert module.name == "settings.py" or not told, f"{module} names {told}"
    assert read == {"appliance_azure/app.py", "appliance_azure/handlers.py"}


def test_the_host_finds_its_storage_by_the_prefix_that_is_set() -> None:
    host = json.loads((ROOT / "infra/azure/function/host.json").read_text())
    durable = host["extensions"]["durableTask"]
    connection = durable["storageProvider"]["connectionName"]
    assert {name for name in HOST if name.startswith(f"{connection}__")} == {
        name for name in variables(SERVED) if name.startswith("AzureWebJobs")
    }


def test_events_call_a_function_that_is_there() -> None:
    """And the alert looks for what the functions write."""
    deployed = deploy(EVERYTHING)
    app = make_app(variables(EVERYTHING))
    names = {each.get_function_name() for each in app.get_functions()}
    (subscription,) = deployed.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    function = subscription.properties["destination"]["properties"]["resourceId"]
    assert function.rpartition("/functions/")[2] in names
    (rule,) = deployed.of("Microsoft.Insights/scheduledQueryRules")
    (criterion,) = rule.properties["criteria"]["allOf"]
    assert f'has "{FAILED_SESSIONS}"' in criterion["query"]
    assert f"line.{FAILED_SESSIONS} > 0" in criterion["query"].replace("toint(", "").replace(
        ")", ""
    )


@pytest.mark.parametrize(
    ("source_keys", "target_keys"),
    [
        (REPOSITORY, 'storage_class = "ARCHIVE"'),
        (f'{REPOSITORY}encryption.key_vault = "{VAULT}/keys/primary"\n', IN_VAULT),
        ('kind = "bucket"\n', 'metadata_class = "cool"'),
    ],
)
def test_what_appliance_deploy_says_can_be_deployed_and_is_what_functions_serve(
    tmp_path: Path, source_keys: str, target_keys: str
) -> None:
    found = planned(tmp_path, IN_AZURE + source_keys, target_keys)
    assert found.problems == ()
    settings = read_settings(variables(dict(found.values)))
    assert settings.ends.target.url == "az://copies/long term/vault"
    assert settings.ends.source.url == "az://backups"
    for which, end in (("source", settings.ends.source), ("target", settings.ends.target)):
        assert (end.secret, end.key) == (
            found.values[f"{which}Secret"],
            found.values[f"{which}VaultKey"],
        )
