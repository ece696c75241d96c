"""Errors carry what whoever catches them needs, also from another process."""

import pickle

import pytest

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)

KINDS = [InputError, NotFoundError, ConflictError, NotReadyError, StoreError, IntegrityError]


def test_each_kind_has_an_exit_code_of_its_own() -> None:
    assert [kind.exit_code for kind in KINDS] == [2, 3, 4, 5, 6, 7]
    assert len({kind.category for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_crosses_processes_whole(kind: type[ColdhaulError]) -> None:
    error = kind("what is wrong", hint="what to do", problems=["one", "two"], items=["a/b"])
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is kind
    assert (arrived.message, arrived.hint, arrived.problems, arrived.items) == (
        "what is wrong",
        "what to do",
        ("one", "two"),
        ("a/b",),
    )
    assert str(arrived) == "what is wrong"


def test_whoever_is_nearer_to_the_user_may_add_the_hint() -> None:
    error = IntegrityError("it is damaged", problems=["x"], items=["y"]).with_hint("verify it")
    assert isinstance(error, IntegrityError)
    assert (error.message, error.hint, error.problems) == ("it is damaged", "verify it", ("x",))
    assert error.items == ("y",)


def test_what_an_error_is_about_is_in_none_of_its_texts() -> None:
    error = StoreError("cannot read s3://b/...").about(["a/secret"])
    assert error.items == ("a/secret",)
    assert "secret" not in str(error)
