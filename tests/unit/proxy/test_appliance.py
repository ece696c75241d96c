"""What every kind of appliance tells of an execution."""

from datetime import UTC, datetime

import pytest

from proxy.appliance import Execution, Standing


@pytest.mark.parametrize("standing", list(Standing))
def test_only_what_runs_is_not_over(standing: Standing) -> None:
    started = datetime(2026, 3, 1, tzinfo=UTC)
    execution = Execution(attempt=1, name="arn:x", standing=standing, started=started)
    assert execution.is_over is (standing is not Standing.RUNNING)
