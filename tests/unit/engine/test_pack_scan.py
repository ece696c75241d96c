"""A whole pack is read once; damage costs the blobs it hits and no others."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.engine.pack_scan import PackScan, scan_pack
from core.errors import NotReadyError
from core.format import seal
from core.limits import MIB
from core.sources.repository import Repository
from tests.support.copies import make_repository, through
from tests.support.damaged_stores import ByteFlipped
from tests.support.points import MadePack, write_pack
from tests.support.repositories import new_store
from tests.support.stores import Recording, below

# Frames of one, several and many blobs; the last but one is larger than a piece of the seal.
FRAMES = [
    [b"a"],
    [b"b" * 100, b"c" * 50_000],
    [hashlib.sha256(bytes([n])).digest() * 40 for n in range(64)],
    [hashlib.shake_128(b"large").digest(5 * MIB)],
    [b"last"],
]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    folder: Path = tmp_path_factory.mktemp("packs")
    return make_repository(new_store(folder), is_encrypted=request.param)


@pytest.fixture(scope="module")
def made(repository: Repository) -> MadePack:
    return write_pack(repository, FRAMES)


def scan(repository: Repository, made: MadePack) -> PackScan:
    return scan_pack(repository, made.name, made.row.size, made.blobs, lambda _: None)


def flipped(repository: Repository, made: MadePack, position: int) -> PackScan:
    store = ByteFlipped(repository.store, position, below(made.name))
    return scan(through(repository, store), made)


def test_a_whole_pack_is_what_its_row_says(repository: Repository, made: MadePack) -> None:
    found = scan(repository, made)
    assert found.faults == ()
    assert found.bad == frozenset()
    assert tuple(found.rows) == made.blobs
    assert (found.sha256, found.header) == (made.row.sha256, made.row.header)


def test_without_an_index_the_table_of_contents_tells(
    repository: Repository, made: MadePack
) -> None:
    found = scan_pack(repository, made.name, made.row.size, (), lambda _: None)
    assert tuple(found.rows) == made.blobs


def test_every_stored_byte_is_read_and_told(repository: Repository, made: MadePack) -> None:
    store = Recording(repository.store)
    told: list[int] = []
    scan_pack(through(repository, store), made.name, made.row.size, made.blobs, told.append)
    assert sum(told) == made.row.size - len(made.row.header)
    # Beside the pack itself only its tables and its header.
    assert made.row.size <= store.read_size < made.row.size + 5 * seal.STORED_CHUNK_SIZE


def test_who_is_told_may_stop_it(repository: Repository, made: MadePack) -> None:
    def stop(_: int) -> None:
        raise NotReadyError("stopped")

    with pytest.raises(NotReadyError):
        scan_pack(repository, made.name, made.row.size, made.blobs, stop)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(
    repository: Repository, made: MadePack, data: st.DataObject
) -> None:
    """Whatever the damage: what is not called bad can be read, byte for byte (I4)."""
    position = data.draw(st.integers(0, made.row.size - 1))
    found = flipped(repository, made, position)
    assert found.faults or found.sha256 != made.row.sha256
    assert {row.id for row in found.rows} >= found.bad


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_damage_costs_the_blobs_of_its_frame_or_chunk(
    repository: Repository, made: MadePack, number: int
) -> None:
    starts = sorted({blob.frame_offset for blob in made.blobs})
    blobs = [blob for blob in made.blobs if blob.frame_offset == starts[number]]
    middle = starts[number] + blobs[0].frame_length // 2
    if made.row.header:
        chunk = middle // seal.CHUNK_SIZE
        position = seal.HEADER_SIZE + middle + chunk * seal.TAG_SIZE
        first, end = chunk * seal.CHUNK_SIZE, (chunk + 1) * seal.CHUNK_SIZE
    else:
        position, first, end = middle, middle, middle + 1
    hit = {
        blob.id
        for blob in made.blobs
        if blob.frame_offset < end and first < blob.frame_offset + blob.frame_length
    }
    found = flipped(repository, made, position)
    assert found.bad == hit
    assert found.faults
    assert len(found.rows) == len(made.blobs)


@pytest.mark.parametrize("position", [-1, -40])
def test_behind_an_unreadable_table_the_index_finds_the_blobs(
    repository: Repository, made: MadePack, position: int
) -> None:
    found = flipped(repository, made, position)
    assert found.faults
    first = {blob.id for blob in made.blobs if blob.frame_offset == 0}
    assert not first & found.bad


def test_a_pack_whose_seal_does_not_open_is_lost_whole(
    repository: Repository, made: MadePack
) -> None:
    if not made.row.header:
        pytest.skip("it has no seal")
    found = flipped(repository, made, 40)
    assert found.bad == {blob.id for blob in made.blobs}


def test_rows_that_the_pack_does_not_have_are_bad(repository: Repository, made: MadePack) -> None:
    wrong = replace(made.blobs[1], offset=made.blobs[1].offset + 1)
    found = scan_pack(repository, made.name, made.row.size, [made.blobs[0], wrong], lambda _: None)
    assert found.bad == {wrong.id}
    assert found.faults == ("the index places a blob where the pack has none",)


def test_many_equal_faults_are_one_line(repository: Repository, made: MadePack) -> None:
    wrong = [replace(blob, length=blob.length + 1) for blob in made.blobs]
    found = scan_pack(repository, made.name, made.row.size, wrong, lambda _: None)
    assert found.faults == (
        f"the index places a blob where the pack has none ({len(wrong)} times)",
    )
