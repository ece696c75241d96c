"""An object's properties as S3's headers and boto3's parameters say them.

Headers are ASCII. What user metadata has beyond it, S3 stores and returns as RFC 2047 has it
(``=?UTF-8?B?...?=``); some S3-compatible stores return the bytes of UTF-8 as they are.
"""

import base64
import re
from collections.abc import Mapping
from email.errors import MessageError
from email.header import decode_header
from typing import Any
from urllib.parse import urlencode

from core.errors import InputError
from core.stores.bucket import Properties
from core.stores.s3_errors import Request

_METADATA = "x-amz-meta-"
_TAG_COUNT = "x-amz-tagging-count"
_PLAIN = re.compile(r"[ -~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAMES = {
    "content_type": "Content-Type",
    "content_encoding": "Content-Encoding",
    "content_language": "Content-Language",
    "content_disposition": "Content-Disposition",
    "cache_control": "Cache-Control",
}


_FIELDS = {name.lower(): field for field, name in _NAMES.items()}


def has_tags(headers: Mapping[str, str]) -> bool:
    """Say whether an object has tags, which a request of their own gives."""
    count = headers.get(_TAG_COUNT, "0")
    return count.isdigit() and int(count) > 0


def read_properties(headers: Mapping[str, str], tags: Mapping[str, str]) -> Properties:
    """Return what an answer's headers say; their names are in lower case."""
    values: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if name in _FIELDS:
            values[_FIELDS[name]] = _decode_bytes(value)
        elif name.startswith(_METADATA):
            metadata[name[len(_METADATA) :]] = _decode(value)
    if "content_encoding" in values:
        values["content_encoding"] = _stored_encoding(values["content_encoding"])
    return Properties(**values, metadata=metadata, tags=tags)


def write_parameters(properties: Properties, request: Request) -> dict[str, Any]:
    """Return boto3's parameters for an object; ``InputError`` for what S3 cannot hold."""
    place = request.location
    parameters: dict[str, Any] = {}
    for field, name in _NAMES.items():
        value = getattr(properties, field)
        if not _PLAIN.fullmatch(value):
            raise InputError(
                f"{place} has a {name} that S3 cannot hold: it is not plain ASCII",
                items=request.items,
            )
        if value:
            parameters[name.replace("-", "")] = value
    unfit = [name for name in properties.metadata if not _NAME.fullmatch(name)]
    if unfit:
        raise InputError(
            f"{place} has metadata of names that S3 cannot hold",
            items=(*request.items, *(f"metadata {name!r}" for name in unfit)),
        )
    if properties.metadata:
        parameters["Metadata"] = {
            name: _encode(value, request) for name, value in properties.metadata.items()
        }
    if properties.tags:
        parameters["Tagging"] = urlencode(properties.tags)
    return parameters


def _stored_encoding(value: str) -> str:
    """Return an encoding without ``aws-chunked``, which is how an upload was sent."""
    if "aws-chunked" not in value:
        return value
    codings = [coding.strip() for coding in value.split(",")]
    return ",".join(coding for coding in codings if coding and coding != "aws-chunked")


def _decode_bytes(value: str) -> str:
    """Return a header's value as text: every byte of it was read as a character of Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _decode(value: str) -> str:
    """Return the text of user metadata; what only looks encoded is taken as it stands."""
    if not value.isascii() or "=?" not in value:
        return _decode_bytes(value)
    try:
        text = "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii")
            for part, charset in decode_header(value)
        )
        text.encode()  # Some charsets can say what is no character.
    except (ValueError, LookupError, MessageError):
        return value
    return text


def _encode(value: str, request: Request) -> str:
    """Return user metadata as a header's value: as it is, or as RFC 2047 has it."""
    if _PLAIN.fullmatch(value):
        return value
    try:
        encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
    except UnicodeEncodeError:
        raise InputError(
            f"{request.location} has metadata that S3 cannot hold: it is no text",
            items=request.items,
        ) from None
    return f"=?UTF-8?B?{encoded}?="
