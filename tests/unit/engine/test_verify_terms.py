"""Another share of the data each day, all of it in the end, and a stop at any time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.damage import Faults
from core.engine.progress import Silent
from core.engine.verify_terms import Share, Terms, check_stop
from core.errors import NotReadyError

NAMES = [f"packs/{number}" for number in range(500)]


@given(st.integers(1, 100), st.integers(0, 100_000))
def test_consecutive_days_read_everything(percent: int, day: int) -> None:
    read = {
        name
        for offset in range(-(-100 // percent))
        for name in NAMES
        if Share(percent, day + offset).takes(name)
    }
    assert read == set(NAMES)


@given(st.integers(0, 100_000))
def test_a_share_is_about_as_large_as_it_says(day: int) -> None:
    taken = sum(Share(20, day).takes(name) for name in NAMES)
    assert 50 <= taken <= 150


@given(st.integers(0, 100_000))
def test_nothing_is_nothing_and_all_is_all(day: int) -> None:
    assert not any(Share(0, day).takes(name) for name in NAMES)
    assert all(Share(100, day).takes(name) for name in NAMES)


def test_a_stop_says_what_becomes_of_what_was_found() -> None:
    terms = Terms(
        share=Share(0, 0),
        marked=frozenset(),
        faults=Faults(),
        progress=Silent(),
        stop=lambda: True,
    )
    with pytest.raises(NotReadyError) as error:
        check_stop(terms)
    assert "run it again" in error.value.hint
