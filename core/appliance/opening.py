"""From settings to an opened target and source, by whatever way a cloud's functions have."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from core.appliance.ends import BUCKET, End, Ends
from core.engine.steps import Appliance
from core.errors import InputError
from core.model import RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.repository import Repository, open_repository
from core.sources.source import Source
from core.sources.unlocking import Secret
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How functions reach what they copy, and what opens it.

    ``key`` makes the cloud key of a name; ``secret`` fetches the text that a name stands for.
    """

    target: StoreSettings
    source: StoreSettings
    key: Callable[[str], Secret]
    secret: Callable[[str], str]


def open_target(ends: Ends, ways: Ways) -> Repository:
    """Open the target; its keys are unwrapped here, once."""
    return _open(ends.target, ways.target, ways)


def open_source(ends: Ends, ways: Ways) -> Source:
    """Open the source, a repository or a bucket."""
    if ends.source_kind == BUCKET:
        bucket = open_bucket(ends.source.url, ways.source)
        return open_bucket_source(bucket, RetentionType(ends.retention_type))
    return _open(ends.source, ways.source, ways)


def open_both(ends: Ends, ways: Ways, runner: str, core_count: int) -> Appliance:
    """Open target and source for the steps of a session."""
    target, source = open_target(ends, ways), open_source(ends, ways)
    check_retention(target, source)
    return Appliance(
        target=target,
        source=source,
        runner=runner,
        version=own_version(),
        root=ends.root,
        core_count=core_count,
    )


def check_retention(target: Repository, source: Source) -> None:
    """Refuse a source of another retention type (R1)."""
    if source.retention_type is not target.retention_type:
        raise InputError(
            f"{target.url} is {target.retention_type.value} and {source.url} is "
            f"{source.retention_type.value}",
            hint="Source and target are of one retention type.",
        )


def own_version() -> str:
    """Return the version of what was deployed; empty when this is run from a source tree."""
    try:
        return version("coldhaul")
    except PackageNotFoundError:
        return ""


def _open(end: End, settings: StoreSettings, ways: Ways) -> Repository:
    return open_repository(open_store(end.url, settings), _secret_of(end, ways))


def _secret_of(end: End, ways: Ways) -> Callable[[], Secret] | None:
    if end.key:
        return lambda: ways.key(end.key)
    if end.secret:
        return lambda: ways.secret(end.secret)
    return None
