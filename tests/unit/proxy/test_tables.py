"""Each key of the configuration by itself."""

import pytest
from pydantic import ValidationError

from core.errors import InputError
from proxy.tables import JobTable, RepositoryTable, parse_name

REPOSITORY = {
    "url": "file:///srv/vault",
    "proxy": "hq",
    "retention_type": "item-level",
    "retention": "forever",
}


def test_a_repository_knows_its_folder() -> None:
    table = RepositoryTable.model_validate(REPOSITORY)
    assert str(table.folder) == "/srv/vault"
    assert table.encryption is None


def test_a_table_cannot_be_changed() -> None:
    table = RepositoryTable.model_validate(REPOSITORY)
    with pytest.raises(ValidationError):
        table.url = "file:///srv/other"


def test_no_value_is_bent_into_its_type() -> None:
    job = {"source": "a", "target": "b", "schedule": "immediate", "fallback": 1}
    with pytest.raises(ValidationError):
        JobTable.model_validate(job)


@pytest.mark.parametrize("name", ["a", "A-1_b", "0", "x" * 64])
def test_a_name_is_letters_digits_and_dashes(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "ü", "x" * 65, "a\n"])
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        parse_name(name)
