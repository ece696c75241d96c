"""Whether a bucket of other tools' objects can be copied: listed and read, and nothing else."""

from collections.abc import Iterator

from core.engine.check import Finding, Level, failed, passed
from core.errors import ColdhaulError, ConflictError, NotFoundError, NotReadyError
from core.stores.bucket import Bucket, ListPage


def check_bucket(bucket: Bucket) -> tuple[Finding, ...]:
    """List the first objects and read a byte of one; return all findings."""
    try:
        page = bucket.list_page()
    except ColdhaulError as error:
        return (failed("permission to list", error),)
    return tuple(_check_objects(bucket, page))


def _check_objects(bucket: Bucket, page: ListPage) -> Iterator[Finding]:
    if not page.objects:
        yield Finding(
            level=Level.WARNING,
            what="permission to list",
            detail=f"tried; there are no objects at {bucket.url}",
            hint="Check the prefix: it is taken as it stands, in capital and small letters.",
        )
        return
    more = " or more" if page.token else ""
    yield passed("permission to list", f"tried: {len(page.objects):,} objects{more}")
    first = next((each for each in page.objects if each.size), page.objects[0])
    try:
        bucket.read(first.key, first.etag, 0, min(first.size, 1))
    except (ConflictError, NotFoundError):
        yield passed("permission to read", "tried; the object changed meanwhile")
    except NotReadyError as error:
        yield Finding(
            level=Level.WARNING,
            what="permission to read",
            detail=error.message,
            hint=error.hint,
            items=error.items,
        )
    except ColdhaulError as error:
        yield failed("permission to read", error)
    else:
        yield passed("permission to read", "tried")
