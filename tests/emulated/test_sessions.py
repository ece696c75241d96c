"""The main job between clouds: back up, copy into an archive, be refused, retrieve, restore."""

import random
from pathlib import Path

import pytest

from tests.emulated.pair import Pair, Service, archived_below, classes_below, order, retrieve
from tests.emulators.fault_proxy import HELD
from tests.emulators.services import S3Service
from tests.support.invariants import check_copies
from tests.support.trees import compare_trees, copy_tree

PAIRS = [
    pytest.param("localstack", "localstack", "DEEP_ARCHIVE", id="localstack"),
    pytest.param("ministack", "ministack", "GLACIER", id="ministack"),
    pytest.param("azurite", "azurite", "Archive", id="azurite"),
    pytest.param(None, "localstack", "DEEP_ARCHIVE", id="folder to S3"),
    pytest.param("localstack", "azurite", "Archive", id="S3 to Azure"),
    pytest.param("azurite", "ministack", "DEEP_ARCHIVE", id="Azure to S3"),
]


def service_of(request: pytest.FixtureRequest, name: str | None) -> Service | None:
    return request.getfixturevalue(name) if name else None


def make_tree(root: Path) -> None:
    """Make small files, two of one content, a larger one and what has no content."""
    chance = random.Random(7)
    for number in range(12):
        (root / f"{number}.bin").write_bytes(chance.randbytes(number * 1_000))
    (root / "twin.bin").write_bytes((root / "11.bin").read_bytes())
    (root / "folder/empty").mkdir(parents=True)
    (root / "folder/large").write_bytes(chance.randbytes(9 << 20))
    (root / "link").symlink_to("folder/large")


def change_tree(root: Path) -> None:
    (root / "3.bin").write_bytes(b"changed")
    (root / "4.bin").unlink()
    (root / "new").write_bytes(b"new")


def copy_two_points(pair: Pair) -> list[Path]:
    """Back a tree up, copy it, change it, do both again; return how the tree looked."""
    make_tree(pair.tree)
    pair.done("repository", "create", "primary")
    pair.done("repository", "create", "vault")
    pair.done("job", "create", "nightly")
    first = back_up_and_copy(pair, "first")
    change_tree(pair.tree)
    return [first, back_up_and_copy(pair, "second")]


def back_up_and_copy(pair: Pair, name: str) -> Path:
    """Make a restore point and copy it; return a folder that keeps how the tree looked."""
    pair.done("backup", str(pair.tree), "--to", "primary")
    session = pair.json("job", "run", "nightly")["session"]
    assert session["status"] == "Success"
    look = pair.root / name
    copy_tree(pair.tree, look)
    return look


@pytest.mark.parametrize(("source", "target", "storage_class"), PAIRS)
def test_what_was_copied_into_an_archive_comes_back(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    source: str | None,
    target: str,
    storage_class: str,
) -> None:
    vault = service_of(request, target)
    assert vault is not None
    pair = Pair(tmp_path, service_of(request, source), vault, storage_class=storage_class)
    looks = copy_two_points(pair)
    points = pair.json("restore-point", "list", "vault")["restore_points"]
    assert len(points) == 2
    assert pair.json("verify", "vault")["finding_count"] == 0

    # Packs went straight into their class, and nothing else did.
    classes = classes_below(vault, pair.target_url)
    packs = {name for name, kind in classes.items() if kind == storage_class}
    assert packs == {name for name in classes if name.startswith("packs/") and "/" in name[6:]}
    archived = archived_below(vault, pair.target_url)
    if archived:
        check_refusal(pair, archived, storage_class)
        retrieve(vault, pair.target_url)

    for point, look in zip(points, looks, strict=True):
        folder = pair.root / f"restored-{look.name}"
        pair.done("restore", "vault", "--to", str(folder), "--point", point["id"])
        assert compare_trees(look, folder) == []
    assert pair.json("verify", "vault", "--read-data")["finding_count"] == 0
    check_copies(pair.vault())


def check_refusal(pair: Pair, archived: set[str], storage_class: str) -> None:
    """Hold a restore of archived packs to its promise: refused as not ready, packs and class."""
    answer = pair.run("restore", "vault", "--to", str(pair.root / "too-early"))
    assert answer.code == 5
    said = answer.err.replace("\n", "")
    assert storage_class in said
    assert any(name in said for name in archived)
    assert not (pair.root / "too-early/1.bin").exists()


@pytest.mark.parametrize(
    ("name", "storage_class"), [("localstack", "GLACIER"), ("azurite", "Archive")]
)
def test_packs_on_their_way_out_of_the_archive_are_waited_for(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, storage_class: str
) -> None:
    """Both complete an order at once, which no vendor does: the proxy in front takes its time."""
    service: Service = request.getfixturevalue(name)
    with service.fault_proxy(delays_restores=True) as proxy:
        seen = service.behind(proxy.endpoint)
        pair = Pair(tmp_path, None, seen, storage_class=storage_class)
        pair.drop_encryption()
        (pair.tree / "file").write_bytes(b"content" * 1_000)
        pair.done("repository", "create", "primary")
        pair.done("repository", "create", "vault")
        pair.done("job", "create", "nightly")
        look = back_up_and_copy(pair, "look")
        order(seen, pair.target_url)
        assert proxy.outcomes[HELD] > 0
        folder = pair.root / "restored"
        assert pair.run("restore", "vault", "--to", str(folder)).code == 5
        proxy.complete_restores()
        pair.done("restore", "vault", "--to", str(folder))
        assert compare_trees(look, folder) == []


def test_a_store_without_conditions_is_copied_from(
    tmp_path: Path, rclone_s3: S3Service, localstack: S3Service
) -> None:
    """No repository is created there, and one that came there as it is can be a source."""
    pair = Pair(tmp_path, None, localstack, storage_class="GLACIER_IR")
    pair.drop_encryption()
    make_tree(pair.tree)
    pair.done("repository", "create", "primary")
    pair.done("repository", "create", "vault")
    pair.done("backup", str(pair.tree), "--to", "primary")
    pair.move_source(rclone_s3)
    pair.drop_encryption()
    pair.done("job", "create", "nightly", "--include-newest")
    assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
    pair.done("restore", "vault", "--to", str(pair.root / "restored"))
    assert compare_trees(pair.tree, pair.root / "restored") == []
