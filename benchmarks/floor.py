"""The floor: every stage's CPU, each measured alone, in one thread, over the same blobs.

No library but those that the product uses, called as directly as they can be, on what is at hand
in a processor's caches: one frame's blobs at a time. A session that spent its time on nothing
else, on all cores, would take the sum divided by the cores.
"""

import hashlib
import hmac
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor

from core import limits
from core.format import names
from core.sources.repository import Repository

_TARGET_CONTEXT = b"coldhaul/v1/floor/pack"
READ, WRITE = "read", "write"
STAGES = (
    READ, "unseal", "decompress", "check id", "digest", "compress", "seal", WRITE,
    "open again", "decompress again", "digest again", "digest of pack",
)  # fmt: skip
_OPENING = {"unseal", "decompress", "check id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """CPU seconds of each stage; ``content_size`` bytes of content went through it."""

    stages: dict[str, float]
    content_size: int
    stored_size: int
    single_size: int

    @property
    def cpu(self) -> float:
        """The stages' CPU seconds together, servers aside."""
        return sum(seconds for stage, seconds in self.stages.items() if not is_served(stage))

    @property
    def server_cpu(self) -> float:
        """The servers' CPU seconds in the stages that read and write over HTTP."""
        return sum(seconds for stage, seconds in self.stages.items() if is_served(stage))

    def wall(self, core_count: int) -> float:
        """The wall seconds of a session that did nothing else."""
        return (self.cpu + self.server_cpu) / core_count

    def of_plain_objects(self) -> "Floor":
        """Return the floor of the same content where the source's objects are that and no more."""
        stages = {name: each for name, each in self.stages.items() if name not in _OPENING}
        return replace(self, stages=stages)

    def over_http(self, stages: Mapping[str, float]) -> "Floor":
        """Return the floor with these stages instead of reading and writing files."""
        kept = {name: each for name, each in self.stages.items() if name not in {READ, WRITE}}
        return replace(self, stages={**kept, **stages})


def is_served(stage: str) -> bool:
    """Say whether the stage is a server's, not the client's."""
    return stage.startswith("server: ")


def measure_floor(source: Repository, folder: Path) -> Floor:
    """Take every loose blob of a sealed repository through every stage."""
    heads = list(source.store.list(names.BLOBS))
    root = source.store.url.removeprefix("file://")
    work = _Work(source, folder / "floor.pack")
    try:
        for group in _groups([head.name for head in heads], _blob_size(source, heads[0].name)):
            work.take(root, group)
        return work.finish()
    finally:
        work.close()


def _blob_size(source: Repository, name: str) -> int:
    return len(source.read_blob(bytes.fromhex(name.rsplit("/", 1)[1])))


def _groups(found: Sequence[str], blob_size: int) -> Iterator[Sequence[str]]:
    """Yield the names of one frame's blobs after the other's."""
    count = max(1, limits.FRAME_SIZE_TARGET // blob_size)
    for start in range(0, len(found), count):
        yield found[start : start + count]


class _Work:
    """The stages, with a clock around each."""

    def __init__(self, source: Repository, path: Path) -> None:
        assert source.keys is not None, "the floor is that of a sealed source"
        self._source = source
        self._key = source.keys.ring.newest
        self._id_key = source.keys.ring.id_key
        level = source.identity.parameters.zstd_level
        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()
        self._sealer = Cobblestone256Encryptor(self._key, _TARGET_CONTEXT)
        self._opener = Cobblestone256Decryptor(self._key, _TARGET_CONTEXT)
        self._stored_digest = hashlib.sha256()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._seconds: dict[str, float] = defaultdict(float)
        self._content_size = self._stored_size = self._single_size = 0
        self._began = 0.0

    def _begin(self) -> None:
        self._began = time.thread_time()

    def _end(self, stage: str) -> None:
        self._seconds[stage] += time.thread_time() - self._began

    def take(self, root: str, blob_names: Sequence[str]) -> None:
        contents = self._fetch(root, blob_names)
        self._content_size += sum(map(len, contents))
        self._begin()
        frame = self._compressor.compress(b"".join(contents))
        self._end("compress")
        self._begin()
        stored = self._sealer.update(frame)
        self._end("seal")
        self._write(stored)
        self._begin()
        self._opener.update(stored)
        self._end("open again")
        self._begin()
        content = memoryview(self._decompressor.decompress(frame))
        self._end("decompress again")
        self._begin()
        start = 0
        for length in map(len, contents):
            hashlib.sha256(content[start : start + length]).digest()
            start += length
        self._end("digest again")

    def _fetch(self, root: str, blob_names: Sequence[str]) -> list[bytes]:
        self._begin()
        stored = [_read(f"{root}/{name}") for name in blob_names]
        self._end(READ)
        contexts = [self._source.context(name) for name in blob_names]
        self._begin()
        frames = [
            _open(self._key, context, each) for context, each in zip(contexts, stored, strict=True)
        ]
        self._end("unseal")
        self._single_size += sum(map(len, frames))
        self._begin()
        contents = [self._decompressor.decompress(frame) for frame in frames]
        self._end("decompress")
        self._begin()
        for content in contents:
            hmac.digest(self._id_key, content, "sha256")
        self._end("check id")
        self._begin()
        for content in contents:
            hashlib.sha256(content).digest()
        self._end("digest")
        return contents

    def _write(self, stored: bytes) -> None:
        self._begin()
        os.write(self._file, stored)
        self._end(WRITE)
        self._stored_size += len(stored)
        self._begin()
        self._stored_digest.update(stored)
        self._end("digest of pack")

    def finish(self) -> Floor:
        self._write(self._sealer.finalize())
        self._begin()
        os.fsync(self._file)
        self._end(WRITE)
        return Floor(
            stages={stage: self._seconds[stage] for stage in STAGES},
            content_size=self._content_size,
            stored_size=self._stored_size,
            single_size=self._single_size,
        )

    def close(self) -> None:
        os.close(self._file)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _open(key: bytes, context: bytes, stored: bytes) -> bytes:
    opener = Cobblestone256Decryptor(key, context)
    return opener.update(stored) + opener.finalize()
