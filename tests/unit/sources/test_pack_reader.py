"""Ranges of packs, and frames that name where they are damaged.

``test_repository.py`` reads ranges of real packs, sealed and not.
"""

from pathlib import Path

import pytest

from core.errors import IntegrityError
from core.format.frame import FrameDecoder, encode_frame
from core.limits import FRAME_STORED_SIZE_MAX
from core.sources.pack_reader import PackReader, PlainSealer, decode_named_frame, decode_pieces
from core.stores.folder import FolderStore


def test_a_frame_is_read_out_of_plain_bytes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    frame = encode_frame(b"content", 1)
    store.put("pack", b"before" + frame + b"after")
    reader = PackReader(store, "pack", len(frame) + 11, None)
    assert reader.read_frame(6, len(frame)) == b"content"
    assert reader.read(0, 6) == b"before"
    for offset, length in ((-1, 2), (0, 0), (0, len(frame) + 12)):
        with pytest.raises(IntegrityError, match="pack has no bytes"):
            reader.read(offset, length)
    with pytest.raises(IntegrityError, match="pack has no frame"):
        reader.read_frame(0, FRAME_STORED_SIZE_MAX + 1)


def test_damage_names_its_object() -> None:
    with pytest.raises(IntegrityError, match="index/x: "):
        decode_named_frame("index/x", b"no frame", 100)


def test_a_large_frame_comes_in_pieces() -> None:
    frame = encode_frame(b"content", 1)
    pieces = decode_pieces(FrameDecoder(100), iter([frame[:5], frame[5:]]))
    assert b"".join(pieces) == b"content"
    with pytest.raises(IntegrityError):
        list(decode_pieces(FrameDecoder(100), iter([frame[:5]])))


def test_no_seal_changes_nothing() -> None:
    sealer = PlainSealer()
    assert sealer.update(b"content") + sealer.finalize() == b"content"
