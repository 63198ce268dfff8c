"""What an index leaves out: rows that it does not even find for themselves, and pairs within a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from ..rows import Count, Key, Source
from .exact import compare_all
from .found import Pair, check_count
from .grouping import connected, copies

# Pairs that are measured to complete groups, the smallest first, so that a chain of thousands of rows makes no millions
# of them. A pair takes 18 µs with 128 dimensions, 32 µs with 768: 9 to 16 s, beside the minutes of asking an index.
MOST_MEASURED = 500_000


def near_each_other(
    source: Source, count: Count, rows: list[Key], most: float
) -> tuple[dict[Key, list[tuple[Key, float]]], int]:
    """Compare rows with each other; return what is near each, and how many have no distance to any.

    Of identical rows only the first is told of, and the others are near it.
    """
    found = compare_all(source.only(rows), replace(count, with_vector=len(rows)), most, lambda share: None)
    near: dict[int, list[tuple[Key, float]]] = {row: [] for row in range(len(found.keys)) if row not in found.first}
    for first, same in copies(found.first).items():
        near[first] += [(found.keys[row], 0.0) for row in same[1:]]
    for (i, j), distance in found.pairs.items():
        near[i].append((found.keys[j], distance))
        near[j].append((found.keys[i], distance))
    return {found.keys[row]: others for row, others in near.items()}, found.zeros


def complete(
    source: Source, keys: list[Key], pairs: Mapping[Pair, float], first: Mapping[int, int], most: float
) -> tuple[dict[Pair, float], int]:
    """Return the pairs with those that are missing within groups, and how many groups are too large to be completed."""
    groups = sorted(connected(pairs, copies(first)), key=len)
    left, done = MOST_MEASURED, 0
    missing: list[Pair] = []
    for rows in groups:
        left -= len(rows) * (len(rows) - 1) // 2
        if left < 0:
            break
        done += 1
        missing += [pair for pair in combinations(sorted(rows), 2) if pair not in pairs]
    measured = source.distances([(keys[i], keys[j]) for i, j in missing], most)
    completed = dict(pairs) | {missing[at]: distance for at, distance in measured.items()}
    check_count(len(completed), most)
    return completed, len(groups) - done
