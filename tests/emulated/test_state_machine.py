"""The state machine takes every way it has to, with functions that do what a test says."""

import io
import json
import re
import secrets
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.emulators.services import S3Service

DEFINITION = ROOT / "infra/aws/state-machine.asl.json"
ROLE = "arn:aws:iam::000000000000:role/tests"
ROLES = ("plan", "repack", "publish")
PATIENCE_SECONDS = 280
# Notes each call in a folder and does what the next line of the script there says, the last one
# again and again.
CODE = """
import json, os, pathlib

FOLDER = pathlib.Path(os.environ["FOLDER"])

class StoreError(Exception): pass
class IntegrityError(Exception): pass

def act(role, event):
    folder = FOLDER / (event.get("job") or event["session"])
    work = f"{role}-{event['batch'].rpartition('/')[2][:5]}" if role == "repack" else role
    for call in range(1000):
        try:
            with open(folder / f"{work}.{call}", "x") as file:
                json.dump(event, file)
            break
        except FileExistsError:
            pass
    script = json.loads((folder / "script.json").read_text())
    lines = script.get(work) or script[role]
    line = lines[min(call, len(lines) - 1)]
    if line == "die":
        os._exit(1)
    if isinstance(line, str):
        raise globals()[line]("as the script says")
    return {**event, **line}

def plan(event, context): return act("plan", event)
def repack(event, context): return act("repack", event)
def publish(event, context): return act("publish", event)
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """The deployed state machine, and the folder where its functions look for scripts."""

    service: S3Service
    arn: str
    folder: Path


@pytest.fixture(scope="module")
def machine(localstack: S3Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("scripts")
    arns = {role: make_function(localstack, role, folder) for role in ROLES}
    values = {
        "PlanFunctionArn": arns["plan"],
        "RepackFunctionArn": arns["repack"],
        "PublishFunctionArn": arns["publish"],
        "MaxConcurrency": "3",
        "Version": "0.1.0",
    }
    definition = re.sub(r"\$\{(\w+)}", lambda found: values[found[1]], DEFINITION.read_text())
    client = localstack.client("stepfunctions")
    arn = client.create_state_machine(
        name=f"coldhaul-{secrets.token_hex(4)}", definition=definition, roleArn=ROLE
    )["stateMachineArn"]
    yield Machine(localstack, arn, folder)
    client.delete_state_machine(stateMachineArn=arn)
    for function in arns.values():
        localstack.client("lambda").delete_function(FunctionName=function)


def make_function(localstack: S3Service, role: str, folder: Path) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("scripted.py", CODE)
    client = localstack.client("lambda")
    arn: str = client.create_function(
        FunctionName=f"coldhaul-{role}-{secrets.token_hex(4)}",
        Runtime="python3.13",
        Role=ROLE,
        Handler=f"scripted.{role}",
        Code={"ZipFile": archive.getvalue()},
        Timeout=60,
        Environment={"Variables": {"FOLDER": str(folder)}},
    )["FunctionArn"]
    client.get_waiter("function_active_v2").wait(FunctionName=arn)
    return arn


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended, and what its functions were called with."""

    status: str
    output: dict[str, Any]
    error: str
    cause: str
    calls: dict[str, list[dict[str, Any]]]

    def ends(self) -> list[str]:
        """Return what publish was told, call by call."""
        return [call["end"] for call in self.calls.get("publish", [])]


PLANNED = {"session": "S", "claim": "c", "attempt": 1, "reason": "because"}


def planned(
    state: str, number: int = 0, session: dict[str, object] | None = None
) -> dict[str, object]:
    return {
        "state": state,
        "round": number,
        "batches": "none/",
        "batch_count": 0,
        "numbers": ["all of them"],
        "more": False,
        **(session or {}),
    }


def published(status: str, state: str = "done") -> dict[str, object]:
    return {"state": state, "status": status, "record": "r", "reasons": ["said why"]}


def run(
    machine: Machine, *, batches: int = 0, order: dict[str, object] | None = None, **script: object
) -> Ended:
    """Run the machine once by a script for each function."""
    name = f"s{secrets.token_hex(4)}"
    folder = machine.folder / name
    folder.mkdir()
    prefix = f"vault/sessions/{name}/batches/0/"
    numbers = json.dumps([f"{number:05}" for number in range(batches)])
    text = json.dumps({role.replace("_", "-"): lines for role, lines in script.items()})
    text = text.replace('["all of them"]', numbers)
    (folder / "script.json").write_text(text.replace("none/", prefix).replace("JOB", name))
    client = machine.service.client("stepfunctions")
    began = client.start_execution(
        stateMachineArn=machine.arn,
        name=f"{name}-1",
        input=json.dumps(order or {**PLANNED, "session": name, "version": "0.1.0"}).replace(
            "JOB", name
        ),
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := client.describe_execution(**_arn(began)))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution goes on and on"
        time.sleep(0.1)
    output = json.loads(found.get("output") or "{}")
    error, cause = found.get("error") or "", found.get("cause") or ""
    return Ended(found["status"], output, error, cause, calls_in(folder))


def _arn(began: dict[str, str]) -> dict[str, str]:
    return {"executionArn": began["executionArn"]}


def calls_in(folder: Path) -> dict[str, list[dict[str, Any]]]:
    calls: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.[0-9]*"), key=lambda path: int(path.suffix[1:])):
        calls.setdefault(path.stem, []).append(json.loads(path.read_text()))
    return calls


DONE = {"state": "done"}
SUCCESS = [published("Success")]


def test_batches_are_repacked_and_the_point_is_published(machine: Machine) -> None:
    ended = run(
        machine,
        batches=5,
        plan=[planned("again"), planned("repack"), planned("publish")],
        repack=[DONE],
        publish=[published("Warning", "again"), published("Warning")],
    )
    assert ended.status == "SUCCEEDED"
    assert ended.output == published("Warning")
    assert ended.ends() == ["publish", "publish"]
    assert [call["round"] for call in ended.calls["plan"]] == [0, 0, 0]
    assert {call["version"] for call in ended.calls["plan"]} == {"0.1.0"}
    (first,) = ended.calls["repack-00003"]
    assert first["batch"].endswith("/batches/0/00003.parquet")
    assert set(first) == {"session", "claim", "batch", "part_count", "stalled_calls"}
    assert len([role for role in ended.calls if role.startswith("repack-")]) == 5


def test_a_batch_is_called_again_with_what_it_returned(machine: Machine) -> None:
    ended = run(
        machine,
        batches=1,
        plan=[planned("repack"), planned("publish")],
        repack=[
            {"state": "again", "part_count": 7, "stalled_calls": 0},
            {"state": "again", "part_count": 7, "stalled_calls": 1},
            DONE,
        ],
        publish=SUCCESS,
    )
    assert ended.status == "SUCCEEDED"
    counts = [(call["part_count"], call["stalled_calls"]) for call in ended.calls["repack-00000"]]
    assert counts == [(0, 0), (7, 0), (7, 1)]


def test_a_round_is_planned_after_the_batches_of_the_one_before(machine: Machine) -> None:
    ended = run(
        machine,
        batches=1,
        plan=[planned("repack"), planned("repack", 1), planned("publish", 1)],
        repack=[DONE],
        publish=SUCCESS,
    )
    assert ended.status == "SUCCEEDED"
    assert [call["round"] for call in ended.calls["plan"]] == [0, 0, 1]
    assert len(ended.calls["repack-00000"]) == 2


NOBODY: dict[str, object] = {"session": None, "claim": None, "attempt": None, "reason": "an event"}


@pytest.mark.parametrize("state", ["busy", "nothing"])
def test_an_order_without_work_ends_well(machine: Machine, state: str) -> None:
    ended = run(machine, order={"job": "JOB"}, plan=[planned(state, 0, NOBODY)], publish=SUCCESS)
    assert ended.status == "SUCCEEDED"
    assert ended.output["state"] == state
    assert set(ended.calls) == {"plan"}


def test_a_jobs_order_goes_on_as_the_session_that_plan_claimed(machine: Machine) -> None:
    claimed: dict[str, object] = {
        "session": "JOB",
        "claim": "c",
        "attempt": 4,
        "reason": "an event",
    }
    ended = run(
        machine,
        batches=1,
        order={"job": "JOB"},
        plan=[planned("again", 0, claimed), planned("repack"), planned("publish")],
        repack=[DONE],
        publish=SUCCESS,
    )
    assert ended.status == "SUCCEEDED"
    first, second, _ = ended.calls["plan"]
    assert set(first) == {"job", "round", "execution", "started"}
    assert (second["claim"], second["attempt"], second["reason"]) == ("c", 4, "an event")
    assert "job" not in second
    assert ended.calls["publish"][0]["attempt"] == 4


CLAIMED: dict[str, object] = {"session": "JOB", "claim": "c", "attempt": 1, "reason": "an event"}
GOES_ON = CLAIMED | {"more": True}


def test_a_job_that_copies_each_point_goes_on_with_the_next(machine: Machine) -> None:
    ended = run(
        machine,
        order={"job": "JOB"},
        plan=[
            planned("publish", 0, GOES_ON),
            planned("publish", 0, GOES_ON),
            planned("nothing", 0, NOBODY),
        ],
        publish=[published("Success"), published("Warning")],
    )
    assert ended.status == "SUCCEEDED"
    assert ended.output == published("Warning")
    assert ended.ends() == ["publish", "publish"]
    first, second, third = ended.calls["plan"]
    assert set(first) == set(second) == {"job", "round", "execution", "started"}
    assert len({call["execution"] for call in (first, second, third)}) == 2
    assert second["execution"].endswith(f" {first['job']}")
    assert first["started"] < second["started"] < third["started"]
    assert ended.calls["publish"][1]["started"] == second["started"]


@pytest.mark.parametrize(
    ("order", "status"), [({"job": "JOB"}, "Failed"), (None, "Success")], ids=["failed", "ordered"]
)
def test_it_goes_on_with_no_other_session(
    machine: Machine, order: dict[str, object] | None, status: str
) -> None:
    ended = run(
        machine, order=order, plan=[planned("publish", 0, GOES_ON)], publish=[published(status)]
    )
    assert len(ended.calls["plan"]) == len(ended.calls["publish"]) == 1


def test_a_stopped_batch_stops_the_session_and_no_alarm_rings(machine: Machine) -> None:
    ended = run(
        machine,
        batches=2,
        plan=[planned("repack")],
        repack=[{"state": "stopped"}],
        publish=[published("Stopped")],
    )
    assert (ended.status, ended.ends()) == ("SUCCEEDED", ["stopped"])


def test_a_plan_that_was_stopped_stops_the_session(machine: Machine) -> None:
    ended = run(machine, plan=[planned("stopped")], publish=[published("Stopped")])
    assert (ended.status, ended.ends()) == ("SUCCEEDED", ["stopped"])


def test_a_stalled_batch_fails_the_session_when_the_others_are_done(machine: Machine) -> None:
    ended = run(
        machine,
        batches=3,
        plan=[planned("repack")],
        repack=[DONE],
        repack_00001=[{"state": "stalled"}],
        publish=[published("Failed")],
    )
    assert (ended.status, ended.ends()) == ("FAILED", ["stalled"])
    assert ended.error == "SessionFailed"
    assert "said why" in ended.cause
    assert len(ended.calls["repack-00002"]) == 1


def test_a_session_that_does_not_prove_whole_fails_with_its_reasons(machine: Machine) -> None:
    ended = run(machine, plan=[planned("publish")], publish=[published("Failed")])
    assert (ended.status, ended.error) == ("FAILED", "SessionFailed")
    assert "said why" in ended.cause


def test_a_store_that_failed_and_a_function_that_died_are_tried_again(machine: Machine) -> None:
    ended = run(
        machine,
        batches=2,
        plan=["StoreError", planned("repack"), planned("publish")],
        repack=[DONE],
        repack_00001=["die", DONE],
        publish=SUCCESS,
    )
    assert ended.status == "SUCCEEDED"
    assert [len(ended.calls[role]) for role in ("plan", "repack-00001")] == [3, 2]


def test_damage_in_a_batch_is_never_tried_again_and_its_cause_is_reported(machine: Machine) -> None:
    ended = run(
        machine,
        batches=9,
        plan=[planned("repack")],
        repack=[DONE],
        repack_00000=["IntegrityError"],
        publish=[published("Failed")],
    )
    assert (ended.status, ended.ends()) == ("FAILED", ["failed", "failed"])
    assert len(ended.calls["repack-00000"]) == 1
    # The parent learns only that a batch failed: the batch itself has reported why before.
    first, second = ended.calls["publish"]
    assert second["error"]["Error"] == "States.ExceedToleratedFailureThreshold"
    assert first["error"]["Error"] == "IntegrityError"
    assert "as the script says" in first["error"]["Cause"]
    assert (first["attempt"], first["reason"]) == (1, "because")


def test_a_plan_that_fails_at_once_is_reported_for_the_orders_session(machine: Machine) -> None:
    ended = run(machine, plan=["IntegrityError"], publish=[published("Failed")])
    assert (ended.status, ended.ends()) == ("FAILED", ["failed"])
    assert ended.calls["publish"][0]["error"]["Error"] == "IntegrityError"


def test_a_plan_that_fails_before_it_claims_fails_the_execution(machine: Machine) -> None:
    ended = run(machine, order={"job": "JOB"}, plan=["IntegrityError"], publish=SUCCESS)
    assert (ended.status, ended.error) == ("FAILED", "IntegrityError")
    assert set(ended.calls) == {"plan"}


def test_a_publish_that_fails_leaves_its_report(machine: Machine) -> None:
    ended = run(
        machine, plan=[planned("publish")], publish=["IntegrityError", published("Running")]
    )
    assert (ended.status, ended.error) == ("FAILED", "SessionFailed")
    assert ended.ends() == ["publish", "failed"]
    assert ended.calls["publish"][1]["error"]["Error"] == "IntegrityError"


def test_a_report_that_fails_too_fails_the_execution(machine: Machine) -> None:
    ended = run(machine, plan=[planned("publish")], publish=["IntegrityError"])
    assert (ended.status, ended.error) == ("FAILED", "IntegrityError")
    assert ended.ends() == ["publish", "failed"]


def test_a_thousand_batches_pass_through_the_map(machine: Machine) -> None:
    ended = run(
        machine,
        batches=1_000,
        plan=[planned("repack"), planned("publish")],
        repack=[DONE],
        repack_00500=[{"state": "again", "part_count": 3, "stalled_calls": 0}, DONE],
        publish=SUCCESS,
    )
    assert ended.status == "SUCCEEDED"
    batches = [calls for role, calls in ended.calls.items() if role.startswith("repack-")]
    assert len(batches) == 1_000
    assert sorted(map(len, batches)) == [1] * 999 + [2]
