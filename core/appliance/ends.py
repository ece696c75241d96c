"""What functions are told by their environment of what they copy: one target, one source.

Each cloud has its own names of keys and secrets, and more variables of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from core.errors import InputError
from core.model import RetentionType
from core.stores.address import parse_address
from core.stores.classes import Use, parse_storage_class

REPOSITORY = "repository"
BUCKET = "bucket"
_KINDS = (REPOSITORY, BUCKET)
_RETENTION_TYPES = tuple(kind.value for kind in RetentionType)
_HINT = "Deploy the appliance again with other parameters."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A cloud in which functions run. ``whose`` is as in "an appliance in Amazon's cloud".

    ``key`` is what its variables of keys end with. The two parsers say what a name of a key, or of
    a secret, has wrong.
    """

    whose: str
    vendor: str
    scheme: str
    key: str
    parse_key: Callable[[str], object]
    parse_secret: Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A source or a target: its URL and what opens it, by names; empty: not encrypted."""

    url: str
    secret: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What functions copy, and into which classes. ``retention_type`` is a bucket source's."""

    target: End
    source: End
    source_kind: str
    retention_type: str
    storage_class: str
    metadata_class: str

    @property
    def root(self) -> str:
        """What stands before our names in the target's bucket."""
        prefix = parse_address(self.target.url).prefix
        return f"{prefix}/" if prefix else ""


def read_ends(environment: Mapping[str, str], cloud: Cloud) -> Ends:
    """Read what is copied; nothing is checked yet."""
    return Ends(
        target=_end(environment, "TARGET", cloud),
        source=_end(environment, "SOURCE", cloud),
        source_kind=environment.get("COLDHAUL_SOURCE_KIND", ""),
        retention_type=environment.get("COLDHAUL_RETENTION_TYPE", ""),
        storage_class=environment.get("COLDHAUL_STORAGE_CLASS", ""),
        metadata_class=environment.get("COLDHAUL_METADATA_CLASS", ""),
    )


def _end(environment: Mapping[str, str], which: str, cloud: Cloud) -> End:
    return End(
        url=environment.get(f"COLDHAUL_{which}_URL", ""),
        secret=environment.get(f"COLDHAUL_{which}_SECRET", ""),
        key=environment.get(f"COLDHAUL_{which}_{cloud.key}", ""),
    )


def find_problems(ends: Ends, cloud: Cloud) -> Iterator[str]:
    """Say of each variable what is wrong with it."""
    yield from _end_problems("TARGET", ends.target, cloud)
    yield from _end_problems("SOURCE", ends.source, cloud)
    yield from _source_problems(ends, cloud)
    for name, text, use in (
        ("COLDHAUL_STORAGE_CLASS", ends.storage_class, Use.PACKS),
        ("COLDHAUL_METADATA_CLASS", ends.metadata_class, Use.METADATA),
    ):
        yield from problem_of(name, partial(parse_storage_class, text, cloud.vendor, use))


def _end_problems(which: str, end: End, cloud: Cloud) -> Iterator[str]:
    url, secret, key = (f"COLDHAUL_{which}_{what}" for what in ("URL", "SECRET", cloud.key))
    wrong = [*problem_of(url, lambda: parse_address(end.url))]
    yield from wrong
    if not wrong and not end.url.startswith(f"{cloud.scheme}://"):
        yield f"{url}: an appliance in {cloud.whose} cloud serves {cloud.scheme}:// alone"
    if end.secret and end.key:
        yield f"{secret}, {key}: one of them opens it, not both"
    if end.secret:
        yield from problem_of(secret, lambda: cloud.parse_secret(end.secret))
    if end.key:
        yield from problem_of(key, lambda: cloud.parse_key(end.key))


def _source_problems(ends: Ends, cloud: Cloud) -> Iterator[str]:
    if ends.source_kind not in _KINDS:
        yield f"COLDHAUL_SOURCE_KIND: it is {_either(_KINDS)}"
    if ends.source_kind == BUCKET:
        if ends.retention_type not in _RETENTION_TYPES:
            yield f"COLDHAUL_RETENTION_TYPE: of a bucket it is {_either(_RETENTION_TYPES)}"
        if ends.source.secret or ends.source.key:
            names = f"COLDHAUL_SOURCE_SECRET, COLDHAUL_SOURCE_{cloud.key}"
            yield f"{names}: a bucket is not opened by a key"
    elif ends.retention_type:
        yield "COLDHAUL_RETENTION_TYPE: a repository says itself what ages in it"


def flag_problems(environment: Mapping[str, str], name: str) -> Iterator[str]:
    """Say what is wrong with a variable that is either true or false; empty is false."""
    if environment.get(name, "").lower() not in {"", "true", "false"}:
        yield f"{name}: it is either true or false"


def problem_of(name: str, parse: Callable[[], object]) -> Iterator[str]:
    """Say what is wrong with a variable by trying to read it."""
    try:
        parse()
    except InputError as error:
        yield f"{name}: {error.message}"


def refuse(problems: list[str]) -> None:
    """Raise one ``InputError`` for all that is wrong with an environment, if anything is."""
    if problems:
        raise InputError("the environment of this function is wrong", hint=_HINT, problems=problems)


def _either(choices: tuple[str, ...]) -> str:
    return f"either {' or '.join(choices)}"
