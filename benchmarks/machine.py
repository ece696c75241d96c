"""What a measurement was made on: stated with every table."""

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, what ran on it and when."""

    processor: str
    core_count: int
    memory_size: int
    kernel: str
    python: str
    commit: str
    date: str
    load: float

    def __str__(self) -> str:
        """Write it in one line."""
        return (
            f"{self.processor}, {self.core_count} cores, {self.memory_size / 2**30:.0f} GiB, "
            f"{self.kernel}, Python {self.python}; commit {self.commit}; {self.date}; "
            f"load before {self.load:.1f}"
        )

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def describe_machine() -> Machine:
    """Look at this machine and this tree."""
    return Machine(
        processor=_processor(),
        core_count=os.cpu_count() or 1,
        memory_size=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        commit=_commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        load=os.getloadavg()[0],
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _commit() -> str:
    """Return the commit, with a plus if the code measured is not exactly that of the commit."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}+" if _git("status", "--porcelain", "core", "proxy") else commit or "unknown"


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
