"""Runs a job between two buckets as ``coldhaul job run`` does, with the exemption for the target.

``python -m benchmarks.driver KIND SOURCE TARGET`` takes what the source is and the addresses of the
two S3 servers. All but the wrapper around the target's store is the product's.
"""

import json
import os
import sys

from benchmarks.create_only import CreateOnlyStore
from benchmarks.servers import REGION
from benchmarks.subject import BUCKET_TARGET, JOB, PASSPHRASE_VARIABLE, RAW, SOURCE, TARGET
from core.engine.jobs import Terms, create_job, load_definition
from core.engine.run import run_job
from core.engine.runner import Runner
from core.errors import NotFoundError
from core.model import JobDefinition, RetentionType
from core.sources.bucket import BucketSource, open_bucket_source
from core.sources.repository import Repository, open_repository
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings

REPOSITORY, BUCKET = "repository", "bucket"


def _open(endpoint: str, bucket: str, *, is_target: bool) -> Repository:
    store = open_store(f"s3://{bucket}", _settings(endpoint))
    return open_repository(CreateOnlyStore(store) if is_target else store, _secret)


def _settings(endpoint: str) -> StoreSettings:
    return StoreSettings(endpoint=endpoint, region=REGION)


def _secret() -> str:
    return os.environ[PASSPHRASE_VARIABLE]


def _bucket_job(target: Repository, source: BucketSource) -> JobDefinition:
    """Return the job that copies a bucket; its first run creates it."""
    try:
        return load_definition(target, JOB)
    except NotFoundError:
        terms = Terms(schedule="daily 22:00")
        return create_job(target, source, JOB, terms, include_newest=False)


def main(kind: str, source_endpoint: str, target_endpoint: str) -> None:
    """Run the job once and print what the session moved, as the command's ``--json`` does."""
    if kind == BUCKET:
        target = _open(target_endpoint, BUCKET_TARGET, is_target=True)
        bucket = open_bucket(f"s3://{RAW}", _settings(source_endpoint))
        objects = open_bucket_source(bucket, RetentionType.SNAPSHOT_BASED)
        outcome = run_job(target, objects, _bucket_job(target, objects), Runner())
    else:
        target = _open(target_endpoint, TARGET, is_target=True)
        source = _open(source_endpoint, SOURCE, is_target=False)
        outcome = run_job(target, source, load_definition(target, JOB), Runner())
    session = None
    if outcome is not None:
        moved = outcome.transfer
        session = {"blob_count": moved.blob_count, "pack_count": moved.pack_count}
    sys.stdout.write(json.dumps({"session": session}))


if __name__ == "__main__":
    main(*sys.argv[1:])
