"""URLs of services and of HTTP proxies; none carries a secret."""

import pytest

from core.errors import InputError
from proxy.endpoint import is_readable_by_others, parse_endpoint, parse_http_proxy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://s3.example.com", "https://s3.example.com"),
        ("https://S3.Example.com/", "https://s3.example.com"),
        ("https://s3.example.com:443", "https://s3.example.com"),
        ("http://127.0.0.1:10000/account/", "http://127.0.0.1:10000/account"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_an_endpoint_has_one_form(text: str, expected: str) -> None:
    assert parse_endpoint(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an http:// or https:// URL"),
        ("s3.example.com", "not an http:// or https:// URL"),
        ("ftp://s3.example.com", "not an http:// or https:// URL"),
        ("https://", "not an http:// or https:// URL"),
        ("https://host:99999", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://host/?sig=hunter2", "more than a host"),
        ("https://host/#x", "more than a host"),
        ("https://host?", "more than a host"),
        ("https://ho st", "characters"),
        ("https://id:hunter2@host", "user name or password"),
    ],
)
def test_anything_else_is_refused_and_never_repeated(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_endpoint(text)
    assert said in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_an_http_proxy_has_no_path() -> None:
    assert parse_http_proxy("http://proxy.example.com:3128/") == "http://proxy.example.com:3128"
    with pytest.raises(InputError, match="no path"):
        parse_http_proxy("http://proxy.example.com:3128/x")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("", False),
        ("https://s3.example.com", False),
        ("http://s3.example.com", True),
        ("http://10.0.0.7:9000", True),
        ("http://127.0.0.1:9000", False),
        ("http://127.8.0.1:9000", False),
        ("http://[::1]:9000", False),
        ("http://localhost:9000", False),
        ("http://minio.localhost:9000", False),
    ],
)
def test_plain_http_leaves_this_machine_or_not(endpoint: str, expected: bool) -> None:
    assert is_readable_by_others(endpoint) is expected
