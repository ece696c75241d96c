"""References say what a listing said; properties survive as JSON."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest

from core.errors import ConflictError, IntegrityError, StoreError
from core.ids import is_hex_id
from core.model import RetentionType
from core.sources.bucket import (
    SECONDS_MAX,
    decode_reference,
    encode_properties,
    encode_reference,
    key_of,
    object_row,
    open_bucket_source,
    path_of,
    read_properties,
)
from core.stores.bucket import ListedObject, Properties
from core.stores.folder_bucket import FolderBucket
from tests.conformance.bucket_suite import SOME

LISTED = ListedObject(key="folder/ü", size=12, etag='"a,b"', modified=1_700_000_000)


def test_a_reference_is_canonical_text() -> None:
    assert encode_reference(LISTED, 0, 12) == (
        b'["666f6c6465722fc3bc",12,"22612c6222",1700000000,0,12]'
    )


@pytest.mark.parametrize("key", ["", "a", "ü\n\0", os.fsdecode(b"\xff\xfe"), "😀"])
def test_references_and_paths_come_back(key: str) -> None:
    listed = ListedObject(key=key, size=1 << 40, etag="", modified=-5)
    assert decode_reference(encode_reference(listed, 8, 9)) == (listed, 8, 9)
    assert key_of(path_of(key)) == key


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'["zz",1,"",1,0,0]', b"[1,1,1,1,1,1]"])
def test_what_nobody_writes_is_damage(text: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_reference(text)


def test_a_row_of_a_listing() -> None:
    assert object_row(LISTED) == ("folder/ü".encode(), 12, '"a,b"', 1_700_000_000)
    far = ListedObject(key="a", size=0, etag="", modified=1 << 60)
    assert object_row(far)[3] == SECONDS_MAX
    assert SECONDS_MAX * 10**9 < 1 << 63
    with pytest.raises(StoreError):
        object_row(ListedObject(key="\ud800", size=0, etag="", modified=0))


def test_the_same_bucket_has_the_same_id(tmp_path: Path) -> None:
    source = open_bucket_source(FolderBucket(tmp_path), RetentionType.SNAPSHOT_BASED)
    assert source.id == hashlib.sha256(tmp_path.as_uri().encode()).hexdigest()[:32]
    assert is_hex_id(source.id)
    assert source.space == f"bucket:{source.id}"
    other = open_bucket_source(FolderBucket(tmp_path / "a"), RetentionType.SNAPSHOT_BASED)
    assert other.id != source.id
    assert pickle.loads(pickle.dumps(source)).id == source.id


def test_ranges_are_fetched_of_one_version(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"0123456789")
    source = open_bucket_source(FolderBucket(tmp_path), RetentionType.SNAPSHOT_BASED)
    listed = source.bucket.describe("one")
    first = source.fetch(encode_reference(listed, 0, 4))
    assert (first.content, first.properties) == (b"0123", "{}")
    assert source.open(encode_reference(listed, 0, 4), first.content) == b"0123"
    rest = source.fetch(encode_reference(listed, 4, 6))
    assert (rest.content, rest.properties) == (b"456789", "")
    assert source.fetch(encode_reference(listed, 0, 0)).properties == "{}"
    (tmp_path / "one").write_bytes(b"another one")
    with pytest.raises(ConflictError):
        source.fetch(encode_reference(listed, 4, 6))


def test_properties_survive_as_json() -> None:
    text = encode_properties(SOME)
    assert text.isascii()
    assert read_properties(f'{{"etag":"x","properties":{text}}}') == SOME
    assert encode_properties(Properties()) == "{}"
    assert read_properties('{"etag":"x"}') == Properties()
    odd = Properties(content_type='"\\\n😀', metadata={"ü": "a,b'"})
    assert read_properties(f'{{"properties":{encode_properties(odd)}}}') == odd


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[]",
        '{"properties":1}',
        '{"properties":{"tags":"x"}}',
        '{"properties":{"tags":{"a":1}}}',
    ],
)
def test_metadata_that_no_copy_writes_is_damage(metadata: str) -> None:
    with pytest.raises(IntegrityError):
        read_properties(metadata)
