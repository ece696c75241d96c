"""What keys are made of."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from core.errors import InputError
from proxy.fields import OUR_ERROR, Name, Table, one_of, parse_name, parsed_each


class Example(Table):
    name: Name = "a"
    colour: Annotated[str, one_of("red", "blue")] = "red"


def test_a_refusal_keeps_its_message_and_hint() -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"colour": "green"})
    (error,) = caught.value.errors()
    assert error["type"] == OUR_ERROR
    assert error["ctx"]["hint"] == "write 'red' or 'blue'"


@pytest.mark.parametrize("value", [3, True, None, ["a"]])
def test_what_is_no_text_is_said_to_be_none(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"name": value})
    assert caught.value.errors()[0]["type"] == "string_type"


def test_a_key_that_no_table_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Example.model_validate({"size": 3})


@pytest.mark.parametrize("name", ["a", "A-1_b", "0", "x" * 64])
def test_a_name_is_letters_digits_and_dashes(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "ü", "x" * 65, "a\n"])
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        parse_name(name)


def _parse_number(text: str) -> int:
    if not text.isdigit():
        raise InputError(f"{text!r} is no number", hint="write one")
    return int(text)


class Days(Table):
    """A table with a list."""

    days: Annotated[tuple[int, ...], parsed_each(_parse_number)] = ()


def test_a_list_is_read_text_by_text() -> None:
    assert Days.model_validate({"days": ["1", "2"]}).days == (1, 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1", "has to be a list"),
        ([], "has to be a list"),
        (["1", "x", "y", 3], "'x' is no number; 'y' is no number; what is no text"),
    ],
)
def test_everything_wrong_in_a_list_is_told(value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Days.model_validate({"days": value})
