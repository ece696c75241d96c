"""What the keys of ``coldhaul.toml`` are made of: texts that a parser of ours has accepted.

A parser refuses with an ``InputError``; its message and hint become a line of the report.
"""

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from core.errors import InputError
from core.ids import is_job_id
from proxy.suggestion import enumerate_names

T = TypeVar("T")

# The type of the pydantic errors that carry a message and a hint of ours.
OUR_ERROR = "coldhaul"


def parsed(parse: Callable[[str], T]) -> BeforeValidator:
    """Make a validator of a parser of text."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not text")
        try:
            return parse(value)
        except InputError as error:
            parts = {"message": error.message, "hint": error.hint}
            raise PydanticCustomError(OUR_ERROR, "{message}", parts) from error

    return BeforeValidator(validate)


def parsed_each(parse: Callable[[str], T]) -> BeforeValidator:
    """Make a validator of a list of texts; every text that is wrong is told."""

    def validate(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise _refusal("it has to be a list of texts", 'write it as in ["...", "..."]')
        values, refusals = [], []
        for each in value:
            try:
                values.append(parse(_need_text(each)))
            except InputError as error:
                refusals.append(error)
        if refusals:
            said = "; ".join(dict.fromkeys(error.message for error in refusals))
            raise _refusal(said, refusals[0].hint)
        return tuple(values)

    return BeforeValidator(validate)


def named_texts(is_name: Callable[[str], object], hint: str) -> BeforeValidator:
    """Make a validator of texts by their names; every name that is none is told."""

    def validate(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _refusal("it has to be a table of texts", hint)
        wrong = [name for name in value if not is_name(name)]
        if wrong:
            raise _refusal(f"{enumerate_names(wrong)} cannot be a name here", hint)
        unread = [name for name, text in value.items() if not isinstance(text, str)]
        if unread:
            raise _refusal(f"{enumerate_names(unread)} is no text", "put it in quotes")
        return value

    return BeforeValidator(validate)


def _need_text(value: object) -> str:
    if not isinstance(value, str):
        raise InputError("what is no text stands in the list", hint="put it in quotes")
    return value


def _refusal(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError(OUR_ERROR, "{message}", {"message": message, "hint": hint})


def one_of(*choices: str) -> BeforeValidator:
    """Make a validator that accepts these texts and no other."""

    def parse(text: str) -> str:
        if text not in choices:
            known = enumerate_names(map(str, choices), "or")
            raise InputError("it is not one of those known here", hint=f"write {known}")
        return text

    return parsed(parse)


def parse_name(text: str) -> str:
    """Check a name that a user gives to a repository, a store, a job or a proxy."""
    if not is_job_id(text):
        raise InputError(
            "it cannot be a name",
            hint="use letters, digits, '_' and '-', at most 64, beginning with a letter or digit",
        )
    return text


Name = Annotated[str, parsed(parse_name)]


class Table(BaseModel):
    """A table whose every key is known, and whose values are not bent into their types."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True
    )
