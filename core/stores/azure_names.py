"""Names of blobs and of their metadata: what Azure allows, and how other vendors' fit in.

Azure's metadata names are C# identifiers and have no case; S3's are HTTP tokens in lower case. A
sign that Azure does not allow is written ``_xHHHH_``, as XmlConvert.EncodeName of .NET does:
``x-y`` is ``x_x002d_y``. Decoding takes exactly that back, so each name survives both ways.
"""

import re
from collections.abc import Mapping

from core.errors import InputError
from core.stores.bucket import Properties

BLOB_NAME_SIZE_MAX = 1024
TAGS_MAX = 10
_TAG_NAME = re.compile(r"[A-Za-z0-9 +\-./:=_]{1,128}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9 +\-./:=_]{0,256}")
_ESCAPE = re.compile(r"_x([0-9a-f]{4})_")
_ESCAPE_SIZE = 7
# What the name of an HTTP header has beside letters, digits and the underscore.
_TOKEN_SIGNS = frozenset("!#$%&'*+-.^`|~")


def encode_metadata_name(name: str) -> str:
    """Write a metadata name as an identifier."""
    encoded = ""
    for place in reversed(range(len(name))):
        sign = name[place]
        begins_escape = sign == "_" and _is_escape(f"_{encoded}", is_first=place == 0)
        if begins_escape or not _is_allowed(sign, is_first=place == 0):
            sign = f"_x{ord(sign):04x}_"
        encoded = sign + encoded
    return encoded


def decode_metadata_name(name: str) -> str:
    """Take ``encode_metadata_name`` back; what it never writes is left as it is."""
    decoded: list[str] = []
    place = 0
    while place < len(name):
        if _is_escape(name[place:], is_first=place == 0):
            decoded.append(chr(int(name[place + 2 : place + 6], 16)))
            place += _ESCAPE_SIZE
        else:
            decoded.append(name[place])
            place += 1
    return "".join(decoded)


def _is_allowed(sign: str, *, is_first: bool) -> bool:
    return sign == "_" or (sign.isascii() and (sign.isalpha() or (sign.isdigit() and not is_first)))


def _is_escape(text: str, *, is_first: bool) -> bool:
    """Say whether a text begins with an escape that encoding writes there."""
    found = _ESCAPE.match(text)
    if found is None:
        return False
    sign = chr(int(found[1], 16))
    if sign == "_":
        # Only an underscore that would begin an escape is escaped itself.
        return _is_escape(f"_{text[_ESCAPE_SIZE:]}", is_first=is_first)
    return sign in _TOKEN_SIGNS or (is_first and sign.isascii() and sign.isdigit())


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Write metadata as Azure takes it."""
    return {encode_metadata_name(name): value for name, value in metadata.items()}


def decode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Read metadata as other vendors know it: names in lower case, for Azure's have no case."""
    return {decode_metadata_name(name.lower()): value for name, value in metadata.items()}


def check_writable(location: str, key: str, name: str, properties: Properties) -> None:
    """Refuse what Azure would change or drop without a word; all findings at once.

    ``name`` is the full name of the object with this key, which ``location`` does not say.
    """
    metadata, tags = _not_ascii(properties.metadata), _unfit(properties.tags)
    problems = _name_problems(name)
    if len(properties.tags) > TAGS_MAX:
        problems.append(f"it has {len(properties.tags)} tags, and a blob has at most {TAGS_MAX}")
    if tags:
        problems.append(
            "a tag has signs or a length that Azure does not allow: letters, digits, space and "
            "+ - . / : = _"
        )
    if metadata:
        problems.append("its metadata is not ASCII")
    if problems:
        raise InputError(
            f"{location} cannot be written to Azure: {problems[0]}",
            hint="Restore this object to a folder or another vendor, or leave it out.",
            problems=problems,
            items=(key, *metadata, *tags),
        )


def _name_problems(name: str) -> list[str]:
    problems = []
    if len(name) > BLOB_NAME_SIZE_MAX:
        problems.append(f"names of blobs have at most {BLOB_NAME_SIZE_MAX} characters")
    if "\\" in name:
        problems.append("Azure makes a slash of a backslash in a name")
    if {".", ".."} & set(name.split("/")):
        problems.append("a name with a '.' or '..' part cannot be reached")
    if not name.isprintable() and any(sign < " " or "\ud800" <= sign <= "\udfff" for sign in name):
        problems.append("its name has a sign that Azure cannot list")
    return problems


def _not_ascii(metadata: Mapping[str, str]) -> list[str]:
    return [
        f"metadata {name!r}" for name, value in metadata.items() if not f"{name}{value}".isascii()
    ]


def _unfit(tags: Mapping[str, str]) -> list[str]:
    return [
        f"tag {name!r}"
        for name, value in tags.items()
        if not _TAG_NAME.fullmatch(name) or not _TAG_VALUE.fullmatch(value)
    ]


def is_plain(name: str) -> bool:
    """Say whether obstore, which normalises paths, reaches exactly this name."""
    parts = name.split("/")
    is_odd = "" in parts or "." in parts or ".." in parts or "\\" in name
    return not is_odd and name.isprintable()
