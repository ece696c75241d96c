"""What the servers counted, and how it is told apart."""

import socket
from collections import Counter
from pathlib import Path

from benchmarks import servers
from benchmarks.servers import Counts


def test_what_came_after_is_what_was_added() -> None:
    before = Counts(1.5, Counter(GET=3), Counter(PUT=2, HEAD=1))
    after = Counts(4.0, Counter(GET=10, HEAD=2), Counter(PUT=5, POST=1, HEAD=1))
    found = after.since(before)
    assert found.cpu == 2.5
    assert found.read_count == 9
    assert found.write_count == 4


def test_only_what_writes_to_the_target_is_a_write() -> None:
    target = Counter(GET=7, HEAD=3, PUT=4, POST=2, DELETE=5)
    assert Counts(0.0, Counter(PUT=9), target).write_count == 6


def test_buckets_too_large_for_memory_lie_on_the_disk(tmp_path: Path) -> None:
    assert servers.buckets_parent(tmp_path, 1 << 60) == tmp_path


def test_ports_are_free_and_each_another() -> None:
    ports = servers.free_ports(3)
    assert len(set(ports)) == 3
    with socket.create_server(("127.0.0.1", ports[0])):
        pass
