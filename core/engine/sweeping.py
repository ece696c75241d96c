"""What sessions leave behind: working objects, deleted long after the end, and markers."""

from collections.abc import Callable, Sequence, Set
from datetime import timedelta

from core.engine.session import Clock
from core.engine.state import Base, base_name
from core.errors import IntegrityError, NotFoundError
from core.format import names
from core.ids import SessionId
from core.limits import SESSION_KEPT_DAYS
from core.sources.repository import Repository


def sweep_sessions(target: Repository, clock: Clock) -> None:
    """Delete the working objects of sessions that ended long ago, and markers left behind."""
    ended = {record.point.split("-", 1)[1]: record.is_void for record in target.list_records()}
    oldest = clock() - timedelta(days=SESSION_KEPT_DAYS)
    opened: list[SessionId] = []
    newest: dict[str, bool] = {}
    objects: dict[str, list[str]] = {}
    for head in target.store.list(names.SESSIONS):
        session_id = head.name.removeprefix(names.SESSIONS).split("/")[0]
        if session_id == "open":
            opened.append(SessionId(head.name.removeprefix(names.OPEN_SESSIONS)))
        elif session_id in ended:
            newest[session_id] = newest.get(session_id, True) and head.modified < oldest
            objects.setdefault(session_id, []).append(head.name)
    target.store.delete([names.open_session(each) for each in opened if each in ended])
    if old := [name for each, is_old in newest.items() if is_old for name in objects[each]]:
        void = {session_id for session_id, is_void in ended.items() if is_void}
        needed = _needed(target, [each for each in opened if each not in ended], void)
        target.store.delete([name for name in old if not needed(name)])


def _needed(
    target: Repository, opened: Sequence[SessionId], void: Set[str]
) -> Callable[[str], bool]:
    """Return what says of an object whether a plan of open sessions stands on it, or may."""
    found = [_reused(target, session_id) for session_id in opened]
    reused = {name for parts in found for name in parts or ()}
    # Whoever makes a plan has perhaps seen the parts of those who have published nothing.
    seen = void if None in found else frozenset[str]()
    return lambda name: name in reused or names.session_of_part(name) in seen


def _reused(target: Repository, session_id: SessionId) -> tuple[str, ...] | None:
    """Return the parts of others that an open session's plan stands on; None: nobody can say.

    It may have no plan yet. What it says may be damaged too, and it is for whoever goes on with
    the session to be told of that.
    """
    try:
        return target.read_value(Base, base_name(session_id)).parts
    except (NotFoundError, IntegrityError):
        return None
