"""From a URL to a store."""

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
