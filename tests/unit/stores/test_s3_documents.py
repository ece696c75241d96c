"""S3's documents are read as they are, and anything else is refused."""

import pytest

from core.errors import StoreError
from core.stores.bucket import ListedObject
from core.stores.s3_documents import parse_error, parse_listing, parse_tags

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def listing(*entries: str, encoding: str = "<EncodingType>url</EncodingType>") -> bytes:
    body = "".join(entries)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<ListBucketResult{SPACE}>{encoding}{body}</ListBucketResult>".encode()


def entry(key: str, moment: str = "2026-11-25T13:05:09.999Z") -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{moment}</LastModified>"
        "<ETag>&quot;abc-2&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass>"
        "<Owner><ID>1</ID></Owner></Contents>"
    )


def test_a_listing_gives_objects_prefixes_and_whether_more_follow() -> None:
    document = listing(
        entry("a%2Fb+c%2B%25"),
        "<CommonPrefixes><Prefix>x+y%2F</Prefix></CommonPrefixes>",
        "<IsTruncated>true</IsTruncated>",
    )
    found = ListedObject(key="a/b c+%", size=7, etag="abc-2", modified=1_795_611_909)
    assert parse_listing(document, "", "s3://b") == ([found], ["x y/"], True)


def test_keys_are_those_below_the_root() -> None:
    document = listing(entry("r%2Fa"), "<CommonPrefixes><Prefix>r%2Fb%2F</Prefix></CommonPrefixes>")
    objects, prefixes, _ = parse_listing(document, "r/", "s3://b/r")
    assert ([each.key for each in objects], prefixes) == (["a"], ["b/"])


def test_keys_that_are_not_encoded_are_taken_as_they_are() -> None:
    objects, _, is_truncated = parse_listing(listing(entry("a+b%20c"), encoding=""), "", "s3://b")
    assert [each.key for each in objects] == ["a+b%20c"]
    assert not is_truncated


def test_bytes_that_are_no_text_survive() -> None:
    objects, _, _ = parse_listing(listing(entry("%FF%C3%BC")), "", "s3://b")
    assert [each.key for each in objects] == ["\udcffü"]


@pytest.mark.parametrize(
    "moment", ["2026-11-25T13:05:09Z", "2026-11-25T13:05:09", "2026-11-25T14:05:09.5+01:00"]
)
def test_moments_are_whole_seconds(moment: str) -> None:
    objects, _, _ = parse_listing(listing(entry("a", moment)), "", "s3://b")
    assert [each.modified for each in objects] == [1_795_611_909]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b"<ListBucketResult>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><ListBucketResult>&a;</ListBucketResult>',
        listing("<Contents><Key>a</Key></Contents>"),
        listing("<Contents><Key>a</Key><Size>x</Size><ETag/><LastModified/></Contents>"),
        listing("<CommonPrefixes/>"),
    ],
)
def test_what_is_no_listing_is_refused(document: bytes) -> None:
    with pytest.raises(StoreError):
        parse_listing(document, "", "s3://b")


def test_tags_are_read_with_or_without_a_namespace() -> None:
    body = "<TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value/></Tag></TagSet>"
    for space in ("", SPACE):
        document = f"<Tagging{space}>{body}</Tagging>".encode()
        assert parse_tags(document, "s3://b/a") == {"a": "1", "b": ""}


def test_errors_are_read_and_other_bodies_say_nothing() -> None:
    document = b"<Error><Code>NoSuchKey</Code><Message>Gone.</Message></Error>"
    assert parse_error(document) == {"Code": "NoSuchKey", "Message": "Gone."}
    assert parse_error(b"") == parse_error(b"<html/>") == {}
