"""Keys that a vendor's service holds, whichever vendor it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

CloudKind = Literal["aws-kms", "azure-key-vault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """A few bytes as a cloud key wrapped them, and what that key is called, version included."""

    key: str
    data: bytes = field(repr=False)


class CloudKey(Protocol):
    """A key that a vendor's service holds. What it wraps, nobody unwraps without the service.

    Every error is one of ``core.errors``. Its ``repr`` tells nothing secret.
    """

    @property
    def kind(self) -> CloudKind:
        """The kind of the slots that it opens."""

    @property
    def key(self) -> str:
        """What it is called by its vendor."""

    def is_same(self, key: str) -> bool:
        """Say whether a slot's ``key`` is this one."""

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> Wrapping:
        """Return these few bytes wrapped; they unwrap with an equal context only."""

    def unwrap(self, wrapping: Wrapping, context: Mapping[str, str]) -> bytes:
        """Return what was wrapped; ``IntegrityError`` if it was not by this key and context."""
