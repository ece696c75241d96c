"""Databases that are used again: as empty as new ones, and only where that costs nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from core.catalog import database
from core.catalog.database import Database
from core.limits import GIB, MIB
from tests.architecture.tree import ROOT

ENDS = """
import sys
from pathlib import Path
from core.catalog.database import Database
Database(1 << 26, 2, Path(sys.argv[1])).close()
"""


FORKS = """
import os, sys
from pathlib import Path
from core.catalog.database import Database
Database(1 << 26, 2, Path(sys.argv[1])).close()
child = os.fork()
own = Database(1 << 26, 2, Path(sys.argv[1]))
assert own.con.execute("select sum(i) from range(10) r(i)").fetchall() == [(45,)]
if child == 0:
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""


@pytest.fixture(autouse=True)
def nothing_spare() -> Iterator[None]:
    database._close_spare()
    yield
    database._close_spare()


def spare_count() -> int:
    return len(database._spare.get(os.getpid(), []))


def value_of(opened: Database, setting: str) -> str:
    ((value,),) = opened.con.execute(f"select current_setting('{setting}')::VARCHAR").fetchall()
    return str(value)


def test_one_that_is_used_again_is_empty(tmp_path: Path) -> None:
    first = Database(64 * MIB, 1, tmp_path / "spill")
    first.con.execute('create table t as select 1 as a; create table "select"(a int)')
    first.con.execute("create view v as select * from t; create temp table own as select 1")
    first.close()
    assert spare_count() == 1
    second = Database(64 * MIB, 1, tmp_path / "spill")
    assert spare_count() == 0
    assert second.con.execute("show all tables").fetchall() == []
    second.close()


def test_each_has_settings_of_its_own(tmp_path: Path) -> None:
    Database(64 * MIB, 1, tmp_path / "first").close()
    again = Database(96 * MIB, 2, tmp_path / "it's another")
    assert value_of(again, "memory_limit") == "96.0 MiB"
    assert value_of(again, "threads") == "2"
    assert value_of(again, "temp_directory") == str(tmp_path / "it's another")
    for setting in ("preserve_insertion_order", "autoload_known_extensions"):
        assert value_of(again, setting) == "false"
    again.close()


def test_two_at_once_know_nothing_of_each_other(tmp_path: Path) -> None:
    Database(64 * MIB, 1, tmp_path / "spill").close()
    first, second = (Database(64 * MIB, 1, tmp_path / name) for name in ("first", "second"))
    first.con.execute("create table t as select 1")
    with pytest.raises(duckdb.CatalogException):
        second.con.execute("select * from t")
    first.close()
    second.close()


def test_no_more_are_kept_than_work_at_once(tmp_path: Path) -> None:
    opened = [Database(64 * MIB, 1, tmp_path / f"{number}") for number in range(4)]
    for each in opened:
        each.close()
    assert spare_count() == 2


def test_one_that_has_spilled_is_given_up_with_its_files(tmp_path: Path) -> None:
    spilling = Database(32 * MIB, 1, tmp_path / "spill")
    spilling.con.execute("create table t as select i, hash(i) as h from range(6_000_000) r(i)")
    assert os.listdir(tmp_path / "spill")
    spilling.close()
    assert spare_count() == 0
    assert not (tmp_path / "spill").exists() or os.listdir(tmp_path / "spill") == []


def test_one_that_still_holds_much_is_given_up(tmp_path: Path) -> None:
    """DuckDB remembers every file it has read, and a transaction keeps what it has seen."""
    opened = Database(GIB, 1, tmp_path / "spill")
    opened.con.execute("create table t as select i, hash(i) as h from range(1_000_000) r(i)")
    assert opened._base is not None
    reading = opened._base.cursor()
    reading.execute("begin")
    assert reading.execute("select count(*) from t").fetchall() == [(1_000_000,)]
    opened.close()
    assert spare_count() == 0
    reading.close()


def test_what_is_closed_twice_is_kept_once(tmp_path: Path) -> None:
    opened = Database(64 * MIB, 1, tmp_path / "spill")
    opened.close()
    opened.close()
    assert spare_count() == 1


@pytest.mark.parametrize("program", [ENDS, FORKS], ids=["ends", "forks"])
def test_a_process_that_keeps_one_ends_quietly(tmp_path: Path, program: str) -> None:
    """Also where it has forked: what was inherited has lost its threads and would hang."""
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "spill")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
