"""Every command on repositories in clouds: the same story, and refusals that say what to do."""

import pytest

from tests.cli.clouds import Service, move_to
from tests.cli.place import Place
from tests.emulators.faults import Rule, refusal
from tests.emulators.services import AzureService, S3Service

CLOUDS = ["localstack", "azurite"]
COLD = {"localstack": "DEEP_ARCHIVE", "azurite": "Archive"}
HOT = {"localstack": "STANDARD_IA", "azurite": "Cool"}


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest, place: Place) -> Place:
    """A place whose repositories are in one bucket of a cloud."""
    service: Service = request.getfixturevalue(request.param)
    move_to(place, service, "primary", "vault")
    return place


def test_what_was_backed_up_and_copied_is_restored(cloud: Place) -> None:
    (cloud.tree / "a").write_bytes(b"content" * 1000)
    (cloud.tree / "link").symlink_to("a")
    for name in ("primary", "vault"):
        cloud.done("repository", "create", name)
    cloud.done("job", "create", "nightly")
    cloud.done("backup", str(cloud.tree), "--to", "primary")
    assert cloud.json("job", "run", "nightly")["session"]["status"] == "Success"
    assert len(cloud.json("item", "list", "vault")["items"]) == 2
    (session,) = cloud.json("session", "list", "nightly")["sessions"]
    assert cloud.json("session", "show", session["id"])["repository"] == "vault"
    cloud.done("verify", "vault", "--read-data")
    cloud.done("rebuild", "vault")
    cloud.done("key", "rotate", "vault")
    cloud.done("restore", "vault", "--to", str(cloud.root / "restored"))
    assert (cloud.root / "restored" / "a").read_bytes() == b"content" * 1000
    assert (cloud.root / "restored" / "link").is_symlink()


def test_a_check_finds_nothing_wrong_and_leaves_nothing(cloud: Place) -> None:
    cloud.done("repository", "create", "vault")
    findings = cloud.json("repository", "check", "vault")["findings"]
    assert {finding["level"] for finding in findings} == {"ok"}
    tried = {finding["what"] for finding in findings}
    assert {"classes", "create-only writes", "create-only uploads", "unfinished uploads"} <= tried


def test_an_empty_bucket_is_made_by_nobody(cloud: Place) -> None:
    text = cloud.config.read_text()
    url = text.split('url = "')[1].split('"')[0]
    bucket = url.split("/")[2]
    cloud.config.write_text(text.replace(bucket, "no-such-bucket-anywhere"))
    answer = cloud.run("repository", "create", "vault")
    assert answer.code == 6
    said = " ".join(answer.err.split())
    assert "no-such-bucket-anywhere" in said
    assert ("aws s3 mb" if url.startswith("s3") else "az storage container create") in said


@pytest.mark.parametrize("vendor", CLOUDS)
def test_packs_and_everything_else_go_into_their_classes(
    request: pytest.FixtureRequest, place: Place, vendor: str
) -> None:
    service: Service = request.getfixturevalue(vendor)
    url = move_to(place, service, "vault")
    classes = f'storage_class = "{COLD[vendor]}"\nmetadata_class = "{HOT[vendor]}"\n'
    place.edit('retention = "7 years"\n', f'retention = "7 years"\n{classes}')
    place.drop_encryption()
    (place.tree / "a").write_bytes(b"content" * 1000)
    place.done("repository", "create", "primary")
    assert COLD[vendor] in place.done("repository", "create", "vault").out
    place.done("job", "create", "nightly")
    place.done("backup", str(place.tree), "--to", "primary")
    place.done("job", "run", "nightly")
    found = classes_in(service, url)
    packs = {name for name in found if name.startswith("vault/packs/") and name.count("/") == 3}
    assert packs
    assert {found[name] for name in packs} == {COLD[vendor]}
    assert {found[name] for name in found.keys() - packs} == {HOT[vendor]}
    findings = place.json("repository", "check", "vault")["findings"]
    (described,) = [each["detail"] for each in findings if each["what"] == "classes"]
    assert f"packs in {COLD[vendor]}, a retrieval before they are read" in described


def classes_in(service: Service, url: str) -> dict[str, str]:
    """Return the class of each object, asked of the vendor's own library."""
    container = url.split("/")[2]
    if isinstance(service, AzureService):
        with service.client() as client:
            blobs = client.get_container_client(container).list_blobs()
            return {blob.name: str(blob.blob_tier) for blob in blobs}
    pages = service.client().get_paginator("list_objects_v2").paginate(Bucket=container)
    return {each["Key"]: each["StorageClass"] for page in pages for each in page["Contents"]}


def test_a_store_that_ignores_create_only_is_refused_as_a_target(
    place: Place, rclone_s3: S3Service
) -> None:
    move_to(place, rclone_s3, "vault")
    answer = place.run("repository", "create", "vault")
    assert answer.code == 6
    said = " ".join(answer.err.split())
    assert "ignores that a write is create-only" in said
    assert "can still be the source of a copy" in said


def test_a_backup_into_an_archive_class_is_refused(place: Place, localstack: S3Service) -> None:
    move_to(place, localstack, "primary")
    place.edit('retention = "1 year"', 'retention = "1 year"\nstorage_class = "GLACIER_IR"')
    answer = place.run("backup", str(place.tree), "--to", "primary")
    assert answer.code == 2
    assert "for copies only" in answer.err


@pytest.mark.parametrize("vendor", CLOUDS)
def test_uploads_that_are_under_way_are_left_alone(
    request: pytest.FixtureRequest, place: Place, vendor: str
) -> None:
    service: Service = request.getfixturevalue(vendor)
    url = move_to(place, service, "vault")
    place.drop_encryption()
    place.done("repository", "create", "vault")
    begin_upload(service, url, "vault/packs/s/p")
    document = place.json("verify", "vault")
    assert (document["discarded_upload_count"], document["unfinished_uploads"]) == (0, [])
    assert has_upload(service, url, "vault/packs/s/p")


def begin_upload(service: Service, url: str, key: str) -> None:
    container = url.split("/")[2]
    if isinstance(service, AzureService):
        with service.client() as client:
            client.get_blob_client(container, key).stage_block("YQ==", b"block")
    else:
        service.client().create_multipart_upload(Bucket=container, Key=key)


def has_upload(service: Service, url: str, key: str) -> bool:
    container = url.split("/")[2]
    if isinstance(service, AzureService):
        with service.client() as client:
            blocks = client.get_blob_client(container, key).get_block_list("uncommitted")
            return bool(blocks[1])
    found = service.client().list_multipart_uploads(Bucket=container)
    return key in {upload["Key"] for upload in found.get("Uploads", [])}


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("PutObject", "s3:PutObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("CompleteMultipartUpload", "s3:PutObject"),
        ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
        ("DeleteObjects", "s3:DeleteObject"),
    ],
)
def test_a_check_names_the_permission_that_is_missing(
    place: Place, localstack: S3Service, operation: str, permission: str
) -> None:
    with localstack.fault_proxy() as proxy:
        move_to(place, localstack.behind(proxy.endpoint), "primary")
        place.done("repository", "create", "primary")
        refused = refusal("s3", "AccessDenied")
        proxy.add(Rule(fault=refused, operations=frozenset({operation})))
        document = place.json("repository", "check", "primary", code=6)
    told = [each["detail"] for each in document["findings"] if each["level"] == "error"]
    assert any(f"{permission} is not allowed" in detail for detail in told), told
