"""Restoring a point, from loose blobs and packs alike, and listing its items.

In this order: every item is looked at, and so is its place in the destination, before anything
is written. Then come the folders, the files in the order in which their content is stored, the
links, so that no file is written through one, and last the modes and times of the folders, the
deepest first.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from core.catalog.tables import read_items
from core.catalog.workspace import Workspace
from core.engine.destination import DestinationError
from core.engine.faults import FaultLog
from core.engine.landing import Found, Landing
from core.engine.points import open_visible
from core.engine.progress import Progress
from core.engine.restore_content import ContentWriter, check_stop
from core.engine.restore_tables import Candidate, RestoreTables
from core.engine.restoring import (
    Conflicts,
    RestoreOutcome,
    find_content,
    judge_content,
    make_outcome,
    refuse_unmatched,
)
from core.engine.tables import Tables
from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    StoreError,
)
from core.limits import RESTORE_MEMORY_SIZE
from core.model import Item, ItemKind, Record
from core.plan.paths import Selection, path_problem
from core.plan.restore import (
    Inode,
    Target,
    plan_frame_reads,
    plan_loose_reads,
)
from core.sources.repository import Repository

_CONFLICTS_LISTED_MAX = 1_000
_STOP_ASKED_EVERY = 1_000


def list_items(repository: Repository, record: Record, include: Sequence[str]) -> Iterator[Item]:
    """Yield the visible items of a point in path order, those that ``include`` takes.

    A pattern that has taken none is a ``NotFoundError`` at the end.
    """
    selection = Selection(include)
    with Workspace(RESTORE_MEMORY_SIZE) as workspace:
        visible = open_visible(Tables(repository, workspace), record, "point_layers")
        for item in read_items(workspace, visible, "order by path"):
            if selection.takes(item.path):
                yield item
    refuse_unmatched(selection)


def restore_point(  # noqa: PLR0913  Keyword arguments that a call reads well with.
    repository: Repository,
    record: Record,
    folder: Path,
    *,
    include: Sequence[str],
    overwrite: bool,
    progress: Progress,
    stop: Callable[[], bool],
) -> RestoreOutcome:
    """Restore a point's items, or those that ``include`` takes, below ``folder``.

    Every file appears whole or not at all. Items that cannot be restored are listed in the
    outcome and the others go on; what is wrong with all of them is raised. Without ``overwrite``
    anything in an item's place is a ``ConflictError``, and nothing is written. A folder that
    stands where a folder is to be is no conflict; without ``overwrite`` it keeps its mode and
    time. Set-user-id and set-group-id are not restored, nor are owners.
    """
    selection = Selection(include)
    _refuse_repository(repository, folder)
    terms = _Terms(folder=folder, overwrite=overwrite, progress=progress, stop=stop)
    try:
        return _restore(repository, record, selection, terms)
    except OSError as error:
        # Whatever concerns the store or the destination has been translated where it arose.
        raise StoreError(
            f"cannot write temporary tables: {error.strerror}",
            hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    folder: Path
    overwrite: bool
    progress: Progress
    stop: Callable[[], bool]


def _restore(
    repository: Repository, record: Record, selection: Selection, terms: _Terms
) -> RestoreOutcome:
    started = time.monotonic()
    with Workspace(RESTORE_MEMORY_SIZE) as workspace, FaultLog(workspace) as log:
        tables = Tables(repository, workspace)
        terms.progress.start("Reading the restore point", None, None)
        rows = RestoreTables(tables, record, log)
        rows.choose(selection)
        refuse_unmatched(selection)
        landing = Landing(terms.folder)
        try:
            restore = _Restore(tables, rows, landing, log, terms)
            restore.run()
        finally:
            landing.close()
        return restore.outcome(time.monotonic() - started)


class _Restore:
    """One restore of what its rows have chosen."""

    def __init__(
        self, tables: Tables, rows: RestoreTables, landing: Landing, log: FaultLog, terms: _Terms
    ) -> None:
        self._tables = tables
        self._repository = tables.repository
        self._rows = rows
        self._landing = landing
        self._log = log
        self._terms = terms
        self._content = ContentWriter(self._repository, landing, log, terms.progress)
        self._problems: list[str] = []
        self._other_count = 0

    def run(self) -> None:
        self._examine()
        self._problems += find_content(self._tables, self._rows, self._terms.progress)
        count, size = self._rows.totals()
        self._terms.progress.start("Restoring", size, count)
        self._make_folders()
        self._write_files()
        self._make_links()
        self._finish_folders()

    def outcome(self, seconds: float) -> RestoreOutcome:
        return make_outcome(self._content, self._rows, self._problems, self._other_count, seconds)

    # Before anything is written.

    def _examine(self) -> None:
        conflicts = Conflicts()
        self._rows.keep(self._find(conflicts))
        conflicts.refuse()
        for row in self._rows.doubled_folders():
            self._fail(row, ConflictError("it is the same folder here as another item's"))

    def _find(self, conflicts: Conflicts) -> Iterator[tuple[int, Inode]]:
        """Look at every candidate; yield what some of them replace."""
        is_empty = self._landing.is_empty()
        for number, candidate in enumerate(self._rows.candidates()):
            if number % _STOP_ASKED_EVERY == 0:
                check_stop(self._terms.stop)
            try:
                _judge(candidate)
            except (InputError, IntegrityError) as error:
                self._fail(candidate.row, error)
                continue
            try:
                found = None if is_empty else self._look(candidate)
            except StoreError as error:
                self._fail(candidate.row, error)
                continue
            except ConflictError as error:
                if self._terms.overwrite:
                    self._fail(candidate.row, error)
                else:
                    conflicts.add(candidate.path, error)
                continue
            if found:
                yield candidate.row, found.inode

    def _look(self, candidate: Candidate) -> Found | None:
        """Return what is to be replaced, or a folder to be used; refuse anything else."""
        found = self._landing.look(candidate.path)
        if found is None:
            return None
        is_folder = candidate.kind == ItemKind.FOLDER
        if found.is_folder and not is_folder:
            raise ConflictError("a folder is in its place")
        if is_folder and not found.is_folder:
            raise ConflictError("a file or a link is in its place")
        if not is_folder and not self._terms.overwrite:
            raise ConflictError("it is there already")
        return found

    # Writing.

    def _make_folders(self) -> None:
        for target, is_way in self._rows.folders():
            check_stop(self._terms.stop)
            if target.replaces is None:
                self._try(target, self._landing.make_folder, target.path)
            elif self._is_changed(target, is_way=is_way):
                self._try(target, self._landing.open_up_folder, target.path)

    def _is_changed(self, target: Target, *, is_way: bool) -> bool:
        """Say whether a folder gets the mode and time of its item."""
        return target.replaces is None or (self._terms.overwrite and not is_way)

    def _write_files(self) -> None:
        stop = self._terms.stop
        self._content.write_empty(self._rows.empty_files(), stop)
        self._content.write_loose(plan_loose_reads(self._rows.loose_pieces()), stop)
        choice = 1
        while True:
            reads = plan_frame_reads(self._rows.packed_pieces(choice))
            self._content.write_packed(reads, self._rows.pack_row, stop)
            choice += 1
            if not self._rows.advance(choice):
                break
        self._landing.abandon_all()

    def _make_links(self) -> None:
        for target, link_target in self._rows.links():
            check_stop(self._terms.stop)
            place = (target.path, link_target, target.modified, target.replaces)
            if self._try(target, self._landing.make_link, *place):
                self._count()

    def _finish_folders(self) -> None:
        for target, is_way in self._rows.folders(is_deepest_first=True):
            check_stop(self._terms.stop)
            if self._is_changed(target, is_way=is_way):
                place = (target.path, target.mode, target.modified)
                if not self._try(target, self._landing.finish_folder, *place):
                    continue
            if not is_way:
                self._count()

    def _try(self, target: Target, action: Callable[..., None], *arguments: object) -> bool:
        """Do what concerns one item; list the item if it fails."""
        try:
            action(*arguments)
        except DestinationError:
            raise
        except (ConflictError, StoreError) as error:
            self._fail(target.row, error)
            return False
        return True

    def _count(self) -> None:
        self._other_count += 1
        self._terms.progress.advance(count=1)

    def _fail(self, row: int, error: ColdhaulError) -> None:
        self._log.fail_with(row, error)


def _judge(candidate: Candidate) -> None:
    """Raise what is wrong with an item that cannot be restored."""
    problem = path_problem(candidate.path)
    if problem:
        raise InputError(problem)
    judge_content(candidate)


def _refuse_repository(repository: Repository, folder: Path) -> None:
    """Refuse to restore into the repository's own folder."""
    if repository.store.vendor != "filesystem":
        return
    root = os.path.realpath(os.fsdecode(unquote_to_bytes(urlsplit(repository.store.url).path)))
    place = os.path.realpath(folder)
    if os.path.commonpath([root, place]) == root:
        raise InputError(
            f"{folder} is within the repository {repository.store.url}",
            hint="Restore into a folder of its own.",
        )
