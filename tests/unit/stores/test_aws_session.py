"""Credentials come from where settings say, and nothing that a process printed is repeated."""

from pathlib import Path

import pytest

from core.errors import StoreError
from core.limits import STORE_CONNECT_SECONDS_MAX
from core.stores.aws_session import client_config, fetch_credentials, open_session
from core.stores.s3_errors import Request
from core.stores.settings import StoreSettings

REQUEST = Request(doing="do", location="something", permission="x", bucket="", resource="")


def test_the_profile_of_the_settings_gives_credentials_and_region(
    s3_credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile copies]\nregion = eu-west-3\naws_access_key_id = AKIDCOPIES\n"
        "aws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = open_session(StoreSettings(profile="copies"), REQUEST, "there")
    assert session.region_name == "eu-west-3"
    assert session.get_credentials().access_key == "AKIDCOPIES"


def test_without_a_profile_it_is_the_environment(s3_credentials: None) -> None:
    session = open_session(StoreSettings(region="eu-west-1"), REQUEST, "there")
    assert session.region_name == "eu-west-1"
    assert session.get_credentials().method == "env"


def test_no_credentials_are_told_of(s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="no credentials for something") as caught:
        open_session(StoreSettings(), REQUEST, "there")
    assert "get-caller-identity" in caught.value.hint


def test_what_a_credential_process_printed_is_not_repeated(
    s3_credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile own]\ncredential_process = echo hunter2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(StoreError, match="no usable credentials") as caught:
        open_session(StoreSettings(profile="own"), REQUEST, "there")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_failure_while_fetching_tells_its_kind_alone() -> None:
    def fail() -> None:
        raise ValueError("hunter2")

    with pytest.raises(StoreError, match="ValueError") as caught:
        fetch_credentials(REQUEST, "there", fail)
    assert "hunter2" not in str(caught.value)


def test_clients_try_once_and_go_by_the_proxy() -> None:
    config = client_config(StoreSettings(http_proxy="http://proxy:3128"))
    assert config.retries == {"total_max_attempts": 1, "mode": "standard"}
    assert config.proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert config.connect_timeout == STORE_CONNECT_SECONDS_MAX
    assert client_config(StoreSettings()).proxies is None
