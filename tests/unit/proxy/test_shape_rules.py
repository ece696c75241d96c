"""Keys that a table needs, or must not have, because of its others."""

import pytest

from proxy.shape_rules import check_shapes

REPOSITORY = {"proxy": "hq", "retention": "1 year"}
BUCKET = {"proxy": "hq", "kind": "bucket"}


def test_whole_tables_have_no_problem() -> None:
    assert list(check_shapes({"a": REPOSITORY, "b": BUCKET, "c": 3})) == []


def test_a_repository_says_how_long_it_keeps_what() -> None:
    (problem,) = check_shapes({"a": {"proxy": "hq"}})
    assert problem.startswith("repositories.a.retention: it is missing")


@pytest.mark.parametrize("key", ["encryption", "retention", "metadata_class"])
def test_a_bucket_has_no_key_that_would_mean_nothing(key: str) -> None:
    (problem,) = check_shapes({"a": {**BUCKET, key: "x"}})
    assert problem.startswith(f"repositories.a.{key} = ")
    assert "remove it" in problem


def test_a_kind_that_is_wrong_is_not_judged_further() -> None:
    assert list(check_shapes({"a": {"proxy": "hq", "kind": 3}})) == []


def test_somebody_works_on_each_and_not_two() -> None:
    (none,) = check_shapes({"a": {"retention": "1 year"}})
    assert "neither proxy nor proxy_pool" in none
    (both,) = check_shapes({"a": {**REPOSITORY, "proxy_pool": "p"}})
    assert both.startswith("repositories.a.proxy_pool")


@pytest.mark.parametrize(
    "keys", [{"passphrase": "env:X"}, {"kms": "arn"}, {"kms": 3}, {"key_vault": "url"}]
)
def test_one_way_opens_a_repository(keys: dict[str, object]) -> None:
    assert list(check_shapes({"a": {**REPOSITORY, "encryption": keys}})) == []


def test_no_way_or_two_are_too_few_or_too_many() -> None:
    (none,) = check_shapes({"a": {**REPOSITORY, "encryption": {}}})
    assert none.startswith("repositories.a.encryption.passphrase: it is missing")
    assert "encryption.kms" in none
    assert "encryption.key_vault" in none
    keys = {"passphrase": "env:X", "kms": "arn"}
    (both,) = check_shapes({"a": {**REPOSITORY, "encryption": keys}})
    assert both.startswith("repositories.a.encryption.kms = (hidden)")
    assert "there is a passphrase as well" in both
    found = list(check_shapes({"a": {**REPOSITORY, "encryption": {**keys, "key_vault": "url"}}}))
    assert found[0] == both
    assert found[1].startswith("repositories.a.encryption.key_vault = (hidden)")
    (clouds,) = check_shapes(
        {"a": {**REPOSITORY, "encryption": {"key_vault": "url", "kms": "arn"}}}
    )
    assert "there is a KMS key as well" in clouds
