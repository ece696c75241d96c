"""``coldhaul init``: a commented starter configuration."""

import os
from pathlib import Path

import typer

from core.errors import ConflictError, StoreError
from proxy.exits import DONE
from proxy.invocation import Invocation, command

STARTER = """\
# What coldhaul works on. `coldhaul repository check NAME` tries what is written here.
# Lines that begin with '#' and no blank are examples: take the '#' away to use them.
version = 1

# Where backups go: small blobs, quickly read. `coldhaul backup DIR --to primary` fills it.
[repositories.primary]
url = "file:///srv/backups/primary"    # or s3://BUCKET/PREFIX, or az://CONTAINER/PREFIX
proxy = "hq"                           # the machine that does the work, or: proxy_pool = "..."
retention_type = "snapshot-based"      # whole restore points age; "item-level": each item does
retention = "1 year"                   # N days, weeks, months or years, or "forever"

# Where copies go: few large packs, encrypted.
[repositories.vault]
url = "file:///srv/vault"
proxy = "hq"                           # a copy needs the same proxy or pool on both ends
retention_type = "snapshot-based"      # ... and the same retention type; periods may differ
retention = "7 years"
# Only where the passphrase is, never the passphrase: "env:NAME", or "file:/path" of a file that
# only you can read. Without it the copies cannot be read: keep it somewhere else as well.
encryption.passphrase = "env:VAULT_PASSPHRASE"

# The standing order: copy new restore points of primary into vault.
[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"               # or "immediate", or "periodic 30 min" (5 min to 12 h)
#allow_damaged = true                  # publish a copy although items of the source are damaged

# Copies in Amazon S3, in a class that is cheap and has to be retrieved before a restore. The bucket
# has to exist. Credentials are those of the environment, of ~/.aws or of the machine's role.
#[stores.amazon]
#region = "eu-central-1"
#role_arn = "arn:aws:iam::123456789012:role/coldhaul"   # a role to assume
#write_bandwidth = "100 Mbit/s"        # or in bytes, as in "50 MB/s"

#[repositories.glacier]
#url = "s3://bucket-name/coldhaul"
#store = "amazon"
#storage_class = "DEEP_ARCHIVE"        # of packs; everything else stays readable at once
#proxy = "hq"
#retention_type = "snapshot-based"
#retention = "10 years"
#encryption.passphrase = "env:VAULT_PASSPHRASE"
# With no passphrase on this machine: "secretsmanager:ARN" of one in AWS Secrets Manager, or, in
# place of that line, encryption.kms = "ARN" of a key in AWS KMS that was added before, with
# `coldhaul key add glacier --kms ARN`.

# S3-compatible storage of another vendor: the same with an endpoint.
#[stores.compatible]
#endpoint = "https://s3.example.com"
#profile = "copies"                    # of ~/.aws/config
#ca_bundle = "/etc/ssl/own-ca.pem"     # if its certificate is of an authority of your own

# Azure Blob Storage: the endpoint says which account. Credentials are those of the environment, of
# the machine's managed identity or of `az login`.
#[stores.azure]
#endpoint = "https://ACCOUNT.blob.core.windows.net"
#account_key = "env:AZURE_ACCOUNT_KEY" # only for accounts without Entra ID

#[repositories.archive]
#url = "az://container-name/coldhaul"
#store = "azure"
#storage_class = "Archive"
#proxy = "hq"
#retention_type = "snapshot-based"
#retention = "10 years"
#encryption.passphrase = "env:VAULT_PASSPHRASE"
# With no passphrase on this machine: "keyvault:URL" of a secret in Azure Key Vault, or, in place of
# that line, encryption.key_vault = "https://VAULT.vault.azure.net/keys/NAME" of a key there that
# was added before, with `coldhaul key add archive --key-vault URL`.

# Whatever another tool writes into a bucket can be copied as well; nothing is ever written there.
#[repositories.restic]
#kind = "bucket"
#url = "s3://another-bucket/restic"
#store = "compatible"
#proxy = "hq"
#retention_type = "snapshot-based"

#[jobs.restic]
#source = "restic"
#target = "archive"
#schedule = "daily 23:00 Mon-Fri"       # each run copies what is in the bucket then
#window = ["20:00-06:00"]               # runs stop and go on so that they work only then
#notify = ["ops"]

# `coldhaul proxy run` keeps the schedule of the jobs whose repositories name this proxy, or pool.
#[proxy]
#name = "hq"                            # or: pool = "..."
#time_zone = "Europe/Berlin"            # in which schedules and windows are meant; default UTC

#[notify.ops]
#kind = "webhook"                       # or "mail": host, from, to, user, password
#url = "env:HOOK_URL"
#on = ["Failed", "Warning", "Error"]
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "init")(init)


def init(invocation: Invocation) -> int:
    """Write a commented starter configuration.

    It goes to coldhaul.toml here, or where --config says, and never over a file that exists.

    Example: coldhaul init
    """
    path = invocation.config_path
    _create(path)
    invocation.output.show(
        {"config": str(path)},
        f"Wrote {path}. Edit it, then run: "
        + invocation.command_line("repository", "create", "primary"),
    )
    return DONE


def _create(path: Path) -> None:
    try:
        # Exclusive: a configuration that is there was edited by somebody.
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConflictError(
            f"{path} exists already, and is left as it is",
            hint="Edit it, or write another with --config PATH.",
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            hint="Check that the folder exists and that you may write in it.",
        ) from error
