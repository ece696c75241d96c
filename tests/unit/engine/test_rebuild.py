"""With all hot metadata lost, packs and the secret give every restore point back (I8)."""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.engine import jobs
from core.engine.create import explanations
from core.engine.keys import add_cloud_key
from core.engine.metadata import Member, write_metadata_pack
from core.engine.progress import Silent
from core.engine.rebuild import RebuildOutcome, rebuild_repository
from core.engine.verify import verify_repository
from core.errors import InputError, NotFoundError, NotReadyError
from core.format import names
from core.ids import PointId
from core.model import Record
from core.sources.repository import Repository, open_repository
from core.sources.unlocking import SecretSource
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.emulators.services import AmazonService
from tests.support.copies import (
    JOB,
    SECRET,
    Pair,
    at,
    back_up,
    make_pair,
    packs_of,
    read_copied,
    record_name,
)
from tests.support.invariants import check_copies
from tests.support.repositories import names_in
from tests.support.stores import Archived

POINT_COUNT = 4
FILES_PER_POINT = 25

State = dict[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A pair that is made once, and the content of every copied point."""

    pair: Pair
    folder: Path
    states: dict[PointId, State]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    pair = make_pair(folder, is_encrypted=request.param)
    chance = random.Random(1)
    for point in range(POINT_COUNT):
        files: dict[bytes, bytes | None] = {
            f"{point}/{number}".encode(): chance.randbytes(chance.randrange(0, 9_000))
            for number in range(FILES_PER_POINT)
        }
        if point:
            files |= {f"{point - 1}/0".encode(): None, f"{point - 1}/1".encode(): b"changed"}
        back_up(pair.source, files)
        pair.copied()
    states = {record.id: read_copied(pair.target, record) for record in points_of(pair.target)}
    assert len(states) == POINT_COUNT
    return Made(pair=pair, folder=folder, states=states)


@pytest.fixture
def pair(made: Made, tmp_path: Path) -> Pair:
    shutil.copytree(made.folder, tmp_path / "pair")
    return at(made.pair, tmp_path / "pair")


@pytest.fixture
def store(pair: Pair) -> Store:
    return pair.target.store


def secret() -> str:
    return SECRET


def points_of(repository: Repository) -> list[Record]:
    found = repository.list_records()
    return [repository.read_record(record.name) for record in found if not record.is_void]


def rebuild(store: Store) -> RebuildOutcome:
    return rebuild_repository(store, secret, Silent())


def lose(store: Store, keep: Callable[[str], bool]) -> None:
    store.delete([name for name in names_in(store) if not keep(name)])


def is_packed(name: str) -> bool:
    return name.startswith(names.PACKS)


def check_whole(store: Store, made: Made, opened_by: SecretSource = secret) -> None:
    """Check that all points are there, have their content, and that nothing is wrong."""
    repository = open_repository(store, opened_by)
    found = {record.id: read_copied(repository, record) for record in points_of(repository)}
    assert found == made.states
    outcome = verify_repository(repository, read_percent=100, progress=Silent(), stop=lambda: False)
    assert outcome.findings == ()
    check_copies(repository)


def reasons(problems: Sequence[object]) -> str:
    return "\n".join(map(str, problems))


def test_packs_and_the_secret_give_everything_back(made: Made, store: Store) -> None:
    lost = {name: store.get(name) for name in names_in(store) if not is_packed(name)}
    lose(store, is_packed)
    outcome = rebuild(store)
    assert outcome.published == tuple(sorted(made.states))
    assert (outcome.refused, outcome.problems, outcome.recovered) == ((), (), ())
    assert outcome.existing_count == 0
    check_whole(store, made)
    for name in {names.REPOSITORY, *names_in(store, names.KEYS)}:
        assert store.get(name) == lost[name]
    for prefix in (names.INDEX, names.LAYERS, names.RECORDS):
        assert names_in(store, prefix) == sorted(name for name in lost if name.startswith(prefix))
    assert outcome.restored_index_count == len(names_in(store, names.INDEX))
    assert outcome.restored_layer_count == len(names_in(store, names.LAYERS))


@pytest.mark.parametrize("made", [True], indirect=True, ids=["sealed"])
def test_packs_and_a_cloud_key_give_everything_back(
    made: Made, store: Store, amazon: AmazonService
) -> None:
    """The permission to use the key is the secret then (I8)."""
    key = KmsKey(amazon.new_key(), StoreSettings())
    add_cloud_key(store, SECRET, key, "cloud")
    lose(store, is_packed)
    outcome = rebuild_repository(store, lambda: key, Silent())
    assert outcome.published == tuple(sorted(made.states))
    assert (outcome.refused, outcome.problems) == ((), ())
    check_whole(store, made, lambda: key)


def test_the_texts_come_back_as_well(store: Store) -> None:
    lose(store, is_packed)
    rebuild(store)
    for name, text in explanations().items():
        assert store.get(name) == text


def test_rebuilding_what_is_whole_changes_nothing(made: Made, store: Store) -> None:
    rebuild(store)  # The texts were not there.
    before = {name: store.get(name) for name in names_in(store)}
    outcome = rebuild(store)
    assert (outcome.restored, outcome.published, outcome.problems) == ((), (), ())
    assert outcome.existing_count == POINT_COUNT
    assert {name: store.get(name) for name in names_in(store)} == before
    check_whole(store, made)


@pytest.mark.parametrize(
    "prefix", [names.INDEX, names.LAYERS, names.RECORDS, names.KEYS, names.REPOSITORY]
)
def test_what_is_lost_alone_comes_back_alone(made: Made, store: Store, prefix: str) -> None:
    for name in names_in(store, prefix):
        store.delete([name])
        rebuild(store)
        assert name in names_in(store)
    check_whole(store, made)


@pytest.mark.parametrize("prefix", [names.INDEX, names.LAYERS, names.RECORDS])
@pytest.mark.parametrize("damage", ["cut", "swap"])
def test_what_is_damaged_is_named_and_not_replaced(
    made: Made, store: Store, prefix: str, damage: str
) -> None:
    name, other, *_ = names_in(store, prefix)
    wrong = store.get(other) if damage == "swap" else store.get(name)[:-1]
    store.delete([name])
    store.put(name, wrong)
    outcome = rebuild(store)
    assert name in reasons(outcome.problems)
    assert len(set(outcome.problems)) == len(outcome.problems)
    assert not any(each.reason.startswith(f"{each.name}:") for each in outcome.problems)
    assert store.get(name) == wrong
    store.delete([name])
    assert rebuild(store).problems == ()
    check_whole(store, made)


def stop_after(count: int) -> Callable[[], bool]:
    """Return what says "go on" so often and then "stop"."""
    asked = iter(range(count))
    return lambda: next(asked, None) is None


def test_a_rebuild_can_be_stopped_anywhere_and_run_again(made: Made, store: Store) -> None:
    lose(store, is_packed)
    for count in (1, 3, 5, 8):
        with pytest.raises(NotReadyError, match="stopped"):
            rebuild_repository(store, secret, Silent(), stop=stop_after(count))
    rebuild(store)
    check_whole(store, made)


def test_the_index_comes_from_the_packs_themselves(made: Made, store: Store) -> None:
    """No index is left anywhere, and no metadata pack that repeats it."""
    store.delete(names_in(store, names.INDEX))
    store.delete([name for name in names_in(store, names.PACKS) if "/meta-" in name])
    outcome = rebuild(store)
    assert outcome.existing_count == POINT_COUNT
    assert (outcome.refused, outcome.problems) == ((), ())
    assert outcome.recovered == tuple(names_in(store, names.INDEX))
    repository = open_repository(store, secret)
    assert {r.id: read_copied(repository, r) for r in points_of(repository)} == made.states
    # The new index is beside the packs as well.
    store.delete(names_in(store, names.INDEX))
    assert rebuild(store).recovered == ()
    assert tuple(names_in(store, names.INDEX)) == outcome.recovered


def test_a_lost_index_object_without_its_metadata_is_made_anew(
    made: Made, pair: Pair, store: Store
) -> None:
    first = points_of(pair.target)[0]
    second = points_of(pair.target)[1]
    # A later point's metadata pack is whole, and its blobs are in packs of the first.
    store.delete([table.name for table in first.index])
    store.delete(names_in(store, f"{names.PACKS}{first.session_id}/meta-"))
    store.delete([record_name(second)])
    outcome = rebuild(store)
    assert len(outcome.recovered) == 1
    assert outcome.published == (second.id,)
    repository = open_repository(store, secret)
    assert {r.id: read_copied(repository, r) for r in points_of(repository)} == made.states


def test_a_point_whose_pack_is_lost_is_refused_with_the_reason(made: Made, store: Store) -> None:
    """I1: what cannot be proved is not published."""
    repository = open_repository(store, secret)
    newest = points_of(repository)[-1]
    store.delete([packs_of(repository, newest.session_id)[0]])
    lose(store, is_packed)
    outcome = rebuild(store)
    assert set(outcome.published) == set(made.states) - {newest.id}
    (refused,) = outcome.refused
    assert refused.name == record_name(newest)
    assert "items need blobs that no pack has" in refused.reason


def test_a_truncated_pack_proves_nothing(made: Made, store: Store) -> None:
    repository = open_repository(store, secret)
    newest = points_of(repository)[-1]
    name = packs_of(repository, newest.session_id)[0]
    stored = store.get(name)
    lose(store, is_packed)
    store.delete([name])
    store.put(name, stored[:-1])
    outcome = rebuild(store)
    assert newest.id not in outcome.published
    assert len(outcome.published) == POINT_COUNT - 1


def test_a_damaged_metadata_pack_costs_its_own_points_only(made: Made, store: Store) -> None:
    repository = open_repository(store, secret)
    newest = points_of(repository)[-1]
    (name,) = names_in(store, f"{names.PACKS}{newest.session_id}/meta-")
    stored = bytearray(store.get(name))
    stored[100] ^= 1
    lose(store, is_packed)
    store.delete([name])
    store.put(name, bytes(stored))
    outcome = rebuild(store)
    assert set(outcome.published) == set(made.states) - {newest.id}
    assert name in reasons(outcome.problems)


def test_of_two_metadata_packs_of_a_session_one_is_enough(made: Made, store: Store) -> None:
    """A publisher that was stopped leaves one that may be cut anywhere."""
    repository = open_repository(store, secret)
    newest = points_of(repository)[-1]
    (name,) = names_in(store, f"{names.PACKS}{newest.session_id}/meta-")
    other = name[:-1] + ("0" if name[-1] != "0" else "1")
    store.put(other, store.get(name)[:-7])
    lose(store, is_packed)
    outcome = rebuild(store)
    assert outcome.published == tuple(sorted(made.states))
    assert other in reasons(outcome.problems)


def test_void_and_condemned_points_stay_what_they_are(made: Made, store: Store) -> None:
    repository = open_repository(store, secret)
    first, second, *_ = points_of(repository)
    store.delete([record_name(first), record_name(second)])
    store.put(record_name(first), b"")
    store.put(names.condemned("run", record_name(second)), b"")
    outcome = rebuild(store)
    assert (outcome.published, outcome.refused, outcome.problems) == ((), (), ())
    assert store.get(record_name(first)) == b""


def test_the_next_session_goes_on_from_what_was_rebuilt(pair: Pair, store: Store) -> None:
    lose(store, is_packed)
    rebuild(store)
    target = open_repository(store, secret)
    before = packs_of(target)
    terms = jobs.Terms(schedule="daily 22:00")
    definition = jobs.create_job(target, pair.source, JOB, terms, include_newest=False)
    back_up(pair.source, {b"after": b"the rebuild"})
    record = Pair(source=pair.source, target=target, definition=definition).copied()
    assert len(packs_of(target)) == len(before) + 1
    assert read_copied(target, record)[b"after"] == b"the rebuild"
    assert record.reused_blob_count + record.new_blob_count == 1


def test_a_wrong_passphrase_opens_nothing(made: Made, store: Store) -> None:
    if not made.pair.target.identity.is_encrypted:
        pytest.skip("there is none")
    lose(store, is_packed)
    with pytest.raises(InputError, match="passphrase"):
        rebuild_repository(store, lambda: "wrong", Silent())
    with pytest.raises(InputError, match="passphrase"):
        rebuild_repository(store, None, Silent())
    assert names_in(store, names.KEYS) == []


def test_a_place_without_packs_is_no_repository(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    store = pair.target.store
    lose(store, lambda _: False)
    with pytest.raises(NotFoundError, match="neither"):
        rebuild(store)
    assert names_in(store) == []


def test_objects_that_no_metadata_pack_has_are_left_out(made: Made, store: Store) -> None:
    repository = open_repository(store, secret)
    newest = points_of(repository)[-1]
    evil = [Member(name=name, content=b"x") for name in ("../outside", "jobs/x/1.json")]
    (name,) = write_metadata_pack(repository, newest.session_id, evil)
    outcome = rebuild(store)
    assert name in reasons(outcome.problems)
    assert "jobs/x/1.json" not in names_in(store)


def test_archived_metadata_packs_are_named_before_tables_come_back(store: Store) -> None:
    lose(store, is_packed)
    archived = sorted(name for name in names_in(store) if "/meta-" in name)
    with pytest.raises(NotReadyError) as caught:
        rebuild(Archived(store, lambda name: "/meta-" in name))
    assert [line.partition(":")[0] for line in caught.value.problems] == archived
    assert not any(name.startswith((names.LAYERS, names.RECORDS)) for name in names_in(store))
