"""What the functions are told by their environment: what they copy, and how to reach it.

``template.yaml`` sets these variables, all of them and no others.
"""

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
from core.limits import LAMBDA_MEMORY_FOR_CORE_MB
from core.stores.address import AMAZON_S3
from core.stores.aws_names import parse_kms_key, parse_secret_name

AMAZON = Cloud(
    whose="Amazon's",
    vendor=AMAZON_S3,
    scheme="s3",
    key="KMS_KEY",
    parse_key=parse_kms_key,
    parse_secret=parse_secret_name,
)
_OTHER_REGION = "COLDHAUL_ALLOW_OTHER_REGION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the functions are told. What opens an end are ARNs."""

    ends: Ends
    sse_kms_key: str
    endpoint: str
    region: str
    allows_other_region: bool
    memory_mb: int

    @property
    def core_count(self) -> int:
        """The processors that this much memory comes with."""
        return max(1, round(self.memory_mb / LAMBDA_MEMORY_FOR_CORE_MB))


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; all that is wrong with it is one ``InputError``."""
    settings = Settings(
        ends=read_ends(environment, AMAZON),
        sse_kms_key=environment.get("COLDHAUL_SSE_KMS_KEY", ""),
        endpoint=environment.get("COLDHAUL_S3_ENDPOINT", ""),
        region=environment.get("AWS_REGION", ""),
        allows_other_region=environment.get(_OTHER_REGION, "").lower() == "true",
        memory_mb=_memory(environment),
    )
    refuse(
        [
            *find_problems(settings.ends, AMAZON),
            *_problems(settings),
            *flag_problems(environment, _OTHER_REGION),
        ]
    )
    return settings


def _memory(environment: Mapping[str, str]) -> int:
    text = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(text) if text.isascii() and text.isdigit() else LAMBDA_MEMORY_FOR_CORE_MB


def _problems(settings: Settings) -> Iterator[str]:
    if settings.sse_kms_key:
        yield from problem_of("COLDHAUL_SSE_KMS_KEY", lambda: parse_kms_key(settings.sse_kms_key))
    if settings.endpoint and not settings.endpoint.startswith(("http://", "https://")):
        yield "COLDHAUL_S3_ENDPOINT: it is no URL of a service"
