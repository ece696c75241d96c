"""RSA keys of Azure Key Vault, whose private half never leaves the vault.

RSA-OAEP knows no context. So what is wrapped begins with it: one line ``name=value`` for each of
its entries, in order of name, then the bytes themselves.

The vault wraps, though the public half would do: so it asks for the permission, heeds the key's
dates and writes its log. Azure's CryptographyClient would wrap here.
"""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from core.errors import InputError
from core.stores.azure_vault_names import VaultName, parse_vault_key
from core.stores.cloud_key import Wrapping
from core.stores.settings import StoreSettings

if TYPE_CHECKING:
    from azure.keyvault.keys import KeyClient

    from core.stores.azure_vault import AzureVault
    from core.stores.azure_vault_errors import VaultRequest

_ROLE = "Key Vault Crypto Service Encryption User"
_ALGORITHM = "RSA-OAEP-256"


class VaultKey:
    """An RSA key in a vault. Azure's libraries are loaded when it is first used.

    Its name may have a version: then that one wraps, otherwise the newest. What an older version
    wrapped stays readable, for a wrapping names its version. ``settings`` say who asks and by
    which way; their endpoint is a store's and not asked.
    """

    kind: Literal["azure-key-vault"] = "azure-key-vault"

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Take the identifier of a key; any other text is an ``InputError`` that hides it.

        Nothing is asked yet.
        """
        self._name = parse_vault_key(url)
        self._settings = settings
        self._vault: AzureVault[KeyClient] | None = None

    def __repr__(self) -> str:
        """Say which key it is, and no more."""
        return f"VaultKey({self.key!r})"

    @property
    def key(self) -> str:
        """The identifier."""
        return self._name.url

    def is_same(self, key: str) -> bool:
        """Say whether a stored identifier is this key's, whichever version it names."""
        return self._find(key) is not None

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> Wrapping:
        """Wrap a few bytes by the newest version, or the one that the key's name says."""
        return self._ask("wrapKey", self._name, _enclose(context) + plain)

    def unwrap(self, wrapping: Wrapping, context: Mapping[str, str]) -> bytes:
        """Unwrap by the version that wrapped; of another key or context: ``IntegrityError``."""
        from core.stores.azure_vault_errors import changed_wrapping

        used = self._find(wrapping.key)
        if used is None:
            raise changed_wrapping()
        enclosed, expected = self._ask("unwrapKey", used, wrapping.data).data, _enclose(context)
        if not enclosed.startswith(expected):
            raise changed_wrapping()
        return enclosed[len(expected) :]

    def _ask(
        self, doing: Literal["wrapKey", "unwrapKey"], name: VaultName, data: bytes
    ) -> Wrapping:
        """Have the vault use a version of the key; return what came out, and which it was."""
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        from core.stores.azure_vault_errors import useless_input

        request = self._request(doing, name.url)
        # Without a version there is nothing between the slashes, as in Azure's own libraries.
        path = f"/keys/{name.name}/{name.version}/{doing.lower()}"
        body = {"alg": _ALGORITHM, "value": base64.urlsafe_b64encode(data).decode().rstrip("=")}

        def use(client: "KeyClient") -> Wrapping:
            answer = client.send_request(HttpRequest("POST", path, json=body))
            try:
                answer.raise_for_status()
            except HttpResponseError as error:
                raise useless_input(error, request) or error from None
            return self._read(answer.json(), name.version)

        return self._open().call(request, use)

    def _read(self, answer: object, version: str) -> Wrapping:
        """Read what the vault answers, asked for a version; ``ValueError`` if it never would."""
        fields = answer if isinstance(answer, dict) else {}
        text, used = fields.get("value"), self._find(str(fields.get("kid", "")))
        if not isinstance(text, str) or used is None or not used.version:
            raise ValueError("neither a value nor the key that made it")
        if version and used.version != version:
            raise ValueError("another version than was asked")
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return Wrapping(key=used.url, data=data)

    def _find(self, key: str) -> VaultName | None:
        """Read the identifier of a version of this key; None if it is anything else."""
        try:
            found = parse_vault_key(key)
        except InputError:
            return None
        return found if found.is_same_object(self._name) else None

    def _open(self) -> "AzureVault[KeyClient]":
        if self._vault is None:
            from azure.keyvault.keys import KeyClient

            from core.stores.azure_vault import AzureVault

            self._vault = AzureVault(self._name.vault, self._settings, KeyClient)
        return self._vault

    def _request(self, doing: str, location: str) -> "VaultRequest":
        from core.stores.azure_vault_errors import VaultRequest

        return VaultRequest(
            doing=f"{doing.removesuffix('Key')} a key with",
            location=location,
            vault=self._name.vault,
            what="key",
            permission=f"keys/{doing}",
            role=_ROLE,
        )


def _enclose(context: Mapping[str, str]) -> bytes:
    """Write a context as the lines that stand before what is wrapped under it."""
    lines = [f"{name}={value}\n" for name, value in sorted(context.items())]
    assert all(line.count("\n") == 1 for line in lines), "a context has one line for each entry"
    return "".join(lines).encode()
