"""What every store promises, as tests. A store's own file subclasses ``StoreConformance``.

The subclass has one fixture, ``medium``; whatever the suite writes through the store it looks at
through the medium, and the other way round.
"""

import pickle
import random
import string
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import ConflictError, InputError, IntegrityError, NotFoundError, StoreError
from core.limits import PATH_COMPONENT_SIZE_MAX
from core.stores.opening import open_store
from core.stores.store import NAME_SIZE_MAX, Keeping, ObjectHead, Store
from tests.conformance.child import Child, content
from tests.conformance.medium import Medium

MIB = 1 << 20
THREADS = 16

HOSTILE_NAMES = [
    "",
    "/",
    "/etc/passwd",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a/./b",
    "./a",
    "a\\b",
    "..\\a",
    "a\0b",
    "a\n",
    "a b",
    "a:b",
    "a%2e",
    "a*",
    "ä",
    "\udce4",
    "a" * (PATH_COMPONENT_SIZE_MAX + 1),
    "a/" + "b" * (PATH_COMPONENT_SIZE_MAX + 1) + "/c",
    "a/" * (NAME_SIZE_MAX // 2) + "ab",
]
HOSTILE_PREFIXES = ["/", "../", "a//", "./", "a/../b", "a\0", "a\\", "a b", "ä", "a" * 901]

# The separator sorts after "-" and "." and before digits and letters: each of these pairs comes
# out in the wrong order from a store that lists folder by folder and forgets that.
AWKWARD_NAMES = [
    "a-b/1",
    "a.b",
    "a/b",
    "a/b-c",
    "a/b.c/1",
    "a/c/1",
    "a/c/10",
    "a/c/2",
    "a/c-1/1",
    "a0",
    "aa",
    "aa-/1",
    "aaa/1",
    "A/b",
    "Z",
    "_",
    "~",
    "...",
    "..a/..b",
    ".hidden/x",
    "-",
    "=+@~",
    "0/0",
    "00/0",
    "packs/1/2",
    "packs/keys-1.json",
    "packs/repository.json",
]


def long_name(size: int = NAME_SIZE_MAX) -> str:
    """Return a name of exactly this size, of parts."""
    return "/".join(["n" * 254] * 4)[:size]


class StoreConformance:
    """The promises of core/stores/store.py.

    The counts are how much of each a store gets: enough for its pages and for races, and so little
    that the whole suite takes an emulator half a minute.
    """

    race_count = 300
    create_turns = 20
    seen_count = 60
    kill_turns = 8
    neighbour_turns = 30
    # More than one page of any store, and more than one request deletes.
    listed_count = 2100
    deleted_count = 1200

    @pytest.fixture
    def medium(self) -> Medium:
        raise NotImplementedError("a subclass says where the store under test is")

    @pytest.fixture
    def store(self, medium: Medium) -> Store:
        return medium.store

    # --- Writing and reading -----------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, 28_672, 3 * MIB + 1])
    def test_put_is_on_the_medium(self, medium: Medium, size: int) -> None:
        data = random.Random(size).randbytes(size)
        head = medium.store.put("a/b", data)
        assert medium.read("a/b") == data
        assert medium.names() == {"a/b"}
        assert (head.name, head.size) == ("a/b", size)
        assert medium.leftovers() == set()

    @pytest.mark.parametrize("size", [0, 1, 3 * MIB + 1])
    def test_get_reads_what_is_on_the_medium(self, medium: Medium, size: int) -> None:
        data = random.Random(size).randbytes(size)
        medium.write("a/b/c", data)
        assert medium.store.get("a/b/c") == data
        assert medium.store.head("a/b/c").size == size

    def test_head_put_upload_and_list_describe_an_object_alike(self, store: Store) -> None:
        by_put = store.put("p", b"12")
        upload = store.upload("u")
        upload.write(b"123")
        by_upload = upload.complete()
        heads = [store.head("p"), store.head("u")]
        assert by_upload == heads[1]
        # Not every store tells the checksum in a listing, nor the moment and it after a put.
        assert [without_checksum(head) for head in store.list()] == [
            without_checksum(head) for head in heads
        ]
        assert replace(by_put, modified=heads[0].modified) in {heads[0], without_checksum(heads[0])}
        assert abs(by_put.modified - heads[0].modified) < timedelta(minutes=5)
        assert by_put.etag != by_upload.etag != ""

    def test_modified_is_the_moment_of_the_write_in_utc(self, store: Store) -> None:
        head = store.put("a", b"")
        assert head.modified.utcoffset() == timedelta(0)
        # A store's clock may differ from ours.
        assert abs(head.modified - datetime.now(UTC)) < timedelta(minutes=5)

    def test_another_client_finds_the_object_by_the_url(self, medium: Medium) -> None:
        store = medium.store
        store.put("a/b", b"x")
        other = open_store(store.url, medium.settings)
        assert other.get("a/b") == b"x"
        assert other.head("a/b") == store.head("a/b")
        assert other.url == store.url

    def test_store_travels_to_another_process(self, store: Store) -> None:
        store.put("a/b", b"x")
        other = pickle.loads(pickle.dumps(store))
        assert (other.url, other.vendor) == (store.url, store.vendor)
        assert other.get("a/b") == b"x"

    def test_vendor_is_one_of_ours(self, store: Store) -> None:
        assert store.vendor in {"filesystem", "amazon-s3", "azure-blob", "s3-compatible"}

    def test_etag_tells_one_object_from_a_later_one_of_the_same_name(self, store: Store) -> None:
        before = store.put("a", b"1").etag
        store.delete(["a"])
        assert store.put("a", b"22").etag != before

    # --- Ranges ------------------------------------------------------------------------------

    def test_get_range_returns_exactly_these_bytes(self, medium: Medium) -> None:
        data = b"01234"
        medium.write("a/b", data)
        for offset in range(6):
            for length in range(6 - offset):
                assert medium.store.get_range("a/b", offset, length) == data[offset:][:length]

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 6), (4, 2), (5, 1), (6, 0), (2**62, 1), (0, 2**62)]
    )
    def test_range_past_the_end_is_damage(self, store: Store, offset: int, length: int) -> None:
        store.put("a", b"01234")
        with pytest.raises(IntegrityError, match="5 bytes"):
            store.get_range("a", offset, length)

    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (-5, 5), (3, -3)])
    def test_negative_range_is_damage(self, store: Store, offset: int, length: int) -> None:
        store.put("a", b"01234")
        with pytest.raises(IntegrityError):
            store.get_range("a", offset, length)

    def test_ranges_of_one_object_are_read_by_many_threads(self, store: Store) -> None:
        data = random.Random(1).randbytes(2 * MIB)
        store.put("large", data)

        def read(number: int) -> bool:
            offset = number * 8191
            return store.get_range("large", offset, 8191) == data[offset : offset + 8191]

        with ThreadPoolExecutor(THREADS) as pool:
            assert all(pool.map(read, range(200)))

    # --- What is not there -------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["missing", "a/missing", "missing/b", "a", "a/b/c"])
    def test_missing_name_is_not_found(self, store: Store, name: str) -> None:
        store.put("a/b", b"x")
        for read in readers(store):
            with pytest.raises(NotFoundError, match=name):
                read(name)

    def test_object_that_others_removed_is_not_found(self, medium: Medium) -> None:
        medium.store.put("a/b", b"x")
        medium.remove("a/b")
        for read in readers(medium.store):
            with pytest.raises(NotFoundError):
                read("a/b")
        assert list(medium.store.list()) == []
        medium.store.put("a/b", b"y")
        assert medium.read("a/b") == b"y"

    def test_missing_place_is_no_missing_name(self, medium: Medium) -> None:
        store = medium.gone()
        for read in readers(store):
            with pytest.raises(StoreError) as caught:
                read("a/b")
            assert caught.value.hint
        with pytest.raises(StoreError):
            list(store.list())
        with pytest.raises(StoreError):
            list(store.list("a/"))
        with pytest.raises(StoreError):
            store.put("a/b", b"x")
        with pytest.raises(StoreError):
            store.upload("a/b").complete()
        with pytest.raises(StoreError):
            store.delete(["a/b"])

    # --- Create-only -------------------------------------------------------------------------

    def test_second_put_is_a_conflict_and_changes_nothing(self, medium: Medium) -> None:
        medium.store.put("a/b", b"first")
        head = medium.store.head("a/b")
        for data in (b"second", b"first", b""):
            with pytest.raises(ConflictError, match="a/b"):
                medium.store.put("a/b", data)
        assert medium.read("a/b") == b"first"
        assert medium.store.head("a/b") == head
        assert medium.leftovers() == set()

    def test_put_does_not_replace_what_others_wrote(self, medium: Medium) -> None:
        medium.write("a/b", b"theirs")
        with pytest.raises(ConflictError):
            medium.store.put("a/b", b"ours")
        assert medium.read("a/b") == b"theirs"

    def test_upload_conflicts_with_what_came_meanwhile(self, medium: Medium) -> None:
        upload = medium.store.upload("a/b")
        upload.write(b"late")
        medium.store.put("a/b", b"early")
        with pytest.raises(ConflictError, match="a/b"):
            upload.complete()
        assert medium.read("a/b") == b"early"
        assert medium.leftovers() == set()

    def test_one_of_many_threads_creates_a_name(self, medium: Medium) -> None:
        stores = [medium.store, open_store(medium.store.url, medium.settings)]
        barrier = threading.Barrier(THREADS)

        def create(number: int, name: str) -> bytes | None:
            data = content(str(number), name)
            barrier.wait()
            try:
                return written(stores[number % 2], name, data, is_large=number % 4 == 0)
            except ConflictError:
                return None

        with ThreadPoolExecutor(THREADS) as pool:
            for turn in range(self.create_turns):
                name = f"{turn % 3}/{turn}/x"
                results = list(pool.map(create, range(THREADS), [name] * THREADS))
                winners = [data for data in results if data is not None]
                assert [medium.read(name)] == winners
        assert len(medium.names()) == self.create_turns
        assert medium.leftovers() == set()

    def test_one_of_two_processes_creates_a_name(self, medium: Medium) -> None:
        count = str(self.race_count)
        with (
            Child("race", medium, "one", count) as one,
            Child("race", medium, "two", count) as two,
        ):
            one.begin()
            two.begin()
            won = {"one": one.rest(), "two": two.rest()}
        assert len(won["one"]) + len(won["two"]) == self.race_count
        assert set(won["one"]) | set(won["two"]) == medium.names()
        for label, names in won.items():
            assert all(medium.read(name) == content(label, name) for name in names)
        assert medium.leftovers() == set()

    # --- Uploads -----------------------------------------------------------------------------

    def test_upload_takes_pieces_of_any_size_in_order(self, medium: Medium) -> None:
        generator = random.Random(7)
        sizes = [0, 1, 5 * MIB, 3, 0, 32 * MIB, 8 * MIB - 1, 2]
        pieces = [generator.randbytes(size) for size in sizes]
        upload = medium.store.upload("packs/s/p")
        for piece in pieces:
            upload.write(piece)
        head = upload.complete()
        assert head.size == sum(sizes)
        assert medium.read("packs/s/p") == b"".join(pieces)
        assert medium.leftovers() == set()

    def test_upload_of_nothing_is_an_empty_object(self, medium: Medium) -> None:
        assert medium.store.upload("a/void").complete().size == 0
        assert medium.read("a/void") == b""

    def test_upload_is_invisible_until_it_is_complete(self, medium: Medium) -> None:
        upload = medium.store.upload("a/b")
        upload.write(bytes(9 * MIB))
        assert medium.names() == set()
        assert list(medium.store.list()) == []
        with pytest.raises(NotFoundError):
            medium.store.head("a/b")
        upload.complete()
        assert medium.names() == {"a/b"}

    def test_abort_leaves_nothing(self, medium: Medium) -> None:
        upload = medium.store.upload("a/b")
        upload.write(bytes(9 * MIB))
        upload.abort()
        upload.abort()
        assert medium.names() == set()
        assert medium.leftovers() == set()
        medium.store.put("a/b", b"free")

    def test_abort_after_complete_is_harmless(self, medium: Medium) -> None:
        upload = medium.store.upload("a/b")
        upload.write(b"x")
        upload.complete()
        upload.abort()
        assert medium.read("a/b") == b"x"

    def test_no_reader_ever_sees_a_part_of_an_object(self, medium: Medium) -> None:
        names = [f"{number % 3}/{number}" for number in range(self.seen_count)]
        is_over = threading.Event()

        def look() -> int:
            seen_count = 0
            while not is_over.is_set():
                for name in medium.names():
                    assert medium.read(name) == content("w", name)
                    seen_count += 1
                for head in medium.store.list():
                    assert head.size == 40_000
                    assert medium.store.get(head.name) == content("w", head.name)
            return seen_count

        with ThreadPoolExecutor(2) as pool:
            looks = [pool.submit(look), pool.submit(look)]
            try:
                for number, name in enumerate(names):
                    written(medium.store, name, content("w", name), is_large=number % 2 == 0)
            finally:
                is_over.set()
            assert sum(future.result() for future in looks) > 0

    # --- Killed processes --------------------------------------------------------------------

    def test_killed_upload_leaves_no_object(self, medium: Medium) -> None:
        with Child("upload", medium, "x", "20") as child:
            child.begin()
            assert child.line() == "written"
            child.kill()
        assert medium.names() == set()
        assert list(medium.store.list()) == []
        medium.store.put("large/x", b"free")

    def test_killed_puts_leave_whole_objects_only(self, medium: Medium) -> None:
        for turn in range(self.kill_turns):
            with Child("put", medium, str(turn), "3") as child:
                child.begin()
                answered = [child.line() for _ in range(turn * 5 + 1)]
                child.kill()
            assert set(answered) <= medium.names()
        for name in medium.names():
            assert medium.read(name) == content(name.split("/")[1].split("-")[0], name)

    # --- Listing -----------------------------------------------------------------------------

    def test_listing_is_in_the_order_of_the_names(self, medium: Medium) -> None:
        for name in AWKWARD_NAMES:
            medium.write(name, name.encode())
        heads = list(medium.store.list())
        assert [head.name for head in heads] == sorted(AWKWARD_NAMES)
        assert [head.size for head in heads] == [len(name) for name in sorted(AWKWARD_NAMES)]

    def test_prefix_is_a_text(self, medium: Medium) -> None:
        for name in AWKWARD_NAMES:
            medium.write(name, b"")
        prefixes = {name[:size] for name in AWKWARD_NAMES for size in range(len(name) + 1)}
        for prefix in prefixes | {"zz", "a/c/3", "packs/1/2/3", "packs/1/2/", "aa/"}:
            expected = sorted(name for name in AWKWARD_NAMES if name.startswith(prefix))
            assert [head.name for head in medium.store.list(prefix)] == expected, prefix

    def test_listing_of_many_is_whole(self, medium: Medium) -> None:
        # In folders of different sizes.
        names = [f"blobs/{number % 13:02x}/{number:05d}" for number in range(self.listed_count)]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda name: medium.write(name, b""), names))
        assert [head.name for head in medium.store.list("blobs/")] == sorted(names)

    def test_listing_may_be_left_and_begun_anew(self, store: Store) -> None:
        for name in ("a/1", "a/2", "b/1"):
            store.put(name, b"")
        assert next(iter(store.list())).name == "a/1"
        assert [head.name for head in store.list()] == ["a/1", "a/2", "b/1"]

    def test_what_is_listed_may_be_deleted_on_the_way(self, medium: Medium) -> None:
        names = [f"{number % 5}/{number}" for number in range(50)]
        for name in names:
            medium.store.put(name, b"")
        seen = []
        for head in medium.store.list():
            seen.append(head.name)
            medium.store.delete([head.name])
        assert seen == sorted(names)
        assert medium.names() == set()

    # --- Deleting ----------------------------------------------------------------------------

    def test_delete_takes_the_named_objects_only(self, medium: Medium) -> None:
        names = [f"{folder}/{leaf}" for folder in "ab" for leaf in ("x", "x-1", "y")]
        for name in names:
            medium.store.put(name, b"1")
        medium.store.delete(["a/x", "b/y", "a/x"])
        assert medium.names() == set(names) - {"a/x", "b/y"}
        medium.store.delete([])
        assert medium.names() == set(names) - {"a/x", "b/y"}

    def test_delete_of_what_is_gone_is_no_error(self, medium: Medium) -> None:
        medium.store.put("a/b", b"x")
        medium.store.delete(["missing", "a/missing", "missing/b", "a", "a/b/c", "a/b"])
        assert medium.names() == set()
        assert medium.leftovers() == set()

    def test_deleted_name_is_free_again(self, medium: Medium) -> None:
        medium.store.put("a/b/c", b"1")
        medium.store.delete(["a/b/c"])
        medium.store.put("a/b/c", b"2")
        assert medium.read("a/b/c") == b"2"

    def test_what_becomes_of_deleted_objects_is_told(self, medium: Medium) -> None:
        medium.store.put("a/b", b"x")
        medium.store.delete(["a/b"])
        assert medium.store.keeping("a/b") == Keeping(is_kept=False)

    def test_nobody_sleeps_who_is_to_end(self, medium: Medium) -> None:
        """At a byte a second this takes hours, unless the store obeys."""
        slow = replace(medium.settings, read_bandwidth=1, write_bandwidth=1)
        store = open_store(medium.store.url, slow)
        store.obey(lambda: True)
        store.put("put", bytes(9_000))
        upload = store.upload("uploaded")
        upload.write(bytes(9_000))
        upload.complete()
        assert store.get("put") == store.get_range("uploaded", 0, 9_000) == bytes(9_000)

    def test_delete_takes_very_many_names(self, medium: Medium) -> None:
        names = [f"{number % 3}/{number}" for number in range(self.deleted_count)]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda name: medium.write(name, b""), names))
        medium.store.delete(names)
        assert medium.names() == set()

    def test_creating_and_deleting_neighbours_disturb_nobody(self, medium: Medium) -> None:
        stores = [medium.store, open_store(medium.store.url, medium.settings)]

        def work(number: int) -> None:
            store = stores[number % 2]
            for turn in range(self.neighbour_turns):
                name = f"a/b/{number}-{turn}"
                store.put(name, b"x")
                assert store.get(name) == b"x"
                store.delete([name])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        assert medium.names() == set()
        assert medium.leftovers() == set()

    # --- Names -------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_hostile_name_is_refused_by_every_call(self, medium: Medium, name: str) -> None:
        store = medium.store
        store.put("good", b"x")
        calls: list[Callable[[str], object]] = [
            *readers(store),
            store.upload,
            lambda name: store.put(name, b""),
            lambda name: store.delete(["good", name]),
        ]
        for call in calls:
            with pytest.raises(InputError):
                call(name)
        assert medium.names() == {"good"}
        assert medium.leftovers() == set()

    @pytest.mark.parametrize("prefix", HOSTILE_PREFIXES)
    def test_hostile_prefix_is_refused(self, store: Store, prefix: str) -> None:
        with pytest.raises(InputError):
            list(store.list(prefix))

    def test_long_part_is_held(self, medium: Medium) -> None:
        name = f"x/{'n' * PATH_COMPONENT_SIZE_MAX}/y"
        medium.store.put(name, b"x")
        assert medium.read(name) == b"x"

    @pytest.mark.parametrize(
        "size", [PATH_COMPONENT_SIZE_MAX + 1, NAME_SIZE_MAX - 1, NAME_SIZE_MAX]
    )
    def test_long_name_is_held(self, medium: Medium, size: int) -> None:
        name = long_name(size)
        medium.store.put(name, b"x")
        assert medium.read(name) == b"x"
        assert [head.name for head in medium.store.list(name)] == [name]
        medium.store.delete([name])
        assert medium.names() == set()

    def test_every_allowed_character_is_held_and_case_is_kept(self, medium: Medium) -> None:
        names = {f"x/{sign}" for sign in string.ascii_letters + string.digits + "_=+~@-"}
        for name in names:
            medium.store.put(name, name.encode())
        assert medium.names() == names
        assert all(medium.store.get(name) == name.encode() for name in names)


def without_checksum(head: ObjectHead) -> ObjectHead:
    """Return what every store tells in a listing."""
    return replace(head, checksum_kind="", checksum_value="")


def readers(store: Store) -> list[Callable[[str], object]]:
    """Return the ways to read one object."""
    return [store.head, store.get, lambda name: store.get_range(name, 0, 0)]


def written(store: Store, name: str, data: bytes, *, is_large: bool) -> bytes:
    """Write an object in one of the two ways."""
    if not is_large:
        store.put(name, data)
        return data
    upload = store.upload(name)
    for offset in range(0, len(data), 10_000):
        upload.write(data[offset : offset + 10_000])
    upload.complete()
    return data
