"""Tables say what was measured."""

from benchmarks.measure import Usage
from benchmarks.report import Row, write_table


def test_a_row_reckons_in_content_bytes() -> None:
    row = Row(name="x", content_size=2 * 10**9, usage=Usage(wall=4, cpu=6, peak=0, peak_sum=0))
    assert row.rate == 500
    assert row.cpu_per_gb == 3


def test_tables_are_markdown_with_numbers_to_the_right() -> None:
    assert write_table(("", "n"), [("one", "1"), ("ten", "10")]) == [
        "|     |  n |",
        "| --- | -: |",
        "| one |  1 |",
        "| ten | 10 |",
    ]
