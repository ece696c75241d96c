"""The Bicep files: parsed by two parsers of others, checked and evaluated by what is beside this.

No compiler can be had as a package. Of Azure's schemas ``test_bicep_models.py`` knows something.
"""

import json
import re
import tomllib
from typing import Any

import pytest

from core.stores.address import AZURE_BLOB
from core.stores.settings import StoreSettings
from proxy.appliance_azure_parameters import plan_parameters
from proxy.appliance_deploy import DeployedJob, End
from proxy.appliance_table import ApplianceTable
from proxy.tables import RepositoryTable
from tests.architecture.tree import ROOT
from tests.infra.azure import EVERYTHING, PROXY, SERVED, example
from tests.infra.bicep import Resource, deploy
from tests.infra.bicep_checks import findings
from tests.infra.bicep_syntax import FOLDER, MAIN, BicepError, parse, read_texts

APP, STORAGE = "modules/app.bicep", "modules/storage.bicep"
# How Azure has names: the shortest and longest, and what they are made of.
NAMES = {
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.Insights/actionGroups": r"[^/&%\\?<>:#]{1,260}",
    "Microsoft.Insights/components": r"[^/&%\\?<>:#]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[^/&%\\?<>:#*]{1,260}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"[a-z0-9-]{3,63}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
}


def changed(path: str, old: str, new: str) -> dict[str, str]:
    """Return the files with one text changed, which stands in one of them once."""
    texts = read_texts()
    assert texts[path].count(old) == 1, f"{old!r} is {texts[path].count(old)} times in {path}"
    return {**texts, path: texts[path].replace(old, new)}


def only(resources: list[Resource]) -> Resource:
    (found,) = resources
    return found


def settings(parameters: dict[str, Any], name: str) -> dict[str, Any]:
    configs = deploy(parameters).of("Microsoft.Web/sites/config")
    found = only([each for each in configs if each.name.endswith(f"/{name}")])
    return dict(found.properties)


def test_the_checks_find_nothing() -> None:
    assert findings(read_texts()) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "found"),
    [
        (
            MAIN,
            "output version string = version",
            "output version string = versoin",
            "nothing is called versoin",
        ),
        (APP, "'FC1'", "fc1", "nothing is called fc1"),
        (MAIN, "targetOpener = toLower(", "targetOpener = toLowr(", "no function is called toLowr"),
        (
            MAIN,
            "param location string",
            "param spare string = ''\nparam location string",
            "parameter spare is used nowhere",
        ),
        (MAIN, "var version =", "var spare = 1\nvar version =", "variable spare is used nowhere"),
        (MAIN, "var version =", "var location = 1\nvar version =", "location is declared twice"),
        (MAIN, "    memory: memory\n", "", "modules/app.bicep lacks its parameter memory"),
        (
            MAIN,
            "    memory: memory\n",
            "    memory: memory\n    disk: memory\n",
            "modules/app.bicep has no parameter disk",
        ),
        (MAIN, "app.outputs.url", "app.outputs.uri", "modules/app.bicep has no output uri"),
        (
            MAIN,
            "'modules/app.bicep'",
            "'modules/application.bicep'",
            "there is no modules/application.bicep",
        ),
        (
            APP,
            "serverfarms@2024-04-01",
            "serverfarms@2024-04-31",
            "serverfarms@2024-04-31 is not known",
        ),
        (
            APP,
            "serverfarms@2024-04-01",
            "serverFarm@2024-04-01",
            "serverFarm@2024-04-01 is not known",
        ),
        (
            STORAGE,
            "allowSharedKeyAccess: false",
            "allowSharedKeyAccess: true",
            "a key of an account",
        ),
        (
            STORAGE,
            "output name string = account.name",
            "output name string = account.listKeys().keys[0].value",
            "a key of an account",
        ),
        (STORAGE, "974c5e8b", "974c5e8a", "is not the role 'Storage Queue Data Contributor'"),
        (
            STORAGE,
            "// Storage Queue Data Contributor",
            "// Storage Queue Data Reader",
            "is not the role 'Storage Queue Data Reader'",
        ),
        ("modules/source.bicep", "blobs/tags/read'", "blobs/*'", "a permission with a wildcard"),
        (APP, "    reserved: true\n", "    reserved: true\n    [\n", "modules/app.bicep"),
        (APP, "  name: 'ftp'\n", "  name 'ftp'\n", "modules/app.bicep"),
    ],
)
def test_each_check_finds_what_it_is_for(path: str, old: str, new: str, found: str) -> None:
    said = findings(changed(path, old, new))
    assert any(found in each for each in said), said


def test_a_file_that_nothing_deploys_is_found() -> None:
    texts = {
        **read_texts(),
        "modules/spare.bicep": "param name string\noutput name string = name\n",
    }
    assert findings(texts) == ["modules/spare.bicep: nothing deploys it"]


def test_what_the_grammar_reads_otherwise_than_bicep_is_refused() -> None:
    """So that no test here judges another program than the one that is deployed."""
    for text in ("var a = b ? c : d.id\n", "var a = {\n  b: [\n    resourceGroup().id\n  ]\n}\n"):
        with pytest.raises(BicepError):
            parse("a.bicep", text)


@pytest.mark.parametrize(
    "parameters", [SERVED, EVERYTHING, example()], ids=["least", "all", "file"]
)
def test_it_can_be_deployed(parameters: dict[str, Any]) -> None:
    resources = deploy(parameters).resources
    ids = [each.id for each in resources]
    assert len(set(ids)) == len(ids), "two resources of one name"


def test_what_the_proxy_deploys_with_can_be_deployed() -> None:
    bucket = {
        "kind": "bucket", "url": "az://example-backups/primary", "retention_type": "item-level"
    }  # fmt: skip
    end = RepositoryTable.model_validate(bucket)
    account = StoreSettings(vendor=AZURE_BLOB, endpoint="https://backups.blob.core.windows.net")
    table = ApplianceTable(
        kind="azure", url="https://coldhaul-vault.azurewebsites.net", audience="api://coldhaul"
    )
    job = DeployedJob(
        name="nightly",
        source=End(name="primary", table=end, settings=account),
        target=End(name="vault", table=end, settings=account),
    )
    planned = plan_parameters(table, job)
    assert planned.problems == ()
    told = settings({**planned.values, "clientId": PROXY}, "appsettings")
    assert told["COLDHAUL_SOURCE_URL"] == end.url
    assert told["COLDHAUL_SOURCE_ENDPOINT"] == account.endpoint
    assert told["COLDHAUL_RETENTION_TYPE"] == "item-level"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (MAIN, "    memory: memory\n", "    memory: string(memory)\n"),
        (MAIN, "app.outputs.url", "app.outputs.uri"),
        (
            MAIN,
            "identity.outputs.clientId\n    storageAccount",
            "identity.clientId\n    storageAccount",
        ),
        (MAIN, "split(audience, '/')", "split(audience, '/')[9]"),
        (
            MAIN,
            "name: '${appName}-storage'",
            "name: '${appName}-${appName}-${appName}-${appName}-${sourceAccount}'",
        ),
        (STORAGE, "guid(account.id, principalId, role)", "guid(account, principalId, role)"),
        ("modules/events.bicep", "'${topicName}/${appName}'", "'${appName}'"),
    ],
)
def test_what_cannot_be_deployed_is_refused(path: str, old: str, new: str) -> None:
    with pytest.raises(BicepError):
        deploy(EVERYTHING, changed(path, old, new))


@pytest.mark.parametrize(
    "wrong",
    [
        {"storageClass": "DEEP_ARCHIVE"},
        {"metadataClass": "Archive"},
        {"sourceKind": "tape"},
        {"memory": 512},
        {"maximumInstances": 0},
        {"appName": "a" * 33},
        {"sourceAccount": "ab"},
        {"retentionType": "forever"},
        {"schedule": 5},
        {"flavour": "sweet"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_parameters_are_refused_before_anything_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(BicepError):
        deploy({**SERVED, **wrong})


@pytest.mark.parametrize("name", ["cv", "coldhaul-vault", "c" * 32])
def test_names_are_such_as_azure_takes(name: str) -> None:
    for each in deploy({**EVERYTHING, "appName": name}).resources:
        last = each.name.rpartition("/")[2]
        assert re.fullmatch(NAMES.get(each.type, r"[A-Za-z0-9-]{1,260}"), last), each.id


def test_its_version_is_that_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert deploy(SERVED).outputs["version"] == version


def test_functions_run_on_flex_consumption_in_the_python_of_the_package() -> None:
    deployed = deploy({**SERVED, "memory": 2048, "maximumInstances": 7})
    assert only(deployed.of("Microsoft.Web/serverfarms")).body["sku"]["name"] == "FC1"
    site = only(deployed.of("Microsoft.Web/sites"))
    config = site.properties["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert config["scaleAndConcurrency"] == {"instanceMemoryMB": 2048, "maximumInstanceCount": 7}
    storage = config["deployment"]["storage"]
    identity = only(deployed.of("Microsoft.ManagedIdentity/userAssignedIdentities"))
    assert storage["value"].endswith("primaryEndpoints.blob>package")
    assert storage["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity.id,
    }
    assert list(site.body["identity"]["userAssignedIdentities"]) == [identity.id]


def test_nothing_opens_anything_but_by_an_identity() -> None:
    deployed = deploy(EVERYTHING)
    account = only(deployed.of("Microsoft.Storage/storageAccounts")).properties
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert only(deployed.of("Microsoft.Insights/components")).properties["DisableLocalAuth"] is True
    policies = deployed.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {each.name.rpartition("/")[2]: each.properties["allow"] for each in policies} == {
        "ftp": False,
        "scm": False,
    }
    host = settings(EVERYTHING, "appsettings")
    assert host["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "AzureWebJobsStorage" not in host


def test_whoever_brings_no_token_of_a_proxy_is_refused() -> None:
    found = settings({**SERVED, "proxyPrincipalIds": [PROXY]}, "authsettingsV2")
    assert found["platform"] == {"enabled": True}
    assert found["globalValidation"] == {
        "requireAuthentication": True,
        "unauthenticatedClientAction": "Return401",
        "excludedPaths": [],
    }
    entra = found["identityProviders"]["azureActiveDirectory"]
    assert entra["registration"] == {
        "clientId": "33333333-3333-3333-3333-333333333333",
        "openIdIssuer": "https://login.microsoftonline.com/tenant/v2.0",
    }
    allowed = entra["validation"]["defaultAuthorizationPolicy"]["allowedPrincipals"]
    assert allowed == {"identities": [PROXY]}
    assert SERVED["audience"] in entra["validation"]["allowedAudiences"]


def test_without_a_proxy_nobody_is_let_in_instead_of_everybody() -> None:
    entra = settings(SERVED, "authsettingsV2")["identityProviders"]["azureActiveDirectory"]
    allowed = entra["validation"]["defaultAuthorizationPolicy"]["allowedPrincipals"]
    assert allowed == {"identities": ["00000000-0000-0000-0000-000000000000"]}


def test_an_application_of_another_name_is_told_by_its_client_id() -> None:
    named = {**SERVED, "audience": "api://coldhaul", "clientId": "4"}
    entra = settings(named, "authsettingsV2")["identityProviders"]["azureActiveDirectory"]
    assert entra["registration"]["clientId"] == "4"
    assert entra["validation"]["allowedAudiences"] == ["api://coldhaul", "4"]


def test_events_call_the_app_once_its_functions_are_there() -> None:
    asked = {**EVERYTHING, "subscribeToEvents": False}
    assert deploy(asked).of("Microsoft.EventGrid/systemTopics") == []
    assert settings(asked, "appsettings")["COLDHAUL_EVENTS"] == "true"
    deployed = deploy(EVERYTHING)
    topic = only(deployed.of("Microsoft.EventGrid/systemTopics"))
    assert topic.scope.endswith("resourceGroups/backups")
    assert topic.properties["source"].endswith("Microsoft.Storage/storageAccounts/backups")
    found = only(deployed.of("Microsoft.EventGrid/systemTopics/eventSubscriptions"))
    app = only(deployed.of("Microsoft.Web/sites"))
    assert found.name == f"{topic.name}/coldhaul-vault"
    destination = found.properties["destination"]
    assert destination["endpointType"] == "AzureFunction"
    assert destination["properties"]["resourceId"] == f"{app.id}/functions/on_event"
    excluded = settings(EVERYTHING, "authsettingsV2")["globalValidation"]["excludedPaths"]
    # Whether a path that is written otherwise is the same one, nothing says.
    assert excluded == ["/runtime/webhooks/eventgrid", "/runtime/webhooks/EventGrid"]


@pytest.mark.parametrize(("prefix", "within"), [("primary", "primary/"), ("", "")])
def test_events_are_of_new_restore_points_alone(prefix: str, within: str) -> None:
    """As the rule of template.yaml has it, and docs/format.md the names of records."""
    deployed = deploy({**EVERYTHING, "sourcePrefix": prefix})
    found = only(deployed.of("Microsoft.EventGrid/systemTopics/eventSubscriptions"))
    container = "/blobServices/default/containers/example-backups"
    assert found.properties["filter"] == {
        "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
        "isSubjectCaseSensitive": True,
        "subjectBeginsWith": f"{container}/blobs/{within}restore-points/",
        "subjectEndsWith": ".json",
    }


def test_a_topic_that_is_there_is_used_and_a_bucket_has_no_points() -> None:
    deployed = deploy({**EVERYTHING, "eventTopic": "there"})
    assert deployed.of("Microsoft.EventGrid/systemTopics") == []
    found = only(deployed.of("Microsoft.EventGrid/systemTopics/eventSubscriptions"))
    assert found.name == "there/coldhaul-vault"
    bucket = deploy({**EVERYTHING, "sourceKind": "bucket", "sourceSecret": ""})
    assert bucket.of("Microsoft.EventGrid/systemTopics/eventSubscriptions") == []


def test_the_alert_looks_for_what_a_failed_session_logs() -> None:
    deployed = deploy(EVERYTHING)
    rule = only(deployed.of("Microsoft.Insights/scheduledQueryRules"))
    (criterion,) = rule.properties["criteria"]["allOf"]
    assert '"failed_sessions"' in criterion["query"]
    assert "toint(line.failed_sessions) > 0" in criterion["query"]
    assert (criterion["operator"], criterion["threshold"]) == ("GreaterThan", 0)
    group = only(deployed.of("Microsoft.Insights/actionGroups"))
    assert rule.properties["actions"]["actionGroups"] == [
        group.id,
        *EVERYTHING["alertActionGroupIds"],
    ]
    assert group.properties["emailReceivers"][0]["emailAddress"] == "backups@example.com"
    quiet = only(deploy(SERVED).of("Microsoft.Insights/actionGroups"))
    assert quiet.properties["emailReceivers"] == []


def test_logs_are_kept_as_long_as_is_said() -> None:
    deployed = deploy({**SERVED, "logRetentionDays": 365})
    for kind, name in (
        ("Microsoft.OperationalInsights/workspaces", "retentionInDays"),
        ("Microsoft.Insights/components", "RetentionInDays"),
    ):
        assert only(deployed.of(kind)).properties[name] == 365


def test_each_description_tells_of_each_parameter_of_main() -> None:
    file = parse(MAIN, read_texts()[MAIN])
    for kind in ("parameter", "output"):
        told = {name: "description" in each.decorators for name, each in file.of(kind).items()}
        assert [name for name, is_told in told.items() if not is_told] == []


def test_the_lifecycle_rule_is_about_working_objects_alone() -> None:
    (rule,) = json.loads((FOLDER / "lifecycle.json").read_text())["rules"]
    definition = rule["definition"]
    assert definition["filters"]["prefixMatch"] == ["example-copies/vault/sessions/"]
    assert definition["actions"] == {"version": {"delete": {"daysAfterCreationGreaterThan": 30}}}
