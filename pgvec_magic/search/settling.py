"""By which of several vector indexes a search goes: whether a partial one serves it is the planner's to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from .. import plan
from ..catalog import VectorIndex
from ..db import Database
from ..query import Query, Scan, Search, build
from ..query.target import Target, VectorSource, faithfulness, is_whole

# How far off a query vector may be as halfvec, of its length: as it should be it is off by a two-thousandth at most.
_ROUNDED = 0.01


def settled(
    db: Database, search: Search, target: Target, vector: object, scan: Callable[[Target], Scan]
) -> tuple[Target, Scan]:
    """Return what a search works on, with the index that it goes by first, and its scan.

    Where a partial index may serve it, the planner is asked, which takes a round trip for each form that is tried.
    """
    source = target.vectors and _fit(target.vectors, vector)
    target = replace(target, vectors=source)
    if source is None or all(is_whole(index, source.column) for index in (*source.indexes, *source.others)):
        return target, scan(target)
    for tried in _by_form(source):
        one = replace(target, vectors=tried)
        chosen = scan(one)
        if not chosen.may_stop_early:
            return one, chosen
        if (used := _used(db, build(search, one, chosen, vector), tried)) is not None:
            return replace(target, vectors=used), chosen
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


def _by_form(source: VectorSource) -> Iterator[VectorSource]:
    """Yield the source for each statement that an index may serve, the most faithful first."""
    every = sorted((*source.indexes, *source.others), key=faithfulness)
    for _, same in groupby(every, key=faithfulness):
        yield source.by(next(same))


def _used(db: Database, query: Query, source: VectorSource) -> VectorSource | None:
    """Return the source with the index first by which Postgres goes; None where it has partial ones and takes none."""
    (told,) = db.run(replace(query, sql=f"EXPLAIN (FORMAT JSON) {query.sql}")).rows
    used = {node.index for node in plan.read(told[0]).nodes if node.index and "Order By" in node.details}
    named = (index for index in source.indexes if index.name in used)
    whole = (index for index in source.indexes if is_whole(index, source.column))
    if (first := next(named, next(whole, None))) is not None:
        return source.by(first)
    return source if used else None  # of a partitioned table the plan names the indexes of its parts
