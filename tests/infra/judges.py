"""Other people's checkers of templates, state machines and policies.

scripts/emulators.sh installs them.
"""

import os
import subprocess
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.emulators.programs import INSTALLED


def judge(name: str, *arguments: str | Path, region: str = "eu-central-1") -> str:
    """Run a checker in the project's folder; return what it says, "" where it finds nothing."""
    command = _commands()[name]
    assert Path(command[0]).exists(), f"{command[0]} is missing; run: sh scripts/emulators.sh"
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        env={
            "PATH": f"{INSTALLED / 'sam/bin'}:{os.environ['PATH']}",
            "HOME": "/nowhere",
            "LANG": "C.UTF-8",
            "AWS_DEFAULT_REGION": region,
            "SAM_CLI_TELEMETRY": "0",
            "PYTHONWARNINGS": "ignore",
        },
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _commands() -> dict[str, list[str]]:
    asl = INSTALLED / "node/node_modules/asl-validator/dist/bin/asl-validator.js"
    return {
        "asl-validator": [str(INSTALLED / "node/node"), str(asl)],
        **{
            name: [str(INSTALLED / f"sam/bin/{name}")] for name in ("sam", "cfn-lint", "parliament")
        },
    }
