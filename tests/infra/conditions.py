"""Conditions of role assignments in Azure: read by their published grammar, and judged.

As Azure says it: an attribute that a request does not have fulfils no comparison.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
LIST = "Blob.List"
_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()!])|(?P<word>AND|OR|NOT)\b|(?P<function>ActionMatches|SubOperationMatches)"
    r"\{'(?P<argument>[^']*)'\}|@(?P<source>Resource|Request)\[(?P<attribute>[^\]]+)\]\s+"
    r"(?P<operator>StringStartsWith)\s+'(?P<value>[^']*)')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One use of a data action: of a blob by its path, or of a listing by its prefix."""

    action: str
    path: str | None = None
    prefix: str | None = None

    @property
    def is_list(self) -> bool:
        """Whether it is a listing."""
        return self.prefix is not None


def is_met(condition: str | None, access: Access) -> bool:
    """Say whether a condition is met; ``ValueError`` if it is none. No condition always is."""
    if condition is None:
        return True
    tokens = _Tokens(condition)
    found = _either(tokens, access)
    if tokens.kind:
        raise ValueError(f"not a condition from here on: {tokens.rest}")
    return found


class _Tokens:
    """The tokens of a condition, one at a time."""

    def __init__(self, text: str) -> None:
        self.rest = text
        self.groups: dict[str, str] = {}
        self.kind = ""
        self.next()

    def next(self) -> None:
        """Go on to the next one; an empty kind is the end."""
        if not self.rest.strip():
            self.kind = ""
            return
        match = _TOKEN.match(self.rest)
        if match is None:
            raise ValueError(f"not a condition from here on: {self.rest}")
        self.rest = self.rest[match.end() :]
        self.groups = {name: text for name, text in match.groupdict().items() if text is not None}
        self.kind = next(_kinds(self.groups))


def _kinds(groups: dict[str, str]) -> Iterator[str]:
    yield from (groups[name] for name in ("sign", "word") if name in groups)
    yield "function" if "function" in groups else "comparison"


def _either(tokens: _Tokens, access: Access) -> bool:
    found = _both(tokens, access)
    while tokens.kind == "OR":
        tokens.next()
        other = _both(tokens, access)
        found = found or other
    return found


def _both(tokens: _Tokens, access: Access) -> bool:
    found = _one(tokens, access)
    while tokens.kind == "AND":
        tokens.next()
        other = _one(tokens, access)
        found = found and other
    return found


def _one(tokens: _Tokens, access: Access) -> bool:
    kind, groups = tokens.kind, tokens.groups
    tokens.next()
    if kind in {"!", "NOT"}:
        return not _one(tokens, access)
    if kind == "(":
        found = _either(tokens, access)
        if tokens.kind != ")":
            raise ValueError("a parenthesis is not closed")
        tokens.next()
        return found
    if kind == "function":
        return _matches(groups["function"], groups["argument"], access)
    if kind == "comparison":
        return _compares(groups, access)
    raise ValueError(f"{kind or 'an end'} where a condition should be")


def _matches(function: str, argument: str, access: Access) -> bool:
    if function == "ActionMatches":
        return access.action == argument
    if argument != LIST:
        raise ValueError(f"{argument} is not known here")
    return access.is_list


def _compares(groups: dict[str, str], access: Access) -> bool:
    known = {
        ("Resource", f"{BLOBS}:path"): access.path,
        ("Request", f"{BLOBS}:prefix"): access.prefix,
    }
    found = known[groups["source"], groups["attribute"]]
    return found is not None and found.startswith(groups["value"])
