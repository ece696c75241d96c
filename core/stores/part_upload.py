"""One object on its way in parts of one size, a few of them under way at once.

What ends before the first part is full goes as one plain write. Parts wait in memory, very large
ones in files without a name, so that they can be sent again.
"""

import hashlib
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedRandom
from typing import Generic, TypeVar

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.stores.pacing import Bandwidth, Pacer
from core.stores.part_sizes import Bounds, count_in_flight, is_kept_in_memory, size_parts
from core.stores.store import ObjectHead

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTarget:
    """Where an upload goes.

    ``size`` is what the object will have, 0 where that is unknown and little. ``head`` looks at it
    by one request, for use inside of ``pacer``. ``items`` is the key where it is another tool's:
    ``location`` does not have it then. ``overwrite`` lets it take the place of what is there.
    """

    location: str
    head: Callable[[], ObjectHead]
    pacer: Pacer
    bandwidth: Bandwidth
    items: tuple[str, ...] = ()
    size: int = 0
    overwrite: bool = False


Target = TypeVar("Target", bound=UploadTarget)


class Part:
    """The bytes of one part. They are written by one thread and then read by another."""

    def __init__(self, size_max: int, *, in_memory: bool, expected: int = 0) -> None:
        """Begin without any; ``size_max`` is how many there will be at most.

        Memory for ``expected`` is had at once: memory that grows leaves holes of what it was.
        """
        self._memory = bytearray()
        self._size_max = size_max
        self._expected = expected
        # Closed by ``close``: it lives as long as its upload.
        self._file = None if in_memory else tempfile.TemporaryFile()  # noqa: SIM115
        self.size = 0

    def write(self, piece: memoryview) -> None:
        """Copy the next bytes: whoever wrote may use the memory again."""
        if self._file is None:
            self._reserve(self.size + len(piece))
            self._memory[self.size : self.size + len(piece)] = piece
        else:
            self._file.write(piece)
            # A disk without room says so here, and not where the bytes are read.
            self._file.flush()
        self.size += len(piece)

    def _reserve(self, size: int) -> None:
        """Make room: twice as much each time, but not more than ever needed, as Python would."""
        before = len(self._memory)
        if size > before:
            wanted = min(self._size_max, max(size, 2 * before, self._expected))
            if before:
                self._memory += bytes(wanted - before)
            else:
                self._memory = bytearray(wanted)

    @property
    def memory(self) -> bytearray:
        """All bytes of a part in memory."""
        assert self._file is None, "its bytes are in a file"
        del self._memory[self.size :]
        return self._memory

    def content(self) -> bytearray | BufferedRandom:
        """Return all bytes, or a file at its beginning that has no others."""
        if self._file is None:
            return self.memory
        self._file.seek(0)
        return self._file

    def digest(self, name: str) -> bytes:
        """Return a digest of all bytes, by hashlib's name for it."""
        digest, content = hashlib.new(name, usedforsecurity=False), self.content()
        if isinstance(content, bytearray):
            digest.update(content)
            return digest.digest()
        return hashlib.file_digest(content, lambda: digest).digest()

    def clear(self) -> None:
        """Forget the bytes and keep their place for others."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def close(self) -> None:
        """Let go of memory or disk."""
        self._memory = bytearray()
        if self._file is not None:
            # Bytes that found no room are tried once more, and nobody needs them now.
            with suppress(OSError):
                self._file.close()


class PartUpload(ABC, Generic[Target]):
    """Nothing is visible before ``complete``; a failure ends the upload. A vendor's subclasses it.

    ``_send`` is called by several threads; parts are numbered from one.
    """

    def __init__(self, target: Target, bounds: Bounds) -> None:
        """Ask nothing of the store yet. ``InputError``: it cannot take an object of this size."""
        self._target = target
        self._bounds = bounds
        try:
            self._part_size = size_parts(target.size, bounds, target.location)
        except InputError as error:
            raise error.about(target.items) from None
        self._in_flight = count_in_flight(self._part_size)
        self._size = 0
        self._waiting = self._new_part()
        # Parts that were sent: new memory for each would cost as much as sending it.
        self._spare: list[Part] = []
        self._futures: list[Future[None]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._places = threading.Semaphore(self._in_flight)
        self._is_open = True

    @abstractmethod
    def _begin(self) -> None:
        """Prepare the store for parts; called once, before the first."""

    @abstractmethod
    def _send(self, number: int, part: Part) -> None:
        """Send a part."""

    @abstractmethod
    def _finish(self, count: int) -> ObjectHead:
        """Make an object of so many parts, all of which were sent."""

    @abstractmethod
    def _put(self, data: bytearray) -> ObjectHead:
        """Make an object of these bytes by one request."""

    @abstractmethod
    def _discard(self) -> None:
        """Let the store forget the parts as far as it can; no failure matters any more."""

    @abstractmethod
    def _is_own(self, head: ObjectHead) -> bool:
        """Say whether an object of our size is the one that we write."""

    @abstractmethod
    def _gone(self, error: NotFoundError) -> StoreError:
        """Say that the parts were not there when they were to become an object."""

    def write(self, data: bytes) -> None:
        """Take the next bytes, in order."""
        assert self._is_open, "an upload that has ended takes no more bytes"
        rest = memoryview(data)
        while self._waiting.size + len(rest) >= self._part_size:
            piece = rest[: self._part_size - self._waiting.size]
            rest = rest[len(piece) :]
            self._keep(piece)
            self._ended_by_failure(self._send_waiting)
        if rest:
            self._keep(rest)

    def complete(self) -> ObjectHead:
        """Make the object visible and durable, or raise ``ConflictError`` if the name exists."""
        assert self._is_open, "an upload ends only once"
        head = self._ended_by_failure(self._complete)
        self._end()
        return head

    def abort(self) -> None:
        """Give up: nothing is visible. Harmless after ``complete`` and when called twice."""
        if self._is_open:
            self._end()
            if self._pool is not None:
                self._discard()

    def _keep(self, piece: memoryview) -> None:
        self._ended_by_failure(lambda: self._on_disk(lambda: self._waiting.write(piece)))
        self._size += len(piece)

    def _ended_by_failure(self, step: Callable[[], Result]) -> Result:
        is_done = False
        try:
            result = step()
            is_done = True
            return result
        finally:
            if not is_done:
                self.abort()

    def _end(self) -> None:
        self._is_open = False
        if self._pool is not None:
            # A part that arrives after it was given up would be kept by the store: wait for all.
            self._pool.shutdown(cancel_futures=True)
        for part in (self._waiting, *self._spare):
            part.close()
        self._spare.clear()

    def _new_part(self) -> Part:
        return self._on_disk(
            lambda: Part(
                self._part_size,
                in_memory=is_kept_in_memory(self._part_size),
                expected=min(self._part_size, self._target.size),
            )
        )

    def _on_disk(self, step: Callable[[], Result]) -> Result:
        try:
            return step()
        except OSError as error:
            raise StoreError(
                f"cannot keep a part of {self._target.location} in {tempfile.gettempdir()}:"
                f" {error.strerror}",
                hint=f"It needs room for two parts of {self._part_size:,} bytes: make some, or name"
                " another folder by TMPDIR.",
                items=self._target.items,
            ) from error

    def _take(self) -> Part:
        """Return what waits; it is the caller's."""
        part = self._waiting
        self._waiting = self._spare.pop() if self._spare else self._new_part()
        return part

    def _send_waiting(self) -> None:
        if len(self._futures) >= self._bounds.parts_max:
            raise InputError(
                f"{self._target.location} has more bytes than it was to have: {self._size:,} are"
                f" more than {self._bounds.parts_max:,} parts",
                items=self._target.items,
            )
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._in_flight, "upload")
            self._begin()
        self._places.acquire()
        self._raise_failed()
        future = self._pool.submit(self._send_part, len(self._futures) + 1, self._take())
        future.add_done_callback(lambda _: self._places.release())
        self._futures.append(future)

    def _raise_failed(self) -> None:
        """Raise what a part has failed with, as soon as it is known."""
        for future in self._futures[-2 * self._in_flight :]:
            if future.done():
                future.result()

    def _send_part(self, number: int, part: Part) -> None:
        try:
            self._target.bandwidth.take(part.size, self._target.pacer.sleep)
            # It may have been given up meanwhile.
            if self._is_open:
                self._send(number, part)
        finally:
            part.clear()
            self._spare.append(part)

    def _complete(self) -> ObjectHead:
        if not self._futures and is_kept_in_memory(self._part_size):
            self._target.bandwidth.take(self._waiting.size, self._target.pacer.sleep)
            return self._put(self._waiting.memory)
        if self._waiting.size:
            self._send_waiting()
        for future in self._futures:
            future.result()
        return self._finish(len(self._futures))

    def _create(self, attempt: Callable[[], ObjectHead]) -> ObjectHead:
        """Create the object; when an answer was lost, tell our object from another's."""
        tries = 0

        def find() -> ObjectHead | None:
            try:
                return self._target.head()
            except NotFoundError:
                return None

        def find_own() -> ObjectHead | None:
            head = find()
            return head if head is not None and self._is_ours(head) else None

        def attempt_knowingly() -> ObjectHead:
            nonlocal tries
            tries += 1
            try:
                return attempt()
            except NotFoundError as error:
                # Parts that became an object are forgotten, and so may be those of whoever was
                # second at the same moment: a second try finds an object, or nothing.
                head = find() if tries > 1 else None
                if head is not None and self._is_ours(head):
                    return head
                if head is None or self._target.overwrite:
                    raise self._gone(error) from error
                raise ConflictError(
                    f"{self._target.location} exists already", items=self._target.items
                ) from error

        return self._target.pacer.create(attempt_knowingly, find_own)

    def _is_ours(self, head: ObjectHead) -> bool:
        return head.size == self._size and self._is_own(head)
