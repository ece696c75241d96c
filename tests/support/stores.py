"""Stores around a good store: one fault each, crashes, and a record of all requests.

Each is named after what is wrong with it. ``applies`` says to which names the fault applies;
without it, to all. Faults of the stored bytes are in ``damaged_stores``.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from core.errors import ConflictError, NotReadyError, StoreError
from core.stores.store import Keeping, ObjectHead, Store, UnfinishedUpload, Upload

Names = Callable[[str], bool]
Kind = Literal["head", "get", "get_range", "put", "write", "complete", "abort", "list", "delete"]
Answer = TypeVar("Answer")
WRITES: frozenset[Kind] = frozenset({"put", "complete", "delete"})


class Crash(BaseException):
    """Stands for a power cut: not an ``Exception``, so that no handler may swallow it."""


def every(name: str) -> bool:
    """Apply a fault to all names."""
    del name
    return True


def below(*prefixes: str) -> Names:
    """Apply a fault to the names that start with one of these."""
    return lambda name: name.startswith(prefixes)


class Wrapping:
    """A store that delegates everything to ``inner``; the others change what they are named for."""

    def __init__(self, store: Store) -> None:
        self.inner = store

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def vendor(self) -> str:
        return self.inner.vendor

    def obey(self, stop: Callable[[], bool]) -> None:
        self.inner.obey(stop)

    def head(self, name: str) -> ObjectHead:
        return self.inner.head(name)

    def get(self, name: str) -> bytes:
        return self.inner.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.inner.get_range(name, offset, length)

    def put(self, name: str, data: bytes) -> ObjectHead:
        return self.inner.put(name, data)

    def upload(self, name: str, *, is_cold: bool = False) -> Upload:
        return WrappingUpload(self, name, self.inner.upload(name, is_cold=is_cold))

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        return self.inner.list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        self.inner.delete(names)

    def keeping(self, deleted: str) -> Keeping:
        return self.inner.keeping(deleted)

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        return self.inner.archived(names)

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        return self.inner.unfinished(prefixes)

    def discard(self, upload: UnfinishedUpload) -> None:
        self.inner.discard(upload)

    def write(self, name: str, upload: Upload, data: bytes) -> None:
        """Pass the next bytes of an upload on."""
        del name
        upload.write(data)

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        """Complete an upload."""
        del name
        return upload.complete()

    def abort(self, name: str, upload: Upload) -> None:
        """Abort an upload."""
        del name
        upload.abort()


class WrappingUpload:
    """An upload that asks its store at each step, so that a fault can be there as well."""

    def __init__(self, store: Wrapping, name: str, inner: Upload) -> None:
        self._store = store
        self._name = name
        self._inner = inner

    def write(self, data: bytes) -> None:
        self._store.write(self._name, self._inner, data)

    def complete(self) -> ObjectHead:
        return self._store.complete(self._name, self._inner)

    def abort(self) -> None:
        self._store.abort(self._name, self._inner)


class Hooked(Wrapping):
    """Calls ``before(kind, name)`` ahead of every request: what others do at that very moment.

    ``name`` is the prefix for ``list``; ``delete`` asks once for each name.
    """

    def __init__(self, store: Store, before: Callable[[Kind, str], None]) -> None:
        super().__init__(store)
        self.before = before

    def head(self, name: str) -> ObjectHead:
        self.before("head", name)
        return super().head(name)

    def get(self, name: str) -> bytes:
        self.before("get", name)
        return super().get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.before("get_range", name)
        return super().get_range(name, offset, length)

    def put(self, name: str, data: bytes) -> ObjectHead:
        self.before("put", name)
        return super().put(name, data)

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        self.before("list", prefix)
        return super().list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.before("delete", name)
            super().delete([name])

    def write(self, name: str, upload: Upload, data: bytes) -> None:
        self.before("write", name)
        super().write(name, upload, data)

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        self.before("complete", name)
        return super().complete(name, upload)

    def abort(self, name: str, upload: Upload) -> None:
        self.before("abort", name)
        super().abort(name, upload)


class Archived(Hooked):
    """Has some objects in an archive: their data cannot be read, all else can."""

    def __init__(self, store: Store, applies: Names, storage_class: str = "DEEP_ARCHIVE") -> None:
        super().__init__(store, self._refuse)
        self.applies = applies
        self._class = storage_class

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: self._class for name in names if self.applies(name)}

    def _refuse(self, kind: Kind, name: str) -> None:
        if kind in {"get", "get_range"} and self.applies(name):
            raise NotReadyError(f"{name} is archived")


class Slow(Hooked):
    """Takes ``seconds`` for every request."""

    def __init__(self, store: Store, seconds: float, applies: Names = every) -> None:
        super().__init__(store, lambda _, name: time.sleep(seconds) if applies(name) else None)


class Refusing(Hooked):
    """Refuses requests of these kinds with a ``StoreError``, as a store without the permission."""

    def __init__(
        self, store: Store, applies: Names = every, kinds: frozenset[Kind] = WRITES
    ) -> None:
        super().__init__(store, self._refuse)
        self._applies = applies
        self._kinds = kinds

    def _refuse(self, kind: Kind, name: str) -> None:
        if kind in self._kinds and self._applies(name):
            raise StoreError(f"cannot {kind} {name}: refused", hint="give the permission")


class Full(Hooked):
    """Has room for ``size_max`` more bytes; a write past that is refused as by a full disk."""

    def __init__(self, store: Store, size_max: int) -> None:
        super().__init__(store, lambda _kind, _name: None)
        self.size_left = size_max

    def put(self, name: str, data: bytes) -> ObjectHead:
        self._take(name, len(data))
        return super().put(name, data)

    def write(self, name: str, upload: Upload, data: bytes) -> None:
        self._take(name, len(data))
        super().write(name, upload, data)

    def _take(self, name: str, size: int) -> None:
        if size > self.size_left:
            raise StoreError(f"cannot write {name}: the disk is full", hint="free some space")
        self.size_left -= size


class OverwritingUploads(Wrapping):
    """Keeps create-only for single writes and ignores it for uploads in parts."""

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        self.inner.delete([name])
        return super().complete(name, upload)


class Unfinished(Wrapping):
    """Holds uploads that were begun and never ended; gives up all but those below ``kept``."""

    def __init__(
        self, store: Store, started: Mapping[str, datetime], kept: Sequence[str] = ()
    ) -> None:
        super().__init__(store)
        self.uploads = [
            UnfinishedUpload(name=name, token=f"token of {name}", started=moment, size=7)
            for name, moment in started.items()
        ]
        self._kept = tuple(kept)

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        return iter([each for each in self.uploads if each.name.startswith(tuple(prefixes))])

    def discard(self, upload: UnfinishedUpload) -> None:
        if upload.name.startswith(self._kept):
            raise StoreError(f"cannot abort {upload.name}: refused", hint="give the permission")
        self.uploads.remove(upload)


class KeepingDeleted(Wrapping):
    """Says that it keeps deleted objects, or that it cannot tell."""

    def __init__(self, store: Store, told: Keeping | StoreError) -> None:
        super().__init__(store)
        self._told = told

    def keeping(self, deleted: str) -> Keeping:
        assert not any(head.name == deleted for head in self.inner.list(deleted))
        if isinstance(self._told, StoreError):
            raise self._told
        return self._told


class Overwriting(Wrapping):
    """Ignores that a write is create-only, as some stores that call themselves compatible."""

    def put(self, name: str, data: bytes) -> ObjectHead:
        self.inner.delete([name])
        return super().put(name, data)

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        self.inner.delete([name])
        return super().complete(name, upload)


class LostAnswer(Wrapping):
    """The first write of each name happens, but its answer is lost.

    ``seen`` is what the caller gets instead: the ``"error"`` of a client that gave up, or the
    ``"conflict"`` of one that tried again by itself and met its own object.
    """

    def __init__(
        self, store: Store, applies: Names = every, seen: Literal["error", "conflict"] = "conflict"
    ) -> None:
        super().__init__(store)
        self._applies = applies
        self._seen = seen
        self._lock = threading.Lock()
        self.lost: set[str] = set()

    def put(self, name: str, data: bytes) -> ObjectHead:
        return self._answer(super().put(name, data))

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        return self._answer(super().complete(name, upload))

    def _answer(self, head: ObjectHead) -> ObjectHead:
        with self._lock:
            if not self._applies(head.name) or head.name in self.lost:
                return head
            self.lost.add(head.name)
        if self._seen == "conflict":
            raise ConflictError(f"{head.name} exists already")
        raise StoreError(f"cannot write {head.name}: no answer came", hint="run again")


class CrashingStore(Wrapping):
    """Loses power at a write (put, completed upload, each deleted name); then nothing works.

    ``writes_before_crash`` writes go well. At the next one ``Crash`` is raised: before it has
    happened, or with ``after`` when it has happened and the answer has not come. None only
    counts, so that a test can enumerate: ``for n in range(store.write_count)``.
    """

    def __init__(
        self, store: Store, writes_before_crash: int | None = None, *, after: bool = False
    ) -> None:
        super().__init__(store)
        self._writes_before_crash = writes_before_crash
        self._after = after
        self._lock = threading.Lock()
        self.is_crashed = False
        self.writes: list[tuple[Kind, str]] = []

    @property
    def write_count(self) -> int:
        """The number of writes that have happened."""
        return len(self.writes)

    def head(self, name: str) -> ObjectHead:
        self._check_power()
        return super().head(name)

    def get(self, name: str) -> bytes:
        self._check_power()
        return super().get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._check_power()
        return super().get_range(name, offset, length)

    def put(self, name: str, data: bytes) -> ObjectHead:
        return self._write("put", name, lambda: self.inner.put(name, data))

    def upload(self, name: str, *, is_cold: bool = False) -> Upload:
        self._check_power()
        return super().upload(name, is_cold=is_cold)

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        self._check_power()
        for head in super().list(prefix):
            yield head
            self._check_power()

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._write("delete", name, partial(self.inner.delete, [name]))

    def write(self, name: str, upload: Upload, data: bytes) -> None:
        self._check_power()
        super().write(name, upload, data)

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        return self._write("complete", name, upload.complete)

    def _check_power(self) -> None:
        if self.is_crashed:
            raise Crash

    def _write(self, kind: Kind, name: str, act: Callable[[], Answer]) -> Answer:
        # One at a time: a write that runs beside the crashing one would happen or not by chance.
        with self._lock:
            self._check_power()
            is_last = self.write_count == self._writes_before_crash
            if is_last and not self._after:
                self.is_crashed = True
                raise Crash
            answer = act()
            self.writes.append((kind, name))
            if is_last:
                self.is_crashed = True
                raise Crash
            return answer


class Recording(Wrapping):
    """Counts requests by kind, and bytes, and remembers the order of the requests."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self.calls: list[tuple[Kind, str]] = []
        self.read_size = 0
        self.written_size = 0

    def __reduce__(self) -> tuple[object, tuple[Store]]:
        """Begin anew in another process: what was counted stays here."""
        return (type(self), (self.inner,))

    @property
    def counts(self) -> Counter[Kind]:
        """The number of requests of each kind; a delete counts each name."""
        with self._lock:
            return Counter(kind for kind, _ in self.calls)

    @property
    def write_count(self) -> int:
        """The number of requests that changed what is stored, or tried to."""
        return sum(count for kind, count in self.counts.items() if kind in WRITES)

    def names(self, *kinds: Kind) -> list[str]:
        """Return the names that requests of these kinds were made for, in order."""
        with self._lock:
            return [name for kind, name in self.calls if kind in kinds]

    def head(self, name: str) -> ObjectHead:
        self._count("head", name)
        return super().head(name)

    def get(self, name: str) -> bytes:
        self._count("get", name)
        return self._read(super().get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._count("get_range", name)
        return self._read(super().get_range(name, offset, length))

    def put(self, name: str, data: bytes) -> ObjectHead:
        self._count("put", name, len(data))
        return super().put(name, data)

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        self._count("list", prefix)
        return super().list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._count("delete", name)
        super().delete(names)

    def write(self, name: str, upload: Upload, data: bytes) -> None:
        self._count("write", name, len(data))
        super().write(name, upload, data)

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        self._count("complete", name)
        return super().complete(name, upload)

    def abort(self, name: str, upload: Upload) -> None:
        self._count("abort", name)
        super().abort(name, upload)

    def _count(self, kind: Kind, name: str, size: int = 0) -> None:
        with self._lock:
            self.calls.append((kind, name))
            self.written_size += size

    def _read(self, data: bytes) -> bytes:
        with self._lock:
            self.read_size += len(data)
        return data
