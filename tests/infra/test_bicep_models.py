"""What the Bicep files make, held to the models of Microsoft's own clients of Azure's management.

They are not what a compiler asks, and of versions of their own; but nobody here wrote them.
"""

import json
import re
import subprocess
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.emulators.programs import INSTALLED
from tests.infra.azure import EVERYTHING, SERVED
from tests.infra.bicep import Deployment, deploy
from tests.infra.bicep_syntax import read_texts
from tests.infra.judge_bodies import MODELS

PROGRAM = "tests/infra/judge_bodies.py"


# What is changed in a module, and what is told of it.
WRONG = [
    ("app", "maximumInstanceCount:", "instances:", "scaleAndConcurrency.instances"),
    ("app", "MB: memory", "MB: string(memory)", "scaleAndConcurrency.instanceMemoryMB"),
    ("app", "type: 'blobContainer'", "type: 'container'", "deployment.storage.type"),
    ("app", "allowedPrincipals: {", "principals: {", "defaultAuthorizationPolicy.principals"),
    ("app", "'Return401'", "'Refuse'", "globalValidation.unauthenticatedClientAction"),
    ("app", "reserved: true", "linux: true", "serverfarms.properties.linux"),
    ("app", "httpsOnly: true", "httpsOnly: 'true'", "sites.properties.httpsOnly"),
    ("app", "    allow: false", "    allowed: false", "Policies.properties.allowed"),
    ("storage", "allowSharedKeyAccess:", "allowKeys:", "storageAccounts.properties.allowKeys"),
    ("storage", "'TLS1_2'", "'1.2'", "storageAccounts.properties.minimumTlsVersion"),
    ("storage", "publicAccess: 'None'", "publicAccess: 'No'", "containers.properties.publicAccess"),
    ("monitoring", "DisableLocalAuth:", "disableLocalAuth:", "components.properties.disable"),
    ("monitoring", "numberOfEvaluationPeriods:", "periods:", "allOf.failingPeriods.periods"),
    ("monitoring", "emailAddress:", "address:", "emailReceivers.address"),
    ("monitoring", "'PerGB2018'", "'PerGB'", "workspaces.properties.sku.name"),
    ("target", "conditionVersion:", "version:", "roleAssignments.properties.version"),
    (
        "target",
        "        notActions: []",
        "        not: []",
        "roleDefinitions.properties.permissions",
    ),
    ("events", "subjectBeginsWith:", "subject:", "eventSubscriptions.properties.filter.subject"),
    ("events", "maxEventsPerBatch:", "maxEvents:", "destination.properties.maxEvents"),
    ("events", "topicType:", "kind:", "systemTopics.properties.kind"),
    ("identity", "tags: tags", "tag: tags", "userAssignedIdentities.tag:"),
]


def judged(deployment: Deployment) -> list[str]:
    """Return what the models do not have of what is deployed."""
    python = INSTALLED / "azure/bin/python"
    assert python.exists(), f"{python} is missing; run: sh scripts/emulators.sh"
    resources = [
        {"type": each.type, "name": each.name, "body": each.body} for each in deployment.resources
    ]
    done = subprocess.run(
        # -P: what lies beside the program is not what it imports.
        [str(python), "-P", PROGRAM],
        input=json.dumps(resources),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "parameters",
    [SERVED, EVERYTHING, {**EVERYTHING, "sourceKind": "bucket", "sourceSecret": ""}],
    ids=["least", "everything", "bucket"],
)
def test_models_have_every_property_that_is_set(parameters: dict[str, Any]) -> None:
    assert judged(deploy(parameters)) == []


def test_every_kind_of_resource_is_judged() -> None:
    kinds = {each.type for each in deploy({**EVERYTHING, "sourceKind": "bucket"}).resources}
    kinds |= {each.type for each in deploy(EVERYTHING).resources}
    judged_kinds = {re.sub("/config/.*", "/config", kind) for kind in MODELS}
    assert judged_kinds == kinds


def test_a_wrong_name_or_value_is_found_wherever_it_is() -> None:
    """Several in most resources, at any depth; each is told."""
    texts = read_texts()
    for module, old, new, _ in WRONG:
        path = f"modules/{module}.bicep"
        assert old in texts[path], old
        texts[path] = texts[path].replace(old, new)
    found = judged(deploy(EVERYTHING, texts))
    for *_, told in WRONG:
        assert any(told in line for line in found), (told, found)
    assert len(set(found)) == len(WRONG)


def test_an_end_of_events_of_no_kind_is_found() -> None:
    path = "modules/events.bicep"
    texts = read_texts()
    texts[path] = texts[path].replace("endpointType: 'AzureFunction'", "endpointType: 'Function'")
    (found,) = judged(deploy(EVERYTHING, texts))
    assert ".destination: it is of no kind" in found
