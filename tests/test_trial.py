"""The kinds of index side by side on a copy: what is measured, what is said, and that nothing of it is left."""

from __future__ import annotations

import _thread
import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from psycopg2.extensions import connection
from test_db_link import pooled
from test_faults import eventually

from pgvec_magic.db import Database, connect
from pgvec_magic.errors import PgvecError, UsageError
from pgvec_magic.query import Query
from pgvec_magic.recall import Point
from pgvec_magic.trial import Outcome, Trial, trial

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["pooled"]  # a fixture
ROWS = 1_300
VECTOR = "(SELECT array_agg(random() - 0.5 + x * 0) FROM generate_series(1, 16) AS x WHERE i > 0)::vector(16)"
LEFT = "SELECT count(*) FROM pg_class WHERE relname LIKE 'pgvec_trial%'"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def fill(db: Database, rows: int = ROWS, vector: str = VECTOR, kind: str = "vector(16)") -> None:
    db.run(Query(f"CREATE TABLE docs (id int PRIMARY KEY, tenant int, embedding {kind})"))
    db.run(Query(f"INSERT INTO docs SELECT i, i %% 3, {vector} FROM generate_series(1, {rows}) AS i"))
    db.run(Query("ANALYZE docs"))


@pytest.fixture
def docs(db: Database) -> Database:
    fill(db)
    return db


def ask(raw: connection, statement: str) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return (cursor.fetchone() or (None,))[0]


def named(found: Trial, name: str) -> Outcome:
    return next(each for each in found.outcomes if each.name == name)


def test_both_kinds_are_built_searched_filled_up_and_rebuilt(docs: Database, raw: connection) -> None:
    before = ask(raw, OTHERS)
    told: list[str] = []
    found = trial(docs, "docs", sample=900, queries=40, progress=told.append)
    graph, lists = named(found, "HNSW"), named(found, "IVFFlat")
    assert (found.rows, found.of, found.queries) == (900, ROWS, 40)
    for each in (graph, lists):
        assert each.build_seconds > 0
        assert each.bytes > 8192
        assert each.memory > 0
        assert each.today in each.points
        assert each.lowest
        assert each.lowest.recall >= 0.95
        for later in (each.grown, each.rebuilt):
            assert (later.setting, later.value) == (each.today.setting, each.today.value)
            assert 0 < later.recall <= 1
            assert 0 < later.p50 <= later.p95
    assert graph.today.name == "ef_search = 40"
    assert lists.spec.lists == 24  # the root of the 600 rows that it was built of
    assert lists.today.name == "probes = 4"
    recalls = [point.recall for point in lists.points]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.5 < recalls[-1]
    assert 0 < found.exact < 1
    assert "HNSW: building of 600 rows" in told
    assert any(line.startswith("IVFFlat rebuilt: ") for line in told)
    eventually(lambda: ask(raw, OTHERS) == before and ask(raw, LEFT) == 0)
    assert ask(raw, INDEXES) == 1


INDEXES = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass"


def test_it_shows_itself_as_the_well_known_table(docs: Database) -> None:
    found = trial(docs, "docs", metric="l2", sample=600, queries=30)
    shown = found._repr_mimebundle_()
    for word in ("HNSW", "IVFFlat", "none: exact", "a copy of 600 of 1,300 rows", "docs.embedding (l2)"):
        assert word in shown["text/html"]
    assert "built of 400 rows by one process; then the other 200 came" in " ".join(shown["text/plain"].split())
    assert list(found.df.columns)[:3] == ["build", "memory", "bytes"]
    assert next(iter(found.df.index)) == "HNSW"
    figure = found.figure()
    assert "image/svg+xml" in figure._repr_mimebundle_()
    assert figure.layout.title.text.startswith("recall@10 of docs: 30 queries on a copy of 400 rows")


def test_a_setting_that_finds_little_is_seen_to(docs: Database) -> None:
    docs.run(Query("ALTER ROLE current_user SET hnsw.ef_search = 1"))
    try:
        with contextlib.closing(docs.clone()) as throttled:
            found = trial(throttled, "docs", sample=600, queries=30)
    finally:
        docs.run(Query("ALTER ROLE current_user RESET hnsw.ef_search"))
    graph = named(found, "HNSW")
    assert graph.points[-1].recall > 0.95
    assert graph.today.value in (1, 10)


def point(value: int, recall: float, p50: float, setting: str = "ef_search") -> Point:
    return Point("i", setting, value, recall, recall, recall, recall, recall, 0.0, p50, p50, None)


def outcome(name: str, build: float, *points: Point) -> Outcome:
    spec: Any = None
    first = points[0]
    return Outcome(name, spec, build, 1, 1, points, first, first, 0.0, first, 0.0)


def compared(*outcomes: Outcome, exact: float = 0.1) -> Trial:
    return Trial("docs", "embedding", "cosine", 10, 900, 900, 40, exact, outcomes, 1.0)


def test_what_to_take_is_the_fastest_that_finds_enough() -> None:
    graph = outcome("HNSW", 9.0, point(10, 0.8, 0.001), point(40, 0.96, 0.002))
    lists = outcome("IVFFlat", 1.0, point(1, 0.4, 0.001, "probes"), point(8, 0.97, 0.008, "probes"))
    assert compared(graph, lists).best is graph
    assert compared(graph, lists).verdict == (
        "take HNSW: recall 0.960 in 2.00 ms with ef_search = 40 (an exact search takes 100.00 ms);"
        " IVFFlat takes 8.00 ms for that with probes = 8 (built in 1 s, not 9)"
    )
    near = outcome("IVFFlat", 1.0, point(8, 0.97, 0.0022, "probes"))
    assert compared(graph, near).best is near
    poor = outcome("IVFFlat", 1.0, point(8, 0.7, 0.0001, "probes"))
    assert "IVFFlat does not reach 0.95" in compared(graph, poor).verdict
    assert compared(poor).verdict == "none reaches recall 0.95; IVFFlat comes nearest: 0.700 with probes = 8"
    assert compared(graph, lists, exact=0.002).verdict.startswith(
        "take none: an exact search takes 2.00 ms on these rows, HNSW 2.00 ms with ef_search = 40; IVFFlat"
    )


def test_a_copy_of_all_rows_asks_for_no_larger_one() -> None:
    graph = outcome("HNSW", 9.0, point(40, 0.96, 0.002))
    assert "--sample" in repr(replace(compared(graph), of=2_000))
    assert "--sample" not in repr(replace(compared(graph), of=940))  # 900, and 40 that are asked about


@pytest.mark.parametrize(
    ("kind", "vector", "expected"),
    [
        ("halfvec(16)", f"{VECTOR}::halfvec(16)", ["HNSW", "IVFFlat"]),
        ("bit(64)", "(i * 2654435761 * 40503)::bit(64)", ["HNSW", "IVFFlat"]),
        ("sparsevec(16)", f"{VECTOR}::sparsevec(16)", ["HNSW"]),
    ],
)
def test_every_type_is_compared(db: Database, kind: str, vector: str, expected: list[str]) -> None:
    fill(db, 1_000, vector, kind)
    found = trial(db, "docs", sample=450, queries=20)
    assert [each.name for each in found.outcomes] == expected
    assert all(each.points[-1].recall > 0.9 for each in found.outcomes)


def test_names_that_need_quotes_rows_without_vectors_and_vectors_of_zeros(db: Database) -> None:
    for statement in (
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."a %% b" (id int, "the ""vec""" vector(8))',
        'INSERT INTO "My Shop"."a %% b" SELECT i, (SELECT array_agg(random() + x * 0 * i) FROM generate_series(1, 8) x)'
        "::vector(8) FROM generate_series(1, 700) AS i",
        'INSERT INTO "My Shop"."a %% b" SELECT i, NULL FROM generate_series(1, 300) AS i',
        'INSERT INTO "My Shop"."a %% b" SELECT i, \'[0,0,0,0,0,0,0,0]\' FROM generate_series(1, 300) AS i',
    ):
        db.run(Query(statement))
    found = trial(db, "My Shop.a % b", sample=5_000, queries=50)
    assert found.rows == 650
    assert found.column == 'the "vec"'


def test_pgvector_off_the_search_path_is_named(db: Database) -> None:
    for statement in ("DROP EXTENSION vector", "CREATE SCHEMA ext", "CREATE EXTENSION vector SCHEMA ext"):
        db.run(Query(statement))
    fill(db, 500, VECTOR.replace("::vector", "::ext.vector"), "ext.vector(16)")
    assert [each.name for each in trial(db, "docs", sample=400, queries=20).outcomes] == ["HNSW", "HNSW on halfvec"]


def test_the_magic_shows_it_and_an_interrupt_leaves_nothing(
    ip: InteractiveShell, docs: Database, raw: connection
) -> None:
    ip.run("%load_ext pgvec_magic")
    assert isinstance(ip.run("%vindex compare docs --sample 400 -o kept"), Trial)
    before = ask(raw, OTHERS)
    docs.run(Query(f"INSERT INTO docs SELECT i, 1, {VECTOR} FROM generate_series(10000, 14000) AS i"))
    threading.Timer(1.0, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        ip.run("%vindex compare docs --sample 5000")
    eventually(lambda: ask(raw, OTHERS) == before and ask(raw, LEFT) == 0, 5)
    assert docs.run(Query("SELECT 1")).rows == [(1,)]


# --- what cannot be


def test_too_few_rows_are_not_compared(db: Database) -> None:
    for rows in (0, 5, 200):
        fill(db, rows)
        with pytest.raises(UsageError, match=f"docs has {rows} vectors: of so few indexes cannot be told apart"):
            trial(db, "docs")
        db.run(Query("DROP TABLE docs"))
    fill(db, 700)
    with pytest.raises(UsageError, match="of a sample of 100 rows indexes cannot be told apart\n--sample 300"):
        trial(db, "docs", sample=100)
    db.run(Query("UPDATE docs SET embedding = array_fill(0, ARRAY[16])::vector WHERE id > 50"))
    with pytest.raises(UsageError, match="docs has 700 vectors, 50 of them not zero: of so few"):
        trial(db, "docs")


def test_a_column_of_vectors_may_be_called_id(db: Database) -> None:
    db.run(Query("CREATE TABLE docs (id bit(64))"))
    db.run(Query("INSERT INTO docs SELECT (i * 2654435761 * 40503)::bit(64) FROM generate_series(1, 700) AS i"))
    assert [each.name for each in trial(db, "docs", sample=400, queries=10).outcomes] == ["HNSW"]


def test_a_table_that_cannot_be_compared_says_why(docs: Database, dsn: str) -> None:
    docs.run(Query("CREATE VIEW seen AS SELECT * FROM docs"))
    docs.run(Query("CREATE TABLE loose (embedding vector)"))
    for table, said in (("seen", "is a view"), ("loose", "has no dimensions"), ("nothing", "no table")):
        with pytest.raises(UsageError, match=said):
            trial(docs, table)
    for options, said in (({"sample": 0}, "sample = 0: it is"), ({"k": 1.5}, "k = 1.5: it is")):
        with pytest.raises(UsageError, match=said):
            trial(docs, "docs", **options)  # type: ignore[arg-type]
    reading = connect(dsn, name="reader", readonly=True)
    with contextlib.closing(reading) as reader, pytest.raises(UsageError, match="read-only"):
        trial(reader, "docs")


def test_without_the_right_to_temporary_tables_it_says_which_is_missing(docs: Database, dsn: str) -> None:
    for statement in (
        "DROP ROLE IF EXISTS pgvec_poor",
        "CREATE ROLE pgvec_poor",
        "GRANT SELECT ON docs TO pgvec_poor",
        f"REVOKE TEMPORARY ON DATABASE {docs.place.database} FROM PUBLIC",
    ):
        docs.run(Query(statement))
    try:
        poor = connect(dsn, name="poor", role="pgvec_poor")
        denied = pytest.raises(UsageError, match="no copy can be made here: permission denied")
        with contextlib.closing(poor), denied as refused:
            trial(poor, "docs")
        assert f"GRANT TEMPORARY ON DATABASE {docs.place.database} TO pgvec_poor" in str(refused.value.hint)
        docs.run(Query(f"GRANT TEMPORARY ON DATABASE {docs.place.database} TO pgvec_poor"))
        with contextlib.closing(connect(dsn, name="poor", role="pgvec_poor")) as poor:
            assert trial(poor, "docs", sample=400, queries=20).outcomes
    finally:
        docs.run(Query(f"GRANT TEMPORARY ON DATABASE {docs.place.database} TO PUBLIC"))
        docs.run(Query("DROP OWNED BY pgvec_poor"))
        docs.run(Query("DROP ROLE pgvec_poor"))


@pytest.mark.needs("pgbouncer")
def test_a_pooler_in_between_is_refused(docs: Database, pooled: str) -> None:
    with contextlib.closing(connect(pooled, name="pooled")) as behind, pytest.raises(PgvecError, match="pooler"):
        trial(behind, "docs")
