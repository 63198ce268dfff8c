"""Loads that end early, and loads that meet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database
from pgvec_magic.errors import LoadError, UsageError
from pgvec_magic.load import load, run

ROWS = 200
# A load in a process of its own, slow enough to be killed in its middle.
PROGRAM = """
import sys, time
from pgvec_magic.db import connect
from pgvec_magic.load import load, run
from test_load_stops import frame, letters
run._EMBED_ROWS = run._LEAST_ROWS = 10
def slow(texts):
    time.sleep(0.05)
    return letters(texts)
slow.__name__ = "letters"
load(connect(sys.argv[1]), "docs", frame(), embedder=slow, replace=sys.argv[2] == "replace")
"""


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


def frame(count: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame({"id": range(count), "content": [f"text {i}" for i in range(count)]})


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def execute(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)


def complete(raw: connection, count: int = ROWS) -> bool:
    """Whether docs has exactly the rows of ``frame``, each with its vector."""
    found = rows(raw, "SELECT id, content, embedding::text FROM docs ORDER BY id")
    return found == [(i, f"text {i}", f"[{len(f'text {i}')},1,2]") for i in range(count)]


def tables(raw: connection) -> list[str]:
    return [row[0] for row in rows(raw, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten rows."""
    for name in ("_EMBED_ROWS", "_LEAST_ROWS", "_BATCH_BYTES"):
        monkeypatch.setattr(run, name, 10)


@contextmanager
def killed_in_the_middle(dsn: str, how: str, reached: Callable[[], bool]) -> Iterator[None]:
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, dsn, how], env={**os.environ, "PYTHONPATH": path})
    try:
        until = time.monotonic() + 60
        while not reached():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        yield
    finally:
        process.kill()
        process.wait()


def count(raw: connection, table: str) -> int:
    found = rows(raw, f"SELECT to_regclass('{table}') IS NOT NULL")[0][0]
    return int(rows(raw, f"SELECT count(*) FROM {table}")[0][0]) if found else 0


def test_after_a_kill_the_same_call_goes_on(db: Database, raw: connection, dsn: str) -> None:
    with killed_in_the_middle(dsn, "", lambda: count(raw, "docs") >= 50):
        there = count(raw, "docs")
        assert there < ROWS
        assert there % 10 == 0, "whole batches"
        seen: list[str] = []

        def again(texts: list[str]) -> list[list[float]]:
            seen.extend(texts)
            return letters(texts)

        again.__name__ = "letters"
        report = load(db, "docs", frame(), embedder=again)
        there = ROWS - report.inserted
        assert (report.unchanged, report.created) == (there, False)
        assert len(set(seen) - {"text"}) == ROWS - there, "what was embedded is not embedded again"
    assert complete(raw)
    texts = catalog.table(db, "docs").texts
    assert texts[0].indexed, "the second load finished what the first had begun"
    assert rows(raw, "SELECT obj_description('docs'::regclass)") == [(None,)]


def test_a_replacement_that_is_killed_leaves_the_old_table(db: Database, raw: connection, dsn: str) -> None:
    load(db, "docs", frame(3), embedder=letters)

    def reached() -> bool:
        new = [name for name in tables(raw) if name != "docs"]
        return bool(new) and count(raw, new[0]) >= 50

    with killed_in_the_middle(dsn, "replace", reached):
        assert complete(raw, 3)
    until = time.monotonic() + 10
    ours = "application_name = 'pgvec_magic' AND datname = current_database()"
    while rows(raw, f"SELECT count(*) FROM pg_stat_activity WHERE {ours}") != [(1,)]:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(tables(raw)) == 2, "what it had loaded lies about"
    load(db, "docs", frame(), embedder=letters, replace=True)
    assert complete(raw)
    assert tables(raw) == ["docs"]


def test_replace_makes_the_table_anew(db: Database, raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id text PRIMARY KEY, content text, embedding vector(2) NOT NULL, old int, tags text[]);
           CREATE INDEX docs_embedding_idx ON docs USING hnsw (embedding vector_cosine_ops);
           CREATE UNIQUE INDEX ON docs (old) WHERE old > 0; CREATE INDEX ON docs (id);
           ALTER TABLE docs ADD fts tsvector;
           CREATE INDEX ON docs USING gin (fts); CREATE INDEX ON docs USING gin (tags);
           INSERT INTO docs VALUES ('x', 'x', '[1,2]', 1)""",
    )
    report = load(db, "docs", frame(), embedder=letters, replace=True)
    assert (report.inserted, report.created) == (ROWS, False)
    assert complete(raw)
    lost = [said.partition(": CREATE ")[2] for said in report.notices if "an index that the new one lacks" in said]
    assert lost == [
        "INDEX docs_embedding_idx ON public.docs USING hnsw (embedding vector_cosine_ops)",
        "INDEX docs_tags_idx ON public.docs USING gin (tags)",
        "UNIQUE INDEX docs_old_idx ON public.docs USING btree (old) WHERE (old > 0)",
    ]
    names = [row[0] for row in rows(raw, "SELECT indexname FROM pg_indexes WHERE tablename = 'docs' ORDER BY 1")]
    assert names == ["docs_fts_idx", "docs_pkey"]
    constraints = rows(raw, "SELECT conname FROM pg_constraint WHERE conrelid = 'docs'::regclass")
    assert not [name for (name,) in constraints if "_new_" in name]
    assert catalog.table(db, "docs").vectors[0].embedder == ":letters"
    assert tables(raw) == ["docs"]


def test_a_replacement_that_fails_changes_nothing(db: Database, raw: connection) -> None:
    load(db, "docs", frame(30), embedder=letters)
    source = frame(60)
    source.loc[45, "content"] = None
    with pytest.raises(LoadError, match="row 45"):
        load(db, "docs", source, embedder=letters, replace=True)
    assert complete(raw, 30)
    assert tables(raw) == ["docs"]


def test_a_table_that_others_refer_to_is_not_replaced(db: Database, raw: connection) -> None:
    load(db, "docs", frame(3), embedder=letters)
    execute(raw, "CREATE VIEW seen AS SELECT id FROM docs")
    execute(raw, "CREATE TABLE votes (doc bigint REFERENCES docs)")
    with pytest.raises(UsageError, match="docs cannot be replaced: seen, votes refer to it"):
        load(db, "docs", frame(), embedder=letters, replace=True)
    with pytest.raises(UsageError, match="seen is a view, which cannot be replaced"):
        load(db, "seen", frame(), embedder=letters, replace=True)
    assert complete(raw, 3)


def test_a_replacement_leaves_names_that_are_taken(db: Database, raw: connection) -> None:
    load(db, "docs", frame(3), embedder=letters)
    execute(raw, "ALTER INDEX docs_fts_idx RENAME TO other; CREATE TABLE docs_fts_idx ()")
    load(db, "docs", frame(), embedder=letters, replace=True)
    assert complete(raw)


def test_two_loads_of_a_table_that_is_not_there(db: Database, raw: connection) -> None:
    others = [db, db.clone("other"), db.clone("third")]
    with ThreadPoolExecutor(len(others)) as pool:
        reports = list(pool.map(lambda other: load(other, "docs", frame(), embedder=letters), others))
    for other in others[1:]:
        other.close()
    assert complete(raw)
    assert sum(report.inserted for report in reports) == ROWS
    assert sum(report.updated for report in reports) == 0
    indexes = rows(raw, "SELECT count(*) FROM pg_indexes WHERE tablename = 'docs'")
    assert indexes == [(2,)], "the key and one for the text"


def test_two_loads_in_opposite_order(db: Database, raw: connection) -> None:
    """They lock the same rows; no deadlock ends one of them."""
    load(db, "docs", frame().assign(content="old"), embedder=letters)
    other = db.clone("other")
    with ThreadPoolExecutor(2) as pool:
        forth = pool.submit(load, db, "docs", frame(), embedder=letters)
        back = pool.submit(load, other, "docs", frame()[::-1], embedder=letters)
        updated = forth.result().updated + back.result().updated
    other.close()
    assert complete(raw)
    assert updated == ROWS, "each row is updated by one of them"


def test_rows_of_somebody_else_under_a_load_that_began_on_an_empty_table(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(3))")

    def meanwhile(done: int, total: int | None, seconds: float) -> None:
        if done == 50:
            execute(raw, "INSERT INTO docs VALUES (100, 'theirs', '[1,1,1]'), (150, 'text 150', '[8,1,2]')")

    report = load(db, "docs", frame(), embedder=letters, progress=meanwhile)
    assert complete(raw)
    assert (report.inserted, report.updated, report.unchanged) == (ROWS - 2, 1, 1)
    execute(raw, "TRUNCATE docs")
    with pytest.raises(LoadError, match=r"rows 100 to 109 .*were refused: duplicate key"):
        load(db, "docs", frame(), embedder=letters, progress=meanwhile, on_conflict="error")
    assert count(raw, "docs") == 102


@contextmanager
def loading(db: Database, source: pd.DataFrame) -> Iterator[Future[Any]]:
    """A load of docs in one batch in another thread."""
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        for name in ("_EMBED_ROWS", "_BATCH_BYTES"):
            patch.setattr(run, name, 1 << 20)
        yield pool.submit(load, db, "docs", source, embedder=letters)


def wait_for_lock(raw: connection) -> None:
    """Return once somebody waits for a lock that ``raw`` holds."""
    until = time.monotonic() + 20
    sql = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    while not rows(raw, sql):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_rows_are_locked_in_order_of_their_key(db: Database, raw: connection) -> None:
    load(db, "docs", frame().assign(content="old"), embedder=letters)
    execute(raw, "BEGIN; UPDATE docs SET content = 'mine' WHERE id = 0; SET lock_timeout = '300ms'")
    with loading(db, frame()[::-1]) as report:
        wait_for_lock(raw)
        execute(raw, "UPDATE docs SET content = 'mine'; COMMIT")
        assert report.result().updated == ROWS
    assert complete(raw)


def test_a_load_that_loses_a_deadlock_tries_again(db: Database, raw: connection) -> None:
    load(db, "docs", frame().assign(content="old"), embedder=letters)
    execute(raw, "SET deadlock_timeout = '20s'; BEGIN; UPDATE docs SET content = 'mine' WHERE id = 9")
    with loading(db, frame()) as report:
        wait_for_lock(raw)
        execute(raw, "UPDATE docs SET content = 'mine' WHERE id = 0")  # granted when the load was rolled back
        execute(raw, "COMMIT")
        assert report.result().updated == ROWS
    assert complete(raw)


def test_a_row_that_comes_at_the_same_moment_counts_as_what_it_is(db: Database, raw: connection) -> None:
    load(db, "docs", frame(100), embedder=letters)
    execute(raw, "BEGIN; INSERT INTO docs VALUES (150, 'text 150', '[8,1,2]'), (151, 'theirs', '[1,1,1]')")
    with loading(db, frame()) as future:
        wait_for_lock(raw)
        execute(raw, "COMMIT")
        report = future.result()
    assert (report.inserted, report.updated, report.unchanged) == (98, 1, 101)
    assert complete(raw)


def test_indexes_that_somebody_else_makes_meanwhile_are_not_made_twice(db: Database, raw: connection) -> None:
    def meanwhile(done: int, total: int | None, seconds: float) -> None:
        if done == ROWS:
            execute(raw, "BEGIN; LOCK docs IN SHARE ROW EXCLUSIVE MODE; CREATE INDEX theirs ON docs USING gin (fts)")

    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(load, db, "docs", frame(), embedder=letters, progress=meanwhile)
        while raw.get_transaction_status() == 0:
            time.sleep(0.01)
        wait_for_lock(raw)
        execute(raw, "COMMIT")
        report.result()
    names = rows(raw, "SELECT indexname FROM pg_indexes WHERE tablename = 'docs' ORDER BY 1")
    assert names == [("docs_pkey",), ("theirs",)]


@contextmanager
def interrupted_when(reached: Callable[[], bool]) -> Iterator[list[float]]:
    """Send SIGINT once that holds; yields a list that gets the moment at which it was sent."""
    sent: list[float] = []

    def watch() -> None:
        until = time.monotonic() + 20
        while not reached() and time.monotonic() < until:
            time.sleep(0.01)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield sent
    watcher.join()


def loaders() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("pgvec-load")]


def test_an_interrupt_stops_a_copy_at_once(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(3))")
    execute(raw, "BEGIN; LOCK TABLE docs IN SHARE MODE")

    def waits() -> bool:
        execute(raw, "SELECT pg_stat_clear_snapshot()")  # a transaction sees the activity of its start
        return bool(rows(raw, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'"))

    given = frame().assign(embedding=[letters([text])[0] for text in frame()["content"]])
    with interrupted_when(waits) as sent, pytest.raises(KeyboardInterrupt):
        load(db, "docs", given)
    assert time.monotonic() - sent[0] < 2
    assert loaders() == []
    execute(raw, "ROLLBACK")
    assert count(raw, "docs") == 0
    load(db, "docs", given)
    assert complete(raw), "the connection works on"


def test_an_interrupt_stops_a_slow_model(db: Database, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgvec_magic.embed import Embedder

    monkeypatch.setattr(run, "_LEAST_ROWS", 100)
    monkeypatch.setattr(Embedder, "batch_texts", 2)
    asked: list[int] = []

    def slow(texts: list[str]) -> list[list[float]]:
        asked.append(len(texts))
        time.sleep(0.1)
        return letters(texts)

    with interrupted_when(lambda: len(asked) > 5) as sent, pytest.raises(KeyboardInterrupt):
        load(db, "docs", frame(), embedder=slow)
    assert time.monotonic() - sent[0] < 2, "not after the batch of 100"
    assert loaders() == []
    before = len(asked)
    time.sleep(0.3)
    assert len(asked) == before
    assert tables(raw) == []


def test_what_a_source_raises_comes_after_what_it_gave(db: Database, raw: connection) -> None:
    def broken() -> Iterator[pd.DataFrame]:
        yield frame(25)
        raise ZeroDivisionError("in the source")

    with pytest.raises(ZeroDivisionError, match="in the source"):
        load(db, "docs", broken(), embedder=letters)
    assert count(raw, "docs") == 20, "whole batches"
    assert loaders() == []


def test_a_source_is_read_by_the_thread_that_loads(db: Database) -> None:
    """A cursor of sqlite3, for one, can be read by no other."""
    import sqlite3

    lite = sqlite3.connect(":memory:")
    frame().to_sql("docs", lite, index=False)
    assert load(db, "docs", pd.read_sql("SELECT * FROM docs", lite, chunksize=30), embedder=letters).inserted == ROWS
    lite.close()


def test_a_model_works_while_the_last_batch_is_written(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(3))")
    execute(raw, "BEGIN; LOCK TABLE docs IN SHARE MODE")
    seen: list[str] = []

    def watched(texts: list[str]) -> list[list[float]]:
        seen.extend(texts)
        return letters(texts)

    def free() -> None:
        until = time.monotonic() + 20
        while len(seen) < 21 and time.monotonic() < until:
            time.sleep(0.01)
        execute(raw, "ROLLBACK")

    watcher = threading.Thread(target=free)
    watcher.start()
    started = time.monotonic()
    load(db, "docs", frame(), embedder=watched)
    watcher.join()
    assert time.monotonic() - started < 15, "the second batch was embedded while the first could not be written"
    assert complete(raw)


def test_a_long_source_is_read_piece_by_piece(db: Database) -> None:
    """No more is read than a few batches ahead of what is written."""
    ahead: list[int] = []
    read = 0

    def frames() -> Iterator[pd.DataFrame]:
        nonlocal read
        for start in range(0, ROWS, 10):
            read = start + 10
            yield frame(ROWS)[start : start + 10]

    load(db, "docs", frames(), embedder=letters, progress=lambda done, total, seconds: ahead.append(read - done))
    assert max(ahead) <= 30
