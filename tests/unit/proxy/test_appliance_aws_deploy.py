"""The exact commands that deploy an appliance in AWS."""

from core.stores.settings import StoreSettings
from proxy.appliance_aws_deploy import plan_commands
from proxy.appliance_table import ApplianceTable

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
