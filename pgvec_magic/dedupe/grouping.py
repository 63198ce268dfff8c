"""Near pairs -> groups: rows that are near each other, directly or through others, around the one with most near it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from .found import Pair


@dataclass(frozen=True, slots=True)
class Group:
    """Rows by number, in order; ``middle`` is the one to keep, the rows identical to it come first."""

    middle: int
    rows: tuple[int, ...]


def copies(first: Mapping[int, int]) -> dict[int, list[int]]:
    """Return, for each row that others are identical to, all of these and itself, itself first."""
    found: dict[int, list[int]] = {}
    for row, known in sorted(first.items()):
        found.setdefault(known, [known]).append(row)
    return found


def groups(pairs: Collection[Pair], same: Mapping[int, list[int]]) -> list[Group]:
    """Return the groups, those with most rows first; ``same`` are the rows identical to one in the pairs."""
    near: Counter[int] = Counter({row: len(rows) for row, rows in same.items()})
    for i, j in pairs:
        near[i] += len(same.get(j, (j,)))
        near[j] += len(same.get(i, (i,)))
    made = []
    for members in connected(pairs, same):
        middle = min(members, key=lambda row: (-near[row], row))
        others = sorted(row for row in members if row != middle)
        made.append(Group(middle, tuple(row for one in (middle, *others) for row in same.get(one, (one,)))))
    return sorted(made, key=lambda group: (-len(group.rows), min(group.rows)))


def count_all(pairs: Iterable[Pair], same: Mapping[int, list[int]]) -> int:
    """Return how many pairs there are when every row is paired with every one that is near or identical to it."""
    near = sum(len(same.get(i, (i,))) * len(same.get(j, (j,))) for i, j in pairs)
    return near + sum(len(rows) * (len(rows) - 1) // 2 for rows in same.values())


def every_pair(pairs: Mapping[Pair, float], same: Mapping[int, list[int]]) -> Iterator[tuple[int, int, float]]:
    """Yield those pairs, the earlier row first, with their distances."""
    for rows in same.values():
        yield from ((i, j, 0.0) for i, j in combinations(rows, 2))
    for (i, j), distance in pairs.items():
        for one, other in product(same.get(i, (i,)), same.get(j, (j,))):
            yield min(one, other), max(one, other), distance


def pairs_of_firsts(pairs: Mapping[Pair, float], same: Mapping[int, list[int]]) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs between different vectors, and identical rows with the first of them only."""
    for rows in same.values():
        yield from ((rows[0], row, 0.0) for row in rows[1:])
    yield from ((i, j, distance) for (i, j), distance in pairs.items())


def connected(pairs: Iterable[Pair], same: Mapping[int, list[int]]) -> list[list[int]]:
    """Return the rows of each group, of identical ones the first only."""
    leads = {row: row for row in same}

    def root(row: int) -> int:
        while leads.setdefault(row, row) != row:
            leads[row] = leads[leads[row]]
            row = leads[row]
        return row

    for i, j in pairs:
        leads[root(j)] = root(i)
    found: dict[int, list[int]] = {}
    for row in list(leads):
        found.setdefault(root(row), []).append(row)
    return list(found.values())
