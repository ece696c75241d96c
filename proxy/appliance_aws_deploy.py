"""How an appliance in AWS is built and deployed: the exact commands of Amazon's ``sam``. Pure."""

import re
from collections.abc import Mapping

from core.stores.settings import StoreSettings
from proxy.appliance_aws_parameters import plan_parameters
from proxy.appliance_deploy import Command, DeployedJob, Procedure, refuse_unfit
from proxy.appliance_table import ApplianceTable

TEMPLATE = "template.yaml"
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,-]+", re.ASCII)
_ARCHITECTURE_DEFAULT = "arm64"


def plan_stack(
    appliance: ApplianceTable,
    job: DeployedJob,
    settings: StoreSettings,
    overrides: Mapping[str, str],
) -> Procedure:
    """Return how a job's stack is deployed; ``settings`` are the way to Amazon."""
    parameters = plan_parameters(job.name, job.source, job.target)
    refuse_unfit(
        parameters, "Functions reach Amazon S3 and open repositories by Secrets Manager or KMS."
    )
    values = {**parameters.values, **overrides}
    return Procedure(
        called=f"{appliance.stack} in {appliance.region}",
        where={"stack": appliance.stack, "region": appliance.region},
        template=TEMPLATE,
        tools="Install Amazon's AWS SAM CLI, or run the commands where it is.",
        parameters=values,
        commands=plan_commands(appliance, settings, values),
    )


def plan_commands(
    appliance: ApplianceTable, settings: StoreSettings, parameters: Mapping[str, str]
) -> tuple[Command, Command]:
    """Return the commands that build the functions and deploy the stack, in this order."""
    architecture = parameters.get("Architecture", _ARCHITECTURE_DEFAULT)
    # A folder of its own: several appliances may be deployed from one source tree.
    built = f"build/sam-{appliance.stack}"
    build = Command(
        arguments=["sam", "build", "--template-file", TEMPLATE, "--build-dir", built],
        environment={"COLDHAUL_ARCHITECTURE": architecture},
    )
    deploy = Command(
        arguments=[
            "sam", "deploy",
            "--template-file", f"{built}/{TEMPLATE}",
            "--stack-name", appliance.stack,
            "--region", appliance.region,
            "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM",
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            "--parameter-overrides",
            *(_override(name, value) for name, value in parameters.items()),
        ],
        environment=_way(settings),
    )  # fmt: skip
    return build, deploy


def _override(name: str, value: str) -> str:
    """Write a parameter as sam reads it: quoted when it is empty or anything but plain."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def _way(settings: StoreSettings) -> dict[str, str]:
    """Return the environment in which sam goes the way that the configuration says."""
    way = {
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_CA_BUNDLE": settings.ca_bundle,
        "HTTPS_PROXY": settings.http_proxy,
    }
    return {name: value for name, value in way.items() if value}
