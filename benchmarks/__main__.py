"""Runs all measurements and prints their tables; the ratios come last."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.data import DataSet, change_tree, make_tree
from benchmarks.floor import Floor, measure_floor
from benchmarks.listing import measure_listing
from benchmarks.machine import ROOT, Machine, describe_machine
from benchmarks.measure import Usage
from benchmarks.peers import run_restic, run_tar
from benchmarks.planning import measure_planning
from benchmarks.report import Row
from benchmarks.served import ServedSet
from benchmarks.servers import buckets_parent
from benchmarks.subject import Session, Subject
from benchmarks.tools import need_tools
from benchmarks.verdict import Cost, SetFigures, Verdict, judge_listing, judge_plan, judge_set
from core.errors import ColdhaulError
from core.limits import MIB

_TOTAL_SIZE = 1 << 30
_PLAN_BLOBS = 10_000_000
SETS = {"28k": 28_000, "1m": MIB, "8m": 8 * MIB}
_TITLES = {"28k": "28 KB blobs", "1m": "1 MiB blobs", "8m": "8 MiB files"}
# The same sets between two buckets.
SERVED_SETS = {f"s3-{key}": key for key in SETS}
# What a served set has at once, in sizes of its content: trees, repositories and peers' targets.
_SERVED_SIZES = 8
_ALL = [*SETS, *SERVED_SETS, "plan", "listing"]


class Bench:
    """One run: prints as it goes and collects what JSON and the ratios need."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        """Nothing is measured yet."""
        self._folder = folder
        self._machine = machine
        self.verdicts: list[Verdict] = []
        self.documents: dict[str, Any] = {}

    def measure(self, key: str, scale: float) -> None:
        """Measure what a key stands for."""
        if key in SETS:
            self.measure_set(key, scale)
        elif key in SERVED_SETS:
            self.measure_served(key, scale)
        elif key == "plan":
            self.measure_plan(scale)
        else:
            self.measure_listing(scale)

    def measure_set(self, key: str, scale: float) -> None:
        """Measure one data set whole, in folders."""
        data = _data_set(key, scale, _TITLES[key])
        with _folder_in(self._folder, key) as folder:
            tree = folder / "tree"
            _say(f"{data.name}: making {data.file_count:,} files")
            make_tree(data, tree, os.cpu_count() or 1)
            peers = self._run_peers(tree, folder)
            figures, rows, floor = self._run_subject(data, tree, folder, peers)
        title = f"{data.name}: {data.file_count:,} of them, {data.content_size / 1e6:,.0f} MB"
        self._print(report.set_table(title, self._machine, rows))
        self._print(report.floor_table(data.name, floor, figures.core_count))
        self.verdicts += judge_set(figures)
        self.documents[key] = {
            "figures": asdict(figures),
            "floor": asdict(floor),
            "rows": [asdict(row) for row in rows],
        }

    def measure_served(self, key: str, scale: float) -> None:
        """Measure one data set whole, between two buckets."""
        data = _data_set(SERVED_SETS[key], scale, _TITLES[SERVED_SETS[key]])
        parent = buckets_parent(self._folder, _SERVED_SIZES * data.content_size)
        with tempfile.TemporaryDirectory(prefix="coldhaul-bench-", dir=parent) as folder:
            results = ServedSet(data, Path(folder), _say).measure()
        for found in results:
            name = found.figures.name
            title = f"{name}: {data.file_count:,} of them, {data.content_size / 1e6:,.0f} MB"
            self._print(report.served_table(title, self._machine, data.content_size, found.rows))
            self._print(report.floor_table(name, found.floor, found.figures.core_count))
            self.verdicts += judge_set(found.figures)
        self.documents[key] = [asdict(found) for found in results]

    def _run_peers(self, tree: Path, folder: Path) -> dict[str, tuple[Usage, int, int]]:
        _say("peers on the files")
        runs = [*run_restic(tree, folder), run_tar(tree, "tar, zstd, age of the files", folder)]
        for name in ("restic-1", "restic-2"):
            shutil.rmtree(folder / name)
        return {run.name: (run.usage, run.stored_size, run.object_count) for run in runs}

    def _run_subject(
        self, data: DataSet, tree: Path, folder: Path, peers: dict[str, tuple[Usage, int, int]]
    ) -> tuple[SetFigures, list[Row], Floor]:
        subject = Subject(folder, folder)
        _say("coldhaul backup")
        backup = subject.backup(tree)
        subject.create_job()
        loose = run_tar(subject.blob_files(), "tar, zstd, age of the sealed blobs", folder)
        peers[loose.name] = (loose.usage, loose.stored_size, loose.object_count)
        _say("the floor")
        floor = measure_floor(subject.open_source(), folder)
        _say("coldhaul job run: the first, one with nothing to do, one with 1 % changed")
        first = subject.run_job()
        idle = subject.run_job()
        change_tree(data, tree)
        subject.backup(tree)
        incremental = subject.run_job()
        sessions = (first, idle, incremental)
        figures = _figures(data, floor, sessions, {name: run[0] for name, run in peers.items()})
        return figures, _rows(data, backup, sessions, peers), floor

    def measure_plan(self, scale: float) -> None:
        """Measure planning and publishing."""
        count = max(1_000, int(_PLAN_BLOBS * scale))
        _say(f"building tables of {count:,} blobs and planning them")
        with _folder_in(self._folder, "plan") as folder:
            planning, publishing = measure_planning(folder, count)
        self._print(report.plan_table(self._machine, (planning, publishing)))
        self.verdicts += judge_plan(planning.blob_count, planning.wall, planning.usage.peak)
        self.documents["plan"] = asdict(planning)
        self.documents["publish"] = asdict(publishing)

    def measure_listing(self, scale: float) -> None:
        """Measure the listing of a large bucket and the plan that follows."""
        count = max(1_000, int(_PLAN_BLOBS * scale))
        _say(f"listing {count:,} objects that are made up, and planning them")
        with _folder_in(self._folder, "listing") as folder:
            listing = measure_listing(folder, count)
        self._print(report.listing_table(self._machine, listing))
        self.verdicts += judge_listing(count, listing.planning, listing.usage.peak)
        self.documents["listing"] = asdict(listing)

    def finish(self) -> dict[str, Any]:
        """Print the ratios; return everything for JSON."""
        self._print(report.verdict_table(self._machine, self.verdicts))
        verdicts = [report.verdict_document(verdict) for verdict in self.verdicts]
        return {"machine": self._machine.document(), **self.documents, "ratios": verdicts}

    def _print(self, lines: Sequence[str]) -> None:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _data_set(key: str, scale: float, name: str) -> DataSet:
    size = SETS[key]
    return DataSet(name=name, file_size=size, total_size=max(size, int(_TOTAL_SIZE * scale)))


def _figures(
    data: DataSet,
    floor: Floor,
    sessions: tuple[Session, Session, Session],
    peers: dict[str, Usage],
) -> SetFigures:
    first, idle, incremental = sessions
    return SetFigures(
        name=data.name,
        blob_size=data.file_size,
        content_size=data.content_size,
        core_count=os.cpu_count() or 1,
        floor_cpu=floor.cpu,
        first=_cost(first.usage),
        idle=_cost(idle.usage),
        incremental=_cost(incremental.usage),
        peers={name: _cost(usage) for name, usage in peers.items()},
        source_count=first.blob_count,
        written_count=first.written_count,
        request_count=first.request_count,
        incremental_request_count=incremental.request_count,
        archived_size=first.archived_size,
        single_size=floor.single_size,
        peak=first.usage.peak,
    )


def _cost(usage: Usage) -> Cost:
    return Cost(wall=usage.wall, cpu=usage.cpu)


def _rows(
    data: DataSet,
    backup: Usage,
    sessions: tuple[Session, Session, Session],
    peers: dict[str, tuple[Usage, int, int]],
) -> list[Row]:
    names = ("coldhaul job run", "... with nothing to do", "... with 1 % changed")
    rows = [
        Row(
            name=name,
            content_size=data.content_size,
            usage=usage,
            stored_size=size,
            object_count=count,
        )
        for name, (usage, size, count) in peers.items()
    ]
    rows.append(
        Row(name="coldhaul backup (fills the source)", content_size=data.content_size, usage=backup)
    )
    rows += [
        Row(
            name=name,
            content_size=data.content_size,
            usage=session.usage,
            stored_size=session.archived_size,
            object_count=session.written_count,
        )
        for name, session in zip(names, sessions, strict=True)
    ]
    return rows


@contextmanager
def _folder_in(parent: Path, name: str) -> Iterator[Path]:
    folder = parent / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=_ALL, help="measure only this; repeatable"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="sizes, as a share of 1 GiB a set and 10 M blobs"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything to FILE as well"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".bench", help="where to work (default: .bench)"
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="run ahead of everything else on a machine that is not quiet (root)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for; return the exit code."""
    options = _parse(arguments)
    wanted = options.only or _ALL
    if options.realtime:
        # Children inherit it: peers and coldhaul alike.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        need_tools(is_served=any(key in SERVED_SETS for key in wanted))
        options.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            bench = Bench(Path(folder), describe_machine())
            for key in wanted:
                bench.measure(key, options.scale)
            document = bench.finish()
    except ColdhaulError as error:
        sys.stderr.write(f"bench: {error.message}\n{error.hint}\n")
        return error.exit_code
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
