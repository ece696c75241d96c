"""Where a server listens."""

import pytest

from core.errors import InputError
from proxy.listening import parse_listening


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:0", "0.0.0.0:80", "[2001:db8::1]:65535"])
def test_a_place_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_listening(text)) == text


def test_nowhere_is_empty() -> None:
    assert parse_listening("") is None


def test_a_place_knows_who_reaches_it() -> None:
    for text, is_loopback in (("127.0.0.1:1", True), ("[::1]:1", True), ("0.0.0.0:1", False)):
        place = parse_listening(text)
        assert place is not None
        assert place.is_loopback is is_loopback


@pytest.mark.parametrize(
    "text",
    ["9464", "127.0.0.1", "localhost:80", "127.0.0.1:65536", "1.2.3:80", "::1:80", "[1.2.3.4]:80"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_listening(text)
    assert "127.0.0.1:9464" in caught.value.hint or "IPv6" in caught.value.message
