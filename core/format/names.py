"""The names of stored objects under a repository's prefix, and back."""

from core.errors import InputError, IntegrityError
from core.ids import JobId, PackId, PointId, RepositoryId, SessionId, is_hex_id, parse_point_id
from core.model import PackRow

REPOSITORY = "repository.json"
FORMAT_DOCUMENT = "FORMAT.md"
READER = "read_pack.py"
KEYS = "keys/"
PACKS = "packs/"
PACKED_REPOSITORY = "packs/repository.json"
BLOBS = "blobs/"
INDEX = "index/"
LAYERS = "layers/"
RECORDS = "restore-points/"
JOBS = "jobs/"
SESSIONS = "sessions/"
OPEN_SESSIONS = "sessions/open/"
CONDEMNED = "condemned/"
DAMAGED = "damaged/"
RETENTION = "retention/"

# Of numbers in names that come from elsewhere: more than any of ours needs.
_DIGITS_MAX = 19


def keyset(version: int) -> str:
    """Name a keyset version; its seal is bound to this name wherever it is stored."""
    return f"{KEYS}{version}.json"


def packed_keyset(version: int) -> str:
    """Name the copy of a keyset version that lives beside the packs."""
    return f"{PACKS}keys-{version}.json"


def keyset_version(name: str) -> int | None:
    """Return the version that a name of either kind carries, None for any other name."""
    for prefix in (KEYS, f"{PACKS}keys-"):
        digits = name.removeprefix(prefix).removesuffix(".json")
        if name == f"{prefix}{digits}.json" and digits.isascii() and digits.isdigit():
            return int(digits)
    return None


def blob(blob_id: bytes) -> str:
    """Name a loose blob."""
    text = blob_id.hex()
    return f"{BLOBS}{text[:2]}/{text}"


def pack(session_id: SessionId, pack_id: PackId) -> str:
    """Name a pack of content."""
    return f"{PACKS}{session_id}/{pack_id}"


def pack_of(row: PackRow) -> str:
    """Name the pack that a row describes."""
    return pack(row.session_id, row.pack_id)


def metadata_pack(session_id: SessionId, pack_id: PackId, ordinal: int) -> str:
    """Name the ``ordinal``-th pack of one copy of a session's metadata; the first has no suffix."""
    suffix = f"-{ordinal}" if ordinal else ""
    return f"{PACKS}{session_id}/meta-{pack_id}{suffix}"


def index(session_id: SessionId, ordinal: int) -> str:
    """Name an index object of a session; ``ordinal`` counts in id order."""
    return f"{INDEX}{session_id}-{ordinal}.parquet"


def layer(session_id: SessionId, ordinal: int) -> str:
    """Name a layer object of a session; ``ordinal`` counts in path order."""
    return f"{LAYERS}{session_id}-{ordinal}.parquet"


def records_of(source_id: RepositoryId) -> str:
    """Return the prefix of the records of one source's data."""
    return f"{RECORDS}{source_id}/"


def record(source_id: RepositoryId, time: str, session_id: SessionId) -> str:
    """Name a restore point's record."""
    return f"{RECORDS}{source_id}/{time}-{session_id}.json"


def parse_record(name: str) -> tuple[RepositoryId, PointId]:
    """Split a record's name into its source and the point's id in this repository."""
    parts = name.removeprefix(RECORDS).removesuffix(".json").split("/")
    if len(parts) != 2 or not is_hex_id(parts[0]) or name != f"{RECORDS}{'/'.join(parts)}.json":
        raise IntegrityError(f"{name} is not the name of a restore point's record")
    parse_point_id(parts[1])
    return RepositoryId(parts[0]), PointId(parts[1])


def is_record(name: str) -> bool:
    """Say whether ``name`` is that of a restore point's record."""
    try:
        parse_record(name)
    except (InputError, IntegrityError):
        return False
    return True


def job_definitions(job_id: JobId) -> str:
    """Return the prefix below which a job's definitions are stored."""
    return f"{JOBS}{job_id}/"


def job_definition(job_id: JobId, version: int) -> str:
    """Name one version of a job's definition."""
    return f"{JOBS}{job_id}/{version}.json"


def claims(job_id: JobId) -> str:
    """Return the prefix of a job's claims."""
    return f"{JOBS}{job_id}/claims/"


def claim(job_id: JobId, source_point: PointId, ordinal: int) -> str:
    """Name the claim of a source point; ``ordinal`` grows only after a void record."""
    return f"{JOBS}{job_id}/claims/{source_point}-{ordinal}.json"


def run_claim(job_id: JobId, ordinal: int) -> str:
    """Name the claim of a run that copies a bucket, which has no points to be named after."""
    return f"{JOBS}{job_id}/claims/{ordinal:010d}.json"


def run_ordinal(claim_name: str) -> int | None:
    """Return the ordinal of the claim of a run, None for another claim's name."""
    digits = claim_name.rpartition("/")[2].removesuffix(".json")
    is_run = digits.isascii() and digits.isdigit() and claim_name.endswith(".json")
    return int(digits) if is_run else None


def claimed_point(claim_name: str) -> PointId:
    """Return the source point that a claim's name carries."""
    return PointId(claim_name.rpartition("/")[2].rpartition("-")[0])


def open_session(session_id: SessionId) -> str:
    """Name the marker of an open session."""
    return f"{OPEN_SESSIONS}{session_id}"


def session(session_id: SessionId, rest: str) -> str:
    """Name one of a session's working objects."""
    return f"{SESSIONS}{session_id}/{rest}"


def batches_of(session_id: SessionId, round_number: int) -> str:
    """Return the prefix of the batches of one round, the plan's own being the first."""
    return session(session_id, f"batches/{round_number}/")


def batch(session_id: SessionId, round_number: int, number: int) -> str:
    """Name a batch; ``number`` counts through all rounds of a session."""
    return f"{batches_of(session_id, round_number)}{batch_digits(number)}.parquet"


def batch_digits(number: int) -> str:
    """Write a batch's number as names do."""
    return f"{number:05d}"


def parse_batch(name: str) -> tuple[SessionId, int, int]:
    """Split a batch's name into its session, round and number."""
    session_id, _, rest = name.removeprefix(SESSIONS).partition("/")
    round_digits, _, digits = rest.removeprefix("batches/").removesuffix(".parquet").partition("/")
    are_digits = all(
        text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
        for text in (round_digits, digits)
    )
    if is_hex_id(session_id) and are_digits:
        parsed = SessionId(session_id), int(round_digits), int(digits)
        if batch(*parsed) == name:
            return parsed
    raise InputError(f"{name} is not the name of a batch")


def parts_of(session_id: SessionId, batch_number: int) -> str:
    """Return the prefix of a batch's parts."""
    return session(session_id, f"parts/{batch_digits(batch_number)}-")


def part(session_id: SessionId, batch_number: int, ordinal: int) -> str:
    """Name the part that makes one finished pack of a batch real."""
    return session(session_id, f"parts/{batch_digits(batch_number)}-{ordinal}.parquet")


def session_of_part(name: str) -> str | None:
    """Return the session that a part is of, None for any other name."""
    session_id, _, rest = name.removeprefix(SESSIONS).partition("/")
    kind, _, leaf = rest.partition("/")
    return session_id if kind == "parts" and leaf and "/" not in leaf else None


def packed_of(session_id: SessionId) -> str:
    """Return the prefix of a session's progress markers."""
    return session(session_id, "packed/")


def damaged(name: str) -> str:
    """Name the marker that lists ``name`` as damaged."""
    return f"{DAMAGED}{name}"


def condemned(run: str, name: str) -> str:
    """Name the marker by which a prune condemns ``name``."""
    return f"{CONDEMNED}{run}/objects/{name}"
