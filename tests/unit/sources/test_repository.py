"""An opened repository: nothing stored is believed before it is checked (I4)."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core import ids
from core.catalog.layers import NO_FLOOR
from core.engine.keys import rotate_keys
from core.engine.packing import begin_pack
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError, StoreError
from core.format import names, seal
from core.format.frame import encode_frame
from core.format.pack import FrameBlob
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import PackRow, Record, TableObject
from core.sources.repository import Repository, open_repository
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import (
    SECRET,
    back_up,
    file_item,
    make_repository,
    record_name,
    through,
)
from tests.support.damaged_stores import (
    ByteFlipped,
    Emptied,
    LastByteFlipped,
    Lengthened,
    Swapped,
    Truncated,
)
from tests.support.stores import Hooked, below

NAME = "jobs/x/1.json"
BROKEN: list[Callable[[Store], Store]] = [
    LastByteFlipped,
    Emptied,
    Truncated,
    Lengthened,
    lambda store: ByteFlipped(store, 60),
    lambda store: Truncated(store, lost_size=16_400),
]


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    return make_repository(FolderStore(tmp_path, create=True), is_encrypted=request.param)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, 16_000, 40_000])
def test_an_object_comes_back_as_it_was(repository: Repository, size: int) -> None:
    repository.write_object(NAME, noise(size))
    assert repository.read_object(NAME) == noise(size)


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_object_is_named(
    repository: Repository, broken: Callable[[Store], Store]
) -> None:
    repository.write_object(NAME, noise(40_000))
    with pytest.raises(IntegrityError, match=NAME):
        through(repository, broken(repository.store)).read_object(NAME)


def test_a_sealed_object_cannot_stand_in_for_another(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True), is_encrypted=True)
    repository.write_object(NAME, b"one")
    repository.write_object("jobs/y/1.json", b"two")
    swapped = Swapped(repository.store, {NAME: "jobs/y/1.json"})
    with pytest.raises(IntegrityError, match=NAME):
        through(repository, swapped).read_object(NAME)


def test_an_object_is_written_once_and_adopted_afterwards(repository: Repository) -> None:
    assert repository.write_or_adopt(NAME, b"one") == b"one"
    assert repository.write_or_adopt(NAME, b"two") == b"one"
    with pytest.raises(ConflictError):
        repository.write_object(NAME, b"three")


def test_keys_that_were_rotated_meanwhile_are_found(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    early = make_repository(store, is_encrypted=True)
    rotate_keys(store, SECRET)
    late = open_repository(store, lambda: SECRET)
    late.write_object(NAME, b"new epoch")
    assert early.read_object(NAME) == b"new epoch"
    early.write_object("jobs/y/1.json", b"any epoch")
    assert late.read_object("jobs/y/1.json") == b"any epoch"


def test_keys_that_another_thread_finds_between_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path, create=True)
    early = make_repository(store, is_encrypted=True)
    rotate_keys(store, SECRET)
    open_repository(store, lambda: SECRET).write_object(NAME, b"new epoch")
    open_sealed = seal.open_sealed
    others: list[bytes] = []

    def open_slowly(keys: Sequence[bytes], context: bytes, stored: bytes) -> bytes:
        try:
            return open_sealed(keys, context, stored)
        except IntegrityError:
            if not others:
                others.append(b"begun")
                others.append(early.read_object(NAME))
            raise

    monkeypatch.setattr(seal, "open_sealed", open_slowly)
    assert early.read_object(NAME) == b"new epoch"
    assert others == [b"begun", b"new epoch"]


def test_keys_that_another_thread_finds_while_they_are_looked_for_are_tried(
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path, create=True)
    make_repository(store, is_encrypted=True)
    others: list[bytes] = []

    def read_meanwhile(kind: str, name: str) -> None:
        if (kind, name) == ("list", names.KEYS) and not others:
            others.append(b"begun")
            others.append(early.read_object(NAME))

    hooked = Hooked(store, lambda _kind, _name: None)
    early = open_repository(hooked, lambda: SECRET)
    rotate_keys(store, SECRET)
    open_repository(store, lambda: SECRET).write_object(NAME, b"new epoch")
    hooked.before = read_meanwhile
    assert early.read_object(NAME) == b"new epoch"
    assert others == [b"begun", b"new epoch"]


@pytest.mark.parametrize("size", [0, 1000, 8 * MIB, 17 * MIB + 3])
def test_a_table_comes_back_as_it_was(repository: Repository, tmp_path: Path, size: int) -> None:
    path, fetched = tmp_path / "table", tmp_path / "fetched"
    path.write_bytes(noise(size))
    repository.put_table("index/x", path, 1)
    expected = TableObject(
        name="index/x", size=size, sha256=hashlib.sha256(noise(size)).hexdigest(), rows=1
    )
    repository.fetch_table("index/x", fetched, expected)
    assert fetched.read_bytes() == noise(size)
    with pytest.raises(ConflictError):
        repository.put_table("index/x", path, 1)


LARGE_BROKEN: list[Callable[[Store], Store]] = [
    *BROKEN,
    lambda store: ByteFlipped(store, 9 * MIB),
    lambda store: Truncated(store, lost_size=512 * 16_400),
]


@pytest.mark.parametrize("broken", LARGE_BROKEN, ids=range(len(LARGE_BROKEN)))
def test_a_damaged_large_table_is_named(
    repository: Repository, tmp_path: Path, broken: Callable[[Store], Store]
) -> None:
    path = tmp_path / "table"
    path.write_bytes(noise(17 * MIB))
    repository.put_table("index/x", path, 1)
    with pytest.raises(IntegrityError, match="index/x"):
        through(repository, broken(repository.store)).fetch_table("index/x", tmp_path / "f")


def test_a_whole_table_that_is_another_one_is_refused(
    repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"one")
    repository.put_table("index/x", path, 1)
    expected = TableObject(name="index/x", size=3, sha256="00" * 32, rows=1)
    with pytest.raises(IntegrityError, match="index/x"):
        repository.fetch_table("index/x", tmp_path / "fetched", expected)


def test_a_full_temporary_folder_is_a_stores_failure(
    repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"one")
    repository.put_table("index/x", path, 1)
    with pytest.raises(StoreError, match="temporary"):
        repository.fetch_table("index/x", tmp_path / "gone" / "file")


@pytest.mark.parametrize("size", [1, 20_000, BLOB_SIZE_MAX])
def test_a_blob_is_stored_once(repository: Repository, size: int) -> None:
    blob_id, stored_size = repository.put_blob(noise(size))
    assert stored_size == repository.store.head(names.blob(blob_id)).size
    assert repository.put_blob(noise(size)) == (blob_id, 0)
    assert repository.read_blob(blob_id) == noise(size)
    assert blob_id == ids.loose_blob_id(noise(size), repository.id_key)


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_blob_is_named(repository: Repository, broken: Callable[[Store], Store]) -> None:
    blob_id, _ = repository.put_blob(noise(40_000))
    with pytest.raises(IntegrityError, match=blob_id.hex()):
        through(repository, broken(repository.store)).read_blob(blob_id)


def test_a_blob_under_another_blobs_name_is_refused(repository: Repository) -> None:
    one, _ = repository.put_blob(b"one")
    two, _ = repository.put_blob(b"two")
    swapped = Swapped(repository.store, {names.blob(one): names.blob(two)})
    with pytest.raises(IntegrityError, match=one.hex()):
        through(repository, swapped).read_blob(one)


def test_a_missing_blob_is_missing_and_not_damaged(repository: Repository) -> None:
    with pytest.raises(NotFoundError):
        repository.read_blob(b"x" * 32)


@pytest.fixture
def packed(repository: Repository) -> PackRow:
    """Store a pack of a frame of 100,000 bytes."""
    blob = FrameBlob(
        id=BlobId(b"i" * 32), digest=ids.content_digest(noise(100_000)), length=100_000
    )
    pack = begin_pack(repository, ids.new_session_id())
    pack.add(encode_frame(noise(100_000), 1), [blob])
    return pack.complete()


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (16_384, 16_384), (16_000, 20_000), (99_000, 1_000)]
)
def test_any_range_of_a_pack_is_read_by_itself(
    repository: Repository, packed: PackRow, offset: int, length: int
) -> None:
    reader = repository.open_pack(packed)
    whole = reader.read(0, reader.content_size)
    assert reader.read(offset, length) == whole[offset : offset + length]
    frame_length = len(encode_frame(noise(100_000), 1))
    assert reader.read_frame(0, frame_length) == noise(100_000)


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, 0), (0, 10**6), (10**6, 1)])
def test_ranges_outside_a_pack_are_damage(
    repository: Repository, packed: PackRow, offset: int, length: int
) -> None:
    with pytest.raises(IntegrityError, match=packed.pack_id):
        repository.open_pack(packed).read(offset, length)
    with pytest.raises(IntegrityError, match=packed.pack_id):
        repository.open_pack(packed).read_frame(0, 10**9)


def test_the_identity_says_whether_a_pack_is_sealed_and_not_its_row(
    repository: Repository, packed: PackRow
) -> None:
    if repository.identity.is_encrypted:
        with pytest.raises(IntegrityError, match=packed.pack_id):
            repository.open_pack(replace(packed, header=b""))
    else:
        reader = repository.open_pack(replace(packed, header=b"h" * seal.HEADER_SIZE))
        assert reader.read_frame(0, len(encode_frame(noise(100_000), 1))) == noise(100_000)


def test_records_are_listed_oldest_first_and_voids_are_told(repository: Repository) -> None:
    records = [back_up(repository, {b"a": b"%d" % number}) for number in range(3)]
    void = names.record(repository.identity.id, "20250101T000000000000Z", ids.new_session_id())
    repository.store.put(void, b"")
    listed = repository.list_records()
    assert [one.name for one in listed] == [void, *map(record_name, records)]
    assert [one.is_void for one in listed] == [True, False, False, False]
    assert repository.list_records(ids.new_repository_id()) == []


def test_what_is_no_record_is_left_out_of_the_records(repository: Repository) -> None:
    record = back_up(repository, {b"a": b"1"})
    repository.store.put(f"{names.RECORDS}.DS_Store", b"stray")
    repository.store.put(f"{names.records_of(repository.identity.id)}a.json", b"stray")
    assert [one.name for one in repository.list_records()] == [record_name(record)]


def test_a_record_of_another_point_is_refused(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True))
    one, two = (record_name(back_up(repository, {b"a": bytes([n])})) for n in range(2))
    swapped = through(repository, Swapped(repository.store, {one: two}))
    assert isinstance(swapped.read_record(two), Record)
    with pytest.raises(IntegrityError, match=one):
        swapped.read_record(one)


def test_marks_tell_the_names_that_they_mark(repository: Repository) -> None:
    repository.store.put(names.condemned("run", "index/x-0.parquet"), b"")
    repository.store.put("condemned/run/waiting.json", b"{}")
    repository.store.put(names.damaged("packs/a/b"), b"")
    assert repository.list_marked(names.CONDEMNED) == {"index/x-0.parquet"}
    assert repository.list_marked(names.DAMAGED) == {"packs/a/b"}


def test_the_highest_floor_ever_written_holds(repository: Repository) -> None:
    assert repository.floor() == NO_FLOOR
    for floor in (5, 1_000, 70):
        repository.store.put(f"{names.RETENTION}{floor}.json", b"")
    repository.store.put(f"{names.RETENTION}notes.txt", b"")
    assert repository.floor() == 1_000


def test_a_folder_without_a_repository_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a coldhaul repository"):
        open_repository(FolderStore(tmp_path), None)


def test_an_encrypted_repository_needs_the_right_secret(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    make_repository(store, is_encrypted=True)
    with pytest.raises(InputError, match="names no passphrase"):
        open_repository(store, None)
    with pytest.raises(InputError, match="does not open"):
        open_repository(store, lambda: "wrong")
    assert open_repository(store, lambda: SECRET).keys is not None


def test_a_repository_without_its_keys_says_how_they_come_back(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    make_repository(store, is_encrypted=True)
    store.delete([names.keyset(1)])
    with pytest.raises(IntegrityError, match="no keyset") as caught:
        open_repository(store, lambda: SECRET)
    assert "rebuild" in caught.value.hint


def test_the_secret_of_an_unencrypted_repository_is_never_asked(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    made = make_repository(store)

    def ask() -> str:
        raise AssertionError("nobody needs it")

    assert open_repository(store, ask).identity == made.identity


def test_spaces_are_shared_by_unencrypted_repositories_only(repository: Repository) -> None:
    is_shared = repository.space == ids.SPACE_UNENCRYPTED
    assert is_shared is (repository.keys is None)


def test_items_of_the_builders_read_back(repository: Repository) -> None:
    item = file_item(repository, b"a", noise(BLOB_SIZE_MAX + 1))
    assert [len(repository.read_blob(blob)) for blob in item.blobs] == [BLOB_SIZE_MAX, 1]
    assert below("blobs/")(names.blob(item.blobs[0]))
