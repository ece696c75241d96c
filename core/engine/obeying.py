"""Stores that sleep, for bandwidth or before another try, wake up when the work is to end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.engine.session import CopySession
from core.sources.bucket import BucketSource
from core.sources.repository import Repository
from core.stores.bucket import Bucket
from core.stores.pacing import never
from core.stores.store import Store


@contextmanager
def obeying(stop: Callable[[], bool], *places: Store | Bucket) -> Iterator[None]:
    """Have these places sleep no more once ``stop`` says so, until the block has ended."""
    obey(stop, *places)
    try:
        yield
    finally:
        obey(never, *places)


def obey(stop: Callable[[], bool], *places: Store | Bucket) -> None:
    """Have these places sleep no more once ``stop`` says so, for good."""
    for place in places:
        place.obey(stop)


def places_of(session: CopySession) -> tuple[Store | Bucket, ...]:
    """Return where a session reads and writes."""
    source = session.source
    if isinstance(source, Repository):
        return (session.target.store, source.store)
    if isinstance(source, BucketSource):
        return (session.target.store, source.bucket)
    return (session.target.store,)
