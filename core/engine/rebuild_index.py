"""An index from the packs themselves: each says at its end which blobs it holds.

That is needed only where blobs have lost all index rows and the metadata packs that repeat them.
Every pack that has such a blob is read whole, because a row tells the SHA-256 of all of it, and
because nothing is believed before it was checked (I4).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from core import ids
from core.catalog.tables import INDEX_COLUMNS, write_part
from core.catalog.workspace import Workspace, quote, quote_all
from core.engine.archived import find_archived, refuse_archived
from core.engine.metadata import Member, open_pack_by_name, read_pack_rows, write_metadata_pack
from core.engine.pack_scan import scan_pack
from core.engine.progress import Progress
from core.engine.rebuild_root import Problem
from core.engine.tables import BLOB_ROW_SIZE, Tables
from core.errors import IntegrityError
from core.format import names
from core.ids import PackId, SessionId
from core.model import PackRow
from core.sources.repository import Repository

_ListedPack = tuple[SessionId, PackId, int]


class IndexRecovery:
    """Finds lost blobs in packs; writes the index that places them."""

    def __init__(self, repository: Repository, workspace: Workspace, progress: Progress) -> None:
        """The workspace has ``listed_packs`` and ``lost``."""
        self._repository = repository
        self._workspace = workspace
        self._progress = progress
        self.problems: list[Problem] = []

    def recover(self, check_stop: Callable[[], None]) -> tuple[str, ...]:
        """Write index rows for all packs that hold lost blobs; return the objects' names."""
        packs = list(
            self._workspace.rows("select session, pack, pack_size from listed_packs order by all")
        )
        store = self._repository.store
        named = [(names.pack(session, pack), size) for session, pack, size in packs]
        refuse_archived(store, find_archived(store, named), "find lost blobs in packs")
        self._progress.start("Looking into packs", None, len(packs))
        holding = []
        for pack in packs:
            check_stop()
            holding += [pack] if self._holds_lost(pack) else []
            self._progress.advance(count=1)
        self._progress.start("Reading packs", sum(pack[2] for pack in holding), len(holding))
        parts = []
        for pack in holding:
            check_stop()
            parts += list(self._read(pack))
        return self._store(parts) if parts else ()

    def _holds_lost(self, pack: _ListedPack) -> bool:
        session_id, pack_id, size = pack
        name = names.pack(session_id, pack_id)
        try:
            rows = read_pack_rows(open_pack_by_name(self._repository, name, size))
        except IntegrityError as error:
            self.problems.append(Problem(name=name, reason=error.message))
            return False
        path = self._workspace.new_path("ids", ".csv")
        with path.open("w") as file:
            file.writelines(f"{row.id.hex()}\n" for row in rows)
        (count,) = self._workspace.row(
            f"""select count(*) from lost semi join (select unhex(id) as blob
            from read_csv({quote(path)}, header=false, auto_detect=false,
            columns={{'id': 'VARCHAR'}})) using (blob)"""
        )
        path.unlink()
        return bool(count)

    def _read(self, pack: _ListedPack) -> Iterator[Path]:
        """Yield a table of a pack's blobs, if all of it is whole."""
        session_id, pack_id, size = pack
        name = names.pack(session_id, pack_id)
        scan = scan_pack(self._repository, name, size, (), self._progress.advance)
        self._progress.advance(count=1)
        if scan.faults:
            self.problems.append(Problem(name=name, reason="; ".join(scan.faults[:3])))
            return
        head = self._repository.store.head(name)
        row = PackRow(
            session_id=session_id,
            pack_id=pack_id,
            size=size,
            sha256=scan.sha256,
            checksum_kind=head.checksum_kind,
            checksum_value=head.checksum_value,
            header=scan.header,
        )
        path = self._workspace.new_path("part")
        write_part(
            self._workspace, path, row, ((n, "", blob, "") for n, blob in enumerate(scan.rows))
        )
        yield path

    def _store(self, parts: list[Path]) -> tuple[str, ...]:
        """Store the rows as an index, and beside the packs once more (I8)."""
        session_id = ids.new_session_id()
        tables = Tables(self._repository, self._workspace)
        stored = tables.store(
            f"(select {INDEX_COLUMNS} from read_parquet({quote_all(parts)}))",
            "id, session, pack",
            lambda number: names.index(session_id, number),
            BLOB_ROW_SIZE,
        )
        members = [Member(name=table.name, content=tables.fetch(table.name)) for table in stored]
        write_metadata_pack(self._repository, session_id, members)
        return tuple(table.name for table in stored)
