"""The template as data, its short forms written out, and what its policies allow."""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.architecture.tree import ROOT
from tests.emulators.programs import INSTALLED

PATH = ROOT / "template.yaml"
_READ = """
import json, sys
from samtranslator.yaml_helper import yaml_parse
print(json.dumps(yaml_parse(open(sys.argv[1]).read()), default=str))
"""


@cache
def template() -> dict[str, Any]:
    """Read the template as ``sam`` does."""
    python = INSTALLED / "sam/bin/python"
    assert python.exists(), f"{python} is missing; run: sh scripts/emulators.sh"
    done = subprocess.run(
        [str(python), "-c", _READ, str(PATH)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by their names."""
    return {
        name: each.get("Properties", {})
        for name, each in template()["Resources"].items()
        if each["Type"] == kind
    }


def resolve(value: Any, parameters: dict[str, str]) -> Any:  # noqa: ANN401  # JSON.
    """Write a value of the template out as it is deployed; what is left away there is None.

    Names of other resources stand for themselves, and their attributes as NAME.ATTRIBUTE.
    """
    if isinstance(value, list):
        return [got for each in value if (got := resolve(each, parameters)) is not None]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((function, given),) = value.items()
        if function in _FUNCTIONS:
            return _FUNCTIONS[function](given, parameters)
    found = {name: resolve(each, parameters) for name, each in value.items()}
    return {name: each for name, each in found.items() if each is not None}


def holds(condition: Any, parameters: dict[str, str]) -> bool:  # noqa: ANN401  # JSON.
    """Say whether a condition of the template holds, by its name or as it is written."""
    if isinstance(condition, str):
        return holds(template()["Conditions"][condition], parameters)
    ((function, given),) = condition.items()
    if function == "Fn::Equals":
        first, second = (resolve(each, parameters) for each in given)
        return bool(first == second)
    if function == "Condition":
        return holds(given, parameters)
    found = [holds(each, parameters) for each in given]
    return {"Fn::Not": not found[0], "Fn::And": all(found), "Fn::Or": any(found)}[function]


def _ref(name: str, parameters: dict[str, str]) -> Any:  # noqa: ANN401  # JSON.
    if name == "AWS::NoValue":
        return None
    if name in _PSEUDO:
        return _PSEUDO[name]
    declared = template()["Parameters"].get(name)
    return name if declared is None else parameters.get(name, declared.get("Default", ""))


def _sub(given: Any, parameters: dict[str, str]) -> str:  # noqa: ANN401  # JSON.
    text, more = given if isinstance(given, list) else (given, {})
    values = {name: resolve(each, parameters) for name, each in more.items()}
    parts = text.split("${")
    done = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        done += f"{values[name] if name in values else _ref(name, parameters)}{rest}"
    return str(done)


def _if(given: list[Any], parameters: dict[str, str]) -> Any:  # noqa: ANN401  # JSON.
    condition, then, otherwise = given
    return resolve(then if holds(condition, parameters) else otherwise, parameters)


def _join(given: list[Any], parameters: dict[str, str]) -> str:
    separator, values = given
    found = resolve(values, parameters)
    return str(separator).join(map(str, found if isinstance(found, list) else [found]))


def _attribute(given: Any, _: dict[str, str]) -> str:  # noqa: ANN401  # JSON.
    return ".".join(given) if isinstance(given, list) else str(given)


_PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/archive/1",
    "AWS::StackName": "archive",
    "AWS::URLSuffix": "amazonaws.com",
}
_FUNCTIONS: dict[str, Callable[[Any, dict[str, str]], Any]] = {
    "Ref": _ref,
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::GetAtt": _attribute,
}
