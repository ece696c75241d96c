"""An appliance in Azure: a function app that is asked over HTTPS as an identity of Entra ID.

A session has one instance in Durable Functions, called by its id. The next attempt takes its place,
so that of earlier ones nothing is left but that they are over.
"""

from collections.abc import Iterator
from dataclasses import asdict
from urllib.parse import quote

from core.engine.check import Finding
from core.errors import ConflictError
from core.ids import JobId, SessionId
from core.plan.placement import Served
from core.stores.settings import StoreSettings
from proxy.appliance import Deployment, Execution, Order, Standing
from proxy.appliance_azure_documents import (
    CheckAnswer,
    DeploymentAnswer,
    RunningAnswer,
    SessionAnswer,
)
from proxy.appliance_table import ApplianceKind
from proxy.function_app import FunctionApp


class AzureAppliance:
    """The appliance of a function app."""

    kind = ApplianceKind.AZURE.value

    def __init__(self, url: str, audience: str, settings: StoreSettings) -> None:
        """Ask nothing yet; of the settings count the identity and the way there."""
        self._app = FunctionApp(url, audience, settings)

    @property
    def place(self) -> str:
        """The app and where it is."""
        return f"the function app at {self._app.url}"

    def deployment(self) -> Deployment:
        """Ask the app for what it was told."""
        doing = f"look at {self.place}"
        answer = self._app.get(doing, "/api/deployment", DeploymentAnswer)
        served = answer.model_dump(exclude={"version"})
        return Deployment(serves=Served(**served), version=answer.version)

    def start(self, order: Order) -> None:
        """Start an execution; one of this number that runs, after a lost answer, is the same."""

        def is_own() -> bool:
            found = self._app.peek(self._looking(order.session), path, SessionAnswer)
            is_same = found is not None and found.attempt == order.attempt
            return is_same and found is not None and found.standing is Standing.RUNNING

        path = _session_path(order.session)
        doing = f"start execution {_name(order.session, order.attempt)}"
        self._app.create(doing, path, asdict(order), is_own)

    def find(self, session_id: SessionId, attempt: int) -> Execution | None:
        """Return an execution; of one before the newest it is known that it is over."""
        found = self._app.find(self._looking(session_id), _session_path(session_id), SessionAnswer)
        if found is None or found.attempt < attempt:
            return None
        if found.attempt == attempt:
            return _execution(session_id, found)
        return Execution(
            attempt=attempt,
            name=_name(session_id, attempt),
            standing=Standing.REPLACED,
            started=found.started,
        )

    def find_latest(self, session_id: SessionId) -> Execution | None:
        """Return the execution that the session's instance is at."""
        found = self._app.find(self._looking(session_id), _session_path(session_id), SessionAnswer)
        return None if found is None else _execution(session_id, found)

    def find_ordered(self, job_id: JobId) -> str | None:
        """Ask the app for a running instance that its event or its timer has ordered."""
        path = f"/api/jobs/{quote(job_id, safe='')}/running"
        doing = f"look at what runs for the job {job_id}"
        found = self._app.find(doing, path, RunningAnswer)
        return None if found is None else found.instance

    def stop(self, session_id: SessionId, attempt: int, why: str) -> None:
        """End an execution where it is; one that is over stays as it is."""
        doing = f"stop execution {_name(session_id, attempt)}"
        path = f"{_session_path(session_id)}/terminate"
        try:
            self._app.post(doing, path, {"attempt": attempt, "why": why})
        except ConflictError:
            # A later attempt has taken its place, or it has ended by itself.
            return

    def inspect(self) -> Iterator[Finding]:
        """Ask the app what it finds about itself, and whether it lets anybody in."""
        # Only this needs the checks.
        from proxy.appliance_azure_check import inspect_app

        return inspect_app(self)

    def answers_anybody(self) -> bool:
        """Say whether the app answers who shows no token at all."""
        return self._app.answers_anybody()

    def findings(self) -> Iterator[Finding]:
        """Return what the app finds about its environment, its identity and its roles."""
        answer = self._app.get(f"have {self.place} look at itself", "/api/check", CheckAnswer)
        for each in answer.findings:
            yield Finding(level=each.level, what=each.what, detail=each.detail, hint=each.hint)

    def _looking(self, session_id: SessionId) -> str:
        return f"look at execution {session_id}"


def _session_path(session_id: SessionId) -> str:
    return f"/api/sessions/{quote(session_id, safe='')}"


def _name(session_id: SessionId, attempt: int) -> str:
    return f"{session_id}-{attempt}"


def _execution(session_id: SessionId, answer: SessionAnswer) -> Execution:
    return Execution(
        attempt=answer.attempt,
        name=_name(session_id, answer.attempt),
        standing=answer.standing,
        started=answer.started,
        ended=answer.ended,
        error=answer.error or "",
        cause=answer.cause or "",
    )
