"""Names and ids: how they are written, and how packed ids follow from source ids."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest

from core import ids
from core.errors import InputError
from core.ids import RepositoryId, SessionId

KEY = bytes(range(32))


def test_new_ids_are_random_and_recognised() -> None:
    made = {ids.new_session_id(), ids.new_session_id(), ids.new_pack_id(), ids.new_repository_id()}
    assert len(made) == 4
    assert all(ids.is_hex_id(text) for text in made)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0" * 32 + "\n"])
def test_anything_else_is_no_hex_id(text: str) -> None:
    assert not ids.is_hex_id(text)


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [("nightly", True), ("a-b_C9", True), ("x" * 64, True), ("x" * 65, False), ("", False),
     ("-a", False), ("a b", False), ("a/b", False), ("..", False), ("ä", False), ("a\n", False)],
)  # fmt: skip
def test_a_job_id_is_a_plain_word(text: str, is_valid: bool) -> None:
    assert ids.is_job_id(text) is is_valid


def test_ids_of_content_are_digests_or_keyed() -> None:
    assert ids.loose_blob_id(b"x", None) == hashlib.sha256(b"x").digest()
    assert ids.loose_blob_id(b"x", KEY) == hmac.new(KEY, b"x", "sha256").digest()
    assert ids.content_digest(b"x") == hashlib.sha256(b"x").digest()


def test_a_packed_id_binds_source_id_and_space() -> None:
    message = b"sha256\0" + b"s" * 32
    assert ids.packed_blob_id(b"s" * 32, "sha256", None) == hashlib.sha256(message).digest()
    assert ids.packed_blob_id(b"s" * 32, "sha256", KEY) == hmac.digest(KEY, message, "sha256")
    assert ids.packed_blob_id(b"s" * 32, "bucket:x", KEY) != hmac.digest(KEY, message, "sha256")


def test_unencrypted_sources_share_a_space_and_encrypted_ones_do_not() -> None:
    repository_id = RepositoryId("0" * 32)
    assert ids.blob_space(repository_id, is_encrypted=False) == "sha256"
    assert ids.blob_space(repository_id, is_encrypted=True) == f"hmac:{repository_id}"


def test_moments_are_written_in_utc_and_sort_as_they_follow() -> None:
    moment = datetime(2026, 3, 1, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2)))
    text = ids.format_time(moment)
    assert text == "20260228T230203000004Z"
    assert ids.parse_time(text) == moment
    assert ids.format_time(moment + timedelta(microseconds=1)) > text
    assert ids.parse_time(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "20260228", "20260230T000000000000Z", "yesterday"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="moment"):
        ids.parse_time(text)


def test_a_point_id_is_its_moment_and_its_session() -> None:
    session_id = SessionId("ab" * 16)
    point = ids.point_id("20260228T230203000004Z", session_id)
    assert ids.parse_point_id(point) == ("20260228T230203000004Z", session_id)


@pytest.mark.parametrize("text", ["", "20260228T230203000004Z", "20260228T230203000004Z-zz"])
def test_what_is_no_point_id_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="restore point"):
        ids.parse_point_id(text)


def test_the_time_of_a_point_is_after_all_others() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert ids.time_after(now, "") == ids.format_time(now)
    assert ids.time_after(now, "20260102T030405000005Z") == ids.format_time(now)
    assert ids.time_after(now, "20260102T030405000006Z") == "20260102T030405000007Z"
    assert ids.time_after(now, "20270101T235959999999Z") == "20270102T000000000000Z"
