"""Repacks a planned session in a process of its own and tells its peak memory.

Started as ``python -m tests.memory.repacking SOURCE TARGET``.
"""

import json
import resource
import sys
from pathlib import Path

from core.engine.batches import require_plan
from core.engine.history import find_claim
from core.engine.jobs import load_definition
from core.engine.pool import repack_all
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.sources.repository import open_repository
from core.stores.folder import FolderStore
from tests.support.copies import JOB, SECRET


def peak_size() -> int:
    """Return the most memory that this process has ever had, in bytes.

    What ``getrusage`` tells is at least what the process had before it began this program, which
    is the size of whoever started it; so it is asked only where there is nothing better.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def main(source: str, target: str) -> None:
    """Repack all batches of the only session, one after the other, as one function would."""
    opened = open_repository(FolderStore(Path(target)), lambda: SECRET)
    session = CopySession(
        target=opened,
        source=open_repository(FolderStore(Path(source)), lambda: SECRET),
        claim=find_claim(opened, ""),
        definition=load_definition(opened, JOB),
    )
    batches = range(len(require_plan(opened, session.id).batches))
    before = peak_size()
    transfer, is_stopped = repack_all(session, batches, Runner(workers=1))
    answer = {
        "content_size": transfer.content_size,
        "pack_count": transfer.pack_count,
        "is_stopped": is_stopped,
        "peak_before": before,
        "peak": peak_size(),
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
