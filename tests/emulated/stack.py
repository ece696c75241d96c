"""The appliance's stack in LocalStack, deployed by ``sam`` once a run of the tests."""

import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.stores.address import parse_address
from infra.aws.package import kept_package
from tests.architecture.tree import ROOT
from tests.emulators.folder import RunFolder
from tests.emulators.programs import INSTALLED
from tests.emulators.services import S3Service

NAME = "coldhaul"
ROLES = ("Plan", "Repack", "Publish")
_SECONDS_MAX = 500
_PATIENCE_SECONDS = 240
# What Lambda calls this machine's processors.
ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a run of the tests knows of its stack: its outputs and its two buckets."""

    outputs: Mapping[str, str]
    source_bucket: str
    target_bucket: str
    functions: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How an execution of the state machine ended."""

    arn: str
    status: str
    output: Mapping[str, Any]
    error: str
    cause: str


class AwsStack:
    """The deployed stack, made to serve whatever a test says.

    A stack serves one source and one target. Deploying one takes half a minute, so a test has the
    functions' environment changed instead (``serve``); their code, the state machine and the target
    bucket are those of the deployment. So tests that use it share a worker (conftest.py).
    """

    def __init__(self, service: S3Service, deployed: Deployed) -> None:
        """Take the stack that was deployed."""
        self.service = service
        self.outputs = deployed.outputs
        self.source_bucket = deployed.source_bucket
        self.target_bucket = deployed.target_bucket
        self._deployed = deployed.functions

    @property
    def is_whole(self) -> bool:
        """Whether it has outputs that say what it serves, as the template has them."""
        return "TargetUrl" in self.outputs

    def serve(self, others: Mapping[str, str] | None = None, /, **environment: str) -> None:
        """Set variables of all functions, by their names without COLDHAUL_ and in lower case.

        ``target_url`` has to be in ``target_bucket``. What is not named is as it was deployed.
        ``others`` are not the template's, but of whoever runs the functions.
        """
        changed = {f"COLDHAUL_{name.upper()}": value for name, value in environment.items()}
        if "target_url" in environment:
            assert parse_address(environment["target_url"]).container == self.target_bucket
        for role, configuration in self._deployed.items():
            deployed = configuration["Environment"]["Variables"]
            assert changed.keys() <= deployed.keys(), "the template has no such variable"
            self.configure(
                role, Environment={"Variables": {**deployed, **changed, **(others or {})}}
            )

    def configure(self, role: str, **configuration: Any) -> None:  # noqa: ANN401  # Lambda's.
        """Change a function, like ``configure("Repack", Timeout=20)``."""
        function = self.outputs[f"{role}FunctionArn"]
        client = self.service.client("lambda")
        client.update_function_configuration(FunctionName=function, **configuration)
        client.get_waiter("function_updated_v2").wait(FunctionName=function)

    def reset(self) -> None:
        """Have all functions as they were deployed."""
        for role, configuration in self._deployed.items():
            self.configure(role, **configuration)

    def call(self, role: str, event: object) -> Any:  # noqa: ANN401  # JSON.
        """Call one function by itself; return what it answers, or the error that it ends with."""
        answer = self.service.client("lambda").invoke(
            FunctionName=self.outputs[f"{role}FunctionArn"], Payload=json.dumps(event)
        )
        return json.load(answer["Payload"])

    def start(self, name: str, order: Mapping[str, object]) -> str:
        """Start an execution; return its ARN."""
        client = self.service.client("stepfunctions")
        arn: str = client.start_execution(
            stateMachineArn=self.outputs["StateMachineArn"], name=name, input=json.dumps(order)
        )["executionArn"]
        return arn

    def wait(self, arn: str, patience: float = _PATIENCE_SECONDS) -> Execution:
        """Wait for an execution's end."""
        client = self.service.client("stepfunctions")
        deadline = time.monotonic() + patience
        while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"the execution {arn} goes on and on"
            time.sleep(0.2)
        return Execution(
            arn=arn,
            status=found["status"],
            output=json.loads(found.get("output") or "{}"),
            error=found.get("error") or "",
            cause=found.get("cause") or "",
        )

    def logged(self, role: str) -> list[str]:
        """Return the lines that a function has logged so far."""
        group = f"/aws/lambda/{self.outputs[f'{role}FunctionArn'].rpartition(':')[2]}"
        pages = self.service.client("logs").get_paginator("filter_log_events")
        return [
            event["message"]
            for page in pages.paginate(logGroupName=group)
            for event in page["events"]
        ]


def deploy(run: RunFolder, service: S3Service) -> Deployed:
    """Deploy the stack, or wait while another worker of this run does."""
    with run.lock("aws-stack.deploy"):
        text = run.answered("aws-stack")
        if text is None:
            try:
                text = json.dumps(_deploy(run.path / "aws-stack", service))
            except AssertionError as error:
                text = json.dumps({"problem": str(error)})
            run.answer("aws-stack", text)
    answer = json.loads(text)
    assert "problem" not in answer, answer["problem"]
    return Deployed(**answer)


def _deploy(folder: Path, service: S3Service) -> dict[str, object]:
    buckets = [parse_address(service.new_url()).container for _ in range(3)]
    source, target, packages = buckets
    folder.mkdir()
    template = _packaged(folder)
    parameters = {
        "SourceBucket": source,
        "TargetBucket": target,
        "Architecture": ARCHITECTURE,
        "S3Endpoint": service.endpoint,
        "MaxConcurrency": "4",
        "JobId": "nightly",
        "StartOnNewPoint": "true",
        "Schedule": "cron(0 22 * * ? *)",
    }
    _sam(
        service,
        *("deploy", "--template-file", template, "--stack-name", NAME),
        *("--s3-bucket", packages, "--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-progressbar"),
        "--parameter-overrides",
        *(f'{name}="{value}"' for name, value in parameters.items()),
    )
    shutil.rmtree(folder)
    (stack,) = service.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    return {
        "outputs": outputs,
        "source_bucket": source,
        "target_bucket": target,
        "functions": {role: _configuration(service, outputs, role) for role in ROLES},
    }


def _packaged(folder: Path) -> Path:
    """Return the template with the functions' package as one archive.

    ``sam build`` copies the package for each function, and ``sam deploy`` compresses each copy:
    that this gives the same the page about AWS proves (tests/cli/test_pages.py).
    """
    package, archive = kept_package(ARCHITECTURE), folder / "package.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in sorted(package.rglob("*")):
            file.write(path, path.relative_to(package))
    text = (ROOT / "template.yaml").read_text()
    for written, meant in (
        ("CodeUri: infra/aws/function", f"CodeUri: {archive}"),
        ("DefinitionUri: infra/", f"DefinitionUri: {ROOT}/infra/"),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, meant)
    template = folder / "template.yaml"
    template.write_text(text)
    return template


def _configuration(service: S3Service, outputs: dict[str, str], role: str) -> dict[str, object]:
    """Return what of a function's configuration a test may change."""
    found = service.client("lambda").get_function_configuration(
        FunctionName=outputs[f"{role}FunctionArn"]
    )
    return {name: found[name] for name in ("Environment", "Timeout", "MemorySize")}


def _sam(service: S3Service, *arguments: str | Path) -> None:
    sam = INSTALLED / "sam/bin/sam"
    assert sam.exists(), f"{sam} is missing; run: sh scripts/emulators.sh"
    done = subprocess.run(
        [str(sam), *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": service.endpoint,
            "AWS_DEFAULT_REGION": service.settings.region,
            "SAM_CLI_TELEMETRY": "0",
        },
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, f"sam {arguments[0]} failed:\n{done.stdout}\n{done.stderr}"
