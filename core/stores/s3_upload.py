"""One object on its way into S3. Every part carries its SHA-256, computed here and checked by the
store; completing is create-only.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.errors import NotFoundError, StoreError
from core.limits import UPLOAD_PART_SIZE_MAX_S3, UPLOAD_PARTS_MAX_S3
from core.stores.part_sizes import Bounds
from core.stores.part_upload import Part, PartUpload, UploadTarget
from core.stores.store import ObjectHead

BOUNDS = Bounds(service="S3", parts_max=UPLOAD_PARTS_MAX_S3, part_size_max=UPLOAD_PART_SIZE_MAX_S3)
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPart:
    """A part that has arrived."""

    number: int
    etag: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(UploadTarget):
    """Where an upload goes, and everything of its store that it needs.

    ``call`` makes one request by boto3's name for it and translates what it raises, for use inside
    of ``pacer``.
    """

    place: Mapping[str, Any]
    properties: Mapping[str, Any]
    call: Callable[..., Mapping[str, Any]]


class S3Upload(PartUpload[Target]):
    """Nothing is visible before ``complete``; any failure leaves nothing behind."""

    def __init__(self, target: Target) -> None:
        """Ask nothing of the store yet. ``InputError``: it cannot take an object of this size."""
        super().__init__(target, BOUNDS)
        self._token = ""
        self._parts: dict[int, SentPart] = {}
        # What the object has when it is ours: the store's checksum, or its ETag.
        self._checksum = ""
        self._etag = ""

    def _begin(self) -> None:
        answer = self._run(
            "create_multipart_upload", ChecksumAlgorithm="SHA256", **self._target.properties
        )
        self._token = str(answer["UploadId"])

    def _send(self, number: int, part: Part) -> None:
        sha256 = part.digest("sha256")

        def attempt() -> Mapping[str, Any]:
            return self._call(
                "upload_part",
                UploadId=self._token,
                PartNumber=number,
                Body=part.content(),
                ChecksumSHA256=_base64(sha256),
            )

        try:
            answer = self._target.pacer.run(attempt)
        except NotFoundError as error:
            raise self._gone(error) from error
        self._parts[number] = SentPart(number=number, etag=str(answer["ETag"]), sha256=sha256)

    def _finish(self, count: int) -> ObjectHead:
        parts = [self._parts[number] for number in range(1, count + 1)]
        composite = hashlib.sha256(b"".join(part.sha256 for part in parts)).digest()
        self._checksum = f"{_base64(composite)}-{count}"
        self._etag = _composite_etag(parts)
        listed = [
            {
                "PartNumber": part.number,
                "ETag": part.etag,
                "ChecksumSHA256": _base64(part.sha256),
            }
            for part in parts
        ]

        def attempt() -> ObjectHead:
            self._call(
                "complete_multipart_upload",
                UploadId=self._token,
                **self._condition(),
                MultipartUpload={"Parts": listed},
            )
            return self._target.head()

        return self._create(attempt)

    def _put(self, data: bytearray) -> ObjectHead:
        self._checksum = _base64(hashlib.sha256(data).digest())
        self._etag = hashlib.md5(data, usedforsecurity=False).hexdigest()

        def attempt() -> ObjectHead:
            self._call(
                "put_object",
                **self._target.properties,
                Body=data,
                ChecksumSHA256=self._checksum,
                **self._condition(),
            )
            return self._target.head()

        return self._create(attempt)

    def _discard(self) -> None:
        # What cannot be aborted now is found by ``unfinished`` later; the failure that brought us
        # here says more.
        if self._token:
            with suppress(StoreError, NotFoundError):
                self._run("abort_multipart_upload", UploadId=self._token)

    def _condition(self) -> Mapping[str, str]:
        """Return what goes with the request that makes the object visible."""
        return {} if self._target.overwrite else {"IfNoneMatch": "*"}

    def _is_own(self, head: ObjectHead) -> bool:
        # The store's own ETag where it keeps no checksums, as some S3-compatible ones do.
        if head.checksum_kind:
            return head.checksum_value == self._checksum
        return head.etag == self._etag

    def _gone(self, error: NotFoundError) -> StoreError:
        del error
        return StoreError(
            f"the upload of {self._target.location} is gone before it was complete",
            hint="Somebody aborted it, or a rule of the bucket's life cycle did.",
            items=self._target.items,
        )

    def _call(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        return self._target.call(operation, **self._target.place, **parameters)

    def _run(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        return self._target.pacer.run(lambda: self._call(operation, **parameters))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _composite_etag(parts: list[SentPart]) -> str:
    """Return the ETag that S3 gives an object of these parts, where ETags are digests."""
    digests = [part.etag.strip('"') for part in parts]
    if not all(_MD5.fullmatch(digest) for digest in digests):
        return ""
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
