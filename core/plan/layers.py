"""Which layers of a restore point are merged when a new one comes."""

from collections.abc import Sequence

from core.limits import LAYERS_MAX


def plan_merge(rows: Sequence[int], new_rows: int) -> int:
    """Return how many of the point's layers, ``rows`` each, oldest first, stay as they are.

    The rest and the new rows become one layer. A layer stays when it has more than twice the
    rows of the one that comes to lie upon it, so sizes fall geometrically: a point of n rows has
    at most log2(n) layers, a row is rewritten at most log2(n) times, and deltas that outweigh the
    base give a new base. Never more than ``LAYERS_MAX`` layers in the end.
    """
    if new_rows == 0:
        return len(rows)
    kept = len(rows)
    merged = new_rows
    while kept and (rows[kept - 1] <= 2 * merged or kept >= LAYERS_MAX):
        kept -= 1
        merged += rows[kept]
    return kept
