"""What the functions are told by their environment: what they copy, and how to reach it.

The Bicep files of infra/azure set these variables, all of them and no others.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.appliance.ends import (
    Cloud,
    Ends,
    find_problems,
    flag_problems,
    problem_of,
    read_ends,
    refuse,
)
from core.ids import JobId, is_job_id
from core.limits import AZURE_MEMORY_FOR_CORE_MB
from core.stores.address import AZURE_BLOB
from core.stores.azure_client import parse_endpoint
from core.stores.azure_vault_names import parse_vault_key, parse_vault_secret

AZURE = Cloud(
    whose="Azure's",
    vendor=AZURE_BLOB,
    scheme="az",
    key="VAULT_KEY",
    parse_key=parse_vault_key,
    parse_secret=parse_vault_secret,
)
_EVENTS = "COLDHAUL_EVENTS"
_MEMORY = "COLDHAUL_MEMORY_MB"
_MEGABYTES = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
# Second, minute, hour, day, month and day of the week.
_SCHEDULE_FIELDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """What starts sessions of a job beside the proxy; an empty ``job`` is that nothing does."""

    job: JobId
    schedule: str
    has_events: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the functions are told. ``client_id`` is their identity's."""

    ends: Ends
    target_endpoint: str
    source_endpoint: str
    client_id: str
    memory_mb: int
    triggers: Triggers

    @property
    def core_count(self) -> int:
        """The processors that this much memory comes with."""
        return max(1, round(self.memory_mb / AZURE_MEMORY_FOR_CORE_MB))


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; all that is wrong with it is one ``InputError``."""
    settings = Settings(
        ends=read_ends(environment, AZURE),
        target_endpoint=environment.get("COLDHAUL_TARGET_ENDPOINT", ""),
        source_endpoint=environment.get("COLDHAUL_SOURCE_ENDPOINT", ""),
        client_id=environment.get("AZURE_CLIENT_ID", ""),
        memory_mb=_memory(environment),
        triggers=_read_triggers(environment),
    )
    refuse(
        [
            *find_problems(settings.ends, AZURE),
            *_problems(settings),
            *_memory_problems(environment),
            *_trigger_problems(settings.triggers),
            *flag_problems(environment, _EVENTS),
        ]
    )
    return settings


def find_triggers(environment: Mapping[str, str]) -> Triggers | None:
    """Return what starts sessions here, None where nothing does or what is said is wrong.

    Of what is wrong ``read_settings`` tells, once somebody asks: an app has to be loaded first.
    """
    triggers = _read_triggers(environment)
    has_problem = any(_trigger_problems(triggers)) or any(flag_problems(environment, _EVENTS))
    return triggers if triggers.job and not has_problem else None


def job_of_events(environment: Mapping[str, str]) -> JobId | None:
    """Return the job whose sessions new restore points start, None where they start none."""
    triggers = find_triggers(environment)
    return triggers.job if triggers is not None and triggers.has_events else None


def _read_triggers(environment: Mapping[str, str]) -> Triggers:
    return Triggers(
        job=JobId(environment.get("COLDHAUL_JOB", "")),
        schedule=environment.get("COLDHAUL_SCHEDULE", ""),
        has_events=environment.get(_EVENTS, "").lower() == "true",
    )


def _memory(environment: Mapping[str, str]) -> int:
    text = environment.get(_MEMORY, "")
    return int(text) if _MEGABYTES.fullmatch(text) else AZURE_MEMORY_FOR_CORE_MB


def _memory_problems(environment: Mapping[str, str]) -> Iterator[str]:
    text = environment.get(_MEMORY, "")
    if text and not _MEGABYTES.fullmatch(text):
        yield f"{_MEMORY}: it is a number of MB, like 4096"


def _problems(settings: Settings) -> Iterator[str]:
    ends = settings.ends
    for which, end, endpoint in (
        ("TARGET", ends.target, settings.target_endpoint),
        ("SOURCE", ends.source, settings.source_endpoint),
    ):
        name = f"COLDHAUL_{which}_ENDPOINT"
        yield from problem_of(name, lambda end=end, at=endpoint: parse_endpoint(end.url, at))  # type: ignore[misc]
    if not settings.client_id:
        yield "AZURE_CLIENT_ID: it is the client id of the identity that the functions run as"


def _trigger_problems(triggers: Triggers) -> Iterator[str]:
    if triggers.job and not is_job_id(triggers.job):
        yield "COLDHAUL_JOB: it is not the name of a job"
    if not triggers.job and (triggers.schedule or triggers.has_events):
        yield "COLDHAUL_JOB: a schedule, or events, start the sessions of a job: name it"
    if triggers.schedule and len(triggers.schedule.split()) != _SCHEDULE_FIELDS:
        yield (
            "COLDHAUL_SCHEDULE: it has six fields, like '0 0 22 * * *': second, minute, hour, day, "
            "month, day of the week"
        )
