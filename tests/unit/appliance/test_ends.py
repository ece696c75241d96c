"""What is copied, as an environment says it: every variable checked by the cloud's own names."""

import pytest

from core.appliance.ends import (
    Cloud,
    End,
    find_problems,
    flag_problems,
    problem_of,
    read_ends,
    refuse,
)
from core.errors import InputError

REFUSED = "nonsense"


def parse(text: str) -> str:
    if text == REFUSED:
        raise InputError("it is no name of ours")
    return text


CLOUD = Cloud(
    whose="Azure's",
    vendor="azure-blob",
    scheme="az",
    key="VAULT_KEY",
    parse_key=parse,
    parse_secret=parse,
)
GOOD = {
    "COLDHAUL_TARGET_URL": "az://copies/a/b",
    "COLDHAUL_TARGET_VAULT_KEY": "key",
    "COLDHAUL_SOURCE_URL": "az://backups",
    "COLDHAUL_SOURCE_SECRET": "secret",
    "COLDHAUL_SOURCE_KIND": "repository",
    "COLDHAUL_STORAGE_CLASS": "Archive",
    "COLDHAUL_METADATA_CLASS": "Cool",
}


def problems_of(**changes: str) -> list[str]:
    changed = {f"COLDHAUL_{name}": value for name, value in changes.items()}
    return list(find_problems(read_ends(GOOD | changed, CLOUD), CLOUD))


def test_ends_are_read_by_the_names_of_their_cloud() -> None:
    ends = read_ends(GOOD, CLOUD)
    assert ends.target == End(url="az://copies/a/b", secret="", key="key")
    assert ends.source == End(url="az://backups", secret="secret", key="")
    assert (ends.root, ends.storage_class, ends.metadata_class) == ("a/b/", "Archive", "Cool")
    assert list(find_problems(ends, CLOUD)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TARGET_URL", ""),
        ("TARGET_URL", "s3://copies"),
        ("SOURCE_URL", "file:///backups"),
        ("SOURCE_KIND", "folder"),
        ("RETENTION_TYPE", "item-level"),
        ("STORAGE_CLASS", "DEEP_ARCHIVE"),
        ("METADATA_CLASS", "Archive"),
        ("TARGET_VAULT_KEY", REFUSED),
        ("SOURCE_SECRET", REFUSED),
    ],
)
def test_each_variable_is_checked(name: str, value: str) -> None:
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"COLDHAUL_{name}: ")


def test_an_end_is_opened_by_one_thing_and_a_bucket_by_none() -> None:
    (problem,) = problems_of(SOURCE_VAULT_KEY="key")
    assert problem.startswith("COLDHAUL_SOURCE_SECRET, COLDHAUL_SOURCE_VAULT_KEY: ")
    bucket = {"SOURCE_KIND": "bucket", "RETENTION_TYPE": "item-level"}
    assert problems_of(**bucket, SOURCE_SECRET="") == []
    (problem,) = problems_of(**bucket)
    assert problem.startswith("COLDHAUL_SOURCE_SECRET, COLDHAUL_SOURCE_VAULT_KEY: a bucket")
    (problem,) = problems_of(SOURCE_KIND="bucket", SOURCE_SECRET="")
    assert problem.startswith("COLDHAUL_RETENTION_TYPE: of a bucket")


def test_the_wrong_cloud_is_told_whose_appliance_it_is() -> None:
    (problem,) = problems_of(TARGET_URL="s3://copies")
    assert problem.endswith("an appliance in Azure's cloud serves az:// alone")


def test_all_problems_are_one_error_and_none_is_no_error() -> None:
    refuse([])
    problems = [*flag_problems({"FLAG": "yes"}, "FLAG"), *problem_of("KEY", lambda: parse(REFUSED))]
    with pytest.raises(InputError, match="environment of this function is wrong") as caught:
        refuse(problems)
    told = ("FLAG: it is either true or false", "KEY: it is no name of ours")
    assert caught.value.problems == told
    assert list(flag_problems({"FLAG": "True"}, "FLAG")) == []
    assert list(flag_problems({}, "FLAG")) == []
