"""Mend LocalStack's Step Functions where it is untrue or slow. Run by LocalStack's own Python.

LocalStack goes on when a child of a Distributed Map fails and gives null for it. Amazon's Map fails
at the first one, as no failure is tolerated, and its parent does not learn why the child failed.
An execution that is stopped between two states it takes for one that failed, as none may follow.
A task of an activity that somebody asks for is lost when an execution, the task's own or any other,
has not quite begun to wait. And it makes the tables of its parser anew for every
path in every state of every execution, and for every call a client that has assumed the role once
more, which takes most of its time.
"""

import time
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

# Of LocalStack's environment, not of ours: its modules have long names.
_ASL = "localstack.services.stepfunctions.asl"
_failure_event = import_module(f"{_ASL}.component.common.error_name.failure_event")
_names = import_module(f"{_ASL}.component.common.error_name.states_error_name")
_kinds = import_module(f"{_ASL}.component.common.error_name.states_error_name_type")
_states = import_module(f"{_ASL}.eval.program_state")
_details = import_module(f"{_ASL}.eval.event.event_detail")
_worker = import_module(
    f"{_ASL}.component.state.state_execution.state_map.iteration.itemprocessor"
    ".distributed_item_processor_worker"
)
_api = import_module("localstack.aws.api.stepfunctions")
_paths: Any = import_module(f"{_ASL}.utils.json_path")
_result_path: Any = import_module(f"{_ASL}.component.common.path.result_path")
_clients: Any = import_module(f"{_ASL}.utils.boto_client")
_environment: Any = import_module(f"{_ASL}.eval.environment")
_callback: Any = import_module(f"{_ASL}.eval.callback.callback")
_provider: Any = import_module("localstack.services.stepfunctions.provider")

# Most begin within some milliseconds, and one that never does is nobody's.
_BEGUN_SECONDS = 5
_CAUSE = "The specified tolerated failure threshold was exceeded"


def install() -> None:
    """Have a failed child end its Map, stops last and tasks found; parse and assume roles once."""
    # What they return is never changed. Should a version rename them, this has to fail.
    _paths.parse = cache(_paths.parse)
    _result_path.parse = cache(_result_path.parse)
    assumed = cache(_clients.connect_to.with_assumed_role)
    _clients.connect_to = SimpleNamespace(with_assumed_role=assumed)
    worker = _worker.DistributedItemProcessorWorker
    evaluate = worker._eval_job

    def evaluate_or_fail(self: Any, env: Any, job: Any) -> None:  # noqa: ANN401  # LocalStack's.
        evaluate(self, env=env, job=job)
        # A child that was stopped with its parent has not failed.
        if job.job_output is None and not isinstance(env.program_state(), _states.ProgramStopped):
            job.job_output = _failure(env)

    worker._eval_job = evaluate_or_fail
    _let_stops_last(_environment.Environment)
    _let_all_begin(_provider.StepFunctionsProvider)
    _callback.CallbackPoolManager.add_activity_task = _add_activity_task


def _let_all_begin(provider: Any) -> None:  # noqa: ANN401  # LocalStack's.
    """Have nobody come upon an execution that has not begun, which is an error of all others."""
    executions = provider._get_executions

    def begun(self: Any, context: Any, execution_status: str | None = None) -> list[Any]:  # noqa: ANN401
        # Without a status it gives a list, with one it stumbles over what is started meanwhile.
        found = executions(self, context)
        deadline = time.monotonic() + _BEGUN_SECONDS
        while not all(map(_has_begun, found)) and time.monotonic() < deadline:
            time.sleep(0.005)
        return [
            each
            for each in filter(_has_begun, found)
            if execution_status in {None, each.exec_status}
        ]

    provider._get_executions = begun


def _has_begun(execution: Any) -> bool:  # noqa: ANN401  # LocalStack's.
    return getattr(execution.exec_worker, "env", None) is not None


def _add_activity_task(self: Any, callback_id: str, activity_arn: str, activity_input: str) -> Any:  # noqa: ANN401
    """Queue a task once it is known who waits for it, and not before."""
    activity = self._activity_store.get(activity_arn)
    if activity is None:
        raise _callback.ActivityDoesNotExist
    waiting = _callback.ActivityCallbackEndpoint(callback_id, activity_input)
    self._pool[callback_id] = waiting
    activity.add_task(_callback.ActivityTask(callback_id, activity_input))
    return waiting


def _let_stops_last(environment: Any) -> None:  # noqa: ANN401  # LocalStack's.
    set_error = environment.set_error

    def set_error_unless_stopped(self: Any, error: Any) -> None:  # noqa: ANN401
        with self._state_mutex:
            if not isinstance(self._program_state, _states.ProgramStopped):
                set_error(self, error)

    environment.set_error = set_error_unless_stopped


def _failure(env: Any) -> Exception:  # noqa: ANN401  # LocalStack's.
    kind = _kinds.StatesErrorNameType.StatesExceedToleratedFailureThreshold
    details = _api.ExecutionFailedEventDetails(error=kind.to_name(), cause=_CAUSE)
    found: Exception = _failure_event.FailureEventException(
        _failure_event.FailureEvent(
            env=env,
            error_name=_names.StatesErrorName(typ=kind),
            event_type=_api.HistoryEventType.MapStateFailed,
            event_details=_details.EventDetails(executionFailedEventDetails=details),
        )
    )
    return found
