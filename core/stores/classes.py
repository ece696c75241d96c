"""Every storage class of Amazon S3 and every tier of Azure Blob: what it costs and is good for.

Sources: the vendors' documentation of classes and tiers. Prices are elsewhere; here is what a
decision depends on: whether a read needs a retrieval first, and what is billed at least.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from core.errors import InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB, FILESYSTEM, S3_COMPATIBLE

_SIZE_MIN = 128 << 10
_FOREIGN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Use(Enum):
    """What a class is wanted for."""

    PACKS = "storage_class"
    METADATA = "metadata_class"
    SOURCE = "the class of a source"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """One class. ``name`` is sent to the vendor; empty leaves the choice to it.

    ``days_min`` and ``size_min`` are billed at least, whatever an object's age and size are.
    ``is_archive``: for the packs of copies only, never metadata or a source (R6). ``refusal`` says
    why we do not write into it at all.
    """

    name: str
    vendor: str
    needs_retrieval: bool = False
    is_archive: bool = False
    days_min: int = 0
    size_min: int = 0
    refusal: str = ""

    def can_be(self, use: Use) -> bool:
        """Say whether this class is good for a use."""
        return not self.refusal and (use is Use.PACKS or not self.is_archive)


def _amazon(name: str, **parts: object) -> StorageClass:
    return StorageClass(name=name, vendor=AMAZON_S3, **parts)  # type: ignore[arg-type]


def _azure(name: str, **parts: object) -> StorageClass:
    return StorageClass(name=name, vendor=AZURE_BLOB, **parts)  # type: ignore[arg-type]


_ELSEWHERE = "Amazon assigns it by itself to what is not in an ordinary bucket"

CLASSES = (
    _amazon("STANDARD"),
    # Its optional archive tiers are per bucket and show on single objects only.
    _amazon("INTELLIGENT_TIERING"),
    _amazon("STANDARD_IA", days_min=30, size_min=_SIZE_MIN),
    _amazon("ONEZONE_IA", days_min=30, size_min=_SIZE_MIN),
    _amazon("GLACIER_IR", is_archive=True, days_min=90, size_min=_SIZE_MIN),
    _amazon("GLACIER", needs_retrieval=True, is_archive=True, days_min=90),
    _amazon("DEEP_ARCHIVE", needs_retrieval=True, is_archive=True, days_min=180),
    _amazon(
        "REDUCED_REDUNDANCY", refusal="it loses objects more often than STANDARD and costs more"
    ),
    _amazon(
        "EXPRESS_ONEZONE", refusal="it is the class of directory buckets, which list in no order"
    ),
    _amazon("OUTPOSTS", refusal=_ELSEWHERE),
    _amazon("SNOW", refusal=_ELSEWHERE),
    _amazon("FSX_OPENZFS", refusal=_ELSEWHERE),
    _amazon("FSX_ONTAP", refusal=_ELSEWHERE),
    _amazon("AWS_BACKUP_WARM", refusal=_ELSEWHERE),
    _amazon("AWS_BACKUP_LOW_COST_WARM", refusal=_ELSEWHERE),
    _azure("Hot"),
    _azure("Cool", days_min=30),
    _azure("Cold", days_min=90),
    _azure("Archive", needs_retrieval=True, is_archive=True, days_min=180),
    _azure("Smart", refusal="Azure moves objects between its tiers, so no cost can be foretold"),
    _azure("Premium", refusal="it is the kind of an account, which a blob in it has anyway"),
)


def find_storage_class(name: str, vendor: str) -> StorageClass | None:
    """Return what is known of a class that a vendor reports, None if it is not in the table.

    S3-compatible stores use Amazon's names with Amazon's meaning, and names of their own.
    """
    owner = AMAZON_S3 if vendor == S3_COMPATIBLE else vendor
    for entry in CLASSES:
        if entry.vendor == owner and entry.name.lower() == name.lower():
            return entry
    return None


def class_name(text: str, vendor: str) -> str:
    """Write a class as its vendor does; one that is not named is what the vendor gives then.

    At Azure that is set per account, and stays empty here.
    """
    if not text and vendor == AMAZON_S3:
        return "STANDARD"
    found = find_storage_class(text, vendor)
    return text if found is None else found.name


def needs_retrieval(name: str, vendor: str) -> bool:
    """Say whether objects of a class that a vendor reports have to be retrieved to be read."""
    found = find_storage_class(name, vendor)
    return found is not None and found.needs_retrieval


def parse_storage_class(text: str, vendor: str, use: Use) -> StorageClass:
    """Read a class as the configuration names it, or say why it is none for this use.

    An empty text leaves the class to the vendor.
    """
    if not text:
        return StorageClass(name="", vendor=vendor)
    if vendor == FILESYSTEM:
        raise InputError(
            f"a folder has no storage classes, so {use.value} cannot be {text!r}",
            hint=f"Leave {use.value} out.",
        )
    found = find_storage_class(text, vendor)
    if vendor == S3_COMPATIBLE and (found is None or found.refusal):
        return _parse_foreign(text, vendor)
    if found is None:
        raise InputError(f"{vendor} has no storage class {text!r}", hint=_suggest(text, vendor))
    if not found.can_be(use):
        raise InputError(_explain(found, use), hint=f"{_choices(vendor, use)} can be chosen.")
    return found


def _parse_foreign(text: str, vendor: str) -> StorageClass:
    """Take a class of an S3-compatible vendor's own on trust; the vendor refuses what it lacks."""
    if not _FOREIGN.fullmatch(text):
        raise InputError(
            f"{text!r} cannot be the name of a storage class",
            hint="Write it as the vendor's documentation does; it has no spaces.",
        )
    return StorageClass(name=text, vendor=vendor)


def _explain(found: StorageClass, use: Use) -> str:
    if found.refusal:
        return f"nothing is written into the class {found.name}: {found.refusal}"
    if use is Use.METADATA:
        return (
            f"{found.name} is a class for packs and cannot hold metadata, which is read again and "
            "again to plan, list and verify"
        )
    return f"{found.name} is a class for copies and cannot be the source of one"


def _suggest(text: str, vendor: str) -> str:
    names = {entry.name.lower(): entry.name for entry in CLASSES if entry.vendor == vendor}
    wanted = re.sub(r"[^a-z0-9]+", "_", text.lower())
    near = get_close_matches(wanted, names, n=1)
    return f"Did you mean {names[near[0]]}?" if near else f"{_choices(vendor, Use.PACKS)} exist."


def _choices(vendor: str, use: Use) -> str:
    owner = AMAZON_S3 if vendor == S3_COMPATIBLE else vendor
    return ", ".join(e.name for e in CLASSES if e.vendor == owner and e.can_be(use))
