"""How an appliance in AWS is built and deployed: the exact commands of Amazon's ``sam``.

Pure but for the look at the source tree. No secret is on a command line; the credentials are those
of whoever deploys, who may do more than the proxy.
"""

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import InputError
from core.stores.settings import StoreSettings
from proxy.appliance_table import ApplianceTable
from proxy.version import own_version

TEMPLATE = "template.yaml"
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,254}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,-]+", re.ASCII)
_ARCHITECTURE_DEFAULT = "arm64"


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


def parse_overrides(texts: Sequence[str]) -> dict[str, str]:
    """Read further parameters of the template, each written as ``Name=value``."""
    overrides = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not _PARAMETER.fullmatch(name):
            raise InputError(
                f"--set {text!r} names no parameter of the template",
                hint="Write it as in --set MaxConcurrency=20.",
            )
        overrides[name] = value
    return overrides


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


def check_source_tree(folder: Path) -> None:
    """Refuse a folder that does not hold this version's sources: the template is among them."""
    if not (folder / TEMPLATE).is_file():
        raise InputError(
            f"there is no {TEMPLATE} in {folder}",
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
