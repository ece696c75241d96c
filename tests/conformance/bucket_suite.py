"""What every bucket promises: subclass ``BucketConformance`` and give it a ``bucket``.

The bucket is empty, writable and deletes nothing by itself; ``remove`` and ``replace`` do what
another tool does to an object meanwhile.
"""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.errors import ColdhaulError, ConflictError, NotFoundError
from core.stores.bucket import ListedObject, ListPage, Properties, WritableBucket
from core.stores.opening import open_bucket

SOME = Properties(
    content_type="text/plain; charset=utf-8",
    content_encoding="gzip",
    content_language="de",
    content_disposition='attachment; filename="a b"',
    cache_control="max-age=60",
    metadata={"colour": "green", "number": "7"},
    tags={"project": "cold haul"},
)


def put(
    bucket: WritableBucket,
    key: str,
    content: bytes = b"",
    properties: Properties | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a whole object."""
    upload = bucket.write(key, properties or Properties(), size=len(content), overwrite=overwrite)
    try:
        if content:
            upload.write(content)
        upload.complete()
    finally:
        upload.abort()


def list_pages(bucket: WritableBucket, prefix: str = "", *, is_deep: bool = True) -> list[ListPage]:
    """Return all pages of a listing."""
    pages = [bucket.list_page(prefix, is_deep=is_deep)]
    while pages[-1].token:
        pages.append(bucket.list_page(prefix, token=pages[-1].token, is_deep=is_deep))
    return pages


def list_objects(
    bucket: WritableBucket, prefix: str = "", *, is_deep: bool = True
) -> list[ListedObject]:
    """Return all objects of a listing."""
    return [entry for page in list_pages(bucket, prefix, is_deep=is_deep) for entry in page.objects]


def check_items(error: ColdhaulError, key: str = "one") -> None:
    """See that the key is among an error's items, and in none of its texts (I5)."""
    assert error.items == (key,)
    for text in (error.message, error.hint, *error.problems):
        assert key not in text.split()
        assert f"/{key}" not in text


def keys(bucket: WritableBucket, prefix: str = "", *, is_deep: bool = True) -> list[str]:
    """Return the keys of a listing."""
    return [entry.key for entry in list_objects(bucket, prefix, is_deep=is_deep)]


class BucketConformance:
    """The suite. ``ODD_KEYS`` are keys that are allowed everywhere and often handled wrongly."""

    ODD_KEYS: tuple[str, ...] = (
        "a b", "a+b", "a%20b", "%2e%2e", "ü/ß", "a&b=c?d#e", "quote'\"", "new\nline", "😀",
        "a-b/c", "a/c", "a.b/c", "[x]", "back\\slash", "-", "~",
    )  # fmt: skip
    # What is kept of the properties ``SOME``.
    KEPT = SOME

    def remove(self, bucket: WritableBucket, key: str) -> None:
        """Delete an object as its own tool does."""
        raise NotImplementedError

    def is_alike(self, described: ListedObject, listed: ListedObject) -> bool:
        """Say whether a listing tells of an object what is told of it alone."""
        return described == listed

    def test_an_empty_bucket_lists_nothing(self, bucket: WritableBucket) -> None:
        assert bucket.list_page() == ListPage(objects=())
        assert bucket.list_page("no/such/", is_deep=False) == ListPage(objects=())

    def test_what_was_written_is_listed_and_read(self, bucket: WritableBucket) -> None:
        put(bucket, "folder/one", b"content")
        (listed,) = list_objects(bucket)
        assert (listed.key, listed.size) == ("folder/one", 7)
        assert listed.etag
        assert listed.modified > 1_700_000_000
        assert self.is_alike(bucket.describe("folder/one"), listed)
        assert bucket.read("folder/one", listed.etag, 0, 7).content == b"content"

    def test_ranges_are_exact(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"0123456789")
        etag = bucket.describe("one").etag
        assert bucket.read("one", etag, 3, 4).content == b"3456"
        assert bucket.read("one", etag, 9, 1).content == b"9"

    def test_properties_come_with_the_first_bytes_only(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"0123456789", SOME)
        etag = bucket.describe("one").etag
        assert bucket.read("one", etag, 0, 4).properties == self.KEPT
        assert bucket.read("one", etag, 4, 4).properties is None

    def test_no_bytes_give_the_properties_alone(self, bucket: WritableBucket) -> None:
        for key, content in (("empty", b""), ("full", b"content")):
            put(bucket, key, content, SOME)
            part = bucket.read(key, bucket.describe(key).etag, 0, 0)
            assert (part.content, part.properties) == (b"", self.KEPT)

    def test_keys_are_listed_in_the_order_of_their_bytes(self, bucket: WritableBucket) -> None:
        for key in self.ODD_KEYS:
            put(bucket, key, key.encode())
        expected = sorted(self.ODD_KEYS, key=lambda key: key.encode())
        assert keys(bucket) == expected
        for listed in list_objects(bucket):
            content = bucket.read(listed.key, listed.etag, 0, listed.size).content
            assert content == listed.key.encode()
            assert self.is_alike(bucket.describe(listed.key), listed)

    def test_a_prefix_is_a_text(self, bucket: WritableBucket) -> None:
        for key in ("ab/1", "ab/2", "abc", "b"):
            put(bucket, key)
        assert keys(bucket, "ab") == ["ab/1", "ab/2", "abc"]
        assert keys(bucket, "ab/") == ["ab/1", "ab/2"]
        assert keys(bucket, "ab/2") == ["ab/2"]

    def test_a_shallow_listing_stops_at_the_next_slash(self, bucket: WritableBucket) -> None:
        for key in ("a", "b/1", "b/2/3", "c/1", "d"):
            put(bucket, key)
        pages = list_pages(bucket, is_deep=False)
        assert [entry.key for page in pages for entry in page.objects] == ["a", "d"]
        assert [prefix for page in pages for prefix in page.prefixes] == ["b/", "c/"]
        below = list_pages(bucket, "b/", is_deep=False)
        assert [entry.key for page in below for entry in page.objects] == ["b/1"]
        assert [prefix for page in below for prefix in page.prefixes] == ["b/2/"]

    def test_a_changed_object_is_a_conflict(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"before")
        before = bucket.describe("one")
        put(bucket, "one", b"behind", overwrite=True)
        after = bucket.describe("one")
        assert after.etag != before.etag
        for offset, length in ((0, 6), (2, 2), (0, 0)):
            with pytest.raises(ConflictError) as caught:
                bucket.read("one", before.etag, offset, length)
            check_items(caught.value)
        assert bucket.read("one", after.etag, 0, 6).content == b"behind"

    def test_a_missing_object_is_not_found(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"content")
        etag = bucket.describe("one").etag
        self.remove(bucket, "one")
        for length in (7, 0):
            with pytest.raises(NotFoundError) as caught:
                bucket.read("one", etag, 0, length)
            check_items(caught.value)
        with pytest.raises(NotFoundError) as caught:
            bucket.describe("one")
        check_items(caught.value)
        assert keys(bucket) == []

    def test_writing_is_create_only_unless_told(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"first")
        with pytest.raises(ConflictError) as caught:
            put(bucket, "one", b"second")
        check_items(caught.value)
        etag = bucket.describe("one").etag
        assert bucket.read("one", etag, 0, 5).content == b"first"
        put(bucket, "one", b"third", overwrite=True)
        assert bucket.describe("one").size == 5

    def test_an_aborted_write_leaves_nothing(self, bucket: WritableBucket) -> None:
        upload = bucket.write("one", SOME, size=9, overwrite=False)
        upload.write(b"half")
        upload.abort()
        upload.abort()
        assert keys(bucket) == []

    def test_a_large_object_is_written_in_pieces(self, bucket: WritableBucket) -> None:
        piece = bytes(range(256)) * 4096
        upload = bucket.write("large", SOME, size=12 * len(piece), overwrite=False)
        for _ in range(12):
            upload.write(piece)
        upload.complete()
        listed = bucket.describe("large")
        assert listed.size == 12 * len(piece)
        part = bucket.read("large", listed.etag, 8 * len(piece) - 5, 10)
        assert part.content == piece[-5:] + piece[:5]

    def test_parts_that_memory_is_too_small_for_are_written_as_well(
        self, bucket: WritableBucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The least that S3 takes.
        monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_SIZE", 5 << 20)
        monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_IN_MEMORY_MAX", 1 << 20)
        content = random.Random(1).randbytes(11 << 20)
        put(bucket, "large", content, SOME)
        listed = bucket.describe("large")
        assert bucket.read("large", listed.etag, 0, listed.size).content == content

    def test_nobody_sleeps_who_is_to_end(self, bucket: WritableBucket) -> None:
        """At a byte a second this takes hours, unless the bucket obeys."""
        slow = self.slowed(bucket)
        slow.obey(lambda: True)
        put(slow, "one", bytes(9_000))
        part = slow.read("one", slow.describe("one").etag, 0, 9_000)
        assert part.content == bytes(9_000)

    def slowed(self, bucket: WritableBucket) -> WritableBucket:
        """Return the same bucket with a limit of a byte a second, where it has limits."""
        settings = getattr(bucket, "_settings", None)
        if settings is None:
            return bucket
        return open_bucket(bucket.url, replace(settings, read_bandwidth=1, write_bandwidth=1))

    def test_pages_continue_elsewhere(self, bucket: WritableBucket) -> None:
        """A token is a text that another process can go on from."""
        expected = sorted(f"{number % 3}/{number:04}" for number in range(1_100))
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: put(bucket, key), expected))
        pages = [bucket.list_page()]
        while pages[-1].token:
            other = pickle.loads(pickle.dumps(bucket))
            pages.append(other.list_page(token=pages[-1].token))
        assert [entry.key for page in pages for entry in page.objects] == expected
        assert all(len(page.objects) <= 5_000 for page in pages)
        assert keys(bucket, "1/") == [key for key in expected if key.startswith("1/")]

    def test_it_opens_anew_in_another_process(self, bucket: WritableBucket) -> None:
        put(bucket, "one", b"content")
        other = pickle.loads(pickle.dumps(bucket))
        assert (other.url, other.identity, other.vendor) == (
            bucket.url, bucket.identity, bucket.vendor
        )  # fmt: skip
        assert other.describe("one") == bucket.describe("one")
