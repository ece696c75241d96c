"""A folder with a configuration in it, and the real command run there."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.cli import main

ROOT = Path(__file__).parents[2]
PASSPHRASE = "nine purple owls in a teapot"

CONFIG = """\
version = 1

[repositories.primary]
url = "file://{root}/primary"
proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "file://{root}/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "file:{root}/passphrase"

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Place:
    """A home for repositories, ``coldhaul.toml`` and what is backed up."""

    def __init__(self, root: Path) -> None:
        """Write the configuration and the vault's passphrase; create no repository."""
        self.root = root
        self.config = root / "coldhaul.toml"
        self.config.write_text(CONFIG.format(root=root))
        self.passphrase = root / "passphrase"
        self.write_passphrase(PASSPHRASE)
        self.tree = root / "tree"
        self.tree.mkdir()

    def write_passphrase(self, text: str) -> None:
        """Change the secret that the configuration refers to."""
        self.passphrase.write_text(f"{text}\n")
        self.passphrase.chmod(0o600)

    def drop_encryption(self) -> None:
        """Declare the vault unencrypted: deriving keys takes most of a small command's time."""
        self.edit(f'encryption.passphrase = "file:{self.passphrase}"\n', "")

    def open_by(self, setting: str) -> None:
        """Have this setting open the vault from now on, in place of the passphrase."""
        self.edit(f'encryption.passphrase = "file:{self.passphrase}"', setting)
        self.passphrase.unlink()

    def edit(self, old: str, new: str) -> None:
        """Change the configuration."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def run(self, *words: str) -> Answer:
        """Run a command in this process: the real one, without a new interpreter's start."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([*words, "--config", str(self.config)])
            except SystemExit as ended:
                code = ended.code
        assert isinstance(code, int)
        return Answer(code=code, out=out.getvalue(), err=err.getvalue())

    def done(self, *words: str) -> Answer:
        """Run a command that has to end with code 0."""
        answer = self.run(*words)
        assert answer.code == 0, answer.err
        return answer

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command with ``--json`` and return its object."""
        answer = self.run(*words, "--json")
        assert answer.code == code, answer.err
        return answer.document

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the command as a process of its own, in this folder."""
        code = "from proxy.start import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def spawn(self, *words: str, environment: Mapping[str, str] | None = None) -> Answer:
        """Run the command as a process of its own and wait for it."""
        process = self.start(*words, environment=environment)
        out, err = process.communicate(timeout=120)
        return Answer(code=process.returncode, out=out, err=err)
