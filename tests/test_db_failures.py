"""Each hint, provoked on a real server; the place of an error; and no message that fills the notebook."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import numpy as np
import pytest
from psycopg2.extensions import connection, make_dsn

from pgvec_magic.db import Database, connect, failures
from pgvec_magic.diagnose.catalogue import rules
from pgvec_magic.errors import QueryError
from pgvec_magic.query import Query

Setting = tuple[str, str]
TABLE = """
CREATE TABLE IF NOT EXISTS t
(id int, v vector(3), h halfvec(3), any_v vector, wide vector(2001), j jsonb, f float8[]);
CREATE OR REPLACE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_sleep(0.1); RETURN 1; END';
TRUNCATE t; INSERT INTO t (id, v, h) VALUES (1, '[1,2,3]', '[1,2,3]')
"""

# What fails, and the SQLSTATE and the hint that it gives; the settings come with the statement.
FAILURES: Mapping[str, tuple[str, str, str, tuple[Setting, ...]]] = {
    "dimensions differ": ("SELECT '[1,2,3]'::vector <-> '[1,2]'", "22000", "another model", ()),
    "halfvec dimensions differ": ("SELECT '[1]'::halfvec <=> '[1,2]'", "22000", "another model", ()),
    "dimensions of the column": ("INSERT INTO t (v) VALUES ('[1,2]')", "22000", "another model", ()),
    "no dimensions": ("CREATE INDEX ON t USING hnsw (any_v vector_l2_ops)", "22023", r"TYPE vector\(n\)", ()),
    "too many dimensions": ("CREATE INDEX ON t USING hnsw (wide vector_l2_ops)", "54000", "halfvec cast", ()),
    "array beside a vector": ("SELECT v <=> ARRAY[1,2,3] FROM t", "42883", "write :name::vector", ()),
    "vector beside an array": ("SELECT ARRAY[1.5] <-> v FROM t", "42883", "write :name::vector", ()),
    "text beside a vector": ("SELECT v <=> 'x'::text FROM t", "42883", "cast one side", ()),
    "a metric that the type lacks": ("SELECT v <~> v FROM t", "42883", "cast one side", ()),
    "pgvector off the search_path": (
        "SELECT v <=> v FROM public.t",
        "42883",
        "search_path",
        (("search_path", "pg_catalog"),),
    ),
    "no such type on the search_path": (
        "SELECT '[1]'::vector",
        "42704",
        "search_path",
        (("search_path", "pg_catalog"),),
    ),
    "neither side typed": ("SELECT '[1]' <=> '[2]'", "42725", "::vector", ()),
    "a class that IVFFlat lacks": ("CREATE INDEX ON t USING ivfflat (v vector_l1_ops)", "42704", "USING hnsw", ()),
    "no syntax of a tsquery": ("SELECT to_tsquery('simple', 'read a csv:')", "42601", "websearch_to_tsquery", ()),
    "a deep tsquery": ("SELECT (repeat('!', 2000) || 'a')::tsquery", "XX000", "fewer words", ()),
    "a long tsquery": (
        "SELECT (SELECT string_agg('w' || i, ' & ') FROM generate_series(1, 60000) i)::tsquery",
        "54001",
        "fewer words",
        (),
    ),
    "a text too long for a tsquery": (
        "SELECT websearch_to_tsquery('simple', (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 200000) i))",
        "54000",
        "fewer words",
        (),
    ),
    "a build that takes too long": (
        "CREATE UNIQUE INDEX ON t (slow(id))",
        "57014",
        "statement_timeout = 0",
        (("statement_timeout", "20"),),
    ),
    "no default operator class": ("CREATE INDEX ON t USING hnsw (v)", "42704", "such as vector_cosine_ops", ()),
    "unknown operator class": ("CREATE INDEX ON t USING hnsw (v vector_cos_ops)", "42704", "TYPE_METRIC_ops", ()),
    "operator class of another type": (
        "CREATE INDEX ON t USING hnsw (h vector_cosine_ops)",
        "42804",
        "TYPE_METRIC_ops",
        (),
    ),
    "two columns": ("CREATE INDEX ON t USING hnsw (v vector_l2_ops, h halfvec_l2_ops)", "0A000", "vector alone", ()),
    "included column": ("CREATE INDEX ON t USING hnsw (v vector_l2_ops) INCLUDE (id)", "0A000", "vector alone", ()),
    "unique": ("CREATE UNIQUE INDEX ON t USING hnsw (v vector_l2_ops)", "0A000", "vector alone", ()),
    "ef_construction": (
        "CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 50, ef_construction = 64)",
        "22023",
        "twice m",
        (),
    ),
    "memory of lists": (
        "CREATE TABLE big AS SELECT ('[' || repeat(n || ',', 1999) || '1]')::vector(2000) AS v"
        " FROM generate_series(1, 60) n; CREATE INDEX ON big USING ivfflat (v vector_l2_ops) WITH (lists = 5000)",
        "54000",
        "fewer lists",
        (("maintenance_work_mem", "'1MB'"),),
    ),
    "shared memory": (
        "ALTER TABLE t SET (parallel_workers = 1); CREATE INDEX ON t USING hnsw (v vector_l2_ops)",
        "53100",
        "/dev/shm",
        (("maintenance_work_mem", "'2000GB'"), ("max_parallel_maintenance_workers", "1")),
    ),
    "NaN": ("SELECT '[NaN]'::vector", "22000", "mend", ()),
    "infinity": ("SELECT '[Infinity]'::halfvec", "22000", "mend", ()),
    "too large for halfvec": ("SELECT '[70000]'::halfvec", "22003", "mend", ()),
    "floats for an array": ("INSERT INTO t (f) VALUES ('[0.5]')", "22P02", "::float8", ()),
    "floats for a sparsevec": ("SELECT '[0.5]'::sparsevec", "22P02", "::vector::sparsevec", ()),
    "array for json": ("INSERT INTO t (j) VALUES (ARRAY['a'])", "42804", "::jsonb", ()),
    "list behind IN": ("SELECT 1 IN (ARRAY[1])", "42883", r"= ANY\(:name\)", ()),
    "list as the operand of IN": ("SELECT 1 IN ARRAY[1]", "42601", r"= ANY\(:name\)", ()),
    "read-only": ("CREATE TABLE u ()", "25006", "without --readonly, or", (("transaction_read_only", "on"),)),
    "statement timeout": ("SELECT pg_sleep(9)", "57014", "--timeout", (("statement_timeout", "20"),)),
    "alone": ("VACUUM t", "25001", "by itself", (("work_mem", "'3MB'"),)),
    "alone in a function": ("SELECT 1; VACUUM t", "25001", "by itself", ()),
    "policy": (
        "CREATE TABLE g (a int); ALTER TABLE g ENABLE ROW LEVEL SECURITY; GRANT INSERT ON g TO pg_monitor;"
        " SET LOCAL ROLE pg_monitor; INSERT INTO g VALUES (1)",
        "42501",
        "--role, --session",
        (),
    ),
    "setting that a policy reads": ("SELECT current_setting('app.tenant')", "42704", "--session NAME=VALUE", ()),
    "no such role": ("SELECT 1", "22023", "pg_roles lists", (("role", "'pgvec_nobody'"),)),
    "a role that is not one's own": (
        "SET LOCAL SESSION AUTHORIZATION pg_monitor; SET LOCAL ROLE pg_read_server_files",
        "42501",
        "must be a member",
        (),
    ),
    "language": ("SELECT to_tsvector('klingon', 'x')", "42704", "pg_ts_config", ()),
    "setting that pgvector lacks": ("SELECT '[1]'::vector; SHOW hnsw.speed", "42704", "no such setting", ()),
    "setting that pgvector reserves": ("SELECT '[1]'::vector; SET hnsw.speed = 1", "42602", "no such setting", ()),
}


@pytest.fixture
def here(module_dsn: str) -> Database:
    """A connection for what fails, and so leaves nothing behind."""
    made = connect(module_dsn, name="here")
    made.run(Query(TABLE))
    return made


@pytest.mark.parametrize(("sql", "code", "hint", "settings"), FAILURES.values(), ids=FAILURES)
def test_a_usual_failure_says_what_to_do(
    here: Database, sql: str, code: str, hint: str, settings: tuple[Setting, ...]
) -> None:
    with pytest.raises(QueryError) as caught:
        here.run(Query(sql, settings=settings))
    assert caught.value.sqlstate == code
    assert f"[SQLSTATE {code}]" in caught.value.message
    assert re.search(hint, caught.value.hint or ""), caught.value
    assert len(str(caught.value)) < 700
    rule = caught.value.rule
    assert rule is None or (rule in rules() and caught.value.hint.endswith(f" ({rule})"))


# What somebody sent who was told of a rule, the settings with it, and what the hint makes of it.
MENDED: Mapping[str, tuple[str, str, tuple[Setting, ...], str, tuple[Setting, ...]]] = {
    "a list beside a vector": (
        "R06",
        "SELECT v <=> ARRAY[1,2,3] FROM t",
        (),
        "SELECT v <=> ARRAY[1,2,3]::vector FROM t",
        (),
    ),
    "a text beside a vector": (
        "R06",
        "SELECT v <=> '[1,2,3]'::text FROM t",
        (),
        "SELECT v <=> '[1,2,3]'::text::vector FROM t",
        (),
    ),
    "two texts": ("R06", "SELECT '[1]' <=> '[2]'", (), "SELECT '[1]'::vector <=> '[2]'", ()),
    "a schema out of sight": (
        "R06",
        "SELECT v <=> v FROM public.t",
        (("search_path", "pg_catalog"),),
        "SELECT v <=> v FROM public.t",
        (("search_path", "public"),),
    ),
    "no class": (
        "R26",
        "CREATE INDEX ON t USING hnsw (v)",
        (),
        "CREATE INDEX ON t USING hnsw (v vector_cosine_ops)",
        (),
    ),
    "a class of another type": (
        "R27",
        "CREATE INDEX ON t USING hnsw (h vector_cosine_ops)",
        (),
        "CREATE INDEX ON t USING hnsw (h halfvec_cosine_ops)",
        (),
    ),
    "a class that IVFFlat lacks": (
        "R27",
        "CREATE INDEX ON t USING ivfflat (v vector_l1_ops)",
        (),
        "CREATE INDEX ON t USING hnsw (v vector_l1_ops)",
        (),
    ),
    "2,001 dimensions as halves": (
        "R28",
        "CREATE INDEX ON t USING hnsw (wide vector_cosine_ops)",
        (),
        "CREATE INDEX ON t USING hnsw ((wide::halfvec(2001)) halfvec_cosine_ops)",
        (),
    ),
    "2,001 dimensions as bits": (
        "R28",
        "CREATE INDEX ON t USING ivfflat (wide vector_l2_ops)",
        (),
        "CREATE INDEX ON t USING hnsw ((binary_quantize(wide)::bit(2001)) bit_hamming_ops)",
        (),
    ),
    "a filter within the index": (
        "R29",
        "CREATE INDEX ON t USING hnsw (v vector_l2_ops, id)",
        (),
        "CREATE INDEX ON t USING hnsw (v vector_l2_ops); CREATE INDEX ON t (id)",
        (),
    ),
    "another model": ("R55", "INSERT INTO t (v) VALUES ('[1,2]')", (), "INSERT INTO t (v) VALUES ('[1,2,3]')", ()),
    "no such type": (
        "R63",
        "SELECT '[1]'::vector",
        (("search_path", "pg_catalog"),),
        "SELECT '[1]'::vector",
        (("search_path", "pg_catalog, public"),),
    ),
    "shared memory": (
        "R71",
        "ALTER TABLE t SET (parallel_workers = 1); CREATE INDEX ON t USING hnsw (v vector_l2_ops)",
        (("maintenance_work_mem", "'2000GB'"), ("max_parallel_maintenance_workers", "1")),
        "ALTER TABLE t SET (parallel_workers = 1); CREATE INDEX ON t USING hnsw (v vector_l2_ops)",
        (("maintenance_work_mem", "'2000GB'"), ("max_parallel_maintenance_workers", "0")),
    ),
    "fewer lists": (
        "R73",
        "CREATE INDEX ON big USING ivfflat (v vector_l2_ops) WITH (lists = 3000)",
        (("maintenance_work_mem", "'8MB'"),),
        "CREATE INDEX ON big USING ivfflat (v vector_l2_ops) WITH (lists = 3)",
        (("maintenance_work_mem", "'8MB'"),),
    ),
    "more memory": (
        "R73",
        "CREATE INDEX ON big USING ivfflat (v vector_l2_ops) WITH (lists = 20)",
        (("maintenance_work_mem", "'1MB'"),),
        "CREATE INDEX ON big USING ivfflat (v vector_l2_ops) WITH (lists = 20)",
        (("maintenance_work_mem", "'64MB'"),),
    ),
    "more time": (
        "R81",
        "CREATE INDEX ON t (slow(id))",
        (("statement_timeout", "20"),),
        "CREATE INDEX ON t (slow(id))",
        (("statement_timeout", "0"),),
    ),
    "what people write": (
        "H05",
        "SELECT to_tsquery('english', replace('how do i read ''csv', ' ', ' | '))",
        (),
        "SELECT websearch_to_tsquery('english', 'how do i read ''csv')",
        (),
    ),
    "too many words": (
        "H07",
        "SELECT (SELECT string_agg('w' || i, ' & ') FROM generate_series(1, 60000) i)::tsquery",
        (),
        "SELECT (SELECT string_agg('w' || i, ' & ') FROM generate_series(1, 200) i)::tsquery",
        (),
    ),
}
BIG = """CREATE TABLE IF NOT EXISTS big AS
SELECT array_fill(n, ARRAY[2000])::vector(2000) AS v FROM generate_series(1, 60) n"""


@pytest.mark.parametrize(("rule", "sql", "settings", "mended", "mended_settings"), MENDED.values(), ids=MENDED)
def test_what_the_hint_says_works(
    here: Database,
    rule: str,
    sql: str,
    settings: tuple[Setting, ...],
    mended: str,
    mended_settings: tuple[Setting, ...],
) -> None:
    here.run(Query(BIG))
    with pytest.raises(QueryError) as caught:
        here.run(Query(sql, settings=settings))
    assert caught.value.rule == rule
    here.rehearse([Query(mended, settings=mended_settings)])


@pytest.mark.parametrize(
    ("message", "statement", "rule"),
    [
        (
            "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n"
            "\tbefore or while processing the request.\n",
            "create unique index CONCURRENTLY ON t (id)",
            "R72",
        ),
        ("server closed the connection unexpectedly\n", "SELECT 1", None),
        ("out of memory\nDETAIL:  Failed on request of size 1073741824.\n", "-- again\nREINDEX TABLE t", "R72"),
        ("out of memory\n", "SELECT 'CREATE INDEX'", None),
        ("hnsw graph not repaired\n", "VACUUM t", "R78"),
        ("stack depth limit exceeded\n", "SELECT f()", None),
        ("canceling statement due to statement timeout\n", "CREATE TABLE indexes AS SELECT 1", None),
    ],
)
def test_what_cannot_be_provoked_is_known_by_its_words(message: str, statement: str, rule: str | None) -> None:
    import psycopg2

    error = failures.refused(psycopg2.OperationalError(message), statement, 0)
    assert error.rule == rule


def test_without_pgvector_the_hint_says_how_to_get_it(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector; CREATE TABLE t (a float8[])")
    for statement in ("SELECT '[1]'::vector", "CREATE TABLE u (v halfvec(3))", "CREATE INDEX ON t USING hnsw (a)"):
        with pytest.raises(QueryError, match="CREATE EXTENSION vector") as caught:
            db.run(Query(statement))
        assert caught.value.sqlstate == "42704"


def test_a_server_without_pgvector_is_told_from_a_database_without_it(db: Database, raw: connection) -> None:
    if db._link._live().server_version < 180000:
        pytest.skip("before 18 the extension's files would have to be moved")
    with raw.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector")
    with pytest.raises(QueryError, match="not installed on this server"):
        db.run(Query("CREATE EXTENSION vector", settings=(("extension_control_path", "'/nowhere'"),)))


def test_who_may_not_create_the_extension_is_sent_to_an_administrator(dsn: str, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector; CREATE ROLE pgvec_plain LOGIN PASSWORD 'x'")
    try:
        db = connect(make_dsn(dsn, user="pgvec_plain", password="x"))
        with pytest.raises(QueryError, match="ask an administrator"):
            db.run(Query("CREATE EXTENSION vector"))
        db.close()
    finally:
        with raw.cursor() as cursor:
            cursor.execute("DROP ROLE pgvec_plain")


def test_every_hint_is_provoked_by_some_test() -> None:
    tests = inspect.getsource(inspect.getmodule(test_every_hint_is_provoked_by_some_test) or failures)
    elsewhere = {
        "NUL",
        "can't adapt",
        "current transaction is aborted",
        "COPY",
        "No space left",
        "server closed",
        "not repaired",  # by its words alone
    }  # test_db_values.py, test_db_link.py, test_faults.py
    hints = [hint for pattern, hint, *_ in failures._REFUSED if not any(word in pattern for word in elsewhere)]
    assert len(hints) > 20
    shown = [test[2] for test in FAILURES.values()] + re.findall(r'match="([^"]+)"', tests)
    assert [hint for hint in hints if not any(re.search(each, hint) for each in shown)] == []


def place(db: Database, query: Query) -> list[str]:
    with pytest.raises(QueryError) as caught:
        db.run(query)
    lines = caught.value.message.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("LINE "))
    return lines[at : at + 2]


def test_a_caret_stands_below_the_word(db: Database) -> None:
    settings = (("work_mem", "'3MB'"), ("application_name", "'→ %'"))
    for query in (
        Query("SELECT 1,\n       nope,\n 2"),
        Query("SELECT 1,\n       nope,\n 2", settings=settings, reads=True),
        Query("SELECT %(a)s,\n       nope,\n %(b)s", {"a": "x" * 5000, "b": [0.5] * 2000}, settings),
        Query("/* äöü → 😀 */ SELECT '😀%%' || %(a)s,\n       nope", {"a": "→ 😀"}, settings),
    ):
        line, caret = place(db, query)
        assert line.startswith("LINE 2: ")
        assert line[caret.index("^") :].startswith("nope")


def test_a_caret_stands_right_behind_wide_signs_and_long_values(db: Database) -> None:
    vector = np.zeros(2000)
    for query in (
        Query("SELECT '%%' <> 'é', nope, %(v)s", {"v": vector}),
        Query("SELECT %(v)s, nope", {"v": vector}, reads=True),
        Query("SELECT %(v)s::vector <-> %(v)s, nope", {"v": vector}, (("work_mem", "'3MB'"),)),
    ):
        line, caret = place(db, query)
        assert line[caret.index("^") :].startswith("nope")
        assert len(line) < 130


def test_an_error_in_a_setting_shows_no_place_in_the_query(db: Database) -> None:
    with pytest.raises(QueryError, match='invalid value for parameter "work_mem"') as caught:
        db.run(Query("SELECT 1", settings=(("work_mem", "'lots'"),)))
    assert "LINE" not in caught.value.message
    with pytest.raises(QueryError, match="syntax error") as caught:
        db.run(Query("SELECT 1", settings=(("work_mem", "1 2"),)))
    assert "LINE" not in caught.value.message


def test_what_the_server_explains_is_kept(db: Database) -> None:
    db.run(Query("CREATE TABLE t (id int PRIMARY KEY, embedding vector(2))"))
    db.run(Query("INSERT INTO t VALUES (1)"))
    with pytest.raises(QueryError) as caught:
        db.run(Query("INSERT INTO t VALUES (1)"))
    assert caught.value.message == (
        'duplicate key value violates unique constraint "t_pkey"\nKey (id)=(1) already exists.\n[SQLSTATE 23505]'
    )
    with pytest.raises(QueryError) as caught:
        db.run(Query("SELECT embeding FROM t"))
    assert caught.value.hint == 'Perhaps you meant to reference the column "t.embedding".'


def test_no_message_holds_a_long_value(db: Database) -> None:
    vector = np.random.default_rng(0).normal(size=3000)
    text = f"[{','.join(map(str, vector))},x]"
    db.run(Query("CREATE TABLE t (v vector(3), note text CHECK (length(note) < 9), f float8[], n int)"))
    for sql, sent in (
        ("SELECT %(v)s::vector", text),
        ("INSERT INTO t (v) VALUES (%(v)s)", vector),
        ("INSERT INTO t (note) VALUES (%(v)s)", text),
        ("INSERT INTO t (f) VALUES (%(v)s)", vector),
        ("SELECT %(v)s::int", text),
        ("SELECT nope, %(v)s", text),
        ("SELECT %(v)s, nope", text),
        (
            "DO $$ BEGIN RAISE '%%', repeat('x', 9999) USING DETAIL = repeat('y', 9999), HINT = repeat('z', 9999);"
            " END $$",
            1,
        ),
    ):
        with pytest.raises(QueryError) as caught:
            db.run(Query(sql, {"v": sent}))
        assert len(str(caught.value)) < 1600, sql
        assert len(caught.value.message.partition("\n")[0]) < (130 if sent is text else 510), sql
