"""Metadata packs: ordinary packs that hold a point's own objects once more (I8)."""

import random
from pathlib import Path

import pytest

from core import ids
from core.engine.metadata import (
    Member,
    check_blob,
    list_metadata_packs,
    open_pack_by_name,
    read_metadata_pack,
    read_pack_rows,
    write_metadata_pack,
)
from core.errors import IntegrityError, StoreError
from core.format import names
from core.ids import SessionId, content_digest, new_session_id
from core.limits import BLOB_SIZE_MAX, KIB
from core.model import PackedBlob, Parameters
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import make_repository, names_below, packs_of, through
from tests.support.damaged_stores import ByteFlipped, Truncated
from tests.support.stores import Crash, CrashingStore, Full

SESSION = SessionId("5" * 32)


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    parameters = Parameters(pack_size=64 * KIB, zstd_level=1)
    return make_repository(
        FolderStore(tmp_path / "r", create=True),
        is_encrypted=request.param,
        parameters=parameters,
    )


@pytest.fixture
def members(tmp_path: Path) -> list[Member]:
    """Give members of one byte, of none, and of more than a blob, in memory and in a file."""
    large = tmp_path / "large"
    large.write_bytes(random.Random(5).randbytes(BLOB_SIZE_MAX) + bytes(100))
    return [
        Member(name="restore-points/x", content=b"r"),
        Member(name="layers/empty", content=b""),
        Member(name="layers/large", content=large),
        Member(name="index/zeros", content=bytes(BLOB_SIZE_MAX + 1)),
    ]


def content(member: Member) -> bytes:
    return member.content if isinstance(member.content, bytes) else member.content.read_bytes()


def read_all(repository: Repository, folder: Path) -> dict[str, bytes]:
    ((_, packs),) = list_metadata_packs(repository).items()
    folder.mkdir()
    found = read_metadata_pack(repository, packs, folder)
    return {name: path.read_bytes() for name, path in found.items()}


def test_members_come_back_as_they_were(
    repository: Repository, members: list[Member], tmp_path: Path
) -> None:
    written = write_metadata_pack(repository, SESSION, members)
    assert len(written) > 1, "what does not fit into one pack goes on in the next"
    assert written == sorted(names_below(repository.store, f"{names.PACKS}{SESSION}/"))
    assert read_all(repository, tmp_path / "out") == {
        member.name: content(member) for member in members
    }


def test_its_packs_are_ordinary_packs_whose_ids_are_digests(
    repository: Repository, members: list[Member]
) -> None:
    for name in write_metadata_pack(repository, SESSION, members):
        reader = open_pack_by_name(repository, name, repository.store.head(name).size)
        for row in read_pack_rows(reader):
            blob = reader.read_frame(row.frame_offset, row.frame_length)
            assert ids.content_digest(check_blob(name, row, blob)) == row.digest
            assert bytes(row.id) == row.digest


def test_metadata_packs_are_told_from_packs_of_content(
    repository: Repository, members: list[Member]
) -> None:
    repository.store.put(names.pack(SESSION, ids.new_pack_id()), b"content")
    write_metadata_pack(repository, SESSION, members[:1])
    write_metadata_pack(repository, new_session_id(), members)
    listed = list_metadata_packs(repository)
    assert sorted(len(packs) for packs in listed.values()) == [1, 3]
    assert not set(listed) & set(packs_of(repository))


def test_packs_whose_first_is_missing_are_left_out(
    repository: Repository, members: list[Member]
) -> None:
    first, *_ = write_metadata_pack(repository, SESSION, members)
    repository.store.delete([first])
    assert list_metadata_packs(repository) == {}


def test_one_that_was_cut_off_before_its_last_pack_is_damage(
    repository: Repository, members: list[Member], tmp_path: Path
) -> None:
    *_, last = write_metadata_pack(repository, SESSION, members)
    repository.store.delete([last])
    with pytest.raises(IntegrityError, match="not whole"):
        read_all(repository, tmp_path / "out")


@pytest.mark.parametrize(("number", "position"), [(0, 70), (0, -1), (1, 5_000_000), (2, 60)])
def test_damage_is_named(
    repository: Repository, members: list[Member], tmp_path: Path, number: int, position: int
) -> None:
    name = write_metadata_pack(repository, SESSION, members)[number]
    damaged = through(repository, ByteFlipped(repository.store, position, lambda n: n == name))
    with pytest.raises(IntegrityError, match=name):
        read_all(damaged, tmp_path / "out")


def test_a_truncated_pack_is_named(
    repository: Repository, members: list[Member], tmp_path: Path
) -> None:
    first, *_ = write_metadata_pack(repository, SESSION, members)
    damaged = through(repository, Truncated(repository.store, lambda n: n == first))
    with pytest.raises(IntegrityError, match=first):
        read_all(damaged, tmp_path / "out")


def test_a_pack_that_is_too_short_for_its_tables_is_named(repository: Repository) -> None:
    name = f"{names.PACKS}{SESSION}/meta-{ids.new_pack_id()}"
    for size in (0, 5, 60, 200):
        short = f"{name}-{size + 1}"
        repository.store.put(short, bytes(size))
        with pytest.raises(IntegrityError, match=short):
            read_pack_rows(open_pack_by_name(repository, short, size))


def test_a_failure_leaves_nothing_behind(repository: Repository, members: list[Member]) -> None:
    full = through(repository, Full(repository.store, 100))
    with pytest.raises(StoreError, match="full"):
        write_metadata_pack(full, SESSION, members)
    assert names_below(repository.store, f"{names.PACKS}{SESSION}/") == []


def test_a_blob_that_is_not_what_was_packed_is_not_believed() -> None:
    """I4."""
    row = PackedBlob(
        id=ids.BlobId(b"i" * 32),
        digest=content_digest(b"content"),
        frame_offset=0,
        frame_length=9,
        offset=2,
        length=7,
    )
    assert check_blob("name", row, b"a content") == b"content"
    for frame in (b"a Content", b"a conten", b""):
        with pytest.raises(IntegrityError, match="name"):
            check_blob("name", row, frame)


def test_one_that_was_interrupted_is_seen_to_be_incomplete(
    repository: Repository, members: list[Member], tmp_path: Path
) -> None:
    crashing = CrashingStore(repository.store, 1)
    with pytest.raises(Crash):
        write_metadata_pack(through(repository, crashing), SESSION, members)
    with pytest.raises(IntegrityError):
        read_all(repository, tmp_path / "out")
