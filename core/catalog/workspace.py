"""A private temporary folder with a DuckDB connection in it, emptied when it is closed.

Sealed tables are unsealed nowhere else. A killed process cannot empty its folder: the next
workspace does, recognising the dead by a lock that the kernel has dropped.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO

import duckdb

from core.catalog.database import Database
from core.errors import StoreError

_PREFIX = "coldhaul-workspace-"
_LOCK = "lock"

SqlValue = bytes | str | int | None


class Workspace:
    """Use as a context manager. Paths given out are inside the folder and die with it."""

    def __init__(self, memory_size: int, threads: int | None = None) -> None:
        """Make the folder; ``memory_size`` bytes is all that DuckDB may use before spilling."""
        _empty_dead_workspaces()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _lock(self.folder)
        self._count = 0
        self._database = Database(
            memory_size, threads or os.cpu_count() or 1, self.folder / "spill"
        )
        self.con = self._database.con

    def __enter__(self) -> Self:
        """Hand out the workspace."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection and empty the folder."""
        self.close()

    def close(self) -> None:
        """Close the connection and delete the folder. Harmless when called twice."""
        self._database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def new_path(self, stem: str, suffix: str = ".parquet") -> Path:
        """Return the path of a file that does not exist yet."""
        self._count += 1
        return self.folder / f"{stem}-{self._count}{suffix}"

    def run(self, sql: str, values: Sequence[SqlValue] = ()) -> None:
        """Execute a statement for its effect."""
        self._execute(sql, values)

    def rows(
        self, sql: str, values: Sequence[SqlValue] = (), *, at_once: int = 50_000
    ) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows; uses a cursor of its own, so that queries may interleave."""
        with self.con.cursor() as cursor:
            with self._translated():
                cursor.execute(sql, list(values))
            while True:
                with self._translated():
                    block = cursor.fetchmany(at_once)
                if not block:
                    return
                yield from block

    def row(self, sql: str, values: Sequence[SqlValue] = ()) -> tuple[Any, ...]:
        """Return the one row of a query that always has one."""
        found = self._execute(sql, values).fetchone()
        assert found is not None, "an aggregate has a row"
        return found

    def _execute(self, sql: str, values: Sequence[SqlValue]) -> duckdb.DuckDBPyConnection:
        with self._translated():
            return self.con.execute(sql, list(values))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except duckdb.IOException as error:
            raise StoreError(
                f"the temporary folder {self.folder} failed: {error}",
                hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise StoreError(
                f"joining tables took more memory and temporary space than there is: {error}",
                hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
            ) from error


@contextmanager
def spooled(path: Path, mode: Literal["r", "w"] = "w") -> Iterator[TextIO]:
    """Write or read a file of a workspace; a temporary folder that is full is a ``StoreError``."""
    try:
        with path.open(mode) as file:
            yield file
    except OSError as error:
        raise StoreError(
            f"cannot {'write' if mode == 'w' else 'read'} the temporary file {path}:"
            f" {error.strerror}",
            hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
        ) from error


def quote(path: Path) -> str:
    """Write a path as a SQL text literal."""
    return "'" + str(path).replace("'", "''") + "'"


def quote_all(paths: Sequence[Path]) -> str:
    """Write paths as a SQL list literal."""
    return "[" + ", ".join(quote(path) for path in paths) + "]"


def _lock(folder: Path) -> int:
    # Locked before it has its name: a lock that can be seen and is free belongs to the dead.
    unnamed = folder / f"{_LOCK}-new"
    handle = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return handle


def _empty_dead_workspaces() -> None:
    """Delete folders of ours whose lock nobody holds: their process died."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # Another user's, or one being made or deleted at this moment.
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # Its process lives.
        finally:
            os.close(handle)
