"""Whether a repository can be used: everything that can be found out without reading data.

Every check runs whatever the others found, so that one run tells all. Nothing is mended here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.engine.probe import Probe
from core.engine.uploads import find_old_uploads
from core.errors import ColdhaulError, InputError, NotFoundError, StoreError
from core.format import names, slots
from core.limits import UNFINISHED_UPLOAD_KEPT_DAYS
from core.model import Identity
from core.sources.repository import read_identity
from core.sources.unlocking import (
    UNLOCKING_HINT,
    Secret,
    describe_secret,
    list_keyset_versions,
    read_newest_keyset,
    unlock,
)
from core.stores.store import Store

# Prune gives a session up when nothing of it has been written for so long.
OPEN_SESSION_DAYS_MAX = 14
_NAMES_SHOWN_MAX = 20


class Level(StrEnum):
    """Whether somebody has to do something: no, better, or at once."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found out. ``hint`` says what to do about it, ``items`` what it is about."""

    level: Level
    what: str
    detail: str
    hint: str = ""
    items: tuple[str, ...] = ()


def check_repository(store: Store, secret: Secret | None, now: datetime) -> tuple[Finding, ...]:
    """Check reach, identity, keys, copies, permissions and leftovers; return all findings.

    Permissions are checked by trying: a small object is written under ``sessions/`` and deleted.
    """
    try:
        identity = read_identity(store)
    except ColdhaulError as error:
        return (failed("identity", error),)
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "keys": lambda: _check_keys(store, identity, secret),
        "copies beside the packs": lambda: _check_copies(store, identity),
        "texts": lambda: _check_texts(store),
        "open sessions": lambda: _check_open_sessions(store, now),
        "damage": lambda: _check_damage(store),
        "unfinished uploads": lambda: _check_uploads(store, now),
    }
    findings = [_describe(identity)]
    for what, check in checks.items():
        findings += _collect(what, check)
    return (*findings, *_check_permissions(store))


def _collect(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ColdhaulError as error:
        yield failed(what, error)


def failed(what: str, error: ColdhaulError) -> Finding:
    """Return the finding that a check ended by an error."""
    return Finding(
        level=Level.ERROR, what=what, detail=error.message, hint=error.hint, items=error.items
    )


def passed(what: str, detail: str) -> Finding:
    """Return the finding that a check found nothing wrong."""
    return Finding(level=Level.OK, what=what, detail=detail)


def _describe(identity: Identity) -> Finding:
    encryption = "encrypted" if identity.is_encrypted else "not encrypted"
    return passed(
        "identity",
        f"{identity.id}: format version {identity.format_version}, "
        f"{identity.retention_type.value}, {encryption}",
    )


def _check_keys(store: Store, identity: Identity, secret: Secret | None) -> Iterator[Finding]:
    if not identity.is_encrypted:
        if secret is not None:
            yield Finding(
                level=Level.WARNING,
                what="keys",
                detail=f"{describe_secret(secret)} is configured, and the repository is not "
                "encrypted",
                hint="Remove encryption; it is chosen at creation.",
            )
        return
    current = read_newest_keyset(store, names.KEYS)
    if current is None:
        yield Finding(
            level=Level.ERROR,
            what="keys",
            detail=f"there is no keyset below {names.KEYS}",
            hint="Run 'coldhaul repository create' again if it was interrupted, else 'coldhaul "
            "rebuild'.",
        )
        return
    if secret is None:
        raise InputError("the configuration names no passphrase or cloud key", hint=UNLOCKING_HINT)
    access = unlock(current, identity, secret, names.keyset(current.version))
    kinds = ", ".join(f"{slot.name} ({slot.kind})" for slot in current.slots)
    epochs = len(access.ring.epochs)
    yield passed("keys", f"version {current.version} opens: {epochs} epoch(s), slots: {kinds}")
    if not any(slots.is_opened_by_text(slot) for slot in current.slots):
        yield Finding(
            level=Level.WARNING,
            what="keys",
            detail="only keys in a cloud open it: whoever disables or deletes them, or closes "
            "their account, takes every restore point with them",
            hint="Add a recovery key: 'coldhaul key add NAME --recovery'.",
        )


def _check_copies(store: Store, identity: Identity) -> Iterator[Finding]:
    problems = list(compare_copies(store))
    if not problems:
        yield passed("copies beside the packs", "equal to their originals")
    for name, problem in problems:
        yield Finding(
            level=Level.ERROR,
            what="copies beside the packs",
            detail=f"{name} {problem}",
            hint="Without it a rebuild may miss keys. Any 'coldhaul key' command that changes "
            "something writes a new keyset in both places.",
        )
    newest = max(list_keyset_versions(store, names.KEYS), default=0)
    for version, name in sorted(list_keyset_versions(store, names.PACKS).items()):
        if identity.is_encrypted and version > newest:
            yield Finding(
                level=Level.WARNING,
                what="copies beside the packs",
                detail=f"{name} belongs to an unfinished change of keys",
                hint="The next change of keys finishes it.",
            )


def compare_copies(store: Store) -> Iterator[tuple[str, str]]:
    """Yield the copies beside the packs that are not equal to their originals, and why."""
    pairs = {names.REPOSITORY: names.PACKED_REPOSITORY}
    for version, name in sorted(list_keyset_versions(store, names.KEYS).items()):
        pairs[name] = names.packed_keyset(version)
    for original, copy in pairs.items():
        try:
            if store.get(original) != store.get(copy):
                yield copy, f"differs from {original}"
        except NotFoundError:
            yield copy, "is missing"


def _check_texts(store: Store) -> Iterator[Finding]:
    missing = [
        name
        for name in (names.FORMAT_DOCUMENT, names.READER)
        if not any(head.name == name for head in store.list(name))
    ]
    if not missing:
        yield passed("texts", f"{names.FORMAT_DOCUMENT} and {names.READER} are there")
        return
    yield Finding(
        level=Level.WARNING,
        what="texts",
        detail=f"missing: {', '.join(missing)}",
        hint="They tell others how to read this repository; 'coldhaul rebuild' writes them again.",
    )


def _check_open_sessions(store: Store, now: datetime) -> Iterator[Finding]:
    heads = list(store.list(names.OPEN_SESSIONS))
    oldest = now - timedelta(days=OPEN_SESSION_DAYS_MAX)
    old = [head.name.removeprefix(names.OPEN_SESSIONS) for head in heads if head.modified < oldest]
    if old:
        yield Finding(
            level=Level.WARNING,
            what="open sessions",
            detail=f"open for more than {OPEN_SESSION_DAYS_MAX} days: {_shown(old)}",
            hint="'coldhaul session resume' finishes one, 'session abandon' gives it up.",
        )
        return
    yield passed("open sessions", f"{len(heads)}, none of them old")


def _check_damage(store: Store) -> Iterator[Finding]:
    marked = [head.name.removeprefix(names.DAMAGED) for head in store.list(names.DAMAGED)]
    if marked:
        yield Finding(
            level=Level.ERROR,
            what="damage",
            detail=f"{len(marked)} object(s) are listed as damaged: {_shown(marked)}",
            hint="'coldhaul verify' says which restore points need them.",
        )
        return
    yield passed("damage", "none is listed")


def _check_uploads(store: Store, now: datetime) -> Iterator[Finding]:
    old = find_old_uploads(store, lambda: now)
    if old:
        size = sum(upload.size for upload in old)
        yield Finding(
            level=Level.WARNING,
            what="unfinished uploads",
            detail=f"{len(old)} were begun more than a day ago and never ended, of {size} bytes "
            f"or more: {_shown([upload.name for upload in old])}",
            hint="They are invisible and cost as much as objects. The next run of a job and "
            f"'coldhaul verify' give those up that are {UNFINISHED_UPLOAD_KEPT_DAYS} days old.",
        )
        return
    yield passed("unfinished uploads", "none is old")


def _check_permissions(store: Store) -> Iterator[Finding]:
    """Try each thing that a repository's store has to allow; stop where nothing can follow."""
    probe = Probe(store)
    written = _try("permission to write", probe.write)
    yield written
    if written.level is Level.ERROR:
        return
    yield _try("permission to read", probe.read)
    yield _try("permission to list", probe.find)
    yield _try("create-only writes", probe.write_again)
    yield _try("create-only uploads", probe.upload_again)
    deleted = _try("permission to delete", probe.delete)
    yield deleted
    if deleted.level is Level.OK:
        yield _check_keeping(store, probe.name)


def _check_keeping(store: Store, deleted: str) -> Finding:
    what = "deleted objects"
    try:
        keeping = store.keeping(deleted)
    except StoreError as error:
        return Finding(
            level=Level.WARNING,
            what=what,
            detail=f"it is not known whether they are kept: {error.message}",
            hint=error.hint,
        )
    if not keeping.is_kept:
        return passed(what, "are gone at once")
    if keeping.days:
        return passed(what, f"are kept for {keeping.days} more days, and cost as long")
    return Finding(
        level=Level.WARNING,
        what=what,
        detail="are kept for ever as former versions, which no listing shows and which cost as "
        "much as before",
        hint="Have a rule of the store's life cycle delete former versions after some days, or "
        "switch versioning off.",
    )


def _try(what: str, attempt: Callable[[], None]) -> Finding:
    try:
        attempt()
    except ColdhaulError as error:
        return failed(what, error)
    return passed(what, "tried")


def _shown(found: Sequence[str]) -> str:
    more = len(found) - _NAMES_SHOWN_MAX
    return ", ".join(found[:_NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
