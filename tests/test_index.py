from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic.errors import UsageError
from pgvec_magic.index import IndexSpec, build_memory, fitting_rows, index_bytes, per_page

PAGE = 8192
MIB = 1024 * 1024
NUMBERS = "(SELECT array_agg(random() - 0.5 + x * 0) FROM generate_series(1, {d}) AS x WHERE g.i > 0)::vector::{t}"
BITS = (
    "(SELECT string_agg(CASE WHEN random() < 0.5 + x * 0 THEN '0' ELSE '1' END, '')"
    " FROM generate_series(1, {d}) AS x WHERE g.i > 0)::bit({d})"
)


def spec(dimensions: int = 3, **options: Any) -> IndexSpec:
    return IndexSpec(table="docs", column="embedding", dimensions=dimensions, **options)


@pytest.mark.parametrize(
    ("options", "sql"),
    [
        ({}, "CREATE INDEX ON public.docs USING hnsw (embedding vector_cosine_ops)"),
        (
            {"method": "ivfflat", "lists": 20, "metric": "l2", "name": "Near it"},
            'CREATE INDEX "Near it" ON public.docs USING ivfflat (embedding vector_l2_ops) WITH (lists = 20)',
        ),
        (
            {"form": "halfvec", "m": 8, "where": "tenant = 3"},
            "CREATE INDEX ON public.docs USING hnsw ((embedding::halfvec(3)) halfvec_cosine_ops)"
            " WITH (m = 8) WHERE (\ntenant = 3\n)",
        ),
        (
            {"form": "binary", "metric": "hamming"},
            "CREATE INDEX ON public.docs USING hnsw ((binary_quantize(embedding)::bit(3)) bit_hamming_ops)",
        ),
        (
            {"form": "subvector", "kept": 2},
            "CREATE INDEX ON public.docs USING hnsw ((subvector(embedding, 1, 2)::vector(2)) vector_cosine_ops)",
        ),
    ],
)
def test_a_spec_is_a_statement_that_postgres_takes(raw: connection, options: dict[str, Any], sql: str) -> None:
    assert spec(**options).sql() == sql
    with raw.cursor() as cursor:
        cursor.execute("CREATE TABLE docs (tenant int, embedding vector(3)); INSERT INTO docs VALUES (3, '[1,2,3]')")
        cursor.execute(spec(**options).sql())
        cursor.execute(spec(**options | {"name": "another"}).sql(concurrently=True))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "hsnw"}, "no index method 'hsnw'"),
        ({"form": "bits"}, "no index form 'bits'"),
        ({"m": 1}, "m = 1: pgvector takes 2 to 100"),
        ({"m": 40}, "ef_construction = 64 is less than twice m = 40"),
        ({"metric": "hamming"}, "no metric 'hamming' for a vector column"),
        ({"metric": "l1", "method": "ivfflat"}, "no operator class for l1"),
        ({"type": "sparsevec", "method": "ivfflat"}, "no operator class for sparsevec"),
        ({"type": "bit", "form": "halfvec", "metric": "hamming"}, "indexed as it is"),
        ({"dimensions": 2001}, "takes 2,000 dimensions, and this has 2,001"),
        ({"form": "subvector", "kept": 3}, "keeps 1 to 2"),
        ({"where": "true); DROP TABLE docs; --"}, "closes nothing"),
        ({"where": "tenant = :t"}, ":t cannot be bound"),
    ],
)
def test_what_pgvector_would_refuse_is_refused_before(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spec(**options)


@pytest.mark.parametrize(
    ("kind", "dimensions", "options"),
    [
        ("vector", 3, {"m": 4, "ef_construction": 40}),
        ("vector", 128, {}),
        ("vector", 949, {"m": 8}),
        ("halfvec", 100, {"m": 32, "ef_construction": 64}),
        ("bit", 256, {"metric": "hamming", "m": 24}),
        ("vector", 96, {"form": "halfvec"}),
        ("vector", 256, {"form": "binary", "metric": "hamming"}),
        ("vector", 128, {"method": "ivfflat", "lists": 10}),
        ("halfvec", 256, {"method": "ivfflat", "lists": 4}),
    ],
)
def test_a_predicted_size_is_that_of_the_index(
    raw: connection, kind: str, dimensions: int, options: dict[str, Any]
) -> None:
    made = spec(dimensions, type=kind, name="made", **options)
    with raw.cursor() as cursor:
        cursor.execute(f"CREATE TABLE docs (embedding {kind}({dimensions}))")
        value = (BITS if kind == "bit" else NUMBERS).format(d=dimensions, t=kind)
        cursor.execute(f"INSERT INTO docs SELECT {value} FROM generate_series(1, 2000) AS g(i)")
        cursor.execute(made.sql())
        cursor.execute("SELECT pg_relation_size('made')")
        (real,) = cursor.fetchone() or (0,)
    assert index_bytes(made, 2000) == pytest.approx(real, rel=0.015)


def test_the_staircase() -> None:
    steps = [per_page(spec(d)) for d in (182, 183, 438, 439, 608, 609, 948, 949, 1968, 1969)]
    assert steps == [8, 7, 4, 3, 3, 2, 2, 1, 1, 0.5]
    assert index_bytes(spec(949), 100_000) == pytest.approx(2 * index_bytes(spec(900), 100_000), rel=0.01)
    assert index_bytes(spec(1536), 1_000_000) / MIB == pytest.approx(7_813, rel=0.01)


@pytest.mark.parametrize(("workers", "kib"), [(0, 2048), (0, 2500), (2, 6144)])
def test_a_build_leaves_its_memory_at_the_row_that_was_predicted(raw: connection, workers: int, kib: int) -> None:
    made, memory = spec(64, m=4, ef_construction=8), kib * 1024
    with raw.cursor() as cursor:
        cursor.execute("CREATE TABLE docs (embedding vector(64)) WITH (parallel_workers = 2)")
        value = NUMBERS.format(d=64, t="vector")
        cursor.execute(f"INSERT INTO docs SELECT {value} FROM generate_series(1, 5000) AS g(i)")
        cursor.execute(f"SET maintenance_work_mem = '{kib}kB'; SET max_parallel_maintenance_workers = {workers}")
        cursor.execute(made.sql())
    said = next(notice for notice in raw.notices if "no longer fits" in notice)
    after = int(said.partition("after ")[2].split()[0])
    assert fitting_rows(made, memory, workers=workers) == pytest.approx(after, rel=0.01)
    assert build_memory(made, int(after * 0.98), workers=workers) <= memory
    assert build_memory(made, int(after * 1.02), workers=workers) > memory


@pytest.mark.parametrize(
    ("kind", "dimensions", "rows", "lists", "metric"),
    [
        ("vector", 16, 12_000, 100, "l2"),
        ("vector", 600, 1_000, 50, "cosine"),
        ("halfvec", 32, 11_000, 200, "l2"),
        ("bit", 512, 2_000, 50, "hamming"),
    ],
)
def test_ivfflat_requires_the_memory_that_was_predicted(
    raw: connection, kind: str, dimensions: int, rows: int, lists: int, metric: str
) -> None:
    made = spec(dimensions, type=kind, metric=metric, method="ivfflat", lists=lists)
    with raw.cursor() as cursor:
        cursor.execute(f"CREATE TABLE docs (embedding {kind}({dimensions}))")
        value = (BITS if kind == "bit" else NUMBERS).format(d=dimensions, t=kind)
        cursor.execute(f"INSERT INTO docs SELECT {value} FROM generate_series(1, {rows}) AS g(i)")
        cursor.execute("SELECT pg_relation_size('docs') / 8192")
        (pages,) = cursor.fetchone() or (0,)
        needed = build_memory(made, rows, pages=pages)
        cursor.execute(f"SET maintenance_work_mem = '{needed // 1024 - 1}kB'")
        with pytest.raises(psycopg2.Error, match=f"memory required is {needed // MIB + 1} MB"):
            cursor.execute(made.sql())
        cursor.execute(f"SET maintenance_work_mem = '{needed // 1024 + 4}kB'")
        cursor.execute(made.sql())
