"""Objects in Amazon S3, or in storage that speaks its language.

Whole objects are read by requests of our own (see ``s3_request``): they take less of the processor.
Parts of objects are read, small objects written and names listed by obstore, whose calls let go of
the interpreter lock; all else is boto3's. Every request is run by one ``Pacer``. Names are keys
below the prefix.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import obstore

from core.errors import ColdhaulError, NotFoundError, StoreError
from core.limits import WHOLE_OBJECT_SIZE_MAX
from core.stores.address import derive_vendor, parse_plain_address
from core.stores.http_connection import BodySizeError
from core.stores.pacing import Pacer, TransientError, share_bandwidth
from core.stores.ranges import read_exactly
from core.stores.s3_answers import OBSTORE_ERRORS, Answer, answer_of
from core.stores.s3_archived import Archive, archived_class
from core.stores.s3_client import S3Client
from core.stores.s3_errors import (
    Request,
    judge,
    judge_answer,
    missing_bucket,
    not_ready,
)
from core.stores.s3_keeping import find_keeping
from core.stores.s3_listing import Listing, list_objects
from core.stores.s3_request import S3Requests
from core.stores.s3_unfinished import list_uploads
from core.stores.s3_upload import S3Upload, Target
from core.stores.settings import StoreSettings
from core.stores.store import (
    Keeping,
    ObjectHead,
    UnfinishedUpload,
    check_name,
    check_prefix,
)

# One request deletes so many: S3's own bound.
_DELETES_MAX = 1000


class S3Store:
    """Objects below ``prefix`` of a bucket. Safe to share between threads.

    A process of its own opens it anew: it pickles as its URL and settings.
    """

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Ask nothing of the store yet."""
        self._address = parse_plain_address(url)
        self._settings = settings
        self._vendor = settings.vendor or derive_vendor(url, settings.endpoint)
        self._bucket = self._address.container
        self._root = f"{self._address.prefix}/" if self._address.prefix else ""
        self._client = S3Client(self._address, settings)
        self._requests = S3Requests(self._client, self._address, settings)
        self._pacer = Pacer(refresh=self._client.refresh)
        self._reading = share_bandwidth(f"read {self.url}", settings.read_bandwidth)
        self._writing = share_bandwidth(f"write {self.url}", settings.write_bandwidth)
        self._is_seen = False

    def __reduce__(self) -> tuple[object, tuple[str, StoreSettings]]:
        """Open the same place anew in another process: connections do not travel."""
        return (type(self), (self.url, self._settings))

    def __repr__(self) -> str:
        """Say where it is, and no setting."""
        return f"S3Store({self.url!r})"

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self._address.url

    @property
    def vendor(self) -> str:
        """``amazon-s3`` or ``s3-compatible``."""
        return self._vendor

    @property
    def pacer(self) -> Pacer:
        """What runs the requests; it counts retries and knows the concurrency."""
        return self._pacer

    def obey(self, stop: Callable[[], bool]) -> None:
        """Sleep no more once ``stop`` says so."""
        self._pacer.stop = stop

    # --- Reading -----------------------------------------------------------------------------

    def head(self, name: str) -> ObjectHead:
        """Describe an object, or raise ``NotFoundError``."""
        check_name(name)
        return self._pacer.run(lambda: _head_of(name, self._head(name)))

    def get(self, name: str) -> bytes:
        """Return a whole object, or raise ``NotFoundError``."""
        check_name(name)
        request = self._client.request("read", name, "s3:GetObject")
        data = self._pacer.run(lambda: self._get(name, request))
        self._reading.take(len(data), self._pacer.sleep)
        return data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return exactly these bytes; ``IntegrityError`` if the object ends before them."""
        check_name(name)
        data = read_exactly(
            f"{self.url}/{name}",
            offset,
            length,
            read=lambda: self._pacer.run(lambda: self._read_range(name, offset, length)),
            find_size=lambda: self.head(name).size,
        )
        self._reading.take(len(data), self._pacer.sleep)
        return data

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        """Yield the objects whose names start with ``prefix``, in the order of their names."""
        check_prefix(prefix)
        request = self._client.request("list", prefix, "s3:ListBucket")
        listing = Listing(self._client, self._bucket, self._root + prefix, request)
        return list_objects(listing, self._pacer, self._root, prefix)

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return those of these objects that need a retrieval, with their classes."""
        for name in names:
            check_name(name)
        return Archive(self._vendor, self._head_if_there, self._list_folder).find(names)

    # --- Writing -----------------------------------------------------------------------------

    def put(self, name: str, data: bytes) -> ObjectHead:
        """Create an object from bytes, or raise ``ConflictError`` if the name exists."""
        check_name(name)
        path = self._root + name
        request = self._client.request("create", name, "s3:PutObject")
        attributes = self._class_attributes(self._settings.metadata_class)
        self._writing.take(len(data), self._pacer.sleep)

        def attempt() -> ObjectHead:
            connection = self._client.connection
            try:
                answer = obstore.put(
                    connection.fast, path, data,
                    attributes=attributes, mode="create", use_multipart=False,
                )  # fmt: skip
            except OBSTORE_ERRORS as error:
                raise self._judge(error, request) from error
            return _head_of_put(name, len(data), answer["e_tag"])

        def find_own() -> ObjectHead | None:
            try:
                stored = obstore.get(self._client.connection.fast, path).bytes().to_bytes()
                head = self._head(name)
            except FileNotFoundError:
                return None
            except OBSTORE_ERRORS as error:
                raise self._judge_read(error, name) from error
            return _head_of(name, head) if stored == data else None

        return self._pacer.create(attempt, find_own)

    def upload(self, name: str, *, is_cold: bool = False) -> S3Upload:
        """Begin a large object. The caller ends it by ``complete`` or ``abort``."""
        check_name(name)
        settings = self._settings
        wanted = settings.storage_class if is_cold else settings.metadata_class
        properties: dict[str, Any] = {"StorageClass": wanted} if wanted else {}
        if settings.kms_key:
            properties |= {
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": settings.kms_key,
                "BucketKeyEnabled": True,
            }
        request = self._client.request("create", name, "s3:PutObject")
        return S3Upload(
            Target(
                location=request.location,
                place={"Bucket": self._bucket, "Key": self._root + name},
                properties=properties,
                call=lambda operation, **keys: self._client.call(request, operation, **keys),
                head=lambda: _head_of(name, self._head(name)),
                pacer=self._pacer,
                bandwidth=self._writing,
            )
        )

    # --- Deleting ----------------------------------------------------------------------------

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for name in names:
            check_name(name)
        for start in range(0, len(names), _DELETES_MAX):
            self._pacer.run(partial(self._delete, names[start : start + _DELETES_MAX]))

    def keeping(self, deleted: str) -> Keeping:
        """Say what becomes of objects after ``delete``, as the bucket's settings have it."""
        del deleted
        return find_keeping(self._client, self._pacer, self._bucket, self._root)

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        """Yield the uploads below these prefixes that were neither completed nor aborted."""
        found = list_uploads(self._client, self._pacer, self._bucket, self._root)
        return (upload for upload in found if upload.name.startswith(tuple(prefixes)))

    def discard(self, upload: UnfinishedUpload) -> None:
        """Abort an upload that ``unfinished`` has found; one that is gone is no error."""
        place = {"Bucket": self._bucket, "Key": self._root + upload.name}
        request = self._client.request("abort", upload.name, "s3:AbortMultipartUpload")
        with suppress(NotFoundError):
            self._run(request, "abort_multipart_upload", **place, UploadId=upload.token)

    # --- Single requests ---------------------------------------------------------------------

    def _run(self, request: Request, operation: str, **parameters: object) -> Mapping[str, Any]:
        return self._pacer.run(lambda: self._client.call(request, operation, **parameters))

    def _class_attributes(self, storage_class: str) -> dict[str, str] | None:
        return {"Storage-Class": storage_class} if storage_class else None

    def _head(self, name: str) -> Mapping[str, Any]:
        """Look at an object by one request; boto3's, for only it tells the checksum."""
        request = self._client.request("look at", name, "s3:GetObject")
        try:
            found = self._client.head_object(request, self._root + name)
        except NotFoundError:
            # The answer to a head has no body that could tell a missing bucket apart.
            self._need_bucket(request)
            raise
        self._is_seen = True
        return found

    def _head_if_there(self, name: str) -> Mapping[str, Any] | None:
        try:
            return self._pacer.run(lambda: self._head(name))
        except NotFoundError:
            return None

    def _list_folder(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield all that S3 lists of the objects of a folder, what was restored included."""
        request = self._client.request("list", folder, "s3:ListBucket")
        marks: dict[str, str] = {}
        while True:
            page = self._run(
                request,
                "list_objects_v2",
                Bucket=self._bucket,
                Prefix=self._root + folder,
                OptionalObjectAttributes=["RestoreStatus"],
                **marks,
            )
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self._root), entry
            if not page.get("IsTruncated"):
                return
            marks = {"ContinuationToken": page["NextContinuationToken"]}

    def _need_bucket(self, request: Request) -> None:
        if self._is_seen:
            return
        try:
            self._client.call(request, "head_bucket", Bucket=self._bucket)
        except NotFoundError:
            raise missing_bucket(self._bucket) from None
        self._is_seen = True

    def _get(self, name: str, request: Request) -> bytes:
        path = self._root + name
        try:
            return self._requests.send(
                "GET",
                path,
                request,
                size_max=WHOLE_OBJECT_SIZE_MAX,
                judge_answer=partial(self._judge_refused, name),
            ).body
        except TransientError as error:
            if not isinstance(error.__cause__, BodySizeError):
                raise
        # Whatever it is, we have not written it; obstore needs no room for it before it comes.
        try:
            return obstore.get(self._client.connection.fast, path).bytes().to_bytes()
        except OBSTORE_ERRORS as error:
            raise self._judge_read(error, name) from error

    def _read_range(self, name: str, offset: int, length: int) -> bytes:
        """Return what there is of these bytes, by one request."""
        path = self._root + name
        request = self._client.request("read", name, "s3:GetObject")
        if not self._client.has_partial_answers:
            return self._client.read_range(request, path, offset, length)
        try:
            found = obstore.get_range(
                self._client.connection.fast, path, start=offset, length=length
            )
        except OBSTORE_ERRORS as error:
            if answer_of(error).status == 416:
                return b""
            if "non-partial response" in str(error):
                # The right bytes under the wrong status, which obstore refuses.
                self._client.has_partial_answers = False
                return self._client.read_range(request, path, offset, length)
            raise self._judge_read(error, name) from error
        return found.to_bytes()

    def _delete(self, names: Sequence[str]) -> None:
        request = self._client.request("delete in", "", "s3:DeleteObject")
        answer = self._client.call(
            request,
            "delete_objects",
            Bucket=self._bucket,
            Delete={"Objects": [{"Key": self._root + name} for name in names], "Quiet": True},
        )
        for fault in answer.get("Errors", ()):
            code = fault.get("Code", "")
            if code == "NoSuchKey":
                continue
            name = str(fault.get("Key", "")).removeprefix(self._root)
            status = 403 if code == "AccessDenied" else 400
            failed = self._client.request("delete", name, "s3:DeleteObject")
            raise judge_answer(
                Answer(status=status, code=code, message=str(fault.get("Message", ""))), failed
            )

    def _judge(self, error: Exception, request: Request) -> ColdhaulError:
        return judge(error, request, self._client.endpoint)

    def _judge_read(self, error: Exception, name: str) -> ColdhaulError:
        request = self._client.request("read", name, "s3:GetObject")
        answer = answer_of(error)
        if answer.trouble:
            return self._judge(error, request)
        return self._judge_refused(name, answer, request)

    def _judge_refused(self, name: str, answer: Answer, request: Request) -> ColdhaulError:
        """Judge a refused read; whether a 403 means an archived object is told by a head."""
        if answer.status == 403 and answer.code in {"", "InvalidObjectState"}:
            try:
                found = archived_class(self._head(name), self._vendor, datetime.now(UTC))
            except (StoreError, NotFoundError):
                return judge_answer(answer, request)
            if found:
                return not_ready(request.location, found)
        return judge_answer(answer, request)


def _head_of(name: str, found: Mapping[str, Any]) -> ObjectHead:
    """Describe an object by what a head told."""
    kind, value = "", ""
    for known in ("SHA256", "CRC64NVME", "CRC32C", "CRC32", "SHA1"):
        value = str(found.get(f"Checksum{known}", ""))
        if value:
            kind = known.lower()
            break
    return ObjectHead(
        name=name,
        size=int(found["ContentLength"]),
        etag=str(found["ETag"]).strip('"'),
        modified=found["LastModified"].astimezone(UTC).replace(microsecond=0),
        checksum_kind=kind,
        checksum_value=value,
    )


def _head_of_put(name: str, size: int, etag: str | None) -> ObjectHead:
    """Describe what was just written; the store does not say the moment, so it is ours."""
    return ObjectHead(
        name=name,
        size=size,
        etag=(etag or "").strip('"'),
        modified=datetime.now(UTC).replace(microsecond=0),
    )
