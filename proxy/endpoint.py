"""URLs of the machines that a store is reached through. None of them may carry a secret."""

import ipaddress
from urllib.parse import urlsplit

from core.errors import InputError

_PORTS = {"http": 80, "https": 443}


def parse_endpoint(text: str) -> str:
    """Check the URL of a store's service and write it in its one form."""
    return _parse(text, "https://s3.example.com")


def parse_http_proxy(text: str) -> str:
    """Check the URL of an HTTP proxy and write it in its one form."""
    url = _parse(text, "http://proxy.example.com:3128")
    if urlsplit(url).path:
        raise InputError("an HTTP proxy has no path", hint="write http://HOST:PORT")
    return url


def is_readable_by_others(endpoint: str) -> bool:
    """Say whether what passes can be read on its way: plain HTTP to another machine."""
    parts = urlsplit(endpoint)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _parse(text: str, example: str) -> str:
    hint = f"write it as in '{example}'"
    if "@" in text:
        raise InputError(
            "a URL must not carry a user name or password", hint="leave out all up to the '@'"
        )
    if any(not character.isprintable() or character.isspace() for character in text):
        raise InputError("there are characters in it that no URL has", hint=hint)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InputError("it is not a URL", hint=hint) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError("it is not an http:// or https:// URL", hint=hint)
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise InputError("it has more than a host, a port and a path", hint=hint)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    end = "" if port is None or port == _PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{end}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
