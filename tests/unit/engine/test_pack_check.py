"""The reading back of a pack while it is written finds every difference."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import ids
from core.engine.pack_check import PackCheck
from core.errors import IntegrityError
from core.format.frame import encode_frame
from core.format.pack import FrameBlob, PackWriter
from core.ids import BlobId
from core.model import PackedBlob
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import make_repository

NAME = "packs/x/y"
Change = Callable[[bytes], bytes]


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    return make_repository(FolderStore(tmp_path, create=True), is_encrypted=request.param)


def frames(sizes: list[int]) -> Iterator[tuple[bytes, list[FrameBlob]]]:
    """Yield frames whose compressed bytes have these sizes, nearly: noise stays as it is."""
    for size in sizes:
        content = random.Random(size).randbytes(size)
        digest = ids.content_digest(content)
        yield encode_frame(content, 1), [FrameBlob(id=BlobId(digest), digest=digest, length=size)]


def same(data: bytes) -> bytes:
    return data


def check(
    repository: Repository, sizes: list[int], change: Change = same, number: int = -1
) -> tuple[PackCheck, bytes, list[PackedBlob]]:
    """Write a pack whose ``number``-th piece is changed on its way; -1 is the last one."""
    checked = PackCheck(repository, NAME)
    writer, sealer = PackWriter(), repository.new_sealer(NAME)
    pieces: list[tuple[bytes, int, list[FrameBlob]]] = []
    for compressed, blobs in frames(sizes):
        writer.add_frame(compressed, blobs)
        pieces.append((sealer.update(compressed), len(compressed), blobs))
    tail = sealer.update(writer.finish()) + sealer.finalize()
    stored = [change(piece[0]) if at == number else piece[0] for at, piece in enumerate(pieces)]
    for data, (_, length, blobs) in zip(stored, pieces, strict=True):
        checked.update(data, length, blobs)
    tail = change(tail) if number == -1 else tail
    return checked, checked.finish(tail, writer.rows), writer.rows


# Around a chunk's end, within one chunk, over several: with headers of 9 bytes and more.
SIZES = [
    [1],
    [100, 1, 5_000],
    [16_384],
    [16_384 - 13],
    [16_370, 14, 16_384, 3],
    [40_000, 1, 100_000],
    [1] * 40,
]


@pytest.mark.parametrize("sizes", SIZES, ids=range(len(SIZES)))
def test_a_pack_that_reads_back_has_a_digest_a_size_and_a_header(
    repository: Repository, sizes: list[int]
) -> None:
    checked, sha256, rows = check(repository, sizes)
    assert len(sha256) == 32
    assert len(checked.header) == (56 if repository.keys else 0)
    assert checked.stored_size > sum(sizes)
    assert [row.length for row in rows] == sizes


def test_any_place_of_a_chunks_end_reads_back(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True), is_encrypted=True)
    for size in range(16_384 - 120, 16_384 + 8, 3):
        check(repository, [size, 20])


def flip(position: int) -> Change:
    def change(data: bytes) -> bytes:
        altered = bytearray(data)
        altered[position % len(data)] ^= 1
        return bytes(altered)

    return change


@pytest.mark.parametrize("number", [0, 1, 2, -1])
@pytest.mark.parametrize("position", [0, 5_000, -1])
def test_a_bit_that_flips_on_the_way_is_found(
    repository: Repository, number: int, position: int
) -> None:
    with pytest.raises(IntegrityError):
        check(repository, [20_000, 30_000, 20_000], flip(position), number)


def test_bytes_that_are_lost_or_added_are_found(repository: Repository) -> None:
    for change in (lambda data: data[:-1], lambda data: data + b"x"):
        for number in (0, -1):
            with pytest.raises(IntegrityError):
                check(repository, [20_000, 30_000], change, number)


def test_a_pack_that_ends_within_a_frame_is_found(repository: Repository) -> None:
    checked = PackCheck(repository, NAME)
    sealer = repository.new_sealer(NAME)
    checked.update(sealer.update(b"half"), 1_000, [])
    with pytest.raises(IntegrityError, match="ends within a frame"):
        checked.finish(sealer.finalize(), [])


def test_tables_that_name_other_blobs_are_found(repository: Repository) -> None:
    checked, sealer = PackCheck(repository, NAME), repository.new_sealer(NAME)
    writer = PackWriter()
    ((compressed, blobs),) = frames([50])
    writer.add_frame(compressed, blobs)
    checked.update(sealer.update(compressed), len(compressed), blobs)
    tail = sealer.update(writer.finish()) + sealer.finalize()
    with pytest.raises(IntegrityError, match="other blobs"):
        checked.finish(tail, [])


def test_a_frame_that_holds_more_than_its_blobs_is_found(tmp_path: Path) -> None:
    checked = PackCheck(make_repository(FolderStore(tmp_path, create=True)), NAME)
    ((compressed, blobs),) = frames([50])
    content = random.Random(50).randbytes(50)
    first = FrameBlob(id=blobs[0].id, digest=ids.content_digest(content[:20]), length=20)
    with pytest.raises(IntegrityError, match="more than its blobs"):
        checked.update(compressed, len(compressed), [first])
