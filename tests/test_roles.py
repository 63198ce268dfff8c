"""Roles and session settings: who a message is sent as, that nothing of it is left behind, and row-level security."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from psycopg2.extensions import connection, make_dsn
from test_db_link import Proxy, ask, kill, pid, pooled, proxy, value

from pgvec_magic import catalog, overview
from pgvec_magic import db as dbs
from pgvec_magic.db import Copy, Database
from pgvec_magic.errors import ConnectError, PgvecError, QueryError, UsageError
from pgvec_magic.load import load
from pgvec_magic.query import Query
from pgvec_magic.search import search, sql

__all__ = ["pooled", "proxy"]  # fixtures
WHO = Query("SELECT current_user::text, current_setting('app.tenant_id', true)")
ROLES = ("pgvec_app", "pgvec_login", "pgvec_other", "pgvec_owner")
LIMITED = "PASSWORD 'x' LOGIN NOINHERIT"


@pytest.fixture(scope="module")
def roles(server_dsn: str) -> Iterator[None]:
    """pgvec_login may act as pgvec_app, and not as pgvec_other."""
    past = psycopg2.connect(server_dsn)
    past.autocommit = True
    for role in ROLES:
        ask(past, f"DROP ROLE IF EXISTS {role}")
        ask(past, f"CREATE ROLE {role} {LIMITED if role == 'pgvec_login' else ''}")
    ask(past, "GRANT pgvec_app TO pgvec_login")
    yield
    for role in ROLES:
        ask(past, f"DROP ROLE {role}")
    past.close()


@pytest.fixture
def app(dsn: str, roles: None) -> Iterator[Database]:
    """A connection of whoever may do all, that works as the role pgvec_app for tenant 42."""
    made = dbs.connect(dsn, name="app", role="pgvec_app", session={"app.tenant_id": "42"})
    yield made
    made.close()
    past = psycopg2.connect(dsn)
    past.autocommit = True
    ask(past, f"DROP OWNED BY {', '.join(ROLES)}")
    past.close()


def login(dsn: str) -> str:
    return make_dsn(dsn, user="pgvec_login", password="x")


# --- every message


def test_a_message_begins_with_role_and_settings(proxy: Proxy, roles: None) -> None:
    kept = {"app.tenant_id": "42", "app.user": "O'Hara\\", "search_path": "tenant_42, public"}
    db = dbs.connect(proxy.dsn, readonly=True, timeout=7, role="pgvec_app", session=kept)
    proxy.sent.clear()
    db.run(Query("SELECT 1 %% 2", settings=(("work_mem", "'3MB'"),)))
    assert proxy.queries() == [
        "SET LOCAL transaction_read_only = on;SET LOCAL role = 'pgvec_app';SET LOCAL statement_timeout = 7000;"
        "SET LOCAL work_mem = '3MB';SET LOCAL app.tenant_id = '42';SET LOCAL app.\"user\" = E'O''Hara\\\\';"
        "SET LOCAL search_path = 'tenant_42', 'public';SELECT 1 % 2"
    ]
    assert value(db.run(Query("SELECT current_setting('app.user')"))) == "O'Hara\\"


@pytest.mark.parametrize(
    "given", ["007", " a  b ", "", "it's; RESET ROLE", "a\\'b", "😀", "null", "-0", "1e3", "{a,b}"]
)
def test_values_arrive_to_the_letter(dsn: str, given: str) -> None:
    assert (
        value(dbs.connect(dsn, session={"App.Thing": given}).run(Query("SELECT current_setting('app.thing')"))) == given
    )


def test_every_way_to_send_something_is_as_that_role(app: Database, raw: connection) -> None:
    ask(raw, "GRANT CREATE ON SCHEMA public TO pgvec_app")
    assert app.run(WHO).rows == [("pgvec_app", "42")]
    app.run(
        Query("CREATE TABLE t (who text DEFAULT current_user, tenant text DEFAULT current_setting('app.tenant_id'))")
    )
    assert app.transaction([Query("SELECT"), WHO])[1].rows == [("pgvec_app", "42")]
    app.transaction([Query("SELECT"), Copy("COPY t (who) FROM STDIN", io.BytesIO(b"copied\n"))])
    clone = app.clone()
    assert clone.run(WHO).rows == [("pgvec_app", "42")]
    assert (clone.role, dict(clone.session)) == ("pgvec_app", {"app.tenant_id": "42"})
    clone.close()
    assert ask(raw, "SELECT tableowner FROM pg_tables WHERE tablename = 't'") == "pgvec_app"
    assert ask(raw, "SELECT tenant FROM t") == "42"
    kill(raw, pid(app))
    assert app.run(WHO).rows == [("pgvec_app", "42")], "also after the link was lost"


def test_it_holds_within_a_block_and_is_gone_behind_it(app: Database, raw: connection) -> None:
    app.run(Query("BEGIN ISOLATION LEVEL SERIALIZABLE"))
    assert app.run(WHO).rows == [("pgvec_app", "42")]
    app.run(Query("SAVEPOINT s"))
    with pytest.raises(QueryError):
        app.run(Query("SELECT 1 / 0"))
    with pytest.raises(QueryError, match="ROLLBACK ends it"):
        app.run(WHO)
    app.run(Query("ROLLBACK TO s"))
    assert app.run(WHO).rows == [("pgvec_app", "42")]
    assert app.run(Query("COMMIT AND CHAIN")).status == "COMMIT"
    assert app.run(WHO).rows == [("pgvec_app", "42")]
    with pytest.raises(QueryError):
        app.run(Query("SELECT 1 / 0"))
    assert app.run(Query("ROLLBACK")).status == "ROLLBACK"
    assert nothing_left(app)


def nothing_left(db: Database) -> bool:
    """Whether the session behind a connection has neither role nor setting, as seen past the prefix."""
    rows = db._worker.do(lambda: db._link.send("", WHO.sql, {})).rows
    return rows[0][0] != "pgvec_app" and not rows[0][1]


def test_a_block_that_failed_can_be_ended_in_spite_of_a_timeout(dsn: str) -> None:
    db = dbs.connect(dsn, timeout=9)
    db.run(Query("BEGIN"))
    with pytest.raises(QueryError):
        db.run(Query("SELECT 1 / 0"))
    assert db.run(Query("ROLLBACK")).status == "ROLLBACK"
    assert value(db.run(Query("SELECT 1"))) == 1


def test_nothing_is_left_behind(app: Database) -> None:
    assert nothing_left(app)
    with pytest.raises(QueryError):
        app.run(Query("SELECT 1 / 0"))
    assert nothing_left(app)
    app.transaction([Query("SELECT")])
    assert nothing_left(app)


@pytest.mark.needs("pgbouncer")
def test_behind_a_pooler_each_has_its_own_tenant(pooled: str, roles: None) -> None:
    made = [dbs.connect(pooled, name=f"t{n}", role="pgvec_app", session={"app.tenant_id": str(n)}) for n in range(3)]
    plain = dbs.connect(pooled, name="plain")
    superuser = plain.run(WHO).rows[0][0]
    for _ in range(5):
        for n, db in enumerate(made):
            assert db.run(WHO).rows == [("pgvec_app", str(n))]
            assert plain.run(WHO).rows == [(superuser, "")]
    made[0].run(Query("BEGIN"))  # the pooler's only server connection is taken until COMMIT
    assert made[0].run(WHO).rows == [("pgvec_app", "0")]
    made[0].run(Query("COMMIT"))
    assert plain.run(WHO).rows == [(superuser, "")]
    assert made[1].transaction([WHO])[0].rows == [("pgvec_app", "1")]


# --- what would undo it


REFUSED = [
    "RESET ROLE", "SET ROLE postgres", "SET LOCAL ROLE NONE", "set session role 'x'", 'SET "role" = x', "SET role TO x",
    "SET SESSION AUTHORIZATION x", "SET LOCAL SESSION AUTHORIZATION x", "RESET SESSION AUTHORIZATION",
    "RESET ALL", "DISCARD ALL", "SET app.tenant_id = '7'", "/* ; */ SET LOCAL App . \"tenant_id\" TO '7'",
    "RESET app.tenant_id", "SELECT set_config('app.tenant_id', '7', false)", 
    "SELECT 1, pg_catalog.set_config ('ROLE', 'x', true)",
    "SELECT 1; COMMIT; SELECT current_user", "ROLLBACK; SELECT current_user", "SELECT 1; RESET ROLE",
]  # fmt: skip
TAKEN = [
    "SET work_mem = '3MB'", "SET LOCAL app.tenant_identity = '7'", "SELECT 'RESET ROLE; SET ROLE x'", "RESET work_mem",
    "SELECT set_config('work_mem', '3MB', true)", "SET TRANSACTION READ ONLY", "SET TIME ZONE 'UTC'", "DISCARD PLANS",
]  # fmt: skip


@pytest.mark.parametrize("statement", REFUSED)
def test_statements_that_would_act_as_another_are_not_sent(app: Database, statement: str) -> None:
    for send in (app.run, lambda query: app.transaction([query])):
        with pytest.raises(UsageError, match="refused"):
            send(Query(statement))
    assert app.run(WHO).rows == [("pgvec_app", "42")]


@pytest.mark.parametrize("statement", TAKEN)
def test_other_statements_are_sent(app: Database, statement: str) -> None:
    app.run(Query(statement))
    assert app.run(WHO).rows == [("pgvec_app", "42")]


def test_what_a_statement_leaves_in_the_session_does_not_hold_for_the_next(app: Database) -> None:
    app.run(Query("DO $$ BEGIN PERFORM set_config('app.' || 'tenant_id', '7', false); END $$"))
    assert app.run(WHO).rows == [("pgvec_app", "42")]


def test_a_cell_cannot_overrule_the_connection(app: Database) -> None:
    with pytest.raises(UsageError, match=r"app\.tenant_id is fixed"):
        sql(app, "SELECT 1", settings=[("app.tenant_id", "7")])
    with pytest.raises(UsageError, match="RESET of role"):
        sql(app, "SELECT 1;\nRESET ROLE;\nSELECT 2")
    assert sql(app, "BEGIN; SELECT current_user::text AS who; COMMIT").status == "BEGIN · SELECT 1 · COMMIT"


@pytest.mark.parametrize("statement", ["VACUUM t", "CREATE INDEX CONCURRENTLY ON t (a)", "ALTER SYSTEM RESET ALL"])
def test_what_cannot_run_in_a_transaction_does_not_run_as_somebody_else(
    dsn: str, raw: connection, roles: None, statement: str
) -> None:
    ask(raw, "CREATE TABLE t (a int)")
    for kept in ({"role": "pgvec_app"}, {"session": {"app.tenant_id": "42"}}):
        db = dbs.connect(dsn, name="alone", timeout=9, **kept)
        with pytest.raises(QueryError, match="connect without them") as caught:
            db.run(Query(statement))
        assert caught.value.sqlstate == "25001"
    assert ask(raw, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == 0


# --- connecting


def test_a_connection_says_whom_it_acts_for(app: Database, db: Database) -> None:
    assert repr(app).endswith(", role pgvec_app, app.tenant_id=42)")
    assert "role" not in repr(db)
    assert (db.role, dict(db.session)) == (None, {})
    with pytest.raises(TypeError):
        app.session["app.tenant_id"] = "7"  # type: ignore[index]
    long = dbs.connect(db._source().dsn, session={"request.claims": "x" * 500})
    assert repr(long).endswith(f"request.claims={'x' * 40}…)")
    shown = repr(overview.connection(app))
    assert "role pgvec_app, app.tenant_id=42" in shown.replace("\n", " ")
    assert "role pgvec_app" in repr(overview.connections())


def test_the_magic_takes_a_role_and_a_session(ip: Any, dsn: str, roles: None) -> None:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"dsn": login(dsn), "tenant": "O'Hara 7"}
    shown = ip.run("%vconnect :dsn --name t --role pgvec_app --session app.tenant_id=:tenant --session app.user=5")
    assert "role pgvec_app, app.tenant_id=O'Hara 7, app.user=5" in repr(shown).replace("\n", " ")
    who = "SELECT current_user::text, current_setting('app.tenant_id'), current_setting('app.user')"
    assert ip.run(f"%%vsql\n{who}").rows == [("pgvec_app", "O'Hara 7", "5")]
    with pytest.raises(UsageError, match="RESET of role is refused"):
        ip.run(f"%%vsql\nRESET ROLE;\n{who}")
    with pytest.raises(UsageError, match="--session: work_mem"):
        ip.run("%vconnect :dsn --session work_mem=1GB")
    with pytest.raises(ConnectError, match="no role 'nobody_at_all'"):
        ip.run("%vconnect :dsn --role nobody_at_all")
    assert dbs.current().role == "pgvec_app"
    ip.run("%unload_ext pgvec_magic")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"role": ""}, "no role"),
        ({"role": "none"}, "no role"),
        ({"role": "a\0b"}, "NUL"),
        ({"session": {"role": "x"}}, "--session: role cannot be set"),
        ({"session": {"transaction_read_only": "off"}}, "--session: transaction_read_only cannot"),
        ({"session": {"default_transaction_read_only": "off"}}, "cannot be set"),
        ({"session": {"SESSION_AUTHORIZATION": "x"}}, "cannot be set"),
        ({"session": {"work_mem": "1GB"}}, "not a setting that policies read\n.*app.tenant_id.*search_path"),
        ({"session": {"hnsw.ef_search": "100"}}, "belongs to a search"),
        ({"session": {"app.a = 1; COMMIT; --": "x"}}, "not the name of a setting\nwrite --session"),
        ({"session": {"app.tenant_id": "a\0b"}}, "NUL"),
        ({"session": {"app.tenant_id": None}}, "no value"),
    ],
)
def test_what_cannot_be_a_role_or_a_setting(dsn: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dbs.connect(dsn, name="never", **given)
    assert "never" not in dbs.names()


def test_a_role_that_cannot_be_taken_is_refused_at_once(dsn: str, roles: None) -> None:
    with pytest.raises(ConnectError, match=r"no role 'pgvec_ap' here\ndid you mean 'pgvec_app'"):
        dbs.connect(login(dsn), name="never", role="pgvec_ap")
    with pytest.raises(ConnectError, match=r"may not act as the role 'pgvec_other'\n.*GRANT pgvec_other.*pgvec_app'"):
        dbs.connect(login(dsn), name="never", role="pgvec_other")
    with pytest.raises(ConnectError, match=r"does not take --session: .*row_security"):
        dbs.connect(dsn, name="never", role="pgvec_app", session={"row_security": "perhaps"})
    assert "never" not in dbs.names()
    assert dbs.connect(login(dsn), role="pgvec_app").run(WHO).rows[0][0] == "pgvec_app"


def test_a_role_that_goes_away_is_an_error_and_not_another_role(dsn: str, raw: connection) -> None:
    ask(raw, "CREATE ROLE pgvec_brief")
    db = dbs.connect(dsn, role="pgvec_brief")
    ask(raw, "DROP ROLE pgvec_brief")
    for query in (WHO, Query("SELECT 1", reads=True)):
        with pytest.raises(QueryError, match="pg_roles lists"):
            db.run(query)
    with pytest.raises(QueryError, match="pgvec_brief"):
        db.transaction([WHO])


# --- row-level security


TENANTS = """
CREATE FUNCTION near(shift int) RETURNS vector LANGUAGE sql VOLATILE
  AS 'SELECT array_agg(random() + shift)::vector FROM generate_series(1, 8)';
SELECT setseed(0.5);
CREATE TABLE docs (id int PRIMARY KEY, tenant text, content text, embedding vector(8),
  words tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);
INSERT INTO docs
  SELECT n, CASE WHEN n %% 100 = 0 THEN 'small' ELSE 'large' END,
    'word document ' || CASE WHEN n %% 100 = 0 THEN n::text ELSE 'word word' END, near((n %% 100 = 0)::int)
  FROM generate_series(1, %s) AS n;
CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops) WITH (ef_construction = 32);
CREATE INDEX ON docs USING gin (words);
ALTER TABLE docs OWNER TO pgvec_owner;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON docs USING (tenant = current_setting('app.tenant'));
GRANT SELECT, INSERT, UPDATE, DELETE ON docs TO pgvec_app
"""


@contextlib.contextmanager
def owned(dsn: str, count: int) -> Iterator[connection]:
    """Documents: 1 in 100 is of the tenant small, the others, which lie nearer to every query, of large."""
    past = psycopg2.connect(dsn)
    past.autocommit = True
    ask(past, TENANTS, count)
    ask(past, "ANALYZE docs")
    yield past
    ask(past, f"DROP OWNED BY {', '.join(ROLES)}")
    past.close()


@pytest.fixture(scope="module")
def many(module_dsn: str, roles: None) -> Iterator[connection]:
    """20,000 documents that no test changes."""
    with owned(module_dsn, 20_000) as past:
        yield past


@pytest.fixture
def few(dsn: str, roles: None) -> Iterator[connection]:
    """300 documents of the test's own."""
    with owned(dsn, 300) as past:
        yield past


def tenant(dsn: str, name: str, **options: Any) -> Database:
    return dbs.connect(login(dsn), name=name, role="pgvec_app", session={"app.tenant": name}, **options)


def rows(raw: connection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def test_a_search_gives_a_tenant_its_own_rows_and_all_of_them(module_dsn: str, many: connection) -> None:
    nearest = "SELECT id FROM docs WHERE tenant = %s ORDER BY (embedding <-> %s::vector) + 0 LIMIT 10"
    for name in ("small", "large"):
        db = tenant(module_dsn, name)
        assert catalog.table(db, "docs").row_security
        for seed in range(5):
            vector = np.random.default_rng(seed).random(8)
            exact = [row[0] for row in rows(many, nearest, name, str(vector.tolist()))]
            found = search(db, "docs", vector=vector, k=10)
            assert len(found.rows) == 10
            assert set(found.df["tenant"]) == {name}
            overlap = len(set(exact) & set(found.df["id"]))
            assert overlap == 10 if name == "small" else overlap >= 9
        for mode, asked in (("keyword", {}), ("hybrid", {"vector": np.full(8, 0.5)})):
            found = search(db, "docs", "word document", mode=mode, k=10, **asked)
            assert len(found.rows) == 10, mode
            assert set(found.df["tenant"]) == {name}, mode
        exact = [row[0] for row in rows(many, nearest, name, str([0.5] * 8))]
        fused = search(db, "docs", "word", vector=np.full(8, 0.5), mode="hybrid", k=10, weights=(1, 0.01))
        assert len(set(exact) & set(fused.df["id"])) >= 9, "the vector leg of hybrid is of the nearest"
        filtered = search(db, "docs", vector=np.full(8, 0.5), k=10, where="id > 100")
        assert (len(filtered.rows), set(filtered.df["tenant"])) == (10, {name})


def test_counts_tables_and_statements_are_the_tenants(dsn: str, few: connection) -> None:
    small = tenant(dsn, "small", readonly=True)
    assert [info.name for info in catalog.tables(small)] == ["docs"]
    assert sql(small, "SELECT count(*), min(tenant), max(tenant) FROM docs").rows == [(3, "small", "small")]
    assert "row security" in repr(overview.detail(small, "docs"))
    ask(few, "CREATE TABLE hidden (v vector(2))")
    assert [info.name for info in catalog.tables(small)] == ["docs"]
    ask(few, "REVOKE ALL ON docs FROM pgvec_app")
    with pytest.raises(PgvecError, match="permission denied"):
        search(small, "docs", vector=np.zeros(8))


def test_who_is_above_the_policies_is_told(dsn: str, few: connection) -> None:
    for kept in ({"role": "pgvec_owner"}, {"session": {"app.tenant": "small"}}):
        db = dbs.connect(dsn, name="above", **kept)
        assert not catalog.table(db, "docs").row_security
        assert "passed by, and all rows are seen, in docs" in repr(overview.connection(db))
    assert "passed by" not in repr(overview.connection(tenant(dsn, "small")))
    assert "passed by" not in repr(overview.connection(dbs.connect(dsn, name="plain")))
    ask(few, "ALTER TABLE docs FORCE ROW LEVEL SECURITY")
    forced = dbs.connect(dsn, name="forced", role="pgvec_owner", session={"app.tenant": "small"})
    assert catalog.table(forced, "docs").row_security
    assert "passed by" not in repr(overview.connection(forced))


def test_a_policy_that_misses_its_setting_says_which(dsn: str, few: connection) -> None:
    db = dbs.connect(login(dsn), role="pgvec_app")
    with pytest.raises(QueryError, match=r"app\.tenant.*\n(.*\n)*.*--session NAME=VALUE"):
        search(db, "docs", vector=np.zeros(8), k=3)


def documents(name: str, count: int, start: int = 100_000) -> pd.DataFrame:
    vectors = np.random.default_rng(count).random((count, 8)).tolist()
    ids = range(start, start + count)
    return pd.DataFrame({"id": ids, "tenant": name, "content": [f"new {i}" for i in ids], "embedding": vectors})


def test_a_tenant_loads_its_own_rows_and_no_others(dsn: str, few: connection) -> None:
    small = tenant(dsn, "small")
    assert load(small, "docs", documents("small", 50)).inserted == 50
    assert load(small, "docs", documents("small", 50)).unchanged == 50
    there = rows(few, "SELECT count(*), md5(string_agg(docs::text, '' ORDER BY id)) FROM docs")
    for foreign in (documents("large", 5, 200_000), documents("small", 5, 1)):  # its tenant, and its ids
        with pytest.raises(QueryError, match=r"row-level security policy.*\n(.*\n)*a policy keeps this role"):
            load(small, "docs", foreign)
    assert rows(few, "SELECT count(*), md5(string_agg(docs::text, '' ORDER BY id)) FROM docs") == there


def test_a_table_that_is_empty_for_a_tenant_is_loaded_too(dsn: str, few: connection) -> None:
    new = tenant(dsn, "new")
    report = load(new, "docs", documents("new", 300))
    assert (report.rows, report.inserted) == (300, 300)
    assert value(new.run(Query("SELECT count(*) FROM docs"))) == 300
    ask(few, "TRUNCATE docs")
    assert load(new, "docs", documents("new", 300)).inserted == 300
    assert rows(few, "SELECT count(*) FROM docs") == [(300,)]


def test_a_role_makes_a_table_of_its_own(app: Database, raw: connection) -> None:
    ask(raw, "GRANT CREATE ON SCHEMA public TO pgvec_app")
    started = time.perf_counter()
    report = load(app, "mine", documents("42", 30).drop(columns="tenant"))
    assert report.created
    assert time.perf_counter() - started < 20
    assert ask(raw, "SELECT tableowner FROM pg_tables WHERE tablename = 'mine'") == "pgvec_app"
    assert len(search(app, "mine", vector=np.ones(8), k=5).rows) == 5
