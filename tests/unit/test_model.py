"""The values that compute something by themselves."""

import dataclasses

import pytest

from core.ids import PointId, RepositoryId, SessionId
from core.model import Item, ItemKind, Record, SessionKind, StageSeconds

RECORD = Record(
    source_id=RepositoryId("1" * 32),
    source_point=PointId(f"20260101T000000000001Z-{'2' * 32}"),
    session_id=SessionId("3" * 32),
    kind=SessionKind.COPY,
    job_id=None,
    parent=None,
    layers=(),
)


def test_a_point_has_its_sources_moment_and_its_own_session() -> None:
    assert RECORD.time == "20260101T000000000001Z"
    assert RECORD.id == f"20260101T000000000001Z-{'3' * 32}"


def test_the_bottleneck_is_the_stage_that_the_others_waited_for() -> None:
    assert StageSeconds().bottleneck == ""
    assert StageSeconds(source=1).plus(StageSeconds(target=2)).bottleneck == "Target"
    assert StageSeconds(repack=3, target=2).bottleneck == "Repack"


def test_values_do_not_change() -> None:
    item = Item(path=b"a", kind=ItemKind.FILE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        item.path = b"b"  # type: ignore[misc]
