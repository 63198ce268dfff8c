"""What people see when the server goes away, is full or is slow, and that no row is then lost or there twice.

Kernels that are killed stand in test_load_stops.py, lost links of other kinds in test_db_link.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import psycopg2
import pytest
from psycopg2.extensions import connection, make_dsn

from pgvec_magic import db as dbs
from pgvec_magic import server
from pgvec_magic.db import Database
from pgvec_magic.errors import ConnectError, LoadError, PgvecError, QueryError
from pgvec_magic.load import load, run
from pgvec_magic.query import Query
from pgvec_magic.search import search, sql

ROWS = 400


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), text.count("a") + 1.0, text.count("e") + 1.0] for text in texts]


def frame(count: int = ROWS, padding: str = "") -> pd.DataFrame:
    return pd.DataFrame({"id": range(count), "content": [f"text {i}{padding}" for i in range(count)]})


def is_complete(db: Database, count: int = ROWS, padding: str = "") -> bool:
    """Whether docs has exactly the rows of ``frame``, each with its vector."""
    found = db.run(Query("SELECT id, content, embedding::text FROM docs ORDER BY id")).rows
    texts = [f"text {i}{padding}" for i in range(count)]
    vectors = [f"[{length:.0f},{a:.0f},{e:.0f}]" for length, a, e in letters(texts)]
    return found == list(zip(range(count), texts, vectors, strict=True))


def value(db: Database, statement: str) -> Any:
    return db.run(Query(statement, reads=True)).rows[0][0]


def eventually(true: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[Any]]:
    outcome: list[Any] = []

    def caught() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=caught)
    thread.start()
    return thread, outcome


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten rows."""
    for name in ("_EMBED_ROWS", "_LEAST_ROWS", "_BATCH_BYTES"):
        monkeypatch.setattr(run, name, 10)


@pytest.fixture(scope="module")
def home(scratch: Path) -> Iterator[Path]:
    """What $PGVEC_HOME names for these tests: it has a data directory already, which need not survive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGVEC_HOME", str(scratch / "faults"))
        running = server.start()
    with contextlib.closing(psycopg2.connect(running.dsn)) as past:
        past.autocommit = True
        for setting in ("fsync", "full_page_writes"):
            past.cursor().execute(f"ALTER SYSTEM SET {setting} = off")
    running.stop()
    (scratch / "untouched").mkdir()
    put(running.data_dir, scratch / "untouched")
    yield scratch / "faults"
    for name in ("faults", "untouched"):
        shutil.rmtree(scratch / name)


@pytest.fixture
def untouched(home: Path, scratch: Path) -> Path:
    """The data directory as it was before any test."""
    return next((scratch / "untouched").iterdir())


@pytest.fixture
def db(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A connection to the embedded server, which has nothing but pgvector."""
    monkeypatch.setenv("PGVEC_HOME", str(home))
    db = dbs.connect()
    for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE EXTENSION vector"):
        db.run(Query(statement))
    yield db
    dbs.close_all()


def put(data: Path, place: Path) -> None:
    subprocess.run(["cp", "-a", data, place], check=True)


def stop_at_once(db: Database) -> None:
    """End the server behind a connection as if the power failed: by the signal of ``pg_ctl stop -m immediate``.

    pg_ctl itself would wait for a server that is started again meanwhile, as it is here.
    """
    with contextlib.closing(db.clone()) as asking:
        folder = Path(value(asking, "SELECT current_setting('data_directory')"))
    pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


# --- the embedded server is stopped at once


def test_between_two_cells_it_is_started_again(db: Database) -> None:
    load(db, "docs", frame(), embedder=letters)
    for _ in range(2):
        stop_at_once(db)
        found = search(db, "docs", vector=[6, 1, 2], k=3)
        assert len(found.rows) == 3
        assert is_complete(db)
    stop_at_once(db)
    assert "connected again" in db.run(Query("CREATE TABLE t ()")).notices[0], "nothing was sent, so a write runs too"
    stop_at_once(db)
    assert load(db, "docs", frame(), embedder=letters).unchanged == ROWS


def test_within_a_search_it_is_started_again_and_the_search_repeated(db: Database) -> None:
    load(db, "docs", frame(), embedder=letters)
    expected = search(db, "docs", vector=[6, 1, 2], k=3, where="id >= 0").rows
    slow = "id >= 0 AND (SELECT pg_sleep(2)) IS NOT NULL"
    thread, outcome = in_thread(lambda: search(db, "docs", vector=[6, 1, 2], k=3, where=slow, strategy="exact"))
    other = db.clone()
    eventually(lambda: value(other, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    stop_at_once(other)
    thread.join(30)
    assert getattr(outcome[0], "rows", outcome[0]) == expected
    assert any("connected again and repeated the query" in note for note in outcome[0].notes)
    other.close()


def test_within_a_write_it_is_not_repeated(db: Database) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    thread, outcome = in_thread(lambda: sql(db, "INSERT INTO t SELECT 1 FROM pg_sleep(20)"))
    other = db.clone()
    eventually(lambda: value(other, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    stop_at_once(other)
    thread.join(30)
    assert isinstance(outcome[0], QueryError)
    assert "may or may not have taken effect" in str(outcome[0])
    assert value(db, "SELECT count(*) FROM t") == 0
    other.close()


@pytest.mark.parametrize("before", [0, 30])
def test_within_a_load_and_the_same_call_goes_on(db: Database, before: int) -> None:
    """With rows in the table the staging table's way is taken."""
    if before:
        load(db, "docs", frame(before), embedder=letters)

    def stop(done: int, total: int | None, seconds: float) -> None:
        if done == 100:
            stop_at_once(db)

    def slow(texts: list[str]) -> list[list[float]]:
        time.sleep(0.02)
        return letters(texts)

    slow.__name__ = "letters"
    for _ in range(2):
        with contextlib.suppress(PgvecError):  # between two batches it is started again, and the load goes on
            load(db, "docs", frame(), embedder=slow, progress=stop)
    load(db, "docs", frame(), embedder=letters)
    assert is_complete(db)
    assert load(db, "docs", frame(), embedder=letters).unchanged == ROWS


def test_within_a_batch_of_a_load_and_the_same_call_goes_on(db: Database) -> None:
    other = db.clone()
    load(db, "docs", frame(100), embedder=letters)
    other.run(Query("BEGIN"))
    other.run(Query("UPDATE docs SET content = 'theirs' WHERE id = 55"))
    changed = frame().assign(content=[f"other {i}" for i in range(ROWS)])
    thread, outcome = in_thread(lambda: load(db, "docs", changed, embedder=letters))
    beside = db.clone()
    eventually(lambda: value(beside, "SELECT count(*) FROM pg_locks WHERE NOT granted"))
    stop_at_once(beside)
    thread.join(30)
    assert isinstance(outcome[0], QueryError), outcome
    assert "the connection was lost in the middle of a transaction, of which nothing was kept" in str(outcome[0])
    assert "run it again" in str(outcome[0])
    assert value(db, "SELECT count(*) FROM docs WHERE content = 'theirs'") == 0
    load(db, "docs", frame(), embedder=letters)
    assert is_complete(db)
    beside.close()


def test_a_server_that_ends_while_one_connects_is_started_again(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    find, stops = db._link._source, [1]

    def found_and_gone() -> Any:
        source = find()
        if stops:
            stops.pop()
            assert server.start()._cluster._pg_ctl("stop", "-m", "immediate").code == 0
        return source

    monkeypatch.setattr(db._link, "_source", found_and_gone)
    stop_at_once(db)
    assert value(db, "SELECT 1") == 1
    assert not stops


def test_a_block_is_not_continued_on_the_new_server(db: Database) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    db.run(Query("BEGIN"))
    db.run(Query("INSERT INTO t VALUES (1)"))
    stop_at_once(db)
    with pytest.raises(QueryError, match="of which nothing was kept"):
        db.run(Query("INSERT INTO t VALUES (2)"))
    assert value(db, "SELECT count(*) FROM t") == 0


def test_a_server_that_comes_back_in_another_place_is_found(untouched: Path) -> None:
    """A long path has its socket in the directory for temporary files, and that may be another one by then."""
    with tempfile.TemporaryDirectory(prefix="pgvec-long-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        long = Path(folder) / ("x" * 60) / ("y" * 30)
        places = [Path(folder) / name for name in ("one", "two")]
        for each in (Path(folder), *places):
            each.mkdir(exist_ok=True)
            each.chmod(0o1777)
        long.mkdir(parents=True)
        for each in (long.parent, long):
            each.chmod(0o755)
        put(untouched, long)
        patch.setenv("PGVEC_HOME", str(long))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        patch.setattr(tempfile, "tempdir", str(places[0]))
        db = dbs.connect()
        db.run(Query("CREATE TABLE t (a int)"))
        assert db.place.host.startswith(str(places[0]))
        patch.setattr(tempfile, "tempdir", str(places[1]))
        stop_at_once(db)
        assert value(db, "SELECT count(*) FROM t") == 0
        assert db.place.host.startswith(str(places[1]))
        db.close()


def test_another_home_does_not_move_an_open_connection(
    db: Database, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that is sent again must not meet other data."""
    db.run(Query("CREATE TABLE t (a int)"))
    monkeypatch.setenv("PGVEC_HOME", str(scratch / "elsewhere"))
    stop_at_once(db)
    assert value(db, "SELECT count(*) FROM t") == 0
    assert not (scratch / "elsewhere").exists()


# --- another server


def test_a_server_that_is_gone_is_said_and_found_when_it_is_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a connection string nobody starts the server for us."""
    monkeypatch.setenv("PGVEC_HOME", str(home))
    running = server.start()
    db = dbs.connect(running.dsn, name="away")
    load(db, "docs", frame(), embedder=letters)
    assert running._cluster._pg_ctl("stop", "-m", "immediate").code == 0
    for work in (
        lambda: search(db, "docs", vector=[6, 1, 2]),
        lambda: load(db, "docs", frame(), embedder=letters),
        lambda: sql(db, "SELECT 1"),
        db.clone,
    ):
        with pytest.raises(ConnectError, match="is the server running there"):
            work()
    server.start()
    assert len(search(db, "docs", vector=[6, 1, 2]).rows) == 10
    assert is_complete(db)
    db.close()
    running.stop()


# --- limits


@pytest.fixture
def limited(dsn: str, raw: connection) -> Iterator[str]:
    """A DSN of a role that may have one connection."""
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE pgvec_one LOGIN PASSWORD 'x' CONNECTION LIMIT 1; GRANT CREATE ON SCHEMA public TO pgvec_one"
        )
    yield make_dsn(dsn, user="pgvec_one", password="x")
    dbs.close_all()
    with raw.cursor() as cursor:
        cursor.execute("DROP OWNED BY pgvec_one; DROP ROLE pgvec_one")


def test_too_many_connections_are_said_and_harm_nobody(limited: str, raw: connection) -> None:
    db = dbs.connect(limited, name="first")
    for work in (lambda: dbs.connect(limited, name="second"), db.clone):
        with pytest.raises(ConnectError, match=r"too many connections.*\nclose a connection first"):
            work()
    assert dbs.names() == ("first",)
    load(db, "docs", frame(50), embedder=letters)
    with pytest.raises(ConnectError, match="too many connections"):  # it asks beside itself what is there already
        load(db, "docs", frame(60), embedder=letters)
    assert is_complete(db, 50)
    with raw.cursor() as cursor:
        cursor.execute("ALTER ROLE pgvec_one CONNECTION LIMIT 2")
    load(db, "docs", frame(60), embedder=letters)
    assert is_complete(db, 60)


def test_a_link_that_is_lost_while_others_take_the_last_connection(limited: str, raw: connection) -> None:
    db = dbs.connect(limited, name="first")
    backend = value(db, "SELECT pg_backend_pid()")
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    taken = psycopg2.connect(limited)
    with pytest.raises(ConnectError, match="too many connections"):
        db.run(Query("SELECT 1", reads=True))
    taken.close()
    eventually(lambda: not_refused(db))


def not_refused(db: Database) -> bool:
    try:
        return bool(value(db, "SELECT 1"))
    except ConnectError:
        return False


def test_a_timeout_ends_a_search_and_a_batch_and_nothing_more(dsn: str, raw: connection) -> None:
    db = dbs.connect(dsn, timeout=0.5)
    load(db, "docs", frame(100), embedder=letters)
    with pytest.raises(QueryError, match=r"statement timeout\n.*\n.*--timeout SECONDS"):
        search(db, "docs", vector=[6, 1, 2], where="(SELECT pg_sleep(5)) IS NOT NULL", strategy="exact")
    assert len(search(db, "docs", vector=[6, 1, 2]).rows) == 10
    with raw.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE docs SET content = content WHERE id = 45")
        changed = frame(200).assign(content=[f"other {i}" for i in range(200)])
        with pytest.raises(QueryError, match="--timeout SECONDS"):
            load(db, "docs", changed, embedder=letters)
        cursor.execute("COMMIT")
    assert value(db, "SELECT count(*) FILTER (WHERE content LIKE 'other %%') %% 10 FROM docs") == 0, "whole batches"
    load(db, "docs", frame(200), embedder=letters)
    assert is_complete(db, 200)


# --- a disk that is full


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """Mount a file system of that size; yields what gives it another."""
    folder.mkdir()

    def mount(options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", options, "pgvec", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if not shutil.which("mount") or (done := mount(f"size={megabytes}m,mode=755")).returncode:
        folder.rmdir()
        pytest.skip(f"a small file system cannot be mounted here (that takes root): {done.stderr.strip()}")
    try:
        yield lambda size: mount(f"remount,size={size}m").check_returncode()
    finally:
        dbs.close_all()
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_a_tablespace_without_room_stops_a_load_that_goes_on_when_there_is_some(db: Database, scratch: Path) -> None:
    folder = scratch / "tablespace"
    padding = " " + os.urandom(2500).hex()
    with small_disk(folder, 1) as resize:
        account = Path(value(db, "SELECT current_setting('data_directory')")).stat()
        os.chown(folder, account.st_uid, account.st_gid)
        db.run(Query(f"CREATE TABLESPACE small LOCATION '{folder}'"))
        db.run(Query("ALTER DATABASE postgres SET default_tablespace = small"))
        full = dbs.connect(name="full")
        with pytest.raises((QueryError, LoadError), match=r"(?s)No space left on device.*make room") as caught:
            load(full, "docs", frame(padding=padding), embedder=letters)
        assert "53100" in str(caught.value)
        there = value(full, "SELECT count(*) FROM docs")
        assert 0 < there < ROWS
        assert there % 10 == 0, "whole batches"
        assert len(search(full, "docs", vector=[6, 1, 2], k=3).rows) == 3, "what is there is found"
        resize(64)
        report = load(full, "docs", frame(padding=padding), embedder=letters)
        assert report.inserted == ROWS - there
        assert is_complete(full, padding=padding)
        full.close()
        db.run(Query("ALTER DATABASE postgres RESET default_tablespace"))
        db.run(Query("DROP TABLE docs"))
        db.run(Query("DROP TABLESPACE small"))


def test_a_data_directory_without_room_stops_a_load_that_goes_on_when_there_is_some(
    untouched: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for what it must note down, the server itself ends."""
    folder = scratch / "disk"
    size = sum(path.stat().st_size for path in untouched.rglob("*") if path.is_file()) >> 20
    padding = " " + os.urandom(6000).hex()
    with small_disk(folder, size + 12) as resize:
        put(untouched, folder)
        monkeypatch.setenv("PGVEC_HOME", str(folder))
        db = dbs.connect()
        errors: list[object] = []
        for _ in range(2):
            try:
                load(db, "docs", frame(3 * ROWS, padding), embedder=letters)
            except PgvecError as error:
                errors.append(error)
        assert len(errors) == 2, errors
        # lost in the middle, or between two statements, where it cannot be started again
        assert any(words in str(errors[0]) for words in ("run it again", "No space left on device"))
        assert "No space left on device" in str(errors[1]), "it cannot be started"
        resize(size + 200)
        load(db, "docs", frame(3 * ROWS, padding), embedder=letters)
        assert is_complete(db, 3 * ROWS, padding)
        server.start().stop()


# --- a connection that is asked while it works


def test_a_source_a_model_and_a_progress_bar_may_ask_the_same_connection(db: Database) -> None:
    def frames() -> Iterator[pd.DataFrame]:
        for start in range(0, 50, 10):
            yield frame(50)[start : start + 10].assign(backend=value(db, "SELECT pg_backend_pid()"))

    def model(texts: list[str]) -> list[list[float]]:
        assert value(db, "SELECT 1") == 1
        return letters(texts)

    thread, outcome = in_thread(
        lambda: load(db, "docs", frames(), embedder=model, progress=lambda *_: db.run(Query("SELECT 1")))
    )
    thread.join(20)
    assert outcome[0].inserted == 50
