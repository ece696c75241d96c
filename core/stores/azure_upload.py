"""One object on its way into Azure, whose word for a part is block.

The service checks the MD5 of every block; the MD5 of the whole is kept as the blob's own.
Committing is create-only.

Azure cannot be told to forget blocks: those of an upload that was given up are invisible, never
mix with those of another upload of the name, and are thrown away by the service after a week.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
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
from core.limits import UPLOAD_PART_SIZE_MAX_AZURE, UPLOAD_PARTS_MAX_AZURE
from core.stores.azure_errors import Request, judge
from core.stores.bucket import Properties
from core.stores.part_sizes import Bounds
from core.stores.part_upload import Part, PartUpload, UploadTarget
from core.stores.store import ObjectHead

Result = TypeVar("Result")
MD5 = "md5"
BOUNDS = Bounds(
    service="Azure", parts_max=UPLOAD_PARTS_MAX_AZURE, part_size_max=UPLOAD_PART_SIZE_MAX_AZURE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(UploadTarget):
    """Where an upload goes, and everything of its store that it needs.

    ``blob`` returns the SDK's client of the blob. ``metadata`` is named as Azure allows.
    """

    name: str
    request: Request
    blob: Callable[[], BlobClient]
    tier: str = ""
    properties: Properties = field(default_factory=Properties)
    metadata: Mapping[str, str] = field(default_factory=dict)


class AzureUpload(PartUpload[Target]):
    """Nothing is visible before ``complete``; a failure ends the upload."""

    def __init__(self, target: Target) -> None:
        """Ask nothing of the store yet. ``InputError``: it cannot take an object of this size."""
        super().__init__(target, BOUNDS)
        self._digest = hashlib.md5(usedforsecurity=False)
        self._token = new_token()

    def _keep(self, piece: memoryview) -> None:
        super()._keep(piece)
        self._digest.update(piece)

    def _begin(self) -> None:
        """Azure needs no preparation."""

    def _send(self, number: int, part: Part) -> None:
        block, md5 = block_id(self._token, number), bytearray(part.digest("md5"))

        def attempt() -> None:
            # Not the library's own check, which takes no memory that is used again.
            self._translated(
                lambda: self._target.blob().stage_block(
                    block,
                    part.content(),  # type: ignore[arg-type]
                    part.size,
                    transactional_content_md5=md5,
                )
            )

        self._target.pacer.run(attempt)

    def _finish(self, count: int) -> ObjectHead:
        blocks = [BlobBlock(block_id(self._token, number)) for number in range(1, count + 1)]

        def attempt() -> ObjectHead:
            conditions = {} if self._target.overwrite else _CREATE_ONLY
            answer = self._translated(
                lambda: self._target.blob().commit_block_list(
                    blocks, validate_content=True, **self._headers(), **conditions
                )
            )
            return self._head_of(answer)

        return self._create(attempt)

    def _put(self, data: bytearray) -> ObjectHead:
        def attempt() -> ObjectHead:
            answer = self._translated(
                lambda: self._target.blob().upload_blob(
                    bytes(data),
                    length=len(data),
                    overwrite=self._target.overwrite,
                    validate_content=True,
                    **self._headers(),
                )
            )
            return self._head_of(answer)

        return self._create(attempt)

    def _discard(self) -> None:
        """Azure cannot be told to forget blocks."""

    def _is_own(self, head: ObjectHead) -> bool:
        return head.checksum_value == self._checksum()

    def _gone(self, error: NotFoundError) -> StoreError:
        return StoreError(
            f"{error.message} before the upload was complete",
            hint="Another upload of the same name was completed, or a week is over.",
            items=error.items,
        )

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
_NO_ETAG = '"0x0"'
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
    Whoever may not delete it is refused before it is made.
    """
    try:
        _ask_to_delete(blob, request)
        etag = _commit_nothing(blob, request)
        blob.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    except AzureError as error:
        failure = judge(error, request)
        if not isinstance(failure, ConflictError | NotFoundError):
            raise failure from None


def _ask_to_delete(blob: BlobClient, request: Request) -> None:
    """Raise Azure's refusal if the blob may not be deleted; nothing is."""
    try:
        blob.delete_blob(etag=_NO_ETAG, match_condition=MatchConditions.IfNotModified)
    except AzureError as error:
        # It is not there, or is not of this ETag, which none has.
        if not isinstance(judge(error, request), ConflictError | NotFoundError):
            raise


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
