"""What a listing shows of deleted blobs says whether and how long they are kept."""

import pytest

from core.errors import StoreError
from core.stores.azure_keeping import parse_keeping
from core.stores.store import Keeping

LIVE = "<Blob><Name>p</Name><Properties><Etag>1</Etag></Properties></Blob>"
SOFT = """<Blob><Name>p</Name><Deleted>true</Deleted><Properties>
    <DeletedTime>Tue, 24 Nov 2026 09:10:11 GMT</DeletedTime>
    <RemainingRetentionDays>{}</RemainingRetentionDays></Properties></Blob>"""
VERSION = """<Blob><Name>p</Name><VersionId>2026-11-24T09:10:11.1234567Z</VersionId>
    <Properties><Etag>1</Etag></Properties></Blob>"""


def listing(*blobs: str) -> bytes:
    """Return a page as Azure writes it."""
    head = '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>'
    return f"{head}{''.join(blobs)}</Blobs><NextMarker /></EnumerationResults>".encode()


@pytest.mark.parametrize(
    ("blobs", "expected"),
    [
        ([], Keeping(is_kept=False)),
        ([LIVE], Keeping(is_kept=False)),
        ([SOFT.format(6)], Keeping(is_kept=True, days=6)),
        ([SOFT.format(0)], Keeping(is_kept=True, days=1)),
        ([SOFT.format("")], Keeping(is_kept=True, days=1)),
        ([SOFT.format(6), SOFT.format(13)], Keeping(is_kept=True, days=13)),
        ([VERSION], Keeping(is_kept=True)),
        ([SOFT.format(6), VERSION], Keeping(is_kept=True)),
    ],
)
def test_what_is_left_is_told(blobs: list[str], expected: Keeping) -> None:
    assert parse_keeping(listing(*blobs), "az://c/p") == expected


def test_what_is_no_listing_is_an_error() -> None:
    with pytest.raises(StoreError, match="az://c/p: the answer is not a listing") as caught:
        parse_keeping(b"<html><p>Welcome", "az://c/p")
    assert caught.value.hint
