"""Two people at the same table at the same moment, and tables that change between a look at them and a statement.

Loads of several connections of one process stand in test_load_stops.py, what a search notices in test_search.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog, overview
from pgvec_magic.db import Database
from pgvec_magic.errors import PgvecError, QueryError, UsageError
from pgvec_magic.load import load, run
from pgvec_magic.search import search, sql

ROWS = 200
# A load in a process of its own, which begins when a line comes in.
PROGRAM = """
import sys
from pgvec_magic.db import connect
from pgvec_magic.load import load, run
from test_races import frame, letters
run._EMBED_ROWS = run._LEAST_ROWS = run._BATCH_BYTES = 10
dsn, first, last, mark = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
db = connect(dsn)
source = frame(first, last, mark)
print("ready", flush=True)
sys.stdin.readline()
report = load(db, "docs", source[::-1] if mark == "back" else source, embedder=letters)
print(report.inserted, report.updated, report.unchanged, flush=True)
"""


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


def frame(first: int, last: int, mark: str = "") -> pd.DataFrame:
    mark = "" if mark == "back" else mark
    return pd.DataFrame({"id": range(first, last), "content": [f"text {mark}{i}" for i in range(first, last)]})


def rows(raw: connection, statement: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def execute(raw: connection, statement: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(statement)


def contents(raw: connection) -> dict[int, tuple[str, str]]:
    return {key: (text, vector) for key, text, vector in rows(raw, "SELECT id, content, embedding::text FROM docs")}


def expected(first: int, last: int, mark: str = "") -> dict[int, tuple[str, str]]:
    texts = {i: f"text {mark}{i}" for i in range(first, last)}
    return {i: (text, f"[{len(text)},{text.count('a') + 1},{text.count('e') + 1}]") for i, text in texts.items()}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten rows."""
    for name in ("_EMBED_ROWS", "_LEAST_ROWS", "_BATCH_BYTES"):
        monkeypatch.setattr(run, name, 10)


# --- two people load the same table


def people(dsn: str, *loads: tuple[int, int, str]) -> list[tuple[int, int, int]]:
    """Load in one process each, all at once; return what each inserted, updated and left."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, dsn, *map(str, given)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for given in loads
    ]
    try:
        assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * len(loads)
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(loads)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in said)]


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_the_same_rows(db: Database, raw: connection, dsn: str, exists: bool) -> None:
    if exists:
        load(db, "docs", frame(0, ROWS, "old "), embedder=letters)
    done = people(dsn, (0, ROWS, ""), (0, ROWS, "back"))
    assert contents(raw) == expected(0, ROWS)
    inserted, updated, unchanged = (sum(each) for each in zip(*done, strict=True))
    assert (inserted, updated, unchanged) == ((0, ROWS, ROWS) if exists else (ROWS, 0, ROWS))


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_different_rows(db: Database, raw: connection, dsn: str, exists: bool) -> None:
    if exists:
        load(db, "docs", frame(1000, 1010), embedder=letters)
    done = people(dsn, (0, ROWS, ""), (ROWS // 2, 2 * ROWS, ""))
    assert contents(raw) == expected(0, 2 * ROWS) | (expected(1000, 1010) if exists else {})
    assert sum(inserted for inserted, *_ in done) == 2 * ROWS
    assert catalog.table(db, "docs").texts[0].indexed
    assert rows(raw, "SELECT obj_description('docs'::regclass)") == [(None,)], "one of them finished it"


def test_different_words_for_the_same_rows(raw: connection, dsn: str) -> None:
    people(dsn, (0, ROWS, "one "), (0, ROWS, "another "))
    found, one, other = contents(raw), expected(0, ROWS, "one "), expected(0, ROWS, "another ")
    assert found.keys() == one.keys()
    assert all(row in (one[key], other[key]) for key, row in found.items()), "text and vector are of the same person"


# --- a table that changes under a load


def load_while(db: Database, meanwhile: Callable[[], None], source: pd.DataFrame | None = None) -> None:
    """Load in batches and change something behind the fifth."""

    def progress(done: int, total: int | None, seconds: float) -> None:
        if done == 50:
            meanwhile()

    load(db, "docs", frame(0, ROWS) if source is None else source, embedder=letters, progress=progress)


TABLE = "CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(3))"
CHANGES = {
    "dropped": ("DROP TABLE docs", "does not exist"),
    "renamed": ("ALTER TABLE docs RENAME TO papers", "does not exist"),
    "column renamed": (
        "ALTER TABLE docs RENAME content TO body",
        r'column (t\.content|"content" of relation "docs") does not exist',  # the next batch is looked up ahead
    ),
    "column dropped": ("ALTER TABLE docs DROP embedding", 'column "embedding" of relation "docs" does not exist'),
    "column required": ("ALTER TABLE docs ADD CONSTRAINT few CHECK (id < 55) NOT VALID", r"(?s)rows 50 to 59 .*few"),
    "dimensions": (
        "ALTER TABLE docs ALTER embedding TYPE vector(4) USING '[1,2,3,4]'",
        "types .* changed|4 dimensions",
    ),
    "type of the text": ("ALTER TABLE docs ALTER content TYPE int USING 1", "types .* changed|operator does not exist"),
    "extension dropped": ("DROP EXTENSION vector CASCADE", "does not exist"),
}


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_a_load_that_no_longer_fits_ends_with_an_error_and_whole_batches(
    db: Database, raw: connection, change: str, said: str, filled: bool
) -> None:
    execute(raw, TABLE)
    if filled:  # then each batch goes through a staging table
        execute(raw, "INSERT INTO docs VALUES (-1, 'theirs', '[1,1,1]')")
    with pytest.raises(PgvecError, match=said):
        load_while(db, lambda: execute(raw, change))
    if not change.startswith("DROP TABLE"):
        left = "papers" if "papers" in change else "docs"
        assert rows(raw, f"SELECT id FROM {left} ORDER BY id") == [(i,) for i in range(-filled, 50)]
    assert value_of(db, "SELECT 1") == 1


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE docs ALTER id TYPE int",
        "ALTER TABLE docs ALTER embedding TYPE halfvec(3)",
        "ALTER TABLE docs ADD extra int DEFAULT 1",
        "CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops)",
        "ALTER TABLE docs ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE docs OWNER TO pg_database_owner",
    ],
)
def test_a_load_that_still_fits_goes_on_at_once_or_when_called_again(
    db: Database, raw: connection, change: str, filled: bool
) -> None:
    execute(raw, TABLE)
    if filled:
        execute(raw, "INSERT INTO docs VALUES (0, 'theirs', '[1,1,1]')")
    said: list[str] = []
    try:
        load_while(db, lambda: execute(raw, change))
    except PgvecError as error:
        said.append(str(error))
        load(db, "docs", frame(0, ROWS), embedder=letters)
    assert all("run the same load again" in text for text in said)
    assert contents(raw) == expected(0, ROWS)


@pytest.mark.parametrize(("before", "after"), [("float8", "bigint"), ("bigint", "float8"), ("timestamptz", "bigint")])
def test_bytes_of_one_type_are_not_taken_for_another(db: Database, raw: connection, before: str, after: str) -> None:
    execute(raw, f"CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(3), extra {before})")
    given = pd.Timestamp("2020-01-01", tz="UTC") if before == "timestamptz" else 3
    change = f"ALTER TABLE docs ALTER extra TYPE {after} USING 3"
    with pytest.raises(QueryError, match=r"types of the table's columns were changed\n(.*\n)*run the same load again"):
        load_while(db, lambda: execute(raw, change), source=frame(0, ROWS).assign(extra=given))
    assert rows(raw, "SELECT DISTINCT extra FROM docs") == [(3,)]
    assert len(contents(raw)) == 50


# --- a table that changes under a search

WORDS = "CREATE INDEX words ON papers USING gin (to_tsvector('english', body))"


@pytest.fixture
def papers(db: Database, raw: connection) -> Database:
    """A table with every kind of index, which was just searched."""
    execute(raw, "CREATE TABLE papers (id int PRIMARY KEY, body text, embedding vector(2) NOT NULL)")
    execute(
        raw, "INSERT INTO papers SELECT n, 'paper number ' || n, ARRAY[n, 1]::vector FROM generate_series(1, 300) AS n"
    )
    execute(raw, "CREATE INDEX near ON papers USING hnsw (embedding vector_l2_ops)")
    execute(raw, WORDS)
    assert nearest(db) == [7, 8, 6]
    return db


def nearest(db: Database, **options: Any) -> list[int]:
    found = search(db, "papers", vector=[7.1, 1], k=3, metric="l2", **options)
    return [int(key) for key in found.column("id")]


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX near",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'near'::regclass",
        "ALTER INDEX near RENAME TO far",
        "DROP INDEX words",
        "ALTER TABLE papers RENAME embedding TO e",
        "ALTER TABLE papers RENAME body TO content",
        "ALTER TABLE papers DROP body",
        "DROP INDEX near; ALTER TABLE papers ALTER embedding TYPE halfvec(2)",
        "DROP INDEX near; ALTER TABLE papers ALTER embedding TYPE vector",
        "ALTER TABLE papers DROP CONSTRAINT papers_pkey",
        "ALTER TABLE papers ALTER id TYPE text",
        "CREATE TABLE other AS TABLE papers; DROP TABLE papers; ALTER TABLE other RENAME TO papers",
        "ALTER TABLE papers RENAME TO old; CREATE VIEW papers AS TABLE old",
        "CREATE SCHEMA elsewhere; ALTER EXTENSION vector SET SCHEMA elsewhere",
    ],
)
def test_a_search_still_finds_the_right_rows(papers: Database, raw: connection, change: str) -> None:
    execute(raw, change)
    assert nearest(papers) == [7, 8, 6]
    if "body" not in change:
        found = search(papers, "papers", "paper number 7", vector=[7.1, 1], mode="hybrid", k=3, metric="l2")
        assert int(found.column("id")[0]) == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE papers", "no table 'papers'"),
        ("ALTER TABLE papers RENAME TO articles", "no table 'papers'.*\n.*articles"),
        ("ALTER TABLE papers DROP embedding", "no vector column|has no vector"),
        ("DROP INDEX near; ALTER TABLE papers ALTER embedding TYPE text", "no vector column|has no vector"),
        (
            "DROP INDEX near; ALTER TABLE papers ALTER embedding TYPE vector(3) USING '[1,2,3]'",
            "papers.embedding has 3",
        ),
        ("DROP EXTENSION vector CASCADE", "pgvector is not installed|no vector"),
        ("DROP SCHEMA public CASCADE", "no table 'papers'|pgvector is not installed"),
    ],
)
def test_a_search_for_what_is_gone_says_so(papers: Database, raw: connection, change: str, said: str) -> None:
    execute(raw, change)
    with pytest.raises(UsageError, match=said):
        nearest(papers)
    with pytest.raises(UsageError):
        nearest(papers)


def test_the_cache_notices(papers: Database, raw: connection) -> None:
    assert not catalog.changed(papers, "papers")
    catalog.table(papers, "papers")
    execute(raw, "INSERT INTO papers VALUES (1000, 'x', '[0,0]')")
    assert not catalog.changed(papers, "papers"), "rows come and go"
    for change in (
        "DROP INDEX near",
        "ALTER TABLE papers ADD extra int",
        "ALTER TABLE papers ENABLE ROW LEVEL SECURITY",
    ):
        catalog.table(papers, "papers")
        execute(raw, change)
        changed = catalog.changed(papers, "papers")
        assert changed or "ROW LEVEL" in change, change  # which a superuser is above
    execute(raw, "DROP TABLE papers")
    with pytest.raises(UsageError, match="no table"):
        catalog.changed(papers, "papers")


def test_searches_while_somebody_changes_the_table_all_the_time(papers: Database, raw: connection) -> None:
    changes = [
        "ALTER TABLE papers RENAME embedding TO e", "ALTER TABLE papers RENAME e TO embedding", "DROP INDEX near",
        "ALTER TABLE papers ALTER embedding TYPE halfvec(2)", "ALTER TABLE papers ALTER embedding TYPE vector(2)",
        "CREATE INDEX near ON papers USING hnsw (embedding vector_l2_ops)", "ALTER TABLE papers RENAME TO gone",
        "ALTER TABLE gone RENAME TO papers", "BEGIN; DROP INDEX words; ALTER TABLE papers RENAME body TO b; COMMIT",
        "BEGIN; ALTER TABLE papers RENAME b TO body; " + WORDS + "; COMMIT",
    ]  # fmt: skip
    stop = threading.Event()

    def alter() -> int:
        rounds = 0
        while not stop.is_set():
            for change in changes:
                execute(raw, change)
            rounds += 1
        return rounds

    right, refused = 0, 0
    with ThreadPoolExecutor(1) as pool:
        altering = pool.submit(alter)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for options in ({}, {"text": "paper number 7", "mode": "hybrid"}, {"where": "id < 100"}):
                try:
                    found = search(papers, "papers", vector=[7.1, 1], k=3, metric="l2", **options)
                except PgvecError:
                    refused += 1
                else:
                    assert int(found.column("id")[0]) == 7
                    assert len(found) == 3
                    right += 1
        stop.set()
        assert altering.result() > 2
    assert right > 20, (right, refused)
    assert nearest(papers) == [7, 8, 6]


def test_statements_of_a_cell_meet_a_table_that_another_drops(papers: Database, raw: connection) -> None:
    execute(raw, "BEGIN; DROP TABLE papers")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sql, papers, "SELECT 1; DELETE FROM papers; SELECT 2")
        until = time.monotonic() + 20
        while not rows(
            raw, "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ):
            assert time.monotonic() < until
            time.sleep(0.01)
        execute(raw, "COMMIT")
        with pytest.raises(QueryError, match='relation "papers" does not exist'):
            waiting.result()
    assert len(overview.tables(papers)) == 0


def value_of(db: Database, statement: str) -> Any:
    return sql(db, statement).rows[0][0]
