"""Put together the package of the appliance's functions in AWS.

``python -m infra.aws.package FOLDER [--architecture arm64|x86_64]``, in the folder of the source
tree; ``sam build`` calls it for each function (function/Makefile). What was put together once is
kept in build/aws-ARCHITECTURE and taken again until something that it is made of has changed.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra import packaging
from infra.packaging import ARCHITECTURES, ROOT, Contents, size

# Lambda refuses 250 MB unpacked. Below this there is room for what a day brings.
PACKAGE_SIZE_MAX = 200_000_000
CONTENTS = Contents(
    ours=("core", "appliance_aws"),
    # What only the proxy, or another vendor's stores and functions, need.
    without=frozenset(
        {
            *("azure-functions", "azure-functions-durable", "azure-identity", "azure-storage-blob"),
            *("azure-keyvault-keys", "azure-keyvault-secrets"),
            *("prometheus-client", "rich", "typer", "tzdata"),
        }
    ),
)
# Of the hundreds of services that botocore describes, those that functions ask.
SERVICES = frozenset({"kms", "s3", "secretsmanager", "sts"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    architecture = os.environ.get("COLDHAUL_ARCHITECTURE", "arm64")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=architecture)
    chosen = parser.parse_args(arguments)
    shutil.copytree(kept_package(chosen.architecture), chosen.folder, dirs_exist_ok=True)


def kept_package(architecture: str) -> Path:
    """Return the folder of a package as it is now, put together unless it was before."""
    kept = ROOT / "build" / f"aws-{architecture}"
    with packaging.lock(kept):
        stamp, package = kept / "made-from", kept / "package"
        made_from = fingerprint(architecture)
        if not stamp.is_file() or stamp.read_text() != made_from:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            put_together(package, architecture)
            stamp.write_text(made_from)
        return package


def fingerprint(architecture: str) -> str:
    """Say what a package is made of."""
    return packaging.fingerprint(architecture, CONTENTS, [Path(__file__)])


def put_together(folder: Path, architecture: str) -> None:
    """Install all into a folder, and refuse what Lambda would."""
    packaging.install(folder, architecture, CONTENTS)
    for service in (folder / "botocore/data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    if size(folder) > PACKAGE_SIZE_MAX:
        raise SystemExit(
            f"{folder} has {size(folder):,} bytes, more than {PACKAGE_SIZE_MAX:,}: Lambda takes "
            "250 MB, and there has to be room. Keep a dependency out of it (CONTENTS)."
        )


if __name__ == "__main__":
    main()
