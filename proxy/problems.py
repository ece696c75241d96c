"""What is wrong with a configuration, as lines: key path, value, what is wrong, what to do."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from proxy.fields import OUR_ERROR
from proxy.suggestion import suggest

Location = Sequence[str | int]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_VALUE_WIDTH_MAX = 60
_SECRET_WORDS = ("pass", "secret", "token", "credential", "key", "sas")

_MISSING = {
    "version": "write: version = 1",
    "repositories": "declare one, beginning with a line as in [repositories.primary]",
    "url": 'say where it is, as in url = "file:///srv/backups/primary" or "s3://BUCKET/PREFIX"',
    "retention_type": 'write "snapshot-based" or "item-level"',
    "source": "name the repository to copy from",
    "target": "name the repository to copy to",
    "kind": 'write kind = "webhook" or kind = "mail"',
    "schedule": 'say when to run, as in schedule = "daily 22:00"',
}
# Where a key of the same name is another thing.
_MISSING_IN = {"appliance.kind": 'write kind = "aws" or kind = "azure"'}
_WRONG_TYPE = {
    "string_type": ("it has to be text", "put it in quotes"),
    "bool_type": ("it has to be true or false", "write one of them without quotes"),
    "literal_error": ("it is not a version of the configuration", "write: version = 1"),
    "too_short": ("there is none", "begin one with a line as in [{path}.primary]"),
    "dict_type": ("it has to be a table", "begin it with a line as in [{path}]"),
    "model_type": ("it has to be a table", "begin it with a line as in [{path}]"),
}


def key_path(location: Location) -> str:
    """Write where a key is as TOML would: ``repositories."my repo".url``."""
    parts = (str(part) for part in location)
    return ".".join(part if _BARE_KEY.fullmatch(part) else json.dumps(part) for part in parts)


def problem(location: Location, value: object, what: str, hint: str) -> str:
    """Write one problem on one line."""
    path = key_path(location)
    return f"{path} = {_shown(location, value)}: {what}; {hint}"


def _shown(location: Location, value: object) -> str:
    """Write a value as TOML would, but no table, nothing long, and nothing that may be secret."""
    if isinstance(value, Mapping):
        return "(a table)"
    if isinstance(value, list):
        return "(an array)"
    if _may_be_secret(location, value):
        return "(hidden)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_WIDTH_MAX else f"{text[:_VALUE_WIDTH_MAX]}..."


def _may_be_secret(location: Location, value: object) -> bool:
    keys = [str(part).lower() for part in location]
    is_in_url = isinstance(value, str) and "://" in value and ("@" in value or "?" in value)
    named_so = any(word in keys[-1] for word in _SECRET_WORDS) if keys else False
    is_hook = keys[:1] == ["notify"] and keys[-1] in {"url", "user"}
    return is_in_url or named_so or is_hook or "encryption" in keys


def describe_problems(model: type[BaseModel], error: ValidationError, where: Location) -> list[str]:
    """Turn what pydantic found in the table at ``where`` into lines, in the order found."""
    return [_describe(model, detail, where) for detail in error.errors(include_url=False)]


def _describe(model: type[BaseModel], detail: Mapping[str, Any], where: Location) -> str:
    inner: tuple[str | int, ...] = detail["loc"]
    location = (*where, *inner)
    kind, last = detail["type"], str(inner[-1]) if inner else ""
    if kind == "missing":
        hint = _MISSING_IN.get(key_path(location[-2:])) or _MISSING[last]
        return f"{key_path(location)}: it is missing; {hint}"
    if kind == "extra_forbidden":
        return _describe_unknown(model, inner, location, detail["input"])
    if kind == OUR_ERROR:
        return problem(location, detail["input"], detail["ctx"]["message"], detail["ctx"]["hint"])
    what, hint = _WRONG_TYPE[kind]
    return problem(location, detail["input"], what, hint.format(path=key_path(location)))


def _describe_unknown(
    model: type[BaseModel], inner: Location, location: Location, value: object
) -> str:
    key = str(inner[-1])
    known = _known_keys(model, inner[:-1])
    return problem(location, value, "no such key is known here", suggest(key, known))


def _known_keys(model: type[BaseModel], location: Location) -> Iterable[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        tables = [kind for kind in get_args(annotation) if isinstance(kind, type)]
        model = next(kind for kind in tables if issubclass(kind, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
