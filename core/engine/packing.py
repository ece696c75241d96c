"""One pack from its first frame to the completed upload."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from core import ids
from core.engine.pack_check import PackCheck
from core.errors import ConflictError, IntegrityError
from core.format import names
from core.format.pack import FrameBlob, PackWriter
from core.format.seal import sealed_size
from core.ids import PackId, SessionId
from core.model import PackedBlob, PackRow
from core.sources.repository import Repository
from core.stores.store import ObjectHead

_CHECKS_PENDING_MAX = 2


class OpenPack:
    """A pack being written straight to its store. End it by ``complete`` or ``abort``."""

    def __init__(
        self, repository: Repository, session_id: SessionId, name: str, pack_id: PackId
    ) -> None:
        """Begin the upload of ``name``; nothing is visible before ``complete``."""
        self._session_id = session_id
        self._pack_id = pack_id
        self.writer = PackWriter()
        self._sealer = repository.new_sealer(name)
        self._is_sealed = repository.identity.is_encrypted
        self._check = PackCheck(repository, name)
        self._checker = ThreadPoolExecutor(1, "read-back")
        self._checks: deque[Future[None]] = deque()
        self.target_seconds = 0.0
        self.content_size = 0
        self._name = name
        self._store = repository.store
        self._upload = repository.store.upload(name, is_cold=True)

    def size_with(self, compressed_length: int, blob_count: int) -> int:
        """Return the pack's stored size if this frame were its last."""
        size = self.writer.size_with(compressed_length, blob_count)
        return sealed_size(size) if self._is_sealed else size

    def add(self, compressed: bytes, blobs: Sequence[FrameBlob]) -> list[PackedBlob]:
        """Write a frame and return where its blobs are."""
        rows = self.writer.add_frame(compressed, blobs)
        self.content_size += sum(blob.length for blob in blobs)
        stored = self._sealer.update(compressed)
        self._wait(_CHECKS_PENDING_MAX - 1)
        self._checks.append(
            self._checker.submit(self._check.update, stored, len(compressed), blobs)
        )
        self._write(stored)
        return rows

    def complete(self) -> PackRow:
        """Write the tables, prove that everything reads back, and make the pack visible."""
        tail = self._sealer.update(self.writer.finish()) + self._sealer.finalize()
        self._wait(0)
        sha256 = self._check.finish(tail, self.writer.rows)
        self._write(tail)
        started = time.monotonic()
        head = self._complete_upload()
        self.target_seconds += time.monotonic() - started
        self._checker.shutdown()
        if head.size != self._check.stored_size:
            raise IntegrityError(
                f"{head.name} has {head.size} bytes in its store instead of the "
                f"{self._check.stored_size} that were written",
                hint="The store does not keep what it takes; nothing was published.",
            )
        return PackRow(
            session_id=self._session_id,
            pack_id=self._pack_id,
            size=head.size,
            sha256=sha256,
            checksum_kind=head.checksum_kind,
            checksum_value=head.checksum_value,
            header=self._check.header,
        )

    def _complete_upload(self) -> ObjectHead:
        try:
            return self._upload.complete()
        except ConflictError:
            # Nobody else knows the random name: the answer to our own write was lost.
            return self._store.head(self._name)

    def abort(self) -> None:
        """Leave nothing behind. Harmless after ``complete``."""
        self._checker.shutdown(cancel_futures=True)
        self._upload.abort()

    def _write(self, stored: bytes) -> None:
        started = time.monotonic()
        self._upload.write(stored)
        self.target_seconds += time.monotonic() - started

    def _wait(self, pending_max: int) -> None:
        while len(self._checks) > pending_max:
            self._checks.popleft().result()


def begin_pack(repository: Repository, session_id: SessionId) -> OpenPack:
    """Begin a pack of content under a new id: no attempt ever writes another's name."""
    pack_id = ids.new_pack_id()
    return OpenPack(repository, session_id, names.pack(session_id, pack_id), pack_id)
