"""``coldhaul appliance``: whether an appliance can be used, and how it is deployed."""

from pathlib import Path
from typing import Annotated

import typer

from core.errors import InputError
from core.stores.settings import StoreSettings
from proxy.appliance_check import check_appliance
from proxy.appliance_deploy import DeployedJob, End, parse_overrides, run_commands
from proxy.appliance_opening import plan_deployment
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

    Looks at reach, version, what it serves, and all that its own cloud knows of it; nothing is
    started. Exit code 6 when a finding is an error, 8 when one is a warning.

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

    The credentials are those of whoever deploys, as the vendor's tools find them: to create
    functions and roles takes more rights than the proxy has. No secret is in a command.

    Example: coldhaul appliance deploy vault --set AlarmEmail=admin@example.com
    """
    _need_appliance(invocation, name)
    deployed = _deployed_job(invocation, name, job)
    procedure = plan_deployment(invocation.config, deployed, parse_overrides(overrides or ()))
    if is_run:
        run_commands(procedure, source, invocation.output.say)
    lines = [each.line for each in procedure.commands]
    document = {
        "repository": name,
        **procedure.where,
        "parameters": procedure.parameters,
        "commands": lines,
        "is_deployed": is_run,
    }
    done = [f"Deployed {procedure.called}."]
    invocation.output.show(document, *(done if is_run else lines))
    return DONE


def _need_appliance(invocation: Invocation, name: str) -> None:
    if invocation.config.repository(name).appliance is None:
        raise InputError(
            f"{invocation.config_path} declares no appliance for repository {name!r}",
            hint=f"Write [repositories.{name}.appliance] with kind, and what that kind needs.",
        )


def _deployed_job(invocation: Invocation, name: str, job: str | None) -> DeployedJob:
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
    return DeployedJob(name=chosen, source=source, target=target)


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
