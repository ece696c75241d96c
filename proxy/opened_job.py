"""A job with its repositories opened and its definition loaded: where every run of one begins."""

from dataclasses import dataclass

from core.model import JobDefinition
from core.sources.repository import Repository
from core.sources.source import Source
from proxy.definition import load_equal_definition
from proxy.invocation import Invocation
from proxy.opening import open_named, open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedJob:
    """Where a job copies from and to, under which definition."""

    target: Repository
    source: Source
    definition: JobDefinition


def open_job(invocation: Invocation, name: str) -> OpenedJob:
    """Open a job, refusing it where the configuration has moved away from its definition."""
    job = invocation.config.job(name)
    target = open_named(invocation, job.target)
    definition = load_equal_definition(invocation, name, target)
    source = open_source(invocation, job.source)
    return OpenedJob(target=target, source=source, definition=definition)
