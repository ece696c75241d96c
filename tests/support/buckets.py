"""Buckets that are made up, that change while they are read, and whose requests are counted."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.errors import ConflictError, NotFoundError
from core.stores.bucket import Bucket, ListedObject, ListPage, ObjectPart, Properties
from core.stores.folder_bucket import FolderBucket


def fill(folder: Path, contents: Mapping[str, bytes]) -> FolderBucket:
    """Write files below a folder and return it as a bucket."""
    for key, content in contents.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return FolderBucket(folder)


class WrappingBucket:
    """A bucket that delegates everything to ``inner``; the others change what they are for."""

    def __init__(self, bucket: Bucket) -> None:
        self.inner = bucket

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def vendor(self) -> str:
        return self.inner.vendor

    @property
    def identity(self) -> str:
        return self.inner.identity

    def obey(self, stop: Callable[[], bool]) -> None:
        self.inner.obey(stop)

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        return self.inner.list_page(prefix, token=token, is_deep=is_deep)

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        return self.inner.read(key, etag, offset, length)

    def describe(self, key: str) -> ListedObject:
        return self.inner.describe(key)


class HookedBucket(WrappingBucket):
    """Calls ``before(kind, key)`` ahead of every request, ``kind`` being list, read or describe."""

    def __init__(self, bucket: Bucket, before: Callable[[str, str], None]) -> None:
        super().__init__(bucket)
        self.before = before

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        self.before("list", prefix)
        return super().list_page(prefix, token=token, is_deep=is_deep)

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        self.before("read", key)
        return super().read(key, etag, offset, length)

    def describe(self, key: str) -> ListedObject:
        self.before("describe", key)
        return super().describe(key)


class CountingBucket(HookedBucket):
    """Counts requests by kind."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket, self._count)
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def _count(self, kind: str, _key: str) -> None:
        with self._lock:
            self.counts[kind] += 1


class PropertiedBucket(WrappingBucket):
    """Gives objects properties, which files have none of."""

    def __init__(self, bucket: Bucket, properties: Mapping[str, Properties]) -> None:
        super().__init__(bucket)
        self.properties = properties

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        part = super().read(key, etag, offset, length)
        found = None if offset else self.properties.get(key, Properties())
        return ObjectPart(content=part.content, properties=found)


class MadeUpBucket:
    """A bucket of keys in memory, any text, listed in pages of ``page_size``.

    Objects are their keys' bytes; ``objects`` may be changed at any time.
    """

    vendor = "s3-compatible"

    def __init__(self, keys: Sequence[str], page_size: int = 10, url: str = "s3://made/up") -> None:
        self.url = self.identity = url
        self.objects = {key: self.make(key) for key in keys}
        self._page_size = page_size

    def make(self, key: str, version: int = 1) -> ListedObject:
        size = len(key.encode(errors="surrogateescape"))
        return ListedObject(key=key, size=size, etag=f'"{version}"', modified=version)

    def obey(self, stop: Callable[[], bool]) -> None:
        """Nobody sleeps."""

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        found: list[ListedObject | str] = []
        for key in sorted(self.objects, key=_bytes):
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            name = prefix + rest[: rest.index("/") + 1] if not is_deep and "/" in rest else key
            if _bytes(name) <= _bytes(token.removeprefix("t")) and token:
                continue
            is_prefix = name != key or (not is_deep and "/" in rest)
            if is_prefix and name not in found:
                found.append(name)
            elif not is_prefix:
                found.append(self.objects[key])
        page, rest_of_it = found[: self._page_size], found[self._page_size :]
        last = page[-1] if page else ""
        return ListPage(
            objects=tuple(entry for entry in page if not isinstance(entry, str)),
            prefixes=tuple(entry for entry in page if isinstance(entry, str)),
            token="t" + (last if isinstance(last, str) else last.key) if rest_of_it else "",
        )

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        if self.describe(key).etag != etag:
            raise ConflictError(f"{key} has changed")
        content = _bytes(key)[offset : offset + length]
        return ObjectPart(content=content, properties=None if offset else Properties())

    def describe(self, key: str) -> ListedObject:
        if key not in self.objects:
            raise NotFoundError(f"{key} is gone")
        return self.objects[key]


def _bytes(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
