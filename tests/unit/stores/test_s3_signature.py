"""Signatures are those of botocore, for every kind of key and query."""

from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from core.stores.s3_signature import Signer, quote_path, quote_query

NOW = datetime(2026, 11, 25, 13, 5, 9, tzinfo=UTC)
KEYS = ("a", "a b+c%20&=?#", "a//b/../.", "ü/😀", "~-._", "\x01\x7f", "\udcff", "")


def botocore_signature(
    monkeypatch: pytest.MonkeyPatch, url: str, headers: dict[str, str], token: str | None
) -> str:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
    request = AWSRequest(method="GET", url=url, headers=headers)
    S3SigV4Auth(Credentials("access", "secret", token), "s3", "eu-central-1").add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("token", [None, "a/token=="])
@pytest.mark.parametrize("key", KEYS)
def test_signatures_are_botocores(
    monkeypatch: pytest.MonkeyPatch, key: str, token: str | None
) -> None:
    path = "/bucket/" + quote_path(key)
    query = quote_query({"start-after": key, "list-type": "2", "prefix": "", "A": "~"})
    headers = {"range": "bytes=0-4", "if-match": '"abc"'}
    signer = Signer("store.example:9000", "eu-central-1")
    credentials = Credentials("access", "secret", token)
    for _ in range(2):  # The second time with the kept key.
        signed = signer.sign("GET", path, query, headers, credentials, NOW.timestamp())
    expected = botocore_signature(
        monkeypatch, f"http://store.example:9000{path}?{query}", dict(headers), token
    )
    assert signed["authorization"].replace(",", ", ") == expected
    assert signed.get("x-amz-security-token") == token


def test_another_day_or_secret_is_another_key() -> None:
    signer = Signer("store.example", "eu-central-1")

    def sign(secret: str, day: int) -> str:
        credentials = Credentials("access", secret)
        moment = NOW.replace(day=day).timestamp()
        return signer.sign("GET", "/", "", {}, credentials, moment)["authorization"]

    first = sign("secret", 25)
    assert len({first, sign("secret", 26), sign("other", 26), sign("other", 25)}) == 4
    assert sign("secret", 25) == first


def test_nothing_in_a_key_is_normalized() -> None:
    assert quote_path("a//../b/ +%?#ü\udcff~") == "a//../b/%20%2B%25%3F%23%C3%BC%FF~"
