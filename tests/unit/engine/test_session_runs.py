"""Runs that copy a bucket: claimed by ordinal, one session for all who begin at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import ids
from core.engine.session import claim_run, read_claims, system_clock, void_session
from core.engine.state import Report
from core.errors import IntegrityError
from core.format import names, records
from core.model import Claim, JobDefinition
from core.sources.repository import Repository
from tests.support.copies import JOB, make_pair, names_below

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def job(tmp_path: Path) -> tuple[Repository, JobDefinition]:
    pair = make_pair(tmp_path)
    return pair.target, replace(pair.definition, source_id=ids.new_repository_id())


def claim_now(job: tuple[Repository, JobDefinition], moment: datetime = MOMENT) -> Claim:
    return claim_run(*job, lambda: moment)


def fail(job: tuple[Repository, JobDefinition], claim: Claim) -> None:
    assert void_session(job[0], claim, Report(reasons=("why",)))


def test_an_unfinished_run_is_joined(job: tuple[Repository, JobDefinition]) -> None:
    first = claim_now(job)
    assert claim_now(job, MOMENT + timedelta(days=1)) == first
    assert names_below(job[0].store, names.claims(JOB)) == [names.run_claim(JOB, 0)]
    assert names_below(job[0].store, names.OPEN_SESSIONS) == [names.open_session(first.session_id)]
    assert first.source_point == ids.point_id("20260301T000000000000Z", first.session_id)
    assert read_claims(job[0], JOB) == [first]


def test_a_joiner_makes_a_missing_marker(job: tuple[Repository, JobDefinition]) -> None:
    first = claim_now(job)
    job[0].store.delete([names.open_session(first.session_id)])
    assert claim_now(job) == first
    assert names_below(job[0].store, names.OPEN_SESSIONS)


def test_after_a_finished_run_comes_the_next_ordinal(job: tuple[Repository, JobDefinition]) -> None:
    first = claim_now(job)
    fail(job, first)
    second = claim_now(job)
    assert (second.ordinal, second.session_id != first.session_id) == (1, True)
    fail(job, second)
    assert claim_now(job).ordinal == 2


def test_points_come_in_the_order_of_their_runs(job: tuple[Repository, JobDefinition]) -> None:
    """Whatever the clock says."""
    made = []
    for back in range(4):
        made.append(claim_now(job, MOMENT - timedelta(hours=back)))
        fail(job, made[-1])
    times = [claim.source_point[:22] for claim in made]
    assert times == sorted(set(times))
    assert times[1] == "20260301T000000000001Z"


def test_all_who_begin_at_once_work_on_one_session(job: tuple[Repository, JobDefinition]) -> None:
    fail(job, claim_now(job))
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: claim_run(*job, system_clock), range(8)))
    assert len({claim.session_id for claim in claims}) == 1


def test_a_claim_that_stands_elsewhere_is_damage(job: tuple[Repository, JobDefinition]) -> None:
    target, definition = job
    first = claim_now(job)
    moved = names.run_claim(JOB, 5)
    target.write_object(moved, records.encode(first))
    with pytest.raises(IntegrityError, match="another claim than its name says"):
        claim_run(target, definition, system_clock)
