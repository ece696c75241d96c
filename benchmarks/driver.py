"""Runs a job between two buckets as ``coldhaul job run`` does, with the exemption for the target.

``python -m benchmarks.driver SOURCE TARGET`` takes the addresses of the two S3 servers; the
buckets are ``primary`` and ``vault``. All but the wrapper around the target's store is the
product's.
"""

import json
import os
import sys

from benchmarks.create_only import CreateOnlyStore
from benchmarks.servers import REGION
from benchmarks.subject import JOB, PASSPHRASE_VARIABLE, SOURCE, TARGET
from core.engine.jobs import load_definition
from core.engine.run import run_job
from core.engine.runner import Runner
from core.sources.repository import open_repository
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from core.stores.store import Store


def _open(endpoint: str, bucket: str) -> Store:
    return open_store(f"s3://{bucket}", StoreSettings(endpoint=endpoint, region=REGION))


def _secret() -> str:
    return os.environ[PASSPHRASE_VARIABLE]


def main(source_endpoint: str, target_endpoint: str) -> None:
    """Run the job once and print what the session moved, as the command's ``--json`` does."""
    target = open_repository(CreateOnlyStore(_open(target_endpoint, TARGET)), _secret)
    source = open_repository(_open(source_endpoint, SOURCE), _secret)
    outcome = run_job(target, source, load_definition(target, JOB), Runner())
    session = None
    if outcome is not None:
        moved = outcome.transfer
        session = {"blob_count": moved.blob_count, "pack_count": moved.pack_count}
    sys.stdout.write(json.dumps({"session": session}))


if __name__ == "__main__":
    main(*sys.argv[1:])
