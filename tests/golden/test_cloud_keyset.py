"""A keyset with the slot of a KMS key stays readable, by us and by hand."""

from pathlib import Path

import pytest

from core.engine.keys import add_cloud_key
from core.errors import InputError, IntegrityError
from core.format.keyset import encode_keyset, open_key_ring
from core.format.wrapping import unwrap
from core.ids import RepositoryId
from core.sources.unlocking import find_kek, unlock
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from tests.emulators.services import AmazonService
from tests.golden import cloud, example
from tests.golden.reading import Reading, packs_folder, put_pack
from tests.support.copies import SECRET, make_repository
from tests.support.repositories import new_store

CONTENTS = (b"first", b"second")


def test_the_keyset_is_written_as_it_was() -> None:
    assert encode_keyset(cloud.stored_keyset()) == (cloud.FOLDER / "keys-1.json").read_bytes()
    assert (cloud.slot().kind, cloud.slot().name, cloud.slot().key) == ("aws-kms", "kms", cloud.ARN)


def test_the_kms_key_opens_it_and_gives_what_the_recovery_key_gives(
    amazon: AmazonService,
) -> None:
    access = unlock(cloud.stored_keyset(), example.IDENTITY, cloud.put_key(amazon), "here")
    assert access.ring == cloud.RING
    assert access.kek == unwrap(cloud.stored_keyset(), example.RECOVERY_KEY)


def test_another_repository_or_key_does_not(amazon: AmazonService) -> None:
    key = cloud.put_key(amazon)
    with pytest.raises(IntegrityError, match="another repository"):
        find_kek(cloud.slot(), key, RepositoryId("f" * 32))
    other = KmsKey(amazon.new_key(), StoreSettings())
    with pytest.raises(InputError, match="does not open"):
        unlock(cloud.stored_keyset(), example.IDENTITY, other, "here")


def test_it_opens_by_hand_as_the_document_says(amazon: AmazonService) -> None:
    """With Amazon's own library, the words of docs/format.md and nothing of ours (I8)."""
    cloud.put_key(amazon)
    kek = amazon.client("kms").decrypt(
        KeyId=cloud.slot().key,
        CiphertextBlob=cloud.slot().wrapped,
        EncryptionContext={"coldhaul:repository": example.IDENTITY.id},
    )["Plaintext"]
    assert open_key_ring(kek, cloud.stored_keyset(), example.IDENTITY.id) == cloud.RING


@pytest.mark.parametrize("case", [str, str.upper], ids=["lower", "upper"])
def test_read_pack_takes_what_kms_gave(tmp_path: Path, case: type[str]) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    put_pack(repository, CONTENTS)
    assert repository.keys is not None
    secret = case(repository.keys.kek.hex())
    found = Reading(packs_folder(repository), tmp_path / "output", secret=secret).check()
    assert sorted(found.values()) == sorted(CONTENTS)


def test_read_pack_passes_slots_of_clouds_over(tmp_path: Path, amazon: AmazonService) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    add_cloud_key(repository.store, SECRET, cloud.put_key(amazon), "cloud")
    put_pack(repository, CONTENTS)
    found = Reading(packs_folder(repository), tmp_path / "output", secret=SECRET).check()
    assert sorted(found.values()) == sorted(CONTENTS)


def test_a_wrong_key_in_hex_opens_nothing(tmp_path: Path) -> None:
    reading = Reading(example.FOLDER / "packs", tmp_path, secret="00" * 32)
    assert reading.status == 1
    assert reading.problems[-1] == "ValueError: the passphrase or recovery key is wrong"
    assert reading.files == {}
