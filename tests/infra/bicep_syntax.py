"""Bicep files as two parsers of others see them: their declarations, and what is wrong with them.

No compiler of Bicep can be had as a package. tree-sitter's grammar gives the tree that the checks
and the evaluation beside this module walk; pycep's has to accept the same text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pycep
import tree_sitter
import tree_sitter_bicep
from tree_sitter import Node

from tests.architecture.tree import ROOT

FOLDER = ROOT / "infra/azure"
MAIN = "main.bicep"
_PRIMARY = frozenset({"member_expression", "resource_expression", "subscript_expression"})
_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}


class BicepError(Exception):
    """Something that a compiler, or Azure before it deploys anything, would refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A parameter, variable, resource, module or output: its name, and what it is declared as.

    ``target`` is the type and version of a resource, or the path of a module.
    """

    kind: str
    name: str
    node: Node
    value: Node | None
    type: str = ""
    target: str = ""
    is_existing: bool = False
    decorators: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: its declarations by kind and name, those of nested resources among them."""

    path: str
    text: str
    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, *kinds: str) -> dict[str, Declaration]:
        """Return the declarations of these kinds by name."""
        return {each.name: each for each in self.declarations if each.kind in kinds}


def read_texts() -> dict[str, str]:
    """Read all Bicep files, by their paths below infra/azure."""
    return {
        str(path.relative_to(FOLDER)): path.read_text() for path in sorted(FOLDER.rglob("*.bicep"))
    }


@cache
def parse(path: str, text: str) -> File:
    """Parse a file, or raise ``BicepError``."""
    root = _parser().parse(text.encode()).root_node
    wrong = [f"{path}:{line(node)}: {node.text!r}" for node in walk(root) if _is_wrong(node)]
    if wrong:
        raise BicepError("; ".join(wrong))
    return File(path=path, text=text, root=root, declarations=tuple(_declared(root)))


@cache
def refused_by_pycep(text: str) -> str:
    """Return why the other parser refuses a text, "" if it does not."""
    try:
        _pycep().parse(text=text)
    except Exception as error:  # noqa: BLE001  # It raises whatever its own parser raises.
        return str(error).partition("\n")[0] or type(error).__name__
    return ""


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, as they stand in the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def text_of(node: Node | None) -> str:
    """Return the text of a node, "" for none."""
    return node.text.decode() if node is not None and node.text is not None else ""


def line(node: Node) -> int:
    """Return the line that a node begins in."""
    return int(node.start_point[0]) + 1


def plain_string(node: Node) -> str:
    """Return what a string without interpolations says."""
    return "".join(string_part(child) for child in node.named_children)


def string_part(node: Node) -> str:
    """Return what a part of a string says."""
    text = text_of(node)
    return _ESCAPES.get(text, text) if node.type == "escape_sequence" else text


def unwrap(node: Node | None) -> Node | None:
    """Return the body of a resource or module without its ``if`` or ``for``."""
    if node is not None and node.type == "for_statement":
        return unwrap(node.child_by_field_name("body"))
    if node is not None and node.type == "if_statement":
        return unwrap(node.named_children[-1])
    return node


def properties(node: Node) -> dict[str, Node]:
    """Return the values of an object by their names, nested resources left out."""
    found = {}
    for each in node.named_children:
        if each.type == "object_property" and len(each.named_children) == 2:
            name, value = each.named_children
            found[plain_string(name) if name.type == "string" else text_of(name)] = value
    return found


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


@cache
def _pycep() -> pycep.BicepParser:
    return pycep.BicepParser()


def _is_wrong(node: Node) -> bool:
    """Say whether a node is no Bicep, or is one that this grammar reads otherwise than Bicep.

    It takes ``a ? b : c.d`` for ``(a ? b : c).d``: parentheses have to say what is meant. And it
    takes a call in a list for a name and a pair of parentheses: give it a name before.
    """
    if node.type == "ERROR" or node.is_missing:
        return True
    if node.type == "parenthesized_expression" and not node.named_children:
        return True
    inner = node.child_by_field_name("object") if node.type in _PRIMARY else None
    return inner is not None and inner.type == "ternary_expression"


def _declared(root: Node) -> Iterator[Declaration]:
    decorators: dict[str, Node] = {}
    for node in walk(root):
        if node.type == "decorators":
            calls = [call for call in walk(node) if call.type == "call_expression"]
            decorators = {text_of(call.child_by_field_name("function")): call for call in calls}
        elif node.type.endswith("_declaration"):
            yield _declaration(node, decorators)
            decorators = {}


def _declaration(node: Node, decorators: Mapping[str, Node]) -> Declaration:
    parts = node.named_children
    has_value = any(child.type == "=" for child in node.children)
    strings = [part for part in parts[1:2] if part.type == "string"]
    types = [text_of(part) for part in parts if part.type == "type"]
    kind = node.type.removesuffix("_declaration")
    return Declaration(
        kind=kind,
        name=text_of(parts[0]),
        node=node,
        value=parts[-1] if has_value else None,
        type=types[0] if types else "",
        target=plain_string(strings[0]) if strings and kind in {"resource", "module"} else "",
        is_existing=any(child.type == "existing" for child in node.children),
        decorators=dict(decorators),
    )


def module_path(importing: str, target: str) -> str:
    """Return the path of a module, as a file names it, below infra/azure."""
    return str(Path(importing).parent / target)
