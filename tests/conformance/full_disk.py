"""A folder store that runs out of room, in a process of its own. Started by ``report``.

The room is a file system of 1 MiB that only this process sees. Where mounting one is forbidden,
it is a limit on the size of files, which the operating system refuses in the same place.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import StoreError
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.architecture.tree import ROOT

ROOM_SIZE = 1 << 20
_MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'


def report(root: Path, *, is_limited: bool) -> dict[str, str | list[str]]:
    """Fill ``root`` up in a child and return what it says about that."""
    child = [sys.executable, "-m", "tests.conformance.full_disk", str(root)]
    mount = None if is_limited else mounting(root)
    command = child if mount is None else [*mount, *child]
    room = [] if mount is None else ["mounted"]
    run = subprocess.run([*command, *room], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answer: dict[str, str | list[str]] = json.loads(run.stdout)
    return answer


def mounting(root: Path) -> Sequence[str] | None:
    """Return the start of a command that gives its child a small disk at ``root``, if allowed."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", "--mount", *user, "sh", "-c", _MOUNT, str(root)]
    try:
        run = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return command if run.returncode == 0 else None


def fill(store: Store) -> StoreError:
    """Put until it is refused; then also an upload is."""
    data = bytes(ROOM_SIZE // 10)
    try:
        for number in range(20):
            store.put(f"a/{number}", data)
        store.put("a/large", bytes(2 * ROOM_SIZE))
    except StoreError as error:
        return error
    raise AssertionError("there was room for everything")


def upload(store: Store) -> StoreError:
    """Begin an upload that is too large, as a caller that forgets to abort it."""
    try:
        large = store.upload("b/large")
        for _ in range(20):
            large.write(bytes(ROOM_SIZE // 10))
        large.complete()
    except StoreError as error:
        return error
    raise AssertionError("there was room for everything")


def main(root: str, room: str = "") -> None:
    """Fill the disk, free some of it, and go on."""
    if not room:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_SIZE, ROOM_SIZE))
    store = FolderStore(Path(root))
    put_error = fill(store)
    upload_error = upload(store)
    temporary = os.listdir(f"{root}/.coldhaul-tmp")
    names = [head.name for head in store.list()]
    whole = [name for name in names if store.get(name) == bytes(ROOM_SIZE // 10)]
    store.delete(names[:2])
    store.put("b/again", bytes(ROOM_SIZE // 10))
    answer = {
        "put": [put_error.message, put_error.hint],
        "upload": [upload_error.message, upload_error.hint],
        "temporary": temporary,
        "names": names,
        "whole": whole,
        "again": [head.name for head in store.list("b/")],
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
