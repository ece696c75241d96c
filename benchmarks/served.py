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
from benchmarks.driver import BUCKET, REPOSITORY
from benchmarks.floor import Floor, measure_floor
from benchmarks.http_floor import SCRATCH, measure_http
from benchmarks.measure import Usage, run
from benchmarks.servers import ENVIRONMENT as SERVERS_ENVIRONMENT
from benchmarks.servers import Servers, free_ports, serve
from benchmarks.subject import (
    BUCKET_TARGET,
    ENVIRONMENT,
    RAW,
    SOURCE,
    TARGET,
    Session,
    Subject,
)
from benchmarks.verdict import Cost, SetFigures

_BLOBS = "blobs/"
_NAMES = {REPOSITORY: "S3 to S3", BUCKET: "plain objects, S3 to S3"}


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
    """Jobs whose repositories are read and written through the servers."""

    def run_served(self, kind: str, name: str, servers: Servers) -> ServedSession:
        """Run the job of a kind once."""
        target = BUCKET_TARGET if kind == BUCKET else TARGET
        sessions = []

        def command() -> Usage:
            sessions.append(self.session(lambda: self._drive(kind, servers), target))
            return sessions[0].usage

        served = measure_served(name, servers, self.repositories / target, command)
        return ServedSession(served=served, session=sessions[0])

    def _drive(self, kind: str, servers: Servers) -> tuple[Usage, dict[str, Any]]:
        command = [sys.executable, "-m", "benchmarks.driver", kind]
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
        # A bucket is another one at another address.
        self._ports = free_ports()
        self._subject = ServedSubject(self._work, self._buckets)
        self._sessions: dict[str, list[ServedSession]] = {REPOSITORY: [], BUCKET: []}

    def measure(self) -> list[ServedResults]:
        """Measure the copy of a repository and that of the plain objects it was made from."""
        tree = self._buckets / RAW
        self._say(f"{self._data.name}: making {self._data.file_count:,} objects")
        make_tree(self._data, tree, os.cpu_count() or 1)
        self._subject.create_repository(BUCKET_TARGET)
        self._subject.backup(tree)
        self._subject.create_job()
        with self._served() as servers:
            peers = self._run_peers(servers, tree)
            floors = self._measure_floors(servers)
            self._run_subject(servers, "coldhaul job run", "... with nothing to do")
        change_tree(self._data, tree)
        self._subject.backup(tree)
        with self._served() as servers:
            self._run_subject(servers, "... with 1 % changed")
        return [self._results(kind, floors[kind], peers[kind]) for kind in (REPOSITORY, BUCKET)]

    @contextmanager
    def _served(self) -> Iterator[Servers]:
        """Serve the buckets; files that come by another way are seen by new servers only."""
        with serve(self._work, self._buckets, self._ports) as servers:
            for bucket in (RAW, SOURCE, TARGET, BUCKET_TARGET):
                servers.warm(bucket)
            yield servers

    def _run_peers(self, servers: Servers, tree: Path) -> dict[str, list[Served]]:
        peers = BucketPeers(servers, self._buckets, self._work)
        self._say("peers between two buckets")
        runs = {REPOSITORY: peers.restic(tree) + peers.objects(SOURCE, _BLOBS, "the sealed blobs")}
        self._empty_targets()
        runs[BUCKET] = peers.objects(RAW, "", "the objects")
        self._empty_targets()
        return runs

    def _empty_targets(self) -> None:
        for bucket in BucketPeers.TARGETS:
            shutil.rmtree(self._buckets / bucket)
            (self._buckets / bucket).mkdir()

    def _measure_floors(self, servers: Servers) -> dict[str, Floor]:
        self._say("the floor")
        floor = measure_floor(self._subject.open_source(), self._work)
        places = {REPOSITORY: (floor, SOURCE, _BLOBS), BUCKET: (floor.of_plain_objects(), RAW, "")}
        return {
            kind: found.over_http(
                measure_http(servers, self._work, bucket, prefix, floor.stored_size)
            )
            for kind, (found, bucket, prefix) in places.items()
        }

    def _run_subject(self, servers: Servers, *names: str) -> None:
        for kind, sessions in self._sessions.items():
            for name in names:
                self._say(f"coldhaul between two buckets, from a {kind}: {name}")
                sessions.append(self._subject.run_served(kind, name, servers))

    def _results(self, kind: str, floor: Floor, peers: list[Served]) -> ServedResults:
        sessions = self._sessions[kind]
        return ServedResults(
            figures=_figures(self._data, _NAMES[kind], floor, peers, sessions),
            floor=floor,
            rows=(*peers, *(each.served for each in sessions)),
        )


def _figures(
    data: DataSet,
    what: str,
    floor: Floor,
    peers: list[Served],
    sessions: list[ServedSession],
) -> SetFigures:
    first, idle, incremental = sessions
    return SetFigures(
        name=f"{data.name}, {what}",
        blob_size=data.file_size,
        content_size=data.content_size,
        core_count=os.cpu_count() or 1,
        floor_cpu=floor.cpu,
        floor_server_cpu=floor.server_cpu,
        first=_cost(first.served),
        idle=_cost(idle.served),
        incremental=_cost(incremental.served),
        peers={peer.name: _cost(peer) for peer in peers if not peer.is_preparation},
        source_count=data.file_count,
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
