"""How an appliance of any kind is built and deployed: exact commands of its vendor's own tools.

No secret is on a command line; the credentials are those of whoever deploys, who may do more than
the proxy.
"""

import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import InputError, StoreError
from core.stores.settings import StoreSettings
from proxy.appliance_table import PARAMETER
from proxy.tables import RepositoryTable
from proxy.version import own_version


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The source or the target of a job, under its name in the configuration."""

    name: str
    table: RepositoryTable
    settings: StoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedJob:
    """The job that an appliance is deployed for."""

    name: str
    source: End
    target: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The template's parameters by name, and what keeps them from being right."""

    values: Mapping[str, str]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to run in the source tree, with what it needs in its environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """Write it as a shell takes it."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*words, shlex.join(self.arguments)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How an appliance is deployed.

    ``called`` is what it is deployed as, ``where`` that and where, by the keys of the
    configuration. ``template`` is the file of the source tree that describes it, and ``tools`` the
    hint for whoever lacks the commands' programs.
    """

    called: str
    where: Mapping[str, str]
    template: str
    tools: str
    parameters: Mapping[str, str]
    commands: Sequence[Command]


def refuse_unfit(parameters: Parameters, hint: str) -> None:
    """Refuse to deploy functions that could not work, with everything that is in their way."""
    if parameters.problems:
        raise InputError(
            "the functions could not work with what the configuration says",
            problems=parameters.problems,
            hint=hint,
        )


def parse_overrides(texts: Sequence[str]) -> dict[str, str]:
    """Read further parameters of the template, each written as ``Name=value``."""
    overrides = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not PARAMETER.fullmatch(name):
            raise InputError(
                f"--set {text!r} names no parameter of the template",
                hint="Write it as in --set MaxConcurrency=20.",
            )
        overrides[name] = value
    return overrides


def run_commands(procedure: Procedure, folder: Path, say: Callable[[str], None]) -> None:
    """Run the commands in a source tree of this version; ``say`` each before it is run.

    What they print goes to stderr, where it disturbs no JSON.
    """
    check_source_tree(folder, procedure.template)
    for command in procedure.commands:
        say(command.line)
        _run(command, folder, procedure.tools)


def _run(command: Command, folder: Path, tools: str) -> None:
    arguments = command.arguments
    environment = {**os.environ, **command.environment}
    try:
        # The words are ours and the configuration's, and no shell reads them.
        code = subprocess.run(  # noqa: S603
            arguments, cwd=folder, env=environment, stdout=sys.stderr, check=False
        ).returncode
    except FileNotFoundError as error:
        raise InputError(
            f"there is no command {arguments[0]!r} on this machine", hint=tools
        ) from error
    if code:
        raise StoreError(
            f"'{arguments[0]} {arguments[1]}' ended with {code}",
            hint="What it printed says why. It can be run again as it is.",
        )


def check_source_tree(folder: Path, template: str) -> None:
    """Refuse a folder that does not hold this version's sources: the template is among them."""
    if not (folder / template).is_file():
        raise InputError(
            f"there is no {template} in {folder}",
            hint="Run this in the source tree of coldhaul, or name it with --source.",
        )
    version = _version_of(folder)
    if version != own_version():
        raise InputError(
            f"the sources in {folder} are of version {version or 'unknown'}, and this is "
            f"{own_version() or 'run from its source tree'}",
            hint="Check out this version, or install the other: proxy and appliance have to be of "
            "one version.",
        )


def _version_of(folder: Path) -> str:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text).get("project", {}).get("version", ""))
    except (OSError, tomllib.TOMLDecodeError):
        return ""
