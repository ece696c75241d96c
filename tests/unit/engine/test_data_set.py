"""A repository takes backups of one folder, and of none that it is in or that is in it."""

import os
from pathlib import Path

import pytest

from core import ids
from core.engine.data_set import data_set_of, refuse_copies, refuse_other_folder, refuse_overlap
from core.errors import InputError
from core.format import names
from core.ids import RepositoryId
from tests.support.points import Point
from tests.support.repositories import new_repository, new_store


def test_a_data_set_is_the_path_as_text_or_hex_where_it_is_no_text() -> None:
    assert data_set_of("/srv/Grüße".encode()) == "/srv/Grüße"
    assert data_set_of(b"/srv/\xff") == "hex:2f7372762fff"


def test_a_repository_inside_the_folder_is_refused(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "data/deep/repository")
    with pytest.raises(InputError, match=r"inside the folder .*would back up itself"):
        refuse_overlap(repository.store, os.fsencode(tmp_path.resolve() / "data"))


def test_a_folder_inside_the_repository_is_refused(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    with pytest.raises(InputError, match="is inside the repository"):
        refuse_overlap(repository.store, os.fsencode(tmp_path.resolve() / "repository/blobs/x"))


def test_the_repository_itself_is_refused_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    repository = new_repository(tmp_path / "link/repo %41 \udcff")
    with pytest.raises(InputError):
        refuse_overlap(repository.store, os.path.realpath(os.fsencode(tmp_path / "real")))


def test_a_repository_beside_the_folder_is_fine(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "data-repository")
    (tmp_path / "data").mkdir()
    refuse_overlap(repository.store, os.fsencode(tmp_path.resolve() / "data"))


def test_a_repository_that_holds_copies_is_refused(tmp_path: Path) -> None:
    repository = new_repository(tmp_path)
    refuse_copies(repository)
    other_id = RepositoryId("0" * 32)
    name = names.record(other_id, "20250101T000000000000Z", ids.new_session_id())
    repository.store.put(name, b"")
    with pytest.raises(InputError, match="holds copies"):
        refuse_copies(repository)


def test_a_repository_that_a_job_copies_into_is_refused(tmp_path: Path) -> None:
    repository = new_repository(tmp_path)
    repository.store.put(names.job_definition(ids.JobId("nightly"), 1), b"a job")
    with pytest.raises(InputError, match="cannot take backups"):
        refuse_copies(repository)


def test_another_folder_is_refused_and_both_are_named(tmp_path: Path) -> None:
    repository = new_repository(tmp_path)
    point = Point(repository=repository)
    record = point.write()
    refuse_other_folder(repository, "/srv/any", None)
    refuse_other_folder(repository, record.data_set, record)
    with pytest.raises(InputError, match="holds backups of '', not of '/srv/other'") as raised:
        refuse_other_folder(repository, "/srv/other", record)
    assert "another repository" in raised.value.hint


def test_a_store_whose_folder_is_gone_overlaps_with_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path / "never made")
    refuse_overlap(store, os.fsencode(tmp_path.resolve() / "data"))
