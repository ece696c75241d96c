"""What S3 tells of an object's class and restored copy, and what follows for a reader."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.stores.s3_archived import Archive, archived_class, is_listed_restored

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = 'ongoing-request="false", expiry-date="Thu, 26 Nov 2026 00:00:00 GMT"'
OVER = 'ongoing-request="false", expiry-date="Tue, 24 Nov 2026 00:00:00 GMT"'


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({}, ""),
        ({"StorageClass": "STANDARD_IA"}, ""),
        ({"StorageClass": "GLACIER_IR"}, ""),
        ({"StorageClass": "GLACIER"}, "GLACIER"),
        ({"StorageClass": "DEEP_ARCHIVE"}, "DEEP_ARCHIVE"),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}, "GLACIER"),
        ({"StorageClass": "GLACIER", "Restore": LATER}, ""),
        ({"StorageClass": "GLACIER", "Restore": OVER}, "GLACIER"),
        ({"StorageClass": "INTELLIGENT_TIERING"}, ""),
        (
            {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"},
            "INTELLIGENT_TIERING",
        ),
        (
            {
                "StorageClass": "INTELLIGENT_TIERING",
                "ArchiveStatus": "ARCHIVE_ACCESS",
                "Restore": 'ongoing-request="true"',
            },
            "INTELLIGENT_TIERING",
        ),
    ],
)
def test_head_says_whether_an_object_can_be_read(head: dict[str, str], expected: str) -> None:
    assert archived_class(head, "amazon-s3", NOW) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"IsRestoreInProgress": True}, False),
        ({"IsRestoreInProgress": False}, False),
        ({"IsRestoreInProgress": False, "RestoreExpiryDate": NOW + timedelta(days=1)}, True),
        ({"IsRestoreInProgress": False, "RestoreExpiryDate": NOW - timedelta(days=1)}, False),
    ],
)
def test_listing_says_whether_a_copy_is_there(status: dict[str, Any], expected: bool) -> None:
    assert is_listed_restored(status, NOW) is expected


class Recorded:
    """Answers as a bucket does and remembers what was asked."""

    def __init__(self, objects: Mapping[str, Mapping[str, Any]]) -> None:
        self.objects = objects
        self.asked: list[str] = []

    def head(self, name: str) -> Mapping[str, Any] | None:
        self.asked.append(name)
        return self.objects.get(name)

    def list_folder(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        self.asked.append(folder)
        for name, entry in sorted(self.objects.items()):
            if name.startswith(folder):
                yield name, entry

    def find(self, *names: str) -> dict[str, str]:
        return Archive("amazon-s3", self.head, self.list_folder).find(names)


def test_few_objects_are_looked_at_and_many_are_listed() -> None:
    cold = {"StorageClass": "DEEP_ARCHIVE", "RestoreStatus": {"IsRestoreInProgress": False}}
    names = [f"packs/a/{number}" for number in range(11)]
    bucket = Recorded({name: cold for name in [*names, "packs/b/1"]})
    assert bucket.find("packs/b/1", *names, "packs/b/missing") == dict.fromkeys(
        ["packs/b/1", *names], "DEEP_ARCHIVE"
    )
    assert sorted(bucket.asked) == ["packs/a/", "packs/b/1", "packs/b/missing"]


def test_what_a_listing_does_not_tell_is_looked_at() -> None:
    names = [f"p/{number}" for number in range(9)]
    until = datetime.now(UTC) + timedelta(days=1)
    objects: dict[str, Mapping[str, Any]] = {name: {"StorageClass": "STANDARD"} for name in names}
    objects["p/tier"] = {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}
    objects["p/silent"] = {"StorageClass": "GLACIER"}
    objects["p/back"] = {
        "StorageClass": "GLACIER",
        "RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": until},
    }
    bucket = Recorded(objects)
    found = bucket.find(*names, "p/back", "p/silent", "p/tier")
    assert found == {"p/silent": "GLACIER", "p/tier": "INTELLIGENT_TIERING"}
    assert sorted(bucket.asked) == ["p/", "p/silent", "p/tier"]


def test_nothing_is_asked_about_nothing() -> None:
    bucket = Recorded({})
    assert bucket.find() == {}
    assert bucket.asked == []
