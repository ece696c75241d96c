"""Item paths, which are hostile bytes: which may be restored, which are asked for, how they show.

A pattern works like a shell's: ``*`` and ``?`` stay within a path component, ``**`` crosses
components, ``[a-z]`` and ``[!a-z]`` stand for one character, ``\\`` takes the next one literally.
A pattern that fits a folder takes everything below it.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from core.errors import InputError
from core.limits import PATH_COMPONENT_SIZE_MAX, PATH_SIZE_MAX


def path_problem(path: bytes) -> str:
    """Say why an item must not be written below a folder; empty when nothing speaks against it."""
    if not path:
        return "the path is empty"
    if len(path) > PATH_SIZE_MAX:
        return f"the path is longer than {PATH_SIZE_MAX} bytes"
    if b"\0" in path:
        return "the path has a NUL byte in it"
    if path.startswith(b"/"):
        return "the path is absolute"
    for component in path.split(b"/"):
        if not component:
            return "the path has an empty component"
        if component in {b".", b".."}:
            return f"the path has a {component.decode()!r} component"
        if len(component) > PATH_COMPONENT_SIZE_MAX:
            return f"a component of the path is longer than {PATH_COMPONENT_SIZE_MAX} bytes"
    return ""


def display_path(path: bytes) -> str:
    """Write a path for people: bytes that are no text, and control characters, as escapes."""
    text = path.decode(errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def ancestors(path: bytes) -> Iterator[bytes]:
    """Yield the folders that a path is in, the nearest first."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


class Selection:
    """The items that somebody asks for by patterns; without patterns, all."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take patterns; one that can never fit a path is an ``InputError``."""
        self._sought = {pattern: _compile(pattern) for pattern in patterns}
        self._any = re.compile("|".join(_translate(pattern) for pattern in patterns), re.DOTALL)
        self.takes_all = not patterns

    def takes(self, path: bytes) -> bool:
        """Say whether a path, or a folder that it is in, fits one of the patterns."""
        if self.takes_all:
            return True
        # Any bytes become some text and no two paths the same one.
        text = path.decode(errors="surrogateescape")
        if self._sought:
            self._sought = {p: e for p, e in self._sought.items() if not e.fullmatch(text)}
        return self._any.fullmatch(text) is not None

    def unmatched(self) -> tuple[str, ...]:
        """Return the patterns that no path so far has fitted."""
        return tuple(self._sought)


@lru_cache(maxsize=64)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(_translate(pattern), re.DOTALL)


def _translate(pattern: str) -> str:
    """Return a regular expression of the paths that fit, and of everything below them."""
    if pattern.startswith("/"):
        raise InputError(
            f"the pattern {pattern!r} is absolute and fits no item",
            hint="Write it relative to the folder that was backed up.",
        )
    components = pattern.removeprefix("./").rstrip("/").split("/")
    if "" in components or "." in components or ".." in components:
        raise InputError(
            f"the pattern {pattern!r} fits no item: it has an empty, '.' or '..' component"
        )
    *folders, last = components
    # ``**`` is also no folder at all: ``a/**/b`` fits ``a/b``.
    parts = [
        "(?:[^/]+/)*" if component == "**" else _component(component, pattern) + "/"
        for component in folders
    ]
    parts.append("[^/]+" if last == "**" else _component(last, pattern))
    return f"(?:{''.join(parts)})(?:/.*)?"


def _component(text: str, pattern: str) -> str:
    expression = []
    place = 0
    while place < len(text):
        char = text[place]
        place += 1
        if char == "*":
            run = len(text) - place - len(text[place:].lstrip("*"))
            place += run
            expression.append(".*" if run else "[^/]*")
        elif char == "?":
            expression.append("[^/]")
        elif char == "[":
            end = _class_end(text, place, pattern)
            expression.append(_class(text[place:end]))
            place = end + 1
        elif char == "\\" and place < len(text):
            expression.append(re.escape(text[place]))
            place += 1
        else:
            expression.append(re.escape(char))
    return "".join(expression)


def _class_end(text: str, start: int, pattern: str) -> int:
    # A bracket right at the start is a member: ``[]]`` and ``[!]]`` stand for a bracket.
    first = start + 1 if text[start : start + 1] in {"!", "^"} else start
    end = text.find("]", first + 1)
    if end < 0:
        raise InputError(
            f"the pattern {pattern!r} has a '[' without its ']'",
            hint="Write '\\[' for the bracket itself.",
        )
    return end


def _class(members: str) -> str:
    is_negated = members[0] in "!^"
    expression = []
    text = members[1:] if is_negated else members
    place = 0
    while place < len(text):
        first = text[place]
        if text[place + 1 : place + 2] == "-" and place + 2 < len(text):
            last = text[place + 2]
            place += 3
            if first <= last:
                expression.append(f"{re.escape(first)}-{re.escape(last)}")
        else:
            expression.append(re.escape(first))
            place += 1
    if is_negated:
        return f"[^/{''.join(expression)}]"
    # A range that runs backwards, as ``[z-a]``, stands for no character at all.
    return f"(?!/)[{''.join(expression)}]" if expression else "(?!)"
