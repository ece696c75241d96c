"""read_pack.py names every damaged pack, writes nothing wrong, and goes on with the others."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard

from core import ids
from core.format import names
from core.format.frame import encode_frame
from core.format.pack import FrameBlob, PackWriter
from core.ids import BlobId, PackId
from core.sources.repository import Repository
from tests.golden.reading import PACK_NAME, SESSION, Reading, by_id, packs_folder, put_pack
from tests.support.copies import make_repository
from tests.support.repositories import new_store

SEALED = pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "sealed"])
CONTENTS = (b"first", b"second", bytes(1000))


def damage(repository: Repository, variants: Iterable[bytes]) -> dict[str, bytes]:
    """Put damaged versions of a pack beside it, under names of their own."""
    found = {}
    for number, stored in enumerate(variants):
        name = names.pack(SESSION, PackId(f"{number:032x}"))
        repository.store.put(name, stored)
        found[name] = stored
    return found


def read_damaged(repository: Repository, output: Path, variants: Iterable[bytes]) -> None:
    """Check that each variant is named and that nothing but the blobs of the pack is written."""
    damaged = damage(repository, variants)
    reading = Reading(packs_folder(repository), output)
    assert reading.status == 1
    assert damaged.keys() - reading.names_of_problems() == set()
    assert reading.files.items() <= by_id(CONTENTS).items()


@SEALED
def test_a_pack_cut_anywhere_is_named(tmp_path: Path, is_encrypted: bool) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=is_encrypted)
    put_pack(repository, CONTENTS)
    stored = repository.store.get(PACK_NAME)
    read_damaged(repository, tmp_path / "output", (stored[:size] for size in range(len(stored))))


def test_a_sealed_pack_is_proved_in_every_byte_and_under_its_name(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    put_pack(repository, CONTENTS)
    stored = repository.store.get(PACK_NAME)
    changed = [
        stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :] for at in range(len(stored))
    ]
    read_damaged(repository, tmp_path / "output", [*changed, stored, stored + b"\0"])


def test_a_sealed_pack_cut_between_chunks_is_named(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    put_pack(repository, [random.Random(4).randbytes(50_000)])
    stored = repository.store.get(PACK_NAME)
    repository.store.delete([PACK_NAME])
    repository.store.put(PACK_NAME, stored[: 56 + 2 * 16_400])
    reading = Reading(packs_folder(repository), tmp_path / "output")
    problem = "chunk 2 of its seal is damaged or missing"
    assert (reading.status, reading.files) == (1, {})
    assert reading.problems == [f"{PACK_NAME}: {problem}"]


def test_an_unsealed_pack_is_proved_in_every_byte_but_the_ids(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path / "target"))
    put_pack(repository, CONTENTS)
    stored = repository.store.get(PACK_NAME)
    held = {stored.index(ids.content_digest(content)) for content in CONTENTS}
    id_bytes = {at for start in held for at in range(start, start + 32)}
    read_damaged(
        repository,
        tmp_path / "output",
        [
            stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
            for at in range(len(stored))
            if at not in id_bytes
        ],
    )


def test_no_unsealed_pack_is_taken_in_an_encrypted_repository(tmp_path: Path) -> None:
    plain = make_repository(new_store(tmp_path / "plain"))
    sealed = make_repository(new_store(tmp_path / "sealed"), is_encrypted=True)
    put_pack(plain, CONTENTS)
    read_damaged(sealed, tmp_path / "output", [plain.store.get(PACK_NAME)])


def test_a_frame_that_is_not_as_the_document_has_it_is_refused(tmp_path: Path) -> None:
    content = b"content of a frame"
    digest = ids.content_digest(content)
    good = encode_frame(content, 1)
    frames = {
        "no checksum": zstandard.ZstdCompressor(write_checksum=False).compress(content),
        "no size": zstandard.ZstdCompressor(write_content_size=False).compress(content),
        "two frames": good + good,
        "skippable": b"\x50\x2a\x4d\x18\0\0\0\0" + good,
        "another size": encode_frame(content + b"!", 1),
        "not zstd": content,
    }
    variants = []
    for frame in frames.values():
        pack = PackWriter()
        pack.add_frame(frame, [FrameBlob(id=BlobId(digest), digest=digest, length=len(content))])
        variants.append(frame + pack.finish())
    repository = make_repository(new_store(tmp_path / "target"))
    read_damaged(repository, tmp_path / "output", variants)
