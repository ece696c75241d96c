"""Uploads in blocks: what arrives, what a lost answer means, and what is left of one given up."""

import hashlib
import os
import random
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import BlobBlock

from core.errors import ConflictError, NotFoundError, StoreError
from core.stores.address import parse_address
from core.stores.azure import AzureStore
from core.stores.azure_upload import block_id, new_token, parse_block_id
from core.stores.store import UnfinishedUpload
from tests.emulators.faults import CUT_BODY, RESET_AFTER, RESET_BEFORE, Refusal, Rule
from tests.emulators.services import AzureService

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks of few bytes."""
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_SIZE", MIB)


def upload(store: AzureStore, name: str, size: int, *, end: bool = True) -> bytes:
    """Write an object of random bytes."""
    data = os.urandom(size)
    target = store.upload(name, is_cold=True)
    for offset in range(0, size, 700_000):
        target.write(data[offset : offset + 700_000])
    target.complete() if end else target.abort()
    return data


def test_the_md5_of_the_whole_is_kept(azurite: AzureService) -> None:
    store = AzureStore(azurite.new_url(), azurite.settings)
    data = upload(store, "large", 5 * MIB + 9)
    head = store.head("large")
    expected = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    assert (head.size, head.checksum_kind, head.checksum_value) == (5 * MIB + 9, "md5", expected)
    assert store.get_range("large", MIB - 5, 10) == data[MIB - 5 :][:10]
    assert store.get("large") == data


@pytest.mark.parametrize("size", [5, 2 * MIB + 9])
@pytest.mark.parametrize("fault", [RESET_AFTER, RESET_BEFORE, CUT_BODY], ids=lambda f: f.name)
def test_a_lost_answer_is_no_conflict_with_oneself(
    azurite: AzureService, size: int, fault: object
) -> None:
    operations = frozenset({"PutBlob", "PutBlockList", "PutBlock"})
    rules = [
        Rule(fault=fault, operations=frozenset({each}), count=1)  # type: ignore[arg-type]
        for each in operations
    ]
    with azurite.fault_proxy(*rules) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        data = upload(store, "a", size)
        assert store.get("a") == data
        with pytest.raises(ConflictError):
            upload(store, "a", size)
        assert store.get("a") == data


def test_a_block_in_a_file_is_sent_again_whole(
    azurite: AzureService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_IN_MEMORY_MAX", 1)
    rules = [
        Rule(fault=fault, operations=frozenset({"PutBlock"}), count=1)
        for fault in (RESET_AFTER, RESET_BEFORE)
    ]
    with azurite.fault_proxy(*rules) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        data = upload(store, "a", 2 * MIB + 9)
        assert store.pacer.retry_count == 2
    assert AzureStore(store.url, azurite.settings).get("a") == data


def test_a_lost_answer_does_not_make_anothers_object_ours(azurite: AzureService) -> None:
    rules = [
        Rule(fault=RESET_BEFORE, operations=frozenset({each}), count=1)
        for each in ("PutBlob", "PutBlockList")
    ]
    with azurite.fault_proxy(*rules) as proxy:
        url = azurite.new_url()
        store = AzureStore(url, azurite.behind(proxy.endpoint).settings)
        theirs = AzureStore(url, azurite.settings)
        for size in (5, 2 * MIB + 9):
            theirs.put(str(size), b"theirs")
            with pytest.raises(ConflictError):
                upload(store, str(size), size)
            assert theirs.get(str(size)) == b"theirs"


def test_what_was_given_up_is_invisible_found_and_discarded(azurite: AzureService) -> None:
    store = AzureStore(f"{azurite.new_url()}/p", azurite.settings)
    store.put("void", b"")
    upload(store, "packs/given-up", 5 * MIB + 9, end=False)
    assert [head.name for head in store.list()] == ["void"]
    with pytest.raises(NotFoundError):
        store.head("packs/given-up")
    (found,) = store.unfinished()
    # Blocks that waited for their turn were never sent.
    assert (found.name, found.size % MIB) == ("packs/given-up", 0)
    assert 0 < found.size <= 5 * MIB
    assert abs(found.started - datetime.now(UTC)) < timedelta(minutes=5)
    store.discard(found)
    store.discard(found)
    assert list(store.unfinished()) == []
    assert [head.name for head in store.list()] == ["void"]
    data = upload(store, "packs/given-up", 2 * MIB)
    assert store.get("packs/given-up") == data


def test_only_what_is_below_the_prefixes_is_listed(azurite: AzureService) -> None:
    url = f"{azurite.new_url()}/p"
    theirs = AzureStore(url, azurite.settings)
    for name in ("blobs/a", "index/a", "packs/a"):
        upload(theirs, name, 2 * MIB, end=False)
    with azurite.fault_proxy() as proxy:
        store = AzureStore(url, azurite.behind(proxy.endpoint).settings)
        found = [each.name for each in store.unfinished(["packs/", "index/", "layers/"])]
        assert found == ["packs/a", "index/a"]
        asked = [operation for _, operation, _ in proxy.counts.elements()]
    assert asked.count("ListBlobs") == 3
    assert [each.name for each in theirs.unfinished()] == ["blobs/a", "index/a", "packs/a"]


def test_discarding_touches_no_object(azurite: AzureService) -> None:
    store = AzureStore(azurite.new_url(), azurite.settings)
    store.put("a", b"content")
    store.discard(UnfinishedUpload(name="a", token="", started=datetime.now(UTC)))
    assert store.get("a") == b"content"


REFUSED = Refusal(name="AuthorizationPermissionMismatch", status=403)


@dataclass(kw_only=True)
class Second(Rule):
    """A rule that lets the first request through."""

    let_through: int = 1

    def strikes(self, chance: random.Random, method: str, path: str) -> bool:
        """Decide from the second one on."""
        if self.let_through:
            self.let_through -= 1
            return False
        return super().strikes(chance, method, path)


@pytest.mark.parametrize(
    ("rule", "is_finished"),
    [
        (Rule(fault=RESET_AFTER, operations=frozenset({"PutBlockList"}), count=1), True),
        (Second(fault=REFUSED, operations=frozenset({"DeleteBlob"}), count=1), False),
    ],
)
def test_discarding_that_is_cut_short_leaves_nothing_for_good(
    azurite: AzureService, rule: Rule, is_finished: bool
) -> None:
    url = azurite.new_url()
    theirs = AzureStore(url, azurite.settings)
    theirs.put("void", b"")
    upload(theirs, "given-up", 2 * MIB, end=False)
    with azurite.fault_proxy(rule) as proxy:
        store = AzureStore(url, azurite.behind(proxy.endpoint).settings)
        (found,) = store.unfinished()
        if is_finished:
            store.discard(found)
        else:
            with pytest.raises(StoreError, match="the role"):
                store.discard(found)
            assert [head.name for head in store.list()] == ["given-up", "void"]
            (left,) = store.unfinished()
            assert (left.name, left.size) == ("given-up", 0)
            store.discard(left)
    assert [head.name for head in theirs.list()] == ["void"]
    assert list(theirs.unfinished()) == []


def test_who_may_not_delete_leaves_no_object_where_blocks_were(azurite: AzureService) -> None:
    """As those may not whose role is bound to sessions/."""
    url = azurite.new_url()
    theirs = AzureStore(url, azurite.settings)
    upload(theirs, "packs/given-up", 2 * MIB, end=False)
    rule = Rule(fault=REFUSED, operations=frozenset({"DeleteBlob"}))
    with azurite.fault_proxy(rule) as proxy:
        store = AzureStore(url, azurite.behind(proxy.endpoint).settings)
        (found,) = store.unfinished()
        with pytest.raises(StoreError, match="the role"):
            store.discard(found)
    assert list(theirs.list()) == []
    assert list(theirs.unfinished()) == [found]


def test_blocks_of_two_uploads_of_a_name_never_mix(azurite: AzureService) -> None:
    store = AzureStore(azurite.new_url(), azurite.settings)
    upload(store, "a", 4 * MIB, end=False)
    data = upload(store, "a", 4 * MIB)
    assert store.get("a") == data


def test_an_upload_whose_blocks_are_thrown_away_fails(azurite: AzureService) -> None:
    url = azurite.new_url()
    store = AzureStore(url, azurite.settings)
    target = store.upload("a")
    target.write(bytes(2 * MIB))
    target._futures[0].result()
    store.discard(next(store.unfinished()))
    with pytest.raises(StoreError, match=f"blocks of {url}/a are gone before"):
        target.complete()
    assert list(store.list()) == []


def test_blocks_of_other_tools_are_told_as_well(azurite: AzureService) -> None:
    url = azurite.new_url()
    store = AzureStore(url, azurite.settings)
    with azurite.client() as client:
        blob = client.get_blob_client(parse_address(url).container, "theirs")
        blob.stage_block("AAAA", b"1234")
        (found,) = store.unfinished()
        assert (found.name, found.token, found.size) == ("theirs", "AAAA", 4)
        blob.commit_block_list([BlobBlock("AAAA")])
    assert list(store.unfinished()) == []


def test_block_names_say_whose_they_are_and_since_when() -> None:
    token = new_token()
    names = [block_id(token, number) for number in (0, 1, 49_999)]
    assert len({len(name) for name in names}) == 1
    for name in names:
        found = parse_block_id(name)
        assert found is not None
        assert found[0] == token
        assert abs(found[1] - datetime.now(UTC)) < timedelta(minutes=1)
    for foreign in ("", "AAAA", "not base64!", b64encode(b"z" * 32).decode(), "////" * 11):
        assert parse_block_id(foreign) is None
