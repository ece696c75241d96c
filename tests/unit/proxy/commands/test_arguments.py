"""What several commands take is called the same in each."""

import pytest

from tests.cli.place import Place


@pytest.mark.parametrize("words", [["item", "list"], ["restore"]])
def test_a_point_and_a_part_are_chosen_alike(place: Place, words: list[str]) -> None:
    shown = place.run(*words, "--help").out
    assert "--point" in shown
    assert "--include" in shown
    assert "NAME" in shown


@pytest.mark.parametrize("order", ["show", "stop", "resume", "abandon"])
def test_a_session_is_named_by_the_beginning_of_its_id(place: Place, order: str) -> None:
    assert "beginning of one" in place.run("session", order, "--help").out
