"""Lambda in LocalStack without containers: each environment is a process. Run by its own Python."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Of LocalStack's environment, not of ours.
from localstack.services.lambda_.invocation import (  # type: ignore[import-not-found]
    runtime_executor,
    version_manager,
)
from localstack.services.lambda_.invocation.executor_endpoint import (  # type: ignore[import-not-found]
    StatusErrorException,
)
from localstack.services.lambda_.invocation.lambda_models import (  # type: ignore[import-not-found]
    FunctionVersion,
    InvocationResult,
)

from tests.emulators.function_process import Event, FunctionProcess, NotStartedError

_PATIENCE_SECONDS = 100.0
# What Amazon's environment has, and nothing of whoever runs the tests.
_KEPT = ("PATH",)
_ENVIRONMENT = {"LANG": "en_US.UTF-8", "HOME": "/nowhere"}


def install() -> None:
    """Have LocalStack run functions by this module, and count no calls in CloudWatch.

    Nobody looks at its metrics, and each of them takes a request of its own.
    """
    # Should a version rename them, this has to fail and not be ignored.
    assert runtime_executor.EXECUTOR_PLUGIN_MANAGER is not None
    runtime_executor.EXECUTOR_PLUGIN_MANAGER = _OnlyPlugin()
    for name in ("record_cw_metric_invocation", "record_cw_metric_error"):
        assert callable(getattr(version_manager, name))
        setattr(version_manager, name, _count_nothing)


def _count_nothing(*_: object, **__: object) -> None:
    pass


class _OnlyPlugin:
    """Stands where LocalStack looks for the plugin that runs functions."""

    def exists(self, _: str) -> bool:
        return True

    def load(self, *_: str) -> Any:  # noqa: ANN401  # The plugin, and then its class.
        return self if _ else ProcessExecutor


class ProcessExecutor(runtime_executor.RuntimeExecutor):  # type: ignore[misc]
    """One environment, as LocalStack asks for it."""

    _process: FunctionProcess

    def start(self, env_vars: dict[str, Any]) -> None:
        """Start the environment; LocalStack hands on what the function said if that fails."""
        config = self.function_version.config
        code = Path(config.code.get_unzipped_code_location())
        self._process = FunctionProcess(
            [
                os.environ["FUNCTION_PYTHON"],
                str(Path(__file__).with_name("start_function.py")),
                config.handler,
            ],
            {
                **{name: os.environ[name] for name in _KEPT},
                **_ENVIRONMENT,
                **{name: str(value) for name, value in env_vars.items()},
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
                "LAMBDA_TASK_ROOT": str(code),
                "PYTHONPATH": str(code),
            },
            code=code,
            seconds=config.timeout,
            mebibytes=config.memory_size,
        )
        with _said_to_localstack():
            self._process.start(_PATIENCE_SECONDS)

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Call the function."""
        event = Event(
            request_id=payload["invoke-id"],
            function_arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
            payload=payload["payload"],
        )
        with _said_to_localstack():
            outcome = self._process.call(event, _PATIENCE_SECONDS)
        start, end = (
            f"START RequestId: {event.request_id}\n",
            f"END RequestId: {event.request_id}\n",
        )
        return InvocationResult(
            event.request_id, outcome.payload, outcome.is_error, start + outcome.log + end
        )

    def get_logs(self) -> str:
        """Return all that it printed."""
        return self._process.read_log()

    def get_address(self) -> str:
        """Return where it is: on this machine."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Return where it finds LocalStack: on this machine."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Return an address of LocalStack's own protocol, which nobody speaks here."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leave the code to LocalStack, which removes it with the function."""


@contextlib.contextmanager
def _said_to_localstack() -> Iterator[None]:
    """Hand on what a function that did not start said, as the answer to its caller."""
    try:
        yield
    except NotStartedError as error:
        raise StatusErrorException("the function did not start", payload=error.payload) from error
