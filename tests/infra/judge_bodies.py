"""Run by the Python of ``.emulators/azure``: holds resources to the models of Microsoft's clients.

Reads resources as JSON from its input, and prints a line for each property that they would not
send: of a name that the model does not have, or of a value that is none of its list. The clients
are generated from the schemas of Azure's own interfaces.
"""

import enum
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# Each by the client's package and the model that it sends.
MODELS = {
    "Microsoft.Authorization/roleAssignments": (
        "authorization.v2022_04_01",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.Authorization/roleDefinitions": ("authorization.v2022_04_01", "RoleDefinition"),
    "Microsoft.EventGrid/systemTopics": ("eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("eventgrid", "EventSubscription"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/components": (
        "applicationinsights.v2020_02_02",
        "ApplicationInsightsComponent",
    ),
    "Microsoft.Insights/scheduledQueryRules": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi", "Identity"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Web/serverfarms": ("web", "AppServicePlan"),
    "Microsoft.Web/sites": ("web", "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (
        "web",
        "CsmPublishingCredentialsPoliciesEntity",
    ),
    "Microsoft.Web/sites/config/appsettings": ("web", "StringDictionary"),
    "Microsoft.Web/sites/config/authsettingsV2": ("web", "SiteAuthSettingsV2"),
}
_WORD = re.compile(r"[A-Za-z_]\w*")


def judge(resource: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a resource."""
    kind = resource["type"]
    if kind.endswith("/config"):
        kind += "/" + resource["name"].rpartition("/")[2]
    module, name = MODELS[kind]
    models = importlib.import_module(f"azure.mgmt.{module}.models")
    body = {key: value for key, value in resource["body"].items() if key != "name"}
    yield from _object(body, getattr(models, name), models, kind)


def _object(value: dict[str, Any], model: type, models: ModuleType, where: str) -> Iterator[str]:
    of_kind = subtype(model, value, models)
    if of_kind is None:
        yield f"{where}: it is of no kind that there is"
        return
    yield from _tree(value, fields(of_kind), models, where)


def _tree(value: object, known: object, models: ModuleType, where: str) -> Iterator[str]:
    """Go through what a model knows by its name, or as paths of names."""
    if not isinstance(known, dict):
        yield from _typed(value, str(known), models, where)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in known:
                yield from _tree(each, known[name], models, f"{where}.{name}")
            else:
                yield f"{where}.{name}: there is no such property"
    elif value is not None:
        yield f"{where}: it is no object"


def _typed(value: object, kind: str, models: ModuleType, where: str) -> Iterator[str]:
    named = [getattr(models, word) for word in _WORD.findall(kind) if hasattr(models, word)]
    classes = [each for each in named if inspect.isclass(each)]
    if isinstance(value, list):
        for each in value:
            yield from _typed(each, kind.removeprefix("[").removesuffix("]"), models, where)
    elif isinstance(value, dict):
        is_free = kind.startswith("{") or "dict[" in kind.lower()
        shapes = [each for each in classes if not issubclass(each, enum.Enum)]
        if shapes and not is_free:
            yield from _object(value, shapes[0], models, where)
        elif not is_free:
            yield f"{where}: it is {kind}, no object"
    elif value is not None:
        yield from _scalar(value, kind, classes, where)


def _scalar(value: object, kind: str, classes: list[type], where: str) -> Iterator[str]:
    lists = [each for each in classes if issubclass(each, enum.Enum)]
    for each in lists:
        if value not in [one.value for one in each]:
            yield f"{where}: {value} is none of {[one.value for one in each]}"
    if classes and not lists:
        yield f"{where}: it is {kind}, not {value!r}"
    for word, expected in (("bool", bool), ("int", int)):
        is_kind = re.search(rf"\b{word}\b", kind) is not None
        if is_kind and type(value) is not expected and not classes:
            yield f"{where}: it is {kind}, not {value!r}"


def fields(model: type) -> dict[str, Any]:
    """Return what a model has, by the names that are sent, with their types as text."""
    found: dict[str, Any] = {}
    for attribute in getattr(model, "_attribute_map", {}).values():
        *path, last = (
            part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", attribute["key"])
        )
        inner = found
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = attribute["type"]
    for base in model.__mro__:
        for name, field in vars(base).items():
            if type(field).__name__ == "_RestField":
                sent = field._rest_name_input or name
                found.setdefault(sent, str(base.__annotations__.get(name, "")))
    return found


def subtype(model: type, value: dict[str, Any], models: ModuleType) -> type | None:
    """Return the model of this very kind of object, where it says its kind; None: there is none."""
    for attribute, kinds in getattr(model, "_subtype_map", {}).items():
        sent = model._attribute_map[attribute]["key"]  # type: ignore[attr-defined]
        name = kinds.get(value.get(sent))
        return getattr(models, name) if name else None
    return model


if __name__ == "__main__":
    print("\n".join(line for each in json.load(sys.stdin) for line in judge(each)), end="")
