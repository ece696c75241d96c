"""What an app at Azurite is told."""

import pytest

from core.stores.opening import open_store
from tests.emulators.services import AzureService
from tests.support.copies import make_repository


@pytest.fixture
def environment(azurite_oauth: AzureService, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two repositories at Azurite, and what functions that copy one into the other are told."""
    bundle = azurite_oauth.settings.ca_bundle
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    source, target = f"{azurite_oauth.new_url()}/primary", f"{azurite_oauth.new_url()}/a/vault"
    for url in (source, target):
        make_repository(open_store(url, azurite_oauth.settings))
    return {
        "COLDHAUL_TARGET_URL": target,
        "COLDHAUL_TARGET_ENDPOINT": azurite_oauth.endpoint,
        "COLDHAUL_SOURCE_URL": source,
        "COLDHAUL_SOURCE_ENDPOINT": azurite_oauth.endpoint,
        "COLDHAUL_SOURCE_KIND": "repository",
        "COLDHAUL_STORAGE_CLASS": "Archive",
        "COLDHAUL_MEMORY_MB": "4096",
        "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000003",
    }
