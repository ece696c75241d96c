"""What a store's configuration means is told before anything is stored."""

from pathlib import Path

import pytest

from core.engine.check import Level
from proxy.config import Config, load_config
from proxy.store_findings import check_configured_store, describe_classes

TEXT = """\
version = 1
[stores.s]
endpoint = "{endpoint}"
[repositories.r]
url = "s3://bucket/x"
store = "s"
proxy = "hq"
retention_type = "item-level"
retention = "forever"
"""


def load(folder: Path, keys: str = "", endpoint: str = "https://s3.amazonaws.com") -> Config:
    path = folder / "coldhaul.toml"
    path.write_text(TEXT.format(endpoint=endpoint) + keys)
    return load_config(path)


def described(config: Config) -> str:
    return describe_classes(config, config.repository("r"))


def test_classes_are_described_with_what_they_cost(tmp_path: Path) -> None:
    assert described(load(tmp_path)) == (
        "packs in the bucket's default; everything else in the default"
    )
    assert described(load(tmp_path, 'storage_class = "DEEP_ARCHIVE"\n')) == (
        "packs in DEEP_ARCHIVE, a retrieval before they are read, billed for 180 days at least; "
        "everything else in the default"
    )
    keys = 'storage_class = "GLACIER_IR"\nmetadata_class = "STANDARD_IA"\n'
    assert described(load(tmp_path, keys)) == (
        "packs in GLACIER_IR, billed for 90 days at least, and for 128 KiB at least; everything "
        "else in STANDARD_IA"
    )


def test_a_folder_has_none_to_describe(tmp_path: Path) -> None:
    path = tmp_path / "coldhaul.toml"
    text = TEXT.replace('store = "s"\n', "").replace("s3://bucket/x", "file:///srv/x")
    path.write_text(text.format(endpoint="https://s3.example.com"))
    config = load_config(path)
    assert described(config) == ""
    assert list(check_configured_store(config, config.repository("r"))) == []


@pytest.mark.parametrize(
    ("endpoint", "levels"),
    [
        ("https://s3.example.com", [Level.OK]),
        ("http://127.0.0.1:9000", [Level.OK]),
        ("http://s3.example.com", [Level.OK, Level.WARNING]),
    ],
)
def test_plain_http_to_another_machine_is_a_warning(
    tmp_path: Path, endpoint: str, levels: list[Level]
) -> None:
    config = load(tmp_path, endpoint=endpoint)
    findings = list(check_configured_store(config, config.repository("r")))
    assert [finding.level for finding in findings] == levels
