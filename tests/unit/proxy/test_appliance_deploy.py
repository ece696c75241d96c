"""The exact commands that deploy an appliance, and the sources that they need."""

from pathlib import Path

import pytest

from core.errors import InputError
from core.stores.settings import StoreSettings
from proxy.appliance_deploy import Command, check_source_tree, parse_overrides, plan_commands
from proxy.appliance_table import ApplianceTable
from proxy.version import own_version

APPLIANCE = ApplianceTable(kind="aws", stack="coldhaul-vault", region="eu-central-1")


def test_the_commands_are_those_of_sam() -> None:
    build, deploy = plan_commands(
        APPLIANCE, StoreSettings(), {"TargetBucket": "copies", "TargetPrefix": ""}
    )
    assert build.line == (
        "COLDHAUL_ARCHITECTURE=arm64 sam build --template-file template.yaml "
        "--build-dir build/sam-coldhaul-vault"
    )
    assert deploy.line == (
        "sam deploy --template-file build/sam-coldhaul-vault/template.yaml "
        "--stack-name coldhaul-vault --region eu-central-1 --resolve-s3 "
        "--capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset "
        "--parameter-overrides TargetBucket=copies 'TargetPrefix=\"\"'"
    )


def test_values_that_are_not_plain_are_quoted_for_sam_and_for_the_shell() -> None:
    values = {"Schedule": "cron(0 22 * * ? *)", "TargetPrefix": 'a "b"\\c'}
    _, deploy = plan_commands(APPLIANCE, StoreSettings(), values)
    assert deploy.arguments[-2:] == [
        'Schedule="cron(0 22 * * ? *)"',
        'TargetPrefix="a \\"b\\"\\\\c"',
    ]
    assert "'Schedule=\"cron(0 22 * * ? *)\"'" in deploy.line


def test_the_architecture_is_that_of_the_build_too() -> None:
    build, deploy = plan_commands(APPLIANCE, StoreSettings(), {"Architecture": "x86_64"})
    assert build.environment["COLDHAUL_ARCHITECTURE"] == "x86_64"
    assert deploy.arguments[-1] == "Architecture=x86_64"


def test_the_way_to_amazon_is_that_of_the_configuration() -> None:
    settings = StoreSettings(
        endpoint="http://127.0.0.1:4566", ca_bundle="/etc/own ca.pem", http_proxy="http://p:3128"
    )
    _, deploy = plan_commands(APPLIANCE, settings, {})
    assert deploy.line.startswith(
        "AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_CA_BUNDLE='/etc/own ca.pem' "
        "HTTPS_PROXY=http://p:3128 sam deploy"
    )


def test_further_parameters_are_read_as_they_stand() -> None:
    assert parse_overrides(["MaxConcurrency=20", "Schedule=rate(1 day)", "AlarmEmail="]) == {
        "MaxConcurrency": "20",
        "Schedule": "rate(1 day)",
        "AlarmEmail": "",
    }


@pytest.mark.parametrize("text", ["MaxConcurrency", "=20", "Max-Concurrency=20", ""])
def test_what_names_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no parameter") as caught:
        parse_overrides([text])
    assert "--set MaxConcurrency=20" in caught.value.hint


def test_only_the_sources_of_this_version_are_deployed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no template\.yaml") as caught:
        check_source_tree(tmp_path)
    assert "--source" in caught.value.hint
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    with pytest.raises(InputError, match="of version unknown"):
        check_source_tree(tmp_path)
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nversion = "9.9.9"\n')
    with pytest.raises(InputError, match=r"of version 9\.9\.9, and this is 0\.1\.0"):
        check_source_tree(tmp_path)
    project.write_text(f'[project]\nversion = "{own_version()}"\n')
    check_source_tree(tmp_path)


def test_a_command_is_written_as_a_shell_takes_it() -> None:
    assert Command(arguments=["sam", "a b"]).line == "sam 'a b'"
