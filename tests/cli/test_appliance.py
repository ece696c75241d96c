"""Jobs whose target has an appliance: who runs them, what is shown, what Ctrl-C leaves running."""

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from core.engine.jobs import load_definition
from core.engine.run import begin_session
from core.engine.session import system_clock
from core.ids import JobId
from tests.cli.appliance_site import Site, site_of
from tests.support.appliance_clouds import Cloud
from tests.support.appliances import ENDS_WHEN_TOLD, WAITS_FOREVER, fails

pytestmark = pytest.mark.xdist_group("appliances")
PATIENCE = 60


@pytest.fixture
def site(tmp_path: Path, cloud: Cloud, request: pytest.FixtureRequest) -> Site:
    """A job that is ready to run, without an appliance."""
    return site_of(tmp_path, cloud, request)


def until(process: "subprocess.Popen[str]", seen: str) -> str:
    """Read what a command says on stderr until it says this."""
    assert process.stderr is not None
    said = ""
    deadline = threading.Timer(PATIENCE, process.kill)
    deadline.start()
    try:
        for line in process.stderr:
            said += line
            if seen in line:
                return said
    finally:
        deadline.cancel()
    pytest.fail(f"the command never said {seen!r}: {said}")


def test_the_appliance_runs_the_job_and_the_terminal_shows_it_alike(site: Site) -> None:
    deployed = site.appoint(ENDS_WHEN_TOLD)
    kind, vendor = {"aws": ("aws", "amazon-s3"), "azure": ("azure", "azure-blob")}[deployed.kind]
    with site.functions(deployed):
        answer = site.done("job", "run", "nightly")
    assert "Success" in answer.out
    assert f"ran on     {kind}, because the target's appliance serves {vendor}" in answer.out
    assert "1 blob, 7 bytes; stored as" in answer.out
    for words in (
        f"runner: {kind}",
        "started as execution",
        "planned: 1 rows",
        "Repacking: 1 done",
    ):
        assert words in answer.err
    (order,) = deployed.orders()
    (session,) = site.json("session", "list", "nightly")["sessions"]
    assert (order["session"], session["runner"]) == (session["id"], kind)
    assert site.json("job", "run", "nightly")["session"] is None
    assert len(deployed.executions()) == 1


def test_ctrl_c_leaves_it_running_and_says_how_to_watch_and_stop_it(site: Site) -> None:
    deployed = site.appoint(WAITS_FOREVER)
    process = site.start("job", "run", "nightly", "--config", str(site.config), "--json")
    until(process, "started as execution")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "the appliance works on" in err
    assert "what is finished is kept" not in err
    error = json.loads(out)["error"]
    (execution,) = deployed.executions()
    session_id = execution["name"].split("-")[0]
    assert deployed.runs(f"{session_id}-1")
    assert f"session watch {session_id}" in error["hint"]
    assert f"session stop {session_id}" in error["hint"]
    again = site.start("session", "watch", session_id, "--config", str(site.config), "--json")
    until(again, "watches execution")
    site.done("session", "stop", session_id)
    deployed.end(f"{session_id}-1")
    out, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 5, err
    assert len(deployed.executions()) == 1
    assert site.run("session", "watch", session_id).code == 5
    resumed = site.start("session", "resume", session_id, "--config", str(site.config))
    until(resumed, f"started as execution {session_id}-2")
    resumed.send_signal(signal.SIGTERM)
    assert resumed.wait(PATIENCE) == 143
    resumed.communicate()
    deployed.end(f"{session_id}-2")


def test_an_appliance_that_fails_is_an_error_with_the_way_on(site: Site) -> None:
    site.appoint(fails("StoreError", json.dumps({"errorMessage": "the source refuses"})))
    error = site.json("job", "run", "nightly", code=6)["error"]
    assert "failed: the source refuses" in error["message"]
    assert "session resume" in error["hint"]
    site.edit('schedule = "daily 22:00"', 'schedule = "daily 22:00"\nfallback = true')
    session = site.json("job", "run", "nightly")["session"]
    assert (session["status"], session["runner"]) == ("Success", "local")
    assert "fallback" in session["runner_reason"]
    (attempt,) = site.json("session", "show", session["id"])["session"]["attempts"]
    assert attempt["runner_reason"] == session["runner_reason"]


def test_another_version_is_refused_before_anything_is_claimed(site: Site) -> None:
    deployed = site.appoint(WAITS_FOREVER, version="9.9.9")
    error = site.json("job", "run", "nightly", code=2)["error"]
    assert "9.9.9" in error["message"]
    assert "coldhaul appliance deploy vault" in error["hint"]
    assert site.json("session", "list", "nightly")["sessions"] == []
    assert deployed.executions() == []


def test_a_fallback_is_said_aloud(site: Site) -> None:
    cold = {"aws": "DEEP_ARCHIVE", "azure": "Archive"}[site.cloud.kind]
    site.appoint(WAITS_FOREVER, storage_class=cold)
    assert site.run("job", "run", "nightly").code == 2
    site.edit('schedule = "daily 22:00"', 'schedule = "daily 22:00"\nfallback = true')
    answer = site.done("job", "run", "nightly")
    assert "ran on     local, because fallback" in " ".join(answer.out.split("\n"))
    assert cold in answer.out
    assert "warning: fallback" in answer.err


def test_what_an_event_has_started_is_not_started_once_more_by_hand(site: Site) -> None:
    deployed = site.appoint(WAITS_FOREVER)
    started = deployed.begin_by_event("nightly")
    definition = load_definition(site.target(), JobId("nightly"))
    begun = begin_session(site.target(), site.source(), definition, system_clock)
    assert begun is not None
    before = len(deployed.executions())
    for command in (("job", "run", "nightly"), ("session", "resume", begun.session.id)):
        error = site.json(*command, code=5)["error"]
        assert "works at the job nightly already" in error["message"]
        assert f"session show {begun.session.id}" in error["hint"]
    assert len(deployed.executions()) == before
    deployed.end_ordered(started)
    process = site.start("job", "run", "nightly", "--config", str(site.config))
    until(process, f"started as execution {begun.session.id}-1")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    deployed.end(f"{begun.session.id}-1")
