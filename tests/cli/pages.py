"""A page of the documentation as a reader follows it: its configuration, its commands, its output.

``toml`` blocks are the configuration, each line of an ``sh`` block is a command, and ``text``
blocks show with ``$`` in front of them commands that were run, and all or the beginning of what
each printed. Other blocks are for the vendors' tools.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.exits import BUG

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"export (\w+)=(.*)")
# What no two runs have in common.
_CHANGING = (
    (re.compile(r"\b\d{8}T\d{12}Z-[0-9a-f]{32}\b"), "POINT"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d[\d,.]*( [KMGT]?i?B)?"), "N"),
    (re.compile(r"\s+|[─━]+"), " "),
)
# How long something took, and what that was due to.
_TIMES = re.compile(r"^\s*time\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that was run as the page has it."""

    command: str
    out: str
    err: str
    code: int


@dataclass(kw_only=True)
class Page:
    """A page and where it is tried. ``replaced`` are texts of the page and what stands for them."""

    path: Path
    folder: Path
    replaced: Mapping[str, str]
    environment: dict[str, str]
    ran: list[Ran] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The page with everything replaced."""
        text = self.path.read_text(encoding="utf-8")
        for old, new in self.replaced.items():
            assert old in text, f"{self.path.name} does not mention {old}"
            text = text.replace(old, new)
        return text

    def blocks(self, kind: str) -> list[str]:
        """Return the blocks of a kind, in their order."""
        return [body for found, body in _BLOCK.findall(self.text) if found == kind]

    def commands(self) -> Iterator[str]:
        """Yield the commands of the ``sh`` blocks, in their order."""
        for block in self.blocks("sh"):
            yield from block.replace("\\\n", " ").splitlines()

    def run(self, command: str) -> Ran | None:
        """Run a command as a shell would; None for one that only sets a variable."""
        export = _EXPORT.fullmatch(command)
        if export:
            self.environment[export[1]] = shlex.split(export[2])[0]
            return None
        done = subprocess.run(
            ["sh", "-c", command],
            **self._surroundings(),
            capture_output=True,
            timeout=900,
            check=False,
        )
        assert done.returncode != BUG, f"{command}: {done.stderr}"
        ran = Ran(command=command, out=done.stdout, err=done.stderr, code=done.returncode)
        self.ran.append(ran)
        return ran

    def serve(self, command: str, until: str) -> None:
        """Start a service, wait until it has said something, and end it as a system does."""
        with subprocess.Popen(
            shlex.split(command), **self._surroundings(), stderr=subprocess.PIPE
        ) as service:
            assert service.stderr is not None
            said = []
            for line in service.stderr:
                said.append(line)
                if until in line:
                    break
            service.send_signal(signal.SIGTERM)
            rest = service.communicate(timeout=120)[1]
        assert until in said[-1], "".join([*said, rest])
        assert service.returncode == 143, rest

    def _surroundings(self) -> dict[str, Any]:
        environment = {**os.environ, **self.environment, "COLUMNS": "120"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        return {"cwd": self.folder, "env": environment, "text": True}

    def unlike(self) -> list[str]:
        """Return the lines that the page shows and no run of their command has printed."""
        missing = []
        for block in self.blocks("text"):
            for shown in re.split(r"(?m)^\$ ", block)[1:]:
                command, *lines = shown.splitlines()
                printed = {_common(line) for line in _printed(self.ran, command)}
                missing += [
                    f"{command}: {line}"
                    for line in lines
                    if not _TIMES.match(line) and _common(line) not in printed
                ]
        return missing


def _printed(ran: Sequence[Ran], command: str) -> list[str]:
    texts = [
        each.out + each.err for each in ran if each.command.partition("#")[0].strip() == command
    ]
    assert texts, f"the page shows what {command!r} prints and does not run it"
    return "".join(texts).splitlines()


def _common(line: str) -> str:
    for pattern, word in _CHANGING:
        line = pattern.sub(word, line)
    return line.strip()
