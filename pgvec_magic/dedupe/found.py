"""What the ways of looking have in common: near pairs of rows, and the error when there are too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..rows import Key

# More are no near-identical rows any more, and nobody looks through them.
MOST_PAIRS = 1_000_000

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Rows by their places among ``keys``, which are in order; ``how`` says in words how they were found.

    ``pairs`` are near rows, the earlier first, and their distances; ``first`` leads from a row to the first one that it
    is identical to, which stands for it in the pairs; ``zeros`` counts the rows that have no distance to any.
    """

    keys: Sequence[Key]
    pairs: Mapping[Pair, float]
    first: Mapping[int, int]
    how: str
    notes: tuple[str, ...] = ()
    zeros: int = 0


def check_count(pairs: int, most: float) -> None:
    """UsageError for more pairs than can be meant."""
    if pairs > MOST_PAIRS:
        raise UsageError(
            f"more than {MOST_PAIRS:,} pairs of different vectors are within {most:g}",
            "choose a smaller max_distance, or fewer rows with where=",
        )
