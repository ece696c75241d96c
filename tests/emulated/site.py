"""A customer with an appliance: source and target in its buckets, the proxy's configuration."""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.engine.history import SessionView, list_sessions
from core.engine.jobs import load_definition
from core.engine.plan import run_plan
from core.engine.run import begin_session
from core.engine.session import CopySession, claim_name, system_clock
from core.ids import JobId
from core.model import Parameters, RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.repository import Repository
from core.sources.source import Source
from core.stores.address import parse_address
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings
from proxy.version import own_version
from tests.cli.clouds import store_table
from tests.cli.place import PASSPHRASE, Place
from tests.emulated.stack import NAME, AwsStack, Execution
from tests.emulators.fault_proxy import Call, FaultProxy
from tests.emulators.services import AmazonService
from tests.support import appliances
from tests.support.copies import pin_batches
from tests.support.repositories import create_in, reopen
from tests.support.trees import copy_tree

JOB = JobId("nightly")
REASON = "a test ordered it"
# Small enough that little content has several packs.
SMALL = Parameters(pack_size=64 << 10, frame_size=16 << 10, zstd_level=1)
_PATIENCE_SECONDS = 120
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


class Site(Place):
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
        super().__init__(root)
        self.ways, self.stack, self.kind = ways, ways.stack, kind
        self.storage_class, self.is_encrypted = storage_class, is_encrypted
        self.is_source_encrypted = is_source_encrypted
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
                source=self._source_keys() + (encryption if self.is_source_encrypted else ""),
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

    def _source_keys(self) -> str:
        return 'kind = "bucket"\n' if self.kind == "bucket" else 'retention = "1 year"\n'

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

    def create(self, parameters: Parameters = SMALL) -> None:
        """Create the repositories, with small packs, and the job."""
        if self.kind == "repository":
            self.done("repository", "create", "primary")
        secret = PASSPHRASE if self.is_encrypted else None
        create_in(open_store(self.target_url, self.target_settings), secret, parameters=parameters)
        self.done("job", "create", "nightly")

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

    @property
    def target_settings(self) -> StoreSettings:
        """The same, for the vault."""
        return replace(self.own_settings, storage_class=self.storage_class)

    def target(self) -> Repository:
        """Open the vault."""
        secret = PASSPHRASE if self.is_encrypted else None
        return reopen(open_store(self.target_url, self.target_settings), secret)

    def source(self) -> Source:
        """Open the source."""
        if self.kind == "bucket":
            bucket = open_bucket(self.source_url, self.own_settings)
            return open_bucket_source(bucket, RetentionType.SNAPSHOT_BASED)
        secret = PASSPHRASE if self.is_source_encrypted else None
        return reopen(open_store(self.source_url, self.own_settings), secret)

    def back_up(self, files: Mapping[str, bytes]) -> None:
        """Write files into the tree and make a restore point of it."""
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.done("backup", str(self.tree), "--to", "primary")

    def begin(self, batch_size: int = 0) -> CopySession:
        """Claim the newest point, as the proxy does; with batches of so many bytes if said."""
        target = self.target()
        definition = load_definition(target, JOB)
        begun = begin_session(target, self.source(), definition, system_clock)
        assert begun is not None
        if batch_size:
            with pytest.MonkeyPatch.context() as patch:
                pin_batches(patch, batch_size)
                run_plan(begun.session, 0.0)
        return begun.session

    def plan(self, session: CopySession) -> None:
        """Plan a session here, to its end."""
        assert run_plan(session) is not None

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

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something has come about."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it has not come about"
            time.sleep(0.1)

    def session_view(self) -> SessionView:
        """Return how the newest session stands."""
        return list_sessions(self.target(), JOB)[-1]

    def copied(self, runner: str) -> Path:
        """Have the newest point copied; return a folder that keeps how the tree looked."""
        session = self.json("job", "run", "nightly")["session"]
        assert (session["status"], session["runner"]) == ("Success", runner)
        look = self.root / f"look-{session['id']}"
        copy_tree(self.tree, look)
        return look

    def parts(self, session: CopySession) -> list[str]:
        """Return the names of the parts that a session has."""
        return sorted(self.keys(f"sessions/{session.id}/parts/"))

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
