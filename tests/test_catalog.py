from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.catalog import TableInfo, TextSource, VectorColumn
from pgvec_magic.catalog import read as reading
from pgvec_magic.db import Database, connect
from pgvec_magic.errors import QueryError, UsageError
from pgvec_magic.query import Query

DOCS = """
CREATE TABLE docs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title varchar(80), content text, price numeric(9, 2),
  embedding vector(3) NOT NULL, fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);
INSERT INTO docs (title, content, embedding)
  SELECT 't' || i, 'text number ' || i, '[1,2,3]' FROM generate_series(1, 100) i;
CREATE INDEX docs_fts ON docs USING gin (fts);
CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_l2_ops) WITH (m = 8);
CREATE INDEX docs_flat ON docs USING ivfflat (embedding vector_ip_ops) WITH (lists = 7) WHERE id > 3;
CREATE INDEX docs_half ON docs USING hnsw ((embedding::halfvec(3)) halfvec_l2_ops);
"""


@pytest.fixture
def sent(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL of every message of the connection from now on."""
    found: list[str] = []
    run = db.run
    monkeypatch.setattr(db, "run", lambda query: (found.append(query.sql), run(query))[1])
    return found


def test_a_table_as_it_is(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        DOCS + "COMMENT ON COLUMN docs.embedding IS 'made by me\npgvec: embedder=wordllama\nlast week'"
    )
    info = catalog.table(db, "docs")
    assert (info.schema, info.name, info.kind, info.sql_name, info.label) == ("public", "docs", "table", "docs", "docs")
    assert [(column.name, column.type, column.nullable) for column in info.columns] == [
        ("id", "bigint", False),
        ("title", "character varying", True),
        ("content", "text", True),
        ("price", "numeric", True),
        ("embedding", "vector", False),
        ("fts", "tsvector", True),
    ]
    assert info.vectors == (VectorColumn("embedding", "vector", 3, False, "wordllama"),)
    assert info.key == ("id",)
    assert info.texts == (
        TextSource("fts", "english", True),
        TextSource("to_tsvector('english', content)", "english", False),
    )
    assert info.text_column == "content"
    flat, half, hnsw = info.indexes
    assert (hnsw.column, hnsw.method, hnsw.metric, hnsw.options, hnsw.where) == (
        "embedding",
        "hnsw",
        "l2",
        ("m=8",),
        None,
    )
    assert (flat.method, flat.metric, flat.lists, flat.where) == ("ivfflat", "ip", 7, "(id > 3)")
    assert (half.column, half.form, half.dimensions, half.metric, half.valid) == ("embedding", "halfvec", 3, "l2", True)
    assert hnsw.lists == 100
    assert hnsw.definition.startswith("CREATE INDEX docs_hnsw ON public.docs USING hnsw")
    assert hnsw.bytes >= 8192
    assert info.bytes > sum(index.bytes for index in info.indexes)


def test_rows_are_estimated_as_the_planner_does_and_unknown_when_nobody_counted(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "CREATE TABLE t (id int, embedding vector(2)) WITH (autovacuum_enabled = off);"
        "CREATE TABLE p (id int, embedding vector(2)) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000) WITH (autovacuum_enabled = off);"
        "CREATE VIEW v AS SELECT * FROM t"
    )

    def rows() -> list[int | None]:
        catalog.forget(db)
        return [catalog.table(db, name).rows for name in ("t", "p", "v")]

    assert rows() == [None, None, None]
    fill = "INSERT INTO {} SELECT i, '[1,2]' FROM generate_series(1, 3000) AS i"
    cursor.execute(fill.format("t") + ";" + fill.format("p"))
    assert rows() == [None, None, None]
    cursor.execute("ANALYZE t; ANALYZE p")
    assert rows() == [3000, 3000, None]
    cursor.execute(fill.format("t") + ";" + fill.format("p"))
    grown = rows()
    assert grown[2] is None
    assert all(count is not None and 5800 < count < 6200 for count in grown[:2])
    cursor.execute("TRUNCATE t; ANALYZE t")
    assert rows()[0] == 0
    raw.cursor().execute("INSERT INTO t VALUES (1, '[1,2]')")
    assert rows()[0] is None


@pytest.mark.parametrize(
    ("ddl", "kind", "key"),
    [
        ("CREATE TABLE x (a int, b int, embedding vector(2), PRIMARY KEY (b, a))", "table", ("b", "a")),
        ("CREATE TABLE x (a int, embedding vector(2)); CREATE UNIQUE INDEX ON x (a)", "table", ("ctid",)),
        ("CREATE TABLE x (a int NOT NULL UNIQUE, b text, embedding vector(2))", "table", ("a",)),
        (
            "CREATE TABLE x (a int NOT NULL, b int, embedding vector(2)); CREATE UNIQUE INDEX ON x (a) INCLUDE (b)",
            "table",
            ("a",),
        ),
        ("CREATE TABLE x (a int NOT NULL UNIQUE DEFERRABLE, embedding vector(2))", "table", ("ctid",)),
        (
            "CREATE TABLE x (a int NOT NULL, embedding vector(2)); CREATE UNIQUE INDEX ON x (a) WHERE a > 3",
            "table",
            ("ctid",),
        ),
        (
            "CREATE TABLE x (a int NOT NULL, embedding vector(2)); CREATE UNIQUE INDEX ON x ((a + 1))",
            "table",
            ("ctid",),
        ),
        (
            "CREATE TABLE x (a int NOT NULL, b int NOT NULL UNIQUE, c int UNIQUE NOT NULL, embedding vector(2));"
            "CREATE UNIQUE INDEX ON x (a, b)",
            "table",
            ("b",),
        ),
        ("CREATE UNLOGGED TABLE x (embedding vector(2))", "table", ("ctid",)),
        (
            "CREATE TABLE x (a int PRIMARY KEY, embedding vector(2)); CREATE TABLE y () INHERITS (x)",
            "table",
            ("tableoid", "ctid"),
        ),
        ("CREATE TABLE x (a int PRIMARY KEY, embedding vector(2)) PARTITION BY HASH (a)", "partitioned table", ("a",)),
        (
            "CREATE TABLE x (a int, embedding vector(2)) PARTITION BY HASH (a)",
            "partitioned table",
            ("tableoid", "ctid"),
        ),
        ("CREATE TABLE t (a int PRIMARY KEY, embedding vector(2)); CREATE VIEW x AS SELECT * FROM t", "view", ()),
        (
            "CREATE TABLE t (a int PRIMARY KEY, embedding vector(2)); CREATE MATERIALIZED VIEW x AS SELECT * FROM t",
            "materialized view",
            ("ctid",),
        ),
    ],
)
def test_what_tells_rows_apart(raw: connection, db: Database, ddl: str, kind: str, key: tuple[str, ...]) -> None:
    raw.cursor().execute(ddl)
    info = catalog.table(db, "x")
    assert (info.kind, info.key) == (kind, key)
    assert "x" in [found.name for found in catalog.tables(db)]


def test_names_are_matched_exactly_qualified_or_not(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        'CREATE SCHEMA other; CREATE SCHEMA "a.b"; CREATE TABLE other.docs (id int, embedding vector(1));'
        'CREATE TABLE docs (id int, embedding vector(2)); CREATE TABLE "a.b"."c.d" (id int, embedding vector(3));'
        'CREATE TABLE "Docs ""%"" :x" (id int, embedding vector(4)); CREATE TABLE plain (id int);'
        "CREATE TABLE parts (id int, embedding vector(5)) PARTITION BY HASH (id);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    )

    def dimensions(name: str) -> int | None:
        return catalog.table(db, name).vectors[0].dimensions

    assert [dimensions(name) for name in ("other.docs", "docs", "public.docs", "a.b.c.d")] == [1, 2, 2, 3]
    assert dimensions('Docs "%" :x') == 4
    assert dimensions("part") == dimensions("parts") == 5
    assert catalog.table(db, "other.docs").sql_name == "other.docs"
    assert catalog.table(db, "a.b.c.d").sql_name == '"a.b"."c.d"'
    assert catalog.table(db, "a.b.c.d").label == "a.b.c.d"
    assert catalog.table(db, "plain").vectors == ()
    assert {info.label for info in catalog.tables(db)} == {"docs", "other.docs", "a.b.c.d", 'Docs "%" :x', "parts"}
    with pytest.raises(UsageError) as caught:
        catalog.table(db, "dcs")
    assert (caught.value.message, caught.value.hint) == ("no table 'dcs' in test", "did you mean 'docs'?")
    for name in ("DOCS", "pg_class", "information_schema.tables", "c.d", "", "other.", "%", "docs; DROP TABLE docs"):
        with pytest.raises(UsageError, match="no table"):
            catalog.table(db, name)


def test_an_empty_database_says_what_to_do(db: Database) -> None:
    assert catalog.tables(db) == ()
    with pytest.raises(UsageError, match="%vload TABLE SOURCE makes one"):
        catalog.table(db, "docs")


def test_an_invalid_index_and_one_on_partitions(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "CREATE TABLE parts (id int, embedding vector(2)) PARTITION BY HASH (id);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO parts SELECT i, '[1,2]' FROM generate_series(1, 50) i;"
        "CREATE INDEX whole ON parts USING hnsw (embedding vector_l2_ops);"
        "CREATE INDEX waiting ON ONLY parts USING hnsw (embedding vector_ip_ops)"
    )
    waiting, whole = catalog.table(db, "parts").indexes
    assert (whole.valid, waiting.valid) == (True, False)
    assert whole.bytes >= 8192
    assert catalog.table(db, "parts").bytes > whole.bytes


def test_the_text_column_is_the_likeliest(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "CREATE TABLE a (name text, BODY text, content_type text); CREATE TABLE b (x varchar, y char(200), z int);"
        "INSERT INTO b SELECT 'a', 'a much longer text', i FROM generate_series(1, 9) i; ANALYZE b;"
        "CREATE TABLE c (text text PRIMARY KEY, other text); CREATE TABLE d (id int);"
    )
    assert [catalog.table(db, name).text_column for name in "abcd"] == ["body", "y", "other", None]
    assert catalog.table(db, "d").texts == ()
    with pytest.raises(UsageError, match="d has no text column"):
        catalog.table(db, "d").plain_text("english")


def test_the_language_is_that_of_the_database_where_nothing_else_says_it(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "CREATE TABLE t (id int, body text, made tsvector, fts tsvector GENERATED ALWAYS AS"
        " (setweight(to_tsvector('french'::regconfig, coalesce(body, '')), 'A')) STORED)"
    )
    db.run(Query("SET default_text_search_config = 'pg_catalog.german'"))
    assert [(text.expression, text.language) for text in catalog.table(db, "t").texts] == [
        ("made", "german"),
        ("fts", "french"),
        ("to_tsvector('german', body)", "german"),
    ]


# --- what is remembered, and until when -------------------------------------------------------------------------------


def test_a_table_is_read_once_and_again_after_a_while(
    raw: connection, db: Database, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.cursor().execute(DOCS)
    first = catalog.table(db, "docs")
    assert catalog.table(db, "docs") is first
    assert len(sent) == 1
    raw.cursor().execute("CREATE INDEX another ON docs USING hnsw (embedding vector_l1_ops)")
    assert len(catalog.table(db, "docs").indexes) == 3
    monkeypatch.setattr(reading, "FRESH_SECONDS", 0.0)
    assert len(catalog.table(db, "docs").indexes) == 4
    assert len(sent) == 2


def test_what_changed_is_told_from_what_is_as_it_was(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(DOCS)
    catalog.table(db, "docs")
    assert not catalog.changed(db, "docs")
    cursor.execute(
        "INSERT INTO docs (content, embedding) SELECT 'x', '[1,2,3]' FROM generate_series(1, 500); ANALYZE docs"
    )
    assert not catalog.changed(db, "docs")
    for ddl in (
        "ALTER TABLE docs RENAME title TO heading",
        "ALTER TABLE docs ADD note text",
        "ALTER TABLE docs DROP price",
        "DROP INDEX docs_hnsw",
        "CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_l2_ops)",
        "ALTER TABLE docs ALTER note TYPE varchar(5)",
        "ALTER TABLE docs ALTER embedding DROP NOT NULL",
        "COMMENT ON COLUMN docs.embedding IS 'pgvec: embedder=x'",
    ):
        cursor.execute(ddl)
        assert catalog.changed(db, "docs"), ddl
        assert not catalog.changed(db, "docs")
    cursor.execute("DROP TABLE docs")
    with pytest.raises(UsageError, match="no table 'docs'"):
        catalog.changed(db, "docs")


def test_capabilities(raw: connection, db: Database, sent: list[str]) -> None:
    able = catalog.capabilities(db)
    assert able.server == raw.info.server_version
    assert able.server_version == f"{able.server // 10000}.{able.server % 10000}"
    assert able.vector is not None
    assert able.vector >= (0, 8)
    assert able.vector_version.startswith("0.")
    assert {"english", "simple", "german"} <= set(able.languages)
    assert able.in_force["hnsw.ef_search"] == "40"
    assert able.in_force["ivfflat.probes"] == "1"
    assert "citus.propagate_set_commands" not in able.in_force
    assert len(sent) == 3
    catalog.capabilities(db)
    assert len(sent) == 3


def test_an_extension_that_somebody_creates_is_noticed(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute("DROP EXTENSION vector")
    assert catalog.capabilities(db).vector is None
    assert catalog.capabilities(db).vector_version == "not installed"
    cursor.execute('CREATE SCHEMA "x %"; CREATE EXTENSION vector SCHEMA "x %"')
    assert catalog.capabilities(db).vector is not None
    cursor.execute('CREATE TABLE docs (id int, embedding "x %".vector(2))')
    info = catalog.table(db, "docs")
    assert info.extension_schema == "x %"
    assert info.columns[1].type == "vector"


def test_the_estimate_is_the_planners(raw: connection, db: Database, sent: list[str]) -> None:
    raw.cursor().execute(DOCS + "ANALYZE docs")
    assert catalog.matching_rows(db, "docs", ["id <= :n -- some"], {"n": 10}) in (9, 10)
    assert catalog.matching_rows(db, "docs", ["id <= 10", "title LIKE '%'"], {}) in (9, 10)
    assert len(sent) == 2
    with pytest.raises(QueryError):
        catalog.matching_rows(db, "docs", ["nosuch = 1"], {})


# --- the model of a column --------------------------------------------------------------------------------------------


def comment(raw: connection) -> Any:
    cursor = raw.cursor()
    cursor.execute("SELECT col_description('docs'::regclass, 5)")
    return cursor.fetchone()[0]


def model(db: Database) -> str | None:
    return catalog.table(db, "docs").vectors[0].embedder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "pgvec: embedder=m2"),
        ("it's 100% mine", "it's 100% mine\npgvec: embedder=m2"),
        ("pgvec: embedder=m1", "pgvec: embedder=m2"),
        ("a\npgvec: embedder=m1\nb \\ c", "a\npgvec: embedder=m2\nb \\ c"),
        ("not pgvec: embedder=m1", "not pgvec: embedder=m1\npgvec: embedder=m2"),
    ],
)
def test_a_model_is_one_line_of_the_comment(raw: connection, db: Database, before: str | None, after: str) -> None:
    raw.cursor().execute(DOCS)
    raw.cursor().execute("COMMENT ON COLUMN docs.embedding IS %s", (before,))
    assert catalog.remember_embedder(db, catalog.table(db, "docs"), "embedding", "m2") is None
    assert comment(raw) == after
    assert model(db) == "m2"


def test_who_may_not_comment_has_the_model_remembered_here(raw: connection, db: Database, dsn: str) -> None:
    raw.cursor().execute(DOCS)
    reader = connect(dsn, name="reader", readonly=True)
    statement = catalog.remember_embedder(reader, catalog.table(reader, "docs"), "embedding", "it's:m")
    assert statement == "COMMENT ON COLUMN docs.embedding IS 'pgvec: embedder=it''s:m'"
    assert comment(raw) is None
    assert model(reader) == "it's:m"
    catalog.forget(reader)
    assert model(reader) == catalog.tables(reader)[0].vectors[0].embedder == "it's:m"
    assert model(db) is None
    raw.cursor().execute(statement)
    catalog.forget(db)
    assert model(db) == "it's:m"


def test_what_was_told_here_gives_way_to_what_the_database_remembers(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(DOCS + "CREATE ROLE pgvec_test_guest; GRANT SELECT ON docs TO pgvec_test_guest")
    try:
        db.run(Query("SET ROLE pgvec_test_guest"))
        assert catalog.remember_embedder(db, catalog.table(db, "docs"), "embedding", "m1") is not None
        assert model(db) == "m1"
        db.run(Query("RESET ROLE"))
        assert catalog.remember_embedder(db, catalog.table(db, "docs"), "embedding", "m2") is None
        assert model(db) == "m2"
    finally:
        db.run(Query("RESET ROLE"))
        cursor.execute("DROP OWNED BY pgvec_test_guest; DROP ROLE pgvec_test_guest")


def test_a_failure_to_comment_that_is_no_lack_of_rights_is_raised(raw: connection, db: Database) -> None:
    raw.cursor().execute(DOCS)
    info = catalog.table(db, "docs")
    raw.cursor().execute("ALTER TABLE docs RENAME embedding TO e")
    with pytest.raises(QueryError) as caught:
        catalog.remember_embedder(db, info, "embedding", "m")
    assert caught.value.sqlstate == "42703"


# --- who may see what, and how fast -----------------------------------------------------------------------------------


def test_only_tables_that_may_be_read_are_listed(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        DOCS
        + "CREATE SCHEMA closed; CREATE TABLE closed.a (id int, embedding vector(2)); CREATE TABLE b (LIKE closed.a);"
        "CREATE TABLE c (LIKE b); CREATE ROLE pgvec_test_guest; GRANT SELECT ON closed.a, b TO pgvec_test_guest;"
        "GRANT SELECT (embedding) ON c TO pgvec_test_guest"
    )
    cursor.execute("CREATE TEMP TABLE theirs (id int, embedding vector(2))")
    try:
        assert {info.label for info in catalog.tables(db)} == {"docs", "closed.a", "b", "c"}
        db.run(Query("SET ROLE pgvec_test_guest"))
        assert {info.label for info in catalog.tables(db)} == {"b", "c"}
    finally:
        db.run(Query("RESET ROLE"))
        cursor.execute("DROP OWNED BY pgvec_test_guest; DROP ROLE pgvec_test_guest")


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """The median time of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def test_five_hundred_tables_are_read_quickly(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        DOCS + "DO $$ BEGIN FOR i IN 1..500 LOOP"
        " EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, title text, body text, embedding vector(3))', i);"
        " END LOOP; END $$; ANALYZE docs"
    )

    def read() -> TableInfo:
        catalog.forget(db)
        return catalog.table(db, "docs")

    assert len(catalog.tables(db)) == 501
    table, tables = best(read), best(lambda: catalog.tables(db), 3)
    print(f"table {table * 1000:.1f} ms, 501 tables {tables * 1000:.0f} ms")
    assert table < 0.05  # 5 ms on a machine that does nothing else
    assert tables < 2.0


def test_a_table_that_somebody_has_locked_is_named_with_who_has_it(db: Database, raw: connection, dsn: str) -> None:
    raw.cursor().execute("CREATE TABLE docs (id int PRIMARY KEY, embedding vector(3))")
    other = psycopg2.connect(dsn)
    other.cursor().execute("LOCK TABLE docs IN ACCESS EXCLUSIVE MODE")
    try:
        for look in (lambda: catalog.table(db, "docs"), lambda: catalog.tables(db)):
            with pytest.raises(
                QueryError, match=f"docs is locked by process {other.info.backend_pid} of role"
            ) as caught:
                look()
            stop = f"wait until it is let go, or stop it: SELECT pg_terminate_backend({other.info.backend_pid})"
            assert caught.value.hint == stop
    finally:
        other.close()
    assert catalog.table(db, "docs").vectors
