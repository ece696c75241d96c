"""Listings as Azure writes them."""

from datetime import UTC, datetime

import pytest

from core.errors import StoreError
from core.stores.azure_listing import UNTOLD, parse_page

MOMENT = "Wed, 25 Nov 2026 14:10:34 GMT"


def blob(name: str, properties: str = "", attributes: str = "") -> str:
    return (
        f"<Blob><Name{attributes}>{name}</Name><Properties>"
        f"<Last-Modified>{MOMENT}</Last-Modified><Etag>0x1</Etag>"
        f"<Content-Length>5</Content-Length>{properties}</Properties><OrMetadata /></Blob>"
    )


def page(*entries: str, marker: str = "<NextMarker />") -> bytes:
    blobs = "".join(entries)
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a/"'
        f' ContainerName="c"><Prefix>Name</Prefix><Blobs>{blobs}</Blobs>{marker}'
        f"</EnumerationResults>"
    ).encode()


def test_a_blob_is_read_whole() -> None:
    properties = (
        "<Content-MD5>Je0by0I7C3IA9IX8X/ccjg==</Content-MD5><AccessTier>Archive</AccessTier>"
        "<ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus><TagCount>2</TagCount>"
    )
    (found,) = parse_page(page(blob("a b&amp;c", properties)), "az://c").blobs
    assert (found.name, found.size, found.etag, found.tier) == ("a b&c", 5, "0x1", "Archive")
    assert (found.md5, found.has_tags) == ("Je0by0I7C3IA9IX8X/ccjg==", True)
    assert found.modified == datetime(2026, 11, 25, 14, 10, 34, tzinfo=UTC)


def test_the_end_and_the_next_page_are_told_apart() -> None:
    assert parse_page(page(), "az://c").marker == ""
    assert parse_page(page(marker="<NextMarker>2!8!x</NextMarker>"), "az://c").marker == "2!8!x"


def test_prefixes_are_no_blobs() -> None:
    found = parse_page(page("<BlobPrefix><Name>b/</Name></BlobPrefix>", blob("a")), "az://c")
    assert found.prefixes == ["b/"]
    assert [each.name for each in found.blobs] == ["a"]


def test_staged_blocks_need_no_moment() -> None:
    staged = blob("a").replace(f"<Last-Modified>{MOMENT}</Last-Modified>", "")
    assert parse_page(page(staged), "az://c").blobs[0].modified == UNTOLD


def test_names_that_xml_cannot_hold_come_encoded() -> None:
    encoded = parse_page(page(blob("a%EF%BF%BEb", attributes=' Encoded="true"')), "az://c")
    plain = parse_page(page(blob("a%20b", attributes=' Encoded="false"')), "az://c")
    assert [each.name for each in (*encoded.blobs, *plain.blobs)] == ["a\ufffeb", "a%20b"]


def test_folders_of_a_hierarchical_namespace_hold_no_data() -> None:
    folder = blob("folder", "<ResourceType>directory</ResourceType>")
    file = blob("folder/a", "<ResourceType>file</ResourceType>")
    assert [each.name for each in parse_page(page(folder, file), "az://c").blobs] == ["folder/a"]


def test_a_byte_order_mark_is_no_damage() -> None:
    assert parse_page(b"\xef\xbb\xbf" + page(blob("a")), "az://c").blobs[0].name == "a"


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<html>",
        b"<html></html>",
        page(blob("a"))[:-40],
        page(blob("a")).replace(b">5<", b">five<"),
    ],
)
def test_what_is_no_listing_is_said(xml: bytes) -> None:
    with pytest.raises(StoreError, match="cannot list az://c/p") as caught:
        parse_page(xml, "az://c/p")
    assert caught.value.hint
