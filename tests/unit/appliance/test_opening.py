"""What opens an end is asked for once, by the way that the cloud has; ends have to fit (R1)."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.appliance.ends import End, Ends
from core.appliance.opening import Ways, check_retention, open_both, open_source, own_version
from core.errors import InputError
from core.sources.unlocking import Secret
from core.stores.settings import StoreSettings
from tests.support.copies import SECRET, Pair, make_pair

NAME = "the name of a secret"


class Asked:
    """Hands out the passphrase and keeps what it was asked for."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.keys: list[str] = []

    def secret(self, name: str) -> str:
        self.secrets.append(name)
        return SECRET

    def key(self, name: str) -> Secret:
        self.keys.append(name)
        return SECRET


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, is_encrypted=True)


def ends_of(pair: Pair, **others: str) -> Ends:
    return Ends(
        target=End(url=pair.target.url, secret=NAME, key=""),
        source=End(url=pair.source.url, secret="", key=NAME),
        source_kind="repository",
        retention_type="",
        storage_class="",
        metadata_class="",
    )


def ways(asked: Asked) -> Ways:
    plain = StoreSettings()
    return Ways(target=plain, source=plain, key=asked.key, secret=asked.secret)


def test_a_secret_is_fetched_and_a_key_is_made_by_name(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ends, "root", "a/vault/")
    asked = Asked()
    appliance = open_both(ends_of(pair), ways(asked), "azure", 3)
    assert (asked.secrets, asked.keys) == ([NAME], [NAME])
    assert (appliance.runner, appliance.root, appliance.core_count) == ("azure", "a/vault/", 3)
    assert (appliance.target.id, appliance.source.id) == (pair.target.id, pair.source.id)
    assert appliance.version == own_version() != ""


def test_a_bucket_is_opened_by_nothing(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    ends = replace(
        ends_of(pair),
        source=End(url=f"file://{tmp_path}/objects", secret="", key=""),
        source_kind="bucket",
        retention_type="item-level",
    )
    asked = Asked()
    source = open_source(ends, ways(asked))
    assert source.is_changing
    assert (asked.secrets, asked.keys) == ([], [])
    with pytest.raises(InputError, match=r"is snapshot-based and .* is item-level"):
        check_retention(pair.target, source)
    with pytest.raises(InputError, match="item-level"):
        open_both(ends, ways(asked), "azure", 1)


def test_an_encrypted_end_without_a_name_is_refused(pair: Pair) -> None:
    ends = replace(ends_of(pair), source=End(url=pair.source.url, secret="", key=""))
    with pytest.raises(InputError, match="is encrypted"):
        open_source(ends, ways(Asked()))
