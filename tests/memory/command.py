"""Runs a command in a process of its own and leaves its peak memory in a file.

Started as ``python -m tests.memory.command FILE WORD...``.
"""

import atexit
import sys
from pathlib import Path

from proxy.start import main
from tests.memory.repacking import peak_size


def tell(file: Path) -> None:
    """Leave in a file, in bytes, what the process has taken at most."""
    file.write_text(str(peak_size()))


if __name__ == "__main__":
    atexit.register(tell, Path(sys.argv.pop(1)))
    main()
