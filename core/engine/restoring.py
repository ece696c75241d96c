"""What a restore into a folder and one into a bucket share: what both find, judge and report."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.engine.archived import find_archived, refuse_archived
from core.engine.progress import Progress
from core.engine.restore_content import ContentWriter
from core.engine.restore_tables import Candidate, RestoreTables
from core.engine.tables import Tables
from core.errors import ConflictError, IntegrityError, NotFoundError
from core.format import names
from core.limits import RESTORE_FAILED_LISTED_MAX
from core.model import ItemKind
from core.plan.paths import Selection, display_path
from core.plan.restore import read_attributes

_CONFLICTS_LISTED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """An item that was not restored, or not wholly, and why.

    ``category`` is that of the error: ``integrity`` for damage, ``store`` for what the store or
    the destination's system refused, ``conflict`` for what is in its place, ``input`` for a path
    that must not be written, ``not-ready`` for what only an archived pack has in the end.
    """

    path: bytes
    category: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOutcome:
    """What a restore has done.

    ``item_count`` and ``content_size`` are of what was restored; ``read_size`` is what was read
    of packs, compressed, and of loose blobs, decompressed. ``failed`` lists items in path order,
    at most ``RESTORE_FAILED_LISTED_MAX`` of the ``failed_count``. ``problems`` are damages that
    name no item. ``left_out`` are paths of items that the destination has nothing for, as many of
    the ``left_out_count`` at most.
    """

    item_count: int
    content_size: int
    read_size: int
    failed: tuple[FailedItem, ...]
    failed_count: int
    problems: tuple[str, ...]
    seconds: float
    left_out: tuple[bytes, ...] = ()
    left_out_count: int = 0


def find_content(tables: Tables, rows: RestoreTables, progress: Progress) -> list[str]:
    """Find where the content of what was kept is; return damages that name no item.

    Content that only archived packs have is a ``NotReadyError``.
    """
    repository, problems, files = tables.repository, [], []
    marked = repository.list_marked(names.DAMAGED) | repository.list_marked(names.CONDEMNED)
    for head in repository.store.list(names.INDEX):
        try:
            files.append(tables.fetch(head.name))
        except (IntegrityError, NotFoundError) as error:
            # The items that only this object places are listed; the others are restored.
            problems.append(error.message)
            progress.warn(error.message)
    rows.open_content(files, marked)
    packs = find_archived(repository.store, rows.usable_packs())
    archived = {pack.name: pack for pack in packs}
    needed = rows.choose_places(archived.keys())
    refuse_archived(repository.store, [archived[name] for name in needed], "restore")
    return problems


def make_outcome(
    content: ContentWriter,
    rows: RestoreTables,
    problems: Sequence[str],
    other_count: int,
    seconds: float,
) -> RestoreOutcome:
    """Sum a restore up; ``other_count`` items had no content."""
    listed = rows.failed(RESTORE_FAILED_LISTED_MAX)
    return RestoreOutcome(
        item_count=content.item_count + other_count,
        content_size=content.content_size,
        read_size=content.read_size,
        failed=tuple(
            FailedItem(path=path, category=category, reason=reason)
            for path, category, reason in listed
        ),
        failed_count=rows.failed_count(),
        problems=tuple(problems),
        seconds=seconds,
    )


class Conflicts:
    """What is in the way of a restore that must not overwrite: the first ones and their number."""

    def __init__(self) -> None:
        """Begin with none."""
        self._listed: list[str] = []
        self._count = 0

    def add(self, path: bytes, error: ConflictError) -> None:
        """Note one."""
        self._count += 1
        if len(self._listed) < _CONFLICTS_LISTED_MAX:
            self._listed.append(f"{display_path(path)}: {error.message}")

    def refuse(self) -> None:
        """Raise ``ConflictError`` if there is any."""
        if self._count:
            raise ConflictError(
                f"{self._count} items cannot be restored over what is there; nothing was written",
                hint="Restore to another place, or add '--overwrite'.",
                items=self._listed,
            )


def judge_content(candidate: Candidate) -> None:
    """Raise what is wrong with an item, wherever it is to be restored."""
    if candidate.kind not in set(ItemKind):
        raise IntegrityError("it is of a kind that this coldhaul does not know")
    if candidate.is_damaged:
        raise IntegrityError("it was damaged in the source when it was copied")
    if not candidate.is_consistent:
        raise IntegrityError("its blobs contradict its size")
    read_attributes(ItemKind(candidate.kind), candidate.metadata)


def refuse_unmatched(selection: Selection) -> None:
    """Raise ``NotFoundError`` for patterns that have taken nothing."""
    unmatched = selection.unmatched()
    if unmatched:
        patterns = ", ".join(repr(pattern) for pattern in unmatched)
        raise NotFoundError(
            f"the restore point has no item that fits {patterns}",
            hint="'coldhaul item list' shows the paths; '**/' before a name finds it anywhere.",
        )
