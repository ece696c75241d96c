"""One pack, from its first frame to the completed upload."""

import hashlib
import random
from pathlib import Path

import pytest

from core import ids
from core.engine.metadata import open_pack_by_name, read_pack_rows
from core.engine.packing import OpenPack, begin_pack
from core.errors import IntegrityError, StoreError
from core.format import names
from core.format.frame import encode_frame
from core.format.pack import FrameBlob
from core.ids import BlobId, new_session_id
from core.model import PackedBlob, PackRow
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from core.stores.store import ObjectHead, Upload
from tests.support.copies import make_repository, names_below, through
from tests.support.stores import Full, LostAnswer, Wrapping


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    return make_repository(FolderStore(tmp_path, create=True), is_encrypted=request.param)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def add(pack: OpenPack, *sizes: int) -> list[PackedBlob]:
    contents = [noise(size) for size in sizes]
    blobs = [
        FrameBlob(id=BlobId(ids.content_digest(c)), digest=ids.content_digest(c), length=len(c))
        for c in contents
    ]
    return pack.add(encode_frame(b"".join(contents), 1), blobs)


def packed(repository: Repository, *frames: tuple[int, ...]) -> tuple[PackRow, list[PackedBlob]]:
    pack = begin_pack(repository, new_session_id())
    rows = [row for sizes in frames for row in add(pack, *sizes)]
    return pack.complete(), rows


def test_a_pack_tells_truly_what_was_stored(repository: Repository) -> None:
    row, rows = packed(repository, (10, 20), (30_000,), (1,))
    name = names.pack_of(row)
    stored = repository.store.get(name)
    assert (row.size, row.sha256) == (len(stored), hashlib.sha256(stored).digest())
    assert row.header == (stored[:56] if repository.keys else b"")
    assert read_pack_rows(open_pack_by_name(repository, name, row.size)) == rows
    reader = repository.open_pack(row)
    for placed in rows:
        content = reader.read_frame(placed.frame_offset, placed.frame_length)
        piece = content[placed.offset : placed.offset + placed.length]
        assert piece == noise(placed.length)


def test_its_size_with_another_frame_is_known_before(repository: Repository) -> None:
    pack = begin_pack(repository, new_session_id())
    add(pack, 20_000)
    expected = pack.size_with(len(encode_frame(noise(300) + noise(400), 1)), 2)
    add(pack, 300, 400)
    assert pack.complete().size == expected
    assert pack.content_size == 20_700


def test_every_attempt_has_a_name_of_its_own(repository: Repository) -> None:
    session_id = new_session_id()
    first, second = (begin_pack(repository, session_id) for _ in range(2))
    for pack in (first, second):
        add(pack, 10)
        pack.complete()
    assert len(names_below(repository.store, f"{names.PACKS}{session_id}/")) == 2


def test_one_that_is_given_up_leaves_nothing(repository: Repository) -> None:
    before = names_below(repository.store)
    pack = begin_pack(repository, new_session_id())
    add(pack, 10)
    pack.abort()
    pack.abort()
    assert names_below(repository.store) == before


def test_a_store_that_fails_ends_it(repository: Repository) -> None:
    before = names_below(repository.store)
    full = through(repository, Full(repository.store, 1_000))
    pack = begin_pack(full, new_session_id())
    with pytest.raises(StoreError, match="full"):
        add(pack, 50_000)
    pack.abort()
    assert names_below(repository.store) == before


def test_a_lost_answer_is_read_and_not_believed(repository: Repository) -> None:
    row, rows = packed(through(repository, LostAnswer(repository.store)), (10, 20))
    name = names.pack_of(row)
    assert read_pack_rows(open_pack_by_name(repository, name, row.size)) == rows


class Shortening(Wrapping):
    """A store that loses the last byte of what it takes, and says so."""

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        upload.abort()
        return self.inner.put(name, b"short")


def test_a_store_that_does_not_keep_what_it_takes_is_found_out(repository: Repository) -> None:
    with pytest.raises(IntegrityError, match="5 bytes in its store"):
        packed(through(repository, Shortening(repository.store)), (10,))


def test_content_that_is_not_what_its_digest_says_is_never_stored(
    repository: Repository,
) -> None:
    """I1: an archived object cannot be read back, so all of it is read before it is one."""
    before = names_below(repository.store)
    pack = begin_pack(repository, new_session_id())
    wrong = FrameBlob(id=BlobId(b"i" * 32), digest=ids.content_digest(b"one"), length=3)
    pack.add(encode_frame(b"two", 1), [wrong])
    with pytest.raises(IntegrityError, match="did not read back"):
        pack.complete()
    pack.abort()
    assert names_below(repository.store) == before
