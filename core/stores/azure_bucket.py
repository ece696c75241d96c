"""A container of any tool's blobs: read as the source of a copy, written by a restore.

Block, append and page blobs are read alike; snapshots, older versions and the folders of a
hierarchical namespace are not listed. What is written is a block blob.

An ETag here is Azure's, with ``#tags`` behind it when the blob has tags: tags change without the
ETag, and asking every blob for them would cost a request each.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import obstore
from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties

from core.errors import ColdhaulError, ConflictError, InputError, NotFoundError, StoreError
from core.limits import AZURE_PAGE_MAX
from core.stores.azure_answers import OBSTORE_ERRORS, answer_of
from core.stores.azure_errors import CONTRIBUTOR, OWNER, READER, Request, judge, not_ready
from core.stores.azure_listing import ListedBlob
from core.stores.azure_names import (
    check_writable,
    decode_metadata,
    encode_metadata,
    is_plain,
)
from core.stores.azure_place import AzurePlace
from core.stores.azure_upload import AzureUpload, Target, describe
from core.stores.bucket import UNNAMED, ListedObject, ListPage, ObjectPart, Properties
from core.stores.pacing import TransientError

_TAGGED = "#tags"
# What obstore reports beside the metadata of a blob.
_ATTRIBUTES = {
    "Content-Type": "content_type",
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
}


class AzureBucket(AzurePlace):
    """All blobs under one prefix."""

    @property
    def identity(self) -> str:
        """The account's address, the container and the prefix."""
        host = self._client.endpoint.partition("://")[2].lower()
        return f"az://{host}/{self._address.container}/{self._root}"

    # --- Listing -----------------------------------------------------------------------------

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        """Return one page of the objects whose keys start with ``prefix``.

        Not ``is_deep`` stops at the next ``/`` after ``prefix`` and gives common prefixes.
        """
        parameters = {"prefix": self._name(prefix), "maxresults": str(AZURE_PAGE_MAX)}
        if token:
            parameters["marker"] = token
        if not is_deep:
            parameters["delimiter"] = "/"
        request = self._client.request("list", "", items=(prefix,) if prefix else ())
        page = self._pacer.run(partial(self._page, request, parameters))
        return ListPage(
            objects=tuple(self._listed(blob) for blob in page.blobs),
            prefixes=tuple(name.removeprefix(self._root) for name in page.prefixes),
            token=page.marker,
        )

    def describe(self, key: str) -> ListedObject:
        """Return what a listing would say of this object now, or raise ``NotFoundError``."""
        found = self._pacer.run(lambda: self._look(key))
        return ListedObject(
            key=key,
            size=int(found.size or 0),
            etag=_etag(str(found.etag), has_tags=bool(found.tag_count)),
            modified=_seconds(found.last_modified),
        )

    # --- Reading -----------------------------------------------------------------------------

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        """Return exactly these bytes of the version that ``etag`` names.

        ``ConflictError``: the object is another one by now. ``NotFoundError``: it is gone.
        ``NotReadyError``: it is archived. A ``length`` of 0 asks for the properties alone.
        """
        pin, is_tagged = etag.removesuffix(_TAGGED), etag.endswith(_TAGGED)
        fetch = self._fetch if is_plain(self._name(key)) else self._fetch_odd
        part = self._pacer.run(lambda: fetch(key, pin, offset, length))
        self._reading.take(len(part.content), self._pacer.sleep)
        if len(part.content) != length:
            raise StoreError(
                f"{self._location} gave {len(part.content)} of {length} bytes", items=(key,)
            )
        if offset or part.properties is None:
            return ObjectPart(content=part.content)
        if not is_tagged:
            return part
        properties = self._with_tags(key, part.properties)
        # Tags cannot be pinned: these may be of a blob that took its place meanwhile.
        if self.describe(key).etag.removesuffix(_TAGGED) != pin:
            raise ConflictError(f"{self._location} has been changed", items=(key,))
        return ObjectPart(content=part.content, properties=properties)

    # --- Writing -----------------------------------------------------------------------------

    def write(self, key: str, properties: Properties, *, size: int, overwrite: bool) -> AzureUpload:
        """Begin an object of ``size`` bytes with these properties.

        Without ``overwrite``, ``complete`` raises ``ConflictError`` if the name exists.
        """
        name = self._name(key)
        check_writable(self._location, key, name, properties)
        role = OWNER if properties.tags else CONTRIBUTOR
        return AzureUpload(
            Target(
                name=key,
                request=self._request("write", key, role),
                blob=partial(self._client.blob, name),
                location=self._location,
                items=(key,),
                head=lambda: describe(key, self._look(key)),
                pacer=self._pacer,
                bandwidth=self._writing,
                tier=self._settings.storage_class,
                properties=properties,
                metadata=encode_metadata(properties.metadata),
                overwrite=overwrite,
                size=size,
            )
        )

    # --- Single requests ---------------------------------------------------------------------

    def _name(self, key: str) -> str:
        if not key.isascii() and any("\ud800" <= sign <= "\udfff" for sign in key):
            raise InputError(
                f"{self._location} cannot be: Azure's names are Unicode, and it is not UTF-8",
                hint="Restore this object to a folder, or leave it out.",
                items=(key,),
            )
        return self._root + key

    @property
    def _location(self) -> str:
        return f"{self.url}/{UNNAMED}"

    def _request(self, doing: str, key: str, role: str = READER) -> Request:
        return self._client.request(doing, UNNAMED, role, (key,))

    def _listed(self, blob: ListedBlob) -> ListedObject:
        return ListedObject(
            key=blob.name.removeprefix(self._root),
            size=blob.size,
            etag=_etag(blob.etag, has_tags=blob.has_tags),
            modified=_seconds(blob.modified),
        )

    def _look(self, key: str, pin: str = "") -> BlobProperties:
        try:
            return self._client.blob(self._name(key)).get_blob_properties(**_pinned(pin))
        except AzureError as error:
            raise judge(error, self._request("look at", key)) from None

    def _fetch(self, key: str, pin: str, offset: int, length: int) -> ObjectPart:
        """Read by obstore: content and all properties but the tags, by one request."""
        options: dict[str, Any] = {"if_match": f'"{pin}"'}
        if length:
            options["range"] = (offset, offset + length)
        else:
            options["head"] = True
        try:
            answer = obstore.get(
                self._client.connection.fast,
                self._name(key),
                options=options,  # type: ignore[arg-type]
            )
            content = answer.bytes().to_bytes() if length else b""
            return ObjectPart(content=content, properties=_properties(answer.attributes))
        except OBSTORE_ERRORS as error:
            raise self._judge_read(error, key) from None

    def _fetch_odd(self, key: str, pin: str, offset: int, length: int) -> ObjectPart:
        """Read by the SDK what obstore has no path for."""
        try:
            if not length:
                return ObjectPart(content=b"", properties=_of_sdk(self._look(key, pin)))
            answer = self._client.blob(self._name(key)).download_blob(
                offset=offset, length=length, decompress=False, **_pinned(pin)
            )
            return ObjectPart(content=answer.readall(), properties=_of_sdk(answer.properties))
        except AzureError as error:
            raise self._judge_read(error, key) from None

    def _with_tags(self, key: str, properties: Properties) -> Properties:
        def attempt() -> dict[str, str]:
            try:
                return dict(self._client.blob(self._name(key)).get_blob_tags())
            except AzureError as error:
                raise judge(error, self._request("read the tags of", key, OWNER)) from None

        tags = self._pacer.run(attempt)
        return replace(properties, tags=tags)

    def _judge_read(self, error: Exception, key: str) -> ColdhaulError:
        """Judge a failed read.

        A 409 may mean archived, a 412 gone as well as changed, a 404 without a body that all of
        the container is gone.
        """
        request = self._request("read", key)
        failure = judge(error, request)
        if answer_of(error).status in {404, 409, 412}:
            try:
                found = self._look(key)
            except (NotFoundError, StoreError) as told:
                return failure if isinstance(told, TransientError) else told
            if found.blob_tier == "Archive":
                status = str(found.archive_status or "")
                return not_ready(request.location, "Archive", status).about(request.items)
        return failure


def _etag(etag: str, *, has_tags: bool) -> str:
    return etag.strip('"') + (_TAGGED if has_tags else "")


def _pinned(pin: str) -> dict[str, Any]:
    """Return the condition that the blob is still the one of this ETag, none for any."""
    if not pin:
        return {}
    return {"etag": f'"{pin}"', "match_condition": MatchConditions.IfNotModified}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _properties(attributes: Mapping[str, str]) -> Properties:
    known = {_ATTRIBUTES[name]: value for name, value in attributes.items() if name in _ATTRIBUTES}
    others = {name: value for name, value in attributes.items() if name not in _ATTRIBUTES}
    return Properties(**known, metadata=decode_metadata(others))  # type: ignore[arg-type]


def _of_sdk(found: BlobProperties) -> Properties:
    settings = found.content_settings
    return Properties(
        content_type=settings.content_type or "",
        content_encoding=settings.content_encoding or "",
        content_language=settings.content_language or "",
        content_disposition=settings.content_disposition or "",
        cache_control=settings.cache_control or "",
        metadata=decode_metadata(found.metadata or {}),
    )
