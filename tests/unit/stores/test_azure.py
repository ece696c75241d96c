"""What the Azure store does beyond every store's promises: tiers, archives, identities."""

import json
import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient, RehydratePriority

from core.errors import ConflictError, NotReadyError, StoreError
from core.limits import AZURE_HEADS_MAX
from core.stores.address import parse_address
from core.stores.azure import AzureStore
from core.stores.settings import StoreSettings
from tests.emulators.faults import RESET_BEFORE, Rule, refusal
from tests.emulators.identity import make_token
from tests.emulators.services import AzureService


def open_new(service: AzureService, **settings: str) -> AzureStore:
    """Return a store at a place of its own."""
    return AzureStore(f"{service.new_url()}/p", replace(service.settings, **settings))  # type: ignore[arg-type]


def blob_of(service: AzureService, store: AzureStore, name: str) -> BlobClient:
    """Return the vendor's own view of an object."""
    address = parse_address(store.url)
    return service.client().get_blob_client(address.container, f"{address.prefix}/{name}")


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large objects of few bytes."""
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_SIZE", 1 << 20)


def test_packs_and_metadata_go_straight_into_their_tiers(azurite: AzureService) -> None:
    store = open_new(azurite, storage_class="Archive", metadata_class="Cool")
    store.put("small", b"1")
    for name, is_cold in (("pack", True), ("index", False)):
        upload = store.upload(name, is_cold=is_cold)
        upload.write(bytes(3 << 20))
        upload.complete()
    tiers = {
        name: blob_of(azurite, store, name).get_blob_properties().blob_tier
        for name in ("small", "pack", "index")
    }
    assert tiers == {"small": "Cool", "pack": "Archive", "index": "Cool"}


def test_an_archived_object_cannot_be_read_and_says_what_to_do(azurite: AzureService) -> None:
    store = open_new(azurite, storage_class="Archive")
    upload = store.upload("packs/s/p", is_cold=True)
    upload.write(b"content")
    upload.complete()
    for read in (store.get, lambda name: store.get_range(name, 1, 2)):
        with pytest.raises(NotReadyError, match=f"{store.url}/packs/s/p is in the tier Archive"):
            read("packs/s/p")
    assert store.head("packs/s/p").size == 7
    with pytest.raises(ConflictError):
        store.put("packs/s/p", b"another")
    assert store.archived(["packs/s/p", "missing", "packs/s/q"]) == {"packs/s/p": "Archive"}
    blob_of(azurite, store, "packs/s/p").set_standard_blob_tier("Hot")
    assert store.get("packs/s/p") == b"content"
    assert store.archived(["packs/s/p"]) == {}


def test_an_object_that_is_being_rehydrated_is_still_archived(azurite: AzureService) -> None:
    with azurite.fault_proxy(delays_restores=True) as proxy:
        service = azurite.behind(proxy.endpoint)
        store = open_new(service, metadata_class="Archive")
        store.put("a", b"content")
        blob_of(service, store, "a").set_standard_blob_tier(
            "Hot", rehydrate_priority=RehydratePriority.HIGH
        )
        with pytest.raises(NotReadyError) as caught:
            store.get("a")
        assert "rehydrate-pending-to-hot" in caught.value.hint
        assert store.archived(["a"]) == {"a": "Archive"}
        proxy.complete_restores()
        assert store.get("a") == b"content"
        assert store.archived(["a"]) == {}


def test_many_objects_of_a_folder_are_asked_for_by_one_listing(azurite: AzureService) -> None:
    with azurite.fault_proxy() as proxy:
        store = open_new(azurite.behind(proxy.endpoint), metadata_class="Archive")
        names = [f"packs/s/{number:02}" for number in range(AZURE_HEADS_MAX + 1)]
        for name in names:
            store.put(name, b"")
        blob_of(azurite, store, names[3]).set_standard_blob_tier("Hot")
        found = store.archived([*names, "packs/s/missing", "packs/t/missing"])
        assert found == dict.fromkeys([*names[:3], *names[4:]], "Archive")
        assert proxy.operations["ListBlobs"] == 1
        assert proxy.operations["GetBlobProperties"] == 1


def test_a_read_that_meets_a_changed_tier_is_tried_no_other_way(azurite: AzureService) -> None:
    """Refused as archived, and Hot a moment later: neither written already nor not ready."""
    with azurite.fault_proxy(Rule(fault=refusal("azure", "BlobArchived"), count=1)) as proxy:
        before = open_new(azurite)
        before.put("a", b"content")
        store = AzureStore(before.url, azurite.behind(proxy.endpoint).settings)
        with pytest.raises(StoreError, match="tier was changed meanwhile") as caught:
            store.get("a")
        assert caught.type is StoreError
        assert store.get("a") == b"content"


def test_tokens_of_an_identity_open_it_over_tls(azurite_oauth: AzureService) -> None:
    """Azure's chain finds a managed identity; both libraries trust the bundle."""
    store = open_new(azurite_oauth)
    store._client.refresh()  # Another test's chain would be kept.
    store.put("a", b"content")
    upload = store.upload("b")
    upload.write(b"1")
    upload.complete()
    assert store.get("a") == b"content"
    assert [head.name for head in store.list()] == ["a", "b"]
    store.delete(["a"])
    assert [head.name for head in store.list()] == ["b"]


@pytest.mark.parametrize("fails", [1, 9])
def test_a_tool_that_fails_for_a_moment_is_asked_once_more(
    azurite_oauth: AzureService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: int
) -> None:
    """Azure's chain asks its command line tool, which is another one here."""
    tool, diary = tmp_path / "az", tmp_path / "diary"
    token = {
        "accessToken": make_token("https://storage.azure.com"),
        "expires_on": int(time.time()) + 3600,
    }
    tool.write_text(
        f"#!/bin/sh\necho called >> {diary}\n"
        f"[ \"$(wc -l < {diary})\" -gt {fails} ] || exit 1\necho '{json.dumps(token)}'\n"
    )
    tool.chmod(0o700)
    url = open_new(azurite_oauth).url
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    store = AzureStore(url, azurite_oauth.settings)
    store._client.refresh()  # Another test's chain would be kept.
    if fails == 1:
        assert list(store.list()) == []
    else:
        with pytest.raises(StoreError, match="no usable credentials") as caught:
            list(store.list())
        assert caught.type is StoreError
        assert "az login" in caught.value.hint
    assert diary.read_text().count("called") == 2
    store._client.refresh()


def test_expired_credentials_are_fetched_anew_once(azurite: AzureService) -> None:
    rule = Rule(fault=refusal("azure", "InvalidAuthenticationInfo"), count=1)
    with azurite.fault_proxy(rule) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        before = store._client.connection
        store.put("a", b"1")
        assert store._client.connection is not before
        assert store.get("a") == b"1"
        proxy.add(Rule(fault=refusal("azure", "InvalidAuthenticationInfo")))
        with pytest.raises(StoreError, match="have expired") as caught:
            store.get("a")
        assert caught.value.hint


@pytest.mark.parametrize(
    "fault",
    [refusal("azure", "ServerBusy"), refusal("azure", "InternalError"), RESET_BEFORE],
    ids=lambda fault: fault.name,
)
def test_passing_trouble_is_come_through(azurite: AzureService, fault: object) -> None:
    rule = Rule(fault=fault, probability=0.2)  # type: ignore[arg-type]
    with azurite.fault_proxy(rule) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        names = [f"{number:02}" for number in range(12)]
        for name in names:
            store.put(name, name.encode())
        assert [store.get(name) for name in names] == [name.encode() for name in names]
        assert [store.get_range(name, 1, 1) for name in names] == [n[1:].encode() for n in names]
        assert [head.name for head in store.list()] == names
        store.delete(names)
        assert list(store.list()) == []
        assert store.pacer.retry_count > 0
    assert proxy.outcomes[rule.fault.name] > 0


def test_who_may_not_delete_by_one_request_deletes_one_by_one(azurite: AzureService) -> None:
    """A role bound to a path lets no request through that has none."""
    refused = refusal("azure", "AuthorizationPermissionMismatch")
    with azurite.fault_proxy(Rule(fault=refused, operations=frozenset({"BlobBatch"}))) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        for name in ("a", "b", "d"):
            store.put(name, b"1")
        store.delete(["a"])
        assert proxy.operations["BlobBatch"] == 0
        store.delete(["b", "gone", "d"])
        assert list(store.list()) == []
        assert (proxy.operations["BlobBatch"], proxy.operations["DeleteBlob"]) == (1, 4)
        store.put("a", b"1")
        proxy.add(Rule(fault=refused, operations=frozenset({"DeleteBlob"})))
        for names in (["a"], ["a", "b"]):
            with pytest.raises(StoreError, match=r"cannot delete .*/a: the role .* is missing"):
                store.delete(names)
        assert store.get("a") == b"1"


def test_nothing_secret_is_shown_or_travels(azurite: AzureService) -> None:
    store = open_new(azurite)
    key = azurite.settings.account_key
    assert key is not None
    assert key() not in f"{store!r} {store.url} {pickle.dumps(store)!r} {StoreSettings()!r}"
