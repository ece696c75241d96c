"""Listing a bucket: the first stage of a session's plan, stored piece by piece.

A bucket has no points, so a run copies what a listing shows. Everything after works from the
stored listing. It is cut into disjoint prefixes, and groups of them are listed side by side; each
stored piece says where the next one begins, so of two runs at once one makes each piece and both go
on after it, and a rerun lists nothing again. What appears or goes meanwhile is in the listing or
not.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from core import limits
from core.catalog.objects import object_line, read_facts, write_objects
from core.catalog.workspace import spooled
from core.engine import state
from core.engine.shards import find_shards, group_shards
from core.engine.state import Listing, Shard, Shards
from core.engine.tables import Tables
from core.errors import ConflictError, NotFoundError
from core.ids import SessionId
from core.sources.bucket import BucketSource, key_of, object_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a call ends: at once if ``is_stopped``, once something was stored if ``is_late``."""

    is_stopped: Callable[[], bool]
    is_late: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a piece begins: at which shard of its group, after which key or prefix."""

    shard: int = 0
    token: str = ""


def list_bucket(
    source: BucketSource, tables: Tables, session_id: SessionId, pace: Pace
) -> Listing | None:
    """Return a session's listing, made to its end; None when this call ended before."""
    name = state.listing_name(session_id)
    try:
        return tables.repository.read_value(Listing, name)
    except NotFoundError:
        pass
    chunks = _Lister(source, tables, session_id, pace).run()
    if chunks is None:
        return None
    objects = tuple(tables.describe(chunk) for chunk in chunks)
    listing = Listing(objects=objects, object_count=sum(table.rows for table in objects))
    return tables.repository.adopt_value(name, listing)


def threads_for(vendor: str) -> int:
    """Return how many requests to a bucket are worth having under way."""
    return limits.FETCH_THREADS_LOCAL if vendor == "filesystem" else limits.LISTING_THREADS


class _Lister:
    """One call's work on a listing. Its threads share the workspace, one at a time."""

    def __init__(
        self, source: BucketSource, tables: Tables, session_id: SessionId, pace: Pace
    ) -> None:
        self._bucket = source.bucket
        self._tables = tables
        self._session_id = session_id
        self._pace = pace
        self._lock = threading.Lock()
        self._has_stored = False
        self._has_failed = False

    def run(self) -> list[str] | None:
        """Return the names of all pieces, None when some are not made yet."""
        with ThreadPoolExecutor(threads_for(self._bucket.vendor), "listing") as pool:
            groups = self._groups(pool)
            prefix = state.chunks_prefix(self._session_id)
            stored = {head.name for head in self._tables.repository.store.list(prefix)}
            futures = [
                pool.submit(self._list_group, number, group, stored)
                for number, group in enumerate(groups)
            ]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                # The others need not come to their ends before it is told.
                self._has_failed = True
                pool.shutdown(cancel_futures=True)
                raise
            lists = [future.result() for future in futures]
        if any(chunks is None for chunks in lists):
            return None
        return [name for chunks in lists for name in chunks or ()]

    def _groups(self, pool: ThreadPoolExecutor) -> Sequence[Sequence[Shard]]:
        repository = self._tables.repository
        name = state.shards_name(self._session_id)
        try:
            return repository.read_value(Shards, name).groups
        except NotFoundError:
            found = Shards(groups=group_shards(find_shards(self._bucket, pool)))
            return repository.adopt_value(name, found).groups

    def _list_group(
        self, number: int, group: Sequence[Shard], stored: set[str]
    ) -> list[str] | None:
        """Return the names of all pieces of a group; None when this call ends before."""
        chunks: list[str] = []
        place = _Place()
        while place.shard < len(group):
            name = state.chunk_name(self._session_id, number, len(chunks))
            is_stored = name in stored or self._list_chunk(name, group, place)
            if not is_stored:
                return None
            place = self._place_after(name)
            chunks.append(name)
        return chunks

    def _is_over(self) -> bool:
        return self._is_cut() or (self._pace.is_late() and self._has_stored)

    def _is_cut(self) -> bool:
        return self._has_failed or self._pace.is_stopped()

    def _list_chunk(self, name: str, group: Sequence[Shard], place: _Place) -> bool:
        """Store the next piece of a group, or see that another run was first; False if over."""
        if self._is_over():
            return False
        lines = self._new_path(".csv")
        count = 0
        with spooled(lines) as file:
            while count < limits.LISTING_CHUNK_OBJECTS and place.shard < len(group):
                if self._is_cut():
                    return False
                shard = group[place.shard]
                prefix = key_of(bytes.fromhex(shard.prefix))
                page = self._bucket.list_page(prefix, token=place.token, is_deep=shard.is_deep)
                file.writelines([object_line(row) for row in map(object_row, page.objects)])
                count += len(page.objects)
                is_same = bool(page.token)
                place = _Place(place.shard, page.token) if is_same else _Place(place.shard + 1)
                if self._pace.is_late():
                    break
        self._store(name, lines, place)
        return True

    def _store(self, name: str, lines: Path, end: _Place) -> None:
        path = self._new_path(".parquet")
        facts = {"shard": str(end.shard), "token": end.token}
        with self._lock:
            count = write_objects(self._tables.workspace, lines, path, facts)
        lines.unlink()
        try:
            self._tables.repository.put_table(name, path, count)
        except ConflictError:
            path.unlink()
            return
        with self._lock:
            self._tables.keep(name, path)
            self._has_stored = True

    def _place_after(self, name: str) -> _Place:
        """Return where the piece after a stored one begins, whoever made it."""
        with self._lock:
            facts = read_facts(self._tables.workspace, self._tables.fetch(name))
        return _Place(int(facts["shard"]), facts["token"])

    def _new_path(self, suffix: str) -> Path:
        with self._lock:
            return self._tables.workspace.new_path("listing", suffix)
