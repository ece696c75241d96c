"""An appliance has its keys, is of the kind that fits, and is reached as a store that is there."""

import pytest

from proxy.appliance_rules import check_appliances, check_keys
from proxy.appliance_table import ApplianceTable
from proxy.store_rules import Values

STORES = {
    "minio": {"endpoint": "https://s3.example.com"},
    "local": {"endpoint": "http://127.0.0.1:4566", "vendor": "amazon-s3"},
    "azure": {"endpoint": "https://me.blob.core.windows.net"},
    "identity": {"endpoint": "https://me.blob.core.windows.net"},
    "main": {},
}
WRITTEN = {
    "minio": {"endpoint"},
    "local": {"endpoint", "vendor"},
    "azure": {"endpoint", "account_key"},
    "identity": {"endpoint", "managed_identity"},
    "main": {"profile"},
}


AWS = {"kind": "aws", "stack": "s", "region": "eu-central-1"}
AZURE = {"kind": "azure", "url": "https://app.azurewebsites.net", "audience": "api://coldhaul"}
TABLES = {"aws": AWS, "azure": AZURE}


def appliance(kind: str = "aws", store: str | None = None) -> ApplianceTable:
    return ApplianceTable.model_validate({**TABLES[kind], "store": store})


def problems(repository: Values) -> list[str]:
    return list(check_appliances({"vault": repository}, STORES, WRITTEN))


def keys(**table: object) -> list[str]:
    return list(check_keys("vault", table))


@pytest.mark.parametrize("kind", TABLES)
def test_a_kind_s_own_keys_are_enough(kind: str) -> None:
    assert keys(**TABLES[kind]) == []
    further: dict[str, dict[str, object]] = {
        "aws": {"allow_other_region": True},
        "azure": {"resource_group": "x"},
    }
    assert keys(**TABLES[kind], **further[kind], store="main", parameters={}) == []


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("aws", "stack", 'stack = "coldhaul-vault"'),
        ("aws", "region", "eu-central-1"),
        ("azure", "url", "https://APP.azurewebsites.net"),
        ("azure", "audience", "api://CLIENT_ID"),
    ],
)
def test_none_of_these_may_be_missing(kind: str, key: str, words: str) -> None:
    table = {name: value for name, value in TABLES[kind].items() if name != key}
    (line,) = keys(**table)
    assert line.startswith(f"repositories.vault.appliance.{key}: it is missing;")
    assert words in line


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("aws", "url", "https://app.azurewebsites.net"),
        ("aws", "audience", "api://coldhaul"),
        ("aws", "resource_group", "coldhaul"),
        ("azure", "stack", "s"),
        ("azure", "region", "eu-central-1"),
        ("azure", "allow_other_region", True),
    ],
)
def test_keys_of_another_kind_are_refused(kind: str, key: str, value: object) -> None:
    (line,) = keys(**TABLES[kind], **{key: value})
    assert line.startswith(f"repositories.vault.appliance.{key} = ")
    assert f"it means nothing to an appliance of kind {kind}; remove it" in line


def test_a_table_of_the_wrong_kind_is_told_whole() -> None:
    found = keys(**{**AWS, "kind": "azure"})
    assert len(found) == 4


@pytest.mark.parametrize("table", [None, "aws", {}, {"kind": "gcp"}, {"kind": 1}, {"kind": []}])
def test_what_is_of_no_kind_is_others_to_judge(table: object) -> None:
    assert list(check_keys("vault", table)) == []


@pytest.mark.parametrize(
    ("kind", "url", "store", "vendor", "hint"),
    [
        ("aws", "file:///srv/vault", "", "filesystem", "only amazon-s3 and azure-blob can have"),
        ("aws", "s3://copies/vault", "minio", "s3-compatible", "can have one"),
        ("aws", "az://copies/vault", "azure", "azure-blob", 'kind = "azure"'),
        ("azure", "s3://copies/vault", "main", "amazon-s3", 'kind = "aws"'),
        ("azure", "s3://copies/vault", "minio", "s3-compatible", "can have one"),
        ("azure", "file:///srv/vault", "", "filesystem", "can have one"),
    ],
)
def test_a_vendor_without_this_kind_is_refused(
    kind: str, url: str, store: str, vendor: str, hint: str
) -> None:
    (line,) = problems({"url": url, "store": store, "appliance": appliance(kind)})
    assert line.startswith(f'repositories.vault.appliance.kind = "{kind}"')
    assert f"beside {vendor}; remove the appliance" in line
    assert hint in line


@pytest.mark.parametrize("store", ["", "main", "local"])
def test_amazon_has_one_of_kind_aws(store: str) -> None:
    repository = {"url": "s3://copies/vault", "store": store, "appliance": appliance("aws", "main")}
    assert problems(repository) == []


@pytest.mark.parametrize("store", [None, "identity"])
def test_azure_has_one_of_kind_azure(store: str | None) -> None:
    repository = {"url": "az://copies/vault", "store": "azure"}
    assert problems({**repository, "appliance": appliance("azure", store)}) == []


def test_a_repository_without_one_is_fine() -> None:
    assert problems({"url": "file:///srv/vault"}) == []
    assert problems({"url": "file:///srv/vault", "appliance": None}) == []


def test_its_store_has_to_be_declared_and_of_its_cloud() -> None:
    aws = {"url": "s3://copies/vault"}
    (unknown,) = problems({**aws, "appliance": appliance("aws", "mian")})
    assert 'appliance.store = "mian"' in unknown
    assert "did you mean 'main'?" in unknown
    (at_azure,) = problems({**aws, "appliance": appliance("aws", "azure")})
    assert "account at Azure" in at_azure
    azure = {"url": "az://copies/vault", "store": "azure"}
    for store in ("main", "azure"):
        (other,) = problems({**azure, "appliance": appliance("azure", store)})
        assert "asked by an identity in Entra ID" in other


def test_all_problems_of_one_come_at_once() -> None:
    found = problems({"url": "file:///srv/vault", "appliance": appliance("aws", "mian")})
    assert len(found) == 2
    broken_url = problems({"appliance": appliance("aws", "mian")})
    assert len(broken_url) == 1
