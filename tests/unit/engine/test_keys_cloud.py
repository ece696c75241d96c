"""Keys in a cloud come and go like the others, and never become the only way in by accident."""

import shutil
from pathlib import Path

import pytest

from core.engine.check import Level, check_repository
from core.engine.create import create_repository
from core.engine.keys import (
    FIRST_SLOT,
    SlotView,
    add_cloud_key,
    add_passphrase,
    add_recovery,
    list_keys,
    remove_slot,
    rotate_keys,
)
from core.errors import ConflictError, InputError, IntegrityError, StoreError
from core.format import keyset, names
from core.model import Parameters, RetentionType
from core.sources.repository import Repository
from core.sources.unlocking import KeyAccess, Secret
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.emulators.faults import Rule, refusal
from tests.emulators.services import AmazonService
from tests.support.repositories import NOW, SECRET, create_in, names_in, new_store, reopen
from tests.support.stores import Hooked, Kind, LostAnswer

CLOUD = "cloud"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Create a repository with a recovery key, which opens at once."""
    folder = tmp_path_factory.mktemp("created")
    create_in(new_store(folder), SECRET)
    return folder, add_recovery(new_store(folder), SECRET, "safe")


@pytest.fixture
def store(created: tuple[Path, str], tmp_path: Path) -> Store:
    shutil.copytree(created[0], tmp_path / "vault")
    return new_store(tmp_path / "vault")


@pytest.fixture
def recovery(created: tuple[Path, str]) -> str:
    return created[1]


@pytest.fixture
def key(amazon: AmazonService) -> KmsKey:
    return new_key(amazon)


def new_key(amazon: AmazonService) -> KmsKey:
    return KmsKey(amazon.new_key(), StoreSettings())


def keys_with(store: Store, secret: Secret) -> KeyAccess:
    keys = reopen(store, secret).keys
    assert keys is not None
    return keys


def slot_names(store: Store) -> list[str]:
    return [slot.name for slot in list_keys(store)]


def keysets_in(store: Store) -> list[str]:
    return [*names_in(store, names.KEYS), *names_in(store, f"{names.PACKS}keys-")]


def test_a_cloud_key_opens_the_same_keys(store: Store, recovery: str, key: KmsKey) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    assert keys_with(store, key) == keys_with(store, recovery)
    assert list_keys(store)[-1] == SlotView(name=CLOUD, kind="aws-kms", is_usable=True, key=key.key)
    assert store.get("keys/3.json") == store.get("packs/keys-3.json")


def test_adding_the_same_key_again_changes_nothing(
    store: Store, recovery: str, key: KmsKey
) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    before = keysets_in(store)
    add_cloud_key(store, recovery, key, CLOUD)
    assert keysets_in(store) == before


def test_a_name_is_taken_once(
    store: Store, recovery: str, key: KmsKey, amazon: AmazonService
) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    for name in (FIRST_SLOT, "safe", CLOUD):
        with pytest.raises(ConflictError, match=name):
            add_cloud_key(store, recovery, new_key(amazon), name)
    with pytest.raises(ConflictError, match=CLOUD):
        add_passphrase(store, recovery, "another", CLOUD)


def test_a_cloud_key_makes_every_next_change(store: Store, recovery: str, key: KmsKey) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    assert rotate_keys(store, key) == 2
    text = add_recovery(store, key, "new")
    remove_slot(store, key, "safe")
    assert keys_with(store, text).ring == keys_with(store, key).ring
    with pytest.raises(InputError, match="does not open"):
        reopen(store, recovery)


def test_a_removed_cloud_key_opens_nothing_that_is_left(
    store: Store, recovery: str, key: KmsKey
) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    remove_slot(store, recovery, CLOUD)
    assert keysets_in(store) == ["keys/4.json", "packs/keys-4.json"]
    for name in keysets_in(store):
        assert key.key.encode() not in store.get(name)
    with pytest.raises(InputError, match=f"the key {key.key} does not open"):
        reopen(store, key)


@pytest.mark.parametrize("operation", ["Encrypt", "Decrypt"])
def test_a_key_that_may_not_be_used_is_not_added(
    amazon: AmazonService,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    recovery: str,
    operation: str,
) -> None:
    """One that wraps and may not unwrap would be a way in that is none."""
    arn, before = amazon.new_key(), keysets_in(store)
    rule = Rule(fault=refusal("aws", "AccessDeniedException"), operations=frozenset({operation}))
    with amazon.fault_proxy(rule) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        with pytest.raises(StoreError, match=f"{arn}: kms:{operation} is not allowed"):
            add_cloud_key(store, recovery, KmsKey(arn, StoreSettings()), CLOUD)
    assert keysets_in(store) == before


def test_the_last_key_that_is_in_no_cloud_stays(store: Store, recovery: str, key: KmsKey) -> None:
    """Whoever may delete a key in the cloud must not be able to take all points with it."""
    add_cloud_key(store, recovery, key, CLOUD)
    remove_slot(store, recovery, FIRST_SLOT)
    with pytest.raises(ConflictError, match="only a cloud key opens") as caught:
        remove_slot(store, key, "safe")
    assert "--recovery" in caught.value.hint
    assert slot_names(store) == ["safe", CLOUD]
    remove_slot(store, key, "safe", may_leave_cloud_keys_only=True)
    assert slot_names(store) == [CLOUD]


def test_of_cloud_keys_alone_one_stays(
    store: Store, recovery: str, key: KmsKey, amazon: AmazonService
) -> None:
    other = new_key(amazon)
    add_cloud_key(store, recovery, key, CLOUD)
    add_cloud_key(store, recovery, other, "other")
    for name in (FIRST_SLOT, "safe"):
        remove_slot(store, key, name, may_leave_cloud_keys_only=True)
    # It is so already: nothing has to be said any more.
    remove_slot(store, key, CLOUD)
    with pytest.raises(ConflictError, match="last key"):
        remove_slot(store, other, "other", may_leave_cloud_keys_only=True)
    assert slot_names(store) == ["other"]


def test_a_check_warns_where_only_a_cloud_opens(store: Store, recovery: str, key: KmsKey) -> None:
    add_cloud_key(store, recovery, key, CLOUD)

    def found() -> list[tuple[Level, str]]:
        findings = check_repository(store, key, NOW)
        return [(each.level, each.detail) for each in findings if each.what == "keys"]

    assert [level for level, _ in found()] == [Level.OK]
    assert "cloud (aws-kms)" in found()[0][1]
    for name in (FIRST_SLOT, "safe"):
        remove_slot(store, key, name, may_leave_cloud_keys_only=True)
    assert [level for level, _ in found()] == [Level.OK, Level.WARNING]
    assert "only keys in a cloud" in found()[1][1]


def test_a_key_that_may_not_be_used_is_a_finding_with_the_permission(
    amazon: AmazonService,
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    recovery: str,
    key: KmsKey,
) -> None:
    add_cloud_key(store, recovery, key, CLOUD)
    with amazon.fault_proxy(Rule(fault=refusal("aws", "AccessDeniedException"))) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        findings = check_repository(store, KmsKey(key.key, StoreSettings()), NOW)
    found = {each.what: each for each in findings}
    assert found["keys"].level is Level.ERROR
    assert "kms:Decrypt is not allowed" in found["keys"].detail
    assert found["permission to write"].level is Level.OK


def test_a_slot_of_another_repository_is_damage(
    tmp_path: Path, store: Store, recovery: str, key: KmsKey
) -> None:
    """The context that KMS is told binds it, whoever copies the slot (I4)."""
    other = new_store(tmp_path / "other")
    create_in(other, SECRET)
    add_cloud_key(other, SECRET, key, CLOUD)
    moved = keyset.decode_keyset(other.get("keys/2.json")).slots[-1]
    newest = keyset.decode_keyset(store.get("keys/2.json"))
    forged = keyset.Keyset(version=3, slots=(*newest.slots, moved), sealed_keys=newest.sealed_keys)
    store.put("keys/3.json", keyset.encode_keyset(forged))
    with pytest.raises(IntegrityError, match="another repository"):
        reopen(store, key)


def create_by(store: Store, key: KmsKey, *, is_said: bool) -> Repository:
    return create_repository(
        store,
        retention_type=RetentionType.SNAPSHOT_BASED,
        secret=key,
        parameters=Parameters(),
        now=NOW,
        may_be_cloud_key_only=is_said,
    )


def test_a_repository_of_a_cloud_key_alone_is_refused_unless_it_is_said(
    tmp_path: Path, key: KmsKey
) -> None:
    store = new_store(tmp_path / "vault")
    with pytest.raises(InputError, match=f"the key {key.key} alone would open") as caught:
        create_by(store, key, is_said=False)
    assert "--only-cloud-key" in caught.value.hint
    assert names_in(store) == []
    created = create_by(store, key, is_said=True)
    assert keys_with(store, key) == created.keys
    assert list_keys(store) == (
        SlotView(name=FIRST_SLOT, kind="aws-kms", is_usable=True, key=key.key),
    )


def test_a_creation_is_finished_by_the_same_key_only(
    tmp_path: Path, key: KmsKey, amazon: AmazonService
) -> None:
    store = new_store(tmp_path / "vault")
    created = create_by(store, key, is_said=True)
    store.delete([names.keyset(1)])
    with pytest.raises(ConflictError, match="another passphrase or key"):
        create_by(store, new_key(amazon), is_said=True)
    assert create_by(store, key, is_said=True).keys == created.keys


@pytest.mark.parametrize("moment", [("put", "packs/keys-3.json"), ("put", "keys/3.json")])
def test_of_two_changes_at_once_none_is_lost(
    store: Store, recovery: str, key: KmsKey, moment: tuple[Kind, str]
) -> None:
    happened = False

    def other_rotates(kind: Kind, name: str) -> None:
        nonlocal happened
        if (kind, name) == moment and not happened:
            happened = True
            rotate_keys(store, recovery)

    add_cloud_key(Hooked(store, other_rotates), recovery, key, CLOUD)
    assert happened
    assert len(keys_with(store, key).ring.epochs) == 2


def test_lost_answers_do_no_harm(store: Store, recovery: str, key: KmsKey) -> None:
    losing = LostAnswer(store)
    add_cloud_key(losing, recovery, key, CLOUD)
    remove_slot(losing, key, FIRST_SLOT)
    assert slot_names(store) == ["safe", CLOUD]
