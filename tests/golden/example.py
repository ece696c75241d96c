"""The small repository from which docs/format.md takes its examples.

Its bytes are in ``data/example`` and were written once: seals are random, so every new one is
different. ``python -m tests.golden.example`` writes another one and prints the examples; with
``--show`` it only prints those of the present one. What it prints belongs into the document.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from core.format import names, pack, records, seal
from core.format.frame import encode_frame
from core.format.keyset import (
    KeyRing,
    Keyset,
    decode_keyset,
    encode_keyset,
    new_key_ring,
    open_key_ring,
    seal_key_ring,
)
from core.format.pack import FrameBlob, PackWriter
from core.format.wrapping import new_kek, unwrap, wrap_passphrase, wrap_recovery
from core.ids import (
    BlobId,
    JobId,
    PackId,
    PointId,
    RepositoryId,
    SessionId,
    blob_space,
    content_digest,
    loose_blob_id,
    packed_blob_id,
)
from core.model import Identity, Layer, Record, RetentionType, SessionKind, TableObject

FOLDER = Path(__file__).parent / "data" / "example"
PASSPHRASE = "correct horse battery staple"
RECOVERY_KEY = "AAAQEAY-EAUDAOC-AJBIFQY-DIOB4IB-CEQTCQK-RMFYYDE-NBWHA5D-YP6NSPE"
SOURCE_ID = RepositoryId("5d0c1f5e8a7b4c6d9e0f1a2b3c4d5e6f")
SESSION_ID = SessionId("a1b2c3d4e5f60718293a4b5c6d7e8f90")
PACK_ID = PackId("00112233445566778899aabbccddeeff")
IDENTITY = Identity(
    id=RepositoryId("0123456789abcdef0123456789abcdef"),
    format_version=1,
    retention_type=RetentionType.SNAPSHOT_BASED,
    is_encrypted=True,
    created="20260102T030405678901Z",
)
# Two frames: two small blobs together, one alone.
FRAMES = ((b"Cold", b"haul"), (b"keeps a second copy",))
PACK = names.pack(SESSION_ID, PACK_ID)


def read(name: str) -> bytes:
    """Return one of the example's objects."""
    return (FOLDER / name).read_bytes()


def stored_keyset() -> Keyset:
    """Return the example's keyset."""
    return decode_keyset(read(names.packed_keyset(1)), 1)


@cache
def key_ring() -> KeyRing:
    """Open the example's keys with its passphrase."""
    kek = unwrap(stored_keyset(), PASSPHRASE)
    assert kek is not None
    return open_key_ring(kek, stored_keyset(), IDENTITY.id)


def pack_content() -> bytes:
    """Open the example's pack."""
    context = seal.context(IDENTITY.id, PACK)
    return seal.open_sealed(key_ring().newest_first, context, read(PACK))


def blob_id(content: bytes) -> BlobId:
    """Return the id that a blob of the example's unencrypted source has in the pack."""
    space = blob_space(SOURCE_ID, is_encrypted=False)
    return packed_blob_id(loose_blob_id(content, None), space, key_ring().id_key)


def write() -> None:
    """Write a new example over the present one."""
    kek, ring = new_kek(), new_key_ring()
    key_ring.cache_clear()
    slots = (wrap_passphrase(kek, PASSPHRASE, "main"), wrap_recovery(kek, RECOVERY_KEY, "paper"))
    sealed_keys = seal_key_ring(kek, ring, IDENTITY.id, 1)
    keyset = encode_keyset(Keyset(version=1, slots=slots, sealed_keys=sealed_keys))
    for name, data in (
        (names.PACKED_REPOSITORY, records.encode_identity(IDENTITY)),
        (names.packed_keyset(1), keyset),
    ):
        _put(name, data)
    _put(PACK, seal.seal(ring.newest, seal.context(IDENTITY.id, PACK), _new_pack()))


def _put(name: str, data: bytes) -> None:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _new_pack() -> bytes:
    writer = PackWriter()
    content = b""
    for blobs in FRAMES:
        compressed = encode_frame(b"".join(blobs), IDENTITY.parameters.zstd_level)
        writer.add_frame(
            compressed,
            [
                FrameBlob(id=blob_id(blob), digest=content_digest(blob), length=len(blob))
                for blob in blobs
            ],
        )
        content += compressed
    return content + writer.finish()


def show_pack() -> str:
    """Return the pack's content, field by field: offset, bytes, meaning."""
    return "\n".join(
        f"{offset:4}  {hexadecimal:<40}  {meaning}".rstrip()
        for offset, field, meaning in _pack_fields()
        for offset, hexadecimal, meaning in _lines(offset, field, meaning)
    )


def _lines(offset: int, field: bytes, meaning: str) -> Iterator[tuple[int, str, str]]:
    for start in range(0, len(field), 16):
        piece = field[start : start + 16]
        text = " ".join(piece[at : at + 4].hex() for at in range(0, len(piece), 4))
        yield offset + start, text, "" if start else meaning


def _pack_fields() -> Iterator[tuple[int, bytes, str]]:
    content = pack_content()
    rows = pack.read_tail(len(content), content)
    frames = sorted({(row.frame_offset, row.frame_length) for row in rows})
    fields = [(length, f"frame {number}") for number, (_, length) in enumerate(frames)]
    fields += [(4, "table of contents: magic 0x184D2A50"), (4, "its size"), (4, "version 1")]
    for number in range(len(rows)):
        fields += [(32, f"blob {number}: id"), (32, "SHA-256 of its content"), (4, "its length")]
    fields += [(4, "seek table: magic 0x184D2A5E"), (4, "its size")]
    for number in range(len(frames)):
        fields += [(4, f"frame {number}: compressed size"), (4, "decompressed size")]
    fields += [(4, "table of contents: compressed size"), (4, "decompressed size")]
    fields += [(4, "footer: number of entries"), (1, "descriptor"), (4, "magic 0x8F92EAB1")]
    offset = 0
    for size, meaning in fields:
        yield offset, content[offset : offset + size], meaning
        offset += size
    assert offset == len(content)


def show_sealed_pack() -> str:
    """Return the stored bytes of the pack."""
    stored = read(PACK)
    return "\n".join(stored[start : start + 32].hex() for start in range(0, len(stored), 32))


def show_seal() -> str:
    """Return how the pack's seal is derived."""
    stored, key = read(PACK), key_ring().newest
    context = seal.context(IDENTITY.id, PACK)
    object_key, base_nonce, commitment = seal.derive(key, context, stored[:24])
    texts = {
        "context": context.decode(),
        "content key": key.hex(),
        "salt": stored[:24].hex(),
        "object key": object_key.hex(),
        "base nonce": base_nonce.hex(),
        "commitment": commitment.hex(),
    }
    return "\n".join(f"{name:<12} {text}" for name, text in texts.items())


def show_keys() -> str:
    """Return the key ring that the keyset seals, as it is sealed."""
    return records.encode(key_ring()).decode()


def show_ids() -> str:
    """Return the ids of the first blob in the different spaces."""
    blob = FRAMES[0][0]
    id_key = key_ring().id_key
    sha256 = hashlib.sha256(blob).digest()
    texts = {
        "content": blob.decode(),
        "SHA-256 of the content": sha256.hex(),
        "loose, not encrypted": loose_blob_id(blob, None).hex(),
        "loose, encrypted": loose_blob_id(blob, id_key).hex(),
        "packed, not encrypted": packed_blob_id(sha256, "sha256", None).hex(),
        "packed, encrypted": packed_blob_id(sha256, "sha256", id_key).hex(),
    }
    return "\n".join(f"{name:<23} {text}" for name, text in texts.items())


def record() -> Record:
    """Return a copy's record of the example's two files."""
    source_session = SessionId("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
    sha256 = hashlib.sha256(b"the Parquet bytes").hexdigest()
    layer = TableObject(name=names.layer(SESSION_ID, 0), size=1490, sha256=sha256, rows=3)
    source_layer = replace(layer, name=names.layer(source_session, 0))
    return Record(
        source_id=SOURCE_ID,
        source_point=PointId(f"20260102T040000000000Z-{source_session}"),
        session_id=SESSION_ID,
        kind=SessionKind.COPY,
        job_id=JobId("nightly"),
        parent=None,
        layers=(Layer(objects=(layer,), rows=3),),
        index=(replace(layer, name=names.index(SESSION_ID, 0), size=2210),),
        source_layers=(Layer(objects=(source_layer,), rows=3),),
        data_set="/srv/data",
        item_count=3,
        content_size=27,
        added_count=3,
        new_blob_count=3,
        new_content_size=27,
        pack_count=1,
        stored_size=len(read(PACK)),
    )


def all_blocks() -> dict[str, str]:
    """Return every example that the document shows, by what it is."""
    return {
        "repository.json": read(names.PACKED_REPOSITORY).decode().rstrip(),
        "keyset": read(names.packed_keyset(1)).decode().rstrip(),
        "keys": show_keys(),
        "seal": show_seal(),
        "sealed pack": show_sealed_pack(),
        "pack": show_pack(),
        "ids": show_ids(),
        "record": json.dumps(json.loads(records.encode(record())), indent=2),
    }


if __name__ == "__main__":
    if "--show" not in sys.argv[1:]:
        write()
    for title, block in all_blocks().items():
        print(f"--- {title}\n{block}")
