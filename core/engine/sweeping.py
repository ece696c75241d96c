"""What sessions leave behind: working objects, deleted long after the end, and markers."""

from datetime import timedelta

from core.engine.plan import read_base
from core.engine.session import Clock
from core.errors import IntegrityError
from core.format import names
from core.ids import SessionId
from core.limits import SESSION_KEPT_DAYS
from core.sources.repository import Repository


def sweep_sessions(target: Repository, clock: Clock) -> None:
    """Delete the working objects of sessions that ended long ago, and markers left behind."""
    ended = {record.point.split("-", 1)[1] for record in target.list_records()}
    oldest = clock() - timedelta(days=SESSION_KEPT_DAYS)
    opened: list[str] = []
    newest: dict[str, bool] = {}
    objects: dict[str, list[str]] = {}
    for head in target.store.list(names.SESSIONS):
        session_id = head.name.removeprefix(names.SESSIONS).split("/")[0]
        if session_id == "open":
            opened.append(head.name.removeprefix(names.OPEN_SESSIONS))
        elif session_id in ended:
            newest[session_id] = newest.get(session_id, True) and head.modified < oldest
            objects.setdefault(session_id, []).append(head.name)
    target.store.delete([names.open_session(SessionId(each)) for each in opened if each in ended])
    if old := [name for each, is_old in newest.items() if is_old for name in objects[each]]:
        reused = {name for each in opened if each not in ended for name in _reused(target, each)}
        target.store.delete([name for name in old if name not in reused])


def _reused(target: Repository, session_id: str) -> tuple[str, ...]:
    """Return the parts of other sessions that an open session's plan stands on."""
    try:
        return read_base(target, SessionId(session_id)).parts
    except IntegrityError:
        # Not there, or of no use to anybody: no plan stands on anything.
        return ()
