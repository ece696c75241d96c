"""Whether every restore point can be had back: names, tables, places, and on demand all bytes.

Damage is what a point could suffer from, or bytes that are not what was written. It is told with
the points and the number of items that it touches, and listed in ``damaged/``, where the next
session, backup and restore look. Nothing else is written, and sessions may run meanwhile. Uploads
that nobody can be working on are given up.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import ids, limits
from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace
from core.engine.check import compare_copies
from core.engine.damage import Damage, Faults, Mark, mark_damaged
from core.engine.inventory import Inventory, list_records, take_inventory
from core.engine.progress import Progress
from core.engine.proof import TableFiles, open_sources, tables_of
from core.engine.session import Clock, system_clock
from core.engine.uploads import Sweep, sweep_uploads
from core.engine.verify_data import DataReader, ReadCounts
from core.engine.verify_metadata import check_members, list_members
from core.engine.verify_points import PointsCheck
from core.engine.verify_terms import Share, Terms, check_stop
from core.errors import InputError, IntegrityError, NotFoundError, StoreError
from core.format import names
from core.model import Record
from core.sources.repository import Repository

# What is told by name and listed in ``damaged/`` in one run.
FINDINGS_MAX = 10_000
_SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCounts:
    """What was looked at. Sizes are stored bytes.

    ``unused`` packs are named by no index: of sessions that are not finished, or left over from
    lost attempts. ``absent`` packs are named by an index and not there, which is damage only
    where a point needs them. ``read`` is what was read to its last byte.
    """

    point_count: int
    layer_count: int
    index_count: int
    packed_blob_count: int
    loose_blob_count: int
    pack_count: int
    pack_size: int
    unused_pack_count: int
    unused_pack_size: int
    absent_pack_count: int
    metadata_pack_count: int
    read: ReadCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOutcome:
    """What a verification found. No ``findings``: every point can be had back.

    At most ``FINDINGS_MAX`` are told, of ``finding_count``. ``stray`` are names that mean
    nothing here, the first of ``stray_count``; ``notes`` are worth knowing and no damage.
    ``uploads`` says which unfinished uploads were given up, and which are old and still there.
    """

    findings: tuple[Damage, ...]
    finding_count: int
    counts: VerifyCounts
    stray: tuple[str, ...]
    stray_count: int
    uploads: Sweep
    notes: tuple[str, ...]
    seconds: float


def verify_repository(
    repository: Repository,
    *,
    read_percent: int,
    progress: Progress,
    stop: Callable[[], bool],
    clock: Clock = system_clock,
) -> VerifyOutcome:
    """Verify a repository, and read ``read_percent`` of its data, another part each day.

    ``NotReadyError`` when ``stop`` says so.
    """
    if not 0 <= read_percent <= 100:
        raise InputError(f"{read_percent} is no percentage of the data to read: give 0 to 100")
    now = clock()
    terms = Terms(
        share=Share(percent=read_percent, day=int(now.timestamp()) // _SECONDS_PER_DAY),
        marked=frozenset(repository.list_marked(names.DAMAGED)),
        faults=Faults(),
        progress=progress,
        stop=stop,
    )
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        return _Verification(repository, workspace, terms, clock).run()


class _Verification:
    """One run, in the order of its methods."""

    def __init__(
        self, repository: Repository, workspace: Workspace, terms: Terms, clock: Clock
    ) -> None:
        self._repository = repository
        self._workspace = workspace
        self._terms = terms
        self._faults = terms.faults
        self._clock = clock
        self._moment = ids.format_time(clock())
        self._begun = time.monotonic()
        self._notes: list[str] = []
        self._whole: set[str] = set()

    def run(self) -> VerifyOutcome:
        self._terms.progress.start("Listing", None, None)
        inventory = take_inventory(self._repository, self._workspace)
        records = list(self._read_records(inventory))
        for name, problem in compare_copies(self._repository.store):
            self._faults.add(name, problem, is_marked=False)
        open_sources(self._workspace, list(self._fetch_index(inventory, records)))
        self._check_pack_sizes()
        metadata = list_members(self._repository, self._terms)
        reader = DataReader(self._repository, self._workspace, self._terms)
        reader.read_packs()
        reader.read_blobs()
        reader.read_metadata_packs(metadata.whole, _known_sha256s(records))
        check_members(metadata, records, self._terms)
        points = PointsCheck(self._repository, self._workspace, self._terms, FINDINGS_MAX)
        points.check_layers(records)
        if points.find_causes(records):
            points.find_touched(records, self._faulty_index(inventory, records))
        self._whole |= reader.whole | points.whole
        if metadata.archived:
            self._notes.append(
                f"{len(metadata.archived)} metadata packs are archived and were not looked into"
            )
        return self._report(inventory, metadata.count, reader.counts)

    def _read_records(self, inventory: Inventory) -> Iterator[Record]:
        for record in inventory.records:
            check_stop(self._terms)
            try:
                yield self._repository.read_record(record.name)
                self._whole.add(record.name)
            except IntegrityError as error:
                self._faults.add(record.name, error.message)
                self._faults.touch(record.name, [record.point])
            except NotFoundError:
                continue  # Deleted since it was listed.

    def _fetch_index(self, inventory: Inventory, records: Sequence[Record]) -> Iterator[Path]:
        """Yield the files of all index objects that can be read."""
        self._terms.progress.start("Reading the index", None, len(inventory.index))
        described = {table.name: table for record in records for table in record.index}
        files = TableFiles(self._repository, self._workspace)
        for name in inventory.index:
            check_stop(self._terms)
            try:
                if name in described:
                    yield files.fetch(described[name], INDEX_COLUMNS)
                else:
                    yield files.fetch_undescribed(name, INDEX_COLUMNS)
                self._whole.add(name)
            except IntegrityError as error:
                self._faults.add(name, error.message)
            self._terms.progress.advance(count=1)

    def _faulty_index(self, inventory: Inventory, records: Sequence[Record]) -> list[str]:
        """Return the index objects that are damaged, or gone without having been condemned."""
        stored = set(inventory.index)
        named = {table.name for record in records for table in record.index}
        for name in named - stored - inventory.condemned:
            # A prune merges index objects and deletes the old ones; then no point suffers.
            self._faults.add(name, "is missing", is_certain=False, is_marked=False)
        return sorted(name for name in named | stored if name in self._faults)

    def _check_pack_sizes(self) -> None:
        for session, pack, size, stored in self._workspace.rows(
            """select distinct session, pack, i.pack_size, l.pack_size from
            (select distinct session, pack, pack_size from index_rows) i
            join listed_packs l using (session, pack) where i.pack_size <> l.pack_size"""
        ):
            self._faults.add(names.pack(session, pack), f"has {stored} bytes instead of {size}")

    def _report(
        self, inventory: Inventory, metadata_pack_count: int, read: ReadCounts
    ) -> VerifyOutcome:
        # A prune may have ended points while we looked at them.
        condemned = frozenset(self._repository.list_marked(names.CONDEMNED))
        existing = {record.point for record in list_records(self._repository, condemned)}
        found = list(self._faults.found(existing))
        self._mark([damage for damage, is_marked in found[:FINDINGS_MAX] if is_marked])
        healed = [name for name in self._terms.marked & self._whole if name not in self._faults]
        self._unmark(healed)
        return VerifyOutcome(
            findings=tuple(damage for damage, _ in found[:FINDINGS_MAX]),
            finding_count=len(found),
            counts=self._counts(inventory, metadata_pack_count, read),
            stray=tuple(inventory.stray),
            stray_count=inventory.stray_count,
            uploads=self._sweep_uploads(),
            notes=tuple(self._notes),
            seconds=time.monotonic() - self._begun,
        )

    def _sweep_uploads(self) -> Sweep:
        swept = sweep_uploads(self._repository.store, self._clock)
        if swept.discarded:
            self._notes.append(f"{len(swept.discarded)} uploads that were never ended are given up")
        if swept.problem:
            self._notes.append(swept.problem)
        return swept

    def _mark(self, found: Sequence[Damage]) -> None:
        try:
            for damage in found:
                mark = Mark(reason=damage.reason, time=self._moment)
                mark_damaged(self._repository, damage.name, mark)
        except StoreError as error:
            note = f"the damage could not be listed in {names.DAMAGED}: {error.message}"
            self._terms.progress.warn(note)
            self._notes.append(note)

    def _unmark(self, healed: Sequence[str]) -> None:
        """Take what was read and is whole off the list: a backup may have stored it again."""
        if not healed:
            return
        what = f"{len(healed)} objects that were listed in {names.DAMAGED} are whole"
        try:
            self._repository.store.delete([names.damaged(name) for name in healed])
        except StoreError as error:
            self._notes.append(f"{what} and are still listed: {error.message}")
        else:
            self._notes.append(f"{what} and are listed no more; {min(healed)} was one")

    def _counts(
        self, inventory: Inventory, metadata_pack_count: int, read: ReadCounts
    ) -> VerifyCounts:
        row = self._workspace.row
        named = "(select distinct session, pack from index_rows)"
        packs = row("select count(*), coalesce(sum(pack_size), 0)::BIGINT from listed_packs")
        unused = row(
            f"""select count(*), coalesce(sum(pack_size), 0)::BIGINT
            from listed_packs anti join {named} using (session, pack)"""
        )
        return VerifyCounts(
            point_count=len(inventory.records),
            layer_count=len(inventory.layers),
            index_count=len(inventory.index),
            packed_blob_count=row("select count(*) from index_rows")[0],
            loose_blob_count=row("select count(*) from listed_blobs")[0],
            pack_count=packs[0],
            pack_size=packs[1],
            unused_pack_count=unused[0],
            unused_pack_size=unused[1],
            absent_pack_count=row(
                f"select count(*) from {named} anti join listed_packs using (session, pack)"
            )[0],
            metadata_pack_count=metadata_pack_count,
            read=read,
        )


def _known_sha256s(records: Sequence[Record]) -> dict[str, str]:
    """Return what records say of the tables that metadata packs repeat."""
    return {
        table.name: table.sha256
        for record in records
        for table in (*tables_of(record.layers), *record.index)
    }
