"""Where a repository is: its URL, and whether two places are one."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from core.errors import InputError
from core.limits import PREFIX_SIZE_MAX
from core.stores.address import AMAZON_S3, derive_vendor, parse_address

_HINT = "write an absolute folder as in 'file:///srv/backups/primary'"
_HINTS = {
    "s3": "write s3://BUCKET/PREFIX",
    "az": "write az://CONTAINER/PREFIX; the account is in the endpoint of its store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL and the endpoint it is reached through; empty for the vendor's own."""

    url: str
    endpoint: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.url.startswith("file:")

    @property
    def shown(self) -> str:
        """How people write it: a folder as a path, anything else as its URL."""
        return str(url_folder(self.url)) if self.is_folder else self.url


def parse_url(text: str) -> str:
    """Check a repository's URL and write it in its one form, without ``.``, ``..`` and ``//``."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InputError("it is not a URL", hint=_HINT)
    if scheme in _HINTS:
        return _parse_cloud(scheme, rest, text)
    if scheme != "file":
        raise InputError(
            f"{scheme}:// is not a kind of store that coldhaul knows",
            hint=f"{_HINT}, or s3://BUCKET/PREFIX, or az://CONTAINER/PREFIX",
        )
    return folder_url(_folder_of(text))


def _parse_cloud(scheme: str, rest: str, text: str) -> str:
    hint = _HINTS[scheme]
    # What stands there is not repeated: it may be an access key, a password or a signature.
    if "@" in rest.partition("/")[0] or ":" in rest.partition("/")[0]:
        raise InputError(
            "there is more than a name before the first slash",
            hint=f"{hint}; where credentials come from stands in [stores.NAME]",
        )
    if "?" in rest or "#" in rest:
        raise InputError("there is a '?' or '#' in it", hint=f"{hint}, without a query")
    if not rest.isprintable():
        raise InputError("there are characters in it that cannot be printed", hint=hint)
    address = parse_address(text)
    if len(os.fsencode(address.prefix)) > PREFIX_SIZE_MAX:
        raise InputError(f"its prefix is longer than {PREFIX_SIZE_MAX} bytes", hint=hint)
    if address.prefix and {"", ".", ".."} & set(address.prefix.split("/")):
        raise InputError("a part of its prefix is empty, '.' or '..'", hint=hint)
    return address.url


def _folder_of(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc:
        raise InputError(
            "there is a host between the second and the third slash",
            hint=f"{_HINT}; three slashes in a row begin the path",
        )
    if parts.query or parts.fragment:
        raise InputError("'?' and '#' have a meaning in URLs", hint="write them as %3F and %23")
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if "\0" in path:
        raise InputError("there is a NUL byte in it", hint=_HINT)
    folder = Path(os.path.normpath(path)) if path.startswith("/") else None
    if folder is None or folder == Path("/"):
        raise InputError("it names no folder", hint=_HINT)
    # POSIX keeps two leading slashes apart from one; nobody means that here.
    return Path("/" + str(folder).lstrip("/"))


def folder_url(folder: Path) -> str:
    """Write the URL of an absolute folder."""
    return folder.as_uri()


def url_folder(url: str) -> Path:
    """Return the folder that a ``file://`` URL names."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))


def relation(one: Place, other: Place) -> str:
    """Say how two places lie to each other: ``same``, ``inside``, ``around``.

    ``inside`` is: ``one`` lies inside ``other``. The answer is empty when neither holds the
    other. Links are followed; a folder that is not there yet is judged by its name.
    """
    if one.is_folder and other.is_folder:
        return _relate_folders(_real(url_folder(one.url)), _real(url_folder(other.url)))
    if one.is_folder or other.is_folder or _account(one) != _account(other):
        return ""
    first, second = parse_address(one.url), parse_address(other.url)
    if first.container != second.container:
        return ""
    return _relate_prefixes(_parts(first.prefix), _parts(second.prefix))


def _account(place: Place) -> str:
    """Return whose containers these are, as one text to compare."""
    # The names of Amazon's buckets are the same in all regions, whatever the endpoint is.
    is_amazon = derive_vendor(place.url, place.endpoint) == AMAZON_S3
    return AMAZON_S3 if is_amazon else f"{place.url.partition(':')[0]} {place.endpoint}"


def _parts(prefix: str) -> list[str]:
    return prefix.split("/") if prefix else []


def _relate_prefixes(first: list[str], second: list[str]) -> str:
    if first == second:
        return "same"
    if first[: len(second)] == second:
        return "inside"
    return "around" if second[: len(first)] == first else ""


def _relate_folders(first: Path, second: Path) -> str:
    if first == second or _is_same_folder(first, second):
        return "same"
    if second in first.parents:
        return "inside"
    return "around" if first in second.parents else ""


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _is_same_folder(one: Path, other: Path) -> bool:
    # Names differ and the folder is one: bind mounts, file systems that ignore case.
    try:
        return one.samefile(other)
    except OSError:
        return False
