"""What every restore judges and refuses, wherever it goes."""

from dataclasses import replace

import pytest

from core.engine.restore_tables import Candidate
from core.engine.restoring import Conflicts, judge_content, refuse_unmatched
from core.errors import ConflictError, IntegrityError, NotFoundError
from core.plan.paths import Selection

FINE = Candidate(
    row=0,
    path=b"a//../b",
    kind="file",
    metadata="{}",
    is_damaged=False,
    is_consistent=True,
    is_way=False,
)


def test_what_is_whole_passes_whatever_its_path() -> None:
    judge_content(FINE)


@pytest.mark.parametrize(
    "change",
    [{"kind": "socket"}, {"is_damaged": True}, {"is_consistent": False}, {"metadata": "["}],
)
def test_what_is_damaged_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        judge_content(replace(FINE, **change))  # type: ignore[arg-type]


def test_conflicts_are_counted_and_the_first_are_listed() -> None:
    Conflicts().refuse()
    conflicts = Conflicts()
    for number in range(1_100):
        conflicts.add(b"%d\n" % number, ConflictError("it is there already"))
    with pytest.raises(ConflictError, match="1100 items") as caught:
        conflicts.refuse()
    assert len(caught.value.items) == 1_000
    assert caught.value.items[0] == "0\\n: it is there already"


def test_patterns_that_took_nothing_are_named() -> None:
    selection = Selection(["a", "b"])
    selection.takes(b"a")
    with pytest.raises(NotFoundError, match="'b'"):
        refuse_unmatched(selection)
