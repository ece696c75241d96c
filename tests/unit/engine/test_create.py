"""A repository is created whole, finished when it was begun, and never on top of anything."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from core.engine import probe
from core.engine.create import explanations
from core.errors import ConflictError, InputError, IntegrityError, StoreError
from core.format import names
from core.limits import MIB
from core.model import Parameters, RetentionType
from tests.support.points import write_pack
from tests.support.repositories import SECRET, create_in, names_in, new_store, reopen
from tests.support.stores import Hooked, Kind, LostAnswer, Overwriting

ROOT = Path(__file__).parents[3]
PLAIN = sorted(["packs/repository.json", "repository.json", *explanations()])
SEALED = sorted([*PLAIN, "keys/1.json", "packs/keys-1.json"])


def test_an_unencrypted_repository_has_no_keys(tmp_path: Path) -> None:
    store = new_store(tmp_path / "new")
    created = create_in(store)
    assert names_in(store) == PLAIN
    assert reopen(store).identity == created.identity
    assert created.keys is None


def test_an_encrypted_repository_opens_with_its_passphrase(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    created = create_in(store, SECRET)
    assert names_in(store) == SEALED
    opened = reopen(store, SECRET)
    assert opened.identity == created.identity
    assert opened.keys == created.keys
    with pytest.raises(InputError, match="passphrase"):
        reopen(store, "wrong")


def test_identity_and_keyset_stand_beside_the_packs_as_well(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store, SECRET)
    assert store.get(names.PACKED_REPOSITORY) == store.get(names.REPOSITORY)
    assert store.get(names.packed_keyset(1)) == store.get(names.keyset(1))


def test_a_created_repository_keeps_its_settings(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    parameters = Parameters(pack_size=64 * MIB, zstd_level=7)
    create_in(store, retention_type=RetentionType.ITEM_LEVEL, parameters=parameters)
    identity = reopen(store).identity
    assert identity.parameters == parameters
    assert identity.retention_type is RetentionType.ITEM_LEVEL
    assert identity.created == "20250301T120000000000Z"


def test_it_says_how_to_be_read_without_us(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store)
    assert set(explanations()) == {names.FORMAT_DOCUMENT, names.READER}, (
        "core/format/resources has to hold FORMAT.md and read_pack.py"
    )
    for name, text in explanations().items():
        assert store.get(name) == text


def test_the_reader_in_a_repository_reads_its_packs(tmp_path: Path) -> None:
    """Beside it only the packs and the secret are needed (I8)."""
    store = new_store(tmp_path / "vault")
    made = write_pack(create_in(store, SECRET), [[b"one", b"two"], [b"three"]])
    reader = tmp_path / "read_pack.py"
    reader.write_bytes(store.get(names.READER))
    output = tmp_path / "output"
    command = [sys.executable, "-I", str(reader), "--secret-env", "SECRET"]
    subprocess.run(
        [*command, str(tmp_path / "vault" / "packs"), str(output)],
        env={"SECRET": SECRET},
        check=True,
    )
    read = {path.name: path.read_bytes() for path in output.iterdir()}
    contents = [b"one", b"two", b"three"]
    assert read == {
        blob.id.hex(): content for blob, content in zip(made.blobs, contents, strict=True)
    }


def test_the_format_in_a_repository_is_the_format_in_the_documents() -> None:
    carried = files("core.format") / "resources" / "FORMAT.md"
    assert carried.read_bytes() == (ROOT / "docs" / "format.md").read_bytes(), (
        "copy docs/format.md to core/format/resources/FORMAT.md"
    )


def test_creating_twice_is_a_conflict(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store, SECRET)
    with pytest.raises(ConflictError, match="already"):
        create_in(store, SECRET)


def test_a_repository_in_use_is_a_conflict_even_if_something_is_missing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store, SECRET).write_object("jobs/nightly/1.json", b"{}")
    store.delete([names.keyset(1), names.packed_keyset(1)])
    with pytest.raises(ConflictError, match="already"):
        create_in(store, SECRET)
    assert not names_in(store, names.KEYS)


def test_a_place_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.put("photos/cat.jpg", b"cat")
    with pytest.raises(InputError, match=r"photos/cat.jpg"):
        create_in(store)
    assert names_in(store) == ["photos/cat.jpg"]


def test_packs_without_their_repository_are_left_to_rebuild(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store, SECRET)
    store.delete([name for name in names_in(store) if not name.startswith(names.PACKS)])
    with pytest.raises(InputError) as error:
        create_in(store, SECRET)
    assert "rebuild" in error.value.hint


def test_a_strange_repository_json_is_not_taken_for_ours(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.put(names.REPOSITORY, b'{"name": "something else"}')
    with pytest.raises(IntegrityError, match="coldhaul"):
        create_in(store)


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        create_in(new_store(tmp_path), "")
    assert not names_in(new_store(tmp_path))


def test_one_that_was_begun_is_finished(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    begun = create_in(store, SECRET)
    store.delete([names.keyset(1), names.PACKED_REPOSITORY])
    store.put(f"{probe.PREFIX}left", b"")
    finished = create_in(store, SECRET)
    assert names_in(store) == SEALED
    assert finished.identity == begun.identity
    assert finished.keys == begun.keys


def test_one_that_was_begun_with_other_settings_says_which(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store)
    store.delete([names.PACKED_REPOSITORY])
    with pytest.raises(ConflictError) as error:
        create_in(store, SECRET, RetentionType.ITEM_LEVEL, Parameters(frame_size=MIB))
    assert error.value.problems == (
        "retention type is snapshot-based, not item-level",
        "encryption is off, not on",
        "frame size is 4194304, not 1048576",
    )
    assert not names_in(store, names.KEYS)


def test_one_that_was_begun_with_another_passphrase_is_a_conflict(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store, SECRET)
    store.delete([names.keyset(1)])
    with pytest.raises(ConflictError, match="passphrase"):
        create_in(store, "another")
    assert not names_in(store, names.KEYS)


def test_two_who_create_at_once_make_one_repository(tmp_path: Path) -> None:
    store = new_store(tmp_path)

    def other_is_first(kind: Kind, name: str) -> None:
        if (kind, name) == ("put", names.REPOSITORY):
            create_in(store, SECRET)

    created = create_in(Hooked(store, other_is_first), SECRET)
    assert names_in(store) == SEALED
    assert created.keys == reopen(store, SECRET).keys


def test_lost_answers_do_no_harm(tmp_path: Path) -> None:
    created = create_in(LostAnswer(new_store(tmp_path)), SECRET)
    assert reopen(new_store(tmp_path), SECRET).keys == created.keys


def test_a_store_that_ignores_create_only_is_refused_and_left_empty(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with pytest.raises(StoreError, match="create-only") as error:
        create_in(Overwriting(store))
    assert "source" in error.value.hint
    assert names_in(store) == []
