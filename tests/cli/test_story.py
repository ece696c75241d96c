"""The main job, told by commands: back up, copy, change, copy again, get every point back."""

import os
import random
from pathlib import Path

import pytest

from tests.cli.place import Place


def make_tree(root: Path) -> None:
    numbers = random.Random(1)
    for folder in ("a", "b/c", "empty"):
        (root / folder).mkdir(parents=True)
    for number in range(30):
        (root / "a" / f"{number}.txt").write_bytes(numbers.randbytes(number * 100))
    (root / "b" / "c" / "large").write_bytes(numbers.randbytes(9 << 20))
    (root / "b" / "link").symlink_to("../a/3.txt")
    with open(os.fsencode(root) + b"/odd \xff\n name", "wb") as file:
        file.write(b"odd")


def change_tree(root: Path) -> None:
    (root / "a" / "3.txt").write_bytes(b"changed")
    (root / "a" / "4.txt").unlink()
    (root / "new").write_bytes(b"new")


def snapshot(root: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Return mode, modified time and content of everything below a folder."""
    top = os.fsencode(root)
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
            else:
                content = b""
            found[os.path.relpath(path, top)] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture
def story(place: Place) -> Place:
    """A place with repositories, job and tree."""
    make_tree(place.tree)
    for words in (("repository", "create", "primary"), ("repository", "create", "vault"),
                  ("job", "create", "nightly")):  # fmt: skip
        place.done(*words)
    return place


def test_every_point_comes_back_from_the_vault(story: Place) -> None:
    story.done("backup", str(story.tree), "--to", "primary")
    first = snapshot(story.tree)
    story.done("job", "run", "nightly")
    change_tree(story.tree)
    story.done("backup", str(story.tree), "--to", "primary")
    second = snapshot(story.tree)
    session = story.json("job", "run", "nightly")["session"]
    assert session["blob_count"] == 2
    points = story.json("restore-point", "list", "vault")["restore_points"]
    assert len(points) == 2
    for point, expected in zip(points, (first, second), strict=True):
        folder = story.root / f"restored-{point['time'][-9:-6]}"
        story.done("restore", "vault", "--to", str(folder), "--point", point["id"])
        assert snapshot(folder) == expected
    assert story.json("verify", "vault", "--read-data")["finding_count"] == 0
    assert story.json("verify", "primary", "--read-data")["finding_count"] == 0


@pytest.mark.usefixtures("real_keys")
def test_a_vault_is_brought_back_from_its_packs_alone(story: Place) -> None:
    story.done("backup", str(story.tree), "--to", "primary")
    story.done("job", "run", "nightly")
    vault = story.root / "vault"
    for entry in list(vault.iterdir()):
        if entry.name != "packs":
            entry.rename(story.root / f"lost-{entry.name}")
    assert story.run("restore-point", "list", "vault").code != 0
    document = story.json("rebuild", "vault")
    assert len(document["published_points"]) == 1
    folder = story.root / "restored"
    story.done("restore", "vault", "--to", str(folder))
    assert snapshot(folder) == snapshot(story.tree)
    story.done("verify", "vault", "--read-data")
    assert "1 restore point existed already" in story.done("rebuild", "vault").out
