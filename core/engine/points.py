"""The restore points of a repository: finding them and reading their state."""

from core.catalog import layers as layer_tables
from core.engine.tables import Tables
from core.errors import ConflictError, NotFoundError
from core.format import names
from core.ids import RepositoryId
from core.model import Record, RetentionType
from core.sources.repository import RecordName, Repository


def list_points(repository: Repository, source_id: RepositoryId | None = None) -> list[RecordName]:
    """Return the points that exist, oldest first: neither void nor condemned."""
    condemned = repository.list_marked(names.CONDEMNED)
    found = [
        record
        for record in repository.list_records(source_id)
        if not record.is_void and record.name not in condemned
    ]
    return sorted(found, key=lambda record: record.point)


def read_points(repository: Repository) -> list[Record]:
    """Read the records of all points that exist, oldest first."""
    return [repository.read_record(point.name) for point in list_points(repository)]


def newest_record(repository: Repository, source_id: RepositoryId) -> Record | None:
    """Read the newest point of a source's data, None when there is none."""
    points = list_points(repository, source_id)
    return repository.read_record(points[-1].name) if points else None


def find_point(repository: Repository, text: str | None) -> Record:
    """Read the point whose id starts with ``text``; the newest one without a text."""
    points = list_points(repository)
    where = repository.store.url
    if text is None:
        if not points:
            raise NotFoundError(f"{where} holds no restore point yet")
        return repository.read_record(points[-1].name)
    found = [point for point in points if point.point.startswith(text)]
    if not found:
        raise NotFoundError(
            f"{where} holds no restore point whose id starts with {text!r}",
            hint="'coldhaul restore-point list' shows the ids.",
        )
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} restore points of {where} have ids that start with {text!r}",
            hint="Give more of the id.",
            problems=[point.point for point in found[:20]],
        )
    return repository.read_record(found[0].name)


def visible_floor(repository: Repository) -> int:
    """Return the floor below which rows belong to no point: nanoseconds, or ``NO_FLOOR``."""
    is_item_level = repository.identity.retention_type is RetentionType.ITEM_LEVEL
    return repository.floor() if is_item_level else layer_tables.NO_FLOOR


def open_visible(tables: Tables, record: Record, view: str) -> str:
    """Create a view of the point's layers; return the query of its visible rows.

    The result stands in parentheses, has a layer's columns and can be joined.
    """
    tables.open_point(record, view)
    return layer_tables.visible_sql(view, visible_floor(tables.repository))
