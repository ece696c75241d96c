"""The keys of an appliance, one at a time."""

import pytest
from pydantic import ValidationError

from proxy.appliance_table import ApplianceTable

GOOD = {"kind": "aws", "stack": "coldhaul-vault", "region": "eu-central-1"}


def test_other_regions_are_allowed_only_when_said() -> None:
    table = ApplianceTable.model_validate(GOOD)
    assert (table.kind, table.stack, table.region) == ("aws", "coldhaul-vault", "eu-central-1")
    assert (table.store, table.allow_other_region) == (None, False)
    said = ApplianceTable.model_validate({**GOOD, "allow_other_region": True, "store": "account"})
    assert (said.store, said.allow_other_region) == ("account", True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "azure"),
        ("kind", 1),
        ("stack", ""),
        ("stack", "1st"),
        ("stack", "-x"),
        ("stack", "a" * 57),
        ("stack", "a b"),
        ("stack", "arn:aws:cloudformation"),
        ("region", "Frankfurt"),
        ("region", ""),
        ("store", "my store"),
        ("allow_other_region", "yes"),
        ("url", "https://example.com"),
    ],
)
def test_what_a_key_cannot_be_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ApplianceTable.model_validate({**GOOD, key: value})


@pytest.mark.parametrize("key", GOOD)
def test_nothing_of_these_may_be_missing(key: str) -> None:
    with pytest.raises(ValidationError):
        ApplianceTable.model_validate({name: GOOD[name] for name in GOOD if name != key})
