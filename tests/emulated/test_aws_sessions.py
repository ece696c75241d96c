"""A session in the stack as ``sam`` deploys it, started by the proxy's own command."""

import secrets
from pathlib import Path

from core.engine.step_report import ORDERED_HERE
from tests.cli.place import PASSPHRASE
from tests.emulated.site import Site, Ways
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees


def test_the_deployed_stack_runs_the_jobs_of_its_two_places(aws_ways: Ways, tmp_path: Path) -> None:
    site = Site(tmp_path, aws_ways, is_encrypted=True)
    site.create()
    site.serve(target_secret=aws_ways.amazon.new_secret(SecretString=PASSPHRASE))
    site.back_up({f"{number}": secrets.token_bytes(20_000) for number in range(8)})
    look = site.copied("aws")
    packs = {name: kind for name, kind in site.keys("packs/").items() if "/" in name[6:]}
    assert set(packs.values()) == {"DEEP_ARCHIVE"}
    site.retrieve()
    site.done("restore", "vault", "--to", str(site.root / "restored"))
    assert compare_trees(look, site.root / "restored") == []
    check_event(site)
    site.retrieve()
    check_copies(site.target())


def check_event(site: Site) -> None:
    """Have a new restore point start a session by itself, once the source tells of it."""
    site.stack.service.client().put_bucket_notification_configuration(
        Bucket=site.stack.source_bucket,
        NotificationConfiguration={"EventBridgeConfiguration": {}},
    )
    site.back_up({"new": b"new"})
    client = site.stack.service.client("stepfunctions")
    machine = {"stateMachineArn": site.stack.outputs["StateMachineArn"]}
    site.until(lambda: len(client.list_executions(**machine)["executions"]) == 2)
    newest = client.list_executions(**machine)["executions"][0]
    execution = site.stack.wait(newest["executionArn"])
    assert site.input_of(execution.arn) == {"job": "nightly"}
    assert (execution.status, execution.output["status"]) == ("SUCCEEDED", "Success"), execution
    assert site.session_view().attempts[-1].runner_reason == ORDERED_HERE
