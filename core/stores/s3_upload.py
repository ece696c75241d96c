"""One object on its way into S3: in parts of one size, a few of them under way at once.

What ends before the first part is full goes as one plain write. Every part carries its SHA-256,
computed here and checked by the store; completing is create-only.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from core.errors import InputError, NotFoundError, StoreError
from core.limits import UPLOAD_PART_SIZE, UPLOAD_PARTS_IN_FLIGHT_MAX, UPLOAD_PARTS_MAX_S3
from core.stores.pacing import Bandwidth, Pacer
from core.stores.store import ObjectHead

Result = TypeVar("Result")

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an upload goes, and everything of its store that it needs.

    ``condition`` goes with the request that makes the object visible: none may replace another.
    ``call`` makes one request by boto3's name for it and translates what it raises; ``head`` looks
    at the object by one request. Both are for use inside of ``pacer``.
    """

    location: str
    place: Mapping[str, Any]
    properties: Mapping[str, Any]
    condition: Mapping[str, Any]
    call: Callable[..., Mapping[str, Any]]
    head: Callable[[], ObjectHead]
    pacer: Pacer
    bandwidth: Bandwidth


class S3Upload:
    """Nothing is visible before ``complete``; any failure leaves nothing behind."""

    def __init__(self, target: Target) -> None:
        """Ask nothing of the store yet."""
        self._target = target
        self._waiting = bytearray()
        self._waiting_size = 0
        # Parts that were sent: the next ones use their memory.
        self._spare: list[bytearray] = []
        self._size = 0
        self._token = ""
        self._futures: list[Future[Part]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._places = threading.Semaphore(UPLOAD_PARTS_IN_FLIGHT_MAX)
        self._is_open = True

    def write(self, data: bytes) -> None:
        """Take the next bytes, in order."""
        assert self._is_open, "an upload that has ended takes no more bytes"
        rest = memoryview(data)
        while self._waiting_size + len(rest) >= UPLOAD_PART_SIZE:
            piece = rest[: UPLOAD_PART_SIZE - self._waiting_size]
            rest = rest[len(piece) :]
            self._keep(piece)
            self._ended_by_failure(self._send_part)
        if rest:
            self._keep(rest)

    def complete(self) -> ObjectHead:
        """Make the object visible and durable, or raise ``ConflictError`` if the name exists."""
        assert self._is_open, "an upload ends only once"
        head = self._ended_by_failure(self._complete if self._futures else self._put)
        self._end()
        return head

    def abort(self) -> None:
        """Give up and leave nothing behind. Harmless after ``complete`` and when called twice."""
        if not self._is_open:
            return
        self._end()
        if not self._token:
            return
        # What cannot be aborted now is found by ``unfinished`` later; the failure that brought us
        # here says more.
        with suppress(StoreError, NotFoundError):
            self._call("abort_multipart_upload", UploadId=self._token)

    def _keep(self, piece: memoryview) -> None:
        # A copy: whoever wrote may use the memory again. It goes over what an earlier part left,
        # since new memory for each part would cost as much as sending it.
        self._waiting[self._waiting_size : self._waiting_size + len(piece)] = piece
        self._waiting_size += len(piece)
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
        self._waiting = bytearray()
        if self._pool is not None:
            # A part that arrives after the abort would be kept by the store: wait for them all.
            self._pool.shutdown(cancel_futures=True)
        self._spare.clear()

    def _take(self) -> bytearray:
        """Return what waits; it is the caller's."""
        data = self._waiting
        del data[self._waiting_size :]
        self._waiting = self._spare.pop() if self._spare else bytearray()
        self._waiting_size = 0
        return data

    def _send_part(self) -> None:
        if len(self._futures) >= UPLOAD_PARTS_MAX_S3:
            limit = UPLOAD_PARTS_MAX_S3 * UPLOAD_PART_SIZE
            raise InputError(
                f"{self._target.location} would have more than {limit:,} bytes, the most that can "
                "be written to S3",
                hint="Restore it into a folder or into Azure.",
            )
        if self._pool is None:
            self._pool = ThreadPoolExecutor(UPLOAD_PARTS_IN_FLIGHT_MAX, "upload")
            answer = self._call(
                "create_multipart_upload", ChecksumAlgorithm="SHA256", **self._target.properties
            )
            self._token = str(answer["UploadId"])
        self._places.acquire()
        self._raise_failed()
        number = len(self._futures) + 1
        future = self._pool.submit(self._upload_part, number, self._take())
        future.add_done_callback(lambda _: self._places.release())
        self._futures.append(future)

    def _raise_failed(self) -> None:
        """Raise what a part has failed with, as soon as it is known."""
        for future in self._futures[-2 * UPLOAD_PARTS_IN_FLIGHT_MAX :]:
            if future.done():
                future.result()

    def _upload_part(self, number: int, data: bytearray) -> Part:
        sha256 = hashlib.sha256(data).digest()
        self._target.bandwidth.take(len(data))
        try:
            answer = self._call(
                "upload_part",
                UploadId=self._token,
                PartNumber=number,
                Body=data,
                ChecksumSHA256=_base64(sha256),
            )
        except NotFoundError as error:
            raise self._gone() from error
        self._spare.append(data)
        return Part(number=number, etag=str(answer["ETag"]), sha256=sha256)

    def _complete(self) -> ObjectHead:
        if self._waiting_size:
            self._send_part()
        parts = [future.result() for future in self._futures]
        composite = hashlib.sha256(b"".join(part.sha256 for part in parts)).digest()
        checksum = f"{_base64(composite)}-{len(parts)}"

        def attempt() -> ObjectHead:
            self._target.call(
                "complete_multipart_upload",
                **self._target.place,
                UploadId=self._token,
                **self._target.condition,
                MultipartUpload={
                    "Parts": [
                        {
                            "PartNumber": part.number,
                            "ETag": part.etag,
                            "ChecksumSHA256": _base64(part.sha256),
                        }
                        for part in parts
                    ]
                },
            )
            return self._target.head()

        return self._create(attempt, checksum, _composite_etag(parts))

    def _put(self) -> ObjectHead:
        data = self._take()
        checksum = _base64(hashlib.sha256(data).digest())
        self._target.bandwidth.take(len(data))

        def attempt() -> ObjectHead:
            self._target.call(
                "put_object",
                **self._target.place,
                **self._target.properties,
                Body=data,
                ChecksumSHA256=checksum,
                **self._target.condition,
            )
            return self._target.head()

        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return self._create(attempt, checksum, etag)

    def _create(self, attempt: Callable[[], ObjectHead], checksum: str, etag: str) -> ObjectHead:
        """Create the object; when an answer was lost, tell our object from another's."""
        failures = 0

        def attempt_knowingly() -> ObjectHead:
            nonlocal failures
            failures += 1
            try:
                return attempt()
            except NotFoundError as error:
                # A completed upload is forgotten: a second try finds the object or no upload.
                own = find_own() if failures > 1 else None
                if own is None:
                    raise self._gone() from error
                return own

        def find_own() -> ObjectHead | None:
            try:
                head = self._target.head()
            except NotFoundError:
                return None
            # The store's own ETag where it keeps no checksums, as some S3-compatible ones do.
            is_own = head.checksum_value == checksum if head.checksum_kind else head.etag == etag
            return head if is_own and head.size == self._size else None

        return self._target.pacer.create(attempt_knowingly, find_own)

    def _gone(self) -> StoreError:
        return StoreError(
            f"the upload of {self._target.location} is gone before it was complete",
            hint="Somebody aborted it, or a rule of the bucket's life cycle did.",
        )

    def _call(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        target = self._target
        return target.pacer.run(lambda: target.call(operation, **target.place, **parameters))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _composite_etag(parts: list[Part]) -> str:
    """Return the ETag that S3 gives an object of these parts, where ETags are digests."""
    digests = [part.etag.strip('"') for part in parts]
    if not all(_MD5.fullmatch(digest) for digest in digests):
        return ""
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
