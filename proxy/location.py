"""Where a repository is: its URL, and whether two places are one."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from core.errors import InputError

# Recognised so that the refusal says "not yet" and not "never heard of".
_LATER = ("s3", "az")
_HINT = "write an absolute folder as in 'file:///srv/backups/primary'"


def parse_url(text: str) -> str:
    """Check a repository's URL and write it in its one form, without ``.``, ``..`` and ``//``."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise InputError("it is not a URL", hint=_HINT)
    if scheme in _LATER:
        raise InputError(
            f"{scheme}:// comes with a later release",
            hint="use a folder for now, as in 'file:///srv/backups/primary'",
        )
    if scheme != "file":
        raise InputError(f"{scheme}:// is not a kind of store that coldhaul knows", hint=_HINT)
    return folder_url(_folder_of(text))


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


def relation(one: Path, other: Path) -> str:
    """Say how two folders lie to each other, links followed: ``same``, ``inside``, ``around``.

    ``inside`` is: ``one`` lies inside ``other``. The answer is empty when neither holds the
    other. A folder that is not there yet is judged by its name.
    """
    first, second = _real(one), _real(other)
    if first == second or _is_same_folder(first, second):
        return "same"
    if second in first.parents:
        return "inside"
    if first in second.parents:
        return "around"
    return ""


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _is_same_folder(one: Path, other: Path) -> bool:
    # Names differ and the folder is one: bind mounts, file systems that ignore case.
    try:
        return one.samefile(other)
    except OSError:
        return False
