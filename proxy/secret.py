"""Secrets by reference: the configuration says where a secret is and never what it is."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from core.errors import ColdhaulError, InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB
from core.stores.aws_names import parse_secret_name
from core.stores.aws_secrets import fetch_secret
from core.stores.azure_vault_names import parse_vault_secret
from core.stores.azure_vault_secret import fetch_vault_secret
from core.stores.settings import StoreSettings

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_SIZE_MAX = 4096
_HINT = (
    "put the secret into an environment variable and write 'env:NAME', into a file that only you "
    "can read and write 'file:/path/to/it', or into AWS Secrets Manager and write "
    "'secretsmanager:ARN', or into Azure Key Vault and write "
    "'keyvault:https://VAULT.vault.azure.net/secrets/NAME'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReference:
    """Where a secret is.

    ``env`` and a variable's name, ``file`` and an absolute path, ``secretsmanager`` and an ARN or
    name, or ``keyvault`` and an identifier.
    """

    kind: str
    place: str

    @property
    def vendor(self) -> str:
        """The vendor whose service keeps it, empty for this machine."""
        return {"secretsmanager": AMAZON_S3, "keyvault": AZURE_BLOB}.get(self.kind, "")

    def __str__(self) -> str:
        """Write it as the configuration does; it is no secret."""
        return f"{self.kind}:{self.place}"


def parse_secret_reference(text: str) -> SecretReference:
    """Read a reference. Whatever is none is taken for a secret, and never repeated."""
    kind, separator, place = text.partition(":")
    if kind == "env" and separator:
        if not _ENVIRONMENT_NAME.fullmatch(place):
            raise InputError(
                "what follows env: cannot be the name of an environment variable",
                hint="write letters, digits and '_', as in 'env:VAULT_PASSPHRASE'",
            )
        return SecretReference(kind=kind, place=place)
    if kind == "file" and separator:
        if not place.startswith("/") or "\0" in place:
            raise InputError(
                "what follows file: is not an absolute path",
                hint="write the whole path, as in 'file:/etc/coldhaul/vault.passphrase'",
            )
        return SecretReference(kind=kind, place=os.path.normpath("/" + place.lstrip("/")))
    if kind == "secretsmanager" and separator:
        return SecretReference(kind=kind, place=parse_secret_name(place).id)
    if kind == "keyvault" and separator:
        return SecretReference(kind=kind, place=parse_vault_secret(place).url)
    raise InputError(
        "it is not a reference; a secret itself must not stand here, where backups, logs and "
        "version control would carry it on",
        hint=_HINT,
    )


def read_secret(
    reference: SecretReference, where: str, settings: StoreSettings | None = None
) -> str:
    """Fetch a secret; ``where`` is the key path or option that refers to it, for errors.

    ``settings`` say as whom a cloud is asked for it; without them it is that cloud's own chain.
    """
    if reference.kind == "env":
        secret = os.environ.get(reference.place)
        if secret is None:
            raise InputError(
                f"{where} refers to the environment variable {reference.place}, which is not set",
                hint=f"Set it where coldhaul runs, for example: export {reference.place}=...",
            )
    elif reference.vendor:
        secret = _read_cloud(reference, where, settings or StoreSettings())
    else:
        secret = _read_file(Path(reference.place), where)
    if not secret.strip():
        raise InputError(
            f"{where} refers to {reference}, which is empty",
            hint="An empty passphrase protects nothing; put the secret there.",
        )
    return secret


def _read_cloud(reference: SecretReference, where: str, settings: StoreSettings) -> str:
    fetch = fetch_vault_secret if reference.kind == "keyvault" else fetch_secret
    try:
        return fetch(reference.place, settings)
    except ColdhaulError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error


def _read_file(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_SECRET_SIZE_MAX + 1)
    except OSError as error:
        raise InputError(
            f"{where} refers to the file {path}, which cannot be read: {error.strerror}",
            hint="Check the path, and that the user who runs coldhaul may read it.",
        ) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise InputError(
            f"{where} refers to the file {path}, which every user of this machine can read or "
            "write",
            hint=f"Run: chmod 600 {path}; and if others use the machine, change the secret.",
        )
    return _decode(content, path, where)


def _decode(content: bytes, path: Path, where: str) -> str:
    if len(content) > _SECRET_SIZE_MAX:
        raise InputError(
            f"{where} refers to the file {path}, which is longer than {_SECRET_SIZE_MAX} bytes",
            hint="The file holds the secret alone, on one line.",
        )
    try:
        # Editors end files with a newline that nobody means.
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} refers to the file {path}, which is not UTF-8 text",
            hint="The file holds the secret alone, as text on one line.",
        ) from error
