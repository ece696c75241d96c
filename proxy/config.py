"""``coldhaul.toml``: read once, validated whole, and reported with every problem at once.

A problem names the exact key, its value and what to do. Values that may be secret are never
repeated.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from core.errors import InputError, NotFoundError
from proxy.appliance_rules import check_appliances
from proxy.fields import parse_name
from proxy.problems import Location, describe_problems, key_path
from proxy.rules import check_jobs, check_repositories
from proxy.service_rules import check_notices, check_proxy
from proxy.service_tables import NotifyTable, ProxyTable
from proxy.shape_rules import check_shapes
from proxy.store_rules import check_stores
from proxy.store_table import StoreTable
from proxy.suggestion import suggest
from proxy.tables import JobTable, RepositoryTable, TopTable

Model = TypeVar("Model", bound=BaseModel)

# The sections of named tables.
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "stores": StoreTable,
    "repositories": RepositoryTable,
    "jobs": JobTable,
    "notify": NotifyTable,
}
DEFAULT_PATH = Path("coldhaul.toml")
# A configuration is written by hand; a larger file is another one.
_SIZE_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A valid configuration."""

    path: Path
    stores: Mapping[str, StoreTable]
    repositories: Mapping[str, RepositoryTable]
    jobs: Mapping[str, JobTable]
    proxy: ProxyTable | None
    notify: Mapping[str, NotifyTable]

    def repository(self, name: str) -> RepositoryTable:
        """Return a repository by its name, or raise ``NotFoundError``."""
        return self._pick("repository", self.repositories, name)

    def job(self, name: str) -> JobTable:
        """Return a job by its name, or raise ``NotFoundError``."""
        return self._pick("job", self.jobs, name)

    def _pick(self, noun: str, tables: Mapping[str, Model], name: str) -> Model:
        if name not in tables:
            hint = suggest(name, tables)
            raise NotFoundError(
                f"{self.path} declares no {noun} {name!r}", hint=hint[0].upper() + hint[1:]
            )
        return tables[name]


def load_config(path: Path) -> Config:
    """Read and validate a configuration; one ``InputError`` carries every problem."""
    data = _read_toml(path)
    problems: list[str] = []
    top = _validate(TopTable, data, (), problems)
    raw = {section: _tables_of(data, section) for section in _SECTIONS}
    stores = _validate_each(StoreTable, raw["stores"], "stores", problems)
    repositories = _validate_each(RepositoryTable, raw["repositories"], "repositories", problems)
    jobs = _validate_each(JobTable, raw["jobs"], "jobs", problems)
    notify = _validate_each(NotifyTable, raw["notify"], "notify", problems)
    problems += _check_together(raw)
    problems += check_proxy(data.get("proxy"))
    if problems or top is None:
        raise _refusal(path, problems)
    return Config(
        path=path,
        stores=stores,
        repositories=repositories,
        jobs=jobs,
        proxy=top.proxy,
        notify=notify,
    )


def _check_together(raw: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Check what several keys say together, whatever else is wrong with them."""
    values = {section: _valid_values(model, raw[section]) for section, model in _SECTIONS.items()}
    stores, repositories = values["stores"], values["repositories"]
    written = {
        name: set(table if isinstance(table, dict) else ()) for name, table in raw["stores"].items()
    }
    yield from check_shapes(raw["repositories"])
    yield from check_stores(repositories, stores, written)
    yield from check_appliances(repositories, stores, written)
    yield from check_repositories(repositories, stores)
    yield from check_jobs(values["jobs"], repositories, stores)
    yield from check_notices(raw["notify"], raw["jobs"])


def _refusal(path: Path, problems: list[str]) -> InputError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return InputError(
        f"{path} has {count}",
        problems=problems,
        hint=f"Correct {path} and run the command again; nothing has been done.",
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_MAX + 1)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no configuration at {path}",
            hint="Write one with 'coldhaul init', or say where it is with --config PATH.",
        ) from error
    except OSError as error:
        raise InputError(
            f"the configuration {path} cannot be read: {error.strerror}",
            hint="Check the path and its permissions, or name another with --config PATH.",
        ) from error
    if len(content) > _SIZE_MAX:
        raise InputError(
            f"{path} is larger than any configuration", hint="Check what --config names."
        )
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path} is not UTF-8 text: see line {line}", hint="Save the file as UTF-8."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"{path} is not TOML: {error}", hint="Correct that line; texts need quotes."
        ) from error


def _tables_of(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    tables = data.get(key)
    return tables if isinstance(tables, dict) else {}


def _validate_each(
    model: type[Model], raw: Mapping[str, Any], section: str, problems: list[str]
) -> dict[str, Model]:
    valid = {}
    for name, value in raw.items():
        _check_table_name(section, name, problems)
        table = _validate(model, value, (section, name), problems)
        if table is not None:
            valid[name] = table
    return valid


def _check_table_name(section: str, name: str, problems: list[str]) -> None:
    try:
        parse_name(name)
    except InputError as error:
        problems.append(f"{key_path((section, name))}: {error.message}; {error.hint}")


def _validate(
    model: type[Model], value: object, where: Location, problems: list[str]
) -> Model | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems += describe_problems(model, error, where)
        return None


def _valid_values(model: type[BaseModel], raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the keys of each table that are right by themselves, for the rules about several."""
    valid: dict[str, dict[str, Any]] = {}
    for name, table in raw.items():
        values = valid.setdefault(name, {})
        for key in model.model_fields.keys() & (table if isinstance(table, dict) else {}):
            with suppress(ValidationError):
                values[key] = _adapter(model, key).validate_python(table[key])
    return valid


@cache
def _adapter(model: type[BaseModel], key: str) -> TypeAdapter[Any]:
    """Return what validates one key by itself; only for keys that are used, as it takes a while."""
    return TypeAdapter[Any](model.model_fields[key].rebuild_annotation())
