"""The data are the same everywhere and as compressible as they say."""

from pathlib import Path

import zstandard

from benchmarks.data import DataSet, Text, change_tree, make_tree

TEXT = Text(pool_size=4 << 20)


def test_content_is_the_same_each_time_and_another_for_each_number_and_generation() -> None:
    content = TEXT.content(7, 28_000)
    assert content == TEXT.content(7, 28_000)
    assert len(content) == 28_000
    others = [TEXT.content(8, 28_000), TEXT.content(7, 28_000, generation=1)]
    assert content not in others


def test_zstd_makes_about_half_of_it() -> None:
    contents = [TEXT.content(number, 28_000) for number in range(300)]
    compressor = zstandard.ZstdCompressor(level=3)
    size = sum(len(compressor.compress(content)) for content in contents)
    assert 0.45 < size / (300 * 28_000) < 0.65


def test_a_tree_has_its_files_and_a_change_touches_one_in_a_hundred(tmp_path: Path) -> None:
    data = DataSet(name="tiny", file_size=1_000, total_size=300_000)
    make_tree(data, tmp_path, workers=2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.dat")}
    assert len(before) == data.file_count == 300
    assert sum(map(len, before.values())) == data.content_size
    change_tree(data, tmp_path)
    changed = [path for path, content in before.items() if path.read_bytes() != content]
    assert len(changed) == data.changed_count == 3
