"""From a URL to a store."""

from pathlib import Path

from core.stores.opening import open_store
from core.stores.settings import StoreSettings


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    store = open_store((tmp_path / "a").as_uri(), StoreSettings(), create=True)
    store.put("x", b"1")
    assert (tmp_path / "a" / "x").read_bytes() == b"1"
    assert store.vendor == "filesystem"
