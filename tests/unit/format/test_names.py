"""Names of stored objects and what they say when they are read back."""

import pytest

from core.errors import ColdhaulError, InputError, IntegrityError
from core.format import names
from core.ids import JobId, PackId, PointId, RepositoryId, SessionId
from core.stores.store import check_name

SOURCE = RepositoryId("a" * 32)
SESSION = SessionId("b" * 32)
PACK = PackId("c" * 32)
TIME = "20260101T000000000001Z"
POINT = PointId(f"{TIME}-{SESSION}")


def test_all_names_are_what_the_format_says_and_fit_every_store() -> None:
    made = {
        names.keyset(3): "keys/3.json",
        names.packed_keyset(3): "packs/keys-3.json",
        names.blob(b"\x0f" * 32): f"blobs/0f/{'0f' * 32}",
        names.pack(SESSION, PACK): f"packs/{SESSION}/{PACK}",
        names.metadata_pack(SESSION, PACK, 0): f"packs/{SESSION}/meta-{PACK}",
        names.metadata_pack(SESSION, PACK, 2): f"packs/{SESSION}/meta-{PACK}-2",
        names.index(SESSION, 1): f"index/{SESSION}-1.parquet",
        names.layer(SESSION, 0): f"layers/{SESSION}-0.parquet",
        names.record(SOURCE, TIME, SESSION): f"restore-points/{SOURCE}/{POINT}.json",
        names.job_definition(JobId("n"), 2): "jobs/n/2.json",
        names.claim(JobId("n"), POINT, 0): f"jobs/n/claims/{POINT}-0.json",
        names.open_session(SESSION): f"sessions/open/{SESSION}",
        names.batch(SESSION, 1, 7): f"sessions/{SESSION}/batches/1/00007.parquet",
        names.part(SESSION, 7, 12): f"sessions/{SESSION}/parts/00007-12.parquet",
        names.damaged("packs/x"): "damaged/packs/x",
        names.condemned("run", "index/x"): "condemned/run/objects/index/x",
    }
    for name, expected in made.items():
        assert name == expected
        check_name(name)


def test_a_claims_name_tells_its_point() -> None:
    assert names.claimed_point(names.claim(JobId("a-b"), POINT, 12)) == POINT


@pytest.mark.parametrize(("round_number", "number"), [(1, 0), (3, 99_999), (2, 100_000)])
def test_a_batchs_name_tells_its_session_round_and_number(round_number: int, number: int) -> None:
    name = names.batch(SESSION, round_number, number)
    assert name.startswith(names.batches_of(SESSION, round_number))
    assert names.parse_batch(name) == (SESSION, round_number, number)


@pytest.mark.parametrize(
    "name",
    [
        "",
        f"sessions/{SESSION}/batches/1/",
        f"sessions/{SESSION}/batches/00007.parquet",
        f"sessions/{SESSION}/batches/1/7.parquet",
        f"sessions/{SESSION}/batches/01/00007.parquet",
        f"sessions/{SESSION}/batches/1/00007.parquet.parquet",
        f"sessions/{SESSION}/batches/1/000٣7.parquet",
        f"sessions/{SESSION}/batches/1/{'9' * 5000}.parquet",
        f"sessions/{SESSION}/batches/batches/1/00007.parquet",
        f"sessions/{SESSION}/parts/00007-1.parquet",
        f"sessions/{'z' * 32}/batches/1/00007.parquet",
        f"{SESSION}/batches/1/00007.parquet",
    ],
)
def test_what_is_no_name_of_a_batch_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a batch"):
        names.parse_batch(name)


def test_a_part_belongs_to_its_batch_alone() -> None:
    assert names.part(SESSION, 7, 12).startswith(names.parts_of(SESSION, 7))
    assert not names.part(SESSION, 70_000, 0).startswith(names.parts_of(SESSION, 7))


def test_a_parts_name_tells_its_session_and_no_other_name_does() -> None:
    assert names.session_of_part(names.part(SESSION, 7, 12)) == SESSION
    others = ("parts/", "parts", "packed/0-0-1-2-3", "parts/a/b", "plan.json")
    assert not any(names.session_of_part(names.session(SESSION, other)) for other in others)


def test_a_records_name_tells_its_source_and_its_point() -> None:
    assert names.parse_record(names.record(SOURCE, TIME, SESSION)) == (SOURCE, POINT)


@pytest.mark.parametrize(
    "name",
    [
        f"restore-points/{POINT}.json",
        f"restore-points/{SOURCE}/{POINT}",
        f"restore-points/{SOURCE}/x/{POINT}.json",
        f"restore-points/{'z' * 32}/{POINT}.json",
        f"restore-points/{SOURCE}/{TIME}.json",
        f"layers/{SOURCE}/{POINT}.json",
    ],
)
def test_what_is_no_records_name_is_refused(name: str) -> None:
    with pytest.raises(ColdhaulError):
        names.parse_record(name)


def test_a_keysets_version_is_read_from_both_of_its_names() -> None:
    assert names.keyset_version("keys/12.json") == 12
    assert names.keyset_version("packs/keys-12.json") == 12


@pytest.mark.parametrize("name", ["keys/x.json", "keys/1", "keys/.json", "packs/keys-.json", "1"])
def test_other_names_carry_no_version(name: str) -> None:
    assert names.keyset_version(name) is None


def test_parse_errors_are_damage() -> None:
    with pytest.raises(IntegrityError):
        names.parse_record("restore-points/x.json")


def test_claims_of_runs_are_told_from_claims_of_points() -> None:
    name = names.run_claim(JobId("nightly"), 7)
    assert name == "jobs/nightly/claims/0000000007.json"
    assert names.run_ordinal(name) == 7
    point = PointId("20260101T000000000000Z-00112233445566778899aabbccddeeff")
    assert names.run_ordinal(names.claim(JobId("nightly"), point, 0)) is None
    assert names.run_ordinal("jobs/nightly/claims/.json") is None
