"""Patch files: read, and applied by their text alone, so that no tool has to be installed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"^\+\+\+ (?:b/)?(\S+)")
_KEY = re.compile(r"(invariant|test|breaks): *(.+)")


class PatchError(Exception):
    """A patch file is not written as it should be, or does not fit the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines that stand together in a file, and the lines to put in their place."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One way of breaking an invariant, and the tests that have to notice."""

    name: str
    invariant: str
    tests: tuple[str, ...]
    breaks: str
    hunks: tuple[Hunk, ...]


def parse_mutant(name: str, text: str) -> Mutant:
    """Read a patch file."""
    head, separator, body = text.partition("\n--- ")
    if not separator:
        raise PatchError(f"{name}: no line starts with '--- ': there is no diff")
    pairs = [match.groups() for line in head.splitlines() if (match := _KEY.fullmatch(line))]
    values = {key: [value.strip() for found, value in pairs if found == key] for key, _ in pairs}
    if not re.fullmatch(r"I\d", "".join(values.get("invariant", []))) or "test" not in values:
        raise PatchError(f"{name}: the header needs 'invariant: I<n>' once and 'test: <node id>'")
    return Mutant(
        name=name,
        invariant=values["invariant"][0],
        tests=tuple(values["test"]),
        breaks=" ".join(values.get("breaks", [])),
        hunks=tuple(_parse_hunks(name, f"--- {body}".splitlines())),
    )


def _parse_hunks(name: str, lines: Sequence[str]) -> Iterator[Hunk]:
    path = ""
    hunk: list[str] | None = None
    for line in [*lines, "diff end"]:
        is_body = hunk is not None and not line.startswith(("diff ", "--- a/", "+++ ", "@@"))
        if hunk is not None and is_body:
            # Editors strip the single space of an empty context line.
            hunk.append(line or " ")
            continue
        if hunk:
            yield _hunk(name, path, hunk)
        hunk = [] if line.startswith("@@") else None
        if match := _FILE.match(line):
            path = match.group(1)


def _hunk(name: str, path: str, lines: Sequence[str]) -> Hunk:
    lines = [line for line in lines if not line.startswith("\\")]
    while lines and lines[-1] == " ":
        lines = lines[:-1]
    odd = [line for line in lines if line[0] not in " +-"]
    if not path or odd:
        raise PatchError(f"{name}: not part of a unified diff: {odd or lines}")
    return Hunk(
        path=path,
        before="".join(f"{line[1:]}\n" for line in lines if line[0] in " -"),
        after="".join(f"{line[1:]}\n" for line in lines if line[0] in " +"),
    )


def apply_mutant(mutant: Mutant, root: Path) -> None:
    """Change the tree at ``root``, or raise ``PatchError`` and leave the file as it was."""
    for hunk in mutant.hunks:
        path = root / hunk.path
        if not path.is_file():
            raise PatchError(f"{mutant.name}: {hunk.path} does not exist any more")
        # A line has to match from its start.
        content = "\n" + path.read_text(encoding="utf-8")
        count = content.count("\n" + hunk.before)
        if count != 1:
            where = "nowhere" if count == 0 else f"in {count} places"
            raise PatchError(f"{mutant.name}: a hunk fits {where} in {hunk.path}")
        content = content.replace("\n" + hunk.before, "\n" + hunk.after)
        path.write_text(content[1:], encoding="utf-8")
