"""A folder of any tool's files as the source of a job, through the real command."""

from pathlib import Path

import pytest

from tests.cli.place import Place

CONFIG = """\
version = 1

[repositories.theirs]
kind = "bucket"
url = "file://{root}/theirs"
proxy = "hq"
retention_type = "snapshot-based"

[repositories.vault]
url = "file://{root}/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "file:{passphrase}"

[jobs.nightly]
source = "theirs"
target = "vault"
schedule = "daily 22:00"
"""


@pytest.fixture
def theirs(tmp_path: Path) -> tuple[Place, Path]:
    place = Place(tmp_path)
    place.config.write_text(CONFIG.format(root=place.root, passphrase=place.passphrase))
    folder = place.root / "theirs"
    (folder / "data").mkdir(parents=True)
    (folder / "config").write_bytes(b"a tool's own")
    (folder / "data" / "1").write_bytes(b"1" * 100_000)
    (folder / "empty").touch()
    place.done("repository", "create", "vault")
    return place, folder


def test_a_bucket_is_copied_and_comes_back(theirs: tuple[Place, Path]) -> None:
    place, folder = theirs
    assert "what is in the bucket" in place.done("job", "create", "nightly").out
    dry = place.json("job", "run", "nightly", "--dry-run")
    assert (dry["source_point"], dry["bucket"]) == (None, f"file://{folder}")
    first = place.json("job", "run", "nightly")["session"]
    assert (first["status"], first["restore_point"]["item_count"]) == ("Success", 3)
    (folder / "data" / "2").write_bytes(b"2")
    (folder / "config").unlink()
    second = place.json("job", "run", "nightly")["session"]
    assert second["source_point"] > first["source_point"]
    place.done("restore", "vault", "--to", str(place.root / "back"))
    back = place.root / "back"
    found = {str(path.relative_to(back)): path for path in back.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "data/1": b"1" * 100_000, "data/2": b"2", "empty": b""
    }  # fmt: skip
    place.done("verify", "vault", "--read-data")


def test_what_makes_no_sense_for_a_bucket_is_said(theirs: tuple[Place, Path]) -> None:
    place, _ = theirs
    refused = place.run("job", "create", "nightly", "--include-newest")
    assert refused.code == 2
    assert "a bucket has no restore points" in refused.err
    place.done("job", "create", "nightly")
    refused = place.run("job", "run", "nightly", "--backfill", "2026")
    assert refused.code == 2
    assert "no older restore points" in refused.err
