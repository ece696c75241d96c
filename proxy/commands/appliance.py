"""``coldhaul appliance``: whether an appliance can be used, and how it is deployed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError, StoreError
from core.stores.settings import StoreSettings
from proxy.appliance_check import check_appliance
from proxy.appliance_deploy import Command, check_source_tree, parse_overrides, plan_commands
from proxy.appliance_opening import appliance_settings
from proxy.appliance_parameters import End, Parameters, plan_parameters
from proxy.appliance_table import ApplianceTable
from proxy.commands.arguments import RepositoryName
from proxy.commands.repository import show_findings
from proxy.exits import DONE
from proxy.invocation import Invocation, command, new_group
from proxy.store_settings import store_settings

JobOption = Annotated[
    str | None,
    typer.Option("--job", metavar="JOB", help="The job to deploy for, if several copy there."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A further parameter of the template."),
]
SourceOption = Annotated[
    Path, typer.Option("--source", metavar="DIR", help="The source tree of this version.")
]
RunOption = Annotated[
    bool, typer.Option("--run", metavar="", help="Run the commands as well as show them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Check and deploy the functions that run sessions beside the storage.")
    command(group, "check")(check)
    command(group, "deploy")(deploy)
    app.add_typer(group, name="appliance")


def check(invocation: Invocation, name: RepositoryName) -> int:
    """Check whether a repository's appliance can be used, and show everything found.

    Looks at reach, status, version, what it serves, regions, permissions, its functions and the
    last failures; nothing is started. Exit code 6 when a finding is an error, 8 when one is a
    warning.

    Example: coldhaul appliance check vault
    """
    _need_appliance(invocation, name)
    return show_findings(invocation, name, list(check_appliance(invocation, name)))


def deploy(  # noqa: PLR0913  Each parameter is an argument or option of the command.
    invocation: Invocation,
    name: RepositoryName,
    job: JobOption = None,
    overrides: SetOption = None,
    source: SourceOption = Path(),
    is_run: RunOption = False,
) -> int:
    """Show the commands that build and deploy a repository's appliance, or run them.

    The credentials are those of whoever deploys, as Amazon's tools find them: to create functions
    and roles takes more rights than the proxy has. No secret is in a command.

    Example: coldhaul appliance deploy vault --set AlarmEmail=admin@example.com
    """
    appliance = _need_appliance(invocation, name)
    parameters = _parameters(invocation, name, job)
    settings = appliance_settings(invocation.config, invocation.config.repository(name))
    values = {**parameters.values, **parse_overrides(overrides or ())}
    commands = plan_commands(appliance, settings, values)
    if is_run:
        check_source_tree(source)
        for each in commands:
            invocation.output.say(each.line)
            _run(each, source)
    document = {
        "repository": name,
        "stack": appliance.stack,
        "region": appliance.region,
        "parameters": values,
        "commands": [each.line for each in commands],
        "is_deployed": is_run,
    }
    done = [f"Deployed {appliance.stack} in {appliance.region}."]
    invocation.output.show(document, *(done if is_run else [each.line for each in commands]))
    return DONE


def _need_appliance(invocation: Invocation, name: str) -> ApplianceTable:
    appliance = invocation.config.repository(name).appliance
    if appliance is None:
        raise InputError(
            f"{invocation.config_path} declares no appliance for repository {name!r}",
            hint=f"Write [repositories.{name}.appliance] with kind, stack and region.",
        )
    return appliance


def _parameters(invocation: Invocation, name: str, job: str | None) -> Parameters:
    config = invocation.config
    chosen = job or _only_job(invocation, name)
    table = config.job(chosen)
    if table.target != name:
        raise InputError(
            f"the job {chosen!r} copies into {table.target!r}, and not into {name!r}",
            hint="Name a job of this repository.",
        )
    source, target = (
        End(name=end, table=config.repository(end), settings=_settings(invocation, end))
        for end in (table.source, name)
    )
    parameters = plan_parameters(chosen, source, target)
    if parameters.problems:
        raise InputError(
            f"the functions could not work with what {invocation.config_path} says",
            problems=parameters.problems,
            hint="Functions reach Amazon S3 and open repositories by Secrets Manager or KMS.",
        )
    return parameters


def _settings(invocation: Invocation, name: str) -> StoreSettings:
    return store_settings(invocation.config, invocation.config.repository(name))


def _only_job(invocation: Invocation, name: str) -> str:
    jobs = [job for job, table in invocation.config.jobs.items() if table.target == name]
    if len(jobs) == 1:
        return jobs[0]
    what = f"{len(jobs)} jobs copy into {name!r}" if jobs else f"no job copies into {name!r}"
    raise InputError(
        f"{what}, and an appliance serves the source of one",
        hint="Say which, with --job." if jobs else "Declare the job that it is to run.",
        problems=jobs,
    )


def _run(command_: Command, folder: Path) -> None:
    """Run a command; what it prints goes to stderr, where it disturbs no JSON."""
    arguments: Sequence[str] = command_.arguments
    environment = {**os.environ, **command_.environment}
    try:
        # The words are ours and the configuration's, and no shell reads them.
        code = subprocess.run(  # noqa: S603
            arguments, cwd=folder, env=environment, stdout=sys.stderr, check=False
        ).returncode
    except FileNotFoundError as error:
        raise InputError(
            f"there is no command {arguments[0]!r} on this machine",
            hint="Install Amazon's AWS SAM CLI, or run the commands where it is.",
        ) from error
    if code:
        raise StoreError(
            f"'{arguments[0]} {arguments[1]}' ended with {code}",
            hint="What it printed says why. It can be run again as it is.",
        )
