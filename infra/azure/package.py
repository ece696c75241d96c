"""Put together the function app of the appliance in Azure: a folder, and a zip of it to deploy.

``python -m infra.azure.package``, in the folder of the source tree; ``make azure-package`` calls
it. The folder is build/azure, the zip build/azure.zip. Both are taken again until something that
they are made of has changed.
"""

import shutil
import zipfile
from pathlib import Path

from infra import packaging
from infra.packaging import ROOT, Contents, size

# Where a function app of Python has what it needs.
LIBRARIES = ".python_packages/lib/site-packages"
FUNCTION = Path(__file__).with_name("function")
# Flex Consumption has no other processors.
ARCHITECTURE = "x86_64"
# Each new instance fetches and unpacks it before anything runs.
PACKAGE_SIZE_MAX = 250_000_000
CONTENTS = Contents(
    ours=("core", "appliance_azure"),
    # What only the proxy, or another vendor's stores and functions, need.
    without=frozenset(
        {"aws-lambda-powertools", "boto3", "prometheus-client", "rich", "typer", "tzdata"}
    ),
)
# The moment of every file in the zip, so that the same contents are the same bytes.
_MOMENT = (2026, 1, 1, 0, 0, 0)


def main() -> None:
    """Have both made, and say where they are."""
    folder = kept_package()
    print(f"{folder}: {size(folder):,} bytes; {archive_of(folder)} is what is deployed")


def kept_package() -> Path:
    """Return the folder of the app as it is now, put together unless it was before."""
    folder = ROOT / "build/azure"
    with packaging.lock(folder):
        stamp = folder.with_suffix(".made-from")
        made_from = fingerprint()
        if not stamp.is_file() or stamp.read_text() != made_from:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            put_together(folder)
            _write_archive(folder)
            stamp.write_text(made_from)
        return folder


def archive_of(folder: Path) -> Path:
    """Return the zip beside a folder."""
    return folder.with_suffix(".zip")


def fingerprint() -> str:
    """Say what the app is made of."""
    files = sorted(path for path in FUNCTION.iterdir() if path.is_file())
    return packaging.fingerprint(ARCHITECTURE, CONTENTS, [Path(__file__), *files])


def put_together(folder: Path) -> None:
    """Fill a folder with the app."""
    packaging.install(folder / LIBRARIES, ARCHITECTURE, CONTENTS)
    for name in ("function_app.py", "host.json"):
        shutil.copyfile(FUNCTION / name, folder / name)
    if size(folder) > PACKAGE_SIZE_MAX:
        raise SystemExit(
            f"{folder} has {size(folder):,} bytes, more than {PACKAGE_SIZE_MAX:,}: every new "
            "instance waits for it. Keep a dependency out of it (CONTENTS)."
        )


def _write_archive(folder: Path) -> None:
    with zipfile.ZipFile(archive_of(folder), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
