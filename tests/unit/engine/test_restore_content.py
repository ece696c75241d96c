"""Nothing read back is believed unchecked (I4); what cannot be had here is sought elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.progress import Silent
from core.engine.restore import restore_point
from core.engine.restoring import RestoreOutcome
from core.errors import StoreError
from core.format import names
from core.limits import BLOB_SIZE_MAX, RESTORE_THREADS
from core.model import Item, PackedBlob, Record
from core.plan.restore import READ_PIECES_MAX
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import make_repository, through
from tests.support.damaged_stores import ByteFlipped, Missing, Swapped, Truncated
from tests.support.points import (
    MadePack,
    file_item,
    packed_id,
    write_index,
    write_pack,
    write_point,
)
from tests.support.stores import Kind, Recording, Refusing, below

READS: frozenset[Kind] = frozenset({"get", "get_range"})


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    store = FolderStore(tmp_path / "repository", create=True)
    return make_repository(store, is_encrypted=request.param)


def restore(
    repository: Repository, record: Record, folder: Path, *, overwrite: bool = False
) -> RestoreOutcome:
    return restore_point(
        repository,
        record,
        folder,
        include=(),
        overwrite=overwrite,
        progress=Silent(),
        stop=lambda: False,
    )


def packed_file(repository: Repository, path: bytes, *contents: bytes) -> Item:
    blobs = [packed_id(repository, content) for content in contents]
    return file_item(path, sum(map(len, contents)), blobs)


def indexed(repository: Repository, frames: Sequence[Sequence[bytes]]) -> MadePack:
    made = write_pack(repository, frames)
    write_index(repository, made.row, made.blobs)
    return made


def found(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def pack_reads(recording: Recording) -> list[str]:
    return sorted(name for name in recording.names("get_range") if name.startswith(names.PACKS))


def flipped(repository: Repository, *packs: str) -> ByteFlipped:
    """Return the store with a byte of the first frame of these packs wrong."""
    position = 60 if repository.identity.is_encrypted else 9
    return ByteFlipped(repository.store, position, below(*packs))


def seen(repository: Repository, store: Store) -> Repository:
    return through(repository, store)


def test_each_frame_is_read_once_whatever_needs_it(repository: Repository, tmp_path: Path) -> None:
    first = indexed(repository, [[b"a", b"b"], [b"c"]])
    second = indexed(repository, [[b"d", b"e"]])
    items = [
        packed_file(repository, b"%s-%d" % (content, number), content)
        for number in range(20)
        for content in (b"a", b"b", b"c", b"d", b"e")
    ]
    record = write_point(repository, items)
    recording = Recording(repository.store)
    outcome = restore(seen(repository, recording), record, tmp_path / "to")
    assert outcome.failed == ()
    assert pack_reads(recording) == sorted([first.name] * 2 + [second.name])
    assert outcome.read_size == sum(
        {blob.frame_offset: blob.frame_length for blob in made.blobs}[offset]
        for made in (first, second)
        for offset in {blob.frame_offset for blob in made.blobs}
    )
    assert found(tmp_path / "to") == {
        item.path.decode(): item.path.split(b"-")[0] for item in items
    }


def test_a_frame_that_very_many_files_need_is_still_read_once(
    repository: Repository, tmp_path: Path
) -> None:
    made = indexed(repository, [[b"popular"]])
    count = 2 * READ_PIECES_MAX + 10
    items = [packed_file(repository, b"%02d/%d" % (n % 50, n), b"popular") for n in range(count)]
    record = write_point(repository, items)
    recording = Recording(repository.store)
    outcome = restore(seen(repository, recording), record, tmp_path / "to")
    assert (outcome.item_count, outcome.failed) == (count, ())
    assert pack_reads(recording) == [made.name]


def test_a_loose_blob_is_read_once(repository: Repository, tmp_path: Path) -> None:
    blob, _ = repository.put_blob(b"twin")
    record = write_point(repository, [file_item(b"%d" % n, 4, [blob]) for n in range(500)])
    recording = Recording(repository.store)
    assert restore(seen(repository, recording), record, tmp_path / "to").failed == ()
    assert recording.names("get").count(names.blob(blob)) == 1


def test_only_frames_that_are_needed_are_read(repository: Repository, tmp_path: Path) -> None:
    made = indexed(repository, [[bytes([n])] for n in range(50)])
    record = write_point(repository, [packed_file(repository, b"x", b"\x07")])
    recording = Recording(repository.store)
    assert restore(seen(repository, recording), record, tmp_path / "to").failed == ()
    assert pack_reads(recording) == [made.name]


def test_a_file_of_blobs_from_many_packs_is_put_together(
    repository: Repository, tmp_path: Path
) -> None:
    pieces = [bytes([n]) * BLOB_SIZE_MAX for n in range(3)] + [b"tail"]
    for piece in pieces:
        indexed(repository, [[piece]])
    items = [
        packed_file(repository, b"forth", *pieces),
        packed_file(repository, b"back", *pieces[2::-1], b"tail"),
        packed_file(repository, b"same", pieces[0], pieces[0], pieces[0]),
    ]
    assert restore(repository, write_point(repository, items), tmp_path / "to").failed == ()
    assert found(tmp_path / "to") == {
        "forth": b"".join(pieces),
        "back": b"".join((*pieces[2::-1], b"tail")),
        "same": pieces[0] * 3,
    }


def test_loose_and_packed_blobs_of_one_repository_are_told_apart(
    repository: Repository, tmp_path: Path
) -> None:
    indexed(repository, [[b"packed"]])
    blob, _ = repository.put_blob(b"loose")
    items = [packed_file(repository, b"p", b"packed"), file_item(b"l", 5, [blob])]
    assert restore(repository, write_point(repository, items), tmp_path / "to").failed == ()
    assert found(tmp_path / "to") == {"p": b"packed", "l": b"loose"}


@pytest.mark.parametrize("fault", [ByteFlipped, Truncated, Missing])
def test_a_damaged_pack_fails_its_items_and_no_others(
    repository: Repository, tmp_path: Path, fault: type
) -> None:
    bad, good = indexed(repository, [[b"bad"]]), indexed(repository, [[b"good"]])
    items = [
        packed_file(repository, b"bad-1", b"bad"),
        packed_file(repository, b"bad-2", b"bad"),
        packed_file(repository, b"good", b"good"),
    ]
    record = write_point(repository, items)
    if fault is ByteFlipped:
        store: Store = flipped(repository, bad.name)
    elif fault is Truncated:
        store = Truncated(repository.store, below(bad.name), bad.row.size - 9)
    else:
        store = Missing(repository.store, below(bad.name))
    outcome = restore(seen(repository, store), record, tmp_path / "to")
    assert found(tmp_path / "to") == {"good": b"good"}
    assert [(item.path, item.category) for item in outcome.failed] == [
        (b"bad-1", "integrity"),
        (b"bad-2", "integrity"),
    ]
    assert all(bad.name in item.reason for item in outcome.failed)
    assert good.name not in outcome.failed[0].reason


def test_swapped_packs_are_not_believed(repository: Repository, tmp_path: Path) -> None:
    one, two = indexed(repository, [[b"one"]]), indexed(repository, [[b"two"]])
    items = [packed_file(repository, b"1", b"one"), packed_file(repository, b"2", b"two")]
    record = write_point(repository, items)
    store = Swapped(repository.store, {one.name: two.name, two.name: one.name})
    outcome = restore(seen(repository, store), record, tmp_path / "to")
    assert [item.path for item in outcome.failed] == [b"1", b"2"]
    assert found(tmp_path / "to") == {}


def test_a_blob_whose_digest_differs_is_not_believed(
    repository: Repository, tmp_path: Path
) -> None:
    """I4: the frame is whole, but it is not the content that was copied."""
    made = write_pack(repository, [[b"right", b"wrong"]])
    right, wrong = made.blobs
    write_index(repository, made.row, [replace(right, offset=wrong.offset), wrong])
    items = [packed_file(repository, b"r", b"right"), packed_file(repository, b"w", b"wrong")]
    outcome = restore(repository, write_point(repository, items), tmp_path / "to")
    assert [(item.path, item.category) for item in outcome.failed] == [(b"r", "integrity")]
    assert found(tmp_path / "to") == {"w": b"wrong"}


@pytest.mark.parametrize(
    "change",
    [
        {"frame_offset": 1},
        {"frame_offset": 1 << 40},
        {"frame_length": 1 << 40},
        {"frame_length": 5},
        {"offset": 1},
        {"offset": 1 << 40},
        {"length": 3},
        {"length": 1 << 40},
        {"digest": b"short"},
        {"frame_offset": -1},
        {"frame_length": 0},
        {"offset": -1},
        {"length": -4},
    ],
)
def test_an_index_row_that_is_not_true_restores_nothing_wrong(
    repository: Repository, tmp_path: Path, change: dict[str, int]
) -> None:
    made = write_pack(repository, [[b"four"]])
    blob: PackedBlob = replace(made.blobs[0], **change)  # type: ignore[arg-type]
    write_index(repository, made.row, [blob])
    record = write_point(repository, [packed_file(repository, b"x", b"four")])
    outcome = restore(repository, record, tmp_path / "to")
    assert [(item.path, item.category) for item in outcome.failed] == [(b"x", "integrity")]
    assert found(tmp_path / "to") == {}


def test_another_place_is_tried_when_one_is_damaged(repository: Repository, tmp_path: Path) -> None:
    packs = [indexed(repository, [[b"shared", b"%d" % n]]) for n in range(3)]
    items = [packed_file(repository, b"shared", b"shared")]
    items += [packed_file(repository, b"%d" % n, b"%d" % n) for n in range(3)]
    record = write_point(repository, items)
    for spared in range(3):
        bad = [pack.name for pack in packs if pack is not packs[spared]]
        store = flipped(repository, *bad)
        outcome = restore(seen(repository, store), record, tmp_path / f"to{spared}")
        assert found(tmp_path / f"to{spared}") == {"shared": b"shared", str(spared): b"%d" % spared}
        assert len(outcome.failed) == 2
    store = flipped(repository, names.PACKS)
    outcome = restore(seen(repository, store), record, tmp_path / "none")
    assert len(outcome.failed) == 4


def test_a_large_file_is_finished_from_other_places(repository: Repository, tmp_path: Path) -> None:
    pieces = [b"1" * BLOB_SIZE_MAX, b"2" * BLOB_SIZE_MAX, b"3"]
    first = [indexed(repository, [[piece]]) for piece in pieces]
    second = [indexed(repository, [[piece]]) for piece in pieces]
    record = write_point(repository, [packed_file(repository, b"x", *pieces)])
    bad = [first[0].name, second[1].name, first[2].name]
    store = flipped(repository, *bad)
    assert restore(seen(repository, store), record, tmp_path / "to").failed == ()
    assert found(tmp_path / "to") == {"x": b"".join(pieces)}
    store = flipped(repository, *bad, first[1].name)
    outcome = restore(seen(repository, store), record, tmp_path / "other")
    assert [item.path for item in outcome.failed] == [b"x"]
    assert found(tmp_path / "other") == {}


@pytest.mark.parametrize("marker", ["damaged", "condemned"])
def test_a_pack_that_is_listed_as_bad_is_read_last(
    repository: Repository, tmp_path: Path, marker: str
) -> None:
    packs = [indexed(repository, [[b"shared"]]) for _ in range(4)]
    record = write_point(repository, [packed_file(repository, b"x", b"shared")])
    for pack in packs[1:]:
        bad = names.damaged(pack.name) if marker == "damaged" else names.condemned("r", pack.name)
        repository.store.put(bad, b"")
    recording = Recording(repository.store)
    assert restore(seen(repository, recording), record, tmp_path / "to").failed == ()
    assert pack_reads(recording) == [packs[0].name]
    # It is read all the same where nothing else has the blob.
    store = Missing(repository.store, below(packs[0].name))
    assert restore(seen(repository, store), record, tmp_path / "again").failed == ()


def test_rows_that_are_there_twice_are_tried_once(repository: Repository, tmp_path: Path) -> None:
    made = indexed(repository, [[b"x"]])
    write_index(repository, made.row, made.blobs)
    record = write_point(repository, [packed_file(repository, b"x", b"x")])
    recording = Recording(flipped(repository, made.name))
    assert restore(seen(repository, recording), record, tmp_path / "to").failed_count == 1
    assert pack_reads(recording) == [made.name]


def test_a_blob_that_nothing_provides_names_every_item(
    repository: Repository, tmp_path: Path
) -> None:
    items = [packed_file(repository, b"%d" % n, b"nowhere") for n in range(3)]
    blob, _ = repository.put_blob(b"here")
    record = write_point(repository, [*items, file_item(b"here", 4, [blob])])
    outcome = restore(repository, record, tmp_path / "to")
    assert [item.path for item in outcome.failed] == [b"0", b"1", b"2"]
    assert {item.category for item in outcome.failed} == {"integrity"}
    assert all("missing" in item.reason for item in outcome.failed)
    assert found(tmp_path / "to") == {"here": b"here"}


def test_a_damaged_loose_blob_fails_its_items_and_no_others(
    repository: Repository, tmp_path: Path
) -> None:
    blobs = [repository.put_blob(b"%d" % n)[0] for n in range(100)]
    record = write_point(
        repository, [file_item(b"%02d" % n, len(b"%d" % n), [blobs[n]]) for n in range(100)]
    )
    store = ByteFlipped(repository.store, -1, below(names.blob(blobs[7])))
    outcome = restore(seen(repository, store), record, tmp_path / "to")
    assert [(item.path, item.category) for item in outcome.failed] == [(b"07", "integrity")]
    assert len(found(tmp_path / "to")) == 99


def test_swapped_loose_blobs_are_not_believed(repository: Repository, tmp_path: Path) -> None:
    one, two = repository.put_blob(b"one")[0], repository.put_blob(b"two")[0]
    record = write_point(repository, [file_item(b"1", 3, [one]), file_item(b"2", 3, [two])])
    first, second = names.blob(one), names.blob(two)
    store = Swapped(repository.store, {first: second, second: first})
    assert restore(seen(repository, store), record, tmp_path / "to").failed_count == 2
    assert found(tmp_path / "to") == {}


def test_what_the_store_refuses_is_listed_as_the_stores(
    repository: Repository, tmp_path: Path
) -> None:
    bad, _ = indexed(repository, [[b"bad"]]), indexed(repository, [[b"good"]])
    items = [packed_file(repository, b"bad", b"bad"), packed_file(repository, b"good", b"good")]
    record = write_point(repository, items)
    store = Refusing(repository.store, below(bad.name), READS)
    outcome = restore(seen(repository, store), record, tmp_path / "to")
    assert [(item.path, item.category) for item in outcome.failed] == [(b"bad", "store")]
    assert found(tmp_path / "to") == {"good": b"good"}


def test_a_store_that_answers_nothing_any_more_ends_the_restore(
    repository: Repository, tmp_path: Path
) -> None:
    made = indexed(repository, [[b"%d" % n] for n in range(100)])
    items = [packed_file(repository, b"%d" % n, b"%d" % n) for n in range(100)]
    record = write_point(repository, items)
    kinds: frozenset[Kind] = READS | {"head"}
    store = Refusing(repository.store, below(made.name, names.REPOSITORY), kinds)
    recording = Recording(store)
    with pytest.raises(StoreError, match="refused"):
        restore(seen(repository, recording), record, tmp_path / "to")
    assert len(pack_reads(recording)) <= 2 * RESTORE_THREADS + 4
    assert found(tmp_path / "to") == {}


def test_a_damaged_index_object_loses_only_what_nothing_else_places(
    repository: Repository, tmp_path: Path
) -> None:
    one, two = write_pack(repository, [[b"one"]]), write_pack(repository, [[b"two"]])
    bad = write_index(repository, one.row, one.blobs)
    write_index(repository, two.row, two.blobs)
    items = [packed_file(repository, b"1", b"one"), packed_file(repository, b"2", b"two")]
    record = write_point(repository, items)
    store = ByteFlipped(repository.store, 70, below(bad))
    outcome = restore(seen(repository, store), record, tmp_path / "to")
    assert found(tmp_path / "to") == {"2": b"two"}
    assert [item.path for item in outcome.failed] == [b"1"]
    assert len(outcome.problems) == 1
    assert bad in outcome.problems[0]


def test_an_index_that_names_packs_which_cannot_be_is_no_way_out(
    repository: Repository, tmp_path: Path
) -> None:
    made = write_pack(repository, [[b"one"]])
    for session, pack in (("../../x", made.row.pack_id), (made.row.session_id, "x/../../y")):
        row = replace(made.row, session_id=session, pack_id=pack)  # type: ignore[arg-type]
        write_index(repository, row, made.blobs)
    record = write_point(repository, [packed_file(repository, b"1", b"one")])
    assert restore(repository, record, tmp_path / "to").failed_count == 1
