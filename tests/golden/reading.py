"""Runs of read_pack.py as whoever finds it in a repository runs it, and packs for it to read."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from core import ids
from core.engine.packing import OpenPack
from core.format import names
from core.format.frame import encode_frame
from core.format.pack import FrameBlob
from core.ids import BlobId, PackId, SessionId
from core.sources.repository import Repository
from tests.support.copies import SECRET

SCRIPT = Path(__file__).parents[2] / "core" / "format" / "resources" / names.READER
SESSION = SessionId("5e" * 16)
PACK = PackId("9a" * 16)
PACK_NAME = names.pack(SESSION, PACK)

# Runs a script without letting it import what the first argument names, and tells its peak memory.
RUN = """
import runpy, sys
forbidden, *sys.argv = sys.argv[1:]
sys.modules[forbidden] = None
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    with open("/proc/self/status") as status:
        print(*(line for line in status if line.startswith("VmHWM")))
"""


class Reading:
    """One run of the script on the packs of a repository."""

    def __init__(
        self, packs: Path, output: Path, *wanted: str, secret: str = SECRET, forbidden: str = ""
    ) -> None:
        program = ["-c", RUN, forbidden] if forbidden else []
        arguments = [str(packs), str(output), *wanted, "--secret-env", "SECRET"]
        outcome = run([*program, str(SCRIPT), *arguments], secret)
        self.status = outcome.returncode
        self.printed = outcome.stdout
        self.problems = outcome.stderr.splitlines()
        self.files = {
            path.relative_to(output).as_posix(): path.read_bytes()
            for path in output.rglob("*")
            if path.is_file()
        }

    def check(self) -> dict[str, bytes]:
        assert (self.status, self.problems) == (0, [])
        return self.files

    def names_of_problems(self) -> set[str]:
        return {problem.split(": ")[0] for problem in self.problems}


def run(
    arguments: Sequence[str], secret: str = "", typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python isolated: no environment but the secret, no path to our packages, no terminal."""
    return subprocess.run(
        [sys.executable, "-I", *arguments],
        env={"SECRET": secret, "LC_ALL": "C.UTF-8"},
        cwd="/",
        input=typed or "",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def packs_folder(repository: Repository) -> Path:
    """Return the folder that holds what is below ``packs/``."""
    return Path(repository.store.url.removeprefix("file://")) / "packs"


def put_pack(repository: Repository, blobs: Iterable[bytes], name: str = PACK_NAME) -> None:
    """Write a pack of one frame for each blob."""
    pack = OpenPack(repository, SESSION, name, PACK)
    for content in blobs:
        digest = ids.content_digest(content)
        blob = FrameBlob(id=BlobId(digest), digest=digest, length=len(content))
        pack.add(encode_frame(content, 1), [blob])
    pack.complete()


def by_id(contents: Iterable[bytes]) -> dict[str, bytes]:
    """Return what ``put_pack`` stored, as the script names it."""
    return {ids.content_digest(content).hex(): content for content in contents}
