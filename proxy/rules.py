"""What the keys of a configuration say together: the rules of copy jobs, all of them at once.

The functions take the valid values of each table, whatever else is wrong with it, so that one
mistake hides no other; a name whose table is broken still counts as declared. They return lines
and raise nothing.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

from proxy.location import relation
from proxy.problems import key_path, problem
from proxy.schedule import IMMEDIATE
from proxy.store_rules import Values, copies_only_class, place_of
from proxy.suggestion import suggest
from proxy.tables import Kind

_OVERLAPS = {
    "same": "it is the {noun} of {kind} {other!r} too",
    "inside": "it lies inside the {noun} of {kind} {other!r}",
    "around": "the {noun} of {kind} {other!r} lies inside it",
}


def check_repositories(
    repositories: Mapping[str, Values], stores: Mapping[str, Values]
) -> Iterator[str]:
    """Find repositories that are in each other's way. Buckets are only read, and may overlap."""
    places = {
        name: place_of(values, stores) for name, values in repositories.items() if "url" in values
    }
    for (name, one), (other, two) in combinations(places.items(), 2):
        overlap = _OVERLAPS.get(relation(two, one))
        if overlap is None or (is_bucket(repositories[name]) and is_bucket(repositories[other])):
            continue
        noun = "folder" if one.is_folder else "place"
        kind = Kind.BUCKET if is_bucket(repositories[name]) else Kind.REPOSITORY
        what = overlap.format(noun=noun, kind=kind, other=name)
        location = ("repositories", other, "url")
        yield problem(location, two.url, what, f"give each repository a {noun} of its own")


def is_bucket(repository: Values) -> bool:
    """Say whether it holds any tool's objects and not a repository of ours."""
    return repository.get("kind") == Kind.BUCKET


def check_jobs(
    jobs: Mapping[str, Values],
    repositories: Mapping[str, Values],
    stores: Mapping[str, Values],
) -> Iterator[str]:
    """Find everything that forbids a job: names, rules R1 and R6, and jobs in each other's way."""
    for name, job in jobs.items():
        yield from _check_names(name, job, repositories)
        yield from _check_source(name, job, repositories, stores)
        yield from _check_pair(name, job, repositories)
    yield from _check_crossings({name: job for name, job in jobs.items() if _is_whole(job)})


def _is_whole(job: Values) -> bool:
    return "source" in job and "target" in job


def _check_names(name: str, job: Values, repositories: Mapping[str, Values]) -> Iterator[str]:
    for end in ("source", "target"):
        written = job.get(end)
        if written is not None and written not in repositories:
            hint = suggest(written, repositories)
            yield problem(("jobs", name, end), written, "no such repository is declared", hint)


def _check_source(
    name: str, job: Values, repositories: Mapping[str, Values], stores: Mapping[str, Values]
) -> Iterator[str]:
    source = job.get("source", "")
    class_name = copies_only_class(repositories.get(source, {}), stores)
    if class_name:
        what = f"its storage_class is {class_name}, which is for copies only"
        hint = "copy from a repository or bucket in a class that is read at once"
        yield problem(("jobs", name, "source"), source, what, hint)
    schedule = job.get("schedule")
    if is_bucket(repositories.get(source, {})) and schedule == IMMEDIATE:
        what = (
            f"the source {source!r} is a bucket, which has no points to follow: each run makes one"
        )
        hint = "write how often, as in 'periodic 1 h' or 'daily 22:00'"
        yield problem(("jobs", name, "schedule"), str(schedule), what, hint)


def _check_pair(name: str, job: Values, repositories: Mapping[str, Values]) -> Iterator[str]:
    if not _is_whole(job):
        return
    location = ("jobs", name, "target")
    if job["source"] == job["target"]:
        hint = "a copy needs a second repository; declare one and name it here"
        yield problem(location, job["target"], "it is the source too", hint)
        return
    source, target = repositories.get(job["source"], {}), repositories.get(job["target"], {})
    if is_bucket(target):
        what = "it is a bucket of other tools' objects, and copies are only written to repositories"
        hint = "name a repository; a bucket can be the source"
        yield problem(location, job["target"], what, hint)
    for key, one, other in (
        ("proxy or proxy_pool", _runner(source), _runner(target)),
        ("retention_type", source.get("retention_type"), target.get("retention_type")),
    ):
        if one and other and one != other:
            what = f"its {key} is {other}, and that of the source {job['source']!r} is {one}"
            hint = "source and target of a copy need the same; change one of the repositories"
            yield problem(location, job["target"], what, hint)


def _runner(repository: Values) -> str:
    """Return the proxy or pool as one text to compare; empty unless there is one of them."""
    proxy, pool = repository.get("proxy"), repository.get("proxy_pool")
    if proxy and pool:
        return ""
    return f"proxy {proxy!r}" if proxy else f"pool {pool!r}" if pool else ""


def _check_crossings(jobs: Mapping[str, Values]) -> Iterator[str]:
    job_of: dict[tuple[str, str], str] = {}
    reader_of: dict[str, str] = {}
    for name, job in jobs.items():
        reader_of.setdefault(job["source"], name)
        earlier = job_of.setdefault((job["source"], job["target"]), name)
        if earlier != name:
            pair = f"{job['source']!r} to {job['target']!r}"
            what = f"job {earlier!r} copies {pair} already"
            yield f"{key_path(('jobs', name))}: {what}; remove one of the two"
    for name, job in jobs.items():
        reader = reader_of.get(job["target"])
        if reader is not None and job["target"] != job["source"]:
            what = f"it is the source of job {reader!r}, and a copy cannot be copied on"
            hint = "copy from the repository that the backups go to"
            yield problem(("jobs", name, "target"), job["target"], what, hint)
