"""A bucket, a target and a job between them, and what a copy of the bucket has to hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.engine import jobs, run
from core.engine.run import SessionOutcome
from core.engine.runner import Runner
from core.engine.session import CopySession, claim_run, system_clock
from core.model import Item, JobDefinition, Parameters, Record, RetentionType
from core.sources.bucket import BucketSource, open_bucket_source, path_of, read_properties
from core.sources.repository import Repository
from core.stores.bucket import Bucket, Properties
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import JOB, SMALL, make_repository, read_copied, read_state, through

Contents = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPair:
    """A bucket, its copies' target, and the job between them."""

    source: BucketSource
    target: Repository
    definition: JobDefinition

    def copy(self, runner: Runner | None = None) -> SessionOutcome:
        """Run the job once."""
        outcome = run.run_job(
            self.target, self.source, self.definition, runner or Runner(workers=1)
        )
        assert outcome is not None, "every run of a bucket makes a point"
        return outcome

    def copied(self, runner: Runner | None = None) -> Record:
        """Run the job once and return what it published."""
        outcome = self.copy(runner)
        assert outcome.record is not None, outcome.report
        return outcome.record

    def session(self) -> CopySession:
        """Claim a run and do nothing with it yet."""
        claim = claim_run(self.target, self.definition, system_clock)
        return CopySession(
            target=self.target, source=self.source, claim=claim, definition=self.definition
        )

    def seen(self, *, bucket: Bucket | None = None, target: Store | None = None) -> "BucketPair":
        """Return the pair seen through another bucket or store."""
        return replace(
            self,
            source=replace(self.source, bucket=bucket) if bucket else self.source,
            target=through(self.target, target) if target else self.target,
        )


def make_bucket_pair(
    folder: Path,
    bucket: Bucket,
    *,
    is_encrypted: bool = False,
    parameters: Parameters = SMALL,
    retention_type: RetentionType = RetentionType.SNAPSHOT_BASED,
    terms: jobs.Terms | None = None,
) -> BucketPair:
    """Create target and job below ``folder``."""
    target = make_repository(
        FolderStore(folder / "target", create=True),
        is_encrypted=is_encrypted,
        parameters=parameters,
        retention_type=retention_type,
    )
    source = open_bucket_source(bucket, retention_type)
    terms = terms or jobs.Terms(schedule="daily 22:00")
    definition = jobs.create_job(target, source, JOB, terms, include_newest=False)
    return BucketPair(source=source, target=target, definition=definition)


def read_objects(target: Repository, record: Record) -> dict[bytes, bytes]:
    """Return the content of every object of a copied point, out of its packs."""
    return read_copied(target, record)


def items_of(target: Repository, record: Record) -> dict[bytes, Item]:
    """Return a point's items by path."""
    return read_state(target, record)


def properties_of(target: Repository, record: Record) -> dict[bytes, Properties]:
    """Return the properties of every object of a copied point."""
    items = read_state(target, record)
    return {path: read_properties(item.metadata) for path, item in items.items()}


def expected(contents: Contents) -> dict[bytes, bytes]:
    """Return contents as a point has to hold them."""
    return {path_of(key): content for key, content in contents.items()}
