"""``restore --to URL`` puts a point's items into a bucket or container."""

from pathlib import Path

import pytest

from core.stores.opening import open_bucket
from tests.cli.clouds import Service, store_table
from tests.cli.place import Place


@pytest.fixture(params=["localstack", "azurite"])
def service(request: pytest.FixtureRequest) -> Service:
    found: Service = request.getfixturevalue(request.param)
    return found


def declare(place: Place, service: Service) -> None:
    with place.config.open("a") as file:
        file.write(f"\n[stores.away]\n{store_table(service.settings)}")


def fill(tree: Path) -> dict[str, bytes]:
    contents = {"a": b"content", "b/ü +%": b"x" * 9_000_000, "empty": b""}
    for name, content in contents.items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "link").symlink_to("a")
    return contents


def test_a_folders_files_become_objects(place: Place, service: Service) -> None:
    contents = fill(place.tree)
    declare(place, service)
    place.done("repository", "create", "primary")
    place.done("backup", str(place.tree), "--to", "primary")
    url = f"{service.new_url()}/some/where"
    arguments = ("restore", "primary", "--to", url, "--store", "away")
    document = place.json(*arguments)
    assert (document["url"], document["folder"]) == (url, None)
    assert (document["item_count"], document["failed_count"]) == (3, 0)
    assert [item["path"] for item in document["left_out_items"]] == ["link"]
    bucket = open_bucket(url, service.settings)
    listed = bucket.list_page().objects
    found = {each.key: bucket.read(each.key, each.etag, 0, each.size).content for each in listed}
    assert found == contents
    error = place.json(*arguments, code=4)["error"]
    assert [line.partition(":")[0] for line in error["items"]] == sorted(contents)
    place.done(*arguments, "--overwrite", "--include", "a")


def test_no_repository_is_written_into(place: Place, service: Service) -> None:
    url = service.new_url()
    place.edit(f'url = "file://{place.root}/vault"', f'url = "{url}/vault"\nstore = "away"')
    declare(place, service)
    place.done("repository", "create", "primary")
    place.done("backup", str(place.tree), "--to", "primary")
    for below in ("/vault", "/vault/packs", ""):
        answer = place.run("restore", "primary", "--to", f"{url}{below}", "--store", "away")
        assert (answer.code, "shares nothing" in " ".join(answer.err.split())) == (2, True)
