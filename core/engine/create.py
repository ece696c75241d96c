"""Creating a repository, so that a crash anywhere is finished by creating it again.

``repository.json`` comes first: created once, it decides between two who create at the same
time, and from then on the settings are fixed. What follows is the same whoever writes it, or is
adopted from whoever was first. The keyset comes last and beside the packs before it comes under
``keys/``: without one nothing can be sealed, so nothing is, before all that a rebuild needs is
stored (I8).
"""

from datetime import datetime
from importlib.resources import files

from core import ids
from core.engine import probe
from core.engine.keys import create_keys
from core.errors import ConflictError, InputError, NotFoundError
from core.format import names, records
from core.limits import FORMAT_VERSION
from core.model import Identity, Parameters, RetentionType
from core.sources.repository import Repository
from core.sources.unlocking import KeyAccess, Secret, adding_option, describe_secret
from core.stores.store import Store

_FIRST_KEYSETS = (names.packed_keyset(1), names.keyset(1))


def create_repository(  # noqa: PLR0913  What a repository is once and for all.
    store: Store,
    *,
    retention_type: RetentionType,
    secret: Secret | None,
    parameters: Parameters,
    now: datetime,
    may_be_cloud_key_only: bool = False,
) -> Repository:
    """Create a repository, encrypted if there is a ``secret``, or finish one that was begun.

    A complete repository, or one begun with other settings, is a ``ConflictError``. A place that
    holds anything else is an ``InputError``, a store that ignores create-only a ``StoreError``;
    nothing is left there then.
    """
    if secret == "":
        raise InputError("the passphrase of a repository is empty")
    if not may_be_cloud_key_only and secret is not None and not isinstance(secret, str):
        raise InputError(
            f"{describe_secret(secret)} alone would open {store.url}, and whoever disables or "
            "deletes it, or closes its account, would take every restore point with it",
            hint="Create it with encryption.passphrase and add this key afterwards ('coldhaul key "
            f"add NAME {adding_option(secret)}'); or say --only-cloud-key and add a recovery key.",
        )
    _refuse_others(store)
    probe.try_store(store)
    probe.delete_probes(store)
    wanted = Identity(
        id=ids.new_repository_id(),
        format_version=FORMAT_VERSION,
        retention_type=retention_type,
        is_encrypted=secret is not None,
        created=ids.format_time(now),
        parameters=parameters,
    )
    identity_text = _adopt(store, names.REPOSITORY, records.encode_identity(wanted))
    identity = records.decode_identity(identity_text, f"{store.url}/{names.REPOSITORY}")
    _refuse_other_settings(store, identity, wanted)
    _adopt(store, names.PACKED_REPOSITORY, identity_text)
    for name, text in explanations().items():
        _adopt(store, name, text)
    return Repository(store, identity, _finish_keys(store, identity, secret))


def explanations() -> dict[str, bytes]:
    """Return, by name, the texts that tell how to read a repository without us."""
    folder = files("core.format") / "resources"
    return {name: (folder / name).read_bytes() for name in (names.FORMAT_DOCUMENT, names.READER)}


def _refuse_others(store: Store) -> None:
    """Let only an empty place pass, or one that holds what an unfinished creation left."""
    expected = {names.REPOSITORY, names.PACKED_REPOSITORY, *explanations()}
    found = set()
    for head in store.list():
        if head.name.startswith(probe.PREFIX):
            continue
        if head.name not in expected and head.name not in _FIRST_KEYSETS:
            _refuse_other(store, head.name)
        found.add(head.name)
    if not found:
        return
    if names.REPOSITORY not in found:
        _refuse_other(store, min(found))
    identity = records.decode_identity(store.get(names.REPOSITORY), store.url)
    if identity.is_encrypted:
        expected.update(_FIRST_KEYSETS)
    if found >= expected:
        raise _exists(store)


def _refuse_other(store: Store, name: str) -> None:
    try:
        store.head(names.REPOSITORY)
    except NotFoundError:
        raise InputError(
            f"{store.url} is not empty: it holds {name}",
            hint="Choose an empty place. If a repository's packs are left there, 'coldhaul "
            "rebuild' brings the rest back.",
        ) from None
    raise _exists(store)


def _exists(store: Store) -> ConflictError:
    return ConflictError(
        f"{store.url} holds a repository already",
        hint="'coldhaul repository check' says how it is.",
    )


def _refuse_other_settings(store: Store, identity: Identity, wanted: Identity) -> None:
    pairs = {
        "retention type": (identity.retention_type.value, wanted.retention_type.value),
        "encryption": (_encryption(identity), _encryption(wanted)),
        "pack size": (identity.parameters.pack_size, wanted.parameters.pack_size),
        "frame size": (identity.parameters.frame_size, wanted.parameters.frame_size),
        "zstd level": (identity.parameters.zstd_level, wanted.parameters.zstd_level),
    }
    problems = [
        f"{what} is {there}, not {asked}"
        for what, (there, asked) in pairs.items()
        if there != asked
    ]
    if problems:
        raise ConflictError(
            f"creating {store.url} was begun with other settings",
            hint="Use the same settings, or empty the place and start again.",
            problems=problems,
        )


def _encryption(identity: Identity) -> str:
    return "on" if identity.is_encrypted else "off"


def _finish_keys(store: Store, identity: Identity, secret: Secret | None) -> KeyAccess | None:
    return None if secret is None else create_keys(store, identity, secret)


def _adopt(store: Store, name: str, data: bytes) -> bytes:
    """Create an object; return what is stored under its name, by us or whoever was first."""
    try:
        store.put(name, data)
    except ConflictError:
        return store.get(name)
    return data
