"""How an appliance in Azure is built and deployed: the exact commands of ``make`` and ``az``. Pure.

The template makes app, identity and roles; One Deploy then gives the app its code, the same way
for the first time and for every version after it.
"""

from collections.abc import Iterator, Mapping

from core.errors import InputError
from core.stores.settings import StoreSettings
from proxy.appliance_azure_parameters import plan_parameters
from proxy.appliance_deploy import Command, DeployedJob, Parameters, Procedure, refuse_unfit
from proxy.appliance_table import ApplianceTable
from proxy.problems import key_path

TEMPLATE = "infra/azure/main.bicep"
PACKAGE = "build/azure.zip"
# The parameter that names who may use the app: every deployment sets it anew.
CALLERS = "proxyPrincipalIds"


def plan_app(
    appliance: ApplianceTable,
    job: DeployedJob,
    settings: StoreSettings,
    overrides: Mapping[str, str],
) -> Procedure:
    """Return how a job's function app is deployed; ``settings`` are the way to Azure."""
    if not appliance.resource_group:
        raise InputError(
            f"nothing says which resource group the appliance of {job.target.name!r} is in",
            hint=f'Write resource_group = "..." in [repositories.{job.target.name}.appliance].',
        )
    parameters = plan_parameters(appliance, job)
    values = {**parameters.values, **overrides}
    refuse_unfit(
        Parameters(
            values=values,
            problems=(*parameters.problems, *_missing(job.target.name, appliance.url, values)),
        ),
        "Functions reach Azure Blob Storage, open repositories by Key Vault, and obey whom they "
        "are deployed for.",
    )
    name = values["appName"]
    return Procedure(
        called=f"{name} in the resource group {appliance.resource_group}",
        where={"url": appliance.url, "resource_group": appliance.resource_group},
        template=TEMPLATE,
        tools="Install Azure's command line, az, and make; or run the commands where they are.",
        parameters=values,
        commands=plan_commands(name, appliance.resource_group, settings, values),
    )


def _missing(repository: str, url: str, values: Mapping[str, str]) -> Iterator[str]:
    """Tell what only the configuration's ``parameters`` can say.

    Where nobody is named whom the app lets in, deploying would lock out the proxy of before.
    """
    where = ("repositories", repository, "appliance", "parameters")
    if not values.get("appName"):
        yield (
            f"{key_path((*where, 'appName'))}: it is missing; {url} is no host name that Azure "
            "gives an app, so it does not say how the app is called: write its name"
        )
    if CALLERS not in values:
        yield (
            f"{key_path((*where, CALLERS))}: it is missing; write the object ids of the "
            f"identities that may use the app, as in {CALLERS} = '[\"OBJECT_ID\"]', or '[]' if "
            "no proxy does"
        )


def plan_commands(
    name: str, resource_group: str, settings: StoreSettings, parameters: Mapping[str, str]
) -> list[Command]:
    """Return the commands that package the functions, make the app, and deploy, in this order."""
    way = _way(settings)
    deploy = Command(
        arguments=[
            "az", "functionapp", "deployment", "source", "config-zip",
            "--resource-group", resource_group,
            "--name", name,
            "--src", PACKAGE,
            "--build-remote", "false",
        ],
        environment=way,
    )  # fmt: skip
    package = Command(arguments=["make", "azure-package"])
    commands = [package, _make(name, resource_group, way, parameters), deploy]
    if parameters.get("startOnNewPoint") == "true" and "subscribeToEvents" not in parameters:
        # Event Grid asks the function whether it is there, which it is only now.
        subscribing = {**parameters, "subscribeToEvents": "true"}
        commands.append(_make(name, resource_group, way, subscribing))
    return commands


def _make(
    name: str, resource_group: str, way: Mapping[str, str], parameters: Mapping[str, str]
) -> Command:
    return Command(
        arguments=[
            "az", "deployment", "group", "create",
            "--resource-group", resource_group,
            "--name", name,
            "--template-file", TEMPLATE,
            "--parameters",
            *(f"{parameter}={value}" for parameter, value in parameters.items()),
        ],
        environment=way,
    )  # fmt: skip


def _way(settings: StoreSettings) -> dict[str, str]:
    """Return the environment in which az goes the way that the configuration says."""
    way = {"REQUESTS_CA_BUNDLE": settings.ca_bundle, "HTTPS_PROXY": settings.http_proxy}
    return {name: value for name, value in way.items() if value}
