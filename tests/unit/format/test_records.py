"""Values as JSON: equal values give equal bytes, and what does not fit is named."""

import dataclasses
import json

import pytest

from core.errors import InputError, IntegrityError
from core.format import records
from core.ids import PointId, RepositoryId, SessionId
from core.model import (
    Identity,
    Layer,
    Parameters,
    Record,
    RetentionType,
    SessionKind,
    TableObject,
)

TABLE = TableObject(name="layers/x-0.parquet", size=1, sha256="00", rows=3)
RECORD = Record(
    source_id=RepositoryId("1" * 32),
    source_point=PointId(f"20260101T000000000001Z-{'2' * 32}"),
    session_id=SessionId("3" * 32),
    kind=SessionKind.COPY,
    job_id=None,
    parent=None,
    layers=(Layer(objects=(TABLE,), rows=3),),
    warnings=("a warning",),
)
IDENTITY = Identity(
    id=RepositoryId("1" * 32),
    format_version=1,
    retention_type=RetentionType.ITEM_LEVEL,
    is_encrypted=True,
    created="20260101T000000000001Z",
    parameters=Parameters(pack_size=1000),
)


def test_a_value_comes_back_as_it_was() -> None:
    data = records.encode(RECORD)
    assert records.decode(Record, data, "name") == RECORD
    assert records.encode(dataclasses.replace(RECORD)) == data


def test_fields_of_later_versions_are_ignored() -> None:
    value = json.loads(records.encode(RECORD)) | {"colour": "blue"}
    assert records.decode(Record, json.dumps(value).encode(), "name") == RECORD


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"source_id": 1}'],
    ids=range(7),
)
def test_what_is_no_record_is_damage_and_named(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="restore-points/x is damaged"):
        records.decode(Record, data, "restore-points/x")


def test_a_mistyped_field_is_named() -> None:
    value = json.loads(records.encode(RECORD))
    value["layers"][0]["rows"] = "many"
    with pytest.raises(IntegrityError, match=r"layers\.0\.rows"):
        records.decode(Record, json.dumps(value).encode(), "name")


def test_an_object_of_absurd_size_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "JSON_SIZE_MAX", 10)
    with pytest.raises(IntegrityError, match="bytes long"):
        records.decode(Record, records.encode(RECORD), "name")


def test_an_identity_is_plain_text_that_says_what_it_is() -> None:
    data = records.encode_identity(IDENTITY)
    assert json.loads(data)["format"] == "coldhaul"
    assert data.endswith(b"}\n")
    assert records.decode_identity(data, "here") == IDENTITY


def test_a_newer_format_asks_for_a_newer_coldhaul() -> None:
    data = records.encode_identity(dataclasses.replace(IDENTITY, format_version=2))
    with pytest.raises(InputError, match="version 2") as caught:
        records.decode_identity(data, "here")
    assert "newer" in caught.value.hint


@pytest.mark.parametrize(
    "data", [b"", b"[1]", b'{"format": "other"}', b'{"format": "coldhaul"}', b"\x80"], ids=range(5)
)
def test_what_is_no_identity_is_damage(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="here is damaged"):
        records.decode_identity(data, "here")
