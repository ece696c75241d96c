"""The main job on real files: back up, copy into an encrypted vault, restore, compare.

Run by ``make demo``. Everything is made below ``.demo`` in the project's folder, which is emptied
first. Every step is a ``coldhaul`` command as a user would type it; the figures in the tables
come from its ``--json`` output.
"""

import filecmp
import json
import os
import random
import secrets
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1] / ".demo"
TREE = ROOT / "tree"
FILES_MIN = 10_000
FILES_MAX = 12_000
SHARED = Path("/usr/share")
CHANGED_SHARE = 0.01

CONFIG = """\
version = 1

[repositories.primary]
url = "{root}/primary"
proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "{root}/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "env:VAULT_PASSPHRASE"

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""

console = Console(highlight=False, soft_wrap=True)
environment = {**os.environ, "VAULT_PASSPHRASE": secrets.token_urlsafe(24)}


def main() -> int:
    """Run the demo; the exit code says whether both points came back as they were."""
    begun = time.monotonic()
    prepare()
    step("Create both repositories, and the job")
    for command in (
        ("repository", "create", "primary"),
        ("repository", "create", "vault"),
        ("job", "create", "nightly"),
    ):
        run(*command)
    first = back_up_and_copy("first")
    shutil.copytree(TREE, ROOT / "tree-before", symlinks=True)
    change_tree()
    second = back_up_and_copy("second")
    step("Check every byte of the vault")
    run("verify", "vault", "--read-data")
    step("Restore both points from the vault and compare them with what was backed up")
    wrong = restore_and_compare(first, ROOT / "tree-before")
    wrong += restore_and_compare(second, TREE)
    show_summary(first, second)
    console.print(f"\nAll of it took {time.monotonic() - begun:.0f} seconds, below {ROOT}.")
    return 1 if wrong else 0


def prepare() -> None:
    """Make the tree and the configuration."""
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir()
    step("Collect a tree of real files")
    count = 0
    for name, place in places():
        added = copy_files(place, TREE / name, FILES_MAX - count)
        count += added
        if added:
            console.print(f"{added:7,} files from {place}")
    for place in sorted(SHARED.iterdir()) if SHARED.is_dir() else []:
        if count >= FILES_MIN:
            break
        count += copy_files(place, TREE / "share" / place.name, FILES_MIN - count)
    size = sum(path.lstat().st_size for path in walk(TREE) if is_file(path))
    console.print(f"[bold]{count:7,} files[/bold], {show(size)}, in {TREE}")
    if count < FILES_MIN:
        sys.exit(f"This machine has only {count} files to show; {FILES_MIN} are wanted.")
    (ROOT / "coldhaul.toml").write_text(CONFIG.format(root=ROOT.as_uri()))


def places() -> Iterator[tuple[str, Path]]:
    """Yield what any such machine has: the environment's packages and Python's own library."""
    yield "packages", Path(sysconfig.get_path("purelib"))
    yield "library", Path(sysconfig.get_path("stdlib"))


def copy_files(source: Path, target: Path, most: int) -> int:
    """Copy files and links, at most so many; what this user may not read is left out."""
    count = 0
    for path in walk(source):
        if count >= most:
            break
        if not is_file(path) and not path.is_symlink():
            continue
        if "site-packages" in path.relative_to(source).parts:
            continue
        copy = target / path.relative_to(source) if path != source else target
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(path, copy, follow_symlinks=False)
        except PermissionError:
            continue
        count += 1
    return count


def walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder in a fixed order, links not followed."""
    if not folder.is_dir() or folder.is_symlink():
        yield folder
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from walk(entry)
        else:
            yield entry


def is_file(path: Path) -> bool:
    """Say whether this is a regular file."""
    return stat.S_ISREG(path.lstat().st_mode)


def back_up_and_copy(which: str) -> dict[str, Any]:
    """Back the tree up, run the job, and return what the vault's new point and session say."""
    step(f"Back the tree up, and copy the {which} restore point into the vault")
    before = count_objects("vault")
    run("backup", str(TREE), "--to", "primary")
    run("job", "run", "nightly")
    point = ask("restore-point", "list", "vault")["restore_points"][-1]
    session = ask("session", "show", point["session"])["session"]
    after = count_objects("vault")
    return {"point": point, "session": session, "written": after - before}


def change_tree() -> None:
    """Change, add and delete files: one in a hundred."""
    step("Change 1 % of the tree")
    chance = random.Random(1)
    files = [path for path in walk(TREE) if is_file(path)]
    chosen = chance.sample(files, round(len(files) * CHANGED_SHARE))
    for number, path in enumerate(chosen):
        if number % 10 == 0:
            path.unlink()
        elif number % 10 == 1:
            path.with_name(f"{path.name}.new").write_bytes(path.read_bytes() + b"a new file\n")
        else:
            os.chmod(path, stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR)
            with path.open("ab") as file:
                file.write(b"a changed file\n")
    console.print(f"{len(chosen):,} of {len(files):,} files changed, deleted or given a sibling")


def restore_and_compare(copied: dict[str, Any], original: Path) -> int:
    """Restore a point; return the number of differences from what was backed up."""
    point = copied["point"]["id"]
    target = ROOT / f"restored-{original.name}"
    run("restore", "vault", "--to", str(target), "--point", point)
    wrong = list(differences(original, target))
    for text in wrong[:20]:
        console.print(f"[red]{text}")
    verdict = f"[red]{len(wrong)} differences" if wrong else "[green]identical"
    count = sum(1 for _ in walk(target))
    console.print(
        f"{count:,} files and links compared byte by byte, with modes and times: {verdict}"
    )
    return len(wrong)


def differences(expected: Path, found: Path) -> Iterator[str]:
    """Yield what is different between two trees."""
    names = {path.relative_to(expected) for path in walk(expected)}
    for name in sorted(names ^ {path.relative_to(found) for path in walk(found)}):
        yield f"{name} is only in one of the trees"
    for name in sorted(names):
        one, other = expected / name, found / name
        if not os.path.lexists(other):
            continue
        before, after = one.lstat(), other.lstat()
        if one.is_symlink():
            same = other.is_symlink() and os.readlink(one) == os.readlink(other)
        else:
            same = filecmp.cmp(one, other, shallow=False)
        if not same:
            yield f"{name} has other content"
        elif (before.st_mode, before.st_mtime_ns) != (after.st_mode, after.st_mtime_ns):
            yield f"{name} has another mode or time"


def show_summary(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Show what the two sessions did, side by side."""
    step("What the two copies cost")
    table = Table()
    for heading in ("", "first", "second", "second / first"):
        table.add_column(heading, justify="left" if not heading else "right")
    for label, key, form in (
        ("blobs new to the vault", "new_blob_count", "count"),
        ("their content", "new_content_size", "size"),
        ("stored for it", "stored_size", "size"),
    ):
        add_row(table, label, first["point"][key], second["point"][key], form)
    for label, key, form in (
        ("objects written to the vault", "written", "count"),
        ("seconds", "seconds", "seconds"),
    ):
        one, other = (
            copied[key] if key in copied else copied["session"][key] for copied in (first, second)
        )
        add_row(table, label, one, other, form)
    console.print(table)
    show_totals(first)


def show_totals(first: dict[str, Any]) -> None:
    """Show how small blobs became few packs."""
    blobs = len(list(walk(ROOT / "primary" / "blobs")))
    packs = [path for path in walk(ROOT / "vault" / "packs") if "meta-" not in path.name]
    stored = sum(path.stat().st_size for path in packs)
    session = first["session"]
    ratio = session["content_size"] / max(session["stored_size"], 1)
    console.print(
        f"{blobs:,} blobs in the primary repository lie in {len(packs)} files below vault/packs "
        f"({show(stored)}).\nThe first copy compressed {ratio:.2f} : 1 at "
        f"{show(session['content_rate'])}/s; it was held up most by: {session['bottleneck']}."
    )


def add_row(table: Table, label: str, one: float, other: float, form: str) -> None:
    """Add a row with both figures and their ratio."""
    one_text, other_text = (write(figure, form) for figure in (one, other))
    ratio = f"{other / one:.1%}" if one else ""
    table.add_row(label, one_text, other_text, ratio)


def count_objects(repository: str) -> int:
    """Count the files of a repository."""
    return sum(1 for _ in walk(ROOT / repository))


def step(title: str) -> None:
    """Begin a step."""
    console.print(f"\n[bold cyan]{title}[/bold cyan]")


def run(*arguments: str) -> None:
    """Run a command as a user would, showing it; its failure ends the demo."""
    console.print(f"[dim]$ coldhaul {' '.join(arguments)}[/dim]")
    done = subprocess.run([*command(), *arguments], env=environment, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"coldhaul ended with exit code {done.returncode}")


def ask(*arguments: str) -> dict[str, Any]:
    """Run a command for its JSON object."""
    done = subprocess.run(
        [*command(), "--json", *arguments],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def command() -> list[str]:
    """Return the coldhaul of this environment."""
    return [str(Path(sys.executable).with_name("coldhaul"))]


def write(figure: float, form: str) -> str:
    """Write a figure as what it is: a size, seconds or a count."""
    if form == "size":
        return show(figure)
    return f"{figure:.1f}" if form == "seconds" else f"{figure:,.0f}"


def show(size: float) -> str:
    """Write bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if unit != "B" else f"{size:.0f} B"
        size /= 1024
    return f"{size:.3g} GiB"


if __name__ == "__main__":
    sys.exit(main())
