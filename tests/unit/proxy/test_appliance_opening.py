"""Who asks an appliance, by which way, and at which endpoint."""

from pathlib import Path

import pytest

from proxy.appliance_opening import appliance_settings, open_appliance
from proxy.config import Config, load_config

CONFIG = """\
version = 1

[stores.objects]
endpoint = "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com"
profile = "copies"
http_proxy = "http://proxy.example.com:3128"

[stores.control]
endpoint = "http://127.0.0.1:4566"
role_arn = "arn:aws:iam::123456789012:role/starter"

[repositories.vault]
url = "s3://copies/vault"
store = "objects"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
appliance = {{ kind = "aws", stack = "coldhaul-vault", region = "eu-central-1"{store} }}
"""


def config(folder: Path, store: str = "") -> Config:
    path = folder / "coldhaul.toml"
    path.write_text(CONFIG.format(store=store))
    return load_config(path)


def test_the_repository_s_credentials_go_to_amazon_s_own_endpoint(tmp_path: Path) -> None:
    loaded = config(tmp_path)
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.profile, settings.endpoint) == ("copies", "")
    assert settings.http_proxy == "http://proxy.example.com:3128"


def test_a_store_of_its_own_says_all_of_it(tmp_path: Path) -> None:
    loaded = config(tmp_path, ', store = "control"')
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.profile, settings.endpoint) == ("", "http://127.0.0.1:4566")
    assert settings.role_arn.endswith(":role/starter")


@pytest.mark.parametrize("store", ["", ', store = "control"'])
def test_it_is_a_client_of_the_stack(tmp_path: Path, store: str) -> None:
    loaded = config(tmp_path, store)
    appliance = open_appliance(loaded, loaded.repository("vault"))
    assert appliance.kind == "aws"
    assert appliance.place == "the stack coldhaul-vault in eu-central-1"
