"""The appliance in LocalStack without CloudFormation: its code and state machine, there in seconds.

What ``sam deploy`` would have made stays as it is, the package and the definition; but failed calls
are tried again at once, where Step Functions would wait up to minutes.
"""

import io
import json
import platform
import re
import secrets
import zipfile
from pathlib import Path
from typing import Any

from core.stores.address import parse_address
from infra.aws.package import kept_package
from proxy.version import own_version
from tests.architecture.tree import ROOT
from tests.emulated.stack import Deployed
from tests.emulators.folder import RunFolder
from tests.emulators.services import S3Service

DEFINITION = ROOT / "infra/aws/state-machine.asl.json"
ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
MAX_CONCURRENCY = 2
_ROLE = "arn:aws:iam::000000000000:role/tests"
_SECONDS = 300
# Of the template: what a test does not set is empty, as it is there.
_VARIABLES = (
    "TARGET_URL", "SOURCE_URL", "SOURCE_KIND", "RETENTION_TYPE", "STORAGE_CLASS", "METADATA_CLASS",
    "SSE_KMS_KEY", "TARGET_SECRET", "SOURCE_SECRET", "TARGET_KMS_KEY", "SOURCE_KMS_KEY",
    "S3_ENDPOINT", "ALLOW_OTHER_REGION",
)  # fmt: skip
_MEMORY = {"Plan": 4096, "Repack": 1769, "Publish": 4096}
# A package of 170 MB is left where it is.
_CODE = """
import sys
sys.path.insert(0, {package!r})
from appliance_aws.handlers import plan, publish, repack
"""


def deploy_light(run: RunFolder, service: S3Service) -> Deployed:
    """Deploy it, or wait while another worker of this run does."""
    with run.lock("light-stack.deploy"):
        text = run.answered("light-stack")
        if text is None:
            text = json.dumps(_deploy(service))
            run.answer("light-stack", text)
    return Deployed(**json.loads(text))


def _deploy(service: S3Service) -> dict[str, object]:
    source, target = (parse_address(service.new_url()).container for _ in range(2))
    package = kept_package(ARCHITECTURE)
    functions = {role: _function(service, role, package) for role in _MEMORY}
    outputs = {f"{role}FunctionArn": found["FunctionArn"] for role, found in functions.items()}
    outputs["StateMachineArn"] = _machine(service, outputs)
    kept = ("Environment", "Timeout", "MemorySize")
    return {
        "outputs": outputs,
        "source_bucket": source,
        "target_bucket": target,
        "functions": {
            role: {name: found[name] for name in kept} for role, found in functions.items()
        },
    }


def _function(service: S3Service, role: str, package: Path) -> dict[str, Any]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("light.py", _CODE.format(package=str(package)))
    variables = {f"COLDHAUL_{name}": "" for name in _VARIABLES}
    variables |= {"POWERTOOLS_SERVICE_NAME": "coldhaul", "POWERTOOLS_LOG_LEVEL": "INFO"}
    variables["POWERTOOLS_METRICS_NAMESPACE"] = "Coldhaul"
    client = service.client("lambda")
    found: dict[str, Any] = client.create_function(
        FunctionName=f"light-{role.lower()}-{secrets.token_hex(4)}",
        Runtime="python3.13",
        Role=_ROLE,
        Handler=f"light.{role.lower()}",
        Code={"ZipFile": archive.getvalue()},
        Timeout=_SECONDS,
        MemorySize=_MEMORY[role],
        Environment={"Variables": variables},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=found["FunctionArn"])
    return found


def _machine(service: S3Service, values: dict[str, str]) -> str:
    values = {
        **values,
        "MaxConcurrency": str(MAX_CONCURRENCY),
        "StartOnNewPoint": "false",
        "JobId": "none",
        "Version": own_version(),
    }
    text = re.sub(r"\$\{(\w+)}", lambda found: values[found[1]], DEFINITION.read_text())
    machine = json.loads(text)
    hurry(machine)
    arn: str = service.client("stepfunctions").create_state_machine(
        name=f"light-{secrets.token_hex(4)}", definition=json.dumps(machine), roleArn=_ROLE
    )["stateMachineArn"]
    return arn


def hurry(part: Any) -> None:  # noqa: ANN401  # JSON.
    """Have all that is tried again be tried after a second, as often as it says."""
    if isinstance(part, dict):
        if "MaxAttempts" in part:
            part |= {"IntervalSeconds": 1, "BackoffRate": 1, "MaxDelaySeconds": 2}
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            hurry(each)
