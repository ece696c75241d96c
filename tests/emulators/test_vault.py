"""The stand-in for Key Vault lets nobody in whom the real one would not."""

import json

import pytest
import requests

from tests.emulators.identity import make_token
from tests.emulators.vault import AUDIENCE, KeyVault

BODY = {"alg": "RSA-OAEP-256", "value": "AAAA"}


def ask(url: str, token: str = "", version: str = "7.4", **body: str) -> requests.Response:
    """Wrap three bytes, by plain HTTP requests that go where the environment says."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(
        f"{url}/wrapkey",
        params={"api-version": version} if version else {},
        headers=headers,
        json={**BODY, **body},
        timeout=10,
    )


def code(answer: requests.Response) -> str:
    return str(json.loads(answer.text)["error"]["code"])


@pytest.mark.parametrize(
    "token",
    ["", "no token", make_token("https://storage.azure.com"), make_token(AUDIENCE)[:-20]],
    ids=["none", "garbage", "of storage", "cut"],
)
def test_without_a_token_for_vaults_there_is_a_challenge(key_vault: KeyVault, token: str) -> None:
    answer = ask(key_vault.newest(key_vault.new_key()), token)
    assert (answer.status_code, code(answer)) == (401, "Unauthorized")
    assert 'resource="https://vault.azure.net"' in answer.headers["WWW-Authenticate"]
    assert not key_vault.operations


def test_a_token_that_has_run_out_is_not_taken(key_vault: KeyVault) -> None:
    url = key_vault.newest(key_vault.new_key())
    assert ask(url, make_token(AUDIENCE, lifetime_seconds=-1)).status_code == 401
    assert ask(url, make_token(AUDIENCE)).status_code == 200


def test_what_the_api_does_not_know_is_refused(key_vault: KeyVault) -> None:
    url, token = key_vault.newest(key_vault.new_key()), make_token(AUDIENCE)
    assert code(ask(url, token, version="")) == "BadParameter"
    assert code(ask(url, token, alg="RSA1_5")) == "BadParameter"
    assert code(ask(url[:-1] + ("0" if url[-1] != "0" else "1"), token)) == "KeyNotFound"
    with pytest.raises(requests.exceptions.ProxyError):
        ask(url.replace(key_vault.host, "other.vault.azure.net"), token)
