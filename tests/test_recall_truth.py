from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from pgvector import Bit, SparseVector

from pgvec_magic import catalog
from pgvec_magic.errors import QueryError
from pgvec_magic.query import Search
from pgvec_magic.query.target import find_target
from pgvec_magic.recall import truth
from pgvec_magic.rows import Source
from pgvec_magic.sqltext import quote_ident

KINDS = [(kind, metric) for kind in ("vector", "halfvec", "sparsevec") for metric in ("cosine", "l2", "ip", "l1")]
KINDS += [("bit", "hamming"), ("bit", "jaccard")]
DIMENSIONS = 24


def points(rows=700, seed=5):
    """Clustered, with copies of one row, two rows of zeros, and pairs that differ in the last digits only."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(12, DIMENSIONS))[rng.integers(12, size=700)] + 0.4 * rng.normal(size=(700, DIMENSIONS))
    found[100:160] = found[100]
    found[200], found[201] = 0, 0
    found[300:340] = found[300] * (1 + 1e-6 * rng.normal(size=(40, 1)))
    return found[:rows].astype(np.float32)


def shaped(point, kind):
    """A point as a vector of the type."""
    if kind == "bit":
        return Bit(point > 0)
    if kind == "sparsevec":
        return SparseVector({i: float(v) for i, v in enumerate(point) if abs(v) > 0.3}, DIMENSIONS)
    return point


def fill(raw, vectors, kind, table="docs", column="embedding", key="id int PRIMARY KEY"):
    with raw.cursor() as cursor:
        name, vector = quote_ident(table), quote_ident(column)
        cursor.execute(f"CREATE TABLE {name} ({key}, tenant int, {vector} {kind})")
        rows = [(i, i % 3, truth.text_of(shaped(v, kind.partition("(")[0]))) for i, v in enumerate(vectors)]
        cursor.executemany(f"INSERT INTO {name.replace('%', '%%')} VALUES (%s, %s, %s)", rows)
        cursor.execute(f"INSERT INTO {name} VALUES (-1, 0, NULL)")
        cursor.execute(f"ANALYZE {name}")


def source(db, table="docs", metric=None, where=(), params=None):
    search = Search(table=table, vector=[1], metric=metric, where=where, params=params or {})
    return Source(db, find_target(search, catalog.table(db, table)), where, search.params)


def told(rows):
    pass


def by_sql(raw, vector, source, k, where="true"):
    """What SQL itself answers: distances, nearest first."""
    operator = source.target.need_vectors().metric.operator.replace("%", "%%")
    kind = source.target.need_vectors().column.type
    with raw.cursor() as cursor:
        bits = "::bit(24)" if kind == "bit" else f"::{kind}"
        column = quote_ident(source.target.need_vectors().column.name)
        cursor.execute(
            f"SELECT d FROM (SELECT {column} {operator} %s{bits} AS d FROM {source.target.relation} WHERE {where}) AS t"
            f" WHERE d <> 'NaN' ORDER BY d LIMIT {k}",
            [truth.text_of(vector)],
        )
        return [d for (d,) in cursor.fetchall()]


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_the_truth_is_what_sql_answers(raw, db, kind, metric):
    vectors = points()
    fill(raw, vectors, f"{kind}({DIMENSIONS})")
    queries = [shaped(vectors[i], kind) for i in (0, 7, 100, 130, 300, 310, 699)]
    queries += [shaped(v, kind) for v in points(5, seed=9)]
    of = source(db, metric=metric)
    found = truth.neighbours(of, queries, [None] * len(queries), 20, told)
    for query, nearest in zip(queries, found, strict=True):
        assert list(nearest.distances) == pytest.approx(by_sql(raw, query, of, 20), rel=1e-6, abs=2e-7)
        assert len(set(nearest.keys)) == 20


def test_copies_beyond_those_kept_do_not_hide_nearer_rows(raw, db, monkeypatch):
    monkeypatch.setattr(truth, "_MOST_ROWS", 50)
    vectors = points()
    vectors[200:600] = vectors[200] = 1
    fill(raw, vectors, f"vector({DIMENSIONS})")
    of = source(db, metric="l2")
    (found,) = truth.neighbours(of, [vectors[0]], [("0",)], 500, told)
    assert ("0",) not in found.keys
    assert list(found.distances) == pytest.approx(by_sql(raw, vectors[0], of, 501)[1:], rel=1e-6)


def test_far_from_zero_and_near_each_other(raw, db):
    rng = np.random.default_rng(1)
    vectors = (1_000 + 0.01 * rng.normal(size=(500, DIMENSIONS))).astype(np.float32)
    fill(raw, vectors, f"vector({DIMENSIONS})")
    for metric in ("l2", "l1"):
        of = source(db, metric=metric)
        (found,) = truth.neighbours(of, [vectors[3]], [None], 20, told)
        assert list(found.distances) == pytest.approx(by_sql(raw, vectors[3], of, 20), rel=1e-6)


def test_the_filter_is_part_of_the_truth_and_values_are_bound(raw, db):
    vectors = points()
    fill(raw, vectors, f"vector({DIMENSIONS})")
    of = source(db, where=("tenant = :t AND '%' = '%'",), params={"t": 2})
    (found,) = truth.neighbours(of, [vectors[5]], [None], 30, told)
    assert {int(key) % 3 for (key,) in found.keys} == {2}
    assert list(found.distances) == pytest.approx(by_sql(raw, vectors[5], of, 30, "tenant = 2"), rel=1e-6, abs=2e-7)


def test_fewer_rows_than_asked_for_and_none(raw, db):
    fill(raw, points(5)[:5], f"vector({DIMENSIONS})")
    (found,) = truth.neighbours(source(db), [np.ones(DIMENSIONS, np.float32)], [None], 20, told)
    assert len(found.keys) == 5
    (found,) = truth.neighbours(source(db, where=("false",)), [np.ones(DIMENSIONS, np.float32)], [None], 20, told)
    assert found.keys == ()


@pytest.mark.parametrize("key", ['"b %" text NOT NULL', '"b %" text NOT NULL UNIQUE'])
def test_rows_without_a_key_and_names_that_are_hostile(raw, db, key):
    table, column = 'my "table" % :x', "the ; vector %s"
    fill(raw, points(300), f"vector({DIMENSIONS})", table, column, key)
    (found,) = truth.neighbours(source(db, table), [points(300)[7]], [None], 5, told)
    assert len(found.keys) == 5
    assert found.distances[0] == pytest.approx(0, abs=1e-6)


def test_it_can_be_interrupted_and_leaves_the_connection_usable(raw, db, monkeypatch):
    monkeypatch.setattr(truth, "_MOST_ROWS", 10)
    fill(raw, points(), f"vector({DIMENSIONS})")
    of = source(db, where=("pg_sleep(0.05) IS NOT NULL",))
    threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        truth.neighbours(of, [points()[0]], [None], 5, told)
    assert time.monotonic() - started < 4
    assert catalog.table(db, "docs").name == "docs"
    with raw.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'")
        assert cursor.fetchone() == (0,)


def test_what_goes_wrong_while_reading_is_said(raw, db):
    fill(raw, points(100), f"vector({DIMENSIONS})")
    with pytest.raises(QueryError, match="division by zero"):
        truth.neighbours(source(db, where=("1 / (id - 50) IS NOT NULL",)), [points(100)[0]], [None], 5, told)
    assert len(truth.neighbours(source(db), [points(100)[0]], [None], 5, told)[0].keys) == 5
