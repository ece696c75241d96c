"""Four gigabytes go through the data path in a constant amount of memory."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import ids
from core.engine.plan import run_plan
from core.format import names
from core.format.frame import encode_frame
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX, GIB, KIB, MIB
from core.model import Item, ItemKind, Parameters
from core.sources.repository import Repository
from tests.architecture.tree import ROOT
from tests.support.copies import back_up, make_pair

PEAK_SIZE_MAX = 512 * MIB
CONTENT_SIZE = 4 * GIB
NOISE_SIZE = 64 * KIB


def contents() -> Iterator[bytes]:
    """Yield 4 GiB in blobs of all sizes, all different; most of them take little room stored.

    The first quarter GiB cannot be compressed; the rest repeats 64 KiB of noise, so that the
    data path has as much to do and the disk has not.
    """
    chance = random.Random(8)
    left = CONTENT_SIZE
    for number in range(10**9):
        if left == 0:
            return
        is_small = number % 200 < 150
        size = min(left, 28 * KIB if is_small else (MIB, BLOB_SIZE_MAX)[number % 2])
        is_noise = CONTENT_SIZE - left < CONTENT_SIZE // 16
        noise = chance.randbytes(size if is_noise else min(size, NOISE_SIZE))
        yield (noise * (size // len(noise) + 1))[:size] if len(noise) < size else noise
        left -= size


def put_unsynced(repository: Repository, folder: Path, content: bytes) -> BlobId:
    """Store a loose blob as it would be stored, without waiting for the disk each time."""
    blob_id = ids.loose_blob_id(content, repository.id_key)
    name = names.blob(blob_id)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(repository.seal_object(name, encode_frame(content, 1)))
    return blob_id


@pytest.mark.xdist_group("memory")
def test_repacking_four_gigabytes_takes_half_a_gigabyte_at_most(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, is_encrypted=True, parameters=Parameters())
    items = []
    for number, content in enumerate(contents()):
        blob_id = put_unsynced(pair.source, tmp_path / "source", content)
        path = b"%06d" % number
        items.append(
            Item(path=path, kind=ItemKind.FILE, size=len(content), blobs=(BlobId(blob_id),))
        )
    back_up(pair.source, {item.path: item for item in items})
    plan = run_plan(pair.session())
    assert plan is not None
    assert plan.new_content_size == CONTENT_SIZE
    command = [sys.executable, "-m", "tests.memory.repacking", str(tmp_path / "source")]
    run = subprocess.run(
        [*command, str(tmp_path / "target")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["content_size"] == CONTENT_SIZE
    assert answer["pack_count"] >= len(plan.batches)
    assert answer["peak"] <= PEAK_SIZE_MAX, answer
