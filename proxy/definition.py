"""A job as the configuration has it, beside the definition that its target stores."""

from core.engine.jobs import load_definition
from core.errors import InputError
from core.ids import JobId
from core.model import JobDefinition
from core.sources.repository import Repository
from proxy.invocation import Invocation


def find_differences(invocation: Invocation, name: str, definition: JobDefinition) -> list[str]:
    """Say in which keys configuration and definition differ, one line each."""
    config = invocation.config
    job = config.job(name)
    pairs: dict[str, tuple[str | bool, str | bool]] = {
        "source": (config.repository(job.source).url, definition.source_url),
        "target": (config.repository(job.target).url, definition.target_url),
        "schedule": (str(job.schedule), definition.schedule),
        "allow_damaged": (job.allow_damaged, definition.allow_damaged),
    }
    return [
        f"jobs.{name}.{key}: the configuration says {_toml(here)}, the definition {_toml(there)}"
        for key, (here, there) in pairs.items()
        if here != there
    ]


def _toml(value: str | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def load_equal_definition(invocation: Invocation, name: str, target: Repository) -> JobDefinition:
    """Load a job's definition, refusing it where the configuration has moved away from it."""
    definition = load_definition(target, JobId(name))
    differences = find_differences(invocation, name, definition)
    if differences:
        update = invocation.command_line("job", "update", name)
        raise InputError(
            f"the job {name!r} is defined otherwise in {target.store.url} than in "
            f"{invocation.config_path}",
            problems=differences,
            hint=f"'{update}' stores what the configuration says now; or change the configuration "
            "back.",
        )
    return definition
