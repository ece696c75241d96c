"""What the functions are told by their environment: one target, one source, and how to open them.

``template.yaml`` sets these variables, all of them and no others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from core.errors import InputError
from core.limits import LAMBDA_MEMORY_FOR_CORE_MB
from core.model import RetentionType
from core.stores.address import AMAZON_S3, parse_address
from core.stores.aws_names import parse_kms_key, parse_secret_name
from core.stores.classes import Use, parse_storage_class

REPOSITORY = "repository"
BUCKET = "bucket"
_KINDS = (REPOSITORY, BUCKET)
_RETENTION_TYPES = tuple(kind.value for kind in RetentionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A source or a target: its URL and what opens it, ARNs both; empty: not encrypted."""

    url: str
    secret: str
    kms_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the functions are told. ``retention_type`` is a bucket source's."""

    target: End
    source: End
    source_kind: str
    retention_type: str
    storage_class: str
    metadata_class: str
    sse_kms_key: str
    endpoint: str
    region: str
    allows_other_region: bool
    memory_mb: int

    @property
    def root(self) -> str:
        """What stands before our names in the target's bucket."""
        prefix = parse_address(self.target.url).prefix
        return f"{prefix}/" if prefix else ""

    @property
    def core_count(self) -> int:
        """The processors that this much memory comes with."""
        return max(1, round(self.memory_mb / LAMBDA_MEMORY_FOR_CORE_MB))


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; all that is wrong with it is one ``InputError``."""
    settings = Settings(
        target=_end(environment, "TARGET"),
        source=_end(environment, "SOURCE"),
        source_kind=environment.get("COLDHAUL_SOURCE_KIND", ""),
        retention_type=environment.get("COLDHAUL_RETENTION_TYPE", ""),
        storage_class=environment.get("COLDHAUL_STORAGE_CLASS", ""),
        metadata_class=environment.get("COLDHAUL_METADATA_CLASS", ""),
        sse_kms_key=environment.get("COLDHAUL_SSE_KMS_KEY", ""),
        endpoint=environment.get("COLDHAUL_S3_ENDPOINT", ""),
        region=environment.get("AWS_REGION", ""),
        allows_other_region=environment.get("COLDHAUL_ALLOW_OTHER_REGION", "").lower() == "true",
        memory_mb=_memory(environment),
    )
    problems = [*_problems(settings), *_flag_problems(environment)]
    if problems:
        raise InputError(
            "the environment of this function is wrong",
            hint="Deploy the appliance again with other parameters.",
            problems=problems,
        )
    return settings


def _end(environment: Mapping[str, str], which: str) -> End:
    return End(
        url=environment.get(f"COLDHAUL_{which}_URL", ""),
        secret=environment.get(f"COLDHAUL_{which}_SECRET", ""),
        kms_key=environment.get(f"COLDHAUL_{which}_KMS_KEY", ""),
    )


def _memory(environment: Mapping[str, str]) -> int:
    text = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(text) if text.isascii() and text.isdigit() else LAMBDA_MEMORY_FOR_CORE_MB


def _problems(settings: Settings) -> Iterator[str]:
    yield from _end_problems("TARGET", settings.target)
    yield from _end_problems("SOURCE", settings.source)
    yield from _source_problems(settings)
    for name, text, use in (
        ("COLDHAUL_STORAGE_CLASS", settings.storage_class, Use.PACKS),
        ("COLDHAUL_METADATA_CLASS", settings.metadata_class, Use.METADATA),
    ):
        yield from _problem_of(name, partial(parse_storage_class, text, AMAZON_S3, use))
    if settings.sse_kms_key:
        yield from _problem_of("COLDHAUL_SSE_KMS_KEY", lambda: parse_kms_key(settings.sse_kms_key))
    if settings.endpoint and not settings.endpoint.startswith(("http://", "https://")):
        yield "COLDHAUL_S3_ENDPOINT: it is no URL of a service"


def _end_problems(which: str, end: End) -> Iterator[str]:
    url = f"COLDHAUL_{which}_URL"
    yield from _problem_of(url, lambda: parse_address(end.url))
    if end.url.startswith("az://"):
        yield f"{url}: an appliance in Amazon's cloud serves s3:// alone"
    if end.secret and end.kms_key:
        yield f"COLDHAUL_{which}_SECRET, COLDHAUL_{which}_KMS_KEY: one of them opens it, not both"
    if end.secret:
        yield from _problem_of(f"COLDHAUL_{which}_SECRET", lambda: parse_secret_name(end.secret))
    if end.kms_key:
        yield from _problem_of(f"COLDHAUL_{which}_KMS_KEY", lambda: parse_kms_key(end.kms_key))


def _source_problems(settings: Settings) -> Iterator[str]:
    if settings.source_kind not in _KINDS:
        yield f"COLDHAUL_SOURCE_KIND: it is {_either(_KINDS)}"
    if settings.source_kind == BUCKET:
        if settings.retention_type not in _RETENTION_TYPES:
            yield f"COLDHAUL_RETENTION_TYPE: of a bucket it is {_either(_RETENTION_TYPES)}"
        if settings.source.secret or settings.source.kms_key:
            yield "COLDHAUL_SOURCE_SECRET, COLDHAUL_SOURCE_KMS_KEY: a bucket is not opened by a key"
    elif settings.retention_type:
        yield "COLDHAUL_RETENTION_TYPE: a repository says itself what ages in it"


def _flag_problems(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("COLDHAUL_ALLOW_OTHER_REGION", "").lower() not in {"", "true", "false"}:
        yield "COLDHAUL_ALLOW_OTHER_REGION: it is either true or false"


def _either(choices: tuple[str, ...]) -> str:
    return f"either {' or '.join(choices)}"


def _problem_of(name: str, parse: Callable[[], object]) -> Iterator[str]:
    try:
        parse()
    except InputError as error:
        yield f"{name}: {error.message}"
