"""Stores whose objects are damaged, each in one way; nothing is changed in the store inside.

``applies`` says which names are damaged; without it, all. Every way to read sees the damage:
``head`` and ``list`` tell the size that ``get`` returns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from core.errors import IntegrityError, NotFoundError
from core.stores.store import ObjectHead, Store
from tests.support.stores import Names, Wrapping, every


class Altered(Wrapping):
    """Shows the content of some objects changed by ``change``, in all the ways to read."""

    def __init__(self, store: Store, change: Callable[[bytes], bytes], applies: Names) -> None:
        super().__init__(store)
        self._change = change
        self._applies = applies

    def head(self, name: str) -> ObjectHead:
        return self._seen(super().head(name))

    def get(self, name: str) -> bytes:
        data = super().get(name)
        return self._change(data) if self._applies(name) else data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if not self._applies(name):
            return super().get_range(name, offset, length)
        data = self.get(name)
        if offset < 0 or length < 0 or offset + length > len(data):
            raise IntegrityError(f"{name} has only {len(data)} bytes")
        return data[offset : offset + length]

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        return map(self._seen, super().list(prefix))

    def _seen(self, head: ObjectHead) -> ObjectHead:
        return replace(head, size=len(self.get(head.name))) if self._applies(head.name) else head


class ByteFlipped(Altered):
    """All bits of the byte at ``position`` (from the end when negative) are flipped."""

    def __init__(self, store: Store, position: int, applies: Names = every) -> None:
        super().__init__(store, lambda data: _flipped(data, position), applies)


class FirstByteFlipped(ByteFlipped):
    """All bits of the first byte are flipped."""

    def __init__(self, store: Store, applies: Names = every) -> None:
        super().__init__(store, 0, applies)


class LastByteFlipped(ByteFlipped):
    """All bits of the last byte are flipped."""

    def __init__(self, store: Store, applies: Names = every) -> None:
        super().__init__(store, -1, applies)


class Truncated(Altered):
    """The last ``lost_size`` bytes are gone."""

    def __init__(self, store: Store, applies: Names = every, lost_size: int = 1) -> None:
        super().__init__(store, lambda data: data[: max(0, len(data) - lost_size)], applies)


class Emptied(Altered):
    """Nothing is left but the name."""

    def __init__(self, store: Store, applies: Names = every) -> None:
        super().__init__(store, lambda _: b"", applies)


class Lengthened(Altered):
    """Bytes stand behind the end."""

    def __init__(self, store: Store, applies: Names = every, more: bytes = b"\0") -> None:
        super().__init__(store, lambda data: data + more, applies)


class Zeroed(Altered):
    """Every byte is zero, as after a crash of a file system."""

    def __init__(self, store: Store, applies: Names = every) -> None:
        super().__init__(store, lambda data: bytes(len(data)), applies)


class Swapped(Wrapping):
    """Shows one object's content under another's name: ``{shown: stored}``."""

    def __init__(self, store: Store, stored: Mapping[str, str]) -> None:
        super().__init__(store)
        self._stored = stored

    def head(self, name: str) -> ObjectHead:
        return replace(super().head(self._stored.get(name, name)), name=name)

    def get(self, name: str) -> bytes:
        return super().get(self._stored.get(name, name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return super().get_range(self._stored.get(name, name), offset, length)

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        return (self.head(head.name) for head in super().list(prefix))


class Unlisted(Wrapping):
    """Leaves objects out of the listing that can still be read."""

    def __init__(self, store: Store, applies: Names = every) -> None:
        super().__init__(store)
        self._applies = applies

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        return (head for head in super().list(prefix) if not self._applies(head.name))


class Missing(Unlisted):
    """Has lost objects, for readers: their names are not listed and not found."""

    def head(self, name: str) -> ObjectHead:
        self._look(name)
        return super().head(name)

    def get(self, name: str) -> bytes:
        self._look(name)
        return super().get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._look(name)
        return super().get_range(name, offset, length)

    def _look(self, name: str) -> None:
        if self._applies(name):
            raise NotFoundError(f"{name} is not there")


def _flipped(data: bytes, position: int) -> bytes:
    if not data:
        return data
    altered = bytearray(data)
    altered[position] ^= 0xFF
    return bytes(altered)
