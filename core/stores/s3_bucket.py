"""Any tool's objects in S3: read pinned to their ETags, listed as they are, put back.

Reading goes through requests of our own (see ``s3_request``), writing through boto3, whose
processor time is nothing beside the bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from core.errors import ConflictError, InputError, StoreError
from core.limits import LISTING_SIZE_MAX
from core.stores.address import AMAZON_S3, derive_vendor, parse_address
from core.stores.bucket import UNNAMED, ListedObject, ListPage, ObjectPart, Properties
from core.stores.http_connection import Reply
from core.stores.pacing import Pacer, TransientError, share_bandwidth
from core.stores.s3_client import S3Client
from core.stores.s3_documents import parse_listing, parse_tags
from core.stores.s3_errors import Request
from core.stores.s3_properties import has_tags, read_properties, write_parameters
from core.stores.s3_request import S3Requests
from core.stores.s3_upload import S3Upload, Target
from core.stores.settings import StoreSettings
from core.stores.store import ObjectHead

# What S3 can hold as a key, in bytes of UTF-8.
KEY_SIZE_MAX = 1024
_NOT_THAT_LONG = 416


class S3Bucket:
    """Objects below an ``s3://`` URL. Safe to share between threads and, pickled, processes."""

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Touch nothing yet."""
        self._settings = settings
        self._address = parse_address(url)
        self._vendor = settings.vendor or derive_vendor(self._address.url, settings.endpoint)
        self._root = f"{self._address.prefix}/" if self._address.prefix else ""
        self._client = S3Client(self._address, settings)
        self._requests = S3Requests(self._client, self._address, settings)
        self._pacer = Pacer(refresh=self._client.refresh)
        self._reading = share_bandwidth(f"read {self.url}", settings.read_bandwidth)
        self._writing = share_bandwidth(f"write {self.url}", settings.write_bandwidth)
        self._may_see_tags = False

    def __reduce__(self) -> tuple[object, tuple[str, StoreSettings]]:
        """Open the same place anew in another process: connections do not travel."""
        return (type(self), (self.url, self._settings))

    @property
    def url(self) -> str:
        """The URL in its one form."""
        return self._address.url

    @property
    def vendor(self) -> str:
        """``amazon-s3`` or ``s3-compatible``: as said, or as the endpoint says."""
        return self._vendor

    @property
    def identity(self) -> str:
        """Amazon's buckets have names of their own in the world; others are known by their host."""
        if self.vendor == AMAZON_S3:
            return self.url
        host = urlsplit(self._settings.endpoint).netloc.rpartition("@")[2]
        return f"{self.url} at {host}"

    def obey(self, stop: Callable[[], bool]) -> None:
        """Sleep no more once ``stop`` says so."""
        self._pacer.stop = stop

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        """Return one page; ``token`` is the last key or common prefix of the page before.

        It goes on after a key and not by the store's own token, which is good for a while only.
        An object whose key is the root itself, as some tools make for a folder, is left out.
        """
        parameters = {"list-type": "2", "encoding-type": "url", "prefix": self._root + prefix}
        if token:
            parameters["start-after"] = self._root + token
        if not is_deep:
            parameters["delimiter"] = "/"
        request = self._client.request("list", "", "s3:ListBucket", (prefix,) if prefix else ())

        def attempt() -> Reply:
            return self._requests.send(
                "GET", "", request, parameters=parameters, size_max=LISTING_SIZE_MAX
            )

        reply = self._pacer.run(attempt)
        return _page(parse_listing(reply.body, self._root, self.url), token, self.url)

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        """Return exactly these bytes of the version that ``etag`` names."""
        request = self._request("read", key, "s3:GetObject")
        try:
            reply = self._pacer.run(lambda: self._get(key, etag, offset, length, request))
        except ConflictError:
            raise _changed(request) from None
        self._reading.take(len(reply.body), self._pacer.sleep)
        properties = None if offset else self._properties(key, reply, request)
        return ObjectPart(content=reply.body, properties=properties)

    def describe(self, key: str) -> ListedObject:
        """Return what a listing would say of this object now, or raise ``NotFoundError``."""
        request = self._request("look at", key, "s3:GetObject")
        return self._pacer.run(lambda: self._describe(key, request))

    def write(self, key: str, properties: Properties, *, size: int, overwrite: bool) -> S3Upload:
        """Begin an object of ``size`` bytes with these properties."""
        name = self._root + key
        _check_key(name, key)
        request = self._request("write", key, "s3:PutObject")
        target = Target(
            location=request.location,
            items=request.items,
            place={"Bucket": self._address.container, "Key": name},
            properties=write_parameters(properties, request) | self._storing(),
            overwrite=overwrite,
            call=lambda operation, **keys: self._client.call(request, operation, **keys),
            head=lambda: self._head(key, request),
            pacer=self._pacer,
            bandwidth=self._writing,
            size=size,
        )
        return S3Upload(target)

    # --- Single requests ---------------------------------------------------------------------

    def _request(self, doing: str, key: str, permission: str) -> Request:
        return self._client.request(doing, UNNAMED, permission, (key,))

    def _get(self, key: str, etag: str, offset: int, length: int, request: Request) -> Reply:
        """Get these bytes and check what came."""
        name, last = self._root + key, offset + max(length, 1) - 1
        headers = {"if-match": f'"{etag}"', "range": f"bytes={offset}-{last}"}
        # Headers alone are no matter for a HEAD: some stores leave the number of tags out of it.
        reply = self._requests.send(
            "GET",
            name,
            request,
            headers=headers,
            size_max=length,
            accepted=200 if length else _NOT_THAT_LONG,
        )
        if reply.status == _NOT_THAT_LONG:
            del headers["range"]
            reply = self._requests.send("GET", name, request, headers=headers)
        # Some stores ignore the condition, or the range where it is all there is.
        if _etag(reply) != etag:
            raise _changed(request)
        if not length:
            return replace(reply, body=b"")
        if len(reply.body) != length:
            raise StoreError(
                f"cannot read {request.location}: the store sent {len(reply.body)} bytes instead "
                f"of the {length} at {offset}",
                items=request.items,
            )
        # ... and some send the range, and say so, under the status of a whole object.
        part = f"bytes {offset}-{last}/"
        if offset and not reply.headers.get("content-range", "").startswith(part):
            raise StoreError(
                f"cannot read {request.location}: the store does not give single parts of objects",
                items=request.items,
            )
        return reply

    def _describe(self, key: str, request: Request) -> ListedObject:
        reply = self._requests.send("HEAD", self._root + key, request)
        return ListedObject(
            key=key,
            size=int(_said(reply, "content-length")),
            etag=_etag(reply),
            modified=_modified(reply),
        )

    def _head(self, key: str, request: Request) -> ObjectHead:
        """Look at what was just written; the checksum tells our object from another's."""
        reply = self._requests.send(
            "HEAD", self._root + key, request, headers={"x-amz-checksum-mode": "ENABLED"}
        )
        sha256 = reply.headers.get("x-amz-checksum-sha256", "")
        return ObjectHead(
            name=key,
            size=int(_said(reply, "content-length")),
            etag=_etag(reply),
            modified=datetime.fromtimestamp(_modified(reply), UTC),
            checksum_kind="sha256" if sha256 else "",
            checksum_value=sha256,
        )

    def _properties(self, key: str, reply: Reply, request: Request) -> Properties:
        tags: Mapping[str, str] = {}
        if has_tags(reply.headers):
            tags = self._tags(key)
            # Tags cannot be pinned: these may be of an object that took its place meanwhile.
            if self.describe(key).etag != _etag(reply):
                raise _changed(request)
        elif not self._may_see_tags and self.vendor == AMAZON_S3:
            # Amazon tells nobody of tags who may not read them: try that, once.
            self._tags(key)
            self._may_see_tags = True
        return read_properties(reply.headers, tags)

    def _tags(self, key: str) -> Mapping[str, str]:
        request = self._request("read the tags of", key, "s3:GetObjectTagging")
        found = self._pacer.run(
            lambda: self._requests.send(
                "GET", self._root + key, request, parameters={"tagging": ""}
            )
        )
        try:
            return parse_tags(found.body, request.location)
        except StoreError as error:
            raise error.about(request.items) from None

    def _storing(self) -> dict[str, Any]:
        """Return how objects are kept here, which is no matter of their own."""
        settings = self._settings
        parameters: dict[str, Any] = {}
        if settings.storage_class:
            parameters["StorageClass"] = settings.storage_class
        if settings.kms_key:
            parameters |= {
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": settings.kms_key,
                "BucketKeyEnabled": True,
            }
        return parameters


def _page(listing: tuple[list[ListedObject], list[str], bool], token: str, place: str) -> ListPage:
    """Return a page; ``token`` is where the page before ended.

    A common prefix that the page before ended with may come again, and so may what a store gives
    that includes the key after which it was to start.
    """
    objects, prefixes, is_truncated = listing
    last = max(
        (entry.encode("utf-8", "surrogateescape") for entry in _ends(objects, prefixes)),
        default=b"",
    )
    after = token.encode("utf-8", "surrogateescape")
    if is_truncated and last <= after:
        raise StoreError(
            f"cannot list {place}: the store begins anew instead of going on after a key",
            hint="It cannot be copied from: its listings do not know start-after.",
        )
    keys = [token, *(entry.key for entry in objects)] if objects else []
    # Texts compare by characters as UTF-8 does by bytes.
    if any(key > following for key, following in pairwise(keys)):
        raise StoreError(
            f"cannot list {place}: the store lists keys out of the order of their bytes",
            hint="It cannot be copied from: what follows a key cannot be told from what is before.",
        )
    return ListPage(
        objects=tuple(entry for entry in objects if entry.key not in {"", token}),
        prefixes=tuple(prefix for prefix in prefixes if prefix != token),
        token=last.decode("utf-8", "surrogateescape") if is_truncated else "",
    )


def _ends(objects: list[ListedObject], prefixes: list[str]) -> Iterator[str]:
    if objects:
        yield objects[-1].key
    if prefixes:
        yield prefixes[-1]


def _changed(request: Request) -> ConflictError:
    return ConflictError(f"{request.location} has been changed", items=request.items)


def _check_key(name: str, key: str) -> None:
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError("a key is not UTF-8 and cannot be one in S3", items=(key,)) from None
    if not 0 < size <= KEY_SIZE_MAX:
        raise InputError(
            f"a key cannot be one in S3: it has {size} bytes, and not 1 to {KEY_SIZE_MAX}",
            items=(key,),
        )


def _etag(reply: Reply) -> str:
    return reply.headers.get("etag", "").strip('"')


def _modified(reply: Reply) -> int:
    return int(parsedate_to_datetime(_said(reply, "last-modified")).timestamp())


def _said(reply: Reply, name: str) -> str:
    value = reply.headers.get(name)
    if value is None:
        raise TransientError(f"the store's answer has no {name}: it was cut, or it is not of S3")
    return str(value)
