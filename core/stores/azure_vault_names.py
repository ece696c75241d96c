"""What keys and secrets are called in Azure Key Vault: URLs, which say the vault and its cloud.

Only hosts of Key Vault itself are taken, so that nothing in a configuration or a stored keyset has
another server asked, or given a token.
"""

import re
from dataclasses import dataclass

from core.errors import InputError

# Azure's own cloud, and those of China and of the government of the USA.
VAULT_DOMAINS = ("vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net")
_MANAGED_HSM = re.compile(r"https://[^/@?#]+\.managedhsm\.[^/]+/.*", re.ASCII | re.IGNORECASE)
_IDENTIFIER = re.compile(
    r"https://(?P<vault>[a-z](?:-?[a-z0-9]){2,23})\.(?P<domain>[a-z.]+)"
    r"/(?P<kind>keys|secrets)/(?P<name>[a-z0-9-]{1,127})(?:/(?P<version>[a-f0-9]{32}))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultName:
    """The identifier of a key or secret, taken apart; the version is empty for the newest one.

    ``vault`` is the URL of the vault, in lower case as DNS has it.
    """

    vault: str
    kind: str
    name: str
    version: str

    @property
    def url(self) -> str:
        """The identifier."""
        version = f"/{self.version}" if self.version else ""
        return f"{self.vault}/{self.kind}/{self.name}{version}"

    def is_same_object(self, other: "VaultName") -> bool:
        """Say whether both are one key or secret, whichever its version: names have no case."""
        one, two = ((each.vault, each.kind, each.name.lower()) for each in (self, other))
        return one == two


def parse_vault_key(text: str) -> VaultName:
    """Read the identifier of a key; anything else is an ``InputError``, which does not repeat it.

    A key of a managed HSM is refused: that is another service, with roles of its own.
    """
    if _MANAGED_HSM.fullmatch(text):
        raise InputError(
            "it is a key of a managed HSM, which is another service and not supported",
            hint="use an RSA key of a vault; a premium vault keeps its keys in hardware, too",
        )
    found = _parse(text, "keys")
    if found is None:
        raise InputError(
            "it is not the identifier of a key in Azure Key Vault",
            hint="write it as in 'https://VAULT.vault.azure.net/keys/NAME'",
        )
    return found


def parse_vault_secret(text: str) -> VaultName:
    """Read the identifier of a secret; anything else is an ``InputError``."""
    found = _parse(text, "secrets")
    if found is None:
        raise InputError(
            "what follows keyvault: is not the identifier of a secret in Azure Key Vault",
            hint="write it as in 'keyvault:https://VAULT.vault.azure.net/secrets/NAME'",
        )
    return found


def _parse(text: str, kind: str) -> VaultName | None:
    found = _IDENTIFIER.fullmatch(text)
    if found is None or found["kind"].lower() != kind:
        return None
    if found["domain"].lower() not in VAULT_DOMAINS:
        return None
    return VaultName(
        vault=f"https://{found['vault']}.{found['domain']}".lower(),
        kind=kind,
        name=found["name"],
        version=(found["version"] or "").lower(),
    )
