"""What a deployment of the Bicep files makes: evaluated here, for no compiler can be had.

Only the language that the files use. What only Azure knows, like the principal of a new identity,
is its path in angle brackets.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tree_sitter import Node

from tests.infra.bicep_syntax import (
    MAIN,
    BicepError,
    Declaration,
    File,
    line,
    module_path,
    parse,
    read_texts,
    string_part,
    text_of,
    unwrap,
)

Value = Any
SUBSCRIPTION = "00000000-0000-0000-0000-00000000aaaa"
GROUP = "appliance"
_LISTS = frozenset({"array"})


class Symbol(str):
    """What only Azure knows."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource as it is deployed, or one that is there already."""

    id: str
    type: str
    version: str
    name: str
    scope: str
    body: Mapping[str, Value]
    is_existing: bool = False

    @property
    def properties(self) -> Mapping[str, Value]:
        """Its properties."""
        found: Mapping[str, Value] = self.body.get("properties", {})
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything that one deployment makes, its modules' resources among it."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Value]

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of a type."""
        return [each for each in self.resources if each.type == kind]


def deploy(parameters: Mapping[str, Value], texts: Mapping[str, str] | None = None) -> Deployment:
    """Return what main.bicep makes with these parameters, or raise ``BicepError``."""
    unit = Unit(MAIN, parameters, (SUBSCRIPTION, GROUP), read_texts() if texts is None else texts)
    return unit.deployment()


@dataclass(slots=True)
class Unit:
    """One file that is deployed into one resource group."""

    path: str
    parameters: Mapping[str, Value]
    place: tuple[str, str]
    texts: Mapping[str, str]
    file: File = field(init=False)
    known: dict[str, Value] = field(init=False, default_factory=dict)
    made: list[Resource] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Parse the file and check what it is given."""
        self.file = parse(self.path, self.texts[self.path])
        declared = self.file.of("parameter")
        for name in self.parameters.keys() - declared.keys():
            raise BicepError(f"{self.path} has no parameter {name}")

    def deployment(self) -> Deployment:
        """Evaluate everything."""
        for each in self.file.declarations:
            if each.kind in {"parameter", "resource", "module"} and self._is_top(each):
                self.value(each.name)
        outputs = {
            name: self.evaluate(each.value, {}) for name, each in self.file.of("output").items()
        }
        return Deployment(resources=tuple(self.made), outputs=outputs)

    def _is_top(self, declaration: Declaration) -> bool:
        parent = declaration.node.parent
        return parent is not None and parent.type == "infrastructure"

    def value(self, name: str) -> Value:
        """Return what a name stands for."""
        if name not in self.known:
            kinds = self.file.of("parameter", "variable", "resource", "module")
            if name not in kinds:
                raise BicepError(f"{self.path}: nothing is called {name}")
            declaration = kinds[name]
            make = {
                "parameter": self._parameter,
                "variable": lambda each: self.evaluate(each.value, {}),
                "resource": self._resources,
                "module": self._module,
            }
            self.known[name] = make[declaration.kind](declaration)
        return self.known[name]

    # --- Declarations ---------------------------------------------------------------------------

    def _parameter(self, declaration: Declaration) -> Value:
        name = declaration.name
        if name in self.parameters:
            value = self.parameters[name]
        elif declaration.value is not None:
            value = self.evaluate(declaration.value, {})
        else:
            raise BicepError(f"{self.path}: parameter {name} is missing")
        check_parameter(f"{self.path}: parameter {name}", declaration, value, self)
        return value

    def _resources(self, declaration: Declaration) -> Value:
        return self._each(
            declaration.value, {}, lambda body, of: self._resource(declaration, body, of)
        )

    def _each(
        self,
        node: Node | None,
        local: dict[str, Value],
        make: Callable[[Node, dict[str, Value]], Value],
    ) -> Value:
        """Make what stands in a declaration: once, for each element, or not at all."""
        assert node is not None
        if node.type == "if_statement":
            condition, body = node.named_children
            return self._each(body, local, make) if self.evaluate(condition, local) else None
        if node.type == "for_statement":
            initializer = text_of(node.child_by_field_name("initializer"))
            found = self.evaluate(node.named_children[1], local)
            inner = node.child_by_field_name("body")
            return [self._each(inner, {**local, initializer: each}, make) for each in found]
        return make(node, local)

    def _resource(
        self,
        declaration: Declaration,
        node: Node,
        local: dict[str, Value],
        outer: Resource | None = None,
    ) -> Resource:
        kind, _, version = declaration.target.partition("@")
        body = self.evaluate(node, local)
        parent = body.pop("parent", None) or outer
        scope = body.pop("scope", None)
        body.pop("dependsOn", None)
        if outer is not None:
            kind = f"{outer.type}/{kind}"
        group = f"/subscriptions/{self.place[0]}/resourceGroups/{self.place[1]}"
        name = body["name"] if parent is None else f"{parent.name}/{body['name']}"
        types, names = kind.split("/")[1:], str(name).split("/")
        if len(types) != len(names):
            raise BicepError(f"{self.path}:{line(node)}: {kind} cannot be called {name}")
        path = "/".join(f"{one}/{other}" for one, other in zip(types, names, strict=True))
        provider = kind.partition("/")[0]
        base = group if scope is None else scope.id
        resource = Resource(
            id=f"{base}/providers/{provider}/{path}",
            type=kind,
            version=version,
            name=str(name),
            scope=base,
            body=body,
            is_existing=declaration.is_existing,
        )
        for nested in self._nested(declaration):
            assert nested.value is not None
            self.known[nested.name] = self._resource(nested, nested.value, local, resource)
        if not declaration.is_existing:
            self.made.append(resource)
        return resource

    def _nested(self, declaration: Declaration) -> Iterator[Declaration]:
        body = unwrap(declaration.value)
        for each in self.file.of("resource").values():
            holder = each.node.parent
            if holder is not None and holder.parent == body:
                yield each

    def _module(self, declaration: Declaration) -> Value:
        return self._each(
            declaration.value, {}, lambda body, of: self._deployed(declaration, body, of)
        )

    def _deployed(
        self, declaration: Declaration, node: Node, local: dict[str, Value]
    ) -> Mapping[str, Value]:
        body = self.evaluate(node, local)
        path = module_path(self.path, declaration.target)
        if path not in self.texts:
            raise BicepError(f"{self.path}: there is no {path}")
        if len(body["name"]) > 64:
            raise BicepError(f"{self.path}: {body['name']} is too long for a deployment")
        unit = Unit(path, body.get("params", {}), body.get("scope", self.place), self.texts)
        deployed = unit.deployment()
        self.made += deployed.resources
        return {"name": body["name"], "outputs": deployed.outputs}

    # --- Expressions ----------------------------------------------------------------------------

    def evaluate(self, node: Node | None, local: dict[str, Value]) -> Value:
        """Return the value of an expression."""
        assert node is not None
        if node.type not in _EXPRESSIONS:
            raise BicepError(f"{self.path}:{line(node)}: {node.type} is not known here")
        return _EXPRESSIONS[node.type](self, node, local)

    def lookup(self, node: Node, local: dict[str, Value]) -> Value:
        """Return the value of a name."""
        name = text_of(node)
        return local[name] if name in local else self.value(name)

    def call(self, node: Node, local: dict[str, Value]) -> Value:
        """Return what a function answers."""
        name = text_of(node.child_by_field_name("function"))
        arguments = node.child_by_field_name("arguments")
        assert arguments is not None
        given = [self.evaluate(each, local) for each in arguments.named_children]
        if name == "resourceGroup":
            return _group(*(given or self.place))
        if name == "subscription":
            return {
                "id": f"/subscriptions/{self.place[0]}",
                "subscriptionId": self.place[0],
                "tenantId": "tenant",
            }
        if name == "subscriptionResourceId":
            return f"/subscriptions/{self.place[0]}/providers/{given[0]}/{given[1]}"
        if name not in FUNCTIONS:
            raise BicepError(f"{self.path}:{line(node)}: no function is called {name}")
        return FUNCTIONS[name](*given)


class Group(tuple[str, str]):
    """A resource group, which modules are deployed into."""

    __slots__ = ()


def _group(*place: str) -> Group:
    return Group(place)


def _object(unit: Unit, node: Node, local: dict[str, Value]) -> dict[str, Value]:
    found = {}
    for each in node.named_children:
        if each.type == "object_property" and len(each.named_children) == 2:
            name, value = each.named_children
            key = unit.evaluate(name, local) if name.type == "string" else text_of(name)
            found[str(key)] = unit.evaluate(value, local)
    return found


def _string(unit: Unit, node: Node, local: dict[str, Value]) -> str:
    parts = []
    for each in node.named_children:
        if each.type == "interpolation":
            parts.append(str(unit.evaluate(each.named_children[0], local)))
        else:
            parts.append(string_part(each))
    text = "".join(parts)
    return text.removeprefix("\n") if text_of(node).startswith("'''") else text


def _ternary(unit: Unit, node: Node, local: dict[str, Value]) -> Value:
    condition = unit.evaluate(node.child_by_field_name("condition"), local)
    chosen = "consequence" if condition else "alternative"
    return unit.evaluate(node.child_by_field_name(chosen), local)


def _member(unit: Unit, node: Node, local: dict[str, Value]) -> Value:
    found = unit.evaluate(node.child_by_field_name("object"), local)
    return _attribute(
        found, text_of(node.child_by_field_name("property")), f"{unit.path}:{line(node)}"
    )


def _attribute(found: Value, name: str, where: str) -> Value:
    if isinstance(found, Group):
        whole = f"/subscriptions/{found[0]}/resourceGroups/{found[1]}"
        return {"id": whole, "name": found[1], "location": "westeurope"}[name]
    if isinstance(found, Symbol):
        return Symbol(f"{found[:-1]}.{name}>")
    if isinstance(found, Resource):
        if name == "name" and "/" in found.name:
            raise BicepError(
                f"{where}: whether the name of a child is all of it is easily mistaken"
            )
        if name in {"id", "name", "type"}:
            return getattr(found, name)
        return (
            found.body[name]
            if name == "location" and name in found.body
            else Symbol(f"<{found.name}.{name}>")
        )
    if not isinstance(found, Mapping) or name not in found:
        raise BicepError(f"{where}: nothing there is called {name}")
    return found[name]


def _nested_resource(unit: Unit, node: Node, local: dict[str, Value]) -> Value:
    unit.evaluate(node.child_by_field_name("object"), local)
    return unit.value(text_of(node.child_by_field_name("resource")))


def _subscript(unit: Unit, node: Node, local: dict[str, Value]) -> Value:
    found = unit.evaluate(node.child_by_field_name("object"), local)
    index = unit.evaluate(node.child_by_field_name("index"), local)
    try:
        return found[index]
    except (IndexError, KeyError):
        raise BicepError(f"{unit.path}:{line(node)}: there is no {index} in {found}") from None


def _binary(unit: Unit, node: Node, local: dict[str, Value]) -> Value:
    operator = text_of(node.child_by_field_name("operator"))
    left = unit.evaluate(node.child_by_field_name("left"), local)
    right = node.child_by_field_name("right")
    if operator == "&&":
        return bool(left) and bool(unit.evaluate(right, local))
    if operator == "||":
        return bool(left) or bool(unit.evaluate(right, local))
    other = unit.evaluate(right, local)
    return {"==": left == other, "!=": left != other}[operator]


def _flatten(node: Node) -> Node:
    return node.named_children[0]


_EXPRESSIONS: dict[str, Callable[[Unit, Node, dict[str, Value]], Value]] = {
    "array": lambda unit, node, local: [
        unit.evaluate(each, local) for each in node.named_children if each.type != "comment"
    ],
    "binary_expression": _binary,
    "boolean": lambda _, node, __: text_of(node) == "true",
    "call_expression": lambda unit, node, local: unit.call(node, local),
    "identifier": lambda unit, node, local: unit.lookup(node, local),
    "member_expression": _member,
    "null": lambda *_: None,
    "number": lambda _, node, __: int(text_of(node)),
    "object": _object,
    "parenthesized_expression": lambda unit, node, local: unit.evaluate(_flatten(node), local),
    "resource_expression": _nested_resource,
    "string": _string,
    "subscript_expression": _subscript,
    "ternary_expression": _ternary,
    "unary_expression": lambda unit, node, local: (
        not unit.evaluate(node.child_by_field_name("argument"), local)
    ),
}


def _union(first: Value, *others: Value) -> Value:
    if isinstance(first, Mapping):
        merged = dict(first)
        for other in others:
            merged.update(other)
        return merged
    return list(dict.fromkeys(each for found in (first, *others) for each in found))


def _guid(*parts: Value) -> str:
    if not all(isinstance(part, str) for part in parts):
        raise BicepError(f"guid() takes texts, not {parts}")
    return str(uuid5(NAMESPACE_URL, "-".join(parts)))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "empty": lambda value: not value,
    "environment": lambda: {
        "suffixes": {"storage": "core.windows.net"},
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
    },
    "guid": _guid,
    "join": lambda values, separator: separator.join(values),
    "last": lambda values: values[-1],
    "split": lambda text, separator: text.split(separator),
    "string": lambda value: str(value),
    "take": lambda values, count: values[:count],
    "toLower": lambda text: text.lower(),
    "union": _union,
    "uniqueString": lambda *parts: hashlib.sha256("-".join(parts).encode()).hexdigest()[:13],
}


def check_parameter(what: str, declaration: Declaration, value: Value, unit: Unit) -> None:
    """Hold a value to the type and the decorators of its parameter."""
    kinds: dict[str, tuple[type, ...]] = {
        "array": (list,), "bool": (bool,), "int": (int,), "object": (dict,), "string": (str,),
    }  # fmt: skip
    if not isinstance(value, kinds[declaration.type]) or (
        declaration.type == "int" and isinstance(value, bool)
    ):
        raise BicepError(f"{what} is of type {declaration.type}, not {value!r}")
    for name, call in declaration.decorators.items():
        arguments = call.child_by_field_name("arguments")
        assert arguments is not None
        bound = unit.evaluate(arguments.named_children[0], {})
        if not _DECORATORS[name](value, bound):
            raise BicepError(f"{what} is {value!r}, against @{name}({bound!r})")


_DECORATORS: dict[str, Callable[[Value, Value], bool]] = {
    "allowed": lambda value, bound: value in bound,
    "description": lambda _, bound: bool(bound),
    "maxLength": lambda value, bound: isinstance(value, Symbol) or len(value) <= bound,
    "maxValue": lambda value, bound: value <= bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "minValue": lambda value, bound: value >= bound,
}
