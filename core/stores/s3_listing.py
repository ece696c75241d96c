"""A listing of S3 in the order of the names: obstore's, which takes a prefix for a folder.

So the listing of a text begins right before the first name that could start with it and ends
behind the last. It goes on where it was after a failure.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

import obstore
from obstore.exceptions import InvalidPathError

from core.errors import StoreError
from core.stores.pacing import Pacer
from core.stores.s3_answers import OBSTORE_ERRORS
from core.stores.s3_client import S3Client
from core.stores.s3_errors import Request, judge
from core.stores.store import ObjectHead, is_name

_PAGE = 1000
# Sorts behind every other character of a name, and so does a run of them behind most names.
_LAST = "~~~~"

Entry = tuple[str, int, str, Any]


def start_before(prefix: str) -> str:
    """Return a text that sorts before every name that starts with ``prefix``, and not far before.

    Empty where the listing of the folder needs no start. The text has to be the path of an
    object, too: no empty part.
    """
    if not prefix or prefix.endswith("/"):
        return ""
    lower = chr(ord(prefix[-1]) - 1)
    if lower == "/":
        # An empty part would follow "a/": no name has one, so nothing is between "." and "/".
        lower = "."
    return prefix[:-1] + lower + _LAST


class Listing:
    """The pages of one listing, one request each."""

    def __init__(self, client: S3Client, bucket: str, prefix: str, request: Request) -> None:
        """Ask nothing of the store yet."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._request = request
        self._last = start_before(prefix)
        self._stream: Iterator[Sequence[Any]] | None = None
        self._has_odd_keys = False
        self._is_over = False

    def next_page(self) -> Sequence[Entry]:
        """Return the next objects; nothing at the end. After an error it can be called again."""
        while not self._is_over and not self._has_odd_keys:
            try:
                page = next(self._opened(), None)
            except InvalidPathError:
                # Keys that obstore takes for no path, such as "a//b": boto3 lists them.
                self._has_odd_keys = True
                break
            except OBSTORE_ERRORS as error:
                self._stream = None
                raise judge(error, self._request, self._client.endpoint) from error
            if page is None:
                return ()
            if page:
                self._last = page[-1]["path"]
                return [(o["path"], o["size"], o["e_tag"], o["last_modified"]) for o in page]
        return () if self._is_over else self._next_odd()

    def _opened(self) -> Iterator[Sequence[Any]]:
        if self._stream is None:
            folder = self._prefix.rpartition("/")[0]
            self._stream = iter(
                obstore.list(
                    self._client.connection.fast,
                    folder or None,
                    offset=self._last or None,
                    chunk_size=_PAGE,
                )
            )
        return self._stream

    def _next_odd(self) -> Sequence[Entry]:
        start = {"StartAfter": self._last} if self._last else {}
        page = self._client.call(
            self._request, "list_objects_v2", Bucket=self._bucket, Prefix=self._prefix, **start
        )
        found = page.get("Contents", ())
        self._is_over = not page.get("IsTruncated") or not found
        if found:
            self._last = found[-1]["Key"]
        return [(o["Key"], o["Size"], o["ETag"], o["LastModified"]) for o in found]


def list_objects(listing: Listing, pacer: Pacer, root: str, prefix: str) -> Iterator[ObjectHead]:
    """Yield the objects below ``root`` whose names start with ``prefix``, in order.

    What others keep there under names that are none of ours is left out.
    """
    start = root + prefix
    skipped = len(root)
    before = ""
    while page := pacer.run(listing.next_page):
        for key, size, etag, modified in page:
            if key <= before:
                raise StoreError(
                    "the store lists names out of the order of their bytes",
                    hint="It cannot hold a repository, nor be copied from: S3 lists in order.",
                    # What is below a repository's prefix may be others'.
                    items=(before, key),
                )
            before = key
            if not key.startswith(start):
                if key > start:
                    return
                continue
            name = key[skipped:]
            if is_name(name):
                yield ObjectHead(
                    name=name,
                    size=size,
                    etag=(etag or "").strip('"'),
                    modified=modified.astimezone(UTC).replace(microsecond=0),
                )
