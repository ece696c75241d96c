"""From a URL to a store."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InputError
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    store = open_store((tmp_path / "a").as_uri(), StoreSettings(), create=True)
    store.put("x", b"1")
    assert (tmp_path / "a" / "x").read_bytes() == b"1"
    assert store.vendor == "filesystem"


def test_a_file_url_opens_the_objects_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"content")
    bucket = open_bucket(tmp_path.as_uri(), StoreSettings())
    assert [listed.key for listed in bucket.list_page().objects] == ["one"]
    with pytest.raises(InputError):
        open_bucket("ftp://host/path", StoreSettings())


def test_an_s3_url_opens_a_store_that_has_asked_for_nothing_yet() -> None:
    store = open_store("s3://vault/a/", StoreSettings(endpoint="https://store.invalid"))
    assert (store.url, store.vendor) == ("s3://vault/a", "s3-compatible")


def test_an_azure_url_opens_store_and_bucket_that_have_asked_for_nothing_yet() -> None:
    settings = StoreSettings(endpoint="https://vault.invalid")
    store, bucket = open_store("az://vault/a/", settings), open_bucket("az://vault/a/", settings)
    assert (store.url, store.vendor) == ("az://vault/a", "azure-blob")
    assert (bucket.url, bucket.vendor) == ("az://vault/a", "azure-blob")


def test_an_s3_url_opens_a_bucket_that_has_asked_for_nothing_yet() -> None:
    bucket = open_bucket("s3://vault/a/", StoreSettings(endpoint="https://store.invalid"))
    assert (bucket.url, bucket.vendor) == ("s3://vault/a", "s3-compatible")


def test_slow_libraries_are_imported_only_by_who_needs_them() -> None:
    program = (
        "import sys, core.stores.opening\n"
        "print([name for name in ('boto3', 'botocore', 'obstore', 'azure') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout == b"[]\n"
