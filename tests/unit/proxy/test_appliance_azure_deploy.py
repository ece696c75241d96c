"""The exact commands that deploy an appliance in Azure."""

from proxy.appliance_azure_deploy import plan_commands


def test_the_commands_are_those_of_make_and_az() -> None:
    package, make, deploy = plan_commands(
        "coldhaul-vault", "coldhaul", {"targetContainer": "copies", "targetPrefix": ""}
    )
    assert package.line == "make azure-package"
    assert make.line == (
        "az deployment group create --resource-group coldhaul --name coldhaul-vault "
        "--template-file infra/azure/main.bicep --parameters targetContainer=copies targetPrefix="
    )
    assert deploy.line == (
        "az functionapp deployment source config-zip --resource-group coldhaul "
        "--name coldhaul-vault --src build/azure.zip --build-remote false"
    )


def test_values_that_are_not_plain_are_quoted_for_the_shell() -> None:
    _, make, _ = plan_commands("app", "a group (1)", {"schedule": "0 0 22 * * *"})
    assert make.line.endswith("--parameters 'schedule=0 0 22 * * *'")
    assert "--resource-group 'a group (1)'" in make.line
