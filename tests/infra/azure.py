"""Parameters that the tests deploy the Bicep files with."""

import json
from typing import Any

from tests.infra.bicep_syntax import FOLDER

PROXY, PRUNER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
FUNCTIONS = "<coldhaul-vault-identity.properties.principalId>"
SERVED: dict[str, Any] = {
    "appName": "coldhaul-vault",
    "audience": "api://33333333-3333-3333-3333-333333333333",
    "sourceAccount": "backups",
    "sourceContainer": "example-backups",
    "sourcePrefix": "primary",
    "targetAccount": "copies",
    "targetContainer": "example-copies",
    "targetPrefix": "vault",
}
VAULT = "https://example-vault.vault.azure.net"
EVERYTHING: dict[str, Any] = {
    **SERVED,
    "sourceResourceGroup": "backups",
    "targetResourceGroup": "copies",
    "targetSubscription": "00000000-0000-0000-0000-00000000bbbb",
    "targetVaultKey": f"{VAULT}/keys/Vault/0123456789abcdef0123456789abcdef",
    "targetVaultResourceGroup": "keys",
    "sourceSecret": f"{VAULT}/secrets/primary",
    "sourceVaultResourceGroup": "keys",
    "proxyPrincipalIds": [PROXY],
    "prunePrincipalIds": [PRUNER],
    "jobId": "nightly",
    "schedule": "0 0 22 * * *",
    "startOnNewPoint": True,
    "subscribeToEvents": True,
    "alertEmail": "backups@example.com",
    "alertActionGroupIds": ["/subscriptions/s/resourceGroups/g/providers/x/actionGroups/night"],
}


def example() -> dict[str, Any]:
    """Return the parameters of the file beside main.bicep."""
    found = json.loads((FOLDER / "main.parameters.json").read_text())["parameters"]
    return {name: each["value"] for name, each in found.items()}
