"""The keys of an appliance, one at a time."""

import pytest
from pydantic import ValidationError

from proxy.appliance_table import FURTHER_KEYS, NEEDED_KEYS, ApplianceKind, ApplianceTable

AWS = {"kind": "aws", "stack": "coldhaul-vault", "region": "eu-central-1"}
AZURE = {
    "kind": "azure",
    "url": "https://coldhaul-vault.azurewebsites.net",
    "audience": "api://0a1b2c3d-0000-4000-8000-00000000c01d",
}


def test_other_regions_are_allowed_only_when_said() -> None:
    table = ApplianceTable.model_validate(AWS)
    assert (table.kind, table.stack, table.region) == ("aws", "coldhaul-vault", "eu-central-1")
    assert (table.store, table.allow_other_region) == (None, False)
    said = ApplianceTable.model_validate({**AWS, "allow_other_region": True, "store": "account"})
    assert (said.store, said.allow_other_region) == ("account", True)


def test_an_app_is_known_by_its_url_and_audience() -> None:
    table = ApplianceTable.model_validate({**AZURE, "resource_group": "Copies(1)"})
    assert (table.url, table.audience) == (AZURE["url"], AZURE["audience"])
    assert table.resource_group == "Copies(1)"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://app.azurewebsites.net/", "https://app.azurewebsites.net"),
        ("https://APP.azurewebsites.net:443", "https://app.azurewebsites.net"),
        ("http://127.0.0.1:7071", "http://127.0.0.1:7071"),
        ("http://localhost:7071", "http://localhost:7071"),
    ],
)
def test_the_url_of_an_app_is_written_in_one_form(written: str, url: str) -> None:
    assert ApplianceTable.model_validate({**AZURE, "url": written}).url == url


@pytest.mark.parametrize(
    "audience",
    ["api://coldhaul", "https://example.com/coldhaul", "0a1b2c3d-0000-4000-8000-00000000c01d"],
)
def test_an_audience_is_what_entra_id_knows_an_application_by(audience: str) -> None:
    assert ApplianceTable.model_validate({**AZURE, "audience": audience}).audience == audience


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "gcp"),
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
        ("url", ""),
        ("url", "app.azurewebsites.net"),
        ("url", "http://app.azurewebsites.net"),
        ("url", "https://app.azurewebsites.net/api"),
        ("url", "https://app.azurewebsites.net?code=x"),
        ("url", "https://me:secret@app.azurewebsites.net"),
        ("audience", ""),
        ("audience", "coldhaul"),
        ("audience", "api://a b"),
        ("audience", "api://coldhaul/.default"),
        ("resource_group", ""),
        ("resource_group", "a/b"),
        ("resource_group", "ends."),
        ("resource_group", "a" * 91),
        ("parameters", {"a-b": "x"}),
        ("parameters", {"size": 7}),
        ("parameters", "size=7"),
        ("colour", "blue"),
    ],
)
def test_what_a_key_cannot_be_is_refused(key: str, value: object) -> None:
    for table in (AWS, AZURE):
        with pytest.raises(ValidationError):
            ApplianceTable.model_validate({**table, key: value})


def test_every_key_belongs_to_a_kind_or_to_all() -> None:
    known = {key for kind in ApplianceKind for key in (*NEEDED_KEYS[kind], *FURTHER_KEYS[kind])}
    assert set(ApplianceTable.model_fields) == {"kind", "store", "parameters", *known}
