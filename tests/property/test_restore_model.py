"""Whatever a point holds, a restore brings back just that, and one over another the later one."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.progress import Silent
from core.engine.restore import restore_point
from core.engine.restoring import RestoreOutcome
from core.model import Record
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import make_repository
from tests.support.points import Point

NAMES = st.sampled_from([b"a", b"b", b"\xff", b"A", b"\n"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
# Few contents, so that blobs are shared; a link is its target in a tuple.
CONTENTS = st.sampled_from([b"", b"one", b"two", b"x" * 1_000])
ENTRIES = st.one_of(CONTENTS, st.none(), NAMES.map(lambda name: (b"../" + name,)))
Entry = bytes | None | tuple[bytes]


def consistent(entries: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """Return a tree that can exist: what is above another entry is a folder."""
    tree: dict[bytes, Entry] = dict(entries)
    for path in entries:
        above = path.rpartition(b"/")[0]
        while above:
            tree[above] = None
            above = above.rpartition(b"/")[0]
    return tree


TREES = st.dictionaries(PATHS, ENTRIES, max_size=8).map(consistent)


def write(repository: Repository, tree: Mapping[bytes, Entry], *, is_packed: bool) -> Record:
    point = Point(repository, is_packed=is_packed)
    for path, entry in tree.items():
        if entry is None:
            point.folder(path)
        elif isinstance(entry, bytes):
            point.file(path, entry)
        else:
            point.link(path, entry[0])
    return point.write()


def read(folder: Path) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    for path in folder.rglob("*"):
        name = bytes(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (bytes(path.readlink()),)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def restore(repository: Repository, record: Record, folder: Path) -> RestoreOutcome:
    return restore_point(
        repository,
        record,
        folder,
        include=(),
        overwrite=True,
        progress=Silent(),
        stop=lambda: False,
    )


@settings(max_examples=15)
@given(first=TREES, second=TREES, is_packed=st.booleans(), is_encrypted=st.booleans())
def test_a_restore_gives_the_point_and_a_second_lies_over_the_first(
    first: dict[bytes, Entry], second: dict[bytes, Entry], is_packed: bool, is_encrypted: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "to"
        store = FolderStore(Path(name) / "repository", create=True)
        repository = make_repository(store, is_encrypted=is_encrypted)
        outcome = restore(repository, write(repository, first, is_packed=is_packed), folder)
        assert outcome.failed == ()
        assert outcome.item_count == len(first)
        assert read(folder) == first
        outcome = restore(repository, write(repository, second, is_packed=is_packed), folder)
        failed = {item.path for item in outcome.failed}
        # Only a folder and something else in each other's place do not go together.
        for path in failed:
            ways = [path, *(path[:end] for end in range(len(path)) if path[end : end + 1] == b"/")]
            assert any(
                way in first and (first[way] is None) != (second.get(way, b"") is None)
                for way in ways
            )
        assert outcome.item_count == len(second) - len(failed)
        kept = {path: entry for path, entry in second.items() if path not in failed}
        assert read(folder) == first | kept
