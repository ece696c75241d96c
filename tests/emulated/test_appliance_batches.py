"""Many batches through the Map of the state machine, each with a pack of its own.

``test_state_machine`` has a thousand, with functions that do nothing: these take seconds of work.
"""

from pathlib import Path

from core.engine.batches import read_plan
from tests.emulated.site import Site, Ways
from tests.support.trees import compare_trees

COUNT = 40
# Of the state's 256 KiB: what executions carry does not grow with the batches but for one word.
STATE_SIZE_MAX = 32 << 10


def test_many_batches(light_ways: Ways, tmp_path: Path) -> None:
    site = Site(tmp_path, light_ways, storage_class="GLACIER_IR")
    site.create()
    # Nothing goes wrong here: the way is short.
    site.serve(s3_endpoint=light_ways.stack.service.endpoint)
    site.back_up({f"{number:04d}": b"%d" % number for number in range(COUNT)})
    session = site.begin(batch_size=1)
    execution = site.execute(session)
    assert (execution.status, execution.output["status"]) == ("SUCCEEDED", "Success"), execution
    plan = read_plan(site.target(), session.id)
    assert plan is not None
    assert len(plan.batches) == COUNT
    assert len(site.parts(session)) == COUNT
    assert longest_state(site, execution.arn) < STATE_SIZE_MAX
    site.done("restore", "vault", "--to", str(site.root / "restored"))
    assert compare_trees(site.tree, site.root / "restored") == []


def longest_state(site: Site, arn: str) -> int:
    """Return the size of the longest document that the execution has carried."""
    client = site.stack.service.client("stepfunctions")
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
    details = [
        detail
        for page in pages
        for event in page["events"]
        for detail in event.values()
        if isinstance(detail, dict)
    ]
    return max(len(str(detail.get(name, ""))) for detail in details for name in ("input", "output"))
