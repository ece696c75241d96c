"""Working objects: their names, and what they add up to."""

from core.engine import state
from core.engine.state import Transfer
from core.format import names, records
from core.ids import SessionId
from core.model import StageSeconds
from core.stores.store import check_name

SESSION = SessionId("b" * 32)


def test_all_working_objects_are_below_their_session() -> None:
    made = [
        state.base_name(SESSION),
        state.delta_name(SESSION),
        state.delta_table_name(SESSION, 1),
        state.range_name(SESSION, 12),
        state.plan_name(SESSION),
        state.report_name(SESSION, 0),
        state.stop_name(SESSION, 0),
        state.resume_name(SESSION, 0),
        f"{state.attempts_prefix(SESSION)}x",
    ]
    assert len(set(made)) == len(made)
    for name in made:
        check_name(name)
        assert name.startswith(names.session(SESSION, ""))


def test_ranges_are_listed_in_their_order() -> None:
    made = [state.range_name(SESSION, number) for number in (2, 10, 999)]
    assert sorted(made) == made


def test_transfers_add_up() -> None:
    one = Transfer(
        pack_count=1,
        blob_count=2,
        content_size=3,
        stored_size=4,
        stages=StageSeconds(source=1, repack=2, target=3),
    )
    assert one.plus(one).plus(Transfer()) == Transfer(
        pack_count=2,
        blob_count=4,
        content_size=6,
        stored_size=8,
        stages=StageSeconds(source=2, repack=4, target=6),
    )


def test_a_transfer_is_stored_and_read_back() -> None:
    one = Transfer(pack_count=1, stages=StageSeconds(source=0.5))
    assert records.decode(Transfer, records.encode(one), "name") == one
