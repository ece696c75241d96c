"""Objects of a bucket restored into a folder: keys that are no paths are refused by name."""

import os
from pathlib import Path

from core.engine.progress import Silent
from core.engine.restore import restore_point
from tests.support.bucket_copies import make_bucket_pair
from tests.support.buckets import MadeUpBucket

HARMLESS = ["a", "folder/ü", "folder/-x", "with space", "new\nline", os.fsdecode(b"\xff\xfe")]
HOSTILE = [
    "", "/etc/passwd", "../outside", "a//b", "folder/../../outside", "./a", "folder/.", "zero\0",
    "x" * 300, "marker/",
]  # fmt: skip


def test_hostile_keys_are_refused_by_name_and_the_others_restored(tmp_path: Path) -> None:
    pair = make_bucket_pair(tmp_path, MadeUpBucket([*HARMLESS, *HOSTILE], page_size=100))
    record = pair.copied()
    assert record.item_count == len(HARMLESS) + len(HOSTILE)
    folder = tmp_path / "place" / "restored"
    folder.mkdir(parents=True)
    outcome = restore_point(
        pair.target,
        record,
        folder,
        include=(),
        overwrite=False,
        progress=Silent(),
        stop=lambda: False,
    )
    assert {item.path for item in outcome.failed} == {key.encode() for key in HOSTILE}
    assert outcome.item_count == len(HARMLESS)
    found = {
        os.path.relpath(os.path.join(where, name), folder): Path(where, name).read_bytes()
        for where, _, names in os.walk(folder)
        for name in names
    }
    assert found == {key: os.fsencode(key) for key in HARMLESS}
    assert os.listdir(tmp_path / "place") == ["restored"]


def test_a_key_that_is_a_folder_of_another_is_told(tmp_path: Path) -> None:
    """In a bucket ``a`` and ``a/b`` stand side by side; in a folder only one of them can."""
    pair = make_bucket_pair(tmp_path, MadeUpBucket(["a", "a/b", "c"]))
    folder = tmp_path / "restored"
    outcome = restore_point(
        pair.target,
        pair.copied(),
        folder,
        include=(),
        overwrite=False,
        progress=Silent(),
        stop=lambda: False,
    )
    assert (folder / "c").read_bytes() == b"c"
    assert len(outcome.failed) == 1
    assert outcome.failed[0].path in {b"a", b"a/b"}
