"""The parts of whole batches: what a session has packed, and what it could not have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.catalog.tables import CHANGED, VANISHED
from core.catalog.workspace import quote, quote_all
from core.engine.state import Plan, PlannedBatch, Round
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.ids import SessionId
from core.limits import PROOF_THREADS, RANGE_BLOBS_TARGET
from core.sources.repository import Repository

# Batches by their numbers.
Batches = Mapping[int, PlannedBatch]


def batches_of(planned: Plan | Round) -> Batches:
    """Return the batches of one round of a session by their numbers."""
    first = 0 if isinstance(planned, Plan) else planned.first_batch
    return dict(enumerate(planned.batches, first))


def fetch_parts(
    tables: Tables, session_id: SessionId, batches: Batches
) -> dict[int, list[Path]] | None:
    """Return the local files of the parts of each batch; None when one is not repacked whole."""
    stored = list_parts(tables.repository, session_id)
    return fetch_listed(tables, session_id, batches, stored)


def list_parts(repository: Repository, session_id: SessionId) -> dict[int, list[str]]:
    """Return the names of the parts of each batch of a session."""
    prefix = names.session(session_id, "parts/")
    stored: dict[int, list[str]] = {}
    for head in repository.store.list(prefix):
        batch = head.name.removeprefix(prefix).split("-", 1)[0]
        if batch.isdigit():
            stored.setdefault(int(batch), []).append(head.name)
    return stored


def fetch_listed(
    tables: Tables, session_id: SessionId, batches: Batches, stored: Mapping[int, Sequence[str]]
) -> dict[int, list[Path]] | None:
    """Return the local files of those of the listed parts that are of these batches."""
    wanted = [name for number in batches for name in stored.get(number, [])]
    fetched = dict(zip(wanted, tables.fetch_names(wanted, threads=PROOF_THREADS), strict=True))
    files = {}
    for number, planned in batches.items():
        paths = [fetched[name] for name in stored.get(number, [])]
        if not paths or not _is_covered(tables, session_id, paths, planned.blob_count):
            return None
        files[number] = paths
    return files


def _is_covered(
    tables: Tables, session_id: SessionId, files: Sequence[Path], blob_count: int
) -> bool:
    rows, ordinals = tables.workspace.row(
        f"select count(*), count(distinct ordinal) from read_parquet({quote_all(files)})"
    )
    if rows != ordinals or rows > blob_count:
        raise IntegrityError(
            f"the parts of session {session_id} overlap",
            hint=f"Give the session up ('coldhaul session abandon {session_id}') and run the "
            "job again.",
        )
    return bool(rows == blob_count)


def group_batches(batches: Batches) -> Iterator[Batches]:
    """Yield batches that follow each other, as many as are looked at together."""
    group: dict[int, PlannedBatch] = {}
    for number, batch in batches.items():
        count = sum(each.blob_count for each in group.values())
        if group and count + batch.blob_count > RANGE_BLOBS_TARGET:
            yield group
            group = {}
        group[number] = batch
    if group:
        yield group


def all_files(files: Mapping[int, Iterable[Path]]) -> list[Path]:
    """Return the files of all batches together."""
    return [path for paths in files.values() for path in paths]


def find_unresolved(tables: Tables, batches: Batches, files: Mapping[int, Sequence[Path]]) -> int:
    """Create the table ``unresolved``: objects that changed or vanished; return their number.

    It has n (their place in path order), path and fault.
    """
    workspace = tables.workspace
    workspace.run("create or replace table changed (path BLOB, fault VARCHAR)")
    for number, paths in files.items():
        rows = f"(select ordinal, fault from read_parquet({quote_all(paths)}) where {_IS_CHANGE})"
        (count,) = workspace.row(f"select count(*) from {rows}")
        if count:
            table = batches[number].table
            batch = quote(tables.fetch(table.name, table))
            workspace.run(
                f"""insert into changed select {_PATH} as path, fault
                from {rows} join read_parquet({batch}) using (ordinal)"""
            )
    workspace.run(
        """create or replace table unresolved as
        select row_number() over (order by path) - 1 as n, path, fault
        from (select path, max(fault) as fault from changed group by path)"""
    )
    workspace.run("drop table changed")
    (count,) = workspace.row("select count(*) from unresolved")
    return int(count)


_IS_CHANGE = f"fault in ('{CHANGED}', '{VANISHED}')"
# A batch of a bucket refers to objects as core.sources.bucket writes it.
_PATH = "unhex(json_extract_string(decode(source_id), '$[0]'))"
