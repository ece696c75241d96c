"""What is wrong with a repository: gathered from many threads, then told and listed."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core.errors import ConflictError
from core.format import names
from core.ids import PointId
from core.sources.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """An object that is not what it should be, and what that costs.

    ``points`` are the restore points that suffer, ``item_count`` the different paths in them
    that cannot be had; none when nothing needs what is wrong.
    """

    name: str
    reason: str
    points: tuple[PointId, ...]
    item_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The content of a marker below ``damaged/``; its name is what counts."""

    reason: str
    time: str


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault on its way to be told.

    One that is not ``is_certain`` is only damage if a point suffers: a missing pack may just
    have been pruned. Only what ``is_marked`` is listed in ``damaged/``.
    """

    reason: str
    is_certain: bool
    is_marked: bool
    points: set[PointId] = field(default_factory=set)
    item_count: int = 0


class Faults:
    """All faults by the object's name; the first reason given for one counts."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        """Say whether something is wrong with an object."""
        return name in self._faults

    def add(
        self, name: str, reason: str, *, is_certain: bool = True, is_marked: bool = True
    ) -> None:
        """Say what is wrong with an object."""
        with self._lock:
            told = reason.removeprefix(f"{name}: ")
            fault = Fault(reason=told, is_certain=is_certain, is_marked=is_marked)
            self._faults.setdefault(name, fault)

    def touch(self, name: str, points: Iterable[PointId], item_count: int = 0) -> None:
        """Say which points an object's fault touches, and at least how many items."""
        fault = self._faults[name]
        fault.points.update(points)
        fault.item_count = max(fault.item_count, item_count)

    def found(self, existing: set[PointId]) -> Iterator[tuple[Damage, bool]]:
        """Yield the damage, and whether it is marked; only points that still exist count."""
        for name, fault in sorted(self._faults.items()):
            points = tuple(sorted(fault.points & existing))
            if fault.is_certain or points:
                damage = Damage(
                    name=name, reason=fault.reason, points=points, item_count=fault.item_count
                )
                yield damage, fault.is_marked


def mark_damaged(repository: Repository, name: str, mark: Mark) -> None:
    """List an object in ``damaged/``, unless it is listed already."""
    try:
        repository.write_value(names.damaged(name), mark)
    except ConflictError:
        return
