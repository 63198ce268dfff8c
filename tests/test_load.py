from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database
from pgvec_magic.errors import EmbedError, LoadError, UsageError
from pgvec_magic.load import load, run
from pgvec_magic.query import Query


def letters(texts: Sequence[str]) -> list[list[float]]:
    """Three numbers that tell texts apart."""
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


class Counting:
    """``letters`` with the texts it was called with as ``seen``."""

    __name__ = "letters"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.seen += texts
        return letters(texts)


def frame(count: int = 3, start: int = 0) -> pd.DataFrame:
    ids = range(start, start + count)
    return pd.DataFrame({"id": ids, "content": [f"text {i}" for i in ids], "kind": [i % 2 for i in ids]})


def vectors(count: int, start: int = 0) -> pd.DataFrame:
    made = [np.array([i, 1, 0.5], np.float32) for i in range(start, start + count)]
    return pd.DataFrame({"id": range(start, start + count), "embedding": made})


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
    monkeypatch.setattr(run, "_EMBED_ROWS", 10)
    monkeypatch.setattr(run, "_LEAST_ROWS", 10)
    monkeypatch.setattr(run, "_BATCH_BYTES", 10)


def test_a_frame_becomes_a_table_that_can_be_searched(db: Database, raw: connection) -> None:
    report = load(db, "docs", frame(), embedder="wordllama")
    assert (report.rows, report.inserted, report.created, report.embedder) == (3, 3, True, "wordllama")
    assert rows(raw, "SELECT id, content, kind FROM docs ORDER BY id")[0] == (0, "text 0", 0)
    assert rows(raw, "SELECT count(*) FROM docs WHERE fts @@ to_tsquery('english', 'text')") == [(3,)]
    info = catalog.table(db, "docs")
    assert (info.key, info.vectors[0].dimensions, info.vectors[0].embedder) == (("id",), 256, "wordllama")
    assert not info.vectors[0].nullable
    assert info.texts[0].indexed
    assert rows(raw, "SELECT n_distinct < 0 FROM pg_stats WHERE tablename = 'docs' AND attname = 'id'"), "analyzed"
    assert rows(raw, "SELECT obj_description('docs'::regclass)") == [(None,)], "no mark is left"


def test_vectors_are_of_the_text_of_their_row(db: Database, raw: connection, small: None) -> None:
    source = pd.DataFrame({"id": range(25), "content": ["e" * (25 - i) for i in range(25)]})
    load(db, "docs", source, embedder=letters)
    found = rows(raw, "SELECT content, embedding::text FROM docs")
    assert {text: json.loads(vector) for text, vector in found} == {t: letters([t])[0] for t in source["content"]}


def test_several_texts_are_joined_by_a_blank_line(db: Database, raw: connection) -> None:
    model = Counting()
    source = [{"id": 1, "title": "a title", "body": "a body"}, {"id": 2, "title": None, "body": "only a body"}]
    load(db, "docs", source, text=["title", "body"], embedder=model)
    assert set(model.seen) - {"text"} == {"a title\n\na body", "only a body"}
    assert rows(raw, "SELECT count(*) FROM docs WHERE fts @@ to_tsquery('english', 'title & body')") == [(1,)]


def test_which_column_is_the_text_has_to_be_said_when_it_is_not_clear(db: Database) -> None:
    with pytest.raises(UsageError, match=r"which column holds the text.*title, body"):
        load(db, "docs", pd.DataFrame({"id": [1], "title": ["a"], "body": ["b"]}))
    with pytest.raises(UsageError, match=r"no column 'titel'\ndid you mean 'title'"):
        load(db, "docs", pd.DataFrame({"id": [1], "title": ["a"]}), text="titel")
    with pytest.raises(UsageError, match=r"no column 'key'"):
        load(db, "docs", frame(), id="key")


def test_types_come_back_as_they_went(db: Database, raw: connection) -> None:
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    row = {
        "id": 2**62,
        "content": 'ünï "quoted" \\ % \t 日本 🐘',
        "whole": -5,
        "part": 0.1,
        "yes": True,
        "at": moment,
        "day": datetime.date(1950, 1, 2),
        "time": datetime.time(23, 59, 1),
        "took": datetime.timedelta(days=-1, seconds=3),
        "price": decimal.Decimal("12345678901234567890.12345"),
        "key": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "raw": b"\x00\xff",
        "meta": {"a": [1, 2.5, None, {"b": "c"}], "ü": True},
        "tags": ["x", "y"],
        "huge": 2**63,
    }
    load(db, "docs", [row, {"id": 1, "content": "all the rest is missing"}], embedder=letters)
    back = dict(zip(row, rows(raw, f"SELECT {', '.join(row)} FROM docs ORDER BY id DESC")[0], strict=True))
    back["raw"], back["key"] = bytes(back["raw"]), uuid.UUID(back["key"])
    assert back == row
    assert rows(raw, f"SELECT {', '.join(list(row)[2:])} FROM docs WHERE id = 1") == [(None,) * (len(row) - 2)]
    types = dict(rows(raw, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'docs'"))
    assert [types[name] for name in row] == [
        *("bigint", "text", "bigint", "double precision", "boolean", "timestamp with time zone", "date"),
        *("time without time zone", "interval", "numeric", "uuid", "bytea", "jsonb", "jsonb", "numeric"),
    ]


def test_dtypes_of_pandas(db: Database, raw: connection) -> None:
    source = pd.DataFrame(
        {
            "id": np.array([1, 2, 3], "uint8"),
            "content": ["a", "b", "c"],
            "nullable": pd.array([1, None, 3], "Int64"),
            "flag": pd.array([True, None, False], "boolean"),
            "single": np.array([1.5, np.nan, np.inf], "float32"),
            "naive": pd.to_datetime(["2020-01-01", None, "1999-12-31"]),
            "zoned": pd.to_datetime(["2020-01-01", None, "1999-12-31"]).tz_localize("Europe/Berlin"),
            "class": pd.Categorical(["x", None, "y"]),
            "nothing": [None, None, None],
        }
    )
    load(db, "docs", source, embedder=letters)
    columns = "nullable, flag, single, naive AT TIME ZONE 'UTC', zoned AT TIME ZONE 'UTC', \"class\", nothing"
    assert rows(raw, f"SELECT {columns} FROM docs ORDER BY id") == [
        (1, True, 1.5, datetime.datetime(2020, 1, 1), datetime.datetime(2019, 12, 31, 23), "x", None),
        (None, None, None, None, None, None, None),
        (3, False, float("inf"), datetime.datetime(1999, 12, 31), datetime.datetime(1999, 12, 30, 23), "y", None),
    ]


def test_dicts_become_jsonb_with_an_index(db: Database, raw: connection) -> None:
    load(db, "docs", [{"id": 1, "content": "a", "meta": {"lang": "de"}}], embedder=letters)
    assert rows(raw, """SELECT id FROM docs WHERE meta @> '{"lang": "de"}'""") == [(1,)]
    indexes = [row[0] for row in rows(raw, "SELECT indexdef FROM pg_indexes WHERE tablename = 'docs'")]
    assert sum("gin (meta)" in index for index in indexes) == 1
    assert sum("gin (fts)" in index for index in indexes) == 1


@pytest.mark.parametrize("name", ['we"ird %s', "Großer Name", "a.b", "select", "x%(y)s{z}$q$'"])
def test_names_need_no_care(db: Database, raw: connection, name: str) -> None:
    execute(raw, "CREATE SCHEMA a")
    columns = {"id": 'i"d %s', "content": "con'tent %(x)s", "kind": "{kind}"}
    options: dict[str, Any] = {"text": "con'tent %(x)s", "id": 'i"d %s', "column": 'em"b %', "embedder": letters}
    source = frame().rename(columns=columns).assign(meta=[{}, {}, {}])
    for _ in range(2):
        load(db, name, source, **options)
    report = load(db, name, source.assign(**{"{kind}": 7}), **options)
    assert (report.updated, report.unchanged) == (3, 0)
    assert load(db, name, source, **options, replace=True).inserted == 3
    assert len(catalog.table(db, name).columns) == 6


def test_a_schema_is_found_or_missed(db: Database, raw: connection) -> None:
    execute(raw, "CREATE SCHEMA lib")
    load(db, "lib.docs", frame(), embedder=letters)
    assert rows(raw, "SELECT count(*) FROM lib.docs") == [(3,)]
    with pytest.raises(UsageError, match=r"no schema 'lab' for lab\.docs"):
        load(db, "lab.docs", frame(), embedder=letters)


def test_an_extension_that_is_missing_is_created(db: Database, raw: connection) -> None:
    execute(raw, "DROP EXTENSION vector")
    assert load(db, "docs", frame(), embedder=letters).inserted == 3


def test_an_extension_outside_the_search_path(db: Database, raw: connection) -> None:
    execute(raw, "DROP EXTENSION vector; CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext")
    load(db, "docs", frame(), embedder=letters)
    changed = frame().assign(content=["text 0", "text 1", "else"])
    report = load(db, "docs", changed, embedder=letters)
    assert (report.updated, report.unchanged) == (1, 2)


def test_the_text_search_column_takes_a_free_name(db: Database, raw: connection) -> None:
    load(db, "docs", frame().assign(fts="mine"), embedder=letters)
    assert rows(raw, "SELECT DISTINCT fts, fts_2 @@ to_tsquery('text') FROM docs") == [("mine", True)]


@pytest.mark.parametrize(
    "given",
    [
        [[1.0, 2.0], [3, 4]],
        [(1, 2), (3, 4)],
        [np.array([1, 2]), np.array([3.0, 4.0])],
        ["[1,2]", " [3, 4.0] "],
        [[1, 2], np.array([3, 4], np.float16)],
    ],
    ids=["lists", "tuples", "arrays", "texts", "mixed"],
)
def test_given_vectors_are_taken_as_they_are(db: Database, raw: connection, given: list[Any]) -> None:
    report = load(db, "docs", pd.DataFrame({"id": [1, 2], "vec": given, "content": ["a", "b"]}), column="vec")
    assert (report.embedder, report.dimensions, report.embed_seconds) == (None, 2, 0)
    assert rows(raw, "SELECT vec::text FROM docs ORDER BY id") == [("[1,2]",), ("[3,4]",)]
    assert catalog.table(db, "docs").vectors[0].embedder is None


def test_vectors_come_back_to_the_last_bit(db: Database) -> None:
    made = np.random.default_rng(1).standard_normal((50, 7)).astype(np.float32)
    made[0, :3] = [3e38, 1e-45, -0.0]
    load(db, "docs", pd.DataFrame({"id": range(50), "embedding": list(made)}))
    back = np.stack([row[0] for row in db.run(Query("SELECT embedding FROM docs ORDER BY id")).rows])
    assert np.array_equal(back, made)


def test_zero_vectors_are_stored_and_mentioned(db: Database) -> None:
    report = load(db, "docs", [{"id": 1, "embedding": [0, 0]}, {"id": 2, "embedding": [0, 1]}])
    assert report.inserted == 2
    assert "nothing but zeros: 1" in str(report)


def test_the_source_may_be_many_things(db: Database) -> None:
    def generator() -> Any:
        yield frame(3)
        yield frame(0)
        yield frame(4, start=3)

    class Arrow:
        def to_pandas(self) -> pd.DataFrame:
            return frame(2)

    sources = [(generator(), 7), ([frame(3), frame(3, 3)], 6), (({"id": i, "content": "x"} for i in range(5)), 5)]
    sources += [(frame(2).set_index("id"), 2), (Arrow(), 2), ([{"id": 1, "content": "x"}], 1)]
    for i, (source, count) in enumerate(sources):
        assert load(db, f"docs{i}", source, embedder=letters).inserted == count
    for bad in (7, {"id": [1]}, ["text"], b"x"):
        with pytest.raises(UsageError, match="give a DataFrame"):
            load(db, "docs", bad, embedder=letters)
    for empty in ([], frame(0), iter([frame(0)])):
        with pytest.raises(LoadError, match="no rows"):
            load(db, "docs", empty, embedder=letters)


def test_a_sample_brings_its_columns_along(db: Database) -> None:
    report = load(db, "docs", "sample:pydocs", limit=40, embedder=letters)
    assert (report.rows, report.inserted) == (40, 40)
    assert catalog.table(db, "docs").key == ("id",)
    with pytest.raises(UsageError, match="pydocs"):
        load(db, "docs", "sample:pydoc")


def test_progress_and_limit(db: Database, small: None) -> None:
    told: list[tuple[int, int | None, float]] = []
    report = load(db, "docs", frame(40), limit=25, embedder=letters, progress=lambda *a: told.append(a))
    assert [(done, total) for done, total, _ in told] == [(10, 25), (20, 25), (25, 25)]
    assert [seconds for *_, seconds in told] == sorted(seconds for *_, seconds in told)
    assert report.rows == 25
    load(db, "docs", iter([frame(5)]), embedder=letters, progress=lambda *a: told.append(a))
    assert told[-1][:2] == (5, None)


def test_small_frames_make_full_batches(db: Database, small: None) -> None:
    told: list[int] = []
    source = (frame(3, start) for start in range(0, 30, 3))
    load(db, "docs", source, embedder=letters, progress=lambda done, total, seconds: told.append(done))
    assert told == [10, 20, 30]


def test_rows_without_ids_get_the_hash_of_their_content(db: Database, raw: connection, small: None) -> None:
    source = pd.DataFrame({"content": ["a", "b", "a", "a", *map(str, range(20)), "b"], "page": range(25)})
    first = load(db, "docs", source, embedder=letters)
    again = load(db, "docs", source, embedder=letters)
    assert (first.inserted, again.inserted, again.unchanged) == (25, 0, 25), "a row twice in the source is two rows"
    assert rows(raw, "SELECT count(DISTINCT id), count(DISTINCT page), min(length(id)) FROM docs") == [(25, 25, 16)]
    assert rows(raw, "SELECT id FROM docs WHERE page = 0") == [("e842f55d0cf04f4d",)], "sha-256 of a and 0"


def test_the_hash_of_a_row_does_not_depend_on_how_its_source_was_cut(
    db: Database, raw: connection, small: None
) -> None:
    many: list[dict[str, Any]] = [
        {"content": f"text {i}", "n": i, "x": i / 2 if i % 2 else i, "note": "a"} for i in range(30)
    ]
    many[12] |= {"n": None, "x": None, "note": None}
    many[25] |= {"n": None}

    def cut(size: int) -> list[pd.DataFrame]:
        return [pd.DataFrame(many[i : i + size]) for i in range(0, len(many), size)]

    for source in (cut(5), cut(7), [*cut(2)[:6], *(f.dropna(axis=1) for f in cut(1)[12:])], cut(30), many):
        load(db, "docs", source, embedder=letters)
        assert rows(raw, "SELECT count(*), count(n), sum(n), count(note) FROM docs") == [(30, 28, 398, 29)]


def test_whole_numbers_beside_missing_ones_of_another_frame_stay_exact(
    db: Database, raw: connection, small: None
) -> None:
    frames = [frame(2).assign(n=2**60 + 1), frame(2, 2).assign(n=[0.0, np.nan]), frame(2, 4)]
    load(db, "docs", frames, embedder=letters)
    assert rows(raw, "SELECT n FROM docs ORDER BY id") == [(2**60 + 1,), (2**60 + 1,), (0,), (None,), (None,), (None,)]


@pytest.mark.parametrize("kind", ["bigint", "uuid", "varchar(20)", "bigint GENERATED ALWAYS AS IDENTITY"])
def test_the_hash_fits_the_column(db: Database, raw: connection, kind: str) -> None:
    execute(raw, f"CREATE TABLE docs (id {kind} PRIMARY KEY, content text, embedding vector(3))")
    source = pd.DataFrame({"content": ["a", "b"]})
    assert load(db, "docs", source, embedder=letters).inserted == 2
    assert load(db, "docs", source, embedder=letters).unchanged == 2


def test_a_hash_that_does_not_fit_is_an_error(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id int PRIMARY KEY, content text, embedding vector(3))")
    with pytest.raises(UsageError, match=r"docs\.id is of type int4"):
        load(db, "docs", pd.DataFrame({"content": ["a", "b"]}), embedder=letters)


def test_rows_of_nothing_but_vectors_are_hashed_too(db: Database) -> None:
    source = vectors(5).drop(columns="id")
    assert load(db, "docs", source).inserted == 5
    assert load(db, "docs", source).unchanged == 5


def test_the_report_reads_well(db: Database) -> None:
    report = load(db, "docs", frame(), embedder=letters)
    assert str(report).startswith("docs: new table, 3 inserted in ")
    assert "3 dimensions by :letters" in str(report)
    assert "&lt;" in load(db, "<b>", frame(), embedder=letters)._repr_html_()


def test_a_readonly_connection_loads_nothing(dsn: str) -> None:
    from pgvec_magic.db import connect

    with pytest.raises(UsageError, match="read-only"):
        load(connect(dsn, name="reader", readonly=True), "docs", frame(), embedder=letters)


def test_options_are_checked(db: Database) -> None:
    with pytest.raises(UsageError, match="'upsert' is none"):
        load(db, "docs", frame(), on_conflict="upsert")
    with pytest.raises(UsageError, match="limit"):
        load(db, "docs", frame(), limit=0)
    with pytest.raises(UsageError, match="longer than 63 bytes"):
        load(db, "docs", frame().assign(**{"ü" * 40: 1}), embedder=letters)
    with pytest.raises(UsageError, match="two columns called 'id'"):
        load(db, "docs", frame().set_axis(["id", "content", "id"], axis=1), embedder=letters)
    with pytest.raises(UsageError, match="both"):
        load(db, "docs", frame(), id="content", column="content")
    with pytest.raises(EmbedError, match="no model 'wordlama'"):
        load(db, "docs", frame(), embedder="wordlama")
