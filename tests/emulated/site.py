"""A customer with an appliance: source and target in its buckets, the proxy's configuration."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.engine.session import CopySession, claim_name
from core.stores.address import parse_address
from core.stores.settings import StoreSettings
from proxy.version import own_version
from tests.cli.clouds import store_table
from tests.emulated.copy_place import REASON, CopyPlace
from tests.emulated.stack import NAME, AwsStack, Execution
from tests.emulators.fault_proxy import Call, FaultProxy
from tests.emulators.services import AmazonService
from tests.support import appliances

_REACHED_BY = ("AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_SECRETS_MANAGER")

_CONFIG = """\
version = 1

[repositories.primary]
{source}url = "{source_url}"
store = "cloud"
proxy = "hq"
retention_type = "snapshot-based"

[repositories.vault]
url = "{target_url}"
store = "cloud"
storage_class = "{storage_class}"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
{encryption}appliance = {{ kind = "aws", stack = "{stack}", region = "{region}", store = "stacks" }}

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"

[stores.stacks]
{stacks}
[stores.cloud]
{cloud}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How each reaches Amazon: the proxy of the customer, and the functions; both are watched."""

    stack: AwsStack
    amazon: AmazonService
    own: FaultProxy
    functions: FaultProxy
    services: FaultProxy

    def counts(self) -> tuple[int, int]:
        """Return how many requests the functions have made of S3 and of other services."""
        return len(self.functions.calls), len(self.services.calls)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        for way in (self.own, self.functions, self.services):
            way.clear()


@contextlib.contextmanager
def ways_to(stack: AwsStack) -> Iterator[Ways]:
    """Lend the ways to a stack."""
    service = stack.service
    amazon = AmazonService(endpoint=service.endpoint, region=service.settings.region)
    with (
        service.fault_proxy() as own,
        service.fault_proxy() as functions,
        amazon.fault_proxy() as services,
    ):
        yield Ways(stack=stack, amazon=amazon, own=own, functions=functions, services=services)


class Site(CopyPlace):
    """A place whose vault has an appliance that serves it."""

    def __init__(
        self,
        root: Path,
        ways: Ways,
        *,
        kind: str = "repository",
        storage_class: str = "DEEP_ARCHIVE",
        is_encrypted: bool = False,
        is_source_encrypted: bool = False,
    ) -> None:
        """Write a configuration: of the stack's own places, or of new ones if it has none."""
        super().__init__(
            root,
            kind=kind,
            storage_class=storage_class,
            is_encrypted=is_encrypted,
            is_source_encrypted=is_source_encrypted,
        )
        self.ways, self.stack = ways, ways.stack
        if self.stack.is_whole:
            outputs = self.stack.outputs
            self.source_url, self.target_url = outputs["SourceUrl"], outputs["TargetUrl"]
            self.name = NAME
        else:
            below = f"site-{secrets.token_hex(4)}"
            self.source_url = f"s3://{self.stack.source_bucket}/{below}/primary"
            self.target_url = f"s3://{self.stack.target_bucket}/{below}/vault"
            self.name = self._deploy_outputs()
        self.declare()

    # --- What is set up ----------------------------------------------------------------------

    def declare(self) -> None:
        """Write the configuration."""
        encryption = f'encryption.passphrase = "file:{self.passphrase}"\n'
        settings = self.ways.stack.service.settings
        self.config.write_text(
            _CONFIG.format(
                source=self.source_keys() + (encryption if self.is_source_encrypted else ""),
                source_url=self.source_url,
                target_url=self.target_url,
                storage_class=self.storage_class,
                encryption=encryption if self.is_encrypted else "",
                stack=self.name,
                region=settings.region,
                stacks=store_table(settings),
                cloud=store_table(self.own_settings),
            )
        )

    def serve(self, **environment: str) -> None:
        """Have the functions serve this site, by what opens its vault if that is named."""
        variables = {
            "target_url": self.target_url,
            "source_url": self.source_url,
            "source_kind": self.kind,
            "retention_type": "snapshot-based" if self.kind == "bucket" else "",
            "storage_class": self.storage_class,
            "s3_endpoint": self.ways.functions.endpoint,
            **environment,
        }
        reached = dict.fromkeys(_REACHED_BY, self.ways.services.endpoint)
        self.stack.serve(reached, **variables)

    def _deploy_outputs(self) -> str:
        """Deploy the outputs of a stack with these places: the functions themselves are shared."""
        outputs = {
            **self.stack.outputs,
            "SourceUrl": self.source_url,
            "SourceKind": self.kind,
            "TargetUrl": self.target_url,
            "StorageClass": self.storage_class,
            "Version": own_version(),
        }
        return appliances.deploy(self.stack.service, appliances.SUCCEEDS, outputs).name

    # --- What the proxy sees -------------------------------------------------------------------

    @property
    def own_settings(self) -> StoreSettings:
        """How the proxy reaches its objects."""
        return self.stack.service.behind(self.ways.own.endpoint).settings

    def order(self, session: CopySession, attempt: int = 1, **others: object) -> str:
        """Order the appliance to run a session; return the execution's ARN."""
        order = {
            "session": session.id,
            "claim": claim_name(session),
            "attempt": attempt,
            "version": own_version(),
            "reason": REASON,
            **others,
        }
        return self.stack.start(f"{session.id}-{attempt}", order)

    def execute(self, session: CopySession, attempt: int = 1, **others: object) -> Execution:
        """Have a session run to an end."""
        return self.stack.wait(self.order(session, attempt, **others))

    # --- Behind everybody's back ---------------------------------------------------------------

    def keys(self, prefix: str = "") -> dict[str, str]:
        """Return the class of each object of the vault."""
        address = parse_address(self.target_url)
        below = f"{address.prefix}/" if address.prefix else ""
        pages = (
            self.stack.service.client()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=address.container, Prefix=below + prefix)
        )
        found = [each for page in pages for each in page.get("Contents", [])]
        return {each["Key"].removeprefix(below): each["StorageClass"] for each in found}

    def key(self, name: str) -> dict[str, str]:
        """Return where an object of the vault is, as boto3 takes it."""
        address = parse_address(self.target_url)
        key = f"{address.prefix}/{name}" if address.prefix else name
        return {"Bucket": address.container, "Key": key}

    def retrieve(self) -> None:
        """Make the vault's archived objects readable, by the vendor's own means."""
        client = self.stack.service.client()
        for name, storage_class in self.keys().items():
            if storage_class in {"GLACIER", "DEEP_ARCHIVE"}:
                client.restore_object(
                    **self.key(name),
                    RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}},
                )

    def input_of(self, execution: str) -> Any:  # noqa: ANN401  # JSON.
        """Return what an execution was started with."""
        client = self.stack.service.client("stepfunctions")
        return json.loads(client.describe_execution(executionArn=execution)["input"])


def below(calls: list[Call], url: str) -> list[Call]:
    """Return the calls on what is below a URL."""
    address = parse_address(url)
    return [
        call for call in calls if call.path.startswith(f"/{address.container}/{address.prefix}")
    ]
