"""A guess is near, and where none is near the choices are named."""

import pytest

from proxy.suggestion import enumerate_names, suggest


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        ("valt", ["primary", "vault"], "did you mean 'vault'?"),
        ("VAULT", ["primary", "vault"], "did you mean 'vault'?"),
        ("xyz", ["vault", "primary"], "known are 'primary' and 'vault'"),
        ("xyz", [], "there is none yet"),
    ],
)
def test_a_near_name_is_suggested_and_else_all_are_named(
    written: str, known: list[str], expected: str
) -> None:
    assert suggest(written, known) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b' or 'c'")],
)
def test_names_are_listed_as_in_prose(names: list[str], expected: str) -> None:
    assert enumerate_names(names, "or") == expected
