"""What a compiler would find in Bicep files: names, modules, versions; and keys and roles."""

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from tests.infra.azure_grants import BUILT_IN
from tests.infra.bicep import FUNCTIONS
from tests.infra.bicep_syntax import (
    MAIN,
    BicepError,
    Declaration,
    File,
    line,
    module_path,
    parse,
    properties,
    refused_by_pycep,
    text_of,
    unwrap,
    walk,
)

# Versions that public templates have of these types.
VERSIONS: Mapping[str, frozenset[str]] = {
    "Microsoft.Authorization/roleAssignments": frozenset({"2022-04-01"}),
    "Microsoft.Authorization/roleDefinitions": frozenset({"2022-04-01"}),
    "Microsoft.EventGrid/systemTopics": frozenset({"2022-06-15"}),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": frozenset({"2022-06-15"}),
    "Microsoft.Insights/actionGroups": frozenset({"2023-01-01"}),
    "Microsoft.Insights/components": frozenset({"2020-02-02"}),
    "Microsoft.Insights/scheduledQueryRules": frozenset({"2023-12-01"}),
    "Microsoft.KeyVault/vaults": frozenset({"2023-07-01"}),
    "Microsoft.ManagedIdentity/userAssignedIdentities": frozenset({"2023-01-31"}),
    "Microsoft.OperationalInsights/workspaces": frozenset({"2023-09-01"}),
    "Microsoft.Storage/storageAccounts": frozenset({"2023-05-01"}),
    "Microsoft.Storage/storageAccounts/blobServices": frozenset({"2023-05-01"}),
    "Microsoft.Storage/storageAccounts/blobServices/containers": frozenset({"2023-05-01"}),
    "Microsoft.Web/serverfarms": frozenset({"2024-04-01"}),
    "Microsoft.Web/sites": frozenset({"2024-04-01"}),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": frozenset({"2024-04-01"}),
    "Microsoft.Web/sites/config": frozenset({"2024-04-01"}),
}
# Types as nested resources name them, by the types they are nested in.
NESTED: Mapping[str, frozenset[str]] = {
    "blobServices": frozenset({"2023-05-01"}),
    "containers": frozenset({"2023-05-01"}),
    "secrets": frozenset({"2023-07-01"}),
    "keys": frozenset({"2023-07-01"}),
}
# Functions that the evaluation knows by place, beside those of the table.
_FUNCTIONS = FUNCTIONS.keys() | {"resourceGroup", "subscription", "subscriptionResourceId"}
_KEYS = re.compile(
    r"list(Account|Service)?Keys|list(Account|Service)Sas|AccountKey=|allowSharedKeyAccess: true",
    re.IGNORECASE,
)
_GUID = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'(?: // (.*))?")
_NO_ROLE = "00000000-0000-0000-0000-000000000000"


def findings(texts: Mapping[str, str]) -> list[str]:
    """Return everything that is wrong with these files."""
    found = [f"{path}: {why}" for path, text in texts.items() if (why := refused_by_pycep(text))]
    files = {}
    for path, text in texts.items():
        try:
            files[path] = parse(path, text)
        except BicepError as error:
            found.append(str(error))
    for file in files.values():
        for check in (_symbols, _unused, _versions, _secrets, _roles, _wildcards):
            found += check(file)
        found += _modules(file, files)
    used = {
        module_path(file.path, each.target)
        for file in files.values()
        for each in file.of("module").values()
    }
    found += [f"{path}: nothing deploys it" for path in files if path not in used | {MAIN}]
    return found


def names_in(node: Node) -> Iterator[Node]:
    """Yield the identifiers below a node that stand for something declared."""
    for each in walk(node):
        holder = each.parent
        if each.type != "identifier" or holder is None:
            continue
        is_declared = holder.type.endswith("_declaration") and holder.named_children[0] == each
        is_key = (
            holder.type == "object_property"
            and holder.named_children[0] == each
            and len(holder.named_children) == 2
        )
        is_called = (
            holder.type == "call_expression" and holder.child_by_field_name("function") == each
        )
        if not (is_declared or is_key or is_called):
            yield each


def _symbols(file: File) -> Iterator[str]:
    loops = {
        text_of(each.child_by_field_name("initializer"))
        for each in walk(file.root)
        if each.type == "for_statement"
    }
    known = file.of("parameter", "variable", "resource", "module").keys() | loops
    for each in names_in(file.root):
        if text_of(each) not in known:
            yield f"{file.path}:{line(each)}: nothing is called {text_of(each)}"
    decorators = {"allowed", "description", "maxLength", "maxValue", "minLength", "minValue"}
    for each in walk(file.root):
        if each.type == "call_expression":
            name = text_of(each.child_by_field_name("function"))
            known_functions = (
                decorators
                if each.parent is not None and each.parent.type == "decorator"
                else _FUNCTIONS
            )
            if name not in known_functions:
                yield f"{file.path}:{line(each)}: no function is called {name}"
    counted = [each.name for each in file.declarations if each.kind != "output"]
    yield from (
        f"{file.path}: {name} is declared twice" for name in set(counted) if counted.count(name) > 1
    )


def _unused(file: File) -> Iterator[str]:
    used = {text_of(each) for each in names_in(file.root)}
    for name, each in file.of("parameter", "variable", "resource").items():
        if name not in used and (each.kind != "resource" or each.is_existing):
            yield f"{file.path}:{line(each.node)}: {each.kind} {name} is used nowhere"


def _versions(file: File) -> Iterator[str]:
    for each in file.of("resource").values():
        kind, _, version = each.target.partition("@")
        if version not in {**VERSIONS, **NESTED}.get(kind, frozenset()):
            yield f"{file.path}:{line(each.node)}: {each.target} is not known"


def _secrets(file: File) -> Iterator[str]:
    for number, text in enumerate(file.text.splitlines(), start=1):
        if _KEYS.search(text):
            yield f"{file.path}:{number}: a key of an account: {text.strip()}"


def _roles(file: File) -> Iterator[str]:
    for number, text in enumerate(file.text.splitlines(), start=1):
        for role, comment in _GUID.findall(text):
            if role != _NO_ROLE and BUILT_IN.get(role, ("",))[0] != comment:
                yield f"{file.path}:{number}: {role} is not the role {comment!r}"


def _wildcards(file: File) -> Iterator[str]:
    for each in walk(file.root):
        if each.type == "string_content" and "*" in text_of(each) and "Microsoft." in text_of(each):
            yield f"{file.path}:{line(each)}: a permission with a wildcard: {text_of(each)}"


def _modules(file: File, files: Mapping[str, File]) -> Iterator[str]:
    for name, each in file.of("module").items():
        module = files.get(module_path(file.path, each.target))
        if module is None:
            yield f"{file.path}:{line(each.node)}: there is no {each.target}"
            continue
        yield from _parameters(file, each, module)
        outputs = module.of("output")
        for node in walk(file.root):
            if node.type == "member_expression" and text_of(node).startswith(f"{name}.outputs."):
                wanted = text_of(node).split(".")[2]
                if wanted not in outputs:
                    yield f"{file.path}:{line(node)}: {each.target} has no output {wanted}"


def _parameters(file: File, declaration: Declaration, module: File) -> Iterator[str]:
    body = unwrap(declaration.value)
    assert body is not None
    given = properties(body).get("params")
    names = properties(given).keys() if given is not None else set()
    declared = module.of("parameter")
    where = f"{file.path}:{line(declaration.node)}: {declaration.target}"
    yield from (f"{where} has no parameter {name}" for name in names - declared.keys())
    needed = {name for name, each in declared.items() if each.value is None}
    yield from (f"{where} lacks its parameter {name}" for name in needed - names)
