"""The floor's arithmetic where reading and writing go over HTTP."""

import pytest

from benchmarks.floor import READ, STAGES, WRITE, Floor

FLOOR = Floor(
    stages=dict.fromkeys(STAGES, 1.0), content_size=10**9, stored_size=500, single_size=600
)


def test_http_takes_the_place_of_files() -> None:
    served = FLOOR.over_http({"GET": 3.0, "server: GET": 2.0, "PUT": 0.5, "server: PUT": 4.0})
    assert READ not in served.stages
    assert WRITE not in served.stages
    assert served.cpu == pytest.approx(len(STAGES) - 2 + 3.5)


def test_servers_take_wall_time_and_none_of_the_clients_cpu() -> None:
    served = FLOOR.over_http({"GET": 3.0, "server: GET": 2.0})
    assert FLOOR.server_cpu == 0
    assert served.server_cpu == 2.0
    assert served.wall(2) == pytest.approx((served.cpu + 2.0) / 2)


def test_plain_objects_are_neither_opened_nor_decompressed() -> None:
    plain = FLOOR.of_plain_objects()
    assert {"unseal", "decompress", "check id"}.isdisjoint(plain.stages)
    assert plain.cpu == pytest.approx(len(STAGES) - 3)
