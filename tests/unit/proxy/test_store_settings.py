"""The settings of a store are what the configuration says, and carry no secret."""

import pickle
from pathlib import Path

import pytest

from core.errors import InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB
from core.stores.settings import StoreSettings
from proxy.config import Config, load_config
from proxy.location import Place
from proxy.store_settings import cloud_settings, place_of, store_settings
from tests.emulators.vault import KeyVault

HEAD = """\
version = 1

[repositories.vault]
url = "{url}"
proxy = "hq"
retention_type = "item-level"
retention = "forever"
"""
KEY = "bm8gc2VjcmV0"
ACCOUNT = "https://me.blob.core.windows.net"
IDENTITY = "01234567-89ab-cdef-0123-456789abcdef"


def load(folder: Path, url: str, keys: str = "", store: str | None = None) -> Config:
    text = HEAD.format(url=url) + keys
    if store is not None:
        text += f'store = "s"\n[stores.s]\n{store}'
    path = folder / "coldhaul.toml"
    path.write_text(text)
    return load_config(path)


def settings_of(config: Config) -> StoreSettings:
    return store_settings(config, config.repository("vault"))


def test_without_a_store_all_is_left_to_the_vendor(tmp_path: Path) -> None:
    config = load(tmp_path, "s3://bucket/x")
    assert settings_of(config) == StoreSettings(vendor="amazon-s3")
    assert place_of(config, config.repository("vault")) == Place(url="s3://bucket/x")
    assert settings_of(load(tmp_path, "file:///srv")) == StoreSettings(vendor="filesystem")


def test_every_key_arrives(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    store = f"""
endpoint = "https://minio.example"
region = "eu-central-1"
profile = "copies"
role_arn = "arn:aws:iam::123456789012:role/coldhaul"
ca_bundle = "{bundle}"
http_proxy = "http://proxy.example:3128"
kms_key = "alias/copies"
read_bandwidth = "1 GB/s"
write_bandwidth = "100 Mbit/s"
"""
    keys = 'storage_class = "GLACIER_IR"\nmetadata_class = "STANDARD_IA"\n'
    config = load(tmp_path, "s3://bucket/x", keys, store)
    assert settings_of(config) == StoreSettings(
        vendor="s3-compatible",
        endpoint="https://minio.example",
        region="eu-central-1",
        profile="copies",
        role_arn="arn:aws:iam::123456789012:role/coldhaul",
        ca_bundle=str(bundle),
        http_proxy="http://proxy.example:3128",
        kms_key="alias/copies",
        read_bandwidth=1_000_000_000,
        write_bandwidth=12_500_000,
        storage_class="GLACIER_IR",
        metadata_class="STANDARD_IA",
    )
    place = place_of(config, config.repository("vault"))
    assert place == Place(url="s3://bucket/x", endpoint="https://minio.example")


def test_a_vendor_that_is_said_counts(tmp_path: Path) -> None:
    config = load(tmp_path, "s3://bucket", store='vendor = "s3-compatible"\n')
    assert settings_of(config).vendor == "s3-compatible"


def test_a_key_is_fetched_when_it_is_used_also_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = 'endpoint = "https://me.blob.core.windows.net"\naccount_key = "env:ACCOUNT_KEY"\n'
    monkeypatch.delenv("ACCOUNT_KEY", raising=False)
    settings = settings_of(load(tmp_path, "az://copies/x", store=store))
    travelled = pickle.loads(pickle.dumps(settings))
    assert travelled.account_key is not None
    with pytest.raises(InputError, match=r"stores.s.account_key refers to .* ACCOUNT_KEY"):
        travelled.account_key()
    monkeypatch.setenv("ACCOUNT_KEY", KEY)
    assert travelled.account_key() == KEY
    assert KEY not in repr(settings)


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = load(tmp_path, "s3://bucket", store=f'ca_bundle = "{tmp_path}/none.pem"\n')
    with pytest.raises(InputError, match=r"stores.s.ca_bundle names .*none.pem"):
        settings_of(config)


@pytest.mark.parametrize(
    ("url", "store", "profile"),
    [
        ("s3://bucket/x", 'profile = "copies"', "copies"),
        ("s3://bucket/x", 'profile = "copies"\nendpoint = "https://minio.example"', ""),
        ("file:///srv", None, ""),
    ],
)
def test_amazon_is_asked_for_keys_as_its_own_store_is(
    tmp_path: Path, url: str, store: str | None, profile: str
) -> None:
    config = load(tmp_path, url, store=store)
    assert cloud_settings(config, config.repository("vault"), AMAZON_S3).profile == profile


@pytest.mark.parametrize(
    ("url", "store", "identity"),
    [
        ("az://copies/x", f'managed_identity = "{IDENTITY}"\nendpoint = "{ACCOUNT}"', IDENTITY),
        ("s3://bucket/x", 'profile = "copies"', ""),
        ("file:///srv", None, ""),
    ],
)
def test_azure_is_asked_for_keys_as_its_own_store_is(
    tmp_path: Path, url: str, store: str | None, identity: str
) -> None:
    config = load(tmp_path, url, store=store)
    found = cloud_settings(config, config.repository("vault"), AZURE_BLOB)
    assert (found.managed_identity, found.profile) == (identity, "")


def test_an_account_key_in_a_vault_is_fetched_as_the_store_says(
    tmp_path: Path, key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = key_vault.new_secret(KEY)
    store = (
        f'endpoint = "{ACCOUNT}"\naccount_key = "keyvault:{url}"\n'
        f'ca_bundle = "{key_vault.certificate}"\nhttp_proxy = "{key_vault.proxy}"\n'
    )
    for name in ("REQUESTS_CA_BUNDLE", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name)
    settings = settings_of(load(tmp_path, "az://copies/x", store=store))
    assert settings.account_key is not None
    assert settings.account_key() == KEY
