"""The state that a hot repository's points describe, to be compared with ``trees.read_tree``."""

import json

from core.catalog.tables import read_items
from core.catalog.workspace import Workspace
from core.engine.points import list_points, open_visible
from core.engine.tables import Tables
from core.limits import MIB
from core.model import Item, Record
from core.sources.repository import Repository
from tests.support.trees import Entry


def visible_items(repository: Repository, record: Record) -> list[Item]:
    """Return a point's items."""
    with Workspace(64 * MIB) as workspace:
        visible = open_visible(Tables(repository, workspace), record, "point_layers")
        return list(read_items(workspace, visible))


def state_of(repository: Repository, record: Record) -> dict[bytes, Entry]:
    """Return a point's state as ``read_tree`` returns a folder's, every blob read and checked."""
    state = {}
    for item in visible_items(repository, record):
        metadata = json.loads(item.metadata)
        content = b"".join(repository.read_blob(blob) for blob in item.blobs)
        assert len(content) == item.size
        target = bytes.fromhex(metadata.get("target", ""))
        state[item.path] = Entry(item.kind.value, metadata["mode"], item.modified, target, content)
    return state


def records_in(repository: Repository) -> list[Record]:
    """Return the records of all points, oldest first."""
    return [repository.read_record(point.name) for point in list_points(repository)]
