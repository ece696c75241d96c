"""A listing of a text is begun close before the first name that starts with it."""

import re
import string
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, StoreError
from core.stores.pacing import Pacer
from core.stores.s3_listing import list_objects, start_before
from core.stores.store import check_name, is_name

ALPHABET = string.ascii_letters + string.digits + "._=+~@-"
PARTS = st.text(ALPHABET, min_size=1, max_size=4)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(is_name)


@given(NAMES, st.integers(0, 20))
def test_every_name_with_the_prefix_comes_after_the_start(name: str, size: int) -> None:
    prefix = name[:size]
    assert start_before(prefix) < name


@given(NAMES, NAMES)
def test_start_can_be_the_path_of_an_object(name: str, other: str) -> None:
    for text in (name, f"{name}/{other}", f"{name}/"):
        start = start_before(text)
        assert start == "" or not re.search(r"//|/\.\.?(/|$)|^/|/$", start)


@pytest.mark.parametrize(
    ("prefix", "start"),
    [("", ""), ("blobs/", ""), ("blobs/a", "blobs/`~~~~"), ("a/0", "a/.~~~~"), ("b", "a~~~~")],
)
def test_folder_needs_no_start(prefix: str, start: str) -> None:
    assert start_before(prefix) == start


@given(st.lists(st.text(ALPHABET + " /%", max_size=4), max_size=5).map("/".join))
def test_what_a_listing_lets_pass_is_what_a_name_may_be(text: str) -> None:
    try:
        check_name(text)
    except InputError:
        assert not is_name(text)
    else:
        assert is_name(text)


@pytest.mark.parametrize("text", ["a" * 256, "..", "a/..", "a/../b", "./a", "a\n", "a/" * 451])
def test_what_is_no_name_is_left_out(text: str) -> None:
    assert not is_name(text)


class Pages:
    """What a store answers, page by page."""

    def __init__(self, *pages: Sequence[str]) -> None:
        self._pages = iter(pages)

    def next_page(self) -> Sequence[tuple[str, int, str, datetime]]:
        return [(key, 1, "e", datetime.now(UTC)) for key in next(self._pages, ())]


def listed(*pages: Sequence[str]) -> list[str]:
    # A stand-in for the store's answers alone: no server at hand lists out of order.
    listing = cast("Any", Pages(*pages))
    return [head.name for head in list_objects(listing, Pacer(), "r/", "a")]


def test_pages_follow_each_other_in_order() -> None:
    assert listed(["r/0", "r/a", "r/a/b"], ["r/a0", "r/b"], ["never asked for"]) == [
        "a", "a/b", "a0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pages", [(["r/0", "r/a0", "r/a"],), (["r/a/b"], ["r/a"]), (["r/a"], ["r/a"])]
)
def test_a_store_that_lists_out_of_order_is_refused(pages: tuple[list[str], ...]) -> None:
    """Its listing would end early, and what it leaves out would be taken for gone."""
    with pytest.raises(StoreError, match="order"):
        listed(*pages)
