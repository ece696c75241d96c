"""From an environment to an opened target and source, as the managed identity that it names."""

import pytest

from appliance_azure.opening import RUNNER, open_appliance, ways_of
from appliance_azure.settings import read_settings
from core.appliance.opening import own_version
from core.errors import StoreError
from core.stores.azure_vault_key import VaultKey
from tests.unit.appliance_azure.test_settings import ENVIRONMENT, KEY


def test_both_are_opened_as_the_identity(environment: dict[str, str]) -> None:
    appliance = open_appliance(read_settings(environment))
    assert (appliance.runner, appliance.root, appliance.core_count) == (RUNNER, "a/vault/", 2)
    assert (appliance.target.vendor, appliance.version) == ("azure-blob", own_version())
    appliance.target.store.put("sessions/one", b"written")
    assert appliance.target.store.get("sessions/one") == b"written"


def test_a_target_that_is_gone_is_told(environment: dict[str, str]) -> None:
    gone = {"COLDHAUL_TARGET_URL": "az://nobody-has-made-this/vault"}
    with pytest.raises(StoreError, match="nobody-has-made-this"):
        open_appliance(read_settings(environment | gone))


def test_each_end_has_its_endpoint_and_only_the_target_its_classes() -> None:
    ways = ways_of(read_settings(ENVIRONMENT))
    assert ways.target.endpoint == "https://example.blob.core.windows.net"
    assert ways.source.endpoint == "https://other.blob.core.windows.net"
    assert (ways.target.storage_class, ways.target.metadata_class) == ("Archive", "Cool")
    assert (ways.source.storage_class, ways.source.metadata_class) == ("", "")
    assert ways.target.managed_identity == ways.source.managed_identity != ""
    key = ways.key(KEY)
    assert isinstance(key, VaultKey)
    assert key.key == KEY
