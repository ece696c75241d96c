"""Bandwidths: one syntax, in bytes or in bits."""

import pytest

from core.errors import InputError
from proxy.bandwidth import parse_bandwidth


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("50 MB/s", 50_000_000, "50 MB/s"),
        ("50MB/s", 50_000_000, "50 MB/s"),
        (" 100 kB/s ", 100_000, "100 kB/s"),
        ("2 GB/s", 2_000_000_000, "2 GB/s"),
        ("100 Mbit/s", 12_500_000, "100 Mbit/s"),
        ("1 Gbit/s", 125_000_000, "1 Gbit/s"),
        ("800 kbit/s", 100_000, "800 kbit/s"),
    ],
)
def test_a_bandwidth_is_bytes_a_second(text: str, expected: int, shown: str) -> None:
    bandwidth = parse_bandwidth(text)
    assert bandwidth.bytes_per_second == expected
    assert str(bandwidth) == shown


@pytest.mark.parametrize(
    "text", ["", "50", "50 MB", "50 mb/s", "50 Mb/s", "0 MB/s", "1.5 MB/s", "-1 MB/s", "5 TB/s"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InputError, match="not a bandwidth") as caught:
        parse_bandwidth(text)
    assert "'50 MB/s'" in caught.value.hint


def test_a_bandwidth_that_lets_no_part_pass_is_refused() -> None:
    with pytest.raises(InputError, match="too slow"):
        parse_bandwidth("799 kbit/s")
