"""In-memory DuckDB databases: to make one takes longer than all statements of a small session.

One that was used for little is therefore emptied and used again by the next who asks in the same
process. One that has spilled, or holds more than a trifle after it was emptied, is not: DuckDB
remembers something of every file that it has read.
"""

import atexit
import os
import threading
from pathlib import Path

import duckdb

from core.limits import MIB

_SPARE_MAX = 2
_KEPT_SIZE_MAX = 1 * MIB

# By process: what a fork has inherited has lost its threads and is never touched.
_spare: dict[int, list[duckdb.DuckDBPyConnection]] = {}
_guard = threading.Lock()

_DROPPING = """select coalesce(string_agg(format('drop {} "{}"', kind, name), ';'), '') from (
    select 'table' as kind, table_name as name from duckdb_tables() where not internal
    union all select 'view', view_name from duckdb_views() where not internal)"""
_HELD = "select coalesce(sum(memory_usage_bytes), 0)::BIGINT from duckdb_memory()"


class Database:
    """An empty database of its user's own. ``con`` is the connection to it."""

    def __init__(self, memory_size: int, threads: int, spill: Path) -> None:
        """Open one that uses ``memory_size`` bytes before it spills into a folder to be made."""
        self._spill = spill
        settings = {
            "memory_limit": f"{memory_size // MIB}MiB",
            "threads": str(threads),
            "temp_directory": str(spill),
        }
        base = _take(settings) or _make(settings)
        self._base: duckdb.DuckDBPyConnection | None = base
        # What belongs to a connection, as temporary tables do, goes with this one.
        self.con = base.cursor()

    def close(self) -> None:
        """Empty it. Harmless when called twice."""
        self.con.close()
        base, self._base = self._base, None
        if base is not None and not _keep(base, self._spill):
            base.close()


def _make(settings: dict[str, str]) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            **settings,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def _take(settings: dict[str, str]) -> duckdb.DuckDBPyConnection | None:
    with _guard:
        spare = _spare.get(os.getpid())
        base = spare.pop() if spare else None
    if base is not None:
        texts = ((name, value.replace("'", "''")) for name, value in settings.items())
        base.execute("; ".join(f"set {name} = '{value}'" for name, value in texts))
    return base


def _keep(base: duckdb.DuckDBPyConnection, spill: Path) -> bool:
    """Empty a database and keep it for the next; False when it is not worth it."""
    if spill.exists():
        return False
    try:
        _empty(base)
    except duckdb.Error:
        # Whatever is wrong with it ends with it.
        return False
    ((held,),) = base.execute(_HELD).fetchall()
    with _guard:
        spare = _spare.setdefault(os.getpid(), [])
        if held > _KEPT_SIZE_MAX or len(spare) >= _SPARE_MAX:
            return False
        spare.append(base)
        return True


def _empty(base: duckdb.DuckDBPyConnection) -> None:
    ((dropping,),) = base.execute(_DROPPING).fetchall()
    if dropping:
        base.execute(dropping)


@atexit.register
def _close_spare() -> None:
    with _guard:
        for base in _spare.pop(os.getpid(), []):
            base.close()
