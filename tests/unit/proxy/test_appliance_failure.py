"""What it means that an execution failed: the reaction, the words that may be told, the way on."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.errors import (
    ColdhaulError,
    InputError,
    IntegrityError,
    NotReadyError,
    StoreError,
)
from proxy.appliance import Execution, Standing
from proxy.appliance_failure import execution_failure

FAILED = Execution(
    attempt=1, name="arn:x", standing=Standing.FAILED, started=datetime(2026, 3, 1, tzinfo=UTC)
)
EXCEPTION = '{"errorMessage": "the bucket refuses", "errorType": "StoreError", "stackTrace": []}'


@pytest.mark.parametrize(
    ("error", "cause", "last", "kind", "words"),
    [
        ("StoreError", EXCEPTION, "", StoreError, "failed: the bucket refuses"),
        ("InputError", "the key is wrong", "", InputError, "failed: the key is wrong"),
        ("IntegrityError", "[1]", "", IntegrityError, "failed: [1]"),
        ("States.TaskFailed", "", "integrity: a seal is broken", IntegrityError, "seal is broken"),
        ("Lambda.Unknown", "", "store: access denied", StoreError, "failed: access denied"),
        ("Runtime.ExitError", "killed", "Stopped", StoreError, "failed with Runtime.ExitError"),
        ("KeyError", "secret/file.txt", "", StoreError, "failed with KeyError"),
        ("", "", "", StoreError, "an error that it does not name"),
    ],
)
def test_the_error_is_the_one_that_the_functions_had(
    error: str, cause: str, last: str, kind: type[ColdhaulError], words: str
) -> None:
    found = execution_failure(replace(FAILED, error=error, cause=cause), last, "coldhaul go on")
    assert type(found) is kind
    assert words in found.message
    assert "arn:x" in found.message
    assert "coldhaul go on" in found.hint


def test_one_whose_place_a_later_one_has_taken_is_no_failure() -> None:
    found = execution_failure(replace(FAILED, standing=Standing.REPLACED), "", "coldhaul go on")
    assert isinstance(found, NotReadyError)
    assert "a later one works at the session" in found.message
    assert "coldhaul go on" in found.hint


def test_what_is_no_error_of_ours_is_not_repeated() -> None:
    """I5: whatever an unforeseen error says may be the name of an item."""
    found = execution_failure(
        replace(FAILED, error="KeyError", cause='{"errorMessage": "secret/file.txt"}'), "", ""
    )
    assert "secret" not in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    ("standing", "kind", "words"),
    [
        (Standing.ABORTED, NotReadyError, "stopped from outside"),
        (Standing.TIMED_OUT, StoreError, "ran out of its time"),
        (Standing.SUCCEEDED, StoreError, "without publishing"),
    ],
)
def test_other_ends_are_told_apart(
    standing: Standing, kind: type[ColdhaulError], words: str
) -> None:
    found = execution_failure(replace(FAILED, standing=standing), "", "coldhaul go on")
    assert type(found) is kind
    assert words in found.message
    assert "coldhaul go on" in found.hint
