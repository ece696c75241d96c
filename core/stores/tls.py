"""Failures of TLS that no other try mends, told from the words of whichever library met them."""

import re

from core.errors import StoreError

UNTRUSTED = "tls not trusted"
PLAIN = "tls not spoken"
REFUSED = "tls refused"
FAILURES = frozenset({UNTRUSTED, PLAIN, REFUSED})

# OpenSSL's words, then those of rustls.
_PLAIN = re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER|InvalidContentType|InvalidMessage")
_UNTRUSTED = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|hostname '[^']*' doesn't match"
    r"|InvalidCertificate|invalid peer certificate"
)
# What a line that garbles bytes leads to (DECRYPT_ERROR, BAD_RECORD_MAC) is not among them.
_REFUSED = re.compile(
    r"ALERT_(?:PROTOCOL_VERSION|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|CERTIFICATE_REQUIRED"
    r"|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)|UNSUPPORTED_PROTOCOL|UNRECOGNIZED_NAME"
    r"|AlertReceived\(\s*(?:ProtocolVersion|HandshakeFailure|InsufficientSecurity"
    r"|CertificateRequired|BadCertificate|UnknownCA|AccessDenied|UnrecognizedName)\b"
    r"|PeerIncompatible\("
)


def find_failure(text: str) -> str:
    """Return which of these failures an error's text tells of, "" if none."""
    for pattern, failure in ((_PLAIN, PLAIN), (_UNTRUSTED, UNTRUSTED), (_REFUSED, REFUSED)):
        if pattern.search(text):
            return failure
    return ""


def judge(failure: str, cannot: str, endpoint: str) -> StoreError:
    """Return what such a failure means to a user."""
    if failure == UNTRUSTED:
        return StoreError(
            f"{cannot}: the certificate of {endpoint} is not trusted",
            hint="Set ca_bundle to the certificate of whoever signed it; it may also have expired, "
            "be for another host, or be an authority's own.",
        )
    if failure == PLAIN:
        return StoreError(
            f"{cannot}: {endpoint} does not speak TLS",
            hint="Write the endpoint with http:// if that is meant.",
        )
    assert failure == REFUSED, failure
    return StoreError(
        f"{cannot}: {endpoint} refuses TLS with this machine",
        hint="It wants a certificate of its clients, which Coldhaul does not send, or it knows "
        "only versions and ciphers that are not safe any more: TLS 1.2 is the least.",
    )
