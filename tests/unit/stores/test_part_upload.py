"""What both vendors' uploads share: order, parts in memory and on disk, and ends of every kind."""

import hashlib
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.stores.pacing import Bandwidth, Pacer, TransientError
from core.stores.part_sizes import Bounds
from core.stores.part_upload import Part, PartUpload, UploadTarget
from core.stores.store import ObjectHead

PART = 1_000


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parts of few bytes; twice as large ones are on disk."""
    monkeypatch.setattr("core.stores.part_sizes.MIB", PART)
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_SIZE", PART)
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_IN_MEMORY_MAX", PART)


class Shelf(PartUpload[UploadTarget]):
    """Keeps what arrives in this process, as the least of vendors would."""

    def __init__(
        self, size: int = 0, *, parts_max: int = 20, bandwidth: Bandwidth | None = None
    ) -> None:
        target = UploadTarget(
            location="shelf://a",
            head=self._head,
            pacer=Pacer(),
            bandwidth=bandwidth or Bandwidth(0),
            size=size,
        )
        super().__init__(target, Bounds(service="It", parts_max=parts_max, part_size_max=5 * PART))
        self.begun = 0
        self.parts: dict[int, bytes] = {}
        self.content: bytes | None = None
        self.discarded = 0
        self.failing = 0
        self.sending = 0
        self.sending_max = 0
        self.counting = threading.Lock()

    def _head(self) -> ObjectHead:
        assert self.content is not None
        return ObjectHead(name="a", size=len(self.content), etag="", modified=datetime.now(UTC))

    def _begin(self) -> None:
        self.begun += 1

    def _send(self, number: int, part: Part) -> None:
        with self.counting:
            self.sending += 1
            self.sending_max = max(self.sending, self.sending_max)
        if number == self.failing:
            raise StoreError("refused")
        for _ in range(2):
            content = part.content()
            data = bytes(content) if isinstance(content, bytearray) else content.read()
            assert hashlib.sha256(data).digest() == part.digest("sha256")
        self.parts[number] = data
        with self.counting:
            self.sending -= 1

    def _finish(self, count: int) -> ObjectHead:
        self.content = b"".join(self.parts[number] for number in range(1, count + 1))
        return self._head()

    def _put(self, data: bytearray) -> ObjectHead:
        self.content = bytes(data)
        return self._head()

    def _discard(self) -> None:
        self.discarded += 1

    def _is_own(self, head: ObjectHead) -> bool:
        return True

    def _gone(self, error: NotFoundError) -> StoreError:
        return StoreError(error.message)


def content_of(size: int) -> bytes:
    """Return bytes of which no two thousand are alike."""
    return b"".join(b"%09d" % number for number in range(size // 9 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 7 * PART, 7 * PART + 5])
@pytest.mark.parametrize("step", [1, 333, PART, 5 * PART])
@pytest.mark.parametrize("told", [True, False])
def test_the_bytes_arrive_in_order(size: int, step: int, *, told: bool) -> None:
    shelf = Shelf(size if told else 0)
    data = content_of(size)
    for offset in range(0, size, step):
        shelf.write(data[offset : offset + step])
    assert shelf.complete().size == size
    assert shelf.content == data
    assert shelf.begun == (size >= PART)
    assert shelf.discarded == 0


def test_large_parts_go_over_disk_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    size = 20 * 2 * PART + 1
    shelf = Shelf(size)
    data = content_of(size)
    for offset in range(0, size, 700):
        shelf.write(data[offset : offset + 700])
    shelf.complete()
    assert shelf.content == data
    assert {len(part) for part in list(shelf.parts.values())[:-1]} == {3 * PART}
    assert shelf.sending_max == 1
    assert list(tmp_path.iterdir()) == []


def test_a_small_object_that_was_told_to_be_large_goes_in_one_part() -> None:
    shelf = Shelf(20 * 2 * PART + 1)
    shelf.write(b"short")
    shelf.complete()
    assert (shelf.content, shelf.parts) == (b"short", {1: b"short"})


def test_what_the_vendor_cannot_take_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="shelf://a would have 100,001 bytes"):
        Shelf(20 * 5 * PART + 1)


def test_an_object_of_more_bytes_than_told_is_no_endless_one() -> None:
    shelf = Shelf(parts_max=3)
    with pytest.raises(InputError, match="more bytes than it was to have"):
        shelf.write(bytes(4 * PART))
    assert (shelf.discarded, shelf.content) == (1, None)


@pytest.mark.parametrize("size", [0, 20 * 2 * PART + 1])
def test_a_part_that_fails_ends_the_upload(size: int) -> None:
    shelf = Shelf(size)
    shelf.failing = 2
    with pytest.raises(StoreError, match="refused"):
        shelf.write(bytes(30 * PART))
    shelf.abort()
    assert (shelf.discarded, shelf.content) == (1, None)


def test_giving_up_before_the_first_part_asks_nothing_of_the_store() -> None:
    shelf = Shelf()
    shelf.write(b"half")
    shelf.abort()
    shelf.abort()
    assert (shelf.begun, shelf.discarded) == (0, 0)


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/none")
    with pytest.raises(StoreError, match="cannot keep a part of shelf://a") as caught:
        Shelf(20 * 2 * PART + 1)
    assert "TMPDIR" in caught.value.hint


@contextmanager
def disk_that_is_full_at(size: int) -> Iterator[None]:
    """Let no file of this process become larger, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("step", [1, 7, 700, 30 * PART])
def test_a_disk_that_fills_up_is_told_and_ends_the_upload(step: int) -> None:
    shelf = Shelf(20 * 2 * PART + 1)

    def fill() -> None:
        for _ in range(0, 4 * PART, step):
            shelf.write(bytes(step))

    with disk_that_is_full_at(2 * PART), pytest.raises(StoreError, match="cannot keep a part"):
        fill()
    shelf.abort()
    assert (shelf.content, shelf.parts, shelf._is_open) == (None, {}, False)


def test_an_upload_that_is_given_up_waits_for_no_bandwidth() -> None:
    shelf = Shelf(bandwidth=Bandwidth(1))
    ordered = threading.Event()
    shelf._target.pacer.stop = ordered.is_set
    shelf.write(bytes(2 * PART))
    begun = time.monotonic()
    ordered.set()
    shelf.abort()
    assert time.monotonic() - begun < 60
    assert (shelf.content, shelf.discarded) == (None, 1)


def test_memory_that_will_be_needed_is_had_at_once() -> None:
    part = Part(PART, in_memory=True, expected=600)
    whole = b""
    for size, room in [(10, 600), (590, 600), (10, PART)]:
        part.write(memoryview(bytes([size % 256]) * size))
        whole += bytes([size % 256]) * size
        assert len(part._memory) == room
    assert part.memory == whole


def test_an_upload_takes_no_more_memory_than_its_object_needs() -> None:
    shelf = Shelf(PART // 4)
    shelf.write(b"x")
    assert len(shelf._waiting._memory) == PART // 4
    shelf.abort()


class Contested(Shelf):
    """Its first try to finish meets that of somebody else, and its parts are forgotten by then.

    So Amazon has it: after a 409 an upload is to be begun anew.
    """

    def __init__(self, theirs: bytes | None, *, overwrite: bool = False) -> None:
        super().__init__()
        self._target = replace(self._target, pacer=Pacer(sleep=lambda _: None), overwrite=overwrite)
        self._theirs = theirs
        self.tries = 0

    def _head(self) -> ObjectHead:
        if self.content is None:
            raise NotFoundError("it is not there")
        return super()._head()

    def _finish(self, count: int) -> ObjectHead:
        return self._create(self._meet)

    def _meet(self) -> ObjectHead:
        self.tries += 1
        if self.tries == 1:
            self.content = self._theirs
            raise TransientError("another request for this name is under way")
        raise NotFoundError("there is no such upload")

    def _is_own(self, head: ObjectHead) -> bool:
        return False


def test_whoever_is_second_at_the_same_moment_meets_a_conflict() -> None:
    shelf = Contested(theirs=content_of(2 * PART))
    shelf.write(content_of(2 * PART))
    with pytest.raises(ConflictError, match="exists already"):
        shelf.complete()
    assert shelf.discarded == 1


@pytest.mark.parametrize(("theirs", "overwrite"), [(None, False), (b"older", True)])
def test_parts_that_are_gone_where_nothing_is_in_the_way_are_no_conflict(
    theirs: bytes | None, *, overwrite: bool
) -> None:
    shelf = Contested(theirs, overwrite=overwrite)
    shelf.write(content_of(2 * PART))
    with pytest.raises(StoreError, match="no such upload"):
        shelf.complete()
    assert shelf.tries == 2
