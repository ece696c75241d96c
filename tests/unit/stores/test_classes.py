"""Every class that the vendors know is in the table, and is judged for what it is wanted for."""

import botocore.session
import pytest
from azure.storage.blob import StandardBlobTier

from core.errors import InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB, FILESYSTEM, S3_COMPATIBLE
from core.stores.classes import (
    CLASSES,
    Use,
    class_name,
    find_storage_class,
    needs_retrieval,
    parse_storage_class,
)

AT_ONCE = ["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA"]
RETRIEVED = ["GLACIER", "DEEP_ARCHIVE"]


def names(vendor: str) -> set[str]:
    return {entry.name for entry in CLASSES if entry.vendor == vendor}


def test_every_class_of_amazon_s_own_description_is_in_the_table() -> None:
    model = botocore.session.Session().get_service_model("s3")
    assert names(AMAZON_S3) == set(model.shape_for("StorageClass").enum)


def test_every_tier_of_azure_s_own_library_is_in_the_table() -> None:
    assert names(AZURE_BLOB) == {tier.value for tier in StandardBlobTier} | {"Premium"}


@pytest.mark.parametrize(
    ("vendor", "name", "packs", "metadata", "source"),
    [
        *[(AMAZON_S3, name, True, True, True) for name in AT_ONCE],
        (AMAZON_S3, "GLACIER_IR", True, False, False),
        *[(AMAZON_S3, name, True, False, False) for name in RETRIEVED],
        (AMAZON_S3, "REDUCED_REDUNDANCY", False, False, False),
        (AMAZON_S3, "EXPRESS_ONEZONE", False, False, False),
        (AMAZON_S3, "OUTPOSTS", False, False, False),
        (AMAZON_S3, "SNOW", False, False, False),
        *[(AZURE_BLOB, name, True, True, True) for name in ("Hot", "Cool", "Cold")],
        (AZURE_BLOB, "Archive", True, False, False),
        (AZURE_BLOB, "Smart", False, False, False),
        (AZURE_BLOB, "Premium", False, False, False),
    ],
)
def test_class_is_judged_for_each_use(
    vendor: str, name: str, packs: bool, metadata: bool, source: bool
) -> None:
    for use, is_good in zip(
        (Use.PACKS, Use.METADATA, Use.SOURCE), (packs, metadata, source), strict=True
    ):
        if is_good:
            assert parse_storage_class(name.lower(), vendor, use).name == name
        else:
            with pytest.raises(InputError, match=name) as caught:
                parse_storage_class(name, vendor, use)
            assert f"{name}, " not in f"{caught.value.hint}, "
            assert caught.value.hint.startswith(("STANDARD, ", "Hot, "))


def test_what_costs_for_days_is_known() -> None:
    days = {entry.name: entry.days_min for entry in CLASSES if entry.days_min}
    assert days == {
        "STANDARD_IA": 30,
        "ONEZONE_IA": 30,
        "GLACIER_IR": 90,
        "GLACIER": 90,
        "DEEP_ARCHIVE": 180,
        "Cool": 30,
        "Cold": 90,
        "Archive": 180,
    }


@pytest.mark.parametrize("vendor", [AMAZON_S3, S3_COMPATIBLE, AZURE_BLOB, FILESYSTEM])
def test_no_class_leaves_it_to_the_vendor(vendor: str) -> None:
    assert parse_storage_class("", vendor, Use.METADATA).name == ""


def test_compatible_store_has_classes_of_its_own_and_amazon_s() -> None:
    assert parse_storage_class("Vault-2", S3_COMPATIBLE, Use.METADATA).name == "Vault-2"
    # MinIO's second class.
    assert parse_storage_class("REDUCED_REDUNDANCY", S3_COMPATIBLE, Use.PACKS).refusal == ""
    assert parse_storage_class("GLACIER", S3_COMPATIBLE, Use.PACKS).needs_retrieval
    with pytest.raises(InputError, match="metadata"):
        parse_storage_class("GLACIER", S3_COMPATIBLE, Use.METADATA)
    with pytest.raises(InputError, match="a b"):
        parse_storage_class("a b", S3_COMPATIBLE, Use.PACKS)


@pytest.mark.parametrize(
    ("text", "vendor", "meant"),
    [
        ("Glacier Deep Archive", AMAZON_S3, "DEEP_ARCHIVE"),
        ("deep-archive", AMAZON_S3, "DEEP_ARCHIVE"),
        ("glacier_instant", AMAZON_S3, "GLACIER"),
        ("arch1ve", AZURE_BLOB, "Archive"),
    ],
)
def test_unknown_class_is_refused_with_what_was_meant(text: str, vendor: str, meant: str) -> None:
    with pytest.raises(InputError, match="has no storage class") as caught:
        parse_storage_class(text, vendor, Use.PACKS)
    assert meant in caught.value.hint


@pytest.mark.parametrize(
    ("text", "vendor", "name"),
    [
        ("", AMAZON_S3, "STANDARD"),
        ("deep_archive", AMAZON_S3, "DEEP_ARCHIVE"),
        ("", AZURE_BLOB, ""),
        ("ARCHIVE", AZURE_BLOB, "Archive"),
        ("own", S3_COMPATIBLE, "own"),
        ("", FILESYSTEM, ""),
    ],
)
def test_class_is_written_as_its_vendor_does(text: str, vendor: str, name: str) -> None:
    assert class_name(text, vendor) == name


def test_folder_has_no_classes() -> None:
    with pytest.raises(InputError, match="storage_class cannot be 'STANDARD'"):
        parse_storage_class("STANDARD", FILESYSTEM, Use.PACKS)


def test_class_that_a_vendor_reports_says_whether_it_can_be_read() -> None:
    assert needs_retrieval("DEEP_ARCHIVE", S3_COMPATIBLE)
    assert needs_retrieval("Archive", AZURE_BLOB)
    assert not needs_retrieval("GLACIER_IR", AMAZON_S3)
    assert not needs_retrieval("of next year", AMAZON_S3)
    assert find_storage_class("of next year", AMAZON_S3) is None
