"""``docs/cli.md`` describes every command, every key of every object, and every exit code."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from core.stores.classes import CLASSES, StorageClass, Use
from proxy import cli, exits
from proxy.appliance_table import ApplianceTable
from proxy.fields import Table
from proxy.store_table import StoreTable
from proxy.tables import JobTable, RepositoryTable
from tests.cli.place import ROOT, Place

DOCUMENT = (ROOT / "docs" / "cli.md").read_text()
HEADINGS = "\n".join(line for line in DOCUMENT.splitlines() if line.startswith("### "))
WORDS = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`([^`\n]+)`", DOCUMENT))))


def keys_of(value: object) -> Iterator[str]:
    """Yield every key in an object, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def commands(help_text: str) -> list[str]:
    """Return the commands that a help text lists."""
    listed = help_text.split("Commands", 1)[1]
    return re.findall(r"^│ ([a-z-]+) ", listed, re.MULTILINE)


def test_every_command_has_its_heading(place: Place) -> None:
    names = commands(place.run("--help").out)
    assert len(names) == len(cli._MODULES)
    for name in names:
        help_text = place.run(name, "--help").out
        for inner in commands(help_text) if "Commands" in help_text else [""]:
            assert re.search(rf"\b{name}\b.*\b{inner}\b", HEADINGS), f"{name} {inner}"


@pytest.mark.parametrize(
    "code", [value for name, value in vars(exits).items() if name.isupper() and name[0] != "_"]
)
def test_every_exit_code_is_explained(code: int) -> None:
    assert re.search(rf"^\| (\d+, )*{code}(, \d+)* \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("table", [StoreTable, RepositoryTable, ApplianceTable, JobTable])
def test_every_key_of_the_configuration_is_described(table: type[Table]) -> None:
    assert table.model_fields.keys() <= WORDS


def row_of(entry: StorageClass) -> str:
    """Return how the table of classes describes one."""
    uses = {Use.PACKS: "packs", Use.METADATA: "metadata", Use.SOURCE: "sources"}
    cells = [
        f"`{entry.name}`",
        entry.vendor,
        "yes" if entry.needs_retrieval else "no",
        f"{entry.days_min} days" if entry.days_min else "",
        f"{entry.size_min >> 10} KiB" if entry.size_min else "",
        ", ".join(word for use, word in uses.items() if entry.can_be(use)),
    ]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def test_every_class_is_described() -> None:
    usable = [entry for entry in CLASSES if not entry.refusal]
    table = [line for line in DOCUMENT.splitlines() if re.match(r"\| `\w+` \| (ama|azu)", line)]
    assert table == [row_of(entry) for entry in usable]


def answers(place: Place) -> Iterator[dict[str, Any]]:
    """Run a story in which every command speaks."""
    place.config.rename(place.root / "kept.toml")
    yield place.json("init")
    (place.root / "kept.toml").rename(place.config)
    yield place.json("repository", "create", "primary")
    yield place.json("repository", "create", "vault")
    yield place.json("repository", "check", "vault")
    yield place.json("key", "add", "vault", "--recovery")
    yield place.json("key", "list", "vault")
    yield place.json("key", "rotate", "vault")
    yield place.json("job", "create", "nightly")
    (place.tree / "link").symlink_to("a")
    (place.tree / "a").write_bytes(b"a")
    yield place.json("backup", str(place.tree), "--to", "primary")
    yield place.json("job", "run", "nightly", "--dry-run")
    yield place.json("job", "run", "nightly")
    yield place.json("job", "list")
    (session,) = place.json("session", "list", "nightly")["sessions"]
    yield {"sessions": [session]}
    yield place.json("session", "show", session["id"], "--log")
    yield place.json("session", "stop", session["id"], code=4)
    (point,) = place.json("restore-point", "list", "vault")["restore_points"]
    yield place.json("restore-point", "show", "vault", point["id"])
    yield place.json("item", "list", "vault")
    yield place.json("restore", "vault", "--to", str(place.root / "restored"))
    yield place.json("verify", "vault", "--read-data")
    yield place.json("rebuild", "vault")
    yield place.json("key", "remove", "vault", "recovery")


def test_every_key_of_every_object_is_described(place: Place) -> None:
    missing = {key for answer in answers(place) for key in keys_of(answer)} - WORDS
    assert missing == set()
