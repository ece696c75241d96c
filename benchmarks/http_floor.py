"""The floor's reading and writing when both go over HTTP: bare requests and nothing else.

``python -m benchmarks.http_floor`` is what is measured, as a process of its own: its CPU is the
client's, and what the servers take for it is counted beside.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import obstore
from botocore.credentials import ReadOnlyCredentials
from obstore.store import S3Store

from benchmarks.machine import ROOT
from benchmarks.measure import run
from benchmarks.servers import ACCESS_KEY, ENVIRONMENT, REGION, SECRET_KEY, Servers, open_bucket
from core import limits
from core.stores.http_pool import HttpPool
from core.stores.s3_signature import Signer, quote_path

SCRATCH = "scratch"
GET, PUT = "GET", "PUT"


def measure_http(
    servers: Servers, folder: Path, bucket: str, prefix: str, stored_size: int
) -> dict[str, float]:
    """Return CPU seconds of reading all objects below a prefix and of writing so many bytes.

    The servers' own are under ``server: GET`` and ``server: PUT``.
    """
    found = {}
    for stage, url, words in (
        (GET, servers.source_url, (bucket, prefix)),
        (PUT, servers.target_url, (SCRATCH, str(stored_size))),
    ):
        command = [sys.executable, "-m", "benchmarks.http_floor", stage, url, *words]
        before = servers.counts()
        _, text = run(command, folder, {**ENVIRONMENT, "PYTHONPATH": str(ROOT)})
        found[stage] = json.loads(text)
        found[f"server: {stage}"] = servers.counts().since(before).cpu
    return found


def _get(url: str, bucket: str, keys: list[str]) -> None:
    """Read objects as a session does, in one thread: many would take turns at the interpreter."""
    connections = HttpPool(url)
    signer = Signer(connections.host, REGION)
    credentials = ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, None)
    for key in keys:
        path = f"/{bucket}/{quote_path(key)}"
        headers = signer.sign("GET", path, "", {}, credentials)
        reply = connections.request("GET", path, headers, size_max=limits.WHOLE_OBJECT_SIZE_MAX)
        assert reply.status == 200, reply.status


def _put(store: S3Store, size: int) -> None:
    obstore.put(
        store, "object", _pieces(size), use_multipart=True, chunk_size=limits.UPLOAD_PART_SIZE,
        max_concurrency=limits.UPLOAD_PARTS_IN_FLIGHT_MAX,
    )  # fmt: skip


def _pieces(size: int) -> Iterator[bytes]:
    piece = bytes(limits.UPLOAD_PART_SIZE)
    while size > 0:
        yield piece[: min(size, len(piece))]
        size -= len(piece)


def main(stage: str, url: str, bucket: str, what: str) -> None:
    """Print the CPU seconds of one stage, start-up and listing aside."""
    store = open_bucket(url, bucket)
    pages = store.list(what) if stage == GET else ()
    keys = [head["path"] for page in pages for head in page]
    started = time.process_time()
    if stage == GET:
        _get(url, bucket, keys)
    else:
        _put(store, int(what))
    sys.stdout.write(json.dumps(time.process_time() - started))


if __name__ == "__main__":
    main(*sys.argv[1:])
