"""The service's unit and container file run commands that exist, as nobody, from what is there."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core import limits
from proxy.listening import ListenPlace
from proxy.service.web import serving
from tests.architecture.tree import ROOT
from tests.cli.place import Place

UNIT = ROOT / "examples" / "coldhaul.service"
CONTAINER = ROOT / "examples" / "Containerfile"


def settings(section: str) -> dict[str, str]:
    """Return the settings of a section of the unit; each is written once."""
    found: dict[str, str] = {}
    current = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith("#") and current == section:
            key, _, value = line.partition("=")
            assert key not in found
            found[key] = value
    return found


def instructions() -> list[tuple[str, str]]:
    """Return the container file's instructions and what follows them, lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def is_command(place: Place, words: list[str]) -> bool:
    """Say whether coldhaul has a command that takes these words."""
    return place.run(*words[: words.index("--config")], "--help").code == 0


def test_the_unit_runs_a_command_that_exists(tmp_path: Path) -> None:
    program, *words = shlex.split(settings("Service")["ExecStart"])
    assert Path(program).name == "coldhaul"
    assert is_command(Place(tmp_path), words)


def test_the_unit_gives_away_nothing() -> None:
    service = settings("Service")
    assert service["DynamicUser"] == "yes"
    for key in ("ProtectHome", "PrivateTmp", "NoNewPrivileges", "RestrictSUIDSGID"):
        assert service[key] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")
    name, _, path = service["LoadCredential"].partition(":")
    assert Path(path).is_absolute()
    assert f"/run/credentials/{UNIT.name}/{name}" in UNIT.read_text()


def test_the_unit_stops_as_the_service_wants_to_be_stopped() -> None:
    service = settings("Service")
    assert service["KillMode"] == "mixed"
    assert service["SuccessExitStatus"].split() == ["143", "130"]
    assert service["ExecReload"].startswith("/bin/kill -HUP ")
    assert service["Restart"] == "on-failure"
    patience = int(service["TimeoutStopSec"])
    assert patience > limits.STORE_TRYING_SECONDS_MAX + limits.STORE_SILENCE_SECONDS_MAX
    assert f"--stop-timeout {patience} " in CONTAINER.read_text()


def test_systemd_understands_the_unit_where_there_is_one(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    text = UNIT.read_text()
    # Installed nowhere here: verified with a program that exists.
    program = shlex.split(settings("Service")["ExecStart"])[0]
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(f"ExecStart={program}", f"ExecStart={sys.executable}"))
    if analyze is None:
        assert text.count("[Service]") == 1
        return
    outcome = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    mine = [line for line in outcome.stderr.splitlines() if UNIT.name in line]
    assert mine == []


def test_the_container_runs_a_command_that_exists_as_nobody(tmp_path: Path) -> None:
    found = dict(instructions())
    assert json.loads(found["ENTRYPOINT"]) == ["coldhaul"]
    assert is_command(Place(tmp_path), json.loads(found["CMD"]))
    assert found["FROM"] == "docker.io/library/python:3.13-slim"
    assert found["USER"] == "10001"
    order = [word for word, _ in instructions()]
    assert order.index("USER") > max(i for i, word in enumerate(order) if word == "RUN")
    assert "://" not in found["RUN"]
    for tool in ("apt", "curl", "wget", "git"):
        assert not re.search(rf"\b{tool}\b", found["RUN"])


def test_the_container_asks_for_health_where_it_is_served() -> None:
    found = dict(instructions())
    assert f"127.0.0.1:{found['EXPOSE']}'" in found["HEALTHCHECK"]
    assert "'/health'" in found["HEALTHCHECK"]


def is_alive(port: int) -> bool:
    """Say what the container's check says of the service at this port."""
    found = dict(instructions())
    python, *words = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    assert python == "python"
    asked = [word.replace(f":{found['EXPOSE']}", f":{port}") for word in words]
    outcome = subprocess.run([sys.executable, *asked], capture_output=True, check=False)
    return outcome.returncode == 0


def test_what_a_human_has_to_mend_restarts_no_container() -> None:
    anywhere = ListenPlace(address="127.0.0.1", port=0)
    for is_healthy in (True, False):
        health = partial(dict[str, Any], is_healthy=is_healthy)
        with serving(anywhere, health, lambda: b"") as place:
            assert is_alive(place.port)
    assert not is_alive(place.port)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy what the container file copies, and nothing else."""
    for word, rest in instructions():
        if word != "COPY":
            continue
        *sources, target = rest.split()
        for source in sources:
            place = tmp_path / Path(target).relative_to("/usr/src/coldhaul")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place)
    return tmp_path


def test_what_the_container_copies_can_be_installed(copied: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=copied,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
