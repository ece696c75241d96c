"""Putting items back as objects, under any prefix of any vendor's bucket.

An object appears whole or not at all, with the properties that its item has kept. Its name is the
item's path, byte for byte. Without ``overwrite`` nothing is replaced.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.engine.destination import DestinationError
from core.errors import StoreError
from core.limits import DESTINATION_FAILURES_MAX
from core.plan.restore import Target
from core.sources.bucket import key_of, read_properties
from core.stores.bucket import WritableBucket
from core.stores.store import Upload


class BucketLanding:
    """A bucket that items are written into. Safe to share between threads.

    What is wrong with one item is a ``ConflictError``, ``InputError``, ``IntegrityError`` or
    ``StoreError``; after a ``DestinationError`` there is no point in going on.
    """

    def __init__(self, bucket: WritableBucket, *, overwrite: bool) -> None:
        """Write nothing yet."""
        self._bucket = bucket
        self._overwrite = overwrite
        self._counting = threading.Lock()
        self._failures_in_a_row = 0

    def write_file(self, target: Target, content: bytes | memoryview) -> None:
        """Write a whole object."""
        with self.begin_object(target) as upload:
            if len(content):
                upload.write(bytes(content))

    @contextmanager
    def begin_object(self, target: Target) -> Iterator[Upload]:
        """Begin an object; it is complete after the block, or nothing of it is there."""
        properties = read_properties(target.metadata)
        upload = self._bucket.write(
            key_of(target.path), properties, size=target.size, overwrite=self._overwrite
        )
        try:
            yield upload
            with self._judged():
                upload.complete()
        finally:
            upload.abort()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Tell a bucket that takes nothing at all from one that refuses an object."""
        try:
            yield
        except StoreError as error:
            with self._counting:
                self._failures_in_a_row += 1
                is_hopeless = self._failures_in_a_row >= DESTINATION_FAILURES_MAX
            if is_hopeless:
                raise DestinationError(
                    f"the destination takes nothing any more: {error.message}",
                    hint=error.hint or "What was restored so far is whole; restore again, over it.",
                    items=error.items,
                ) from error
            raise
        else:
            with self._counting:
                self._failures_in_a_row = 0
