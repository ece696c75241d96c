"""What a store lets us do is found out by doing it, and nothing is left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.probe import PREFIX, Probe, delete_probes, try_store
from core.errors import StoreError
from core.format import names
from core.stores.store import Store
from tests.support.damaged_stores import FirstByteFlipped, Unlisted
from tests.support.repositories import names_in, new_store
from tests.support.stores import (
    Hooked,
    Kind,
    LostAnswer,
    Overwriting,
    OverwritingUploads,
    Recording,
    Refusing,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def test_a_good_store_passes_and_keeps_nothing(store: Store) -> None:
    try_store(store)
    assert names_in(store) == []


def test_a_lost_answer_is_no_failure(store: Store) -> None:
    try_store(LostAnswer(store))
    assert names_in(store) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Overwriting, "a write is create-only"),
        (OverwritingUploads, "a large upload is create-only"),
        (FirstByteFlipped, "other bytes"),
        (Unlisted, "does not list"),
        (Refusing, "refused"),
    ],
)
def test_a_fault_is_named(store: Store, fault: Callable[[Store], Store], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        try_store(fault(store))
    assert names_in(store) == []


def test_a_store_that_cannot_be_written_is_waited_for_once(store: Store) -> None:
    recording = Recording(Refusing(store))
    with pytest.raises(StoreError):
        try_store(recording)
    assert len(recording.names("put")) == 1


@pytest.mark.parametrize("number", range(1, 6))
def test_a_probe_that_another_creation_deletes_at_any_moment_is_no_fault(
    store: Store, number: int
) -> None:
    requests: list[str] = []

    def delete_meanwhile(_kind: Kind, name: str) -> None:
        requests.append(name)
        if len(requests) == number:
            delete_probes(store)

    try_store(Hooked(store, delete_meanwhile))
    assert names_in(store) == []


def test_a_probe_stands_where_every_identity_may_delete(store: Store) -> None:
    probe = Probe(store)
    probe.write()
    assert names_in(store) == [probe.name]
    assert probe.name.startswith(names.SESSIONS)
    assert not probe.name.startswith(names.OPEN_SESSIONS)


def test_probes_of_those_who_were_stopped_are_deleted(store: Store) -> None:
    Probe(store).write()
    Probe(store).write()
    store.put(f"{names.SESSIONS}other", b"")
    delete_probes(store)
    assert names_in(store, PREFIX) == []
    assert names_in(store) == [f"{names.SESSIONS}other"]
