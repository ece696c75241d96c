"""Whole sessions while a twentieth of all requests goes wrong: they end whole.

Everything goes through the fault proxy: backups, copies and the restore, source and target alike.
"""

from pathlib import Path

import pytest

from core.limits import UPLOAD_PART_SIZE
from core.sources.bucket import path_of
from core.stores.opening import open_bucket
from tests.cli.clouds import store_table
from tests.cli.place import Place
from tests.emulated.pair import Pair, Service
from tests.emulators import faults
from tests.emulators.fault_proxy import BROKEN
from tests.emulators.faults import Delay, Fault, Rule, refusal
from tests.emulators.operations import Kind
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees, content_of, copy_tree, make_tree

SHARE = 0.05
# Nothing but the fault goes wrong; an emulator closes an idle connection as it is used again, now
# and then.
BROKEN_MAX = 2

FAULTS = [
    ("localstack", refusal("s3", "InternalError")),
    ("localstack", refusal("s3", "SlowDown")),
    ("localstack", refusal("s3", "TooManyRequests")),
    ("localstack", refusal("s3", "ExpiredToken")),
    ("localstack", faults.RESET_BEFORE),
    ("localstack", faults.RESET_AFTER),
    ("localstack", faults.CUT_BODY),
    ("localstack", Delay(seconds=0.1)),
    ("azurite", refusal("azure", "InternalError")),
    ("azurite", refusal("azure", "ServerBusy")),
    ("azurite", refusal("azure", "TooManyRequests")),
    ("azurite", faults.RESET_BEFORE),
    ("azurite", faults.RESET_AFTER),
    ("azurite", faults.CUT_BODY),
    ("azurite", Delay(seconds=0.1)),
]


def rule_of(fault: Fault) -> Rule:
    # Credentials that were fetched anew do not expire at once.
    return Rule(fault=fault, probability=SHARE, is_once=fault.name == "ExpiredToken")


def fill(tree: Path, generation: int, count: int = 40) -> None:
    names = [b"folder-%d/%d" % (number % 3, number) for number in range(0, count, generation)]
    make_tree(tree, {name: content_of(b"%d" % generation + name, 2_000) for name in names})


@pytest.mark.parametrize(
    ("name", "fault"), [pytest.param(n, f, id=f"{n} {f.name}") for n, f in FAULTS]
)
def test_a_session_ends_whole(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, fault: Fault
) -> None:
    service: Service = request.getfixturevalue(name)
    with service.fault_proxy(rule_of(fault), seed=1) as proxy:
        seen = service.behind(proxy.endpoint)
        pair = Pair(tmp_path, seen, seen)
        pair.drop_encryption()
        looks = copy_twice(pair)
        check_restores(pair, looks)
    assert proxy.outcomes[fault.name] > 0
    assert proxy.outcomes[BROKEN] <= BROKEN_MAX


def copy_twice(pair: Pair) -> list[Path]:
    """Create all, and make and copy two points; return how the tree looked."""
    looks = []
    pair.done("repository", "create", "primary")
    pair.done("repository", "create", "vault")
    pair.done("job", "create", "nightly")
    for generation in (1, 2):
        fill(pair.tree, generation)
        pair.done("backup", str(pair.tree), "--to", "primary")
        assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
        looks.append(pair.root / f"generation-{generation}")
        copy_tree(pair.tree, looks[-1])
    return looks


def check_restores(pair: Pair, looks: list[Path]) -> None:
    points = pair.json("restore-point", "list", "vault")["restore_points"]
    for point, look in zip(points, looks, strict=True):
        folder = pair.root / f"restored-{look.name}"
        pair.done("restore", "vault", "--to", str(folder), "--point", point["id"])
        assert compare_trees(look, folder) == []
    assert pair.json("verify", "vault", "--read-data")["finding_count"] == 0
    check_copies(pair.vault())


LONG = b"of several parts"
WRITING_FAULTS = [
    ("localstack", refusal("s3", "InternalError")),
    ("localstack", refusal("s3", "SlowDown")),
    ("localstack", refusal("s3", "ExpiredToken")),
    ("localstack", faults.RESET_AFTER),
    ("localstack", faults.CUT_BODY),
    ("azurite", refusal("azure", "ServerBusy")),
    ("azurite", faults.RESET_AFTER),
]


@pytest.mark.parametrize(
    ("name", "fault"),
    [pytest.param(n, f, id=f"{n} {f.name}") for n, f in WRITING_FAULTS],
)
def test_a_restore_of_objects_ends_whole(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, fault: Fault
) -> None:
    """The repository is a folder: only the destination is behind the proxy."""
    service: Service = request.getfixturevalue(name)
    place = Place(tmp_path)
    names = [b"folder-%d/%d" % (number % 3, number) for number in range(60)]
    contents = {each: content_of(each, 2_000) for each in names}
    contents[LONG] = content_of(LONG, UPLOAD_PART_SIZE + 1)
    make_tree(place.tree, dict(contents))
    place.done("repository", "create", "primary")
    place.done("backup", str(place.tree), "--to", "primary")
    url = f"{service.new_url()}/some/where"
    with service.fault_proxy(rule_of(fault), seed=1) as proxy:
        seen = service.behind(proxy.endpoint).settings
        with place.config.open("a") as file:
            file.write(f"\n[stores.away]\n{store_table(seen)}")
        document = place.json("restore", "primary", "--to", url, "--store", "away")
    assert (document["item_count"], document["failed_count"]) == (len(contents), 0)
    assert proxy.outcomes[fault.name] > 0
    assert proxy.outcomes[BROKEN] <= BROKEN_MAX
    bucket = open_bucket(url, service.settings)
    objects = bucket.list_page().objects
    assert [path_of(each.key) for each in objects] == sorted(contents)
    for each in objects:
        found = bucket.read(each.key, each.etag, 0, each.size).content
        assert found == contents[path_of(each.key)]


# --- Faults of one request ---------------------------------------------------------------------

VENDORS = ["localstack", "azurite"]
UPLOADS = {
    "localstack": {"CompleteMultipartUpload", "PutObject"},
    "azurite": {"PutBlockList", "PutBlob"},
}


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("place", ["restore-points", "packs", "sessions", "index", "layers"])
def test_a_write_whose_answer_is_lost_is_found_to_be_ours(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, place: str
) -> None:
    """The second try meets what the first has written, and knows it (I3)."""
    service: Service = request.getfixturevalue(name)
    with service.fault_proxy() as proxy:
        pair = ready_pair(tmp_path, service.behind(proxy.endpoint))
        lost = Rule(
            fault=faults.RESET_AFTER,
            operations=frozenset(UPLOADS[name]),
            path=f"/vault/{place}/",
            is_once=True,
        )
        proxy.add(lost)
        assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
        proxy.clear()
        assert proxy.outcomes[faults.RESET_AFTER.name] > 0
        check_restores(pair, [pair.tree])


@pytest.mark.parametrize("name", VENDORS)
def test_a_permission_that_is_missing_ends_a_session_that_goes_on_with_it(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    service: Service = request.getfixturevalue(name)
    kind, code = DENIED[name]
    with service.fault_proxy() as proxy:
        pair = ready_pair(tmp_path, service.behind(proxy.endpoint))
        proxy.add(Rule(fault=refusal(kind, code), methods=frozenset({"PUT"}), path="/vault/index/"))
        answer = pair.run("job", "run", "nightly")
        assert answer.code == 6
        assert PERMISSION[name] in answer.err
        assert proxy.outcomes[code] == 1  # One clear error is enough: no other try mends it.
        assert pair.json("restore-point", "list", "vault")["restore_points"] == []
        proxy.clear()
        assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
        check_restores(pair, [pair.tree])


DENIED: dict[str, tuple[Kind, str]] = {
    "localstack": ("s3", "AccessDenied"),
    "azurite": ("azure", "AuthorizationPermissionMismatch"),
}
PERMISSION = {"localstack": "s3:PutObject", "azurite": "Storage Blob Data Contributor"}


@pytest.mark.parametrize("name", VENDORS)
def test_listings_that_come_late_publish_nothing_wrong(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    """No store of ours lists late; one that did may stop a session and never spoils one (I1)."""
    service: Service = request.getfixturevalue(name)
    with service.fault_proxy() as proxy:
        pair = ready_pair(tmp_path, service.behind(proxy.endpoint))
        proxy.add(Rule(fault=faults.LATE_LISTING, probability=0.5))
        for _ in range(3):
            pair.run("job", "run", "nightly")
            # Whoever looks sees what is there.
            check_copies(pair.vault(service))
        assert proxy.outcomes[faults.LATE_LISTING.name] > 0
        proxy.clear()
        pair.run("job", "run", "nightly")
        check_restores(pair, [pair.tree])


def ready_pair(root: Path, service: Service) -> Pair:
    """Make all up to the first copy, which is not made."""
    pair = Pair(root, service, service)
    pair.drop_encryption()
    pair.done("repository", "create", "primary")
    pair.done("repository", "create", "vault")
    pair.done("job", "create", "nightly")
    fill(pair.tree, 1, count=10)
    pair.done("backup", str(pair.tree), "--to", "primary")
    return pair
