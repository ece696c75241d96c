"""The invariants of ``docs/invariants.md`` as code: each check raises ``AssertionError``.

They take opened repositories or stores and look at what is stored, whoever stored it. I3 and I4
are ways of behaving and not states: the crash tests and the tests with damaged stores prove them.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.engine.metadata import list_metadata_packs, read_metadata_pack
from core.engine.points import list_points
from core.errors import IntegrityError
from core.format import names, seal
from core.format.frame import decode_frame
from core.limits import JSON_SIZE_MAX
from core.model import Layer, Record, TableObject
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.copies import index_places, read_packed, read_state

# Working objects of sessions are removed some time after the session; nothing else ever is.
_REMOVABLE = names.SESSIONS
_PLAIN_NAMES = {
    names.REPOSITORY, names.PACKED_REPOSITORY, names.FORMAT_DOCUMENT, names.READER
}  # fmt: skip


def check_copies(target: Repository) -> None:
    """Check everything that holds for the target of copies at any moment."""
    check_points_are_whole(target)
    check_metadata_is_in_packs(target)
    check_session_objects(target)
    if target.identity.is_encrypted:
        check_salts_differ(target.store)


def live_records(target: Repository) -> list[Record]:
    """Read the records of the points that exist."""
    return [target.read_record(point.name) for point in list_points(target)]


def check_points_are_whole(target: Repository) -> None:
    """I1: every blob that a point's visible rows need is in a pack that exists whole."""
    needed: set[bytes] = set()
    for record in live_records(target):
        items = read_state(target, record)
        assert len(items) == record.item_count, f"{record.id} counts other items than it has"
        needed |= {blob for item in items.values() for blob in item.blobs}
    if not needed:
        return
    places = index_places(target)
    lost = needed - set(places)
    assert not lost, f"I1: {len(lost)} blobs of restore points are in no pack"
    read_packed(target, needed, places)


def check_metadata_is_in_packs(target: Repository) -> None:
    """I8: packs alone give back every record, layer and index row that a point needs."""
    records = live_records(target)
    if not records:
        return
    packed = packed_metadata(target)
    for record in records:
        name = names.record(record.source_id, record.time, record.session_id)
        _check_packed(target, packed, name)
        for table in (*_tables(record.layers), *record.index):
            _check_packed(target, packed, table.name)
    kept = [name for name in packed if name.startswith(names.INDEX)]
    stored = {head.name for head in target.store.list(names.INDEX)}
    places = index_places(target, [name for name in kept if name in stored])
    for record in records:
        for item in read_state(target, record).values():
            lost = set(item.blobs) - set(places)
            assert not lost, f"I8: no index in a metadata pack has a blob of {record.id}"


def packed_metadata(target: Repository) -> dict[str, set[bytes]]:
    """Return the digests of what whole metadata packs hold for each name."""
    found: dict[str, set[bytes]] = {}
    for packs in list_metadata_packs(target).values():
        with tempfile.TemporaryDirectory() as folder:
            try:
                members = read_metadata_pack(target, packs, Path(folder))
            except IntegrityError:
                continue  # Cut off before its last pack: of no use and no harm.
            for name, path in members.items():
                found.setdefault(name, set()).add(hashlib.sha256(path.read_bytes()).digest())
    return found


def _check_packed(target: Repository, packed: dict[str, set[bytes]], name: str) -> None:
    stored = hashlib.sha256(target.read_object(name)).digest()
    assert stored in packed.get(name, set()), f"I8: {name} is in no metadata pack"


def _tables(layers: Iterable[Layer]) -> Iterator[TableObject]:
    for layer in layers:
        yield from layer.objects


def check_session_objects(target: Repository) -> None:
    """Check that an open marker stands exactly for the sessions whose record does not exist."""
    ended = {record.point.split("-", 1)[1] for record in target.list_records()}
    for head in target.store.list(names.OPEN_SESSIONS):
        session_id = head.name.removeprefix(names.OPEN_SESSIONS)
        assert session_id not in ended, f"{head.name} outlives its session"


def check_salts_differ(store: Store) -> None:
    """I5: no two sealed objects share a salt, so none shares a key and its nonces."""
    seen: dict[bytes, str] = {}
    for head in store.list():
        is_plain = head.name in _PLAIN_NAMES or names.keyset_version(head.name) is not None
        if is_plain or head.size == 0:
            continue
        salt = store.get_range(head.name, 0, seal.HEADER_SIZE)
        assert salt not in seen, f"I5: {head.name} and {seen[salt]} are sealed alike"
        seen[salt] = head.name


def check_nothing_shows(store: Store, secrets: Iterable[bytes]) -> None:
    """I5: no stored byte, sealed or compressed, shows one of these contents or item names."""
    for head in store.list():
        stored = store.get(head.name)
        try:
            shown = stored + decode_frame(stored, JSON_SIZE_MAX)
        except IntegrityError:
            shown = stored
        for secret in secrets:
            assert secret not in shown, f"I5: {head.name} shows what it should not"


class Watch:
    """I2 and I6: an object that was seen once stays as it is; only working objects ever go."""

    def __init__(self, *stores: Store) -> None:
        """Take the stores as they are."""
        self._stores = stores
        self._seen: list[dict[str, bytes]] = [{} for _ in stores]
        self.look()

    def look(self) -> None:
        """Look again at everything, and remember what is new."""
        for store, seen in zip(self._stores, self._seen, strict=True):
            now = {
                head.name: hashlib.sha256(store.get(head.name)).digest() for head in store.list()
            }
            for name, digest in seen.items():
                is_kept = name in now or name.startswith(_REMOVABLE)
                assert is_kept, f"I6: {name} has vanished"
                assert now.get(name, digest) == digest, f"I2: {name} was changed"
            seen.update(now)


def photograph(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """I7: return every file and folder with mode, times and bytes; compare two of these."""
    found = {}
    for place, _, files in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in files)):
            status = os.lstat(path)
            content = b"" if path == place else Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = (
                status.st_mode,
                status.st_mtime_ns,
                status.st_ctime_ns,
                hashlib.sha256(content).digest(),
            )
    return found
