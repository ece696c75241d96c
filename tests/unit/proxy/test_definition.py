"""The configuration beside the stored definition: every difference, and what mends it."""

from core.ids import JobId, RepositoryId
from core.model import JobDefinition
from proxy.definition import find_differences
from proxy.invocation import Invocation
from tests.cli.place import Place


def definition(place: Place, **changed: str | bool) -> JobDefinition:
    values: dict[str, str | bool] = {
        "source_url": f"file://{place.root}/primary",
        "target_url": f"file://{place.root}/vault",
        "schedule": "daily 22:00",
        "allow_damaged": False,
        **changed,
    }
    return JobDefinition(
        job_id=JobId("nightly"),
        version=1,
        source_id=RepositoryId("a" * 32),
        source_url=str(values["source_url"]),
        target_url=str(values["target_url"]),
        schedule=str(values["schedule"]),
        is_enabled=True,
        allow_damaged=bool(values["allow_damaged"]),
        present=(),
    )


def differences(place: Place, stored: JobDefinition) -> list[str]:
    invocation = Invocation(config_path=place.config, is_json=False)
    return find_differences(invocation, "nightly", stored)


def test_what_is_equal_has_no_differences(place: Place) -> None:
    assert differences(place, definition(place)) == []


def test_another_way_to_write_the_same_is_no_difference(place: Place) -> None:
    place.edit('"daily 22:00"', '"daily  22:00"')
    place.edit(f"{place.root}/vault", f"{place.root}/./vault/")
    assert differences(place, definition(place)) == []


def test_every_difference_is_named_with_both_values(place: Place) -> None:
    stored = definition(
        place, source_url="file:///srv/old", schedule="immediate", allow_damaged=True
    )
    source, schedule, damaged = differences(place, stored)
    assert source.startswith("jobs.nightly.source:")
    assert '"file:///srv/old"' in source
    assert schedule == (
        'jobs.nightly.schedule: the configuration says "daily 22:00", the definition "immediate"'
    )
    assert damaged.endswith("the configuration says false, the definition true")
