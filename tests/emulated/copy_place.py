"""A place with a job between two repositories, or from a bucket, and what a proxy does with it."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.history import SessionView, list_sessions
from core.engine.jobs import load_definition
from core.engine.plan import run_plan
from core.engine.run import begin_session
from core.engine.session import CopySession, system_clock
from core.ids import JobId
from core.model import Parameters, RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.repository import Repository
from core.sources.source import Source
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings
from tests.cli.place import PASSPHRASE, Place
from tests.support.copies import pin_batches
from tests.support.repositories import create_in, reopen
from tests.support.trees import copy_tree
from tests.support.waiting import wait_until

JOB = JobId("nightly")
REASON = "a test ordered it"
# Small enough that little content has several packs.
SMALL = Parameters(pack_size=64 << 10, frame_size=16 << 10, zstd_level=1)


class CopyPlace(Place):
    """A place whose source and target are at one vendor; which one its own class says."""

    def __init__(
        self,
        root: Path,
        *,
        kind: str,
        storage_class: str,
        is_encrypted: bool,
        is_source_encrypted: bool,
    ) -> None:
        """Have nothing yet but a folder."""
        super().__init__(root)
        self.kind = kind
        self.storage_class, self.is_encrypted = storage_class, is_encrypted
        self.is_source_encrypted = is_source_encrypted
        self.source_url = self.target_url = ""

    @property
    @abstractmethod
    def own_settings(self) -> StoreSettings:
        """How the proxy reaches its objects."""

    @abstractmethod
    def keys(self, prefix: str = "") -> dict[str, str]:
        """Return the class of each object of the vault."""

    @property
    def target_settings(self) -> StoreSettings:
        """The same, for the vault."""
        return replace(self.own_settings, storage_class=self.storage_class)

    def create(self, parameters: Parameters = SMALL) -> None:
        """Create the repositories, with small packs, and the job."""
        if self.kind == "repository":
            self.done("repository", "create", "primary")
        secret = PASSPHRASE if self.is_encrypted else None
        create_in(open_store(self.target_url, self.target_settings), secret, parameters=parameters)
        self.done("job", "create", "nightly")

    def source_keys(self) -> str:
        """Return what the configuration says of the source alone."""
        return 'kind = "bucket"\n' if self.kind == "bucket" else 'retention = "1 year"\n'

    def target(self) -> Repository:
        """Open the vault."""
        secret = PASSPHRASE if self.is_encrypted else None
        return reopen(open_store(self.target_url, self.target_settings), secret)

    def source(self) -> Source:
        """Open the source."""
        if self.kind == "bucket":
            bucket = open_bucket(self.source_url, self.own_settings)
            return open_bucket_source(bucket, RetentionType.SNAPSHOT_BASED)
        secret = PASSPHRASE if self.is_source_encrypted else None
        return reopen(open_store(self.source_url, self.own_settings), secret)

    def back_up(self, files: Mapping[str, bytes]) -> None:
        """Write files into the tree and make a restore point of it."""
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.done("backup", str(self.tree), "--to", "primary")

    def begin(self, batch_size: int = 0) -> CopySession:
        """Claim the newest point, as the proxy does; with batches of so many bytes if said."""
        target = self.target()
        definition = load_definition(target, JOB)
        begun = begin_session(target, self.source(), definition, system_clock)
        assert begun is not None
        if batch_size:
            with pytest.MonkeyPatch.context() as patch:
                pin_batches(patch, batch_size)
                run_plan(begun.session, 0.0)
        return begun.session

    def plan(self, session: CopySession) -> None:
        """Plan a session here, to its end."""
        assert run_plan(session) is not None

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something has come about."""
        wait_until(condition)

    def session_view(self) -> SessionView:
        """Return how the newest session stands."""
        return list_sessions(self.target(), JOB)[-1]

    def copied(self, runner: str) -> Path:
        """Have the newest point copied; return a folder that keeps how the tree looked."""
        session = self.json("job", "run", "nightly")["session"]
        assert (session["status"], session["runner"]) == ("Success", runner)
        look = self.root / f"look-{session['id']}"
        copy_tree(self.tree, look)
        return look

    def parts(self, session: CopySession) -> list[str]:
        """Return the names of the parts that a session has."""
        return sorted(self.keys(f"sessions/{session.id}/parts/"))
