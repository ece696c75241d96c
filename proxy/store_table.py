"""``[stores.NAME]``: how an account at a vendor is reached, and as whom."""

import os
import re
from typing import Annotated

from pydantic import BeforeValidator

from core.errors import InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB, S3_COMPATIBLE
from proxy.bandwidth import Bandwidth, parse_bandwidth
from proxy.endpoint import parse_endpoint, parse_http_proxy
from proxy.fields import Table, one_of, parsed
from proxy.secret import SecretReference, parse_secret_reference

# Keys that only one kind of store knows; all others are for both.
S3_KEYS = ("region", "profile", "role_arn", "kms_key")
AZURE_KEYS = ("managed_identity", "account_key")

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_PROFILE = re.compile(r"[^\s\[\]]{1,128}", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_KMS_KEY = re.compile(r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?[\w/-]{1,256}", re.ASCII)
_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def _matching(pattern: re.Pattern[str], what: str, hint: str) -> BeforeValidator:
    """Make a validator of a pattern that the whole text has to have."""

    def parse(text: str) -> str:
        if not pattern.fullmatch(text):
            raise InputError(f"it is not {what}", hint=hint)
        return text

    return parsed(parse)


def _parse_path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise InputError(
            "it is not an absolute path", hint="write the whole path, as in '/etc/ssl/own-ca.pem'"
        )
    return os.path.normpath("/" + text.lstrip("/"))


def parse_region(text: str) -> str:
    """Check the name of a region of Amazon's."""
    if not _REGION.fullmatch(text):
        raise InputError("it is not a region", hint="write it as in 'eu-central-1'")
    return text


class StoreTable(Table):
    """An account: an endpoint, and where the credentials for it come from; never what they are.

    Without a key that names credentials they are those of the vendor's own chain.
    """

    endpoint: Annotated[str, parsed(parse_endpoint)] = ""
    region: Annotated[str, parsed(parse_region)] = ""
    profile: Annotated[
        str,
        _matching(_PROFILE, "the name of a profile", "write one of those in ~/.aws/config"),
    ] = ""
    role_arn: Annotated[
        str,
        _matching(
            _ROLE,
            "the ARN of a role",
            "write it as in 'arn:aws:iam::123456789012:role/coldhaul-target'",
        ),
    ] = ""
    managed_identity: Annotated[
        str,
        _matching(
            _CLIENT_ID,
            "the client id of a managed identity",
            "write its 32 hexadecimal digits with dashes; without this key the one that the "
            "machine has is taken",
        ),
    ] = ""
    account_key: Annotated[SecretReference, parsed(parse_secret_reference)] | None = None
    ca_bundle: Annotated[str, parsed(_parse_path)] = ""
    http_proxy: Annotated[str, parsed(parse_http_proxy)] = ""
    kms_key: Annotated[
        str,
        _matching(
            _KMS_KEY,
            "a KMS key",
            "write its ARN, its id, or an alias as in 'alias/coldhaul'",
        ),
    ] = ""
    read_bandwidth: Annotated[Bandwidth, parsed(parse_bandwidth)] | None = None
    write_bandwidth: Annotated[Bandwidth, parsed(parse_bandwidth)] | None = None
    vendor: Annotated[str, one_of(AMAZON_S3, S3_COMPATIBLE, AZURE_BLOB)] = ""
