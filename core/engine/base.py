"""What a plan stands on: the parent, and which packs count."""

from collections.abc import Iterator

from core.catalog.layers import NO_FLOOR
from core.catalog.workspace import quote, spooled
from core.engine.delta import count_shared_layers
from core.engine.inventory import is_table_name
from core.engine.known import each_known
from core.engine.points import list_points, visible_floor
from core.engine.session import CopySession
from core.engine.state import Base
from core.engine.tables import Tables
from core.format import names
from core.ids import is_hex_id
from core.plan.copy import current_limits
from core.sources.repository import Repository


def find_base(session: CopySession, tables: Tables) -> Base:
    """Look at the target, in the order in which nothing can slip through.

    Called after the open session's marker exists: whatever a prune condemns later waits for
    this session. Condemned first, then packs, then the index: a pack that goes meanwhile is
    either seen as condemned or was not needed by anything the index has. The parent before all
    of them: what it needs is then in what is listed after.
    """
    target = session.target
    # A bucket has neither layers nor floors.
    source = session.source if isinstance(session.source, Repository) else None
    points = list_points(target, session.claim.source_id)
    older = [point for point in points if point.point[:22] < session.claim.source_point[:22]]
    parent = older[-1].name if older else ""
    condemned = target.list_marked(names.CONDEMNED)
    damaged = target.list_marked(names.DAMAGED)
    _create_listed(tables, condemned | damaged)
    stored = (head.name for head in target.store.list(names.INDEX))
    listed = [name for name in stored if is_table_name(name) and name not in condemned]
    unpublished, published = _sessions(target)
    index = tuple(name for name in listed if _session_of(name) not in unpublished)
    parts = tuple(_reusable_parts(target, session, published))
    return Base(
        parent=parent,
        shared_layers=count_shared_layers(session, source, parent) if source else 0,
        floor=visible_floor(target),
        source_floor=visible_floor(source) if source else NO_FLOOR,
        limits=current_limits(),
        index=index,
        parts=parts,
        excluded=tuple(_excluded(tables, index, parts)),
        allow_damaged=session.definition.allow_damaged,
    )


def _create_listed(tables: Tables, unusable: set[str]) -> None:
    """Create the table ``listed`` of the packs of content that are there and count."""
    path = tables.workspace.new_path("listed", ".csv")
    with spooled(path) as file:
        for head in tables.repository.store.list(names.PACKS):
            place = head.name.removeprefix(names.PACKS).split("/")
            is_content = len(place) == 2 and all(is_hex_id(part) for part in place)
            if is_content and head.name not in unusable:
                file.write(f"{place[0]},{place[1]},{head.size}\n")
    tables.workspace.run(
        f"""create table listed as select * from read_csv({quote(path)}, header=false,
        auto_detect=false, columns={{'session': 'VARCHAR', 'pack': 'VARCHAR',
        'pack_size': 'BIGINT'}})"""
    )


def _sessions(target: Repository) -> tuple[set[str], set[str]]:
    """Return the sessions known to have published nothing, and those that have.

    Index objects of the former may be in no metadata pack (I8). Their packs are found by their
    parts, and so come into the index of whoever uses them. Looked at after the index: whoever
    made an object seen there is open, void or published now.
    """
    opened = {
        head.name.removeprefix(names.OPEN_SESSIONS)
        for head in target.store.list(names.OPEN_SESSIONS)
    }
    ended = {record.point.split("-", 1)[1]: record.is_void for record in target.list_records()}
    void = {session_id for session_id, is_void in ended.items() if is_void}
    published = set(ended) - void
    return (opened | void) - published, published


def _session_of(index_name: str) -> str:
    return index_name.removeprefix(names.INDEX).split("-", 1)[0]


def _reusable_parts(target: Repository, session: CopySession, published: set[str]) -> Iterator[str]:
    """Yield the parts of other sessions, open or void: their finished packs need no repeating.

    A published session's packs are in the index already.
    """
    for head in target.store.list(names.SESSIONS):
        maker = names.session_of_part(head.name)
        if maker is not None and maker != session.id and maker not in published:
            yield head.name


def _excluded(
    tables: Tables, index: tuple[str, ...], parts: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    workspace = tables.workspace
    workspace.run("create table known_packs (session VARCHAR, pack VARCHAR, pack_size BIGINT)")
    for _ in each_known(tables, index, parts):
        workspace.run("insert into known_packs select distinct session, pack, pack_size from known")
    yield from workspace.rows(
        """select distinct session, pack from known_packs
        anti join listed using (session, pack, pack_size) order by all"""
    )
    workspace.run("drop table known_packs")
