"""Real endpoints instead of emulators, where environment variables name them.

One that is given and cannot be used is a failure: a run that was asked to try the real thing must
not pass without having done so.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from core.stores.address import derive_vendor, parse_address
from core.stores.settings import StoreSettings
from tests.emulators.services import AZURE_KEY_VARIABLE, AzureService, KeyReference, S3Service

S3_VARIABLE = "COLDHAUL_TEST_S3"
AZURE_VARIABLE = "COLDHAUL_TEST_AZURE"


def is_s3_given() -> bool:
    """Say whether tests are to use a real bucket."""
    return S3_VARIABLE in os.environ


def is_azure_given() -> bool:
    """Say whether tests are to use a real container."""
    return AZURE_VARIABLE in os.environ


@contextlib.contextmanager
def s3() -> Iterator[S3Service]:
    """Return the bucket that COLDHAUL_TEST_S3 names; what is written there is deleted at the end.

    _ENDPOINT, _REGION and _PROFILE behind the variable's name say the rest; all may be missing.
    """
    endpoint = os.environ.get(f"{S3_VARIABLE}_ENDPOINT", "")
    url = parse_address(os.environ[S3_VARIABLE]).url
    service = S3Service(
        settings=StoreSettings(
            vendor=derive_vendor(url, endpoint),
            endpoint=endpoint,
            region=os.environ.get(f"{S3_VARIABLE}_REGION", ""),
            profile=os.environ.get(f"{S3_VARIABLE}_PROFILE", ""),
        ),
        root=url,
    )
    service.client().head_bucket(Bucket=parse_address(url).container)
    run = replace(service, root=service.new_url())
    try:
        yield run
    finally:
        run.clear(run.root)


@contextlib.contextmanager
def azure() -> Iterator[AzureService]:
    """Return the container that COLDHAUL_TEST_AZURE names; what is written there is deleted.

    _ENDPOINT behind the variable's name is the account's; _KEY is its key, without which
    azure-identity's chain is asked.
    """
    endpoint = os.environ[f"{AZURE_VARIABLE}_ENDPOINT"]
    url = parse_address(os.environ[AZURE_VARIABLE]).url
    service = AzureService(
        settings=StoreSettings(
            vendor=derive_vendor(url, endpoint),
            endpoint=endpoint,
            account_key=KeyReference() if AZURE_KEY_VARIABLE in os.environ else None,
        ),
        account=_account(endpoint),
        root=url,
    )
    with service.client() as client:
        client.get_container_client(parse_address(url).container).get_container_properties()
    run = replace(service, root=service.new_url())
    try:
        yield run
    finally:
        run.clear(run.root)


def _account(endpoint: str) -> str:
    """Return whose endpoint it is: in its host's name or, with an emulator, its path says so."""
    parts = urlsplit(endpoint)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
