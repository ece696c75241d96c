"""Names of blobs, repositories, sessions and points, and how they are computed and written.

Blob ids and digests are 32 raw bytes; session, pack and repository ids are 32 lower-case hex
digits (128 random bits); a moment is written ``YYYYMMDDTHHMMSSffffffZ``.
"""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import NewType

from core.errors import InputError

BlobId = NewType("BlobId", bytes)
Digest = NewType("Digest", bytes)
RepositoryId = NewType("RepositoryId", str)
SessionId = NewType("SessionId", str)
PackId = NewType("PackId", str)
JobId = NewType("JobId", str)
PointId = NewType("PointId", str)

_HEX_ID = re.compile(r"[0-9a-f]{32}")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_POINT_ID = re.compile(r"(\d{8}T\d{12}Z)-([0-9a-f]{32})")
_TIME_FORMAT = "%Y%m%dT%H%M%S%fZ"

SPACE_UNENCRYPTED = "sha256"


def new_repository_id() -> RepositoryId:
    """Return a new random repository id."""
    return RepositoryId(secrets.token_hex(16))


def new_session_id() -> SessionId:
    """Return a new random session id."""
    return SessionId(secrets.token_hex(16))


def new_pack_id() -> PackId:
    """Return a new random pack id; every attempt at a pack takes a new one."""
    return PackId(secrets.token_hex(16))


def is_hex_id(text: str) -> bool:
    """Say whether ``text`` is written as session, pack and repository ids are."""
    return _HEX_ID.fullmatch(text) is not None


def is_job_id(text: str) -> bool:
    """Say whether ``text`` may name a job: letters, digits, ``_`` and ``-``, at most 64."""
    return _JOB_ID.fullmatch(text) is not None


def content_digest(content: bytes) -> Digest:
    """Return the SHA-256 of a blob's content."""
    return Digest(hashlib.sha256(content).digest())


def loose_blob_id(content: bytes, id_key: bytes | None) -> BlobId:
    """Return a loose blob's id: HMAC-SHA-256 under the id key, SHA-256 without one."""
    if id_key is None:
        return BlobId(hashlib.sha256(content).digest())
    return BlobId(hmac.digest(id_key, content, "sha256"))


def packed_blob_id(source_id: bytes, space: str, id_key: bytes | None) -> BlobId:
    """Return a packed blob's id, known from the source's id without reading the blob."""
    message = space.encode() + b"\0" + source_id
    if id_key is None:
        return BlobId(hashlib.sha256(message).digest())
    return BlobId(hmac.digest(id_key, message, "sha256"))


def blob_space(repository_id: RepositoryId, *, is_encrypted: bool) -> str:
    """Return the space of a repository's loose blob ids; blobs are shared within a space."""
    return f"hmac:{repository_id}" if is_encrypted else SPACE_UNENCRYPTED


def format_time(moment: datetime) -> str:
    """Write a moment with microseconds in UTC; such texts sort as the moments do."""
    return moment.astimezone(UTC).strftime(_TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Read what ``format_time`` wrote; anything else is an ``InputError``."""
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise InputError(f"{text!r} is not a moment written YYYYMMDDTHHMMSSffffffZ") from None


def time_after(moment: datetime, newest: str) -> str:
    """Write a moment, or the one right after ``newest`` if it is not later than that."""
    written = format_time(moment)
    if written > newest:
        return written
    return format_time(parse_time(newest) + timedelta(microseconds=1))


def point_id(time: str, session_id: SessionId) -> PointId:
    """Return the id of a restore point: its moment and the session that made it."""
    return PointId(f"{time}-{session_id}")


def parse_point_id(text: str) -> tuple[str, SessionId]:
    """Split a point id into its moment and its session; anything else is an ``InputError``."""
    match = _POINT_ID.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not the id of a restore point")
    return match.group(1), SessionId(match.group(2))
