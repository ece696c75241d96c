"""Objects in a container of Azure Blob Storage.

obstore reads, with calls that let go of the interpreter lock; the SDK does all else. Every request
is run by one ``Pacer``. Names are those of blobs below the prefix.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import obstore
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpResponse
from azure.storage.blob import BlobProperties

from core.errors import ColdhaulError, NotFoundError, NotReadyError, StoreError
from core.limits import AZURE_DELETES_MAX, AZURE_HEADS_MAX, AZURE_PAGE_MAX
from core.stores.azure_answers import OBSTORE_ERRORS, Answer, answer_of
from core.stores.azure_errors import CONTRIBUTOR, judge, judge_answer, not_ready
from core.stores.azure_keeping import parse_keeping
from core.stores.azure_listing import UNTOLD, ListedBlob
from core.stores.azure_place import AzurePlace
from core.stores.azure_upload import (
    MD5,
    AzureUpload,
    Target,
    describe,
    discard_blocks,
    is_discarded,
    parse_block_id,
)
from core.stores.ranges import read_exactly
from core.stores.store import (
    Keeping,
    ObjectHead,
    UnfinishedUpload,
    check_name,
    check_prefix,
    write_whole,
)

ARCHIVE = "Archive"
_NOT_PERMITTED = "AuthorizationPermissionMismatch"


class AzureStore(AzurePlace):
    """Objects below ``prefix`` of a container."""

    # --- Reading -----------------------------------------------------------------------------

    def head(self, name: str) -> ObjectHead:
        """Describe an object, or raise ``NotFoundError``."""
        check_name(name)
        return self._pacer.run(lambda: describe(name, self._look(name)))

    def get(self, name: str) -> bytes:
        """Return a whole object, or raise ``NotFoundError``."""
        check_name(name)

        def attempt() -> bytes:
            try:
                answer = obstore.get(self._client.connection.fast, self._root + name)
                return answer.bytes().to_bytes()
            except OBSTORE_ERRORS as error:
                raise self._judge_read(error, name) from None

        data = self._pacer.run(attempt)
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
        return self._list(prefix)

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return those of these objects that need a retrieval, with their tiers.

        One that is being rehydrated is in its old tier until that is done.
        """
        folders: dict[str, set[str]] = {}
        for name in names:
            check_name(name)
            folders.setdefault(name[: name.rfind("/") + 1], set()).add(name)
        tiers: dict[str, str] = {}
        for folder, wanted in folders.items():
            if len(wanted) > AZURE_HEADS_MAX:
                listed = self._blobs(folder)
                tiers |= {blob.name: blob.tier for blob in listed if blob.name in wanted}
            else:
                tiers |= {name: self._find_tier(name) for name in wanted}
        return {name: tier for name, tier in tiers.items() if tier == ARCHIVE}

    # --- Writing -----------------------------------------------------------------------------

    def put(self, name: str, data: bytes) -> ObjectHead:
        """Create an object from bytes, or raise ``ConflictError`` if the name exists."""
        return write_whole(self.upload(name), data)

    def upload(self, name: str, *, is_cold: bool = False) -> AzureUpload:
        """Begin a large object. The caller ends it by ``complete`` or ``abort``."""
        check_name(name)
        settings = self._settings
        return AzureUpload(
            Target(
                name=name,
                request=self._client.request("create", name, CONTRIBUTOR),
                blob=partial(self._client.blob, self._root + name),
                location=f"{self.url}/{name}",
                head=lambda: describe(name, self._look(name)),
                pacer=self._pacer,
                bandwidth=self._writing,
                tier=settings.storage_class if is_cold else settings.metadata_class,
            )
        )

    def keeping(self, deleted: str) -> Keeping:
        """Say what becomes of blobs after ``delete``, as it became of this one."""
        request = self._client.request("list what is left of", deleted)
        parameters = {
            "prefix": self._root + deleted,
            "include": "deleted,versions",
            "maxresults": str(AZURE_PAGE_MAX),
        }
        listed = self._pacer.run(lambda: self._client.list_xml(request, parameters))
        return parse_keeping(listed, request.location)

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        """Yield the uploads below these prefixes that were neither completed nor aborted.

        Azure keeps the blocks of an aborted one for a week as well: they are told like the others.
        So is the empty object of a ``discard`` that was cut short. All objects are listed for that.
        """
        for prefix in prefixes:
            for blob in self._blobs(prefix, include="uncommittedblobs"):
                if not blob.size:
                    yield from self._pacer.run(partial(self._find_blocks, blob))

    def discard(self, upload: UnfinishedUpload) -> None:
        """Abort an upload that ``unfinished`` has found; one that is gone is no error.

        For a moment there is an empty object of that name: Azure has no other way.
        """
        request = self._client.request("discard the blocks of", upload.name, CONTRIBUTOR)
        self._pacer.run(
            lambda: discard_blocks(self._client.blob(self._root + upload.name), request)
        )

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error."""
        for name in names:
            check_name(name)
        distinct = list(dict.fromkeys(names))
        for start in range(0, len(distinct), AZURE_DELETES_MAX):
            several = distinct[start : start + AZURE_DELETES_MAX]
            if len(several) == 1 or not self._pacer.run(partial(self._delete, several)):
                for name in several:
                    self._pacer.run(partial(self._delete_one, name))

    # --- Single requests ---------------------------------------------------------------------

    def _look(self, name: str) -> BlobProperties:
        try:
            return self._client.blob(self._root + name).get_blob_properties()
        except AzureError as error:
            raise judge(error, self._client.request("look at", name)) from None

    def _find_tier(self, name: str) -> str:
        try:
            return str(self._pacer.run(lambda: self._look(name)).blob_tier or "")
        except NotFoundError:
            return ""

    def _read_range(self, name: str, offset: int, length: int) -> bytes:
        """Return what there is of these bytes, by one request."""
        try:
            answer = obstore.get(
                self._client.connection.fast,
                self._root + name,
                options={"range": (offset, offset + length)},
            )
            return answer.bytes().to_bytes()
        except OBSTORE_ERRORS as error:
            if answer_of(error).status == 416:
                return b""
            raise self._judge_read(error, name) from None

    def _judge_read(self, error: Exception, name: str) -> ColdhaulError:
        """Judge a failed read; whether a 409 means an archived object is told by a head."""
        request = self._client.request("read", name)
        failure = judge(error, request)
        if answer_of(error).status == 409 and not isinstance(failure, StoreError):
            try:
                found = self._look(name)
            except (StoreError, NotFoundError):
                return failure
            if found.blob_tier == ARCHIVE:
                return not_ready(request.location, ARCHIVE, str(found.archive_status or ""))
            if isinstance(failure, NotReadyError):
                # Rehydrated between the two requests.
                return StoreError(f"{request.cannot}: its tier was changed meanwhile")
        return failure

    def _list(self, prefix: str) -> Iterator[ObjectHead]:
        before = ""
        for blob in self._blobs(prefix):
            if blob.name <= before:
                raise StoreError(
                    f"{self.url} lists names out of their order",
                    hint="A container with a hierarchical namespace does that; use one without.",
                    # What is below a repository's prefix may be others'.
                    items=(before, blob.name),
                )
            before = blob.name
            yield ObjectHead(
                name=blob.name,
                size=blob.size,
                etag=blob.etag,
                modified=blob.modified,
                checksum_kind=MD5 if blob.md5 else "",
                checksum_value=blob.md5,
            )

    def _blobs(self, prefix: str, include: str = "") -> Iterator[ListedBlob]:
        """Yield what Azure lists, under names below the root."""
        parameters = {"prefix": self._root + prefix, "maxresults": str(AZURE_PAGE_MAX)}
        if include:
            parameters["include"] = include
        request = self._client.request("list", prefix)
        while True:
            page = self._pacer.run(partial(self._page, request, dict(parameters)))
            for blob in page.blobs:
                blob.name = blob.name.removeprefix(self._root)
                yield blob
            if not page.marker:
                return
            parameters["marker"] = page.marker

    def _find_blocks(self, blob: ListedBlob) -> Sequence[UnfinishedUpload]:
        """Return the upload whose blocks an empty blob has; without any, it is just empty.

        Or it is what was left when its blocks were discarded.
        """
        client = self._client.blob(self._root + blob.name)
        try:
            _, blocks = client.get_block_list("uncommitted")
            is_left = not blocks and is_discarded(client.get_blob_properties())
        except AzureError as error:
            failure = judge(error, self._client.request("look at the blocks of", blob.name))
            if isinstance(failure, NotFoundError):
                return ()
            raise failure from None
        if is_left:
            return [UnfinishedUpload(name=blob.name, token="", started=blob.modified)]
        if not blocks:
            return ()
        begun = parse_block_id(blocks[0].id or "")
        # What may be under way is left alone: a moment that nobody tells is now.
        moment = datetime.now(UTC) if blob.modified == UNTOLD else blob.modified
        token, started = begun or (blocks[0].id or "", moment)
        size = sum(block.size or 0 for block in blocks)
        return [UnfinishedUpload(name=blob.name, token=token, started=started, size=size)]

    def _delete(self, names: Sequence[str]) -> bool:
        """Delete by one request; False if the container refuses such requests.

        It does to whoever may delete below some path only: the request itself has none.
        """
        request = self._client.request("delete in", "", CONTRIBUTOR)
        container = self._client.connection.container
        try:
            answers = container.delete_blobs(
                *(self._root + name for name in names),
                delete_snapshots="include",
                raise_on_any_failure=False,
            )
            for name, answer in zip(names, answers, strict=True):
                self._check_deleted(name, answer)
        except AzureError as error:
            if answer_of(error).code == _NOT_PERMITTED:
                return False
            raise judge(error, request) from None
        return True

    def _delete_one(self, name: str) -> None:
        try:
            self._client.blob(self._root + name).delete_blob(delete_snapshots="include")
        except AzureError as error:
            failure = judge(error, self._client.request("delete", name, CONTRIBUTOR))
            if not isinstance(failure, NotFoundError):
                raise failure from None

    def _check_deleted(self, name: str, answer: HttpResponse) -> None:
        status = int(answer.status_code)
        code = str(answer.headers.get("x-ms-error-code", ""))
        if status < 300 or code == "BlobNotFound" or (status == 404 and not code):
            return
        failure = judge_answer(
            Answer(status=status, code=code), self._client.request("delete", name, CONTRIBUTOR)
        )
        raise failure
