"""How an appliance in Azure is built and deployed: the exact commands of ``make`` and ``az``. Pure.

The template makes app, identity and roles; One Deploy then gives the app its code, the same way
for the first time and for every version after it.
"""

from collections.abc import Mapping

from core.errors import InputError
from proxy.appliance_azure_parameters import app_name, plan_parameters
from proxy.appliance_deploy import Command, DeployedJob, Procedure, refuse_unfit
from proxy.appliance_table import ApplianceTable

TEMPLATE = "infra/azure/main.bicep"
PACKAGE = "build/azure.zip"


def plan_app(
    appliance: ApplianceTable, job: DeployedJob, overrides: Mapping[str, str]
) -> Procedure:
    """Return how a job's function app is deployed."""
    if not appliance.resource_group:
        where = f"repositories.{job.target.name}.appliance.resource_group"
        raise InputError(
            f"nothing says which resource group the appliance of {job.target.name!r} is in",
            hint=f'Write {where}, as in resource_group = "coldhaul".',
        )
    parameters = plan_parameters(appliance, job)
    refuse_unfit(
        parameters, "Functions reach Azure Blob Storage and open repositories by Key Vault."
    )
    values = {**parameters.values, **overrides}
    name = app_name(appliance.url)
    return Procedure(
        called=f"{name} in the resource group {appliance.resource_group}",
        where={"url": appliance.url, "resource_group": appliance.resource_group},
        template=TEMPLATE,
        tools="Install Azure's command line, az, and make; or run the commands where they are.",
        parameters=values,
        commands=plan_commands(name, appliance.resource_group, values),
    )


def plan_commands(
    name: str, resource_group: str, parameters: Mapping[str, str]
) -> tuple[Command, Command, Command]:
    """Return the commands that package the functions, make the app, and deploy, in this order."""
    make = Command(
        arguments=[
            "az", "deployment", "group", "create",
            "--resource-group", resource_group,
            "--name", name,
            "--template-file", TEMPLATE,
            "--parameters",
            *(f"{parameter}={value}" for parameter, value in parameters.items()),
        ],
    )  # fmt: skip
    deploy = Command(
        arguments=[
            "az", "functionapp", "deployment", "source", "config-zip",
            "--resource-group", resource_group,
            "--name", name,
            "--src", PACKAGE,
            "--build-remote", "false",
        ],
    )  # fmt: skip
    return Command(arguments=["make", "azure-package"]), make, deploy
