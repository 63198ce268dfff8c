"""By which of several vector indexes a search goes: whether a partial one serves it is the planner's to say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from .. import plan
from ..catalog import VectorIndex
from ..catalog.read import FRESH_SECONDS
from ..db import Database
from ..query import Query, Scan, Search, build
from ..query.statement import VECTOR
from ..query.target import Target, VectorSource, faithfulness, is_whole

# How far off a query vector may be as halfvec, of its length: as it should be it is off by a two-thousandth at most.
_ROUNDED = 0.01
# Of so many questions the planner's answers are remembered.
_MOST_KNOWN = 100


def settled(
    db: Database, search: Search, target: Target, vector: object, scan: Callable[[Target], Scan]
) -> tuple[Target, Scan]:
    """Return what a search works on, with the index that it goes by first, and its scan.

    Where a partial index may serve it, the planner is asked, which takes a round trip for each form that is tried and
    is remembered for a moment. One that it takes has those rows only of which its own condition holds.
    """
    source = target.vectors and _fit(target.vectors, vector)
    target = replace(target, vectors=source)
    every = () if source is None else (*source.indexes, *source.others)
    if source is None or not (partial := [i for i in every if not is_whole(i, source.column)]):
        return target, scan(target)
    for tried in _by_form(source, partial):
        one = replace(target, vectors=tried)
        if (used := _partial_used(db, build(search, one, scan(one), vector), tried)) is not None:
            one = replace(target, vectors=used)
            return one, scan(one)
    for tried in _by_form(source, every):
        one = replace(target, vectors=tried)
        chosen = scan(one)
        if not chosen.may_stop_early:
            return one, chosen
        if (known := _used(db, build(search, one, chosen, vector), tried)) is not None:
            return replace(target, vectors=known), chosen
    none = replace(target, vectors=replace(source, indexes=(), others=()))
    return none, scan(none)


def _fit(source: VectorSource, vector: object) -> VectorSource:
    """Return the source with those indexes alone in whose form the query vector is still itself."""
    every = (*source.indexes, *source.others)
    fit = [index for index in every if _is_itself(index, vector)]
    if len(fit) == len(every):
        return source
    left = replace(source, indexes=(), others=tuple(fit))
    return left.by(fit[0]) if fit else left


def _is_itself(index: VectorIndex, vector: Any) -> bool:
    """Whether a query vector, as an index has it, has numbers that fit, and a direction where it had one."""
    import numpy as np

    if index.form == "subvector":
        return bool(vector[: index.dimensions].any()) or not vector.any()
    if index.form != "halfvec":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.linalg.norm(vector.astype(np.float16) - vector.astype(np.float64))
        return bool(off <= _ROUNDED * np.linalg.norm(vector.astype(np.float64)))


def _by_form(source: VectorSource, among: Iterable[VectorIndex]) -> Iterator[VectorSource]:
    """Yield the source for each statement that one of the indexes may serve, the most faithful first."""
    for _, same in groupby(sorted(among, key=faithfulness), key=faithfulness):
        yield source.by(next(same))


def _partial_used(db: Database, query: Query, source: VectorSource) -> VectorSource | None:
    """Return the source with the partial index first by which Postgres goes; None where it takes none."""
    used = _planned(db, query)
    named = (i for i in source.indexes if i.name in used and not is_whole(i, source.column))
    first = next(named, None)
    return None if first is None else source.by(first)


def _used(db: Database, query: Query, source: VectorSource) -> VectorSource | None:
    """Return the source with the index first by which Postgres goes; None where it has partial ones and takes none."""
    used = _planned(db, query)
    named = (index for index in source.indexes if index.name in used)
    whole = (index for index in source.indexes if is_whole(index, source.column))
    if (first := next(named, next(whole, None))) is not None:
        return source.by(first)
    return source if used else None  # of a partitioned table the plan names the indexes of its parts


def _planned(db: Database, query: Query) -> frozenset[str]:
    """Return the indexes whose order Postgres would go by; whatever the vector is, and as it was a moment ago."""
    others = {name: value for name, value in query.params.items() if name != VECTOR}
    asked = f"{query.sql} {query.settings} {others}"
    known: dict[str, tuple[float, frozenset[str]]] = db.cache.setdefault("planned", {})
    read_at, used = known.get(asked, (-FRESH_SECONDS, frozenset[str]()))
    if time.monotonic() - read_at > FRESH_SECONDS:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        (told,) = db.run(replace(query, sql=f"EXPLAIN (FORMAT JSON) {query.sql}")).rows
        nodes = plan.read(told[0]).nodes
        used = frozenset(node.index for node in nodes if node.index and "Order By" in node.details)
        known[asked] = (time.monotonic(), used)
    return used
