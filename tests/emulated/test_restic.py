"""The proof that any tool's bucket comes back: a restic repository, lost, restored, and whole.

restic itself judges: ``restic check --read-data`` reads every byte of the repository it finds.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from core.stores.address import parse_address
from core.stores.opening import open_bucket
from tests.cli.clouds import Service, store_table
from tests.cli.place import Place
from tests.emulators.services import AzureService, S3Service

CONFIG = """\
version = 1

[repositories.theirs]
kind = "bucket"
url = "{source}"
store = "theirs"
proxy = "hq"
retention_type = "snapshot-based"

[repositories.vault]
url = "file://{root}/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "file:{root}/passphrase"

[jobs.nightly]
source = "theirs"
target = "vault"
schedule = "daily 22:00"

[stores.theirs]
{theirs}
[stores.other]
{other}"""


def restic(url: str, service: S3Service, *arguments: str) -> str:
    """Run restic on a repository in a bucket or container."""
    program = shutil.which("restic")
    assert program, "restic is missing: apt-get install restic"
    address = parse_address(url)
    place = f"s3:{service.endpoint}/{address.container}/{address.prefix}"
    options = ["-r", place, "-o", "s3.bucket-lookup=path", "--no-cache"]
    answer = subprocess.run(
        [program, *options, *arguments],
        env={**os.environ, "RESTIC_PASSWORD": "a password of restic's"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def write_config(place: Place, source: str, theirs: Service, other: Service) -> None:
    place.config.write_text(
        CONFIG.format(
            source=source,
            root=place.root,
            theirs=store_table(theirs.settings),
            other=store_table(other.settings),
        )
    )


def copy(place: Place) -> None:
    """Create vault and job, and copy the bucket."""
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    assert place.json("job", "run", "nightly")["session"]["status"] == "Success"


def objects(url: str, service: Service) -> dict[str, bytes]:
    """Return all that a bucket or container holds."""
    bucket = open_bucket(url, service.settings)
    page = bucket.list_page()
    assert not page.token
    return {
        each.key: bucket.read(each.key, each.etag, 0, each.size).content for each in page.objects
    }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "place").mkdir()
    return Place(tmp_path / "place")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Something to back up, larger than a blob and smaller than nothing."""
    folder = tmp_path / "files"
    folder.mkdir()
    chance = random.Random(7)
    for number in range(60):
        (folder / f"{number}").write_bytes(chance.randbytes(chance.randrange(0, 60_000)))
    (folder / "large").write_bytes(chance.randbytes(22_000_000))
    return folder


def test_a_restic_repository_survives_the_loss_of_its_bucket(
    place: Place, files: Path, localstack: S3Service, azurite: AzureService
) -> None:
    """S3 to a vault and back; then from S3 to Azure, lost in S3 once more, and back again."""
    original = f"{localstack.new_url()}/restic"
    restic(original, localstack, "init")
    restic(original, localstack, "backup", str(files))
    before = objects(original, localstack)
    write_config(place, original, localstack, azurite)
    copy(place)
    localstack.clear(original)
    assert objects(original, localstack) == {}

    place.done("restore", "vault", "--to", original, "--store", "theirs")
    assert objects(original, localstack) == before
    assert "no errors were found" in restic(original, localstack, "check", "--read-data")

    azure = f"{azurite.new_url()}/over/there"
    place.done("restore", "vault", "--to", azure, "--store", "other")
    assert objects(azure, azurite) == before

    (place.root / "back").mkdir()
    back = Place(place.root / "back")
    write_config(back, azure, azurite, localstack)
    copy(back)
    azurite.clear(azure)
    other = f"{localstack.new_url()}/elsewhere"
    back.done("restore", "vault", "--to", other, "--store", "other")
    assert objects(other, localstack) == before
    assert "no errors were found" in restic(other, localstack, "check", "--read-data")
    restored = place.root / "restored"
    restic(other, localstack, "restore", "latest", "--target", str(restored))
    assert (restored / str(files)[1:] / "large").read_bytes() == (files / "large").read_bytes()
