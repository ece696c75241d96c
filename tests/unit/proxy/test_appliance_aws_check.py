"""What a check of a stack finds out: status, rights, functions, and what failed of late."""

import time
from dataclasses import replace

import pytest

from core.engine.check import Finding, Level
from proxy.appliance import Order
from proxy.appliance_aws import AwsAppliance
from proxy.appliance_aws_check import inspect_stack
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import Rule, refusal
from tests.emulators.services import S3Service
from tests.support.appliances import Stack, deploy, fails
from tests.unit.proxy.test_appliance_aws import SESSION

pytestmark = pytest.mark.xdist_group("appliances")


@pytest.fixture(scope="module")
def stack(localstack: S3Service) -> Stack:
    """A stack with an execution that has failed."""
    return deploy(localstack, fails("StoreError", "denied"), {"PlanFunctionArn": "no-such"})


@pytest.fixture(scope="module")
def findings(stack: Stack) -> list[Finding]:
    appliance = AwsAppliance(stack.name, stack.region, stack.service.settings)
    appliance.start(Order(session=SESSION, claim="c", attempt=1, version="1", reason="why"))
    while not all(each.is_over for each in appliance.recent(5)):
        time.sleep(0.1)
    return list(inspect_stack(appliance))


def of(findings: list[Finding], what: str) -> Finding:
    (found,) = [each for each in findings if each.what == what]
    return found


def test_status_and_rights_are_told_and_nothing_is_started(
    stack: Stack, findings: list[Finding]
) -> None:
    assert "CREATE_COMPLETE" in of(findings, "stack").detail
    rights = of(findings, "permissions")
    assert rights.level is Level.OK
    assert "states:StopExecution" in rights.detail
    assert len(stack.executions()) == 1


def test_what_failed_of_late_is_a_warning_without_its_words(findings: list[Finding]) -> None:
    failure = of(findings, "failed execution")
    assert failure.level is Level.WARNING
    assert f"{SESSION}-1" in failure.detail
    assert "denied" not in failure.detail
    assert "first part of its name" in failure.hint


def test_what_an_event_started_is_looked_for_by_its_job(localstack: S3Service) -> None:
    own = deploy(localstack, fails("X", "y"), {})
    machine = own.outputs["StateMachineArn"]
    own.client("stepfunctions").start_execution(stateMachineArn=machine, name="an-event")
    appliance = AwsAppliance(own.name, own.region, own.service.settings)
    while not all(each.is_over for each in appliance.recent(5)):
        time.sleep(0.1)
    hint = of(list(inspect_stack(appliance)), "failed execution").hint
    assert "its input names the job" in hint
    assert "first part of its name" not in hint


def test_functions_that_are_not_there_are_named(findings: list[Finding]) -> None:
    plan = of(findings, "function plan")
    assert plan.level in {Level.ERROR, Level.WARNING}
    assert "no-such" in plan.detail


def test_without_a_stack_there_is_one_finding(localstack: S3Service) -> None:
    appliance = AwsAppliance("no-such", "us-east-1", localstack.settings)
    (finding,) = inspect_stack(appliance)
    assert (finding.what, finding.level) == ("stack", Level.ERROR)


def test_without_the_right_to_look_at_functions_the_rest_is_told(stack: Stack) -> None:
    denied = Rule(fault=refusal("aws", "AccessDeniedException"), path="/functions/")
    with FaultProxy(stack.service.endpoint, "aws", [denied]) as proxy:
        settings = replace(stack.service.settings, endpoint=proxy.endpoint)
        found = list(inspect_stack(AwsAppliance(stack.name, stack.region, settings)))
    plan = of(found, "function plan")
    assert plan.level is Level.WARNING
    assert "lambda:GetFunctionConfiguration is not allowed" in plan.detail
    assert of(found, "executions").level is Level.OK


def test_a_right_that_is_missing_is_an_error(stack: Stack) -> None:
    operations = frozenset({"StopExecution", "ListExecutions"})
    denied = Rule(fault=refusal("aws", "AccessDeniedException"), operations=operations)
    with FaultProxy(stack.service.endpoint, "aws", [denied]) as proxy:
        settings = replace(stack.service.settings, endpoint=proxy.endpoint)
        found = list(inspect_stack(AwsAppliance(stack.name, stack.region, settings)))
    told = {each.detail for each in found if each.level is Level.ERROR}
    assert any("states:StopExecution is not allowed" in detail for detail in told)
    assert any("states:ListExecutions is not allowed" in detail for detail in told)
    (allowed,) = [
        each.detail for each in found if (each.what, each.level) == ("permissions", Level.OK)
    ]
    assert allowed == "allowed: states:DescribeExecution; to start was not tried"
