from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from psycopg2.extensions import connection
from pyarrow import parquet

from pgvec_magic.db import Database
from pgvec_magic.errors import LoadError, UsageError
from pgvec_magic.load import files, load


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.fixture
def types(raw: connection) -> Callable[[], dict[str, str]]:
    """The columns of docs and their types."""
    sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'docs'"
    return lambda: dict(rows(raw, f"{sql} ORDER BY ordinal_position"))


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files read two rows at a time."""
    monkeypatch.setattr(files, "_ROWS", 2)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_has_types_that_hold_all_its_rows(
    db: Database, raw: connection, tmp_path: Path, pairs: None, types: Callable[[], dict[str, str]]
) -> None:
    text = '''id,content,late,whole,part,code,yes,none,mixed
1,"one, ""quoted""",1,1,1,007,true,,1
2,NA,2,NA,2,12,false,,2
3,"line
break",3,3,,013,,,NA
4,None,4,4,4.5,14,TRUE,,x
5,ünï,word,,1e-3,15,False,,5
'''
    report = load(db, "docs", written(tmp_path / "a.csv", text), embedder=letters)
    assert (report.rows, report.inserted) == (5, 5)
    assert list(types().values())[:9] == [
        *("bigint", "text", "text", "bigint", "double precision", "text", "boolean", "text", "text")
    ]
    stored = rows(raw, "SELECT content, late, whole, part, code, yes, none, mixed FROM docs ORDER BY id")
    assert stored == [
        ('one, "quoted"', "1", 1, 1.0, "007", True, None, "1"),
        ("NA", "2", None, 2.0, "12", False, None, "2"),
        ("line\nbreak", "3", 3, None, "013", None, None, "NA"),
        ("None", "4", 4, 4.5, "14", True, None, "x"),
        ("ünï", "word", None, 0.001, "15", False, None, "5"),
    ]


def test_what_people_call_csv(db: Database, raw: connection, tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes("\ufeffid;content\r\n1;größer, weiter\r\n".encode())
    (tmp_path / "tabs.tsv").write_text("id\tcontent\n2\ta, b; c\n")
    for name in ("excel.csv", "tabs.tsv"):
        load(db, "docs", str(tmp_path / name), embedder=letters)
    assert rows(raw, "SELECT id, content FROM docs ORDER BY id") == [(1, "größer, weiter"), (2, "a, b; c")]


def test_a_csv_may_bring_its_vectors(db: Database, raw: connection, tmp_path: Path, pairs: None) -> None:
    pd.DataFrame({"id": range(5), "embedding": [[i, 0.5] for i in range(5)]}).to_csv(tmp_path / "v.csv", index=False)
    assert load(db, "docs", tmp_path / "v.csv").dimensions == 2
    assert rows(raw, "SELECT embedding::text FROM docs WHERE id = 4") == [("[4,0.5]",)]


def test_a_csv_fits_a_table_that_is_there(db: Database, raw: connection, tmp_path: Path) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs (id int PRIMARY KEY, content text, at timestamptz, n numeric, embedding vector(3))"
        )
    text = "id,content,at,n\n1,one,2024-01-01T00:00:00+01:00,1.10\n2,two,,\n"
    load(db, "docs", written(tmp_path / "a.csv", text), embedder=letters)
    stored = rows(raw, "SELECT at AT TIME ZONE 'UTC', n::text FROM docs ORDER BY id")
    assert stored == [(datetime.datetime(2023, 12, 31, 23), "1.1"), (None, None)]


def test_json_lines(
    db: Database, raw: connection, tmp_path: Path, pairs: None, types: Callable[[], dict[str, str]]
) -> None:
    lines = [
        {"id": 1, "content": "one", "n": 1, "when": "2024-01-01"},
        {"id": 2, "content": "two", "n": 2.5, "meta": {"a": [1]}},
        {"id": 3, "content": "a\u2028b", "n": None, "when": None},
        {"content": "four", "id": 4, "tags": ["x"], "big": 2**70},
    ]
    path = written(tmp_path / "a.jsonl", "\n".join(json.dumps(line) for line in lines) + "\n\n")
    told: list[int | None] = []
    load(
        db,
        "docs",
        path,
        embedder=lambda texts: [[1.0, 2.0]] * len(texts),
        progress=lambda d, total, s: told.append(total),
    )
    assert told == [4]
    assert list(types().items())[1:7] == [
        *(("content", "text"), ("n", "double precision"), ("when", "text"), ("meta", "jsonb"), ("tags", "jsonb")),
        ("big", "numeric"),
    ]
    stored = rows(raw, 'SELECT id, n, "when", meta, tags, big FROM docs ORDER BY id')
    assert stored[1:] == [(2, 2.5, None, {"a": [1]}, None, None), (3, *[None] * 5), (4, None, None, None, ["x"], 2**70)]


def test_a_json_array(db: Database, tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", '  [{"id": 1, "content": "a"},\n {"id": 2, "content": "b"}]')
    assert load(db, "docs", path, embedder=letters).inserted == 2


@pytest.mark.parametrize("kind", ["list", "fixed", "halves"])
def test_parquet(
    db: Database, raw: connection, tmp_path: Path, pairs: None, types: Callable[[], dict[str, str]], kind: str
) -> None:
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    made = {
        "list": pa.array(vectors.tolist(), pa.list_(pa.float64())),
        "fixed": pa.FixedSizeListArray.from_arrays(vectors.ravel(), 2),
        "halves": pa.array(list(vectors.astype(np.float16)), pa.list_(pa.float16())),
    }
    moments = [datetime.datetime(2020, 1, i, tzinfo=datetime.UTC) for i in range(1, 6)]
    table = pa.table(
        {
            "id": pa.array([1, 2, 3, 4, 2**60 + 1]),
            "content": pa.array(["a", "b", None, "d", "e"]).dictionary_encode(),
            "n": pa.array([1, None, 3, None, 2**60 + 1]),
            "yes": pa.array([True, None, False, None, True]),
            "at": pa.array(moments, pa.timestamp("ms", "Europe/Paris")),
            "day": pa.array([moment.date() for moment in moments]),
            "price": pa.array([None, *["1.50"] * 4]).cast(pa.decimal128(10, 2)),
            "tags": pa.array([["x"], [], None, ["y", None], []]),
            "meta": pa.array([{"a": 1, "b": [{"c": 2}]}] * 5),
            "pairs": pa.array([[("k", 1)], [], None, [], []], pa.map_(pa.string(), pa.int64())),
            "nothing": pa.nulls(5),
            "embedding": made[kind],
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert load(db, "docs", tmp_path / "a.parquet").inserted == 5
    assert list(types().values())[:11] == [
        *(
            "bigint",
            "text",
            "bigint",
            "boolean",
            "timestamp with time zone",
            "date",
            "numeric",
            "jsonb",
            "jsonb",
            "jsonb",
        ),
        "text",
    ]
    stored = rows(
        raw,
        """SELECT content, n, yes, at = '2020-01-05 00:00+00', day, price::text, tags, meta, pairs, nothing,
             embedding::text FROM docs ORDER BY id DESC""",
    )
    meta = {"a": 1, "b": [{"c": 2}]}
    assert stored[0] == ("e", 2**60 + 1, True, True, datetime.date(2020, 1, 5), "1.50", [], meta, {}, None, "[8,9]")
    assert stored[1][:3] == ("d", None, None)
    assert stored[1][6] == ["y", None]
    assert stored[4][8] == {"k": 1}
    assert stored[2][0] is None


def test_parquet_of_pandas_keeps_a_named_index(db: Database, tmp_path: Path) -> None:
    frame = pd.DataFrame({"content": ["a", "b"]}, index=pd.Index([5, 6], name="id"))
    frame.to_parquet(tmp_path / "named.parquet")
    assert load(db, "docs", tmp_path / "named.parquet", embedder=letters).inserted == 2
    frame.reset_index()[::2].to_parquet(tmp_path / "bare.parquet")
    assert load(db, "docs", tmp_path / "bare.parquet", embedder=letters).unchanged == 1


def test_files_that_cannot_be_read(db: Database, tmp_path: Path) -> None:
    written(tmp_path / "docs.csv", "id,content\n1,a\n")
    written(tmp_path / "docs.txt", "hello")
    written(tmp_path / "bad.csv", "id,content\n1,a\n2,b,c,d\n")
    written(tmp_path / "empty.csv", "")
    written(tmp_path / "header.csv", "id,content\n")
    written(tmp_path / "bad.jsonl", '{"id": 1, "content": "a"}\n{"id": 2,\n')
    written(tmp_path / "list.jsonl", '{"id": 1, "content": "a"}\n[1]\n')
    written(tmp_path / "bad.parquet", "PAR1 not")
    (tmp_path / "latin.csv").write_bytes("id,content\n1,größer\n".encode("latin-1"))
    cases = [
        ("dosc.csv", UsageError, "there is no file.*\ndid you mean 'docs.csv'"),
        ("frame", UsageError, "there is no file.*a variable is given as :name"),
        ("docs.txt", UsageError, r"no reader for \.txt\nfiles end in \.csv"),
        ("bad.csv", LoadError, r"bad\.csv: .*line 3"),
        ("empty.csv", LoadError, r"empty\.csv: "),
        ("header.csv", LoadError, "no rows"),
        ("bad.jsonl", LoadError, r"bad\.jsonl, line 2: "),
        ("list.jsonl", LoadError, r"list\.jsonl, line 2: \[1\] is no object"),
        ("bad.parquet", LoadError, r"bad\.parquet: "),
        ("latin.csv", LoadError, r"latin\.csv is not UTF-8"),
    ]
    for name, error, message in cases:
        with pytest.raises(error, match=rf"(?s){message}"):
            load(db, "docs", tmp_path / name, embedder=letters)


def test_a_file_may_be_named_from_home(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    written(tmp_path / "docs.csv", "id,content\n1,a\n")
    assert load(db, "docs", "~/docs.csv", embedder=letters).inserted == 1


@pytest.mark.parametrize("values", [("1.10", "1.1"), ("100000000000000000001", "100000000000000000002")])
def test_ids_of_a_csv_that_look_like_numbers_stay_apart(
    db: Database, raw: connection, tmp_path: Path, values: tuple[str, str]
) -> None:
    for value in values:
        load(
            db, "docs", written(tmp_path / "one.csv", f"id,content\n{value},of {value}\n2.5,other\n"), embedder=letters
        )
    assert {id for (id,) in rows(raw, "SELECT id::text FROM docs")} == {*values, "2.5"}


def test_words_of_a_csv_stay_as_they_are_written(db: Database, raw: connection, tmp_path: Path) -> None:
    raw.cursor().execute(
        "CREATE TABLE docs (id int PRIMARY KEY, content text, version varchar(9), embedding vector(3))"
    )
    text = "id,content,version\n1,1.50,3.10\n2,true,3.1\n3,2e3,\n"
    load(db, "docs", written(tmp_path / "a.csv", text), embedder=letters)
    assert rows(raw, "SELECT content, version FROM docs ORDER BY id") == [
        ("1.50", "3.10"),
        ("true", "3.1"),
        ("2e3", None),
    ]


def test_words_such_as_true_or_null_can_be_the_text(db: Database, raw: connection, tmp_path: Path) -> None:
    load(db, "docs", written(tmp_path / "a.csv", "id,content\n1,true\n2,null\n3,1.50\n"), embedder=letters)
    assert rows(raw, "SELECT content FROM docs ORDER BY id") == [("true",), ("null",), ("1.50",)]


def test_rows_without_an_id_that_differ_in_anything_are_different_rows(db: Database, raw: connection) -> None:
    for author in ("A", "B", "B"):
        load(db, "docs", [{"content": "the same", "author": author}], embedder=letters)
    assert rows(raw, "SELECT author FROM docs ORDER BY author") == [("A",), ("B",)]


def test_a_name_that_postgres_would_cut_is_refused_before_anything_is_made(db: Database, raw: connection) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        load(db, "x" * 64, [{"id": 1, "content": "a"}], embedder=letters)
    assert rows(raw, "SELECT relname FROM pg_class WHERE relname LIKE 'xxx%'") == []
