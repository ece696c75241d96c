"""A session that runs elsewhere, shown by what it leaves in its target."""

from pathlib import Path

from core.engine.packed import mark_packed
from core.engine.plan import run_plan
from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.state import Transfer
from proxy.appliance_progress import StoredProgress
from tests.support.appliances import Heard
from tests.support.copies import back_up, make_pair


def test_phases_follow_what_is_stored(tmp_path: Path) -> None:
    pair, heard = make_pair(tmp_path), Heard()
    back_up(pair.source, {b"a": b"1" * 1000, b"b": b"2"})
    session = pair.session()
    shown = StoredProgress(session, heard)
    assert shown.update() == 0
    assert [phase[0] for phase in heard.phases] == ["Planning"]
    run_plan(session)
    assert shown.update() == 0
    assert heard.phases[1:] == [("Repacking", 1001, 2)]
    run_session(session, Runner(workers=1))
    assert shown.update() == 1
    assert heard.done["Repacking"] == (1001, 2)
    assert heard.phases[2:] == [("Publishing", None, None)]
    assert shown.update() == 1
    assert len(heard.phases) == 3


def test_what_was_packed_before_is_told_apart(tmp_path: Path) -> None:
    pair, heard = make_pair(tmp_path), Heard()
    back_up(pair.source, {b"a": b"1" * 1000, b"b": b"2"})
    session = pair.session()
    run_plan(session)
    packed = Transfer(pack_count=1, blob_count=1, content_size=1000, stored_size=100)
    mark_packed(pair.target.store, session.id, (0, 0), packed)
    StoredProgress(session, heard).update()
    assert heard.phases[-1] == ("Repacking", 1, 1)
    assert any(note.startswith("packed before: 1 pack") for note in heard.notes)


def test_a_session_without_anything_new_is_publishing_at_once(tmp_path: Path) -> None:
    pair, heard = make_pair(tmp_path), Heard()
    back_up(pair.source, {b"a": b"1"})
    pair.copied()
    back_up(pair.source, {b"a": None})
    session = pair.session()
    run_plan(session)
    StoredProgress(session, heard).update()
    assert [phase[0] for phase in heard.phases] == ["Planning", "Repacking", "Publishing"]
