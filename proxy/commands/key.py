"""``coldhaul key``: who may open a repository. Data is never encrypted anew (R9)."""

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.engine.keys import (
    add_cloud_key,
    add_passphrase,
    add_recovery,
    export_keyset,
    list_keys,
    remove_slot,
    rotate_keys,
)
from core.errors import ConflictError, InputError, StoreError
from core.sources.repository import open_repository, read_identity
from core.sources.unlocking import Secret
from core.stores.address import AMAZON_S3, AZURE_BLOB
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from core.stores.cloud_key import CloudKey
from core.stores.store import Store
from proxy.commands.arguments import OnlyCloudKeyOption, RepositoryName
from proxy.exits import DONE, WARNINGS
from proxy.invocation import Invocation, command, new_group
from proxy.opening import need_secret, open_store
from proxy.output import add_row, make_table
from proxy.secret import parse_secret_reference, read_secret
from proxy.store_settings import cloud_settings

SlotOption = Annotated[
    str | None, typer.Option("--name", metavar="KEY", help="What to call the new key.")
]
SlotArgument = Annotated[str, typer.Argument(metavar="KEY", help="The name of a key.")]
RecoveryOption = Annotated[
    bool, typer.Option("--recovery", metavar="", help="Make a recovery key and print it, once.")
]
KmsOption = Annotated[
    str | None,
    typer.Option("--kms", metavar="ARN", help="Let this key in AWS KMS open the repository."),
]
KeyVaultOption = Annotated[
    str | None,
    typer.Option(
        "--key-vault", metavar="URL", help="Let this key in Azure Key Vault open the repository."
    ),
]
PassphraseOption = Annotated[
    str | None,
    typer.Option(
        "--passphrase",
        metavar="REF",
        help="Where the new passphrase is: env:NAME, file:/path, secretsmanager:ARN or "
        "keyvault:URL.",
    ),
]
ToOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Write here instead of to stdout.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Show and change who may open a repository.")
    command(group, "list")(list_)
    command(group, "add")(add)
    command(group, "remove")(remove)
    command(group, "rotate")(rotate)
    command(group, "export")(export)
    app.add_typer(group, name="key")


def list_(invocation: Invocation, name: RepositoryName) -> int:
    """List the keys that open a repository. Needs no secret.

    Example: coldhaul key list vault
    """
    keys = list_keys(open_store(invocation, name))
    table = make_table("key", "kind", "usable here", "cloud key")
    for key in keys:
        add_row(table, key.name, key.kind, "yes" if key.is_usable else "no", key.key)
    rows = [
        {
            "name": key.name,
            "kind": key.kind,
            "is_usable": key.is_usable,
            "cloud_key": key.key or None,
        }
        for key in keys
    ]
    invocation.output.show({"repository": name, "keys": rows}, table)
    return DONE


def add(  # noqa: PLR0913  Each parameter is an argument or option of the command.
    invocation: Invocation,
    name: RepositoryName,
    slot: SlotOption = None,
    passphrase: PassphraseOption = None,
    is_recovery: RecoveryOption = False,
    kms: KmsOption = None,
    key_vault: KeyVaultOption = None,
) -> int:
    """Let a further passphrase, a recovery key or a key in a cloud open a repository.

    Without any of them the new passphrase is asked for on the terminal. To change a passphrase:
    add the new one, point the configuration to it, remove the old one.

    Example: coldhaul key add vault --name 2027 --passphrase env:NEW_PASSPHRASE

    Example: coldhaul key add vault --recovery

    Example: coldhaul key add vault --kms arn:aws:kms:eu-central-1:123456789012:key/ID

    Example: coldhaul key add vault --key-vault https://VAULT.vault.azure.net/keys/NAME
    """
    _refuse_several(passphrase, kms, key_vault, is_recovery=is_recovery)
    store = open_store(invocation, name)
    if is_recovery:
        return _add_recovery(invocation, store, name, slot or "recovery")
    if kms is not None:
        key = _make_key(invocation, name, "--kms", kms)
        return _add_cloud_key(invocation, store, name, slot or "kms", key)
    if key_vault is not None:
        key = _make_key(invocation, name, "--key-vault", key_vault)
        return _add_cloud_key(invocation, store, name, slot or "key-vault", key)
    if slot is None:
        raise InputError("a new passphrase needs a name", hint="Give one, as in --name 2027.")
    read_identity(store)
    secret = need_secret(invocation, name)
    add_passphrase(store, secret, _new_passphrase(invocation, name, passphrase), slot)
    invocation.output.show(
        {"repository": name, "name": slot, "kind": "passphrase"},
        f"Added {slot!r}. Every key keeps opening the repository until it is removed.",
    )
    return DONE


def _refuse_several(
    passphrase: str | None, kms: str | None, key_vault: str | None, *, is_recovery: bool
) -> None:
    given = {
        "--passphrase": passphrase is not None,
        "--kms": kms is not None,
        "--key-vault": key_vault is not None,
        "--recovery": is_recovery,
    }
    options = [option for option, is_given in given.items() if is_given]
    if len(options) > 1:
        raise InputError(
            f"{' and '.join(options)} exclude each other",
            hint="Run the command once for each.",
        )


def _add_recovery(invocation: Invocation, store: Store, name: str, slot: str) -> int:
    text = add_recovery(store, need_secret(invocation, name), slot)
    invocation.output.show(
        {"repository": name, "name": slot, "kind": "recovery", "recovery_key": text},
        f"Added {slot!r}. This recovery key is stored nowhere and not shown again:",
        f"\n  {text}\n",
        "Keep it on paper, away from this machine. It is used in place of the passphrase.",
    )
    return DONE


def _make_key(invocation: Invocation, name: str, option: str, text: str) -> CloudKey:
    kind, vendor = (KmsKey, AMAZON_S3) if option == "--kms" else (VaultKey, AZURE_BLOB)
    config = invocation.config
    settings = cloud_settings(config, config.repository(name), vendor)
    try:
        return kind(text, settings)
    except InputError as error:
        raise InputError(f"{option}: {error.message}", hint=error.hint) from error


def _add_cloud_key(
    invocation: Invocation, store: Store, name: str, slot: str, key: CloudKey
) -> int:
    add_cloud_key(store, need_secret(invocation, name), key, slot)
    doing = {"aws-kms": "decrypt", "azure-key-vault": "unwrap"}[key.kind]
    invocation.output.show(
        {"repository": name, "name": slot, "kind": key.kind, "cloud_key": key.key},
        f"Added {slot!r}: whoever may use {key.key} to {doing} opens {name!r}.",
        "Keep a recovery key as well: who deletes the key in the cloud closes this way for good.",
    )
    return DONE


def _new_passphrase(invocation: Invocation, name: str, text: str | None) -> str:
    if text is not None:
        config = invocation.config
        try:
            reference = parse_secret_reference(text)
            settings = cloud_settings(config, config.repository(name), reference.vendor)
            return read_secret(reference, "--passphrase", settings)
        except InputError as error:
            raise InputError(f"--passphrase: {error.message}", hint=error.hint) from error
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask for the new passphrase on",
            hint="Say where it is with --passphrase env:NAME, file:/path, secretsmanager:ARN or "
            "keyvault:URL.",
        )
    first = getpass.getpass("New passphrase: ")
    if first != getpass.getpass("Once more: "):
        raise InputError("the two passphrases differ", hint="Run the command again.")
    return first


def remove(
    invocation: Invocation,
    name: RepositoryName,
    slot: SlotArgument,
    is_only_cloud_key: OnlyCloudKeyOption = False,
) -> int:
    """Remove a key: no stored keyset opens with it any more.

    The last one stays, and without --only-cloud-key the last that is in no cloud.

    Example: coldhaul key remove vault main
    """
    store = open_store(invocation, name)
    secret = need_secret(invocation, name)
    remove_slot(store, secret, slot, may_leave_cloud_keys_only=is_only_cloud_key)
    still_opens = _opens(store, secret)
    document = {"repository": name, "name": slot, "configured_secret_opens": still_opens}
    invocation.output.show(document, f"Removed {slot!r}.")
    if still_opens:
        return DONE
    invocation.output.warn(
        f"the secret that {invocation.config_path} refers to no longer opens {name!r}: point "
        f"repositories.{name}.encryption to one that does"
    )
    return WARNINGS


def _opens(store: Store, secret: Secret) -> bool:
    try:
        open_repository(store, lambda: secret)
    except InputError:
        return False
    return True


def rotate(invocation: Invocation, name: RepositoryName) -> int:
    """Begin a new epoch: whatever is written from now on is sealed under a new content key.

    Example: coldhaul key rotate vault
    """
    count = rotate_keys(open_store(invocation, name), need_secret(invocation, name))
    invocation.output.show(
        {"repository": name, "epoch_count": count},
        f"Began epoch {count}. What is stored stays readable with the same secrets.",
    )
    return DONE


def export(invocation: Invocation, name: RepositoryName, file: ToOption = None) -> int:
    """Export the keyset, to be kept elsewhere. It opens nothing without a secret.

    Example: coldhaul key export vault --to vault-keyset.json
    """
    content = export_keyset(open_store(invocation, name))
    keyset = json.loads(content)
    if file is None:
        invocation.output.show({"repository": name, "keyset": keyset}, content.decode().rstrip())
        return DONE
    _write_private(file, content)
    invocation.output.show({"repository": name, "file": str(file)}, f"Wrote {file}.")
    return DONE


def _write_private(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConflictError(
            f"{path} exists already, and is left as it is", hint="Choose another name."
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            hint="Check that the folder exists and that you may write in it.",
        ) from error
