"""Which keys a table has to have, and must not have, because of its other keys.

Judged on the tables as they were written, so that a key whose value is wrong counts as there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.appliance_rules import check_keys
from proxy.problems import key_path, problem
from proxy.tables import Kind

_FORBIDDEN_IN_BUCKETS = {
    "encryption": "what is in a bucket is read as it stands, and only a repository has keys",
    "retention": "nothing is ever deleted from a bucket",
    "metadata_class": "nothing is ever written to a bucket",
    "appliance": "an appliance is that of the repository that a bucket is copied to",
}

# What a repository is opened by, of which it has one.
_WAYS_IN = {"passphrase": "a passphrase", "kms": "a KMS key", "key_vault": "a key in Key Vault"}


def check_shapes(repositories: Mapping[str, Any]) -> Iterator[str]:
    """Check that each table of ``repositories`` has the keys that its kind needs, and no other."""
    for name, table in repositories.items():
        if isinstance(table, dict):
            yield from _check_runner(name, table)
            yield from _check_kind(name, table)
            yield from _check_encryption(name, table.get("encryption"))
            yield from check_keys(name, table.get("appliance"))


def _check_runner(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    if "proxy" in table and "proxy_pool" in table:
        location = ("repositories", name, "proxy_pool")
        what, hint = "there is a proxy as well", "keep one of proxy and proxy_pool"
        yield problem(location, table["proxy_pool"], what, hint)
    elif "proxy" not in table and "proxy_pool" not in table:
        where = key_path(("repositories", name))
        hint = 'say which proxy works on it, as in proxy = "hq", or give a proxy_pool'
        yield f"{where}: it has neither proxy nor proxy_pool; {hint}"


def _check_encryption(name: str, table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        return
    location = ("repositories", name, "encryption")
    there = [key for key in _WAYS_IN if key in table]
    for key in there[1:]:
        hint = (
            "keep the one that this machine opens the repository by; the other stays one of its "
            "keys all the same"
        )
        what = f"there is {_WAYS_IN[there[0]]} as well"
        yield problem((*location, key), table[key], what, hint)
    if not there:
        hint = (
            'say where the passphrase is, as in encryption.passphrase = "env:NAME", or which key '
            'in a cloud opens it, as in encryption.kms = "arn:aws:kms:..." or '
            'encryption.key_vault = "https://VAULT.vault.azure.net/keys/NAME"'
        )
        yield f"{key_path((*location, 'passphrase'))}: it is missing; {hint}"


def _check_kind(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    kind = table.get("kind", Kind.REPOSITORY)
    if kind == Kind.REPOSITORY and "retention" not in table:
        where = key_path(("repositories", name, "retention"))
        hint = 'say how long restore points are kept, as in retention = "7 years"'
        yield f"{where}: it is missing; {hint}"
    if kind == Kind.BUCKET:
        for key in _FORBIDDEN_IN_BUCKETS.keys() & table.keys():
            what = _FORBIDDEN_IN_BUCKETS[key]
            hint = 'remove it, or the line kind = "bucket" if this is a repository'
            yield problem(("repositories", name, key), table[key], what, hint)
