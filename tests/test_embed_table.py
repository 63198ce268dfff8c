from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database, connect
from pgvec_magic.embed import Embedder
from pgvec_magic.errors import EmbedError, UsageError
from pgvec_magic.load import column, embed_table, load, pending
from pgvec_magic.load.gently import others_at_work
from pgvec_magic.search import search

ROWS = 120
# In a process of its own, slow enough to be killed in its middle; every text that is embedded is a line of a file.
PROGRAM = """
import sys, time
from pgvec_magic.db import connect
from pgvec_magic.load import embed_table, pending
pending.ROWS = 10
def letters(texts):
    with open(sys.argv[2], "a") as file:
        file.writelines(f"{text}\\n" for text in texts)
    time.sleep(0.1)
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]
letters([])
embed_table(connect(sys.argv[1]), "articles", "body", embedder=letters)
"""


class Letters(Embedder):
    """Three numbers that tell texts apart; ``seen`` has every text that was embedded, ``before`` runs before that."""

    name = "letters"
    dimensions = 3

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.seen: list[str] = []
        self._before = before

    def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
        self._before()
        self.seen += texts
        return letters(texts)


class Paid(Letters):
    paid = True

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) for text in texts)


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def execute(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)


def vector(text: str) -> str:
    return str([int(number) for number in letters([text])[0]]).replace(" ", "")


def up_to_date(raw: connection, table: str = "articles", column: str = "embedding") -> bool:
    """Whether every row has the vector of its body, and those without a body none."""
    found = rows(raw, f"SELECT body, {column}::text FROM {table}")
    return bool(found) and all(made == (vector(body) if body and body.strip() else None) for body, made in found)


@pytest.fixture
def articles(raw: connection) -> None:
    execute(
        raw,
        f"""CREATE TABLE articles (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, body text, kind int);
            INSERT INTO articles (title, body, kind)
            SELECT 'title ' || i, 'body ' || repeat('a', i % 7) || i, i % 3 FROM generate_series(1, {ROWS}) AS i""",
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of ten rows."""
    monkeypatch.setattr(pending, "ROWS", 10)


@pytest.fixture
def other(dsn: str) -> Iterator[connection]:
    """A second writer, in transactions that it ends itself."""
    made = psycopg2.connect(dsn)
    yield made
    made.close()


def test_a_table_with_text_gets_vectors(db: Database, raw: connection, articles: None, small: None) -> None:
    report = embed_table(db, "articles", "body", embedder=Letters())
    assert (report.rows, report.updated, report.unchanged, report.skipped) == (ROWS, ROWS, 0, 0)
    assert up_to_date(raw)
    info = catalog.table(db, "articles")
    assert (info.vectors[0].dimensions, info.vectors[0].embedder, info.vectors[0].nullable) == (3, "letters", True)
    assert rows(raw, "SELECT count(*) FROM pg_stats WHERE tablename = 'articles' AND attname = 'embedding'") == [(1,)]
    hits = search(db, "articles", "body aaaa4", k=1)
    assert hits.df["body"].iloc[0] == "body aaaa4"
    assert list(hits.df.columns) == ["id", "title", "body", "kind", "distance", "score"], "no hash among the columns"


def test_several_texts_are_joined_by_a_blank_line(db: Database, raw: connection, articles: None) -> None:
    execute(raw, "DELETE FROM articles WHERE id > 2; UPDATE articles SET title = NULL WHERE id = 2")
    model = Letters()
    embed_table(db, "articles", ["title", "body"], embedder=model)
    assert sorted(model.seen) == ["body aa2", "title 1\n\nbody a1"]


def test_only_what_is_new_or_changed_is_embedded(db: Database, raw: connection, articles: None, small: None) -> None:
    embed_table(db, "articles", "body", embedder=Letters())
    before = rows(raw, "SELECT id, xmin::text FROM articles WHERE id NOT IN (3, 50, 77) ORDER BY id")
    execute(
        raw,
        """UPDATE articles SET body = 'changed' WHERE id = 3; UPDATE articles SET embedding = NULL WHERE id = 50;
           UPDATE articles SET title = 'of no matter' WHERE id = 77;
           INSERT INTO articles (body) VALUES ('a new one')""",
    )
    model = Letters()
    report = embed_table(db, "articles", "body", embedder=model)
    assert sorted(model.seen) == ["a new one", "body a50", "changed"]
    assert (report.rows, report.updated, report.unchanged) == (ROWS + 1, 3, ROWS - 2)
    assert up_to_date(raw)
    after = rows(raw, "SELECT id, xmin::text FROM articles WHERE id NOT IN (3, 50, 77) ORDER BY id")
    assert after[: len(before)] == before, "no other row was written"


def test_other_columns_of_text_are_other_texts(db: Database, articles: None) -> None:
    embed_table(db, "articles", "body", embedder=Letters())
    model = Letters()
    report = embed_table(db, "articles", ["title", "body"], embedder=model)
    assert (report.updated, len(model.seen)) == (ROWS, ROWS)


def test_rows_without_text_have_no_vector(db: Database, raw: connection, articles: None, small: None) -> None:
    embed_table(db, "articles", "body", embedder=Letters())
    execute(
        raw,
        r"""UPDATE articles SET body = NULL WHERE id = 1; UPDATE articles SET body = '' WHERE id = 2;
            UPDATE articles SET body = E' \n\t' WHERE id = 3; UPDATE articles SET body = U&'\00a0' WHERE id = 4""",
    )
    for _ in range(2):
        model = Letters()
        report = embed_table(db, "articles", "body", embedder=model)
        assert model.seen == []
        assert (report.skipped, report.unchanged) == (4, ROWS - 4)
        assert report.notices == ("rows without text, whose vector is null: 4",)
    assert rows(raw, "SELECT count(*) FROM articles WHERE embedding IS NULL AND embedding_hash IS NULL") == [(4,)]
    execute(raw, "UPDATE articles SET body = 'text again' WHERE id = 1")
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == 1


def test_where_says_which_rows_are_looked_at(db: Database, raw: connection, articles: None, small: None) -> None:
    seen: list[tuple[int, int | None]] = []
    report = embed_table(
        db,
        "articles",
        "body",
        embedder=Letters(),
        where=["kind = :kind", "title LIKE 'title %'"],
        params={"kind": 1},
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert (report.rows, report.updated) == (ROWS / 3, ROWS / 3)
    assert rows(raw, "SELECT DISTINCT kind FROM articles WHERE embedding IS NOT NULL") == [(1,)]
    assert seen[-1] == (ROWS // 3, ROWS // 3)
    assert len(seen) == ROWS // 30
    with pytest.raises(UsageError, match="a condition cannot hold a ;"):
        embed_table(db, "articles", "body", embedder=Letters(), where="true; DROP TABLE articles")
    with pytest.raises(UsageError, match=":kid: there is no variable 'kid'"):
        embed_table(db, "articles", "body", embedder=Letters(), where="kind = :kid", params={"kind": 1})


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("uuid", "gen_random_uuid()"),
        ("text", "'k''%s \" ' || i"),
        ('text COLLATE "C"', "chr(64 + i) || 'é'"),
        ("timestamptz", "now() + i * interval '1 us'"),
        ("numeric", "i / 7.0"),
        ("float8", "1.0 / i"),
        ("date", "date '0044-03-15 BC' + i"),
        ("bytea", "decode(lpad(i::text, 4, '0'), 'hex')"),
        ("char(8)", "i::text"),
        ("mood", "(enum_range(NULL::mood))[i]"),
    ],
)
def test_any_key_will_do(db: Database, raw: connection, small: None, key: str, values: str) -> None:
    moods = ", ".join(f"'m{i}'" for i in range(1, 36))
    execute(raw, f"CREATE TYPE mood AS ENUM ({moods})")
    execute(raw, f'CREATE TABLE articles ("the key" {key} PRIMARY KEY, body text)')
    execute(raw, f"INSERT INTO articles SELECT {values}, 'body ' || i FROM generate_series(1, 35) AS i")
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == 35
    assert up_to_date(raw)


def test_a_key_of_several_columns(db: Database, raw: connection, small: None) -> None:
    execute(
        raw,
        """CREATE TABLE articles (tenant text NOT NULL, number int NOT NULL, body text, UNIQUE (tenant, number));
           INSERT INTO articles SELECT 't' || i % 3, i, 'body ' || i FROM generate_series(1, 50) AS i""",
    )
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == 50
    assert up_to_date(raw)


def test_a_table_without_a_key_is_refused(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE articles (id int, body text); CREATE TABLE child () INHERITS (articles)")
    with pytest.raises(UsageError, match=r"articles has no key.*\nother tables inherit from it"):
        embed_table(db, "articles", "body", embedder=Letters())
    execute(raw, "CREATE TABLE plain (id int UNIQUE, body text)")
    with pytest.raises(UsageError, match=r"has no key.*\ngive it one: ALTER TABLE plain ADD COLUMN id"):
        embed_table(db, "plain", "body", embedder=Letters())


def test_views_and_foreign_tables_say_why_not(db: Database, raw: connection, articles: None) -> None:
    execute(raw, "CREATE VIEW seen AS SELECT * FROM articles; CREATE MATERIALIZED VIEW kept AS SELECT * FROM articles")
    with pytest.raises(UsageError, match=r"seen is a view\n.*in the table behind it only"):
        embed_table(db, "seen", "body", embedder=Letters())
    with pytest.raises(UsageError, match="kept is a materialized view"):
        embed_table(db, "kept", "body", embedder=Letters())


def test_a_partitioned_table_gets_vectors(db: Database, raw: connection, small: None) -> None:
    execute(
        raw,
        """CREATE TABLE articles (id int, year int, body text, PRIMARY KEY (year, id)) PARTITION BY LIST (year);
           CREATE TABLE of_1 PARTITION OF articles FOR VALUES IN (1);
           CREATE TABLE of_2 PARTITION OF articles FOR VALUES IN (2);
           INSERT INTO articles SELECT i, 1 + i % 2, 'body ' || i FROM generate_series(1, 50) AS i""",
    )
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == 50
    assert up_to_date(raw)
    with pytest.raises(UsageError, match=r"is partitioned: Postgres cannot build an index on it while others write"):
        embed_table(db, "articles", "body", embedder=Letters(), language="english")


def test_a_second_model_has_a_second_column(db: Database, raw: connection, articles: None) -> None:
    embed_table(db, "articles", "body", embedder=Letters())

    def short(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]

    def others(texts: list[str]) -> list[list[float]]:
        return letters(texts)

    with pytest.raises(UsageError, match=r"embedding has 3 dimensions, the model gives 2\n.*--column embedding_2"):
        embed_table(db, "articles", "body", embedder=short)
    with pytest.raises(UsageError, match=r"are of the model letters, not of :others.*\n.*--column embedding_2"):
        embed_table(db, "articles", "body", embedder=others)
    embed_table(db, "articles", "body", embedder=short, column="small")
    found = {vector.name: (vector.embedder, vector.dimensions) for vector in catalog.table(db, "articles").vectors}
    assert found == {"embedding": ("letters", 3), "small": (":short", 2)}
    assert up_to_date(raw), "the first is as it was"
    assert embed_table(db, "articles", "body", embedder=Letters()).unchanged == ROWS
    hits = search(db, "articles", "body a1", column="small", k=1)
    assert hits.df.columns.tolist()[-3:] == ["kind", "distance", "score"]


def test_vectors_of_unknown_origin_are_kept_and_said(db: Database, raw: connection, articles: None) -> None:
    execute(raw, "ALTER TABLE articles ADD embedding vector(3)")
    execute(raw, "UPDATE articles SET embedding = '[1,2,3]' WHERE id < 11")
    model = Letters()
    report = embed_table(db, "articles", "body", embedder=model)
    assert (report.updated, report.unchanged, len(model.seen)) == (ROWS - 10, 10, ROWS - 10)
    assert "embedding had vectors of a model that is not known: they are taken for those of letters" in str(report)
    assert "taken for that of the text they have now: 10" in str(report)
    execute(raw, "UPDATE articles SET body = 'changed' WHERE id = 5")
    assert embed_table(db, "articles", "body", embedder=model).updated == 1
    assert rows(raw, "SELECT embedding::text FROM articles WHERE id IN (4, 5) ORDER BY id") == [
        ("[1,2,3]",),
        (vector("changed"),),
    ]


@pytest.mark.parametrize("kind", ["vector", "halfvec", "bit", "sparsevec"])
def test_every_type_of_vectors(db: Database, raw: connection, articles: None, kind: str) -> None:
    report = embed_table(db, "articles", "body", embedder=Letters(), type=kind)
    assert report.updated == ROWS
    made = rows(raw, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'embedding'")
    assert made == [(f"{kind}(3)",)]
    first = {"bit": "111", "sparsevec": "{1:7,2:2,3:1}/3"}.get(kind, "[7,2,1]")
    assert rows(raw, "SELECT embedding::text FROM articles WHERE id = 1") == [(first,)]
    assert embed_table(db, "articles", "body", embedder=Letters(), type=kind).unchanged == ROWS
    assert len(search(db, "articles", "body a1", k=3).rows) == 3
    other = "vector" if kind == "halfvec" else "halfvec"
    if other != "vector":
        with pytest.raises(UsageError, match=f"embedding is of type {kind}, not halfvec"):
            embed_table(db, "articles", "body", embedder=Letters(), type="halfvec")


def test_an_indexed_column_and_an_extension_elsewhere(db: Database, raw: connection, articles: None) -> None:
    execute(
        raw,
        """CREATE SCHEMA ext; ALTER EXTENSION vector SET SCHEMA ext;
           ALTER TABLE articles ADD embedding ext.vector(3);
           CREATE INDEX ON articles USING hnsw (embedding ext.vector_cosine_ops)""",
    )
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == ROWS
    assert embed_table(db, "articles", "body", embedder=Letters(), column="second").updated == ROWS
    assert up_to_date(raw)
    assert up_to_date(raw, column="second")
    assert len(search(db, "articles", "body a1", column="embedding", k=3).rows) == 3


def test_names_that_need_quotes(db: Database, raw: connection) -> None:
    table = '"My %s"."the ""table"'
    execute(raw, f"""CREATE SCHEMA "My %s"; CREATE TABLE {table} ("Id %" int PRIMARY KEY, "te'xt %s" text)""")
    execute(raw, f"INSERT INTO {table} SELECT i, 'body ' || i FROM generate_series(1, 5) AS i")
    report = embed_table(
        db, 'My %s.the "table', "te'xt %s", embedder=Letters(), column='a "vector" %', language="english"
    )
    assert report.updated == 5
    assert rows(raw, f"""SELECT count("a ""vector"" %") FROM {table}""") == [(5,)]
    assert catalog.table(db, 'My %s.the "table').texts[0].indexed


def test_a_row_that_changes_meanwhile_gets_no_stale_vector(
    db: Database, raw: connection, articles: None, small: None
) -> None:
    changes = iter([f"UPDATE articles SET body = 'new {n}' WHERE id = 5" for n in range(2)])

    def change() -> None:
        if statement := next(changes, None):
            execute(raw, statement)

    report = embed_table(db, "articles", "body", embedder=Letters(change))
    assert up_to_date(raw)
    assert (report.updated, report.unchanged, report.skipped) == (ROWS, 0, 0)


def test_a_row_that_is_deleted_meanwhile_is_no_matter(db: Database, raw: connection, articles: None) -> None:
    model = Letters(lambda: execute(raw, "DELETE FROM articles WHERE id < 4"))
    report = embed_table(db, "articles", "body", embedder=model)
    assert (report.rows, report.updated, report.skipped) == (ROWS - 3, ROWS - 3, 0)


def test_rows_that_others_hold_are_not_waited_for(
    db: Database, raw: connection, articles: None, small: None, other: connection
) -> None:
    embed_table(db, "articles", "body", embedder=Letters(), where="false")
    with other.cursor() as cursor:
        cursor.execute("UPDATE articles SET kind = 9 WHERE id IN (7, 70)")
        started = time.monotonic()
        report = embed_table(db, "articles", "body", embedder=Letters())
        assert time.monotonic() - started < 8
    assert (report.updated, report.skipped) == (ROWS - 2, 2)
    assert "rows that others kept changing or locked: 2; the same call again takes them" in report.notices
    other.commit()
    assert embed_table(db, "articles", "body", embedder=Letters()).updated == 2
    assert up_to_date(raw)


def test_a_writer_is_not_kept_waiting_by_the_model(db: Database, raw: connection, articles: None, small: None) -> None:
    """No lock is held while texts are embedded: every row can be written then, and the table altered."""
    execute(raw, "SET lock_timeout = 100")
    waited = []

    def write() -> None:
        execute(raw, "UPDATE articles SET kind = kind + 1; LOCK TABLE articles IN ACCESS EXCLUSIVE MODE")
        waited.append(True)

    def locked() -> None:
        execute(raw, "BEGIN")
        write()
        execute(raw, "COMMIT")

    assert embed_table(db, "articles", "body", embedder=Letters(locked)).updated == ROWS
    assert len(waited) > 5


def test_adding_the_column_does_not_queue_in_front_of_writers(
    db: Database, raw: connection, articles: None, other: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column, "_BETWEEN", 0.3)
    with other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM articles")  # holds a lock that ALTER TABLE waits for
        done = threading.Event()
        reports = []

        def run() -> None:
            reports.append(embed_table(db, "articles", "body", embedder=Letters()))
            done.set()

        thread = threading.Thread(target=run)
        thread.start()
        longest, until = 0.0, time.monotonic() + 2
        while time.monotonic() < until:
            started = time.monotonic()
            execute(raw, "UPDATE articles SET kind = 1 WHERE id = 1")
            longest = max(longest, time.monotonic() - started)
        assert not done.is_set(), "the column cannot have been added"
        other.rollback()
        thread.join(30)
    assert longest < 1, "a writer waits for no more than one attempt"
    assert reports[0].updated == ROWS


def test_a_text_index_is_built_on_request(db: Database, raw: connection, articles: None) -> None:
    execute(raw, "UPDATE articles SET body = 'Die Häuser sind alt' WHERE id = 9")
    for _ in range(2):
        report = embed_table(db, "articles", ["title", "body"], embedder=Letters(), language="german")
        assert report.notices == ()
    text = catalog.table(db, "articles").texts[0]
    assert (text.language, text.indexed) == ("german", True)
    assert search(db, "articles", "Haus", mode="keyword").df["id"].tolist() == [9]
    assert search(db, "articles", "Haus title", mode="keyword").df["id"].tolist() == [9], "the title is in it too"
    assert len(rows(raw, "SELECT FROM pg_indexes WHERE tablename = 'articles'")) == 2, "once, beside the key"
    embed_table(db, "articles", ["title", "body"], embedder=Letters(), language="english")
    assert {text.language for text in catalog.table(db, "articles").texts if text.indexed} == {"german", "english"}
    with pytest.raises(UsageError, match=r"no text search language 'klingon'"):
        embed_table(db, "articles", "body", embedder=Letters(), language="klingon")


def test_an_index_that_serves_already_is_not_doubled(db: Database, raw: connection, articles: None) -> None:
    execute(raw, "CREATE INDEX theirs ON articles USING gin (to_tsvector('english', body))")
    report = embed_table(db, "articles", "body", embedder=Letters(), language="english")
    assert "no index was added for english: to_tsvector('english'::regconfig, body) is indexed already" in str(report)


def test_what_a_failed_build_left_behind_is_built_anew(db: Database, raw: connection, articles: None) -> None:
    embed_table(db, "articles", "body", embedder=Letters(), language="english")
    index = "'articles_body_english_idx'::regclass"
    execute(raw, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = {index}")
    before = rows(raw, f"SELECT {index}::oid")
    assert embed_table(db, "articles", "body", embedder=Letters(), language="english").notices == ()
    assert rows(raw, f"SELECT indisvalid FROM pg_index WHERE indexrelid = {index}") == [(True,)]
    assert rows(raw, f"SELECT {index}::oid") != before


def test_a_build_that_is_stopped_leaves_no_index_behind(
    db: Database, raw: connection, articles: None, other: connection
) -> None:
    embed_table(db, "articles", "body", embedder=Letters())
    with other.cursor() as cursor:
        cursor.execute("UPDATE articles SET kind = 5 WHERE id = 1")  # the build waits for its end

        def stop() -> None:
            until = time.monotonic() + 20
            waits = "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
            while not rows(raw, waits):
                if time.monotonic() > until:
                    return
                time.sleep(0.02)
            db.cancel()
            other.rollback()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(Exception, match="cancel"):
            embed_table(db, "articles", "body", embedder=Letters(), language="english")
        thread.join()
    assert rows(raw, "SELECT indexname FROM pg_indexes WHERE tablename = 'articles'") == [("articles_pkey",)]


def test_a_vector_that_must_not_be_null_is_kept_without_its_text_and_said(db: Database, raw: connection) -> None:
    load(db, "docs", [{"id": i, "content": f"text {i}"} for i in range(5)], embedder=Letters())
    embed_table(db, "docs", "content", embedder=Letters())
    execute(raw, "UPDATE docs SET content = '' WHERE id = 1; UPDATE docs SET content = 'new' WHERE id = 4")
    report = embed_table(db, "docs", "content", embedder=Letters())
    assert (report.updated, report.unchanged) == (1, 4)
    assert any("keep their vector, which must not be null: 1" in notice for notice in report.notices)


def test_what_is_to_be_paid_is_told_of_more_text_than_fits_an_array(
    db: Database, raw: connection, articles: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_BYTES", 100)
    embed_table(db, "articles", "body", embedder=Paid())
    assert f"{ROWS} rows, ~{2 * ROWS} tokens for letters" in capsys.readouterr().out


def test_an_index_on_words_is_not_tried_where_a_session_forbids_it(dsn: str, articles: None) -> None:
    there = connect(dsn, name="tenant", session={"app.tenant": "1"})
    with pytest.raises(UsageError, match="cannot build an index beside writers"):
        embed_table(there, "articles", "body", embedder=Letters(), language="german")
    assert catalog.table(there, "articles").vectors == ()


@pytest.fixture
def theirs(raw: connection, dsn: str, articles: None) -> Iterator[Database]:
    """A role that may read the articles."""
    role = f"embedding_writer_{os.getpid()}"
    execute(raw, f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT ON articles TO {role}")
    made = connect(psycopg2.extensions.make_dsn(dsn, user=role, password="x"), name="theirs")
    yield made
    made.close()
    execute(raw, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_what_is_missing_of_rights_is_said(db: Database, raw: connection, theirs: Database) -> None:
    model = Letters()
    with pytest.raises(UsageError, match=r"lacks a column, and you may not add it(.|\n)*owner may run: ALTER TABLE"):
        embed_table(theirs, "articles", "body", embedder=model)
    embed_table(db, "articles", "body", embedder=model, where="id = 1")
    with pytest.raises(UsageError, match=r"may not update articles\n.*GRANT UPDATE \(embedding, embedding_hash\)"):
        embed_table(theirs, "articles", "body", embedder=model)
    assert len(model.seen) == 1, "nothing is paid for that cannot be stored"
    execute(raw, f"GRANT UPDATE (embedding, embedding_hash) ON articles TO {theirs.place.user}")
    assert embed_table(theirs, "articles", "body", embedder=model).updated == ROWS - 1
    assert up_to_date(raw)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"text": None}, r"which columns hold the text to embed\? There are: id, title, body, kind"),
        ({"text": "boddy"}, r"no column 'boddy'\ndid you mean 'body'"),
        ({"text": "body", "column": "body"}, "cannot be both the text and the vector"),
        ({"text": "body", "column": "kind"}, r"kind is of type integer, which holds no vectors\nchoose another"),
        ({"text": "body", "column": "v" * 60}, r"too long a name"),
        ({"text": "body", "type": "vec"}, r"--type: 'vec' is no type of vectors\ndid you mean 'vector'"),
        ({"text": "body", "where": ""}, "the condition is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(db: Database, articles: None, call: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        embed_table(db, "articles", embedder=Letters(), **call)
    assert catalog.table(db, "articles").vectors == ()


def test_a_column_of_somebody_else_is_not_written_over(db: Database, raw: connection, dsn: str, articles: None) -> None:
    execute(raw, "ALTER TABLE articles ADD embedding_hash uuid")
    with pytest.raises(UsageError, match=r"a column 'embedding_hash' that was not made by this package"):
        embed_table(db, "articles", "body", embedder=Letters())
    execute(raw, "ALTER TABLE articles ADD made vector(3) GENERATED ALWAYS AS ('[1,2,3]'::vector) STORED")
    with pytest.raises(UsageError, match="made is generated"):
        embed_table(db, "articles", "body", embedder=Letters(), column="made")
    readonly = connect(dsn, name="ro", readonly=True)
    with pytest.raises(UsageError, match="is read-only"):
        embed_table(readonly, "articles", "body", embedder=Letters())


def test_a_text_without_a_vector_is_told_by_its_key(db: Database, raw: connection, articles: None, small: None) -> None:
    def fails(texts: list[str]) -> list[list[float]]:
        return [[0.0, 0.0] if text == "body 35" else [1.0, 2.0] for text in texts]

    with pytest.raises(EmbedError, match=r"articles, 10 rows with id from 31 to 40, .*zeros"):
        embed_table(db, "articles", "body", embedder=fails)
    assert rows(raw, "SELECT count(embedding) FROM articles") == [(30,)], "what came before is kept"
    report = embed_table(db, "articles", "body", embedder=fails, where="id <> 35")
    assert report.updated == ROWS - 31


def test_what_it_costs_is_said_before(
    db: Database, articles: None, raw: connection, capsys: pytest.CaptureFixture[str]
) -> None:
    embed_table(db, "articles", ["title", "body"], embedder=Paid())
    assert capsys.readouterr().out == f"{ROWS} rows, ~{4 * ROWS} tokens for letters\n"
    execute(raw, "UPDATE articles SET body = 'two words' WHERE id < 3")
    embed_table(db, "articles", ["title", "body"], embedder=Paid())
    assert capsys.readouterr().out == "2 rows, ~8 tokens for letters\n"
    embed_table(db, "articles", ["title", "body"], embedder=Paid())
    assert capsys.readouterr().out == ""


def test_long_texts_come_in_smaller_windows(db: Database, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(raw, "CREATE TABLE articles (id int PRIMARY KEY, body text)")
    execute(raw, "INSERT INTO articles SELECT i, repeat('a', 1000) FROM generate_series(1, 9) AS i")
    monkeypatch.setattr(pending, "_BYTES", 2500)
    done: list[int] = []
    report = embed_table(db, "articles", "body", embedder=Letters(), progress=lambda rows, *_: done.append(rows))
    assert done == [3, 6, 9]
    assert report.updated == 9


@contextmanager
def killed_in_the_middle(dsn: str, raw: connection, log: Path) -> Iterator[None]:
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, dsn, str(log)], env={**os.environ, "PYTHONPATH": path})
    try:
        until = time.monotonic() + 60
        while with_vectors(raw) < 50:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        yield
    finally:
        process.kill()
        process.wait()


def with_vectors(raw: connection) -> int:
    made = rows(raw, "SELECT FROM pg_attribute WHERE attrelid = 'articles'::regclass AND attname = 'embedding'")
    return int(rows(raw, "SELECT count(embedding) FROM articles")[0][0]) if made else 0


def test_after_a_kill_the_same_call_goes_on(
    db: Database, raw: connection, dsn: str, articles: None, small: None, tmp_path: Path
) -> None:
    log = tmp_path / "embedded"
    with killed_in_the_middle(dsn, raw, log):
        there = with_vectors(raw)
        assert there < ROWS
        seen: list[str] = []

        def again(texts: list[str]) -> list[list[float]]:
            seen.extend(texts)
            return letters(texts)

        again.__name__ = "letters"
        report = embed_table(db, "articles", "body", embedder=again)
    there = report.unchanged
    assert report.updated == len(set(seen) - {"text"}) == ROWS - there
    assert up_to_date(raw)
    twice = set(log.read_text().splitlines()) & set(seen) - {"text"}
    assert len(twice) <= 10, "no more than what was under way when it was killed"
    assert rows(raw, "SELECT count(*) FROM articles") == [(ROWS,)]


def test_rows_that_a_trigger_keeps_as_they_are_are_embedded_once_and_told(
    db: Database, raw: connection, articles: None, small: None
) -> None:
    execute(
        raw,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER keep BEFORE UPDATE ON articles FOR EACH ROW WHEN (old.kind = 1) EXECUTE FUNCTION keep()",
    )
    model = Letters()
    report = embed_table(db, "articles", "body", embedder=model)
    assert len(model.seen) == ROWS
    assert (report.updated, report.skipped, report.unchanged) == (ROWS - ROWS // 3, ROWS // 3, 0)
    assert report.notices == (f"rows that the table kept as they were, by a trigger or a rule of its own: {ROWS // 3}",)


def test_the_work_makes_way_for_others_only_where_there_are_any(db: Database, raw: connection) -> None:
    execute(raw, "SELECT 1")
    assert others_at_work(db)
    time.sleep(2.2)
    assert not others_at_work(db)
    execute(raw, "BEGIN")
    time.sleep(2.2)
    assert others_at_work(db)


def test_sessions_of_others_that_are_hidden_count_as_at_work(dsn: str, raw: connection) -> None:
    execute(raw, "DROP ROLE IF EXISTS pgvec_nobody; CREATE ROLE pgvec_nobody")
    nobody = connect(dsn, name="nobody", role="pgvec_nobody")
    try:
        time.sleep(2.2)
        assert others_at_work(nobody)
    finally:
        nobody.close()
        execute(raw, "DROP ROLE pgvec_nobody")


def test_that_a_column_is_too_wide_for_an_index_is_said_once(db: Database, articles: None) -> None:
    class Wide(Letters):
        dimensions = 2_001

        def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
            return [[1.0] * 2_001 for _ in texts]

    said = [embed_table(db, "articles", "body", embedder=Wide()).notices for _ in range(2)]
    assert [any("2,001" in notice for notice in notices) for notices in said] == [True, False]
