from __future__ import annotations

import datetime
import decimal
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg2.extensions import connection, make_dsn

from pgvec_magic import catalog
from pgvec_magic.db import Database, connect
from pgvec_magic.errors import LoadError, UsageError
from pgvec_magic.load import embed_table, load, run
from pgvec_magic.load.target import UNFINISHED


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


class Counting:
    """``letters`` with the texts it was called with as ``seen``."""

    __name__ = "letters"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.seen += [text for text in texts if text != "text"]
        return letters(texts)


def frame(count: int = 3, start: int = 0) -> pd.DataFrame:
    ids = range(start, start + count)
    return pd.DataFrame({"id": ids, "content": [f"text {i}" for i in ids], "kind": [i % 2 for i in ids]})


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def execute(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten rows."""
    for name in ("_EMBED_ROWS", "_LEAST_ROWS", "_BATCH_BYTES"):
        monkeypatch.setattr(run, name, 10)


def counts(report: Any) -> tuple[int, int, int, int]:
    assert report.rows == report.inserted + report.updated + report.unchanged + report.skipped
    return report.inserted, report.updated, report.unchanged, report.skipped


def test_update_inserts_updates_and_leaves_alone(db: Database, raw: connection, small: None) -> None:
    load(db, "docs", frame(25), embedder=letters)
    before = dict(rows(raw, "SELECT id, xmin::text FROM docs"))
    source = frame(30)
    source.loc[3, "content"] = "another text"
    source.loc[20, "kind"] = 9
    assert counts(load(db, "docs", source, embedder=letters)) == (5, 2, 23, 0)
    after = dict(rows(raw, "SELECT id, xmin::text FROM docs"))
    assert {i for i in before if before[i] != after[i]} == {3, 20}
    assert rows(raw, "SELECT content, embedding::text FROM docs WHERE id = 3") == [("another text", "[12,2,3]")]
    assert rows(raw, "SELECT kind, embedding::text FROM docs WHERE id = 20") == [(9, "[7,1,2]")]
    assert rows(raw, "SELECT id FROM docs WHERE fts @@ to_tsquery('another')") == [(3,)]


@pytest.mark.parametrize("others", ["UPDATE docs SET content = 'new' WHERE id = 0", "DELETE FROM docs WHERE id = 0"])
def test_a_row_that_others_change_meanwhile_keeps_no_vector_of_its_old_text(
    db: Database, raw: connection, others: str
) -> None:
    waiting = [others]

    def slow(texts: list[str]) -> list[list[float]]:
        if "changed" in texts and waiting:
            execute(raw, waiting.pop())  # after the table was asked what it has
        return letters(texts)

    load(db, "docs", frame(3), embedder=slow)
    source = frame(3)
    source.loc[1, "content"] = "changed"
    with pytest.raises(LoadError, match=r"somebody else changed some of them(?s:.)*run the same load again"):
        load(db, "docs", source, embedder=slow)
    load(db, "docs", source, embedder=slow)
    texts, vectors = zip(*rows(raw, "SELECT content, embedding::real[] FROM docs ORDER BY id"), strict=True)
    assert texts == ("text 0", "changed", "text 2")
    assert list(vectors) == letters(texts)


@pytest.mark.parametrize(
    ("has", "statement"),
    [
        ("row-level security", "ALTER TABLE docs ENABLE ROW LEVEL SECURITY"),
        ("triggers", "CREATE TRIGGER t BEFORE DELETE ON docs EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
        ("child tables", "CREATE TABLE more () INHERITS (docs)"),
        ("a parent table", "CREATE TABLE base (id bigint NOT NULL); ALTER TABLE docs INHERIT base"),
    ],
)
def test_what_a_replaced_table_would_lose_keeps_it_from_being_replaced(
    db: Database, raw: connection, has: str, statement: str
) -> None:
    load(db, "docs", frame(3), embedder=letters)
    execute(raw, statement)
    with pytest.raises(UsageError, match=f"docs cannot be replaced: (it has {has}|more refer)"):
        load(db, "docs", frame(5), embedder=letters, replace=True)
    assert rows(raw, "SELECT count(*) FROM docs") == [(3,)]


def test_given_vectors_that_changed_are_updated(db: Database, raw: connection) -> None:
    source = pd.DataFrame({"id": [1, 2], "embedding": [[1, 2], [3, 4]]})
    load(db, "docs", source)
    source["embedding"] = [[1, 2], [3, 5]]
    assert counts(load(db, "docs", source)) == (0, 1, 1, 0)
    assert rows(raw, "SELECT embedding::text FROM docs WHERE id = 2") == [("[3,5]",)]


def test_skip_leaves_rows_that_are_there(db: Database, raw: connection, small: None) -> None:
    load(db, "docs", frame(15), embedder=letters)
    model = Counting()
    source = frame(20).assign(content="new")
    assert counts(load(db, "docs", source, embedder=model, on_conflict="skip")) == (5, 0, 0, 15)
    assert len(model.seen) == 5, "what is skipped is not embedded"
    assert rows(raw, "SELECT content FROM docs WHERE id = 14") == [("text 14",)]
    given = pd.DataFrame({"id": [19, 20], "content": ["x", "y"], "embedding": [[1, 2, 3], [1, 2, 3]]})
    assert counts(load(db, "docs", given, on_conflict="skip")) == (1, 0, 0, 1)


def test_error_names_the_rows_that_are_there(db: Database, raw: connection, small: None) -> None:
    load(db, "docs", frame(5), embedder=letters)
    with pytest.raises(LoadError, match=r"(?s)row 10: id '4' is in docs already.*row 12: id '2'"):
        load(db, "docs", pd.concat([frame(10, start=50), frame(5)[::-1]]), embedder=letters, on_conflict="error")
    assert rows(raw, "SELECT count(*) FROM docs") == [(15,)], "the batch before is in, the one with bad rows is not"
    assert load(db, "docs", frame(5, start=90), embedder=letters, on_conflict="error").inserted == 5


def test_rows_whose_text_is_unchanged_are_not_embedded_again(db: Database, small: None) -> None:
    source = [{"id": i, "title": f"title {i}", "body": (None, "", f"body {i}")[i % 3]} for i in range(25)]
    load(db, "docs", source, text=["title", "body"], embedder=letters)
    source[7]["title"] = "new"
    source[8] |= {"extra": None}
    source[8]["body"] = "now it has one"
    del source[8]["extra"]
    model = Counting()
    report = load(db, "docs", source, text=["title", "body"], embedder=model)
    assert counts(report) == (0, 2, 23, 0)
    assert sorted(model.seen) == ["new", "title 8\n\nnow it has one"]
    assert "text is unchanged: 23" in str(report)


def test_vectors_of_an_unknown_model_are_not_kept(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id int PRIMARY KEY, content text, kind int, embedding vector(3))")
    execute(raw, "INSERT INTO docs VALUES (0, 'text 0', 0, '[9,9,9]')")
    load(db, "docs", frame(), embedder=letters)
    assert rows(raw, "SELECT embedding::text FROM docs WHERE id = 0") == [("[6,1,2]",)]
    assert catalog.table(db, "docs").vectors[0].embedder == ":letters"


def test_a_null_vector_is_filled(db: Database, raw: connection) -> None:
    load(db, "docs", frame(), embedder=letters)
    execute(raw, "ALTER TABLE docs ALTER embedding DROP NOT NULL; UPDATE docs SET embedding = NULL WHERE id = 1")
    assert counts(load(db, "docs", frame(), embedder=letters)) == (0, 1, 2, 0)
    assert rows(raw, "SELECT count(*) FROM docs WHERE embedding IS NULL") == [(0,)]


def test_another_model_is_refused(db: Database, raw: connection) -> None:
    load(db, "docs", frame(), embedder=letters)

    def others(texts: list[str]) -> Any:
        return np.ones((len(texts), 3))

    with pytest.raises(UsageError, match=r"of the model :letters, not of :others"):
        load(db, "docs", frame(), embedder=others)
    with pytest.raises(UsageError, match=r"docs\.embedding.*:letters, not of wordllama"):
        load(db, "docs", frame())
    execute(raw, "TRUNCATE docs")
    assert load(db, "docs", frame(), embedder=others).inserted == 3, "an empty table is anybody's"
    assert catalog.table(db, "docs").vectors[0].embedder == ":others"
    execute(raw, "CREATE TABLE wide (id int PRIMARY KEY, content text, kind int, embedding vector(384))")
    with pytest.raises(UsageError, match=r"wide\.embedding has 384 dimensions, the vectors of :letters have 3"):
        load(db, "wide", frame(), embedder=letters)
    with pytest.raises(UsageError, match=r"wide\.embedding has 384 dimensions, those of the source have 2"):
        load(db, "wide", [{"id": 1, "embedding": [1, 2]}])


def test_a_table_keeps_its_columns_and_indexes(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (content text, embedding vector(3), id int PRIMARY KEY, kind int,
             added timestamptz DEFAULT '2020-01-01 00:00+00', note text);
           COMMENT ON COLUMN docs.embedding IS 'the meaning'; COMMENT ON TABLE docs IS 'ours';
           CREATE INDEX mine ON docs (kind)""",
    )
    before = rows(raw, "SELECT indexdef FROM pg_indexes WHERE tablename = 'docs' ORDER BY 1")
    load(db, "docs", frame().drop(columns="kind"), embedder=letters)
    execute(raw, "UPDATE docs SET note = 'kept'")
    load(db, "docs", frame().drop(columns="kind").assign(content="new"), embedder=letters)
    assert rows(raw, "SELECT indexdef FROM pg_indexes WHERE tablename = 'docs' ORDER BY 1") == before
    stored = rows(raw, "SELECT content, kind, added AT TIME ZONE 'UTC', note FROM docs WHERE id = 1")
    assert stored == [("new", None, datetime.datetime(2020, 1, 1), "kept")]
    comment = rows(raw, "SELECT col_description('docs'::regclass, 2), obj_description('docs'::regclass)")
    assert comment == [("the meaning\npgvec: embedder=:letters", "ours")]


def test_what_does_not_fit_a_table_is_said_before_anything_is_done(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, content text, kind int, vec vector(3), other vector(3),
             made tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);
           CREATE VIEW seen AS SELECT * FROM docs;
           CREATE TABLE strict (id int PRIMARY KEY, content text, kind int, owner text NOT NULL, embedding vector(3));
           CREATE TABLE keyless (id int, content text, kind int, embedding vector(3));
           CREATE TABLE named (doc text PRIMARY KEY, content text, kind int, embedding vector(3))""",
    )
    model = Counting()
    cases = [
        ("docs", frame(), {}, "no column 'embedding' for the vectors\nits vectors are in vec, other"),
        ("docs", [{"id": 1, "content": [1, 2, 3]}], {"column": "content"}, r"docs\.content is no vector column"),
        ("docs", frame().assign(extra=1), {"column": "vec"}, "no column 'extra', which the source has"),
        ("docs", frame().assign(made="x"), {"column": "vec"}, r"docs\.made is generated"),
        ("seen", frame(), {"column": "vec"}, "seen is a view"),
        ("strict", frame(), {}, r"strict\.owner \(text\) must not be null"),
        ("keyless", frame(), {}, r"keyless\.id has no unique index"),
        ("named", frame().drop(columns="id"), {}, r"no column 'id', which would hold the hash.*\nits key is doc"),
    ]
    for table, source, options, message in cases:
        with pytest.raises(UsageError, match=message):
            load(db, table, source, embedder=model, **options)
    assert model.seen == []


def test_types_that_a_table_has(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN code AS text CHECK (value ~ '^[a-z]+$');
           CREATE TABLE docs (id smallint PRIMARY KEY, content varchar(20), n int, r real, j json, m mood, c code,
             ip inet, tags text[], grid int[], money numeric(10, 2), stamp timestamp, at timestamptz, day date,
             flag boolean, small halfvec(3), embedding vector(3), span int4range, letter char(3))""",
    )
    row = {
        "id": 7,
        "content": "text",
        "n": 3.0,
        "r": 0.5,
        "j": {"b": 1, "a": [1]},
        "m": "glad",
        "c": "abc",
        "ip": "10.0.0.1",
        "tags": ["a", 'b"\\', None, "NULL", ""],
        "grid": [[1, 2], [3, 4]],
        "money": "12.345",
        "stamp": "2024-01-01T12:00:00+02:00",
        "at": "2024-01-01 12:00",
        "day": "2024-02-29",
        "flag": "true",
        "small": [1, 2, 3],
        "span": "[1,5)",
        "letter": "ab",
    }
    for expected in ((1, 0, 0, 0), (0, 0, 1, 0)):
        assert counts(load(db, "docs", [row], embedder=letters)) == expected
    stored = rows(
        raw,
        """SELECT n, r, j, m, c, host(ip), tags, grid, money, stamp, at AT TIME ZONE 'UTC', day, flag, small::text,
             span::text, letter FROM docs""",
    )[0]
    noon = datetime.datetime(2024, 1, 1, 12)
    assert stored == (
        *(3, 0.5, {"b": 1, "a": [1]}, "glad", "abc", "10.0.0.1", ["a", 'b"\\', None, "NULL", ""], [[1, 2], [3, 4]]),
        *(decimal.Decimal("12.35"), noon - datetime.timedelta(hours=2), noon, datetime.date(2024, 2, 29)),
        *(True, "[1,2,3]", "[1,5)", "ab "),
    )
    with pytest.raises(LoadError, match=r"(?s)rows 0 to 0 of the source.*invalid input value for enum mood"):
        load(db, "docs", [row | {"m": "angry"}], embedder=letters)


def test_vectors_of_other_types(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE half (id int PRIMARY KEY, content text, kind int, embedding halfvec(3))")
    assert counts(load(db, "half", frame(), embedder=letters)) == (3, 0, 0, 0)
    assert counts(load(db, "half", frame(4).assign(kind=5), embedder=letters)) == (1, 3, 0, 0)
    assert rows(raw, "SELECT embedding::text, kind FROM half WHERE id = 0") == [("[6,1,2]", 5)]


def test_a_partitioned_table(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, content text, kind int, embedding vector(3)) PARTITION BY RANGE (id);
           CREATE TABLE low (kind int, id int NOT NULL, embedding vector(3), content text);
           ALTER TABLE docs ATTACH PARTITION low FOR VALUES FROM (0) TO (2);
           CREATE TABLE high PARTITION OF docs DEFAULT""",
    )
    assert counts(load(db, "docs", frame(), embedder=letters)) == (3, 0, 0, 0)
    changed = frame(4).assign(content=["text 0", "new", "text 2", "text 3"])
    assert counts(load(db, "docs", changed, embedder=letters)) == (1, 1, 2, 0)
    assert rows(raw, "SELECT id, content FROM low ORDER BY id") == [(0, "text 0"), (1, "new")]


def test_rows_that_a_trigger_keeps_out_are_not_counted_as_inserted(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, content text, kind int, embedding vector(3));
           CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER odd BEFORE INSERT ON docs FOR EACH ROW WHEN (NEW.kind = 1) EXECUTE FUNCTION drop_it()""",
    )
    assert counts(load(db, "docs", frame(5), embedder=letters)) == (3, 0, 2, 0)
    assert counts(load(db, "docs", frame(7), embedder=letters)) == (1, 0, 6, 0)
    assert rows(raw, "SELECT count(*) FROM docs") == [(4,)]


def test_an_identity_goes_on_after_the_ids_loaded(db: Database, raw: connection) -> None:
    for kind in ("serial", "int GENERATED ALWAYS AS IDENTITY"):
        execute(raw, f"CREATE TABLE docs (id {kind} PRIMARY KEY, content text, kind int, embedding vector(3))")
        load(db, "docs", frame(5), embedder=letters)
        load(db, "docs", frame(5).assign(kind=2), embedder=letters)
        execute(raw, "INSERT INTO docs (content) VALUES ('mine')")
        assert rows(raw, "SELECT max(id) FROM docs") == [(5,)]
        execute(raw, "DROP TABLE docs")


@pytest.fixture
def writer(raw: connection, dsn: str) -> Iterator[Database]:
    """A role that may read and write docs, and owns nothing."""
    name = f"pgvec_writer_{os.getpid()}"
    execute(raw, f"CREATE ROLE {name} LOGIN PASSWORD 'p'; GRANT SELECT, INSERT, UPDATE ON docs TO {name}")
    made = connect(make_dsn(dsn, user=name, password="p"), name="writer")
    yield made
    made.close()
    execute(raw, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def docs(db: Database, raw: connection) -> None:
    """A table of three rows whose model nobody knows."""
    load(db, "docs", frame(), embedder=letters)
    execute(raw, "COMMENT ON COLUMN docs.embedding IS NULL")


def test_a_role_that_may_only_write(docs: None, writer: Database) -> None:
    report = load(writer, "docs", frame(5), embedder=letters)
    assert counts(report) == (2, 0, 3, 0)
    assert "only this kernel knows that the model is :letters" in str(report)
    with pytest.raises(UsageError, match="belongs to somebody else"):
        load(writer, "docs", frame(5), embedder=letters, replace=True)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"content": ""}, "the text .content. is empty"),
        ({"content": " \n"}, "the text .content. is empty"),
        ({"content": None}, "the text .content. is empty"),
        ({"content": float("nan")}, "the text .content. is empty"),
        ({"content": "a\0b"}, "NUL"),
        ({"content": "a\ud800b"}, "surrogate"),
        ({"id": None}, "id is null"),
        ({"id": 3}, "id 3 was there before"),
        ({"id": 12}, "id 12 was there before"),
        ({"n": "many"}, r"n: 'many' is not a whole number"),
        ({"n": 1.5}, "n: 1.5 is not a whole number"),
        ({"n": 2**40}, "n: .* is not a whole number of 32 bits"),
        ({"n": float("inf")}, "n: inf is not"),
        ({"day": "yesterday"}, "day: 'yesterday' is not a time"),
        ({"flag": "perhaps"}, "flag: 'perhaps' is not true or false"),
        ({"meta": {"x": float("nan")}}, "meta: .* is not a JSON value"),
        ({"meta": {"x": "a\0"}}, "meta: .* is not a JSON value"),
        ({"key": "12"}, "key: '12' is not a UUID"),
        ({"r": 1e300}, "r: 1e.300 is too large"),
        ({"embedding": [1, 2]}, "embedding has 2 dimensions, not 3"),
        ({"embedding": None}, "embedding is null"),
        ({"embedding": [1, float("nan"), 2]}, "embedding has NaN"),
        ({"embedding": [1, 1e39, 2]}, "too large for 32 bits"),
        ({"embedding": "[1,x]"}, "embedding is no vector"),
        ({"embedding": {"a": 1}}, "embedding is no vector"),
    ],
    ids=str,
)
def test_bad_rows_are_refused_by_number(
    db: Database, raw: connection, small: None, bad: dict[str, Any], message: str
) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, content text, n int, day date, flag boolean, meta jsonb, key uuid,
             r real, embedding vector(3))""",
    )
    good = {"n": 1, "day": None, "flag": True, "meta": {}, "key": None, "r": 1.0}
    source = [{"id": i, "content": f"text {i}", **good} for i in range(25)]
    if "embedding" in bad:
        source = [row | {"embedding": [1, 2, 3]} for row in source]
    source[14] |= bad
    with pytest.raises(LoadError, match=rf"(?s)^1 of the rows 10 to 19 of the source.*row 14: .*{message}"):
        load(db, "docs", source, embedder=letters)
    assert rows(raw, "SELECT count(*), max(id) FROM docs") == [(10, 9)], "the batch before is in"
    source[14] = {"id": 14, "content": "mended", **good, "embedding": [1, 2, 3]}
    if "embedding" not in bad:
        del source[14]["embedding"]
    assert counts(load(db, "docs", source, embedder=letters)) == (15, 0, 10, 0)


def test_many_bad_rows_are_counted_and_ten_are_shown(db: Database, raw: connection) -> None:
    source = frame(30).assign(content=["good"] * 5 + [None] * 25)
    with pytest.raises(LoadError) as caught:
        load(db, "docs", source, embedder=letters)
    assert caught.value.message.startswith("25 of the rows 0 to 29")
    assert caught.value.message.count("row ") == 10
    assert "… and 15 more" in caught.value.message
    assert rows(raw, "SELECT to_regclass('docs')") == [(None,)], "no table is made for nothing"


def test_columns_that_come_and_go(db: Database, raw: connection, small: None) -> None:
    load(db, "docs", iter([frame(10), frame(10, 10).drop(columns="kind")]), embedder=letters)
    assert rows(raw, "SELECT count(*), count(kind) FROM docs") == [(20, 10)]
    with pytest.raises(LoadError, match="from row 10 on the source has a column 'late'"):
        load(db, "other", iter([frame(10), frame(10, 10).assign(late=1)]), embedder=letters)
    ragged = [{"id": 1, "content": "a"}, {"content": "b", "id": 2, "late": {"x": 1}}]
    load(db, "third", ragged, embedder=letters)
    assert rows(raw, "SELECT late FROM third ORDER BY id") == [(None,), ({"x": 1},)]


def test_what_the_server_refuses_is_told_with_the_rows(db: Database, raw: connection, small: None) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, content text, kind int CHECK (kind < 5), embedding vector(3))""",
    )
    source = frame(25)
    source.loc[17, "kind"] = 5
    with pytest.raises(LoadError, match=r"(?s)rows 10 to 19 of the source.*were refused.*check constraint"):
        load(db, "docs", source, embedder=letters)
    assert rows(raw, "SELECT count(*) FROM docs") == [(10,)]


def test_a_text_that_the_model_refuses_is_placed(db: Database, small: None) -> None:
    def picky(texts: list[str]) -> Any:
        return [[0.0 if text == "text 12" else 1.0] for text in texts]

    with pytest.raises(Exception, match=r"rows 10 to 19 of the source.*text 2 is given a vector of zeros"):
        load(db, "docs", frame(20), embedder=picky)


def test_stored_json_is_what_was_given(db: Database, raw: connection) -> None:
    meta = {"ü": [1, {"é": None}], "n": np.int64(3), "a": np.array([1.5]), "t": pd.Timestamp("2020-01-01"), "s": ("x",)}
    load(db, "docs", [{"id": 1, "content": "a", "meta": meta}], embedder=letters)
    stored = rows(raw, "SELECT meta FROM docs")[0][0]
    assert stored == json.loads('{"ü": [1, {"é": null}], "n": 3, "a": [1.5], "t": "2020-01-01T00:00:00", "s": ["x"]}')


# --- whose vectors they are


@pytest.fixture
def loader(db: Database, raw: connection, dsn: str) -> Iterator[Database]:
    """A connection as a role of its own."""
    execute(
        raw, "DROP ROLE IF EXISTS pgvec_loader; CREATE ROLE pgvec_loader; GRANT ALL ON SCHEMA public TO pgvec_loader"
    )
    made = connect(dsn, name="loader", role="pgvec_loader")
    yield made
    made.close()
    execute(raw, "DROP OWNED BY pgvec_loader; DROP ROLE pgvec_loader")


def test_a_table_whose_rows_a_policy_hides_is_not_taken_for_empty(
    db: Database, raw: connection, loader: Database
) -> None:
    load(db, "docs", frame(), embedder=letters)
    execute(
        raw,
        """GRANT ALL ON docs TO pgvec_loader; ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
           CREATE POLICY theirs ON docs USING (id >= 10)""",
    )

    def others(texts: list[str]) -> Any:
        return np.ones((len(texts), 3))

    with pytest.raises(UsageError, match=r"of the model :letters, not of :others"):
        load(loader, "docs", frame(3, 10), embedder=others)
    with pytest.raises(UsageError, match=r"of the model :letters, not of :others"):
        embed_table(loader, "docs", "content", embedder=others)
    assert load(loader, "docs", frame(3, 10), embedder=letters).inserted == 3
    assert catalog.table(db, "docs").vectors[0].embedder == ":letters"


def test_given_vectors_among_those_of_a_model_are_said(db: Database) -> None:
    load(db, "docs", frame(), embedder=letters)
    given = frame(2, 2).assign(embedding=[[1.0, 2.0, 3.0]] * 2)
    said = (
        "the source's vectors are of a model that is not known: they are taken for those of :letters, "
        "of which docs.embedding is"
    )
    assert said in load(db, "docs", given).notices
    assert said not in load(db, "docs", given).notices, "nothing was written"
    assert load(db, "other", given).notices == ()


def hashes_are_of_the_texts(db: Database, raw: connection) -> bool:
    """Whether embed_table finds nothing to do, as every vector is of the text beside it."""
    model = Counting()
    report = embed_table(db, "docs", "content", embedder=model)
    stored = rows(raw, "SELECT content, embedding::real[] FROM docs")
    return (model.seen, report.notices) == ([], ()) and all([v] == letters([text]) for text, v in stored)


def test_a_vector_of_an_older_text_is_not_kept(db: Database, raw: connection) -> None:
    load(db, "docs", frame(), embedder=letters)
    embed_table(db, "docs", "content", embedder=letters)
    execute(raw, "UPDATE docs SET content = 'changed' WHERE id = 1")
    source = frame()
    source.loc[1, "content"] = "changed"
    model = Counting()
    assert counts(load(db, "docs", source, embedder=model)) == (0, 1, 2, 0)
    assert model.seen == ["changed"]
    assert hashes_are_of_the_texts(db, raw)


def test_a_vector_that_was_made_anew_meanwhile_is_not_taken_for_that_of_the_old_text(
    db: Database, raw: connection
) -> None:
    waiting = [1]

    def slow(texts: list[str]) -> list[list[float]]:
        if "changed" in texts and waiting:  # after the table was asked what it has
            waiting.pop()
            execute(raw, "UPDATE docs SET embedding = '[9,9,9]', embedding_hash = gen_random_uuid() WHERE id = 0")
        return letters(texts)

    load(db, "docs", frame(), embedder=slow)
    embed_table(db, "docs", "content", embedder=slow)
    source = frame()
    source.loc[1, "content"] = "changed"
    with pytest.raises(LoadError, match=r"somebody else changed some of them"):
        load(db, "docs", source, embedder=slow)
    load(db, "docs", source, embedder=slow)
    assert rows(raw, "SELECT embedding::text FROM docs WHERE id = 0") == [("[6,1,2]",)]


@pytest.mark.parametrize("before", ["UPDATE docs SET content = 'old' WHERE id = 1", "TRUNCATE docs"])
@pytest.mark.parametrize("given", [False, True], ids=["made", "given"])
def test_the_hash_beside_a_vector_follows_its_text(db: Database, raw: connection, before: str, given: bool) -> None:
    load(db, "docs", frame(), embedder=letters)
    embed_table(db, "docs", "content", embedder=letters)
    execute(raw, before)
    source = frame(5)
    source.loc[0, "content"] = "new"
    load(db, "docs", source.assign(embedding=letters(source["content"])) if given else source, embedder=letters)
    assert hashes_are_of_the_texts(db, raw)
    assert counts(load(db, "docs", source, embedder=letters)) == (0, 0, 5, 0)


def test_a_column_of_that_name_which_is_not_ours_is_left_alone(db: Database, raw: connection) -> None:
    load(db, "docs", frame(), embedder=letters)
    execute(raw, "ALTER TABLE docs ADD embedding_hash uuid")
    load(db, "docs", frame(5), embedder=letters)
    assert rows(raw, "SELECT count(embedding_hash) FROM docs") == [(0,)]


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_two_models_for_one_column_at_the_same_moment(db: Database, raw: connection, dsn: str, exists: bool) -> None:
    other = connect(dsn, name="other")
    waiting = [1]

    def first(texts: list[str]) -> Any:
        return np.ones((len(texts), 3))

    def second(texts: list[str]) -> list[list[float]]:
        if "text" not in texts and waiting:  # after the table was looked at, and before the first batch
            waiting.pop()
            load(other, "docs", frame(2), embedder=first)
        return letters(texts)

    if exists:
        execute(raw, "CREATE TABLE docs (id int PRIMARY KEY, content text, kind int, embedding vector(3))")
    with pytest.raises(UsageError, match=r"docs\.embedding are of the model :first, not of :second"):
        load(db, "docs", frame(3, 10), embedder=second)
    other.close()
    assert not waiting
    assert rows(raw, "SELECT array_agg(id ORDER BY id) FROM docs") == [([0, 1],)]
    assert catalog.table(db, "docs").vectors[0].embedder == ":first"


def test_only_a_staging_table_that_nobody_fills_is_dropped(db: Database, raw: connection, loader: Database) -> None:
    load(loader, "docs", frame(), embedder=letters)
    (pid,) = rows(raw, "SELECT pg_backend_pid()")[0]  # of a role of which the loader may see no more than that
    for name, who in (("living", f"{pid} 1700000000.000000"), ("stale", "2000000000 1700000000.000000")):
        mark = f"{UNFINISHED} in place of public.docs by {who}"
        execute(
            raw,
            f"CREATE TABLE {name} (); ALTER TABLE {name} OWNER TO pgvec_loader; COMMENT ON TABLE {name} IS '{mark}'",
        )
    load(loader, "docs", frame(), embedder=letters, replace=True)
    assert rows(raw, "SELECT to_regclass('living') IS NULL, to_regclass('stale') IS NULL") == [(False, True)]
