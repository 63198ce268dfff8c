"""Near pairs and the rows behind them -> ``Groups``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..db import frames
from ..query import Search
from ..rows import Count, Source
from . import grouping
from .found import MOST_PAIRS, Found, Pair
from .grouping import Group
from .groups import Groups

if TYPE_CHECKING:
    import pandas as pd

# What the metrics that do not compare vectors of zeros make of them.
_ZEROS = {
    "cosine": "with a vector of zeros, which has no direction",
    "jaccard": "with no bit set, at a distance of 1 from every row, from identical ones too",
}

Values = Mapping[int, tuple[Any, ...]]


def assembled(
    source: Source, found: Found, count: Count, search: Search, notes: tuple[str, ...], started: float
) -> Groups:
    """Return the value: rows are read once more, for what people read of them; those gone meanwhile are left out."""
    key, columns = source.target.table.key, source.target.columns
    values = _values(source, found, [*key, *columns])
    pairs = {pair: d for pair, d in found.pairs.items() if pair[0] in values and pair[1] in values}
    same = grouping.copies({row: known for row, known in found.first.items() if row in values and known in values})
    made = grouping.groups(pairs, same)
    most = float(search.max_distance or 0)
    far = _to_the_middles(source, found, made, pairs, same)
    said = [*notes, *_said(source, count, found.zeros), *_chains(made, far, most)]
    every = grouping.count_all(pairs, same)
    listed = grouping.every_pair(pairs, same)
    if every > MOST_PAIRS:
        listed = grouping.pairs_of_firsts(pairs, same)
        said.append(f".pairs has identical rows with the first of them only: all would be {every:,} pairs")
    return Groups(
        table=source.target.table.label,
        metric=source.target.need_vectors().metric.name,
        max_distance=most,
        rows=count.with_vector,
        df=_frame(source, made, values, far),
        pairs=_pairs(listed, {row: values[row][: len(key)] for row in values}),
        how=found.how,
        key=key,
        text=source.target.table.text_column,
        distance=source.target.names["distance"],
        seconds=time.perf_counter() - started,
        notes=tuple(said),
    )


def _values(source: Source, found: Found, columns: list[str]) -> Values:
    rows = sorted({row for pair in found.pairs for row in pair} | {*found.first, *found.first.values()})
    shown = source.shown([found.keys[row] for row in rows], columns)
    return {rows[at]: values for at, values in shown.items()}


def _to_the_middles(
    source: Source, found: Found, made: list[Group], pairs: Mapping[Pair, float], same: Mapping[int, list[int]]
) -> dict[int, float]:
    """Return each row's distance to the middle of its group, measured where the pair is not among those found."""
    stands_for = {row: rows[0] for rows in same.values() for row in rows}
    wanted = {}
    for group in made:
        for row in group.rows:
            one = stands_for.get(row, row)
            wanted[row] = (min(one, group.middle), max(one, group.middle))
    missing = sorted({pair for pair in wanted.values() if pair not in pairs and pair[0] != pair[1]})
    measured = source.distances([(found.keys[i], found.keys[j]) for i, j in missing])
    known = dict(pairs) | {missing[at]: distance for at, distance in measured.items()}
    return {row: 0.0 if pair[0] == pair[1] else known.get(pair, float("nan")) for row, pair in wanted.items()}


def _frame(source: Source, made: list[Group], values: Values, far: Mapping[int, float]) -> pd.DataFrame:
    """Return one row a row of the table, by group, its middle first and the others by their distance to it."""
    import pandas as pd

    target = source.target
    names = [*target.table.key, *target.columns]
    kept = [i for i, name in enumerate(names) if i >= len(target.table.key) or name not in target.columns]
    records, numbers = [], []
    for number, group in enumerate(made, 1):
        for row in sorted(group.rows, key=lambda row: (row != group.middle, far[row], row)):
            records.append((*(values[row][i] for i in kept), far[row]))
            numbers.append(number)
    index = pd.Index(numbers, dtype="int64", name="group")
    frame = frames.frame(records, [*(names[i] for i in kept), target.names["distance"]]).set_axis(index)
    return frame.astype({target.names["distance"]: "float64"})


def _pairs(listed: Iterable[tuple[int, int, float]], keys: Mapping[int, tuple[Any, ...]]) -> pd.DataFrame:
    """Return one row a pair, the nearest first; a key of several columns is a tuple."""
    import pandas as pd

    names = {row: key[0] if len(key) == 1 else key for row, key in keys.items()}
    ordered = sorted(listed, key=lambda pair: (pair[2], pair[0], pair[1]))
    records = [(names[i], names[j], distance) for i, j, distance in ordered]
    return pd.DataFrame.from_records(records, columns=["a", "b", "distance"]).astype({"distance": "float64"})


def _said(source: Source, count: Count, zeros: int) -> list[str]:
    """What was not compared, and what else to know."""
    said = []
    if without := count.rows - count.with_vector:
        said.append(f"{_rows(without)} without a vector: not compared")
    if zeros:
        said.append(f"{_rows(zeros)} {_ZEROS[source.target.need_vectors().metric.name]}: not compared")
    if not source.has_key:
        said.append("the table has no key: rows are told apart by where they lie (ctid), which any UPDATE changes")
    return said


def _chains(made: list[Group], far: Mapping[int, float], most: float) -> list[str]:
    """Say where rows are near each other only through others."""
    chains = {number: sum(far[row] > most for row in group.rows) for number, group in enumerate(made, 1)}
    chains = {number: rows for number, rows in chains.items() if rows}
    if not chains:
        return []
    where = f"group {next(iter(chains))}" if len(chains) == 1 else f"{len(chains):,} groups"
    rows = sum(chains.values())
    what = "1 row is" if rows == 1 else f"{rows:,} rows are"
    return [
        f"in {where} {what} farther than {most:g} from the row to keep, near only through others: not among .redundant"
    ]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
