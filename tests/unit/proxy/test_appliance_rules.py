"""An appliance is of the kind of its repository's vendor, and reached as a store that is there."""

import pytest

from proxy.appliance_rules import check_appliances
from proxy.appliance_table import ApplianceTable
from proxy.store_rules import Values

STORES = {
    "minio": {"endpoint": "https://s3.example.com"},
    "local": {"endpoint": "http://127.0.0.1:4566", "vendor": "amazon-s3"},
    "azure": {"endpoint": "https://me.blob.core.windows.net"},
    "main": {},
}
WRITTEN = {
    "minio": {"endpoint"},
    "local": {"endpoint", "vendor"},
    "azure": {"endpoint", "account_key"},
    "main": {"profile"},
}


def appliance(store: str | None = None) -> ApplianceTable:
    return ApplianceTable(kind="aws", stack="s", region="eu-central-1", store=store)


def problems(repository: Values) -> list[str]:
    return list(check_appliances({"vault": repository}, STORES, WRITTEN))


@pytest.mark.parametrize(
    ("url", "store", "vendor"),
    [
        ("file:///srv/vault", "", "filesystem"),
        ("s3://copies/vault", "minio", "s3-compatible"),
        ("az://copies/vault", "azure", "azure-blob"),
    ],
)
def test_a_vendor_without_this_kind_is_refused(url: str, store: str, vendor: str) -> None:
    (line,) = problems({"url": url, "store": store, "appliance": appliance()})
    assert line.startswith('repositories.vault.appliance.kind = "aws"')
    assert vendor in line
    assert "remove the appliance" in line


@pytest.mark.parametrize("store", ["", "main", "local"])
def test_amazon_has_one_of_kind_aws(store: str) -> None:
    repository = {"url": "s3://copies/vault", "store": store, "appliance": appliance("main")}
    assert problems(repository) == []


def test_a_repository_without_one_is_fine() -> None:
    assert problems({"url": "file:///srv/vault"}) == []
    assert problems({"url": "file:///srv/vault", "appliance": None}) == []


def test_its_store_has_to_be_declared_and_not_at_azure() -> None:
    (unknown,) = problems({"url": "s3://copies/vault", "appliance": appliance("mian")})
    assert 'appliance.store = "mian"' in unknown
    assert "did you mean 'main'?" in unknown
    (azure,) = problems({"url": "s3://copies/vault", "appliance": appliance("azure")})
    assert "account at Azure" in azure


def test_all_problems_of_one_come_at_once() -> None:
    found = problems({"url": "file:///srv/vault", "appliance": appliance("mian")})
    assert len(found) == 2
    broken_url = problems({"appliance": appliance("mian")})
    assert len(broken_url) == 1
