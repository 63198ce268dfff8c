"""How long things take here: an exact search, and builds of a sample in a transaction that is rolled back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from ..db import Database, Rows
from ..errors import QueryError, UsageError
from ..index import IndexSpec
from ..query import Query
from ..query.target import ident
from .facts import Facts, relation
from .workload import OURS

# The longest that a search, and the build of a sample, may take.
PATIENCE_SECONDS = 5.0
_TIMED_OUT = "57014"
# A read-only server, and a role that may make no temporary tables.
_NOT_HERE = ("25006", "42501")
_TABLE = "pgvec_sample"
_LIMIT = (("statement_timeout", f"{PATIENCE_SECONDS * 1000:.0f}"),)
_BUILD = (*_LIMIT, ("max_parallel_maintenance_workers", "0"), ("maintenance_work_mem", "'256MB'"))
# Rows of a sample below which its time is that of beginning and ending.
_LEAST, _LEAST_SECONDS = 200, 0.001
# Lists up to which a build of them is but a sort of the rows: more take the longer the more there are.
_MOST_LISTS = 100


def exact_seconds(db: Database, facts: Facts, k: int) -> float | None:
    """Return the seconds of a search that looks at every row, warm; None where they are more than it is given."""
    column, table = ident(facts.column.name), relation(facts.table)
    one = f"(SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1)"
    sql = f"SELECT 1 {OURS} FROM {table} ORDER BY {facts.source.distance(one)} LIMIT {k}"
    query = Query(sql, settings=(*_LIMIT, ("enable_indexscan", "off")), reads=True)
    try:
        first = db.run(query).seconds
        return min(first, db.run(query).seconds)
    except QueryError as error:
        if error.sqlstate != _TIMED_OUT:
            raise
        return None


def build_seconds(
    db: Database, facts: Facts, specs: Sequence[IndexSpec], sample: int
) -> tuple[list[float | None], str]:
    """Return about how many seconds each build takes one process, by builds of a sample that are undone, and what of.

    HNSW grows with n log n, as each row is looked up among those before it; IVFFlat with n, as long as finding a row's
    list is the smaller part. Nothing where it cannot be measured, with the reason.
    """
    if db.readonly:
        return [], "the connection is read-only, so build times were not measured"
    steps = [
        Query(_copied(facts, sample), settings=_LIMIT),
        *(Query(_built(spec, sample / max(facts.rows, 1)), settings=_BUILD) for spec in specs),
    ]
    try:
        copied, *built = db.rehearse(steps)
    except UsageError as error:  # somebody's transaction is open
        return [], f"build times were not measured: {error.message}"
    except QueryError as error:
        if error.sqlstate == _TIMED_OUT:
            return [], f"building a sample of {sample:,} rows took longer than {PATIENCE_SECONDS:g} s"
        if error.sqlstate not in _NOT_HERE:
            raise
        return [], f"build times were not measured: {error.message.partition(chr(10))[0]}"
    rows = int(copied.status.rpartition(" ")[2])
    if rows < min(_LEAST, facts.rows):
        return [], f"a sample of {rows:,} rows tells nothing of build times"
    told = "all rows" if rows >= facts.rows else f"a sample of {rows:,} rows, scaled up"
    return [scaled(spec, took, rows, facts.rows) for spec, took in zip(specs, built, strict=True)], told


def scaled(spec: IndexSpec, took: Rows, sample: int, rows: int) -> float | None:
    """Return the seconds for all rows from those for a sample; None for more lists than their number stands for."""
    if rows <= sample:
        return took.seconds
    if spec.method == "ivfflat" and spec.lists > _MOST_LISTS:
        return None
    growth = math.log(rows) / math.log(sample) if spec.method == "hnsw" else 1.0
    return max(took.seconds, _LEAST_SECONDS) * growth * rows / sample


def _copied(facts: Facts, sample: int) -> str:
    """Pages at random, a few more than needed; a table that is not much larger is taken from its beginning."""
    column, share = ident(facts.column.name), 150 * sample / max(facts.rows, 1)
    drawn = f" TABLESAMPLE SYSTEM ({share:.4f})" if share < 10 else ""
    select = f"SELECT {column} FROM {relation(facts.table)}{drawn} WHERE {column} IS NOT NULL LIMIT {sample}"
    return f"CREATE TEMPORARY TABLE {_TABLE} ON COMMIT DROP AS {select}"


def _built(spec: IndexSpec, share: float) -> str:
    """The statement for a sample: with lists as long as those of the whole."""
    lists = max(round(spec.lists * share), 2) if spec.method == "ivfflat" else spec.lists
    on_sample = dataclasses.replace(spec, schema="pg_temp", table=_TABLE, name=None, where=None, lists=lists)
    return on_sample.sql().replace("%", "%%")
