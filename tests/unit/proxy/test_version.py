"""Which version this is."""

from importlib import metadata

import pytest

from proxy import version


def test_it_is_the_installed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version.own_version() == metadata.version("coldhaul")

    def lack(_name: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(version, "version", lack)
    assert version.own_version() == ""
