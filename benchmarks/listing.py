"""Listing a bucket of very many objects and planning the first copy of it.

The bucket is made up: its pages come from arithmetic, without network and without XML, so what is
measured is what a session does with them. Everything else is real, the sealed target included, in
which nothing of it is known. ``python -m benchmarks.listing FOLDER COUNT`` prints the seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.measure import Usage, run
from core import limits
from core.catalog.workspace import Workspace
from core.engine.create import create_repository
from core.engine.jobs import Terms, create_job
from core.engine.listing import Pace, list_bucket
from core.engine.plan import run_plan
from core.engine.run import begin_session
from core.engine.session import CopySession, system_clock
from core.engine.tables import Tables
from core.errors import NotFoundError
from core.ids import JobId
from core.model import Parameters, RetentionType
from core.sources.bucket import BucketSource
from core.stores.bucket import ListedObject, ListPage, ObjectPart
from core.stores.folder import FolderStore

_SECRET = "benchmarks are not secret"
_JOB = JobId("bench")
_PAGE_SIZE = 1_000
# Objects of a folder, folders of a folder: what is below the first level can be listed in parts.
_FOLDER_OBJECTS = 1_000
_FOLDER_FOLDERS = 100
_OBJECT_SIZE = 28_000
_MODIFIED = 1_735_689_600
_SAMPLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRun:
    """Seconds of listing and of planning after it, of the pages alone, and the whole process's."""

    object_count: int
    listing: float
    planning: float
    pages: float
    usage: Usage


class MadeUpBucket:
    """``count`` objects in two levels of folders, in pages as S3 gives them."""

    url = "s3://made-up"
    vendor = "s3-compatible"
    identity = "a bucket that is made up"

    def __init__(self, count: int) -> None:
        """Make nothing up yet."""
        self._count = count

    def obey(self, stop: Callable[[], bool]) -> None:
        """Never sleep anyway."""

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        """Return a page; a token is the number of the next object."""
        parts = [part for part in prefix.split("/") if part]
        assert prefix == "".join(f"{part}/" for part in parts), "only whole folders are asked for"
        start, end = self._range(parts)
        if not is_deep and len(parts) < 2:
            step = _FOLDER_OBJECTS * (1 if parts else _FOLDER_FOLDERS)
            names = (_key(number).split("/")[len(parts)] for number in range(start, end, step))
            return ListPage(objects=(), prefixes=tuple(f"{prefix}{name}/" for name in names))
        first = int(token) if token else start
        last = min(first + _PAGE_SIZE, end)
        objects = tuple(map(_object, range(first, last)))
        return ListPage(objects=objects, token=str(last) if last < end else "")

    def _range(self, parts: list[str]) -> tuple[int, int]:
        """Return the numbers of the objects in a folder."""
        start, size = 0, self._count
        for depth, part in enumerate(parts):
            size = _FOLDER_OBJECTS * (1 if depth else _FOLDER_FOLDERS)
            start += int(part) * size
        return start, min(start + size, self._count)

    def pages(self, count: int) -> Iterator[ListPage]:
        """Yield the first pages of the whole."""
        token = ""
        for _ in range(count):
            page = self.list_page(token=token)
            yield page
            token = page.token

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        """Refuse: there is no content."""
        del etag, offset, length
        raise NotFoundError(f"{key} is made up")

    def describe(self, key: str) -> ListedObject:
        """Refuse: nothing asks for it."""
        raise NotFoundError(f"{key} is made up")


def _key(number: int) -> str:
    folder, _ = divmod(number, _FOLDER_OBJECTS)
    above, below = divmod(folder, _FOLDER_FOLDERS)
    return f"{above:05d}/{below:03d}/document-{number:010d}.dat"


def _object(number: int) -> ListedObject:
    return ListedObject(
        key=_key(number),
        size=_OBJECT_SIZE,
        etag=f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}",
        modified=_MODIFIED + number % 5_000_000,
    )


def measure_listing(folder: Path, object_count: int) -> ListingRun:
    """List and plan in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.listing", str(folder), str(object_count)]
    usage, text = run(command, folder, {"PYTHONPATH": str(ROOT)})
    return ListingRun(usage=usage, **json.loads(text))


def _list_and_plan(folder: Path, object_count: int) -> dict[str, float]:
    bucket = MadeUpBucket(object_count)
    source = BucketSource(bucket=bucket, retention_type=RetentionType.SNAPSHOT_BASED)
    session = _begin(folder, source)
    started = time.monotonic()
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        pace = Pace(is_stopped=lambda: False, is_late=lambda: False)
        listing = list_bucket(source, Tables(session.target, workspace), session.id, pace)
    assert listing is not None, "without a deadline a listing is finished"
    listed = time.monotonic()
    plan = run_plan(session)
    planned = time.monotonic()
    assert plan is not None, "without a deadline a plan is finished"
    assert plan.new_blob_count == listing.object_count == object_count, "all objects are planned"
    return {
        "object_count": object_count,
        "listing": listed - started,
        "planning": planned - listed,
        "pages": _page_seconds(bucket, object_count),
    }


def _begin(folder: Path, source: BucketSource) -> CopySession:
    target = create_repository(
        FolderStore(folder / "target", create=True),
        retention_type=RetentionType.SNAPSHOT_BASED,
        secret=_SECRET,
        parameters=Parameters(),
        now=datetime.now(UTC),
    )
    terms = Terms(schedule="daily 22:00")
    definition = create_job(target, source, _JOB, terms, include_newest=False)
    begun = begin_session(target, source, definition, system_clock)
    assert begun is not None, "a bucket has always something to list"
    return begun.session


def _page_seconds(bucket: MadeUpBucket, object_count: int) -> float:
    """Return the CPU seconds that making up all pages takes, by a sample of them."""
    page_count = max(1, object_count // _PAGE_SIZE // _SAMPLE)
    started = time.process_time()
    found = sum(len(page.objects) for page in bucket.pages(page_count))
    return (time.process_time() - started) / found * object_count


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_list_and_plan(Path(sys.argv[1]), int(sys.argv[2]))))
