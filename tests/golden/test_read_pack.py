"""read_pack.py, written from the format document alone, reads what the engine writes.

It runs as whoever finds it in a repository runs it: alone, in a process that has none of ours.
"""

import ast
import json
import os
import random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core import ids
from core.engine.create import explanations
from core.engine.keys import add_passphrase, rotate_keys
from core.engine.metadata import Member, write_metadata_pack
from core.format import names
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Record
from core.sources.repository import Repository
from tests.golden import example
from tests.golden.reading import (
    PACK,
    PACK_NAME,
    SCRIPT,
    SESSION,
    Reading,
    by_id,
    packs_folder,
    put_pack,
    run,
)
from tests.support.copies import (
    SECRET,
    Pair,
    back_up,
    make_pair,
    make_repository,
    packs_of,
    read_packed,
    read_state,
    record_name,
)
from tests.support.repositories import new_store

LINES_MAX = 199
SEALED = pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "sealed"])
CONTENTS = (b"first", b"second", bytes(1000))

# The example of the document.


@pytest.mark.parametrize(
    "secret",
    [
        example.PASSPHRASE,
        example.RECOVERY_KEY,
        example.RECOVERY_KEY.lower().replace("-", " ").replace("o", "0").replace("i", "1"),
    ],
)
def test_the_example_opens_with_each_secret(tmp_path: Path, secret: str) -> None:
    found = Reading(example.FOLDER / "packs", tmp_path, secret=secret).check()
    expected = [blob for frame in example.FRAMES for blob in frame]
    assert found == {example.blob_id(blob).hex(): blob for blob in expected}


def test_packs_are_listed_without_a_secret() -> None:
    outcome = run([str(SCRIPT), str(example.FOLDER / "packs")])
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.split() == ["382", example.PACK]


def test_the_secret_is_asked_for(tmp_path: Path) -> None:
    arguments = [str(SCRIPT), str(example.FOLDER / "packs"), str(tmp_path)]
    outcome = run(arguments, typed=f"{example.PASSPHRASE}\n")
    assert outcome.returncode == 0
    assert "Passphrase or recovery key: " in outcome.stderr
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("secret", ["correct horse", example.RECOVERY_KEY.replace("A", "B")])
def test_a_wrong_secret_is_named_and_opens_nothing(tmp_path: Path, secret: str) -> None:
    reading = Reading(example.FOLDER / "packs", tmp_path, secret=secret)
    assert reading.status == 1
    assert reading.problems == ["ValueError: the passphrase or recovery key is wrong"]
    assert reading.files == {}


def test_a_passphrase_is_the_same_however_it_was_typed(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    add_passphrase(repository.store, SECRET, "caf\u00e9", "other")
    put_pack(repository, CONTENTS)
    found = Reading(packs_folder(repository), tmp_path / "output", secret="cafe\u0301").check()
    assert found == by_id(CONTENTS)


# Copies by the engine.


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Make two copies, the second with newer keys if there are any."""
    made = make_pair(tmp_path_factory.mktemp("made"), is_encrypted=request.param)
    chance = random.Random(1)
    small = {f"{n}".encode(): chance.randbytes(chance.randrange(9_000)) for n in range(40)}
    back_up(made.source, small)
    made.copied()
    if request.param:
        rotate_keys(made.target.store, SECRET)
    large = chance.randbytes(BLOB_SIZE_MAX + 1)
    back_up(made.source, {b"large": large, b"zeros": bytes(3 * MIB), b"gone": b""})
    made.copied()
    return made


@pytest.fixture(scope="module")
def extracted(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return Reading(packs_folder(pair.target), tmp_path_factory.mktemp("output")).check()


def records_of(target: Repository) -> dict[str, Record]:
    records = [target.read_record(name.name) for name in target.list_records()]
    return {record_name(record): record for record in records}


def test_every_blob_of_every_pack_is_extracted(pair: Pair, extracted: Mapping[str, bytes]) -> None:
    records = records_of(pair.target).values()
    states = [read_state(pair.target, record) for record in records]
    wanted = {blob for state in states for item in state.values() for blob in item.blobs}
    assert len(packs_of(pair.target)) > 2
    assert {name: content for name, content in extracted.items() if "/" not in name} == {
        blob.hex(): content for blob, content in read_packed(pair.target, wanted).items()
    }


def test_records_and_tables_are_extracted(pair: Pair, extracted: Mapping[str, bytes]) -> None:
    records = records_of(pair.target)
    tables = {
        table.name: table.sha256
        for record in records.values()
        for table in (*record.index, *(t for layer in record.layers for t in layer.objects))
    }
    members = {name: content for name, content in extracted.items() if "/" in name}
    assert len(records) == 2
    assert members.keys() == {*records, *tables}
    for name in records:
        assert members[name] == pair.target.read_object(name)
    for name, sha256 in tables.items():
        assert ids.content_digest(members[name]).hex() == sha256


def test_one_pack_is_extracted_alone(pair: Pair, tmp_path: Path) -> None:
    name = packs_of(pair.target)[0]
    alone = tmp_path / "alone"
    shutil.copytree(packs_folder(pair.target), tmp_path / "packs")
    for other in (tmp_path / "packs").glob("*/*"):
        if not name.endswith(other.name):
            other.write_bytes(b"damaged")
    assert Reading(tmp_path / "packs", alone, name).check()


def test_all_packs_are_listed(pair: Pair) -> None:
    heads = list(pair.target.store.list(names.PACKS))
    outcome = run([str(SCRIPT), str(packs_folder(pair.target))])
    expected = [[str(head.size), head.name] for head in heads if head.name.count("/") == 2]
    assert [line.split() for line in outcome.stdout.splitlines()] == sorted(
        expected, key=lambda row: row[1]
    )


def test_a_pack_that_is_not_there_is_named(pair: Pair, tmp_path: Path) -> None:
    reading = Reading(packs_folder(pair.target), tmp_path, PACK_NAME)
    assert (reading.status, reading.files) == (1, {})
    assert reading.problems[0].startswith(f"{PACK_NAME}: [Errno 2] No such file")


def test_a_damaged_keyset_leaves_those_before_it(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    shutil.copytree(example.FOLDER / "packs", packs)
    (packs / "keys-2.json").write_text("[[")
    reading = Reading(packs, tmp_path / "output", secret=example.PASSPHRASE)
    assert reading.status == 1
    assert reading.names_of_problems() == {str(packs / "keys-2.json")}
    assert len(reading.files) == 3


def test_slots_of_an_unknown_kind_are_ignored(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    shutil.copytree(example.FOLDER / "packs", packs)
    stored = json.loads((packs / "keys-1.json").read_text())
    stored["slots"].insert(0, {"kind": "hand", "name": "palm", "wrapped": 5})
    (packs / "keys-1.json").write_text(json.dumps(stored))
    assert len(Reading(packs, tmp_path / "output", secret=example.PASSPHRASE).check()) == 3


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("repository.json", {"format": "other"}),
        ("repository.json", {"format_version": 2}),
        ("keys-1.json", {"format_version": 2}),
        ("keys-1.json", {"version": 2}),
        ("keys-1.json", {"sealed_keys": "00" * 100}),
        ("keys-1.json", {"slots": [{"kind": "passphrase"}]}),
    ],
)
def test_what_is_no_repository_of_this_version_is_refused(
    tmp_path: Path, name: str, change: dict[str, object]
) -> None:
    packs = tmp_path / "packs"
    shutil.copytree(example.FOLDER / "packs", packs)
    stored = json.loads((packs / name).read_text())
    (packs / name).write_text(json.dumps(stored | change))
    reading = Reading(packs, tmp_path / "output", secret=example.PASSPHRASE)
    assert (reading.status, reading.files) == (1, {})
    assert reading.problems
    assert "Traceback" not in reading.problems[0]


# Metadata packs.

MEMBERS = {
    f"restore-points/{'5d' * 16}/20260102T040000000000Z-{SESSION}.json": b"{}",
    names.layer(SESSION, 0): random.Random(2).randbytes(BLOB_SIZE_MAX + 100),
    names.index(SESSION, 0): random.Random(3).randbytes(100),
}


def put_metadata(repository: Repository, members: Mapping[str, bytes]) -> list[str]:
    members_given = [Member(name=name, content=content) for name, content in members.items()]
    return write_metadata_pack(repository, SESSION, members_given)


@SEALED
def test_a_metadata_pack_goes_on_in_further_packs(tmp_path: Path, is_encrypted: bool) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=is_encrypted)
    first, *further = put_metadata(repository, MEMBERS)
    assert len(further) > 1
    assert Reading(packs_folder(repository), tmp_path / "all").check() == MEMBERS
    assert Reading(packs_folder(repository), tmp_path / "one", first).check() == MEMBERS


def test_nothing_of_an_unfinished_metadata_pack_is_extracted(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path / "target"))
    first, *further = put_metadata(repository, MEMBERS)
    repository.store.delete([further[-1]])
    put_pack(repository, [b"other"])
    reading = Reading(packs_folder(repository), tmp_path / "output")
    assert reading.status == 1
    assert reading.problems == [f"{first}: {names.layer(SESSION, 0)} in it is not whole"]
    assert reading.files == by_id([b"other"])


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "layers/../../evil",
        f"layers/{SESSION}-0.parquet/../../../evil",
        f"../layers/{SESSION}-0.parquet",
        f"layers/{SESSION}-0.parquet\n",
        f"{os.sep}evil",
        "C:evil",
        "evil",
        "",
        f"restore-points/../20260102T040000000000Z-{SESSION}.json",
    ],
)
def test_a_member_that_is_no_record_and_no_table_is_refused(tmp_path: Path, name: str) -> None:
    repository = make_repository(new_store(tmp_path / "target"))
    (pack,) = put_metadata(repository, {names.index(SESSION, 0): b"table", name: b"evil"})
    reading = Reading(packs_folder(repository), tmp_path / "output")
    assert (reading.status, reading.files) == (1, {})
    assert reading.problems == [f"{pack}: it lists {name!r}"]
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "listing", [b"", b"{", b"[" * 100_000, b"5", b"[5]", b'[["a"]]', b"[[5, 5]]"]
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, listing: bytes) -> None:
    repository = make_repository(new_store(tmp_path / "target"))
    name = names.metadata_pack(SESSION, PACK, 0)
    put_pack(repository, [listing or b" "], name=name)
    reading = Reading(packs_folder(repository), tmp_path / "output")
    assert (reading.status, reading.files) == (1, {})
    assert reading.names_of_problems() == {name}


# What it takes.


@SEALED
def test_memory_does_not_grow_with_the_pack(tmp_path: Path, is_encrypted: bool) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=is_encrypted)
    content = random.Random(5).randbytes(BLOB_SIZE_MAX)
    put_pack(repository, [content] * 24)
    reading = Reading(packs_folder(repository), tmp_path / "output", forbidden="core")
    assert reading.check() == by_id([content])
    assert int(reading.printed.split()[1]) * 1024 < 100 * MIB


def test_cryptography_is_needed_for_encrypted_repositories_alone(tmp_path: Path) -> None:
    plain = make_repository(new_store(tmp_path / "plain"))
    sealed = make_repository(new_store(tmp_path / "sealed"), is_encrypted=True)
    for repository in (plain, sealed):
        put_pack(repository, CONTENTS)
    output = tmp_path / "output"
    reading = Reading(packs_folder(plain), output, forbidden="cryptography")
    assert reading.check() == by_id(CONTENTS)
    reading = Reading(packs_folder(sealed), output, forbidden="cryptography")
    assert reading.status == 1
    assert "cryptography" in reading.problems[0]


def test_it_imports_the_standard_library_zstandard_and_cryptography_alone() -> None:
    nodes = list(ast.walk(ast.parse(SCRIPT.read_text())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {name.split(".")[0] for name in (*plain, *parts)}
    assert imported - sys.stdlib_module_names == {"zstandard", "cryptography"}


def test_it_is_one_short_file_that_an_old_python_parses() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= LINES_MAX
    ast.parse(text, feature_version=(3, 9))


def test_what_creation_leaves_in_a_repository_is_this_file(pair: Pair) -> None:
    assert explanations()[names.READER] == SCRIPT.read_bytes()
