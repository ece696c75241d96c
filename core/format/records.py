"""Values as JSON and back: identity, records, definitions, claims and a session's working state.

The field names in JSON are those of ``core.model``. Unknown fields are ignored within a format
version; a missing or mistyped one is damage.
"""

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.errors import InputError, IntegrityError
from core.limits import FORMAT_VERSION, JSON_SIZE_MAX
from core.model import Identity

T = TypeVar("T")


# Making an adapter compiles a validator, which costs milliseconds.
_adapters: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(value: object) -> bytes:
    """Write a dataclass of ``core.model`` as JSON; equal values give equal bytes."""
    return _adapter(type(value)).dump_json(value)


def decode(kind: type[T], data: bytes, name: str) -> T:
    """Read a dataclass; ``name`` is the object's name for the ``IntegrityError``."""
    if len(data) > JSON_SIZE_MAX:
        raise IntegrityError(f"{name} is {len(data)} bytes long, more than any such object may be")
    try:
        value: T = _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise IntegrityError(f"{name} is damaged: {where}: {first['msg']}") from None
    return value


def encode_identity(identity: Identity) -> bytes:
    """Write ``repository.json``: plain, indented, for people to read as well."""
    value = json.loads(encode(identity))
    return (json.dumps({"format": "coldhaul", **value}, indent=2) + "\n").encode()


def decode_identity(data: bytes, where: str) -> Identity:
    """Read ``repository.json``; a newer format is an ``InputError``, anything else damage."""
    try:
        value = json.loads(data)
    except ValueError:
        raise IntegrityError(f"{where} is damaged: it is not JSON") from None
    if not isinstance(value, dict) or value.get("format") != "coldhaul":
        raise IntegrityError(f"{where} is damaged: it does not describe a coldhaul repository")
    version = value.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"{where} has format version {version}; this coldhaul knows up to {FORMAT_VERSION}",
            hint="Use a newer coldhaul to work with this repository.",
        )
    return decode(Identity, data, where)
