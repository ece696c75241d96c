"""The client of a stack and its state machine, against LocalStack."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.ids import JobId, SessionId
from core.plan.placement import Served
from proxy.appliance import Execution, Order, Standing
from proxy.appliance_aws import AwsAppliance
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import RESET_AFTER, Refusal, Rule, refusal
from tests.emulators.services import S3Service
from tests.support.appliance_clouds import AwsDeployed
from tests.support.appliances import SUCCEEDS, WAITS_FOREVER, Stack, deploy, fails

SESSION = SessionId("a1b2c3d4e5f60718293a4b5c6d7e8f90")
pytestmark = pytest.mark.xdist_group("appliances")


def order(attempt: int = 1) -> Order:
    return Order(
        session=SESSION, claim="jobs/nightly/claims/x-0.json", attempt=attempt, version="1",
        reason="why",
    )  # fmt: skip


def client(stack: Stack) -> AwsAppliance:
    return AwsAppliance(stack.name, stack.region, stack.service.settings)


def ended(appliance: AwsAppliance, attempt: int = 1) -> Execution:
    for _ in range(600):
        found = appliance.find(SESSION, attempt)
        if found is not None and found.is_over:
            return found
        time.sleep(0.1)
    raise AssertionError("it does not end")


@pytest.fixture(scope="module")
def waiting(localstack: S3Service) -> Stack:
    """A stack whose machine ends only when it is stopped."""
    return deploy(localstack, WAITS_FOREVER, {})


def test_what_a_stack_was_deployed_for_is_read_from_its_outputs(waiting: Stack) -> None:
    deployment = client(waiting).deployment()
    assert deployment.serves == Served(
        source_url="s3://backups/primary", source_kind="repository",
        target_url="s3://copies/vault", storage_class="STANDARD",
    )  # fmt: skip
    assert deployment.version == waiting.outputs["Version"]


def test_an_execution_is_started_once_watched_and_stopped(waiting: Stack) -> None:
    appliance = client(waiting)
    assert appliance.find(SESSION, 1) is None
    appliance.start(order())
    appliance.start(order())
    (running,) = waiting.executions()
    assert running["name"] == f"{SESSION}-1"
    assert waiting.orders() == [
        {"session": SESSION, "claim": "jobs/nightly/claims/x-0.json", "attempt": 1,
         "version": "1", "reason": "why"}
    ]  # fmt: skip
    found = appliance.find(SESSION, 1)
    assert found is not None
    assert (found.standing, found.attempt, found.is_over) == (Standing.RUNNING, 1, False)
    with pytest.raises(ConflictError):
        appliance.start(replace(order(), reason="another"))
    appliance.stop(SESSION, 1, "the window has closed")
    stopped = ended(appliance)
    assert stopped.standing is Standing.ABORTED
    assert stopped.ended is not None
    with pytest.raises(ConflictError):
        appliance.start(replace(order(), reason="another"))
    assert [each.standing for each in appliance.recent(5)] == [Standing.ABORTED]


def test_how_an_execution_ended_is_told(localstack: S3Service) -> None:
    well = client(deploy(localstack, SUCCEEDS, {}))
    well.start(order(2))
    assert ended(well, 2).standing is Standing.SUCCEEDED
    broken = client(deploy(localstack, fails("StoreError", "access denied"), {}))
    broken.start(order())
    failed = ended(broken)
    assert failed.standing is Standing.FAILED
    assert (failed.error, failed.cause) == ("StoreError", "access denied")


def test_a_stack_that_is_not_there_is_named_with_what_to_do(localstack: S3Service) -> None:
    with pytest.raises(NotFoundError, match=r"no-such in us-east-1: it is not there") as caught:
        AwsAppliance("no-such", "us-east-1", localstack.settings).deployment()
    assert "appliance deploy" in caught.value.hint


def test_another_stack_is_no_appliance(localstack: S3Service) -> None:
    stack = deploy(localstack, SUCCEEDS, {"Version": "", "SourceUrl": ""})
    with pytest.raises(InputError, match="no output SourceUrl, Version"):
        client(stack).deployment()


def test_nothing_answers_at_a_wrong_endpoint(localstack: S3Service) -> None:
    settings = replace(localstack.settings, endpoint="http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"look at the stack vault.*http://127.0.0.1:9"):
        AwsAppliance("vault", "us-east-1", settings).deployment()


class Xml(Refusal):
    """A refusal as CloudFormation writes it."""

    def encode(self, kind: str, method: str) -> bytes:
        """Return the answer."""
        body = f"<ErrorResponse><Error><Code>{self.name}</Code></Error></ErrorResponse>"
        head = f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()


DENIED = refusal("aws", "AccessDeniedException")


@pytest.mark.parametrize(
    ("permission", "ask"),
    [
        ("states:StartExecution", lambda appliance: appliance.start(order(9))),
        ("states:DescribeExecution", lambda appliance: appliance.find(SESSION, 9)),
        ("states:StopExecution", lambda appliance: appliance.stop(SESSION, 9, "why")),
        ("states:ListExecutions", lambda appliance: appliance.recent(5)),
    ],
)
def test_a_missing_permission_is_named_with_what_it_is_on(
    waiting: Stack, permission: str, ask: Callable[[AwsAppliance], object]
) -> None:
    operation = permission.partition(":")[2]
    rule = Rule(fault=DENIED, operations=frozenset({operation}))
    with FaultProxy(waiting.service.endpoint, "aws", [rule]) as proxy:
        settings = replace(waiting.service.settings, endpoint=proxy.endpoint)
        with pytest.raises(StoreError, match=f"{permission} is not allowed") as caught:
            ask(AwsAppliance(waiting.name, waiting.region, settings))
    assert f"Allow {permission} on arn:aws:states:" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "cloudformation:DescribeStacks is not allowed"),
        (403, "InvalidClientTokenId", "does not accept these credentials"),
        (400, "Throttling", ""),
    ],
)
def test_a_refusal_of_the_stack_says_what_to_do(
    waiting: Stack, status: int, code: str, words: str
) -> None:
    rule = Rule(fault=Xml(name=code, status=status), count=1)
    with FaultProxy(waiting.service.endpoint, "aws", [rule]) as proxy:
        settings = replace(waiting.service.settings, endpoint=proxy.endpoint)
        appliance = AwsAppliance(waiting.name, waiting.region, settings)
        if not words:
            # It is asked again.
            assert appliance.deployment().version == waiting.outputs["Version"]
            return
        with pytest.raises(StoreError, match=words) as caught:
            appliance.deployment()
    assert caught.value.hint


def test_a_start_whose_answer_was_lost_is_one_start(waiting: Stack) -> None:
    before = len(waiting.executions())
    rule = Rule(fault=RESET_AFTER, operations=frozenset({"StartExecution"}), count=1)
    with FaultProxy(waiting.service.endpoint, "aws", [rule]) as proxy:
        settings = replace(waiting.service.settings, endpoint=proxy.endpoint)
        AwsAppliance(waiting.name, waiting.region, settings).start(order(7))
    assert len(waiting.executions()) == before + 1
    client(waiting).stop(SESSION, 7, "the test is over")


def test_an_execution_that_an_event_ordered_is_found_by_its_job(waiting: Stack) -> None:
    appliance, steps = client(waiting), waiting.client("stepfunctions")
    machine = waiting.outputs["StateMachineArn"]
    job, other = JobId("nightly"), JobId("weekly")
    inputs = {"event": '{"job": "nightly"}', "odd": "[1]", f"{SESSION}-70": '{"job": "nightly"}'}
    for name, text in inputs.items():
        steps.start_execution(stateMachineArn=machine, name=name, input=text)
    assert appliance.find_ordered(job) == "event"
    assert appliance.find_ordered(other) is None
    AwsDeployed(waiting).end("event")
    assert appliance.find_ordered(job) is None
    for name in ("odd", f"{SESSION}-70"):
        AwsDeployed(waiting).end(name)
