"""Long objects go back into a bucket in a constant amount of memory."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.limits import KIB, MIB, RESTORE_LONG_OBJECTS, RESTORE_PEAK_SIZE_MAX
from tests.cli.clouds import store_table
from tests.cli.place import ROOT, Place
from tests.emulators.services import S3Service

# Enough for all parts of an upload to be under way while the next is filled.
OBJECT_SIZE = 200 * MIB
PIECE_SIZE = 64 * KIB


def fill(path: Path, number: int) -> None:
    """Write a file whose pieces all differ, of bytes that are cheap to make."""
    noise = random.Random(number).randbytes(PIECE_SIZE - 8)
    with path.open("wb") as file:
        for piece in range(OBJECT_SIZE // PIECE_SIZE):
            file.write(noise + piece.to_bytes(4, "big") + number.to_bytes(4, "big"))


@pytest.mark.xdist_group("memory")
def test_restoring_long_objects_takes_half_a_gigabyte_at_most(
    tmp_path: Path, ministack: S3Service
) -> None:
    place = Place(tmp_path)
    for number in range(RESTORE_LONG_OBJECTS + 1):
        fill(place.tree / f"{number}", number)
    with place.config.open("a") as file:
        file.write(f"\n[stores.away]\n{store_table(ministack.settings)}")
    place.done("repository", "create", "primary")
    place.done("backup", str(place.tree), "--to", "primary")
    url = f"{ministack.new_url()}/back"
    told = tmp_path / "peak"
    command = [sys.executable, "-m", "tests.memory.command", str(told)]
    words = ["restore", "primary", "--to", url, "--store", "away"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *words], cwd=place.root, env=environment, check=True)
    assert int(told.read_text()) <= RESTORE_PEAK_SIZE_MAX
    listed = ministack.client().list_objects_v2(Bucket=url.split("/")[2])["Contents"]
    assert [each["Size"] for each in listed] == [OBJECT_SIZE] * (RESTORE_LONG_OBJECTS + 1)
    ministack.clear(url)
