"""What a repository and its store say together, on values alone."""

from collections.abc import Mapping

import pytest

from proxy.location import Place
from proxy.store_rules import Values, check_stores, place_of, vendor_of

S3 = {"url": "s3://bucket/x", "store": "s"}
AZURE = {"url": "az://container/x", "store": "s"}
ACCOUNT = {"endpoint": "https://me.blob.core.windows.net"}


def problems_of(store: Values, *repositories: Values) -> list[str]:
    named: Mapping[str, Values] = {f"r{number}": each for number, each in enumerate(repositories)}
    return list(check_stores(named, {"s": store}, {"s": set(store)}))


def test_stores_that_fit_have_no_problem() -> None:
    assert problems_of({}, S3) == []
    assert problems_of({"region": "eu-central-1", "kms_key": "k", "vendor": "amazon-s3"}, S3) == []
    assert problems_of({**ACCOUNT, "account_key": "k", "vendor": "azure-blob"}, AZURE) == []
    assert problems_of(ACCOUNT, AZURE, {"url": "file:///srv"}, {}) == []


@pytest.mark.parametrize("key", ["region", "profile", "role_arn", "kms_key"])
def test_keys_of_s3_mean_nothing_to_azure(key: str) -> None:
    (problem,) = problems_of({**ACCOUNT, key: "x"}, AZURE)
    assert problem.startswith(f"stores.s.{key} = ")
    assert "repository 'r0'" in problem


@pytest.mark.parametrize("key", ["managed_identity", "account_key"])
def test_keys_of_azure_mean_nothing_to_s3(key: str) -> None:
    (problem,) = problems_of({key: "x"}, S3)
    assert problem.startswith(f"stores.s.{key} = ")


def test_a_problem_of_a_store_is_told_once_for_all_in_it() -> None:
    assert len(problems_of({"account_key": "x"}, S3, {**S3, "url": "s3://bucket/y"})) == 1


def test_a_store_for_two_vendors_is_told_for_both() -> None:
    problems = problems_of({**ACCOUNT, "account_key": "x", "region": "y"}, S3, AZURE)
    assert [problem.split(" = ")[0] for problem in problems] == [
        "stores.s.account_key",
        "stores.s.region",
    ]


def test_azure_needs_an_endpoint() -> None:
    (problem,) = problems_of({}, AZURE)
    assert problem.startswith("stores.s.endpoint: it is missing")
    (problem,) = problems_of({}, {"url": "az://container/x"})
    assert problem.startswith("repositories.r0.url")


def test_an_endpoint_that_is_wrong_is_not_missing() -> None:
    assert list(check_stores({"r": AZURE}, {"s": {}}, {"s": {"endpoint"}})) == []


def test_no_token_goes_over_plain_http() -> None:
    store = {"endpoint": "http://127.0.0.1:10000/me"}
    (problem,) = problems_of(store, AZURE)
    assert problem.startswith("stores.s.endpoint")
    assert problems_of({**store, "account_key": "x"}, AZURE) == []
    assert problems_of(store, S3) == []


def test_one_way_to_sign_in_is_enough() -> None:
    (problem,) = problems_of({**ACCOUNT, "account_key": "x", "managed_identity": "y"}, AZURE)
    assert problem.startswith("stores.s.managed_identity")


@pytest.mark.parametrize(
    ("vendor", "repository"), [("azure-blob", S3), ("amazon-s3", AZURE), ("s3-compatible", AZURE)]
)
def test_a_vendor_fits_the_url(vendor: str, repository: Values) -> None:
    (problem,) = problems_of({**ACCOUNT, "vendor": vendor}, repository)
    assert problem.startswith(f'stores.s.vendor = "{vendor}"')


def test_a_store_has_to_be_declared_and_a_folder_has_none() -> None:
    (problem,) = check_stores({"r": {"url": "s3://bucket/x", "store": "t"}}, {}, {"tt": set()})
    assert "did you mean 'tt'?" in problem
    (problem,) = problems_of({}, {"url": "file:///srv", "store": "s"})
    assert problem.startswith("repositories.r0.store")


@pytest.mark.parametrize("key", ["storage_class", "metadata_class"])
def test_a_folder_has_no_classes(key: str) -> None:
    (problem,) = problems_of({}, {"url": "file:///srv", key: "STANDARD"})
    assert problem.startswith(f"repositories.r0.{key}")


def test_a_vendor_is_what_is_said_or_else_derived() -> None:
    stores = {"own": {"endpoint": "https://minio.example"}, "said": {"vendor": "s3-compatible"}}
    assert vendor_of({"url": "s3://bucket"}, stores) == "amazon-s3"
    assert vendor_of({"url": "s3://bucket", "store": "own"}, stores) == "s3-compatible"
    assert vendor_of({"url": "s3://bucket", "store": "said"}, stores) == "s3-compatible"
    assert vendor_of({"url": "az://container", "store": "said"}, stores) == "azure-blob"
    assert vendor_of({"url": "file:///srv"}, stores) == "filesystem"


def test_a_place_is_a_url_and_an_endpoint() -> None:
    assert place_of(AZURE, {"s": ACCOUNT}) == Place(url="az://container/x", **ACCOUNT)
    assert place_of({"url": "s3://bucket"}, {}) == Place(url="s3://bucket")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("storage_class", "GLACIAL", "did you mean GLACIER?"),
        ("storage_class", "Archive", "amazon-s3 has no storage class 'Archive'"),
        ("storage_class", "REDUCED_REDUNDANCY", "loses objects"),
        ("metadata_class", "DEEP_ARCHIVE", "cannot hold metadata"),
        ("metadata_class", "GLACIER_IR", "cannot hold metadata"),
    ],
)
def test_a_class_is_one_of_the_vendors_and_good_for_its_use(
    key: str, value: str, said: str
) -> None:
    (problem,) = problems_of({}, {**S3, key: value})
    assert problem.startswith(f'repositories.r0.{key} = "{value}": ')
    assert said in problem


def test_the_class_follows_the_vendor() -> None:
    assert problems_of(ACCOUNT, {**AZURE, "storage_class": "Archive"}) == []
    assert len(problems_of(ACCOUNT, {**AZURE, "storage_class": "GLACIER"})) == 1
    own = {"endpoint": "https://minio.example"}
    assert problems_of(own, {**S3, "storage_class": "COLD_OF_THEIR_OWN"}) == []
