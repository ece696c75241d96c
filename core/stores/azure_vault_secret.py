"""Secrets in Azure Key Vault, so that a machine and a function can share one."""

from core.stores.azure_vault_names import parse_vault_secret
from core.stores.settings import StoreSettings

_ROLE = "Key Vault Secrets User"


def fetch_vault_secret(place: str, settings: StoreSettings) -> str:
    """Return the text of a secret, given its identifier, without a newline at its end.

    Without a version in it that is the newest. ``settings`` say who asks and by which way.
    Azure's libraries are loaded here.
    """
    from azure.keyvault.secrets import SecretClient

    from core.stores.azure_vault import AzureVault
    from core.stores.azure_vault_errors import VaultRequest

    name = parse_vault_secret(place)
    request = VaultRequest(
        doing="read the secret",
        location=name.url,
        vault=name.vault,
        what="secret",
        permission="secrets/get",
        role=_ROLE,
    )
    vault = AzureVault(name.vault, settings, SecretClient)
    found = vault.call(request, lambda client: client.get_secret(name.name, name.version or None))
    # Who fills a secret from a file fills in its last newline, which nobody means.
    return (found.value or "").removesuffix("\n").removesuffix("\r")
