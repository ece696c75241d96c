"""Batches cross as ranges, and come in groups."""

import pytest

from appliance_azure.groups import (
    attempt_of,
    group_instance,
    groups_of,
    numbers_in,
    session_instance,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("00007", [7]),
        ("00000-00002", [0, 1, 2]),
        ("00000-00001 00005 09998-10000", [0, 1, 5, 9998, 9999, 10000]),
    ],
)
def test_numbers_are_those_of_the_ranges(text: str, numbers: list[int]) -> None:
    assert list(numbers_in(text)) == numbers


@pytest.mark.parametrize(
    ("text", "size", "groups"),
    [
        ("", 3, []),
        ("00000-00002", 3, ["00000-00002"]),
        ("00000-00006", 3, ["00000-00002", "00003-00005", "00006"]),
        ("00000 00002-00005 00009", 2, ["00000 00002", "00003-00004", "00005 00009"]),
        ("00000-00004", 1, ["00000", "00001", "00002", "00003", "00004"]),
    ],
)
def test_ranges_are_cut_into_groups(text: str, size: int, groups: list[str]) -> None:
    assert groups_of(text, size) == groups


def test_the_instance_of_a_group_tells_which_session_began_it() -> None:
    group = group_instance("ab" * 16, 2, 1, 0)
    assert group == f"{'ab' * 16}:2:1:0"
    assert session_instance(group) == session_instance("ab" * 16) == "ab" * 16
    assert (attempt_of(group), attempt_of("12" * 16)) == (2, None)


def test_no_number_is_lost_or_doubled_and_no_group_is_too_large() -> None:
    text = " ".join(
        f"{first:05}-{first + length:05}" for first, length in ((0, 6), (9, 0), (11, 40))
    )
    for size in range(1, 60):
        groups = [list(numbers_in(group)) for group in groups_of(text, size)]
        assert [number for group in groups for number in group] == list(numbers_in(text))
        assert {len(group) for group in groups[:-1]} <= {size}
        assert 0 < len(groups[-1]) <= size
