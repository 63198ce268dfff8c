from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection

from pgvec_magic.errors import UsageError
from pgvec_magic.index import IndexSpec, build_memory, fitting_rows, index_bytes, per_page
from pgvec_magic.index.memory import HNSW_MARGIN

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
            " WITH (m = 8) WHERE tenant = 3",
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
        ("halfvec", 100, {"m": 32}),
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
        cursor.execute(f"INSERT INTO docs SELECT {value} FROM generate_series(1, 3000) AS g(i)")
        cursor.execute(made.sql())
        cursor.execute("SELECT pg_relation_size('made')")
        (real,) = cursor.fetchone() or (0,)
    assert index_bytes(made, 3000) == pytest.approx(real, rel=0.015)


def test_the_staircase() -> None:
    steps = [per_page(spec(d)) for d in (182, 183, 438, 439, 608, 609, 948, 949, 1968, 1969)]
    assert steps == [8, 7, 4, 3, 3, 2, 2, 1, 1, 0.5]
    assert index_bytes(spec(949), 100_000) == pytest.approx(2 * index_bytes(spec(900), 100_000), rel=0.01)
    assert index_bytes(spec(1536), 1_000_000) / MIB == pytest.approx(7_813, rel=0.01)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_build_leaves_its_memory_at_the_row_that_was_predicted(raw: connection, workers: int) -> None:
    made, memory = spec(64), 8 * MIB
    with raw.cursor() as cursor:
        cursor.execute("CREATE TABLE docs (embedding vector(64)) WITH (parallel_workers = 2)")
        value = NUMBERS.format(d=64, t="vector")
        cursor.execute(f"INSERT INTO docs SELECT {value} FROM generate_series(1, 14000) AS g(i)")
        cursor.execute(f"SET maintenance_work_mem = '{memory // 1024}kB'")
        cursor.execute(f"SET max_parallel_maintenance_workers = {workers}; SET min_parallel_table_scan_size = 0")
        raw.notices.clear()
        cursor.execute(made.sql())
    said = next(notice for notice in raw.notices if "no longer fits" in notice)
    after = int(said.partition("after ")[2].split()[0])
    assert fitting_rows(made, memory, workers=workers) == pytest.approx(after, rel=0.01)
    needed = build_memory(made, after, workers=workers)
    assert needed == pytest.approx(memory, rel=0.01)
    assert workers == 0 or needed > HNSW_MARGIN
