"""The first part of a rebuild: what stands at the root, from its copies beside the packs."""

from dataclasses import dataclass, field

from core.engine.create import explanations
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import keyset, names, records
from core.model import Identity
from core.sources.repository import Repository
from core.sources.unlocking import (
    UNLOCKING_HINT,
    KeyAccess,
    Secret,
    SecretSource,
    describe_secret,
    find_kek,
    list_keyset_versions,
    wrong_secret_hint,
)
from core.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that was left out or left as it is, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class RootRestorer:
    """Opens a repository of which perhaps only packs are left, and makes its root whole."""

    store: Store
    restored: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _slot_damage: IntegrityError | None = None

    def open(self, secret: SecretSource | None) -> Repository:
        """Restore identity, keys and texts; return the repository."""
        identity = self._restore_identity()
        keys = self._restore_keys(identity, secret) if identity.is_encrypted else None
        for name, text in explanations().items():
            self._put(name, text)
        return Repository(self.store, identity, keys)

    def _put(self, name: str, stored: bytes) -> None:
        try:
            self.store.put(name, stored)
        except ConflictError:
            return
        self.restored.append(name)

    def _leave(self, name: str, reason: str) -> None:
        self.problems.append(Problem(name=name, reason=reason))

    def _get(self, name: str) -> bytes | None:
        try:
            return self.store.get(name)
        except NotFoundError:
            return None

    def _restore_identity(self) -> Identity:
        """Return the identity that can be read; the one beside the packs if both can."""
        stored = {name: self._get(name) for name in (names.PACKED_REPOSITORY, names.REPOSITORY)}
        found: dict[str, bytes] = {}
        for name, data in stored.items():
            try:
                if data is not None:
                    records.decode_identity(data, name)
                    found[name] = data
            except IntegrityError as error:
                self._leave(name, f"{error.message}; delete it and run this again")
        if not found:
            raise NotFoundError(
                f"{self.store.url} has neither {names.REPOSITORY} nor {names.PACKED_REPOSITORY} "
                "that can be read",
                hint="Check the URL: a rebuild needs what was stored below packs/.",
            )
        name, data = next(iter(found.items()))
        for other, differing in found.items():
            if differing != data:
                self._leave(other, f"differs from {name}; delete the wrong one of them")
        for missing in stored.keys() - found.keys():
            self._put(missing, data)
        return records.decode_identity(data, name)

    def _restore_keys(self, identity: Identity, secret: SecretSource | None) -> KeyAccess:
        """Open the highest keyset version that the secret opens, in either place.

        The highest of all may be an orphan of a change that was stopped, perhaps the very
        removal of this secret; what was written by then opens with the one before.
        """
        if secret is None:
            raise InputError(
                f"{self.store.url} is encrypted and the configuration names no passphrase "
                "or cloud key for it",
                hint=UNLOCKING_HINT,
            )
        given = secret()
        listed = [list_keyset_versions(self.store, place) for place in (names.PACKS, names.KEYS)]
        for version in sorted({*listed[0], *listed[1]}, reverse=True):
            for name in [place[version] for place in listed if version in place]:
                access = self._open_keyset(name, version, identity, given)
                if access is not None:
                    self._copy_keyset(name, version)
                    return access
        if self._slot_damage is not None:
            raise self._slot_damage
        raise InputError(
            f"{describe_secret(given)} opens no keyset of {self.store.url}",
            hint=wrong_secret_hint(given),
        )

    def _copy_keyset(self, name: str, version: int) -> None:
        """Put the keyset that opens where it is missing; tell where something else stands."""
        stored = self.store.get(name)
        for place in (names.packed_keyset(version), names.keyset(version)):
            self._put(place, stored)
            is_told = any(problem.name == place for problem in self.problems)
            if not is_told and self._get(place) != stored:
                self._leave(place, f"differs from {name}; delete it and run this again")

    def _open_keyset(
        self, name: str, version: int, identity: Identity, secret: Secret
    ) -> KeyAccess | None:
        try:
            current = keyset.decode_keyset(self.store.get(name), version)
            kek = self._find_kek(current, name, identity, secret)
            if kek is None:
                if name.startswith(names.KEYS):
                    self._leave(name, "does not open, and while it is there no older one counts")
                return None
            ring = keyset.open_key_ring(kek, current, identity.id)
        except IntegrityError as error:
            self._leave(name, f"{error.message}; delete it and run this again")
            return None
        return KeyAccess(kek=kek, version=version, ring=ring)

    def _find_kek(
        self, current: keyset.Keyset, name: str, identity: Identity, secret: Secret
    ) -> bytes | None:
        try:
            return find_kek(current, secret, identity.id)
        except IntegrityError as error:
            # One slot is damaged; the keyset is not, and an older one may have it whole.
            self._leave(name, error.message)
            self._slot_damage = self._slot_damage or error
            return None
