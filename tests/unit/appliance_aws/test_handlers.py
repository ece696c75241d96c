"""What Lambda calls, with real Powertools: answers, log lines, metrics, and what errors tell."""

import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance_aws import handlers
from appliance_aws.handlers import Functions, UnexpectedError
from core.engine.steps import Appliance
from core.errors import InputError, IntegrityError, StoreError
from core.format import names
from core.limits import KIB
from tests.support.copies import (
    JOB,
    Pair,
    back_up,
    claims_of,
    make_pair,
    pin_batches,
    read_state,
)
from tests.support.machine import Document, make_appliance
from tests.support.stores import Hooked, Kind

NAME = b"payroll-2031.xlsx"
METRICS = "Coldhaul"


@dataclass(frozen=True)
class Context:
    """What Lambda tells of a call."""

    function_name: str = "coldhaul-repack"
    memory_limit_in_mb: int = 2048
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:repack"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"
    seconds: float = 900.0

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * self.seconds)


CONTEXT: Any = Context()


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    pin_batches(monkeypatch, 40 * KIB)
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(1)
    files = {b"%d" % number: chance.randbytes(8 * KIB) for number in range(8)}
    back_up(pair.source, {**files, NAME: b"content of the payroll"})
    return pair


class PresentOutput:
    """The output as it is when something is written: pytest changes it from phase to phase."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def lines_are_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Powertools keeps the output that there was when it was imported."""
    monkeypatch.setattr(handlers.logger.registered_handler, "stream", PresentOutput())


@pytest.fixture(autouse=True)
def no_metrics_are_left_over() -> None:
    """Powertools keeps metrics for the process until a handler writes them."""
    handlers.metrics.clear_metrics()


Deploy = Callable[[Appliance], None]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Give the handlers an appliance on folders, opened whenever they open theirs."""

    def use(appliance: Appliance) -> None:
        monkeypatch.setattr(handlers, "functions", Functions(lambda: appliance))

    return use


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[Document]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def logged(lines: list[Document]) -> list[Document]:
    return [line for line in lines if "level" in line]


def measured(lines: list[Document], name: str) -> list[float]:
    """Return a metric as it was written in the embedded format."""
    found = [line for line in lines if "_aws" in line and name in line]
    for line in found:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == METRICS
        assert name in {metric["Name"] for metric in directive["Metrics"]}
    return [value for line in found for value in line[name]]


def test_a_session_runs_through_the_handlers(
    pair: Pair, deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(make_appliance(pair.target, pair.source))
    plan = handlers.plan({"job": JOB, "round": 0}, CONTEXT)
    assert plan["state"] == "repack"
    for head in pair.target.store.list(plan["batches"].removeprefix("vault/")):
        given = {"session": plan["session"], "claim": plan["claim"], "batch": f"vault/{head.name}"}
        assert handlers.repack(given, CONTEXT)["state"] == "done"
    end = {key: plan[key] for key in ("session", "claim", "attempt", "reason", "started")}
    assert handlers.publish({**end, "end": "publish"}, CONTEXT)["status"] == "Success"
    lines = lines_of(capsys)
    record = pair.target.read_record(claims_of(pair.target)[0].record_name)
    assert sum(measured(lines, "Blobs")) == 9
    assert sum(measured(lines, "Packs")) == record.pack_count
    assert sum(measured(lines, "ContentBytes")) == record.content_size
    assert sum(measured(lines, "StoredBytes")) == record.stored_size
    assert len(measured(lines, "Seconds")) == 2 + plan["batch_count"]
    assert measured(lines, "FailedSessions") == [0]


def test_log_lines_are_found_by_session_and_batch(
    pair: Pair, deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(make_appliance(pair.target, pair.source))
    plan = handlers.plan({"job": JOB}, CONTEXT)
    batch = f"{plan['batches']}00001.parquet"
    given = {"session": plan["session"], "claim": plan["claim"], "batch": batch}
    handlers.repack(given, CONTEXT)
    with pytest.raises(InputError):
        handlers.plan({"session": "no session"}, CONTEXT)
    first, second, third = logged(lines_of(capsys))
    assert (first["message"], first["planned"]) == ("plan", plan["session"])
    assert (second["session"], second["batch"]) == (plan["session"], 1)
    assert (second["level"], second["state"], second["blobs"] > 0) == ("INFO", "done", True)
    assert second["function_request_id"] == Context.aws_request_id
    assert not {"session", "batch"} & set(third), "keys of the call before"


def test_target_and_source_are_opened_once_and_anew_after_an_error(pair: Pair) -> None:
    opened = []

    def open_both() -> Appliance:
        opened.append(1)
        return make_appliance(pair.target, pair.source)

    functions = Functions(open_both)
    functions.plan({"job": JOB}, CONTEXT)
    functions.plan({"job": JOB}, CONTEXT)
    assert len(opened) == 1
    with pytest.raises(InputError):
        functions.plan({}, CONTEXT)
    functions.plan({"job": JOB}, CONTEXT)
    assert len(opened) == 2


def test_time_that_is_up_asks_for_another_call(pair: Pair, deploy: Deploy) -> None:
    late: Any = Context(seconds=0.0)
    deploy(make_appliance(pair.target, pair.source))
    plan = handlers.plan({"job": JOB}, CONTEXT)
    given = {"session": plan["session"], "claim": plan["claim"]}
    given["batch"] = f"{plan['batches']}00000.parquet"
    answer = handlers.repack(given, late)
    assert (answer["state"], answer["part_count"]) == ("again", 1)
    assert handlers.repack({**given, "part_count": 1}, CONTEXT)["state"] == "done"


# Errors.


@pytest.mark.parametrize("kind", [StoreError, IntegrityError, InputError])
def test_an_error_crosses_by_its_class_with_all_that_it_may_tell(
    pair: Pair, deploy: Deploy, capsys: pytest.CaptureFixture[str], kind: type[StoreError]
) -> None:
    def fail(_kind: Kind, name: str) -> None:
        if name.startswith(names.JOBS):
            raise kind("no luck", hint="Wait.", problems=["one"], items=[NAME.decode()])

    target = pair.seen(target=Hooked(pair.target.store, fail)).target
    deploy(make_appliance(target, pair.source))
    with pytest.raises(kind) as caught:
        handlers.plan({"job": JOB}, CONTEXT)
    assert type(caught.value) is kind
    assert str(caught.value) == "no luck; one (Wait.)"
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    (line,) = logged(lines_of(capsys))
    assert (line["level"], line["message"]) == ("ERROR", "no luck; one (Wait.)")
    assert line["category"] == kind.category
    assert NAME.decode() not in json.dumps(line)


def test_of_a_bug_only_class_and_place_are_told(
    pair: Pair, deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    """I5: the text of an error that nobody has foreseen may hold anything."""

    def fail(_kind: Kind, _name: str) -> None:
        raise KeyError(NAME)

    deploy(make_appliance(pair.seen(target=Hooked(pair.target.store, fail)).target, pair.source))
    with pytest.raises(UnexpectedError) as caught:
        handlers.plan({"job": JOB}, CONTEXT)
    assert str(caught.value).startswith("KeyError: ")
    assert caught.value.__suppress_context__
    (line,) = logged(lines_of(capsys))
    assert line["error_class"] == "KeyError"
    assert any(at.startswith("steps.py:") for at in line["frames"])
    assert "payroll" not in f"{line} {caught.value}"


def test_a_metric_of_a_failed_call_is_written_too(
    deploy: Deploy, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(make_appliance(pair.target, pair.source))
    with pytest.raises(InputError):
        handlers.repack({}, CONTEXT)
    assert len(measured(lines_of(capsys), "Seconds")) == 1


def test_damage_names_no_item_anywhere(
    pair: Pair, deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    """I5: through all three functions, in answers, logs and metrics."""
    source = pair.source.read_record(pair.source.list_records()[-1].name)
    (blob,) = read_state(pair.source, source)[NAME].blobs
    pair.source.store.delete([names.blob(blob)])
    deploy(make_appliance(pair.target, pair.source))
    answers = [handlers.plan({"job": JOB}, CONTEXT)]
    plan = answers[0]
    for head in pair.target.store.list(plan["batches"].removeprefix("vault/")):
        given = {"session": plan["session"], "claim": plan["claim"], "batch": f"vault/{head.name}"}
        answers.append(handlers.repack(given, CONTEXT))
    end = {key: plan[key] for key in ("session", "claim", "attempt", "reason", "started")}
    answers.append(handlers.publish({**end, "end": "publish"}, CONTEXT))
    assert answers[-1]["status"] == "Failed"
    lines = lines_of(capsys)
    assert measured(lines, "FailedSessions") == [1]
    assert logged(lines)[-1]["level"] == "WARNING"
    said = f"{answers} {lines}"
    assert "payroll" not in said
    assert NAME.hex() not in said


def test_an_environment_that_is_wrong_is_told_by_the_first_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLDHAUL_TARGET_URL", raising=False)
    with pytest.raises(InputError, match="COLDHAUL_SOURCE_KIND: it is either repository or bucket"):
        handlers.plan({"job": JOB}, CONTEXT)
    (line,) = logged(lines_of(capsys))
    assert line["category"] == "input"
