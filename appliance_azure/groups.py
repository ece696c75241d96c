"""The batches of a round in groups, each a short text of ranges like ``00000-00249 00260``.

An instance's history holds every call that it has made and is read anew after each of them, so none
calls for more batches than a group has.
"""

from collections.abc import Iterator, Sequence

from core.format import names

# What the status of an instance has once something of it has failed: no call of it that has not
# begun is wanted any more.
IS_ENDING = "is_ending"
# No id of a session has it.
_MARK = ":"


def ranges_of(numbers: Sequence[str]) -> str:
    """Write numbers, in ascending order and as batches' names have them, as ranges."""
    runs: list[range] = []
    for number in map(int, numbers):
        if runs and number == runs[-1].stop:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return " ".join(map(_text_of, runs))


def numbers_in(text: str) -> Iterator[int]:
    """Yield the numbers that ranges stand for."""
    for numbers in _ranges_in(text):
        yield from numbers


def groups_of(text: str, size: int) -> list[str]:
    """Cut ranges into groups of at most so many numbers, in their order."""
    groups: list[list[range]] = []
    room = 0
    for numbers in _ranges_in(text):
        while numbers:
            if not room:
                groups.append([])
                room = size
            piece, numbers = numbers[:room], numbers[room:]
            groups[-1].append(piece)
            room -= len(piece)
    return [" ".join(map(_text_of, group)) for group in groups]


def group_instance(session: str, *counts: int) -> str:
    """Return what a group's instance is called, after its session's and by numbers of its own."""
    return _MARK.join([session, *map(str, counts)])


def session_instance(instance: str) -> str:
    """Return the session's instance that began a group's; any other is its own."""
    return instance.partition(_MARK)[0]


def attempt_of(instance: str) -> int | None:
    """Return the number of the attempt that began a group's instance; None of any other."""
    attempt = instance.partition(_MARK)[2].partition(_MARK)[0]
    return int(attempt) if attempt.isdecimal() else None


def _ranges_in(text: str) -> Iterator[range]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield range(int(first), int(last or first) + 1)


def _text_of(numbers: range) -> str:
    first, last = names.batch_digits(numbers[0]), names.batch_digits(numbers[-1])
    return first if first == last else f"{first}-{last}"
