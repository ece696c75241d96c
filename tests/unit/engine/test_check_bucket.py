"""A bucket is good enough when it can be listed and read."""

from pathlib import Path

import pytest

from core.engine.check import Level
from core.engine.check_bucket import check_bucket
from core.errors import ColdhaulError, ConflictError, NotFoundError, NotReadyError, StoreError
from core.stores.folder_bucket import FolderBucket
from tests.support.buckets import HookedBucket, MadeUpBucket, fill


def levels(bucket: HookedBucket | MadeUpBucket | FolderBucket) -> dict[str, Level]:
    return {finding.what: finding.level for finding in check_bucket(bucket)}


def failing(kind: str, error: ColdhaulError) -> HookedBucket:
    def fail(request: str, _key: str) -> None:
        if request == kind:
            raise error

    return HookedBucket(MadeUpBucket(["a"]), fail)


def test_a_bucket_that_can_be_copied_has_good_findings_only(tmp_path: Path) -> None:
    bucket = fill(tmp_path, {"empty": b"", "full": b"content"})
    assert levels(bucket) == {"permission to list": Level.OK, "permission to read": Level.OK}
    assert levels(fill(tmp_path / "other", {"a": b""}))["permission to read"] is Level.OK


def test_it_says_how_many_objects_there_are_at_least() -> None:
    listed, _ = check_bucket(MadeUpBucket([str(number) for number in range(30)]))
    assert listed.detail == "tried: 10 objects or more"


def test_an_empty_bucket_is_a_warning(tmp_path: Path) -> None:
    assert levels(FolderBucket(tmp_path)) == {"permission to list": Level.WARNING}


def test_what_is_refused_is_told() -> None:
    refused = StoreError("refused", hint="give the permission")
    assert levels(failing("list", refused)) == {"permission to list": Level.ERROR}
    found = check_bucket(failing("read", refused))
    assert found[-1].level is Level.ERROR
    assert (found[-1].detail, found[-1].hint) == ("refused", "give the permission")


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ConflictError("changed"), Level.OK),
        (NotFoundError("gone"), Level.OK),
        (NotReadyError("archived"), Level.WARNING),
    ],
)
def test_an_object_that_moves_or_sleeps_is_no_failure(error: ColdhaulError, level: Level) -> None:
    assert levels(failing("read", error))["permission to read"] is level
