"""What a repository holds, by name: one listing, sorted into what each name means.

What there may be millions of, packs and loose blobs, goes into tables of a workspace; the rest
stays small.
"""

import re
from dataclasses import dataclass, field

from core.catalog.workspace import Workspace, quote
from core.format import names
from core.sources.repository import RecordName, Repository
from core.stores.store import ObjectHead

# How many names of strange objects are kept; all are counted.
STRAY_NAMES_MAX = 1_000

_HEX = "[0-9a-f]{32}"
_PACK = re.compile(rf"packs/({_HEX})/({_HEX})")
_METADATA_PACK = re.compile(rf"packs/{_HEX}/meta-{_HEX}(-[1-9]\d*)?")
_BLOB = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_TABLE = re.compile(rf"(index|layers)/{_HEX}-\d+\.parquet")
_PLAIN = {
    names.REPOSITORY, names.FORMAT_DOCUMENT, names.READER, names.PACKED_REPOSITORY
}  # fmt: skip
# What is written there has names of many shapes; what they are is others' business.
_OPEN_ENDED = (
    names.JOBS, names.SESSIONS, names.RETENTION, names.CONDEMNED, names.DAMAGED, "retrievals/"
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Inventory:
    """The names of a repository's objects. ``records`` are those of points that exist.

    The workspace has two tables beside it: ``listed_packs`` (session, pack, pack_size: packs of
    content) and ``listed_blobs`` (id, size: loose blobs). Condemned ones are in neither; what
    is condemned is left out everywhere. ``void`` are the names of records that will never be,
    ``stray`` names that mean nothing.
    """

    records: tuple[RecordName, ...]
    void: frozenset[str]
    condemned: frozenset[str]
    index: list[str] = field(default_factory=list)
    layers: set[str] = field(default_factory=set)
    stray: list[str] = field(default_factory=list)
    stray_count: int = 0


def take_inventory(repository: Repository, workspace: Workspace) -> Inventory:
    """List a repository.

    Records come first: whatever one needs was there before it, so it is in what is listed after.
    """
    condemned = frozenset(repository.list_marked(names.CONDEMNED))
    found = list_records(repository, condemned)
    inventory = Inventory(
        records=tuple(record for record in found if not record.is_void),
        void=frozenset(record.name for record in found if record.is_void),
        condemned=condemned,
    )
    packs_path = workspace.new_path("listed-packs", ".csv")
    blobs_path = workspace.new_path("listed-blobs", ".csv")
    with packs_path.open("w") as packs, blobs_path.open("w") as blobs:
        for head in repository.store.list():
            if head.name in condemned:
                continue
            if match := _BLOB.fullmatch(head.name):
                blobs.write(f"{match[2]},{head.size}\n")
            elif match := _PACK.fullmatch(head.name):
                packs.write(f"{match[1]},{match[2]},{head.size}\n")
            else:
                _sort(inventory, head)
    workspace.run(
        f"""create table listed_packs as select * from read_csv({quote(packs_path)},
        header=false, auto_detect=false, columns={{'session': 'VARCHAR', 'pack': 'VARCHAR',
        'pack_size': 'BIGINT'}})"""
    )
    workspace.run(
        f"""create table listed_blobs as select unhex(id) as id, size
        from read_csv({quote(blobs_path)}, header=false, auto_detect=false,
        columns={{'id': 'VARCHAR', 'size': 'BIGINT'}})"""
    )
    packs_path.unlink()
    blobs_path.unlink()
    return inventory


def list_records(repository: Repository, condemned: frozenset[str]) -> list[RecordName]:
    """Return the records that are not condemned, oldest first; what is no record is left out."""
    records = [each for each in repository.list_records() if each.name not in condemned]
    return sorted(records, key=lambda record: record.point)


def is_table_name(name: str) -> bool:
    """Say whether a name is a layer's or an index object's."""
    return _TABLE.fullmatch(name) is not None


def _sort(inventory: Inventory, head: ObjectHead) -> None:
    if _TABLE.fullmatch(head.name):
        if head.name.startswith(names.INDEX):
            inventory.index.append(head.name)
        else:
            inventory.layers.add(head.name)
    elif not _is_known(head.name):
        inventory.stray_count += 1
        if len(inventory.stray) < STRAY_NAMES_MAX:
            inventory.stray.append(head.name)


def _is_known(name: str) -> bool:
    if name in _PLAIN or name.startswith(_OPEN_ENDED) or _METADATA_PACK.fullmatch(name):
        return True
    return names.keyset_version(name) is not None or names.is_record(name)
