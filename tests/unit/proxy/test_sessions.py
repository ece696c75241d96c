"""Sessions are found by their ids wherever in the configuration they are."""

from datetime import UTC, datetime

import pytest

from core.engine.session import open_session
from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.format import names
from core.ids import SessionId, format_time, new_session_id, point_id
from core.model import Claim, SessionKind, SessionStatus
from proxy.invocation import Invocation
from proxy.opening import open_named
from proxy.sessions import find_session, list_backup_sessions
from tests.cli.place import Place


def invocation(place: Place) -> Invocation:
    return Invocation(config_path=place.config, is_json=False)


def open_backup(place: Place, session_id: SessionId) -> None:
    """Leave what a backup leaves that is under way, or was killed."""
    repository = open_named(invocation(place), "primary")
    time = format_time(datetime(2026, 3, 1, tzinfo=UTC))
    own = repository.identity.id
    claim = Claim(
        session_id=session_id,
        kind=SessionKind.BACKUP,
        job_id=None,
        job_version=0,
        source_id=own,
        source_point=point_id(time, session_id),
        record_name=names.record(own, time, session_id),
        ordinal=0,
        claimed=time,
    )
    open_session(repository, claim)


@pytest.fixture
def created(place: Place) -> Place:
    """A place with both repositories."""
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    return place


def test_finished_and_open_backups_are_sessions(created: Place) -> None:
    created.done("backup", str(created.tree), "--to", "primary")
    session_id = new_session_id()
    open_backup(created, session_id)
    views = list_backup_sessions(invocation(created), "primary")
    assert [view.status for view in views] == [SessionStatus.RUNNING, SessionStatus.SUCCESS]
    assert views[0].claim.session_id == session_id


def test_a_session_is_found_by_the_beginning_of_its_id(created: Place) -> None:
    open_backup(created, SessionId("ab" * 16))
    open_backup(created, SessionId("cd" * 16))
    found = find_session(invocation(created), "ab")
    assert (found.repository_name, found.claim.session_id) == ("primary", "ab" * 16)


def test_an_ambiguous_beginning_names_the_candidates(created: Place) -> None:
    open_backup(created, SessionId("ab" * 16))
    open_backup(created, SessionId("ac" * 16))
    with pytest.raises(ConflictError) as caught:
        find_session(invocation(created), "a")
    assert caught.value.problems == (f"{'ab' * 16} in primary", f"{'ac' * 16} in primary")


def test_an_unknown_session_is_not_found(created: Place) -> None:
    with pytest.raises(NotFoundError):
        find_session(invocation(created), "ff")


def test_a_repository_out_of_reach_does_not_hide_the_others(created: Place) -> None:
    open_backup(created, SessionId("ab" * 16))
    created.write_passphrase("wrong")
    assert find_session(invocation(created), "ab").repository_name == "primary"
    with pytest.raises(InputError) as caught:
        find_session(invocation(created), "ff")
    assert caught.value.problems[0].startswith("vault: the passphrase")


def test_a_missing_repository_is_a_store_error_where_nothing_is_found(place: Place) -> None:
    with pytest.raises(StoreError):
        find_session(invocation(place), "ff")
