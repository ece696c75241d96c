"""A data set between two buckets: peers, the floor, and coldhaul, all through the same servers."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bucket_peers import BucketPeers, Served, measure_served
from benchmarks.data import DataSet, change_tree, make_tree
from benchmarks.floor import Floor, measure_floor
from benchmarks.http_floor import SCRATCH, measure_http
from benchmarks.measure import Usage, run
from benchmarks.servers import ENVIRONMENT as SERVERS_ENVIRONMENT
from benchmarks.servers import Servers, serve
from benchmarks.subject import ENVIRONMENT, SOURCE, TARGET, Session, Subject
from benchmarks.verdict import Cost, SetFigures

RAW = "raw"
_BLOBS = "blobs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSession:
    """A run of the job between two buckets."""

    served: Served
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedResults:
    """All that was measured on one data set."""

    figures: SetFigures
    floor: Floor
    rows: tuple[Served, ...]


class ServedSubject(Subject):
    """A job whose repositories are read and written through the servers."""

    def run_served(self, name: str, servers: Servers) -> ServedSession:
        """Run the job once."""
        sessions = []

        def command() -> Usage:
            sessions.append(self.session(lambda: self._drive(servers)))
            return sessions[0].usage

        served = measure_served(name, servers, self.repositories / TARGET, command)
        return ServedSession(served=served, session=sessions[0])

    def _drive(self, servers: Servers) -> tuple[Usage, dict[str, Any]]:
        command = [sys.executable, "-m", "benchmarks.driver"]
        environment = ENVIRONMENT | SERVERS_ENVIRONMENT
        addresses = (servers.source_url, servers.target_url)
        usage, text = run([*command, *addresses], self.folder, environment)
        document: dict[str, Any] = json.loads(text)
        return usage, document


class ServedSet:
    """Measures one data set below a folder of its own, which it leaves to its maker."""

    def __init__(self, data: DataSet, folder: Path, say: Callable[[str], None]) -> None:
        """Make the buckets; the tree is one of them."""
        self._data = data
        self._say = say
        self._work = folder / "work"
        self._buckets = folder / "buckets"
        for bucket in (RAW, SCRATCH, *BucketPeers.TARGETS):
            (self._buckets / bucket).mkdir(parents=True)
        self._work.mkdir()

    def measure(self) -> ServedResults:
        """Measure everything."""
        tree = self._buckets / RAW
        self._say(f"{self._data.name}: making {self._data.file_count:,} objects")
        make_tree(self._data, tree, os.cpu_count() or 1)
        subject = ServedSubject(self._work, self._buckets)
        subject.backup(tree)
        subject.create_job()
        with self._served() as servers:
            peers = self._run_peers(servers, tree)
            floor = self._measure_floor(servers, subject)
            self._say("coldhaul between two buckets: the first session, one with nothing to do")
            first = subject.run_served("coldhaul job run", servers)
            idle = subject.run_served("... with nothing to do", servers)
        self._say("one with 1 % changed")
        change_tree(self._data, tree)
        subject.backup(tree)
        with self._served() as servers:
            incremental = subject.run_served("... with 1 % changed", servers)
        sessions = (first, idle, incremental)
        return ServedResults(
            figures=_figures(self._data, floor, peers, sessions),
            floor=floor,
            rows=(*peers, *(each.served for each in sessions)),
        )

    @contextmanager
    def _served(self) -> Iterator[Servers]:
        """Serve the buckets; files that come by another way are seen by new servers only."""
        with serve(self._work, self._buckets) as servers:
            for bucket in (RAW, SOURCE, TARGET):
                servers.warm(bucket)
            yield servers

    def _run_peers(self, servers: Servers, tree: Path) -> list[Served]:
        peers = BucketPeers(servers, self._buckets, self._work)
        self._say("peers between two buckets")
        runs = [*peers.restic(tree), *peers.objects(SOURCE, _BLOBS, "the sealed blobs")]
        for bucket in BucketPeers.TARGETS:
            shutil.rmtree(self._buckets / bucket)
        return runs

    def _measure_floor(self, servers: Servers, subject: ServedSubject) -> Floor:
        self._say("the floor")
        floor = measure_floor(subject.open_source(), self._work)
        size = floor.stored_size
        floor = floor.over_http(measure_http(servers, self._work, SOURCE, _BLOBS, size))
        shutil.rmtree(self._buckets / SCRATCH)
        return floor


def _figures(
    data: DataSet,
    floor: Floor,
    peers: list[Served],
    sessions: tuple[ServedSession, ServedSession, ServedSession],
) -> SetFigures:
    first, idle, incremental = sessions
    return SetFigures(
        name=data.name,
        blob_size=data.file_size,
        content_size=data.content_size,
        core_count=os.cpu_count() or 1,
        floor_cpu=floor.cpu,
        floor_server_cpu=floor.server_cpu,
        first=_cost(first.served),
        idle=_cost(idle.served),
        incremental=_cost(incremental.served),
        peers={peer.name: _cost(peer) for peer in peers if not peer.is_preparation},
        source_count=first.session.blob_count,
        written_count=first.served.write_count,
        request_count=_requests(first.served),
        incremental_request_count=_requests(incremental.served),
        archived_size=first.session.archived_size,
        single_size=floor.single_size,
        peak=first.served.usage.peak,
    )


def _cost(served: Served) -> Cost:
    return Cost(wall=served.usage.wall, cpu=served.usage.cpu)


def _requests(served: Served) -> int:
    return served.read_count + served.write_count
