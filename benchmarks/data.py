"""The trees that are backed up and copied: made from a seed, the same bytes on every machine.

Content is of two kinds that change every 64 KiB at most: text, made of words of a vocabulary whose
frequencies fall as those of a language do, broken by numbers and markup; and, for one piece in
five, random bytes, as photographs and archives are to a compressor. As a whole zstd halves it.
Text is cut from a pool in short runs at random places, so that two files share words and phrases
but no stretch that deduplication by content could find.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

_SEED = 20250301
_WORD_COUNT = 20_000
_POOL_SIZE = 48 << 20
_RUN_SIZE = 2 << 10
_PIECE_SIZE = 64 << 10
_RANDOM_SHARE = 0.2
# Files of one folder; trees of people's data are not one flat folder.
_FOLDER_FILES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A tree of equal files: what a repository of such blobs is made from."""

    name: str
    file_size: int
    total_size: int

    @property
    def file_count(self) -> int:
        """The number of files."""
        return max(1, self.total_size // self.file_size)

    @property
    def content_size(self) -> int:
        """The bytes of all files."""
        return self.file_count * self.file_size

    @property
    def changed_count(self) -> int:
        """The number of files that the second backup finds changed: 1 %, at least one."""
        return max(1, round(self.file_count / 100))


class Text:
    """A pool of text and how contents are put together from it."""

    def __init__(self, pool_size: int = _POOL_SIZE) -> None:
        """Make the pool; it takes a few seconds."""
        chance = random.Random(_SEED)
        words = _vocabulary(chance)
        weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
        pieces: list[bytes] = []
        size = 0
        while size < pool_size:
            piece = b"".join(chance.choices(words, cum_weights=weights, k=100_000))
            pieces.append(piece)
            size += len(piece)
        self._pool = b"".join(pieces)

    def content(self, number: int, size: int, generation: int = 0) -> bytes:
        """Return the content of a file: its number, size and generation decide it."""
        chance = random.Random(f"{_SEED}-{size}-{number}-{generation}")
        pieces = []
        for start in range(0, size, _PIECE_SIZE):
            length = min(_PIECE_SIZE, size - start)
            if chance.random() < _RANDOM_SHARE:
                pieces.append(chance.randbytes(length))
            else:
                pieces += self._text(chance, length)
        return b"".join(pieces)

    def _text(self, chance: random.Random, size: int) -> Iterator[bytes]:
        last = len(self._pool) - _RUN_SIZE
        for start in range(0, size, _RUN_SIZE):
            place = int(chance.random() * last)
            yield self._pool[place : place + min(_RUN_SIZE, size - start)]


def _vocabulary(chance: random.Random) -> list[bytes]:
    """Return words with what follows them, the most frequent first."""
    letters = "eeeeaaaiiioootttnnnssrrrllhhdddcumpgfbvkwyjxqz"
    ends = [" ", " ", " ", " ", " ", " ", ", ", ". ", "\n", " = ", '": "', "</p>\n<p>", "; "]
    words = []
    for rank in range(_WORD_COUNT):
        length = chance.randint(1 + (rank > 30), 4 + min(8, rank // 200))
        word = "".join(chance.choices(letters, k=length))
        if rank % 9 == 8:
            word = str(chance.randrange(10 ** chance.randint(1, 10)))
        words.append((word + chance.choice(ends)).encode())
    return words


@cache
def _shared_text() -> Text:
    return Text()


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number // _FOLDER_FILES:04d}" / f"{number:07d}.dat"


def _write_files(folder: Path, size: int, numbers: range, generation: int) -> None:
    text = _shared_text()
    for number in numbers:
        path = _path(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.content(number, size, generation))


def make_tree(data: DataSet, folder: Path, workers: int) -> None:
    """Write the tree below ``folder``."""
    step = -(-data.file_count // workers)
    with ProcessPoolExecutor(workers) as pool:
        futures = [
            pool.submit(
                _write_files,
                folder,
                data.file_size,
                range(start, min(start + step, data.file_count)),
                0,
            )
            for start in range(0, data.file_count, step)
        ]
        for future in futures:
            future.result()


def change_tree(data: DataSet, folder: Path) -> None:
    """Give 1 % of the files, spread over the tree, new content."""
    step = data.file_count // data.changed_count
    _write_files(folder, data.file_size, range(0, step * data.changed_count, step), generation=1)
