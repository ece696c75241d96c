"""Which rules of a life cycle delete former versions of all that is below a prefix."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.stores.s3_keeping import find_days


def rule(days: int, **others: object) -> Mapping[str, Any]:
    """Return a rule that deletes former versions after so many days."""
    expiry = {"NoncurrentVersionExpiration": {"NoncurrentDays": days}}
    return {"Status": "Enabled", "Filter": {"Prefix": ""}, **expiry, **others}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], 0),
        ([rule(30)], 30),
        ([rule(30, Filter={})], 30),
        ([rule(30, Filter={"Prefix": "vault/"}), rule(90)], 30),
        ([rule(30, Filter={"Prefix": "vault/sessions/"}), rule(90)], 90),
        ([rule(30, Filter={"Prefix": "other/"})], 0),
        ([rule(30, Filter={"Tag": {"Key": "a", "Value": "b"}})], 0),
        ([rule(30, Filter={"And": {"Prefix": "", "ObjectSizeGreaterThan": 1}})], 0),
        ([rule(30, Status="Disabled")], 0),
        ([{"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}], 0),
    ],
)
def test_only_rules_for_all_of_it_count(rules: list[Mapping[str, Any]], expected: int) -> None:
    assert find_days(rules, "vault/") == expected


def test_rules_of_the_old_form_name_their_prefix_themselves() -> None:
    old = {key: value for key, value in rule(7).items() if key != "Filter"}
    assert find_days([{**old, "Prefix": "va"}], "vault/") == 7
    assert find_days([{**old, "Prefix": "b"}], "vault/") == 0
