"""Guesses at what somebody meant to write."""

import difflib
from collections.abc import Iterable


def suggest(written: str, known: Iterable[str]) -> str:
    """Say which of ``known`` was probably meant, or name them all when none is near.

    The answer is a sentence without its full stop: ``did you mean 'vault'?`` or
    ``known are 'primary' and 'vault'``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(written.lower(), [name.lower() for name in names], n=1)
    if near:
        meant = next(name for name in names if name.lower() == near[0])
        return f"did you mean {meant!r}?"
    return f"known are {enumerate_names(names)}" if names else "there is none yet"


def enumerate_names(names: Iterable[str], word: str = "and") -> str:
    """Write names as a list in prose: ``'a', 'b' and 'c'``."""
    quoted = [repr(name) for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"
