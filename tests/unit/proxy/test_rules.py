"""Rule R1 and its neighbours, on values alone."""

from pathlib import Path

import pytest

from core.model import RetentionType
from proxy.rules import check_jobs, check_repositories
from proxy.schedule import parse_schedule
from proxy.store_rules import Values

SNAPSHOT, ITEM = RetentionType.SNAPSHOT_BASED, RetentionType.ITEM_LEVEL


def repository(**values: object) -> Values:
    return {"proxy": "hq", "retention_type": SNAPSHOT, **values}


def job(source: str, target: str) -> Values:
    return {"source": source, "target": target}


def test_different_periods_are_no_problem() -> None:
    repositories = {"a": repository(retention="1 year"), "b": repository(retention="forever")}
    assert list(check_jobs({"j": job("a", "b")}, repositories, {})) == []


def test_every_reason_against_a_pair_is_given_at_once() -> None:
    repositories = {"a": repository(), "b": repository(proxy="lab", retention_type=ITEM)}
    problems = list(check_jobs({"j": job("a", "b")}, repositories, {}))
    assert len(problems) == 2
    assert "proxy 'lab'" in problems[0]
    assert "item-level" in problems[1]


def test_a_pool_is_not_the_proxy_of_that_name() -> None:
    repositories = {"a": repository(), "b": {"proxy_pool": "hq", "retention_type": SNAPSHOT}}
    (problem,) = check_jobs({"j": job("a", "b")}, repositories, {})
    assert "pool 'hq'" in problem


def test_several_jobs_may_copy_one_source() -> None:
    repositories = {name: repository() for name in "abc"}
    jobs = {"one": job("a", "b"), "two": job("a", "c")}
    assert list(check_jobs(jobs, repositories, {})) == []


def test_a_circle_of_jobs_is_refused_on_both_sides() -> None:
    repositories = {name: repository() for name in "ab"}
    problems = list(check_jobs({"j": job("a", "b"), "k": job("b", "a")}, repositories, {}))
    assert [problem.split(" = ")[0] for problem in problems] == ["jobs.j.target", "jobs.k.target"]


def test_what_is_unknown_is_not_judged() -> None:
    assert list(check_jobs({"j": job("a", "b")}, {"a": {}, "b": repository()}, {})) == []
    assert list(check_jobs({"j": {"source": "a"}}, {"a": {}}, {})) == []


def test_each_pair_of_folders_that_overlaps_is_named(tmp_path: Path) -> None:
    urls = {"a": tmp_path / "x", "b": tmp_path / "x" / "y", "c": tmp_path / "z"}
    values = {name: repository(url=folder.as_uri()) for name, folder in urls.items()}
    (problem,) = check_repositories(values, {})
    assert problem.startswith("repositories.b.url")


def test_places_in_clouds_may_not_overlap_either() -> None:
    stores = {"one": {"endpoint": "https://a.example"}, "two": {"endpoint": "https://b.example"}}
    values = {
        "a": repository(url="s3://bucket/x", store="one"),
        "b": repository(url="s3://bucket/x/y", store="one"),
        "c": repository(url="s3://bucket/x", store="two"),
    }
    (problem,) = check_repositories(values, stores)
    assert problem.startswith("repositories.b.url")
    assert "inside the place of repository 'a'" in problem


def test_buckets_may_overlap_each_other_but_no_repository() -> None:
    values = {
        "all": repository(url="s3://bucket", kind="bucket"),
        "some": repository(url="s3://bucket/x", kind="bucket"),
    }
    assert list(check_repositories(values, {})) == []
    values["vault"] = repository(url="s3://bucket/y")
    (problem,) = check_repositories(values, {})
    assert "inside the place of bucket 'all'" in problem


def test_a_bucket_is_copied_from_and_never_to() -> None:
    repositories = {"a": repository(kind="bucket"), "b": repository()}
    assert list(check_jobs({"j": job("a", "b")}, repositories, {})) == []
    (problem,) = check_jobs({"j": job("b", "a")}, repositories, {})
    assert problem.startswith("jobs.j.target")
    assert "bucket" in problem


def test_a_bucket_has_no_points_that_a_job_could_follow() -> None:
    repositories = {"a": repository(kind="bucket"), "b": repository()}
    for schedule, count in (("immediate", 1), ("periodic 5 min", 0), ("daily 22:00", 0)):
        values = {**job("a", "b"), "schedule": parse_schedule(schedule)}
        assert len(list(check_jobs({"j": values}, repositories, {}))) == count
    values = {**job("b", "c"), "schedule": parse_schedule("immediate")}
    assert list(check_jobs({"j": values}, {"c": repository(), **repositories}, {})) == []


@pytest.mark.parametrize("class_name", ["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE", "glacier"])
@pytest.mark.parametrize("kind", ["repository", "bucket"])
def test_a_class_for_copies_is_no_source(class_name: str, kind: str) -> None:
    archived = repository(url="s3://bucket/x", storage_class=class_name, kind=kind)
    repositories = {"a": archived, "b": repository()}
    (problem,) = check_jobs({"j": job("a", "b")}, repositories, {})
    assert problem.startswith('jobs.j.source = "a"')
    assert class_name.upper() in problem


def test_a_class_for_copies_is_a_target() -> None:
    archived = repository(url="az://bucket/x", storage_class="Archive")
    assert list(check_jobs({"j": job("a", "b")}, {"a": repository(), "b": archived}, {})) == []


@pytest.mark.parametrize("class_name", ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", ""])
def test_other_classes_can_be_copied(class_name: str) -> None:
    source = repository(url="s3://bucket/x", storage_class=class_name)
    assert list(check_jobs({"j": job("a", "b")}, {"a": source, "b": repository()}, {})) == []
