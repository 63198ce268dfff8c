"""The settings to measure of an index, and whether Postgres uses it with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import plan
from ..catalog import Capabilities, VectorIndex
from ..db import Database
from ..errors import QueryError, UsageError, did_you_mean
from ..plan import Plan
from ..query import Query, Search, build, choose_scan
from ..query.coarse import MAX_EF_SEARCH, coarse_rows, takes_all_found
from ..query.scan import EF_SEARCH
from ..query.target import SIGNS_ONLY, Target, serves

# pgvector's settings by access method; the largest value makes the planner think little of such an index, which keeps
# it from one that is not measured.
SETTINGS = {"hnsw": "ef_search", "ivfflat": "probes"}
_AVOIDED = {"hnsw": ("hnsw.ef_search", "1000"), "ivfflat": ("ivfflat.probes", "32768")}
NOT_MEASURED = "not measured"
_SWEEP = (40, 80, 160, 320, 640, MAX_EF_SEARCH)


@dataclass(frozen=True, slots=True)
class Way:
    """An index with one value of its setting: how every query is sent."""

    index: VectorIndex
    value: int
    search: Search
    target: Target
    able: Capabilities

    @property
    def setting(self) -> str:
        """``ef_search`` or ``probes``."""
        return SETTINGS[self.index.method]

    @property
    def name(self) -> str:
        """The setting as people read it, such as ``ef_search = 40``."""
        return f"{self.setting} = {self.value}"

    def query(self, vector: object) -> Query:
        """Return the statement of a search with nothing set but this: what any client would send.

        Values stand in it as literals, so that each is planned for itself and no plan is kept.
        """
        search = replace(self.search, vector=vector)
        index, *others = self.target.need_vectors().indexes
        scan = choose_scan(search, index, self.able.vector or (), self.able.in_force, others=others)
        return build(search, self.target, scan, vector)

    def explained(self, db: Database, vector: object, options: str = "") -> Plan:
        """Return what Postgres does for it; ``options`` are EXPLAIN's."""
        query = self.query(vector)
        told = db.run(replace(query, sql=f"EXPLAIN ({options}FORMAT JSON) {query.sql}"))
        return plan.read(told.rows[0][0])


def chosen(target: Target, names: Sequence[str], given: Mapping[str, list[int] | None]) -> tuple[VectorIndex, ...]:
    """Return the indexes to measure: those named, or the usual one of the methods values are given for; UsageError."""
    source = target.need_vectors()
    usable = {index.name: index for index in (*source.indexes, *source.others) if index.method in SETTINGS}
    for name in names:
        if name not in usable:
            raise UsageError(_not_usable(target, name), did_you_mean(name, usable) or None)
    methods = [method for method in SETTINGS if given[method]] or list(SETTINGS)
    found = [usable[name] for name in names] or [index for index in usable.values() if index.method in methods][:1]
    if not found:
        column, metric = source.column.name, source.metric.name
        kind = " or ".join(methods)
        raise UsageError(
            f"{target.table.label}.{column} has no {kind} index for {metric}: every search looks at each row, and finds"
            " all there is",
            "build one first (%vindex build), or name another --column or --metric" if not usable else None,
        )
    for method in SETTINGS:
        if given[method] and all(index.method != method for index in found):
            raise UsageError(f"{SETTINGS[method]} is for {method}: {', '.join(i.name for i in found)} is none")
    return tuple(found)


def _not_usable(target: Target, name: str) -> str:
    index = next((index for index in target.table.indexes if index.name == name), None)
    vectors = target.need_vectors()
    if index is None:
        return f"{target.table.label} has no vector index {name!r}"
    if not index.valid:
        return f"{name} is invalid: Postgres never uses it. DROP INDEX it, and build it anew"
    if index.where and serves(index, vectors.column, vectors.metric):
        return f"{name} has the rows WHERE {index.where} alone: it is measured within that filter (where)"
    if index.column == vectors.column.name and index.form == "binary":
        return f"{name} does not serve {vectors.metric.name}: {SIGNS_ONLY}"
    return f"{name} does not serve {vectors.metric.name} on {vectors.column.name}: {index.definition}"


def today(index: VectorIndex, able: Capabilities, k: int) -> int:
    """Return the value that a search for ``k`` rows uses at least: that in force, what is stored, its candidates."""
    usual = {"hnsw": EF_SEARCH, "ivfflat": 1}[index.method]
    in_force = int(able.in_force.get(f"{index.method}.{SETTINGS[index.method]}", usual))
    candidates = min(coarse_rows(index.form, k), MAX_EF_SEARCH) if index.method == "hnsw" else 1
    return max(in_force, index.baseline.value if index.baseline else 0, candidates if index.form != "vector" else 1)


def reranked(index: VectorIndex, rows: int) -> list[str]:
    """Say of an index on an expression what is measured, where a search asks for so many ``rows``."""
    if index.form == "vector":
        return []
    rows_read = coarse_rows(index.form, rows)
    many = "as many candidates as ef_search" if takes_all_found(index) else f"{rows_read:,} candidates"
    return [f"{index.name} gives {many}: they are re-ranked on the full vectors, of which the truth is too"]


def sweep(index: VectorIndex, able: Capabilities, least: int, k: int) -> list[int]:
    """Return the values to measure where none are given, upwards; ``least`` is how many rows a scan must find."""
    if index.method == "hnsw":
        values = {min(least, MAX_EF_SEARCH), *_SWEEP, today(index, able, k)}
        return sorted(value for value in values if value >= min(least, MAX_EF_SEARCH))
    root = math.isqrt(index.lists)
    values = {1, root // 4, root // 2, root, 2 * root, 4 * root, today(index, able, k)}
    # With as many probes as lists it is an exact search, for which the planner takes no index.
    return sorted(value for value in values if 0 < value < index.lists) or [1]


def ways(
    search: Search, target: Target, able: Capabilities, index: VectorIndex, values: Sequence[int], rows: int
) -> list[Way]:
    """Return the index with each of the values; a search asks for so many ``rows``."""
    source = target.need_vectors().by(index)
    others = {other.method for other in source.indexes} - {index.method}
    avoided = tuple(_AVOIDED[method] for method in sorted(others & _AVOIDED.keys()))
    base = replace(search, k=rows, as_is=True, settings=avoided)
    target = replace(target, columns=target.table.key, vectors=source)
    if index.method == "hnsw":
        return [Way(index, value, replace(base, ef_search=value), target, able) for value in values]
    return [Way(index, value, replace(base, probes=value), target, able) for value in values]


def names_of(db: Database, index: VectorIndex, target: Target) -> frozenset[str]:
    """Return what a plan calls an index: of a partitioned table, the indexes of its parts."""
    if target.table.kind != "partitioned table":
        return frozenset([index.name])
    parts = (
        "SELECT c.relname::text FROM pg_class AS i JOIN pg_namespace AS n ON n.oid = i.relnamespace"
        " CROSS JOIN pg_partition_tree(i.oid) AS t JOIN pg_class AS c ON c.oid = t.relid"
        " WHERE i.relname = %(name)s AND n.nspname = %(schema)s"
    )
    rows = db.run(Query(parts, {"name": index.name, "schema": target.table.schema}, reads=True)).rows
    return frozenset(name for (name,) in rows)


def uses(found: Plan, names: frozenset[str]) -> bool:
    """Whether a plan takes rows by distance from an index of these names."""
    return any(node.index in names and "Order By" in node.details for _, node in found.everywhere)


def refusal(way: Way, found: Plan) -> QueryError:
    """Return why there is no recall to tell: the index did not answer."""
    ordered = (node.index for _, node in found.everywhere if "Order By" in node.details)
    other = next((index for index in ordered if index), None)
    if other:
        hint = f"it prefers {other}, which can be measured in its place: index={other!r}"
    else:
        hint = "an exact search misses nothing, so its recall would say nothing of the index; look why with --explain"
    return QueryError(f"Postgres does not use {way.index.name} with {way.name}: it plans {instead(found)}", hint)


def instead(found: Plan) -> str:
    """Return what a plan reads rows by, in EXPLAIN's words."""
    leaves = [node for _, node in found.everywhere if not node.children and not node.remote]
    leaves.sort(
        key=lambda node: ("Order By" not in node.details, "Relation Name" not in node.details)
    )  # the query vector's is none
    return leaves[0].label


def as_values(name: str, given: Any) -> list[int] | None:
    """Return the values given for a setting, upwards; UsageError for what are none."""
    if given is None:
        return None
    listed = list(given) if hasattr(given, "__iter__") and not isinstance(given, str) else [given]
    if not listed or any(isinstance(value, bool) or not isinstance(value, int) or value < 1 for value in listed):
        raise UsageError(f"{name}: {given!r} are not whole numbers of 1 or more", f"such as {name}=[10, 40, 100]")
    return sorted(set(listed))
