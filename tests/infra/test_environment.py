"""Functions read the environment that the template gives them, all of it and nothing else."""

import ast

from appliance_aws.settings import read_settings
from tests.architecture.tree import ROOT, modules
from tests.infra.asked import Asked
from tests.infra.template import resolve, resources, template

SERVED = {"SourceBucket": "backups", "TargetBucket": "copies"}
# Read by Powertools itself.
POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
# Set by Lambda.
LAMBDA = {"AWS_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"}


def variables(**parameters: str) -> dict[str, str]:
    found = template()["Globals"]["Function"]["Environment"]["Variables"]
    resolved: dict[str, str] = resolve(found, {**SERVED, **parameters})
    return resolved


def test_settings_read_what_the_template_sets_and_nothing_else() -> None:
    asked = Asked({**variables(), "AWS_REGION": "eu-central-1"})
    settings = read_settings(asked)
    assert asked.names - LAMBDA == variables().keys() - POWERTOOLS
    assert settings.ends.target.url == "s3://copies"
    assert settings.ends.storage_class == "DEEP_ARCHIVE"


def test_settings_understand_every_parameter_of_the_template() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:vault-AbCdEf"
    settings = read_settings(
        variables(
            SourceKind="bucket",
            SourcePrefix="a/b",
            TargetPrefix="vault",
            RetentionType="item-level",
            StorageClass="GLACIER",
            MetadataClass="STANDARD_IA",
            TargetSecretArn=secret,
            TargetSseKeyArn=key,
            S3Endpoint="https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com",
            AllowOtherRegion="true",
        )
    )
    assert (settings.ends.source.url, settings.ends.root) == ("s3://backups/a/b", "vault/")
    assert (settings.ends.source_kind, settings.ends.retention_type) == ("bucket", "item-level")
    assert (settings.ends.target.secret, settings.sse_kms_key) == (secret, key)
    assert settings.allows_other_region
    opened = read_settings(variables(TargetKeyArn=key, SourceKeyArn=key))
    assert (opened.ends.target.key, opened.ends.source.key) == (key, key)


def test_no_other_module_of_the_appliance_reads_the_environment() -> None:
    """But for Powertools' own variable, which its metrics are made with."""
    read = set()
    for module in modules("appliance_aws"):
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                read.add(str(module))
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told = {word for word in node.value.split() if word.startswith("COLDHAUL_")}
                is_settings = module.name == "settings.py"
                assert is_settings or not told, f"{module} names {told}"
    assert read <= {"appliance_aws/handlers.py"}


def test_the_functions_have_the_same_environment_and_handlers_that_exist() -> None:
    functions = resources("AWS::Serverless::Function")
    handlers = ast.parse((ROOT / "appliance_aws/handlers.py").read_text())
    defined = {node.name for node in handlers.body if isinstance(node, ast.FunctionDef)}
    for name, function in functions.items():
        role = name.removesuffix("Function").lower()
        assert "Environment" not in function
        assert function["Handler"] == f"appliance_aws.handlers.{role}"
        assert role in defined
    assert len(functions) == 3
