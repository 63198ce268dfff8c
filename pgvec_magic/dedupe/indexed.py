"""Each row's nearest by the vector index: for tables with too many rows to compare each with every other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .. import catalog
from ..query import Search, choose_scan
from ..rows import Count, Key, Settings, Source
from .complete import complete, near_each_other
from .found import Found, Pair, check_count
from .grouping import copies

# How many of the nearest rows are looked at, of how many rows one message asks, and hnsw.ef_search. A row whose nearest
# are all within the distance is asked about again, at last without a limit and without the index.
_STEPS = ((20, 500, 100), (1_000, 10, 1_000), (None, 1, 0))
# Keys that are read at a time.
_READ = 10_000
_APPROXIMATE = (
    "the index is approximate: near rows are not here where it found neither for the other nor through others"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One statement: how many nearest rows it looks at (None: all), of how many rows it asks at a time."""

    k: int | None
    asked: int
    sql: str
    settings: Settings


def steps(source: Source, search: Search, most: float) -> list[Step] | None:
    """Return the statements that ask an index, or None where there is none or Postgres would not use it."""
    indexes = source.target.need_vectors().plain
    if not indexes:
        return None
    able = catalog.capabilities(source.db)
    made = []
    for k, asked, ef_search in _STEPS:
        settings: Settings = ()
        if k is not None:
            depth = max(ef_search, int(able.in_force.get("hnsw.ef_search", 0)))
            wanted = replace(search, k=k, strategy="iterative", ef_search=depth)
            scan = choose_scan(wanted, indexes[0], able.vector or (), able.in_force, others=indexes[1:])
            settings = scan.settings
        made.append(Step(k, asked, source.nearest(k, most), settings))
    return made if _uses_index(source, made[0]) else None


def _uses_index(source: Source, step: Step) -> bool:
    nobody = source.about([])
    plan = source.run(f"EXPLAIN (FORMAT JSON) {step.sql}", nobody, step.settings)
    return '"Order By"' in json.dumps(plan)  # which only an index has that gives rows by distance


def ask_all(source: Source, count: Count, most: float, asked: Sequence[Step], told: Callable[[float], None]) -> Found:
    """Return the pairs of rows within ``most`` that an index finds; ``told`` hears which share is done."""
    answers = _Answers()
    done = 0
    for keys in source.keys(_READ, count):
        for start in range(0, len(keys), asked[0].asked):
            part = keys[start : start + asked[0].asked]
            for step in asked:
                part = _ask(source, step, part, answers)
                check_count(len(answers.pairs), most)
            done += asked[0].asked
            told(min(done / max(count.with_vector, 1), 1.0))
    zeros = _compare_lost(source, count, most, answers)
    names = " or ".join(index.name for index in source.target.need_vectors().plain)
    keys, found, first = answers.in_order(source.order(answers.keys))
    pairs, incomplete = complete(source, keys, found, first, most)
    notes = (_APPROXIMATE, *_incomplete(incomplete))
    return Found(keys, pairs, first, f"by the index {names}", notes, zeros)


def _compare_lost(source: Source, count: Count, most: float, answers: _Answers) -> int:
    """Compare the lost rows with each other; return how many of them have no distance to any.

    An HNSW graph may have rows that no way leads to, often all rows of a dense cluster: they find what is near them,
    but neither themselves nor each other.
    """
    if not answers.lost:
        return 0
    near, zeros = near_each_other(source, count, list(answers.lost), most)
    for key, others in near.items():
        answers.add(key, answers.lost[key] + others)
    return zeros


def _incomplete(groups: int) -> list[str]:
    what = "the largest group" if groups == 1 else f"the {groups:,} largest groups"
    return [f"of {what} .pairs has only what the index found: too many rows to measure every pair"] if groups else []


def _ask(source: Source, step: Step, keys: list[Key], answers: _Answers) -> list[Key]:
    """Ask about rows and return those of which more must be asked."""
    more = []
    for part in _parts(keys, step.asked, answers):
        rows = source.run(step.sql, source.about(part), step.settings)
        near: dict[int, list[tuple[Key, float]]] = {}
        for n, *other, distance in rows:
            near.setdefault(n - 1, []).append((tuple(other), distance))
        for at, key in enumerate(part):
            found = near.get(at, [])
            if len(found) == step.k:
                more.append(key)
            elif any(other == key for other, _ in found):
                answers.add(key, found)
            else:
                answers.lost[key] = found
    return more


def _parts(keys: list[Key], size: int, answers: _Answers) -> Iterator[list[Key]]:
    """Yield keys by so many, without the rows that meanwhile have turned out to be identical to others."""
    left = list(keys)
    while left := [key for key in left if not answers.is_copy(key)]:
        yield left[:size]
        left = left[size:]


@dataclass(slots=True)
class _Answers:
    """What the index has told so far; only rows that are near to another have a number.

    ``lost`` are rows that did not find themselves, and what they found.
    """

    keys: list[Key] = field(default_factory=list)
    lost: dict[Key, list[tuple[Key, float]]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    pairs: dict[Pair, float] = field(default_factory=dict)
    _numbers: dict[Key, int] = field(default_factory=dict)
    _asked: set[int] = field(default_factory=set)

    def is_copy(self, key: Key) -> bool:
        """Whether the row is known to be identical to another one."""
        return self._numbers.get(key) in self.first

    def add(self, key: Key, found: list[tuple[Key, float]]) -> None:
        """Take in what is near to a row."""
        others = [(other, distance) for other, distance in found if other != key]
        if not others or self.is_copy(key):
            return
        row = self._lead(key, others)
        for other_key, distance in others:
            other = self._number(other_key)
            if distance == 0 and other != row and other not in self._asked:
                self.first.setdefault(other, row)
            elif other != row:
                self.pairs[min(row, other), max(row, other)] = distance

    def _lead(self, key: Key, others: list[tuple[Key, float]]) -> int:
        """Return the row that stands for this one: itself, or one asked before that did not find it."""
        row = self._number(key)
        same = [self._number(other) for other, distance in others if distance == 0]
        known = next(
            (self.first.get(other, other) for other in same if other in self.first or other in self._asked), row
        )
        if known == row:
            self._asked.add(row)
        else:
            self.first[row] = known
        return known

    def in_order(self, order: list[int]) -> tuple[list[Key], dict[Pair, float], dict[int, int]]:
        """Return keys, pairs and which row is identical to which with rows numbered in this order."""
        place = {row: at for at, row in enumerate(order)}
        first: dict[int, int] = {}
        for rows in copies({place[row]: place[known] for row, known in self.first.items()}).values():
            first |= dict.fromkeys(rows, min(rows))
        pairs: dict[Pair, float] = {}
        for (i, j), distance in self.pairs.items():
            one, other = (first.get(place[row], place[row]) for row in (i, j))
            if one != other:
                pairs.setdefault((min(one, other), max(one, other)), distance)
        return [self.keys[row] for row in order], pairs, {row: known for row, known in first.items() if row != known}

    def _number(self, key: Key) -> int:
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number
