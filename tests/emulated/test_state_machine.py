"""The state machine goes every way of the scenarios, with functions that do what they say.

Failed calls are tried again after a second; how long it is in truth tests/infra looks at.
"""

import io
import json
import re
import secrets
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.emulated.light import DEFINITION, hurry
from tests.emulators.services import S3Service
from tests.parity.scenario import (
    ROLES,
    VERSION,
    Document,
    Ended,
    Line,
    Scenario,
    assert_as_expected,
    load_scenarios,
)

# That of events, which is looked for after a proxy's session.
JOB = "of-events"
ROLE = "arn:aws:iam::000000000000:role/tests"
PATIENCE_SECONDS = 280
# Notes each call in a folder and does what the next line of the script there says, the last one
# again and again.
CODE = """
import json, os, pathlib

FOLDER = pathlib.Path(os.environ["FOLDER"])

class InputError(Exception): pass
class StoreError(Exception): pass
class IntegrityError(Exception): pass

def act(role, event):
    folder = FOLDER / (event.get("job") or event["session"])
    work = f"{role}-{event['batch'].rpartition('/')[2][:5]}" if role == "repack" else role
    # Whoever looks finds it whole.
    note = folder / f"note-{os.getpid()}"
    note.write_text(json.dumps(event))
    for call in range(1000):
        try:
            os.link(note, folder / f"{work}.{call}")
            break
        except FileExistsError:
            pass
    note.unlink()
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
def scripted_machine(
    localstack: S3Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("scripts")
    (folder / JOB).mkdir()
    nothing = scenario_called("an order without work ends well").script
    (folder / JOB / "script.json").write_text(json.dumps(nothing))
    arns = {role: make_function(localstack, role, folder) for role in ROLES}
    values = {
        "PlanFunctionArn": arns["plan"],
        "RepackFunctionArn": arns["repack"],
        "PublishFunctionArn": arns["publish"],
        "MaxConcurrency": "3",
        "StartOnNewPoint": "true",
        "JobId": JOB,
        "Version": VERSION,
    }
    definition = json.loads(
        re.sub(r"\$\{(\w+)}", lambda found: values[found[1]], DEFINITION.read_text())
    )
    hurry(definition)
    client = localstack.client("stepfunctions")
    arn = client.create_state_machine(
        name=f"coldhaul-{secrets.token_hex(4)}", definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]
    yield Machine(localstack, arn, folder)
    client.delete_state_machine(stateMachineArn=arn)
    for function in arns.values():
        localstack.client("lambda").delete_function(FunctionName=function)


def scenario_called(name: str) -> Scenario:
    (found,) = (each for each in load_scenarios("aws") if each.name == name)
    return found


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


def run(machine: Machine, scenario: Scenario, session: str) -> Ended:
    """Run the machine once by a script that lies in the folder of its session."""
    folder = machine.folder / session
    folder.mkdir()
    lines = dict(scenario.script)
    lines["plan"] = [_numbered(line, scenario) for line in lines["plan"]]
    (folder / "script.json").write_text(json.dumps(lines))
    order: Document = {"session": session, "claim": "c", "attempt": 1, "reason": "because"}
    order["version"] = VERSION
    if scenario.order == "job":
        order = {"job": session}
    found = _run(machine.service, machine.arn, session, order)
    return Ended(
        outcome=found["status"].lower(),
        output=json.loads(found.get("output") or "{}"),
        error=found.get("error") or "",
        cause=found.get("cause") or "",
        calls=calls_in(folder),
    )


def _numbered(line: Line, scenario: Scenario) -> Line:
    return line if isinstance(line, str) else {**line, "numbers": scenario.numbers()}


def _run(service: S3Service, arn: str, name: str, order: Document) -> Document:
    client = service.client("stepfunctions")
    began = client.start_execution(stateMachineArn=arn, name=f"{name}-1", input=json.dumps(order))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found: Document = client.describe_execution(executionArn=began["executionArn"])
        if found["status"] != "RUNNING":
            return found
        assert time.monotonic() < deadline, "the execution goes on and on"
        time.sleep(0.1)


def calls_in(folder: Path) -> dict[str, list[Document]]:
    calls: dict[str, list[Document]] = {}
    for path in sorted(folder.glob("*.[0-9]*"), key=lambda path: int(path.suffix[1:])):
        calls.setdefault(path.stem, []).append(json.loads(path.read_text()))
    return calls


@pytest.mark.parametrize("scenario", load_scenarios("aws"), ids=lambda each: str(each.name))
def test_the_state_machine_goes_the_way_of(scripted_machine: Machine, scenario: Scenario) -> None:
    session = f"s{secrets.token_hex(4)}"
    scenario = scenario.for_session(session)
    assert_as_expected(scenario, run(scripted_machine, scenario, session))


def test_what_an_event_announced_while_a_proxys_session_ran_is_looked_for_afterwards(
    scripted_machine: Machine,
) -> None:
    """By an execution of its own, which is ordered as an event's is."""
    before = len(calls_in(scripted_machine.folder / JOB).get("plan", []))
    session = f"s{secrets.token_hex(4)}"
    scenario = scenario_called("an order for a session goes on with no other")
    ended = run(scripted_machine, scenario.for_session(session), session)
    assert ended.outcome == "succeeded"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(calls := calls_in(scripted_machine.folder / JOB).get("plan", [])) == before:
        assert time.monotonic() < deadline, "nobody looks"
        time.sleep(0.1)
    assert calls[-1].keys() == {"job", "round", "execution", "started"}
