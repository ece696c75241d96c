"""Where a store is, as its URL says: ``s3://bucket/prefix``, ``az://container/prefix``, ``file:///``.

What follows the bucket is taken as it stands: nothing in it is percent-decoded.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import InputError

FILESYSTEM = "filesystem"
AMAZON_S3 = "amazon-s3"
S3_COMPATIBLE = "s3-compatible"
AZURE_BLOB = "azure-blob"
VENDORS = (FILESYSTEM, AMAZON_S3, S3_COMPATIBLE, AZURE_BLOB)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_AMAZON_HOST = re.compile(r"(?:.+\.)?amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A bucket or container and a prefix in it, without slashes at its ends."""

    scheme: str
    container: str
    prefix: str

    @property
    def url(self) -> str:
        """The URL in its one form."""
        return f"{self.scheme}://{self.container}" + (f"/{self.prefix}" if self.prefix else "")


def parse_address(url: str) -> Address:
    """Read an ``s3://`` or ``az://`` URL; anything else is an ``InputError``."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"s3", "az"}:
        raise InputError(
            f"{url!r} is not the URL of a bucket or container",
            hint="write s3://bucket/prefix or az://container/prefix",
        )
    container, _, prefix = rest.partition("/")
    pattern, noun = (_BUCKET, "bucket") if scheme == "s3" else (_CONTAINER, "container")
    if not pattern.fullmatch(container) or ".." in container:
        raise InputError(
            f"{container!r} cannot be the name of a {noun}",
            hint=f"write {scheme}://{noun}/prefix; names have 3 to 63 lower-case letters, digits "
            "and '-'",
        )
    return Address(scheme=scheme, container=container, prefix=prefix.strip("/"))


def parse_plain_address(url: str) -> Address:
    """Read such a URL whose prefix other tools reach as well."""
    address = parse_address(url)
    if address.prefix and not {"", ".", ".."}.isdisjoint(address.prefix.split("/")):
        raise InputError(
            f"{url!r} has an empty, '.' or '..' part in its prefix",
            hint="Choose a prefix of plain parts; other tools could not reach these objects.",
        )
    return address


def derive_vendor(url: str, endpoint: str) -> str:
    """Return whose storage a URL names; an endpoint that is not Amazon's is S3-compatible."""
    scheme = url.partition("://")[0]
    if scheme == "az":
        return AZURE_BLOB
    if scheme != "s3":
        return FILESYSTEM
    host = urlsplit(endpoint).hostname or ""
    return AMAZON_S3 if not endpoint or _AMAZON_HOST.fullmatch(host) else S3_COMPATIBLE
