"""One object on its way into Azure: in blocks of one size, a few of them under way at once.

What ends before the first block is full goes as one plain write. The service checks the MD5 of
every block; the MD5 of the whole is kept as the blob's own. Committing is create-only.

Azure cannot be told to forget blocks: those of an upload that was given up are invisible, never
mix with those of another upload of the name, and are thrown away by the service after a week.
"""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    ContentSettings,
    StandardBlobTier,
)

from core.errors import ConflictError, NotFoundError, StoreError
from core.limits import UPLOAD_PART_SIZE, UPLOAD_PARTS_IN_FLIGHT_MAX
from core.stores.azure_errors import Request, judge
from core.stores.bucket import Properties
from core.stores.pacing import Bandwidth, Pacer
from core.stores.store import ObjectHead

Result = TypeVar("Result")
MD5 = "md5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an upload goes, and everything of its store that it needs.

    ``blob`` returns the SDK's client of the blob; ``head`` looks at it by one request, for use
    inside of ``pacer``. ``metadata`` is named as Azure allows.
    """

    name: str
    request: Request
    blob: Callable[[], BlobClient]
    head: Callable[[], ObjectHead]
    pacer: Pacer
    bandwidth: Bandwidth
    tier: str = ""
    properties: Properties = field(default_factory=Properties)
    metadata: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False


class AzureUpload:
    """Nothing is visible before ``complete``; a failure ends the upload."""

    def __init__(self, target: Target) -> None:
        """Ask nothing of the store yet."""
        self._target = target
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._size = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self._token = new_token()
        self._futures: list[Future[None]] = []
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
            self._ended_by_failure(self._stage)
        if rest:
            self._keep(rest)

    def complete(self) -> ObjectHead:
        """Make the object visible and durable, or raise ``ConflictError`` if the name exists."""
        assert self._is_open, "an upload ends only once"
        head = self._ended_by_failure(self._commit if self._futures else self._put)
        self._end()
        return head

    def abort(self) -> None:
        """Give up: nothing is visible. Harmless after ``complete`` and when called twice."""
        if self._is_open:
            self._end()

    def _keep(self, piece: memoryview) -> None:
        # A copy: whoever wrote may use the memory again.
        self._waiting.append(bytes(piece))
        self._waiting_size += len(piece)
        self._size += len(piece)
        self._digest.update(piece)

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
        self._waiting = []
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _take(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting = []
        self._waiting_size = 0
        return data

    def _stage(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(UPLOAD_PARTS_IN_FLIGHT_MAX, "upload")
        self._places.acquire()
        for future in self._futures[-2 * UPLOAD_PARTS_IN_FLIGHT_MAX :]:
            if future.done():
                future.result()
        block = block_id(self._token, len(self._futures))
        future = self._pool.submit(self._stage_block, block, self._take())
        future.add_done_callback(lambda _: self._places.release())
        self._futures.append(future)

    def _stage_block(self, block: str, data: bytes) -> None:
        self._target.bandwidth.take(len(data))
        self._target.pacer.run(
            lambda: self._translated(
                lambda: self._target.blob().stage_block(block, data, validate_content=True)
            )
        )

    def _commit(self) -> ObjectHead:
        if self._waiting_size:
            self._stage()
        for future in self._futures:
            future.result()
        blocks = [BlobBlock(block_id(self._token, each)) for each in range(len(self._futures))]

        def attempt() -> ObjectHead:
            conditions = {} if self._target.overwrite else _CREATE_ONLY
            answer = self._translated(
                lambda: self._target.blob().commit_block_list(
                    blocks, validate_content=True, **self._headers(), **conditions
                )
            )
            return self._head_of(answer)

        return self._create(attempt)

    def _put(self) -> ObjectHead:
        data = self._take()
        self._target.bandwidth.take(len(data))

        def attempt() -> ObjectHead:
            answer = self._translated(
                lambda: self._target.blob().upload_blob(
                    data,
                    length=len(data),
                    overwrite=self._target.overwrite,
                    validate_content=True,
                    **self._headers(),
                )
            )
            return self._head_of(answer)

        return self._create(attempt)

    def _create(self, attempt: Callable[[], ObjectHead]) -> ObjectHead:
        """Create the object; when an answer was lost, tell our object from another's."""
        target = self._target
        tries = 0

        def find_own() -> ObjectHead | None:
            try:
                head = target.head()
            except NotFoundError:
                return None
            is_own = (head.size, head.checksum_value) == (self._size, self._checksum())
            return head if is_own else None

        def attempt_knowingly() -> ObjectHead:
            nonlocal tries
            tries += 1
            try:
                return attempt()
            except NotFoundError as error:
                # Committed blocks are staged no more: a second try finds the object or no blocks.
                own = find_own() if tries > 1 else None
                if own is None:
                    raise StoreError(
                        f"{error.message} before the upload was complete",
                        hint="Another upload of the same name was completed, or a week is over.",
                    ) from None
                return own

        return target.pacer.create(attempt_knowingly, find_own)

    def _translated(self, send: Callable[[], Result]) -> Result:
        try:
            return send()
        except AzureError as error:
            raise judge(error, self._target.request) from None

    def _headers(self) -> dict[str, Any]:
        """Return what goes with the bytes: tier, properties and the MD5 of the whole."""
        wanted = self._target.properties
        headers: dict[str, Any] = {
            "content_settings": ContentSettings(
                content_type=wanted.content_type or None,
                content_encoding=wanted.content_encoding or None,
                content_language=wanted.content_language or None,
                content_disposition=wanted.content_disposition or None,
                cache_control=wanted.cache_control or None,
                content_md5=bytearray(self._digest.digest()),
            ),
        }
        if self._target.metadata:
            headers["metadata"] = dict(self._target.metadata)
        if wanted.tags:
            headers["tags"] = dict(wanted.tags)
        if self._target.tier:
            headers["standard_blob_tier"] = StandardBlobTier(self._target.tier)
        return headers

    def _checksum(self) -> str:
        return base64.b64encode(self._digest.digest()).decode("ascii")

    def _head_of(self, answer: Mapping[str, Any]) -> ObjectHead:
        return ObjectHead(
            name=self._target.name,
            size=self._size,
            etag=str(answer["etag"]).strip('"'),
            modified=answer["last_modified"].astimezone(UTC),
            checksum_kind=MD5,
            checksum_value=self._checksum(),
        )


_CREATE_ONLY: Mapping[str, Any] = {"match_condition": MatchConditions.IfMissing}
_DISCARDED: Mapping[str, str] = {"coldhauldiscard": "1"}


def describe(name: str, found: BlobProperties) -> ObjectHead:
    """Describe an object by what a head told."""
    md5 = found.content_settings.content_md5
    return ObjectHead(
        name=name,
        size=int(found.size or 0),
        etag=str(found.etag).strip('"'),
        modified=found.last_modified.astimezone(UTC),
        checksum_kind=MD5 if md5 else "",
        checksum_value=base64.b64encode(md5).decode("ascii") if md5 else "",
    )


def new_token() -> str:
    """Return a new upload's name: when it began, then chance."""
    return f"{int(time.time()):010x}{secrets.token_hex(8)}"


def block_id(token: str, number: int) -> str:
    """Return the name of a block; all of a blob have to be equally long. Azure's are base64."""
    return base64.b64encode(f"{token}{number:06x}".encode("ascii")).decode("ascii")


def parse_block_id(text: str) -> tuple[str, datetime] | None:
    """Return an upload's token and when it began, None for blocks of other tools."""
    with suppress(ValueError):
        token = base64.b64decode(text, validate=True).decode("ascii")[:-6]
        if len(token) == len(new_token()):
            return token, datetime.fromtimestamp(int(token[:10], 16), UTC)
    return None


def discard_blocks(blob: BlobClient, request: Request) -> None:
    """Throw away the blocks of a name that nothing was ever committed to.

    The only way there is: committing none of them makes an empty blob, which is deleted. It bears
    a mark: one whose making was not answered is told from any other blob, which is left alone.
    """
    try:
        etag = _commit_nothing(blob, request)
        blob.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    except AzureError as error:
        failure = judge(error, request)
        if not isinstance(failure, ConflictError | NotFoundError):
            raise failure from None


def _commit_nothing(blob: BlobClient, request: Request) -> str:
    """Return the ETag of the marked empty blob, made now or by a try that was cut short."""
    try:
        answer = blob.commit_block_list([], metadata=dict(_DISCARDED), **_CREATE_ONLY)
        return str(answer["etag"])
    except AzureError as error:
        if isinstance(judge(error, request), ConflictError):
            found = blob.get_blob_properties()
            if is_discarded(found):
                return str(found.etag)
        raise


def is_discarded(found: BlobProperties) -> bool:
    """Say whether a blob is the empty one that discarding makes and deletes at once."""
    return not found.size and _DISCARDED.items() <= (found.metadata or {}).items()
