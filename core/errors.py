"""What can go wrong, sorted by what whoever catches it does about it.

::

    ColdhaulError
    ├── InputError       fix the request, the configuration or the key; never retried     exit 2
    ├── NotFoundError    what was named is not there                                      exit 3
    ├── ConflictError    something else was first; read again, then decide                exit 4
    ├── NotReadyError    right request, wrong moment                                      exit 5
    ├── StoreError       the store refused or failed in a way that we cannot mend         exit 6
    └── IntegrityError   stored bytes are not what was written; never retried             exit 7

An ``AssertionError`` is our own bug: it is outside the tree and nothing but an entry point
catches it (exit 1).
"""

from collections.abc import Sequence
from typing import ClassVar, Self


class ColdhaulError(Exception):
    """The base of all errors that the world can cause.

    ``message`` says what is wrong and where, ``hint`` what to do about it, and ``problems``
    lists every single finding where there are several. Names of items, and of objects that are
    other tools', are in ``items`` and in no other part: a command shows them to who started it;
    logs, notices, reports and functions' results leave them out (I5).
    """

    category: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        problems: Sequence[str] = (),
        items: Sequence[str] = (),
    ) -> None:
        """Keep the parts apart, so that a command line can lay them out."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        self.items = tuple(items)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Pickle with all parts: errors cross from worker processes."""
        return (_rebuild, (type(self), self.message, self.hint, self.problems, self.items))

    def with_hint(self, hint: str) -> Self:
        """Return the same error with a hint that a caller nearer to the user knows."""
        return type(self)(self.message, hint=hint, problems=self.problems, items=self.items)

    def about(self, items: Sequence[str]) -> Self:
        """Say which items this error is about; return it."""
        self.items = tuple(items)
        return self


def _rebuild(
    kind: type[ColdhaulError],
    message: str,
    hint: str,
    problems: tuple[str, ...],
    items: tuple[str, ...],
) -> ColdhaulError:
    return kind(message, hint=hint, problems=problems, items=items)


class InputError(ColdhaulError):
    """The request, the configuration or a key is wrong and has to be changed."""

    category = "input"
    exit_code = 2


class NotFoundError(ColdhaulError):
    """What was named is not there."""

    category = "not-found"
    exit_code = 3


class ConflictError(ColdhaulError):
    """Something or somebody else was first."""

    category = "conflict"
    exit_code = 4


class NotReadyError(ColdhaulError):
    """The request is right and the moment is wrong."""

    category = "not-ready"
    exit_code = 5


class StoreError(ColdhaulError):
    """The store refused or failed, and trying again at once does not mend it."""

    category = "store"
    exit_code = 6


class IntegrityError(ColdhaulError):
    """Stored bytes are not what was written. Never retried, never downgraded."""

    category = "integrity"
    exit_code = 7


# All that anything of ours raises, for what crosses by name or category.
KINDS: tuple[type[ColdhaulError], ...] = (
    InputError, NotFoundError, ConflictError, NotReadyError, StoreError, IntegrityError
)  # fmt: skip
