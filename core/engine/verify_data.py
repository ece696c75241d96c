"""Reads stored data to its last byte: packs, loose blobs, metadata packs.

Each pack is read once, from its first byte to its last, as many at the same time as there are
cores; loose blobs by many threads.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from core import limits
from core.catalog.tables import BLOB_COLUMNS, packed_blob
from core.catalog.workspace import Workspace, quote
from core.engine.metadata import read_metadata_pack
from core.engine.pack_scan import PackScan, scan_pack
from core.engine.proof import file_sha256
from core.engine.verify_terms import Terms, check_stop
from core.errors import (
    ColdhaulError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.format import names
from core.ids import PackId, SessionId
from core.model import PackedBlob
from core.sources.repository import Repository

Thing = TypeVar("Thing")

_Write = Callable[[str], object]

_REASONS_MAX = 3


@dataclass(slots=True, kw_only=True)
class ReadCounts:
    """What was read to its last byte: packs of both kinds, loose blobs, stored bytes.

    ``archived_count`` packs were not read, because they are in an archive.
    """

    pack_count: int = 0
    blob_count: int = 0
    size: int = 0
    archived_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pack:
    """A pack to be read, and what the index says of it."""

    session_id: SessionId
    pack_id: PackId
    size: int
    sha256s: frozenset[bytes]
    headers: frozenset[bytes]
    rows: tuple[PackedBlob, ...]

    @property
    def name(self) -> str:
        return names.pack(self.session_id, self.pack_id)


class DataReader:
    """Reads the share of a repository's data that is this run's."""

    def __init__(self, repository: Repository, workspace: Workspace, terms: Terms) -> None:
        """The workspace has the tables of ``core.engine.inventory`` and ``core.engine.proof``.

        ``whole`` will be what was listed as damaged and read well.
        """
        self._repository = repository
        self._workspace = workspace
        self._terms = terms
        self._lock = threading.Lock()
        self._is_halted = False
        self.counts = ReadCounts()
        self.whole: set[str] = set()

    def read_packs(self) -> None:
        """Read packs that the index names; put the blobs that are not whole into ``bad_rows``.

        Packs that are listed as damaged are read in every run that reads any. In one that reads
        none, none of their blobs counts.
        """
        bad_path = self._workspace.new_path("bad-rows", ".csv")
        count, size = self._choose_packs()
        if count:
            self._terms.progress.start("Reading packs", size, count)
        with bad_path.open("w") as bad:
            self._run_all(partial(self._read_pack, bad.write), self._packs(), os.cpu_count() or 1)
        self._workspace.run(
            f"""insert into bad_rows select session, pack, unhex(id)
            from read_csv({quote(bad_path)}, header=false, auto_detect=false, columns={{
            'session': 'VARCHAR', 'pack': 'VARCHAR', 'id': 'VARCHAR'}})"""
        )

    def read_blobs(self) -> None:
        """Read loose blobs; put those that are not whole into ``bad_blobs``.

        Those that are listed as damaged are read in every run.
        """
        bad_path = self._workspace.new_path("bad-blobs", ".csv")
        (listed_count,) = self._workspace.row("select count(*) from listed_blobs")
        if self._terms.share.percent and listed_count:
            self._terms.progress.start("Reading blobs", None, None)
        with bad_path.open("w") as bad:
            chosen = self._chosen_blobs()
            self._run_all(partial(self._read_blob, bad.write), chosen, limits.FETCH_THREADS)
        self._workspace.run(
            f"""insert into bad_blobs select unhex(id) from read_csv({quote(bad_path)},
            header=false, auto_detect=false, columns={{'id': 'VARCHAR'}})"""
        )

    def _chosen_blobs(self) -> Iterator[tuple[bytes, int]]:
        if not self._terms.share.percent and not self._terms.marked:
            return
        for blob_id, size in self._workspace.rows("select id, size from listed_blobs"):
            if size > 0 and self._is_chosen(names.blob(blob_id)):
                yield blob_id, size

    def _is_chosen(self, name: str) -> bool:
        return name in self._terms.marked or self._terms.share.takes(name)

    def read_metadata_packs(
        self, packs: Mapping[str, Sequence[tuple[str, int]]], sha256s: Mapping[str, str]
    ) -> None:
        """Read metadata packs, and compare the members of which ``sha256s`` says what they are."""
        chosen = {name: run for name, run in packs.items() if self._terms.share.takes(name)}
        total = sum(size for run in chosen.values() for _, size in run)
        if chosen:
            self._terms.progress.start("Reading metadata packs", total, len(chosen))
        for name, run in chosen.items():
            self._try(name, partial(self._read_metadata_pack, name, run, sha256s))

    # Packs.

    def _choose_packs(self) -> tuple[int, int]:
        """Create the table ``chosen``; return how many packs, and their bytes."""
        path = self._workspace.new_path("chosen", ".csv")
        known = "select distinct session, pack, pack_size from index_rows"
        count = total = 0
        with path.open("w") as file:
            for session, pack, size in self._workspace.rows(
                f"select session, pack, pack_size from listed_packs semi join ({known}) "
                "using (session, pack, pack_size)"
            ):
                name = names.pack(session, pack)
                if not self._terms.share.percent:
                    self._distrust(name)
                elif self._is_chosen(name):
                    file.write(f"{session},{pack}\n")
                    count += 1
                    total += size
        self._workspace.run(
            f"""create table chosen as select * from read_csv({quote(path)}, header=false,
            auto_detect=false, columns={{'session': 'VARCHAR', 'pack': 'VARCHAR'}})"""
        )
        return count, total

    def _distrust(self, name: str) -> None:
        """Let no blob of a pack count that is listed as damaged and not read now."""
        if name in self._terms.marked:
            reason = f"is listed in {names.DAMAGED}; only reading it tells how much of it is whole"
            self._terms.faults.add(name, reason, is_certain=False, is_marked=False)
            self._workspace.run(
                f"""insert into bad_rows select session, pack, id from index_rows
                where '{names.PACKS}' || session || '/' || pack = ?""",
                [name],
            )

    def _packs(self) -> Iterator[_Pack]:
        """Yield the chosen packs; DuckDB sorts the index, so that one pack is in memory."""
        rows = self._workspace.rows(
            f"""select session, pack, pack_size, pack_sha256, header, {BLOB_COLUMNS}
            from index_rows semi join chosen using (session, pack)
            semi join listed_packs using (session, pack, pack_size)
            order by session, pack"""
        )
        for (session, pack, size), grouped in groupby(rows, lambda row: row[:3]):
            group = list(grouped)
            yield _Pack(
                session_id=session,
                pack_id=pack,
                size=size,
                sha256s=frozenset(row[3] for row in group),
                headers=frozenset(row[4] for row in group),
                rows=tuple(dict.fromkeys(packed_blob(row[5:]) for row in group)),
            )

    def _read_pack(self, write_bad: _Write, pack: _Pack) -> None:
        read = partial(scan_pack, self._repository, pack.name, pack.size, pack.rows, self._advance)
        scan = self._try(pack.name, read)
        if scan is None:
            # One that is only archived is no fault, and its blobs count as before.
            bad: Set[bytes] = (
                {row.id for row in pack.rows} if pack.name in self._terms.faults else set()
            )
        else:
            reason, bad = _judge(pack, scan)
            if reason:
                self._terms.faults.add(pack.name, reason)
            self._trust(pack.name)
            self._count(pack_count=1)
        self._terms.progress.advance(count=1)
        lines = [f"{pack.session_id},{pack.pack_id},{blob_id.hex()}\n" for blob_id in bad]
        with self._lock:
            write_bad("".join(lines))

    # Loose blobs.

    def _read_blob(self, write_bad: _Write, blob: tuple[bytes, int]) -> None:
        blob_id, size = blob
        content = self._try(names.blob(blob_id), partial(self._repository.read_blob, blob_id))
        if content is None:
            with self._lock:
                write_bad(f"{blob_id.hex()}\n")
            return
        self._trust(names.blob(blob_id))
        self._count(blob_count=1)
        self._advance(size, 1)

    # Metadata packs.

    def _read_metadata_pack(
        self, name: str, run: Sequence[tuple[str, int]], sha256s: Mapping[str, str]
    ) -> bool:
        with TemporaryDirectory(dir=self._workspace.folder) as folder:
            members = read_metadata_pack(self._repository, run, Path(folder))
            for member, path in members.items():
                sha256 = file_sha256(path)
                if sha256s.get(member, sha256) != sha256:
                    raise IntegrityError(f"{name} holds another {member} than the repository")
        self._count(pack_count=1)
        self._advance(sum(size for _, size in run), 1)
        return True

    # What all have in common.

    def _run_all(
        self, work: Callable[[Thing], None], things: Iterable[Thing], threads: int
    ) -> None:
        """Work on all things, few of them waiting at a time; the first error ends it."""
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(threads, "verify") as pool:
            try:
                for thing in things:
                    pending.append(pool.submit(work, thing))
                    while len(pending) > 2 * threads:
                        pending.popleft().result()
                while pending:
                    pending.popleft().result()
            finally:
                self._is_halted = bool(pending)
                for future in pending:
                    future.cancel()

    def _try(self, name: str, read: Callable[[], Thing]) -> Thing | None:
        """Read an object; None if it cannot be read, and unless it is archived that is a fault."""
        try:
            return read()
        except IntegrityError as error:
            self._terms.faults.add(name, error.message)
        except NotFoundError:
            # Pruned since it was listed, unless a point needs it.
            self._terms.faults.add(name, "is missing", is_certain=False)
        except StoreError as error:
            self._refuse_absent_store(error)
            self._terms.faults.add(name, error.message)
        except NotReadyError:
            if self._is_halted or self._terms.stop():
                raise
            self._count(archived_count=1)
        return None

    def _trust(self, name: str) -> None:
        """Remember that something that is listed as damaged is whole."""
        if name in self._terms.marked and name not in self._terms.faults:
            with self._lock:
                self.whole.add(name)

    def _refuse_absent_store(self, error: StoreError) -> None:
        """Let a store pass in which only some object cannot be read."""
        try:
            self._repository.store.head(names.REPOSITORY)
        except ColdhaulError:
            raise error from None

    def _advance(self, size: int, count: int = 0) -> None:
        if self._is_halted:
            raise NotReadyError("something else went wrong")
        check_stop(self._terms)
        self._count(size=size)
        self._terms.progress.advance(size, count)

    def _count(
        self, *, pack_count: int = 0, blob_count: int = 0, size: int = 0, archived_count: int = 0
    ) -> None:
        with self._lock:
            self.counts.pack_count += pack_count
            self.counts.blob_count += blob_count
            self.counts.size += size
            self.counts.archived_count += archived_count


def _judge(pack: _Pack, scan: PackScan) -> tuple[str, Set[bytes]]:
    """Return why a pack is damaged, empty for a whole one, and which blobs that costs."""
    if scan.faults:
        more = len(scan.faults) - _REASONS_MAX
        reasons = "; ".join(scan.faults[:_REASONS_MAX]) + (f"; {more} more" if more > 0 else "")
        return f"{len(scan.bad)} of {len(scan.rows)} blobs cannot be read: {reasons}", scan.bad
    if pack.headers != {scan.header}:
        return "its seal begins otherwise than the index says", {row.id for row in pack.rows}
    if pack.sha256s != {scan.sha256}:
        return "its bytes have another SHA-256 than the index says", set()
    return "", set()
