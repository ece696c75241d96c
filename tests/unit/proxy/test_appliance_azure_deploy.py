"""The exact commands that deploy an appliance in Azure."""

from core.stores.settings import StoreSettings
from proxy.appliance_azure_deploy import plan_commands


def lines(parameters: dict[str, str], group: str = "coldhaul", **way: str) -> list[str]:
    settings = StoreSettings(**way)  # type: ignore[arg-type]
    return [each.line for each in plan_commands("app", group, settings, parameters)]


def test_the_commands_are_those_of_make_and_az() -> None:
    package, make, deploy = lines({"targetContainer": "copies", "targetPrefix": ""})
    assert package == "make azure-package"
    assert make == (
        "az deployment group create --resource-group coldhaul --name app "
        "--template-file infra/azure/main.bicep --parameters targetContainer=copies targetPrefix="
    )
    assert deploy == (
        "az functionapp deployment source config-zip --resource-group coldhaul "
        "--name app --src build/azure.zip --build-remote false"
    )


def test_values_that_are_not_plain_are_quoted_for_the_shell() -> None:
    values = {"schedule": "0 0 22 * * *", "proxyPrincipalIds": '["0a1b"]'}
    make = lines(values, "copies(1)")[1]
    assert make.endswith("--parameters 'schedule=0 0 22 * * *' 'proxyPrincipalIds=[\"0a1b\"]'")
    assert "--resource-group 'copies(1)'" in make


def test_events_are_subscribed_to_when_there_is_somebody_to_receive_them() -> None:
    first, then = lines({"startOnNewPoint": "true"})[1::2]
    assert first.endswith("--parameters startOnNewPoint=true")
    assert then.endswith("--parameters startOnNewPoint=true subscribeToEvents=true")
    for said in ({"startOnNewPoint": "false"}, {"subscribeToEvents": "false"}):
        assert len(lines({"startOnNewPoint": "true", **said})) == 3


def test_the_way_to_azure_is_that_of_the_configuration() -> None:
    _, make, deploy = lines({}, ca_bundle="/etc/own ca.pem", http_proxy="http://p:3128")
    for line in (make, deploy):
        assert line.startswith("REQUESTS_CA_BUNDLE='/etc/own ca.pem' HTTPS_PROXY=http://p:3128 az ")
