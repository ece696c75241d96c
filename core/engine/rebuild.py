"""Everything back from packs and the secret alone (I8).

Identity and keys come from their copies beside the packs; layers, index and records from the
metadata packs. Nothing that is there is replaced, so a rebuild that was stopped is run again, and
one of a repository that has lost only some of it brings just that back. A record is published
last, and only if every blob of its visible rows has a place in a pack that is listed (I1).
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from core import limits
from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace
from core.engine.archived import find_archived, refuse_archived
from core.engine.inventory import Inventory, is_table_name, take_inventory
from core.engine.metadata import list_metadata_packs, read_listing, read_metadata_pack
from core.engine.progress import Progress
from core.engine.proof import (
    TableFiles,
    VisibleRows,
    file_sha256,
    find_lost,
    in_groups,
    open_sources,
    tables_of,
)
from core.engine.rebuild_index import IndexRecovery
from core.engine.rebuild_root import Problem, RootRestorer
from core.errors import ConflictError, IntegrityError, NotReadyError
from core.format import names, records
from core.ids import PointId
from core.model import Record, SessionKind
from core.sources.repository import Repository
from core.sources.unlocking import SecretSource
from core.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOutcome:
    """What a rebuild brought back, by name, and what it could not.

    ``published`` are the points that exist again, ``existing_count`` those that were there.
    ``refused`` are records that metadata packs hold and whose points cannot be had back;
    ``problems`` everything else that was left out or left as it is. ``recovered`` are index
    objects made from the packs' own tables.
    """

    restored: tuple[str, ...]
    restored_layer_count: int
    restored_index_count: int
    recovered: tuple[str, ...]
    published: tuple[PointId, ...]
    existing_count: int
    refused: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    seconds: float


def _never() -> bool:
    return False


def rebuild_repository(
    store: Store,
    secret: SecretSource | None,
    progress: Progress,
    stop: Callable[[], bool] = _never,
) -> RebuildOutcome:
    """Rebuild a repository of copies; ``secret`` is asked only when it is encrypted.

    ``NotFoundError`` where nothing tells what repository it was, ``InputError`` when no keyset
    opens, ``NotReadyError`` when ``stop`` says so; running it again goes on.
    """
    begun = time.monotonic()
    root = RootRestorer(store)
    repository = root.open(secret)
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        rebuild = _Rebuild(repository, workspace, progress, stop)
        return rebuild.run(root, begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A record out of a metadata pack, not published yet."""

    name: str
    content: bytes
    record: Record


class _Rebuild:
    """One run, in the order of its methods."""

    def __init__(
        self,
        repository: Repository,
        workspace: Workspace,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._repository = repository
        self._workspace = workspace
        self._progress = progress
        self._stop = stop
        self._records: dict[str, Path] = {}
        self._seen: dict[str, str] = {}
        self._written: list[str] = []
        self._refused: list[Problem] = []
        self._problems: list[Problem] = []
        self._existing: list[Record] = []
        self._existing_count = 0

    def run(self, root: RootRestorer, begun: float) -> RebuildOutcome:
        self._restore_tables()
        inventory = take_inventory(self._repository, self._workspace)
        candidates = list(self._candidates(inventory))
        index = TableFiles(self._repository, self._workspace)
        self._open_sources(index, inventory.index)
        candidates = self._with_layers(candidates)
        recovered: tuple[str, ...] = ()
        if self._lost_count():
            recovery = IndexRecovery(self._repository, self._workspace, self._progress)
            recovered = recovery.recover(self._check_stop)
            self._problems += recovery.problems
            self._open_sources(index, [*inventory.index, *recovered])
            candidates = self._with_layers(candidates)
        published = list(self._publish(candidates))
        return RebuildOutcome(
            restored=tuple(root.restored),
            restored_layer_count=sum(name.startswith(names.LAYERS) for name in self._written),
            restored_index_count=sum(name.startswith(names.INDEX) for name in self._written),
            recovered=recovered,
            published=tuple(published),
            existing_count=self._existing_count,
            refused=tuple(self._refused),
            problems=(*root.problems, *self._problems),
            seconds=time.monotonic() - begun,
        )

    def _check_stop(self) -> None:
        if self._stop():
            raise NotReadyError("the rebuild was stopped", hint="Run it again to go on.")

    def _leave(self, name: str, reason: str) -> None:
        problem = Problem(name=name, reason=reason.removeprefix(f"{name}: "))
        if problem not in self._problems:
            self._problems.append(problem)

    # Tables and records out of metadata packs.

    def _restore_tables(self) -> None:
        """Write the layers and index objects that are missing; remember the records."""
        packs = list_metadata_packs(self._repository)
        store = self._repository.store
        members = [pack for run in packs.values() for pack in run]
        refuse_archived(store, find_archived(store, members), "rebuild")
        total = sum(size for _, size in members)
        self._progress.start("Reading metadata packs", total, len(packs))
        for name, run in sorted(packs.items()):
            self._check_stop()
            try:
                self._restore_from(run)
            except IntegrityError as error:
                self._leave(name, error.message)
            self._progress.advance(sum(size for _, size in run), 1)

    def _restore_from(self, run: Sequence[tuple[str, int]]) -> None:
        if read_listing(self._repository, run) is None:
            # Its session was stopped while writing it and has written another, or none.
            self._progress.note(f"{run[0][0]} does not hold all that it lists")
            return
        with TemporaryDirectory(dir=self._workspace.folder) as folder:
            for name, path in read_metadata_pack(self._repository, run, Path(folder)).items():
                if names.is_record(name):
                    kept = self._workspace.new_path("record", ".json")
                    shutil.move(path, kept)
                    self._records.setdefault(name, kept)
                elif is_table_name(name):
                    self._restore_table(name, path)
                else:
                    self._leave(run[0][0], f"holds {name}, which no metadata pack has")

    def _restore_table(self, name: str, path: Path) -> None:
        sha256 = file_sha256(path)
        if self._seen.setdefault(name, sha256) != sha256:
            self._leave(name, "two metadata packs hold different ones")
            return
        try:
            self._repository.put_table(name, path, 0)
        except ConflictError:
            self._compare(name, sha256)
        else:
            self._written.append(name)

    def _compare(self, name: str, sha256: str) -> None:
        """Say so if a table that is there is damaged; it is never replaced."""
        path = self._workspace.new_path("existing")
        try:
            self._repository.fetch_table(name, path)
            if file_sha256(path) != sha256:
                self._leave(name, "differs from the one in its metadata pack")
        except IntegrityError as error:
            self._leave(name, f"{error.message}; delete it and run this again")
        finally:
            path.unlink(missing_ok=True)

    # Which records can be published.

    def _candidates(self, inventory: Inventory) -> Iterator[_Candidate]:
        """Yield the records that do not exist and may."""
        existing = {record.name for record in inventory.records}
        for name in sorted(existing):
            self._read_existing(name)
        for name, path in sorted(self._records.items(), key=lambda entry: entry[0][-60:]):
            if name in existing:
                continue
            if name in inventory.void or name in inventory.condemned:
                self._progress.note(f"{name} is void or condemned and stays so")
            else:
                yield from self._parse(name, path.read_bytes())

    def _read_existing(self, name: str) -> None:
        self._existing_count += 1
        try:
            record = self._repository.read_record(name)
        except IntegrityError as error:
            self._leave(name, f"{error.message}; delete it and run this again")
            return
        if record.kind is SessionKind.COPY:
            self._existing.append(record)

    def _refuse(self, name: str, reason: str) -> None:
        self._refused.append(Problem(name=name, reason=reason))

    def _parse(self, name: str, content: bytes) -> Iterator[_Candidate]:
        try:
            record = records.decode(Record, content, name)
        except IntegrityError as error:
            self._refuse(name, error.message)
            return
        if (record.source_id, record.id) != names.parse_record(name):
            self._refuse(name, "it is the record of another point")
            return
        yield _Candidate(name=name, content=content, record=record)

    def _open_sources(self, files: TableFiles, index: Iterable[str]) -> None:
        paths = []
        for name in index:
            try:
                paths.append(files.fetch_undescribed(name, INDEX_COLUMNS))
            except IntegrityError as error:
                self._leave(name, f"{error.message}; delete it and run this again")
        open_sources(self._workspace, paths)

    def _with_layers(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Fill ``lost`` from all layers; return the candidates whose layers are all there.

        Points that exist need their blobs as well: an index lost from under them comes back.
        """
        needing = [*self._existing, *(candidate.record for candidate in candidates)]
        tables = {t.name: t for record in needing for t in tables_of(record.layers)}
        self._progress.start("Proving", None, len(tables))
        files = TableFiles(self._repository, self._workspace)
        faults: dict[str, str] = {}
        for group in in_groups(tables.values()):
            self._check_stop()
            paths = []
            for table in group:
                try:
                    paths.append(files.fetch(table))
                except IntegrityError as error:
                    faults[table.name] = error.message
                self._progress.advance(count=1)
            if paths:
                find_lost(self._workspace, paths)
            files.keep(())
        whole = []
        for candidate in candidates:
            layers = tables_of(candidate.record.layers)
            reason = next((faults[table.name] for table in layers if table.name in faults), "")
            if reason:
                self._refuse(candidate.name, reason)
            else:
                whole.append(candidate)
        return whole

    def _lost_count(self) -> int:
        return int(self._workspace.row("select count(*) from lost")[0])

    def _publish(self, candidates: Sequence[_Candidate]) -> Iterator[PointId]:
        self._progress.start("Publishing", None, len(candidates))
        visible = VisibleRows(self._repository, self._workspace)
        is_any_lost = self._lost_count() > 0
        for candidate in candidates:
            self._check_stop()
            self._progress.advance(count=1)
            lost = visible.count_lost(candidate.record) if is_any_lost else 0
            if lost:
                self._refuse(candidate.name, f"{lost} of its items need blobs that no pack has")
                continue
            try:
                self._repository.write_object(candidate.name, candidate.content)
            except ConflictError:
                self._existing_count += 1
                continue
            yield candidate.record.id
