"""Whether a stack can run sessions: all that can be found out without starting anything."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.engine.check import Finding, Level, failed, passed
from core.errors import ColdhaulError, NotFoundError
from core.ids import SessionId
from proxy.appliance import Standing

if TYPE_CHECKING:
    from proxy.appliance_aws import AwsAppliance

_ROLES = ("Plan", "Repack", "Publish")
# No session has this id, so nothing is found and nothing stopped: only the right is tried.
_NOBODY = SessionId("0" * 32)
# How executions that a proxy starts are called; an event's have another name.
_OF_SESSION = re.compile(r":[0-9a-f]{32}-[0-9]+$")
# The failures of the last days are among so many, and a page has no more.
_RECENT_MAX = 50
_FAILURES_SHOWN_MAX = 5


def inspect_stack(appliance: "AwsAppliance") -> Iterator[Finding]:
    """Check status, rights, functions and recent executions, each whatever the others found."""
    yield from _each("stack", lambda: _check_status(appliance))
    try:
        outputs = appliance.outputs
    except ColdhaulError:
        # Told already; without the outputs there is nothing else to ask.
        return
    yield from _check_rights(appliance)
    for role in _ROLES:
        yield from _check_function(appliance, role, outputs.get(f"{role}FunctionArn", ""))
    yield from _each("executions", lambda: _check_executions(appliance))


def _each(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ColdhaulError as error:
        yield failed(what, error)


def _check_status(appliance: "AwsAppliance") -> Iterator[Finding]:
    status = appliance.describe()["StackStatus"]
    if "ROLLBACK" in status:
        yield Finding(
            level=Level.WARNING,
            what="stack",
            detail=f"{appliance.place} is as it was before its last deployment, which failed "
            f"({status})",
            hint="The events of the stack in CloudFormation say why.",
        )
    else:
        yield passed("stack", f"{appliance.place}: {status}")


def _check_rights(appliance: "AwsAppliance") -> Iterator[Finding]:
    """Try the rights that can be tried on nothing; to start would start something."""
    tries: dict[str, Callable[[], object]] = {
        "states:DescribeExecution": lambda: appliance.find(_NOBODY, 0),
        "states:StopExecution": lambda: appliance.stop(_NOBODY, 0, "a check of rights"),
    }
    granted = []
    for permission, attempt in tries.items():
        try:
            attempt()
        except NotFoundError:
            pass
        except ColdhaulError as error:
            yield failed("permissions", error)
            continue
        granted.append(permission)
    if granted:
        yield passed("permissions", f"allowed: {', '.join(granted)}; to start was not tried")


def _check_function(appliance: "AwsAppliance", role: str, arn: str) -> Iterator[Finding]:
    what = f"function {role.lower()}"
    try:
        found = appliance.function(arn)
    except NotFoundError as error:
        yield failed(what, error)
        return
    except ColdhaulError as error:
        # The proxy works without knowing how the functions are made.
        yield Finding(level=Level.WARNING, what=what, detail=error.message, hint=error.hint)
        return
    described = _describe(found)
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    if state in {"Active", "Inactive"} and update != "Failed":
        yield passed(what, described)
        return
    reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or "no reason is given"
    yield Finding(
        level=Level.ERROR,
        what=what,
        detail=f"{described}; it is {state} and its last update {update}: {reason}",
        hint="Deploy the appliance again.",
    )


def _describe(found: Mapping[str, Any]) -> str:
    storage = found.get("EphemeralStorage", {}).get("Size", 512)
    architectures = ", ".join(found.get("Architectures", ["x86_64"]))
    return (
        f"{found.get('Runtime', 'unknown runtime')} on {architectures}, "
        f"{found['MemorySize']} MB of memory, {storage} MB of temporary files, "
        f"{found['Timeout']} s a call"
    )


def _check_executions(appliance: "AwsAppliance") -> Iterator[Finding]:
    recent = appliance.recent(_RECENT_MAX)
    running = sum(1 for each in recent if each.standing is Standing.RUNNING)
    yield passed("executions", f"{running} running among the newest {len(recent)}")
    bad = [each for each in recent if each.standing in {Standing.FAILED, Standing.TIMED_OUT}]
    for each in bad[:_FAILURES_SHOWN_MAX]:
        ended = each.ended.isoformat(timespec="seconds") if each.ended else "a moment unknown"
        yield Finding(
            level=Level.WARNING,
            what="failed execution",
            detail=f"{each.name} {each.standing} at {ended}",
            hint="'coldhaul session show' with the first part of its name says why."
            if _OF_SESSION.search(each.name)
            else "An event or the schedule started it: its input names the job, and 'coldhaul "
            "session list' with that shows its session, if it had one.",
        )
