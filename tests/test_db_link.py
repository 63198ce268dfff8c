"""What a message is, how it is interrupted, and what follows when the link is lost: all over a real link."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import connection, make_dsn, parse_dsn

from pgvec_magic import db as dbs
from pgvec_magic.db import Copy, Database, worker
from pgvec_magic.errors import ConnectError, LoadError, QueryError, UsageError
from pgvec_magic.query import Query
from pgvec_magic.search import search, sql

if TYPE_CHECKING:
    from pgvec_magic.server import Server

SLEEP = Query("SELECT pg_sleep(30)")


class Proxy:
    """Stands between a client and the server; notes each message of the client and may cut or stall the link."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._target = parse_dsn(dsn)
        self.dsn = make_dsn(dsn, host=str(folder), port="5432", sslmode="disable")
        self.sent: list[tuple[str, bytes]] = []
        self.cut: bytes | None = None  # the reply to a message with this text is lost, and the link with it
        self.stalled = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def queries(self) -> list[str]:
        return [body.rstrip(b"\0").decode() for kind, body in self.sent if kind == "Q"]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._to_server()
                self._sockets += [client, server]
                lost = threading.Event()
                for pump in (self._from_client, self._from_server):
                    threading.Thread(target=pump, args=(client, server, lost), daemon=True).start()

    def _to_server(self) -> socket.socket:
        host, port = self._target["host"], self._target.get("port", "5432")
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _from_client(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError), client.makefile("rb") as stream:
            first = _exactly(stream, 4)
            server.sendall(first + _exactly(stream, struct.unpack("!I", first)[0] - 4))
            while kind := stream.read(1):
                head = _exactly(stream, 4)
                body = _exactly(stream, struct.unpack("!I", head)[0] - 4)
                while self.stalled:
                    time.sleep(0.01)
                self.sent.append((kind.decode(), body))
                if self.cut and self.cut in body:
                    self.cut = None
                    lost.set()
                server.sendall(kind + head + body)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _from_server(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(1 << 16)) and not lost.is_set():
                while self.stalled:
                    time.sleep(0.01)
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _exactly(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ConnectionError
    return data


@pytest.fixture
def proxy(dsn: str, scratch: Path) -> Iterator[Proxy]:
    folder = scratch / f"proxy-{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    made = Proxy(dsn, folder)
    yield made
    dbs.close_all()
    made.close()


def value(rows: dbs.Rows) -> Any:
    return rows.rows[0][0]


def ask(raw: connection, sql: str, *values: object) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchone()[0] if cursor.description else None


def eventually(true: Callable[[], object], seconds: float = 5.0) -> float:
    started = time.perf_counter()
    while not true():
        assert time.perf_counter() - started < seconds, "it did not come true"
        time.sleep(0.005)
    return time.perf_counter() - started


def pid(db: Database) -> int:
    return int(value(db.run(Query("SELECT pg_backend_pid()"))))


def state(raw: connection, backend: int) -> str | None:
    return ask(raw, "SELECT max(state) FROM pg_stat_activity WHERE pid = %s", backend)


def kill(raw: connection, backend: int) -> None:
    ask(raw, "SELECT pg_terminate_backend(%s, 5000)", backend)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


# --- one message


def test_settings_and_query_are_one_message(proxy: Proxy) -> None:
    db = dbs.connect(proxy.dsn, readonly=True, timeout=7)
    db.run(Query("SELECT 1"))
    proxy.sent.clear()
    query = Query("SELECT %(n)s + 7 %% 4", {"n": 1}, settings=(("work_mem", "'3MB'"),))
    assert db.run(query).rows == [(4,)]
    assert [kind for kind, _ in proxy.sent] == ["Q"]
    assert proxy.queries() == [
        "SET LOCAL transaction_read_only = on;SET LOCAL statement_timeout = 7000;SET LOCAL work_mem = '3MB';"
        "SELECT 1 + 7 % 4"
    ]


def test_connecting_sends_nothing_of_its_own(proxy: Proxy) -> None:
    dbs.connect(proxy.dsn)
    assert proxy.queries() == []


def test_settings_hold_for_the_query_and_are_gone_behind_it(db: Database) -> None:
    show = "SELECT current_setting('work_mem'), current_setting('transaction_read_only')"
    before = db.run(Query(show)).rows
    inside = db.run(Query(show, settings=(("work_mem", "'77kB'"),), reads=True)).rows
    assert inside == [("77kB", "on")]
    assert db.run(Query(show)).rows == before
    assert before[0] == (before[0][0], "off")


def test_a_setting_with_a_percent_sign_arrives_as_it_is(db: Database) -> None:
    query = Query("SELECT current_setting('application_name')", settings=(("application_name", "'100 %% %(x)s'"),))
    assert value(db.run(query)) == "100 %% %(x)s"


def test_a_failed_message_leaves_nothing_behind(db: Database, raw: connection) -> None:
    with pytest.raises(QueryError):
        db.run(Query("CREATE TABLE t AS SELECT 1 AS a; SELECT 1 / 0", settings=(("work_mem", "'77kB'"),)))
    assert value(db.run(Query("SELECT to_regclass('t')"))) is None
    assert value(db.run(Query("SELECT current_setting('work_mem')"))) != "77kB"
    assert state(raw, pid(db)) == "idle"


def test_rows_have_columns_status_notices_and_seconds(db: Database) -> None:
    rows = db.run(Query("SELECT 1 AS a, 'x' AS \"B c\" UNION ALL SELECT 2, NULL"))
    assert (rows.columns, rows.rows, rows.status, rows.notices) == (("a", "B c"), [(1, "x"), (2, None)], "SELECT 2", ())
    assert 0 < rows.seconds < 5
    made = db.run(Query("CREATE TABLE IF NOT EXISTS t (a int)"))
    again = db.run(Query("CREATE TABLE IF NOT EXISTS t (a int)"))
    assert (made.columns, made.rows, made.status, made.notices) == ((), [], "CREATE TABLE", ())
    assert again.notices == ('NOTICE:  relation "t" already exists, skipping',)
    assert db.run(Query("SELECT 1")).notices == ()


# --- read-only


WRITES = {
    "insert": "INSERT INTO t VALUES (2)",
    "update": "UPDATE t SET a = 3",
    "delete": "DELETE FROM t",
    "merge": "MERGE INTO t USING (SELECT 1 AS a) s ON t.a = s.a WHEN MATCHED THEN DELETE",
    "writing CTE": "WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone",
    "truncate": "TRUNCATE t",
    "create": "CREATE TABLE u (a int)",
    "temporary": "CREATE TEMP TABLE u (a int)",
    "create as": "CREATE TABLE u AS SELECT * FROM t",
    "into": "SELECT * INTO u FROM t",
    "index": "CREATE INDEX ON t (a)",
    "alter": "ALTER TABLE t ADD b int",
    "drop": "DROP TABLE t",
    "comment": "COMMENT ON TABLE t IS 'x'",
    "grant": "GRANT SELECT ON t TO PUBLIC",
    "sequence": "SELECT nextval('s')",
    "setval": "SELECT setval('s', 9)",
    "explained": "EXPLAIN ANALYZE DELETE FROM t",
    "locked": "SELECT * FROM t FOR UPDATE",
    "function": "SELECT f()",
    "prepared": "EXECUTE p",
    "switched off": "SELECT set_config('transaction_read_only', 'off', true)",
    "switched off first": "WITH off AS (SELECT set_config('transaction_read_only', 'off', true)) SELECT f() FROM off",
}
ESCAPES = {
    "several": "SELECT 1; COMMIT; CREATE TABLE u ()",
    "commit": "COMMIT",
    "set": "SET transaction_read_only = off",
    "session": "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "begin": "BEGIN READ WRITE",
    "block": "DO $$ BEGIN DELETE FROM t; END $$",
    "procedure": "CALL p()",
    "program": "COPY t TO PROGRAM 'true'",
    "hidden": "/* ; */ SELECT ';'; /* */ END; INSERT INTO t VALUES (2)",
}


@pytest.fixture(scope="module")
def guarded(module_dsn: str) -> Iterator[connection]:
    """A database that nothing may change, as one sees it past the package."""
    past = psycopg2.connect(module_dsn)
    past.autocommit = True
    for statement in (
        "CREATE TABLE t (a int)",
        "INSERT INTO t VALUES (1)",
        "CREATE SEQUENCE s",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (2) RETURNING a'",
    ):
        ask(past, statement)
    yield past
    past.close()


@pytest.fixture
def readonly(guarded: connection, module_dsn: str) -> Database:
    made = dbs.connect(module_dsn, name="readonly", readonly=True)
    made.run(Query("PREPARE p AS INSERT INTO t VALUES (2)"))
    return made


def is_as_it_was(guarded: connection) -> bool:
    return ask(guarded, "SELECT ARRAY(SELECT a FROM t)") == [1] and ask(guarded, "SELECT to_regclass('u')") is None


@pytest.mark.parametrize("statement", [pytest.param(sql, id=name) for name, sql in WRITES.items()])
def test_the_server_refuses_writes_of_a_readonly_connection(
    readonly: Database, guarded: connection, statement: str
) -> None:
    with pytest.raises(QueryError) as caught:
        readonly.run(Query(statement))
    assert caught.value.sqlstate in ("25006", "25001")
    assert is_as_it_was(guarded)


@pytest.mark.parametrize("statement", [pytest.param(sql, id=name) for name, sql in ESCAPES.items()])
def test_escapes_from_a_readonly_connection_are_not_even_sent(
    readonly: Database, guarded: connection, statement: str
) -> None:
    for send in (readonly.run, lambda query: readonly.transaction([query])):
        with pytest.raises(UsageError):
            send(Query(statement))
    assert is_as_it_was(guarded)


def test_a_readonly_transaction_refuses_writes_and_copies(readonly: Database, guarded: connection) -> None:
    for step in (Query("DELETE FROM t"), Copy("COPY t FROM STDIN", io.BytesIO(b"5\n"))):
        with pytest.raises(QueryError) as caught:
            readonly.transaction([Query("SELECT 1"), step])
        assert caught.value.sqlstate == "25006"
    assert is_as_it_was(guarded)
    assert value(readonly.run(Query("SELECT 1"))) == 1


def test_a_reading_query_cannot_write_on_a_writable_connection(db: Database) -> None:
    for statement in ("CREATE TABLE u ()", "SELECT set_config('transaction_read_only', 'off', true)"):
        with pytest.raises(QueryError):
            db.run(Query(statement, reads=True))
    assert value(db.run(Query("SELECT to_regclass('u')"))) is None
    limited = dbs.connect(db._source().dsn, timeout=9)
    with pytest.raises(QueryError):
        limited.run(Query("SELECT set_config('transaction_read_only', 'off', true)", reads=True))


# --- timeouts


def test_a_timeout_ends_a_statement_and_not_the_connection(dsn: str) -> None:
    db = dbs.connect(dsn, timeout=0.1)
    with pytest.raises(QueryError, match="--timeout") as caught:
        db.run(SLEEP)
    assert caught.value.sqlstate == "57014"
    with pytest.raises(QueryError, match="statement timeout"):
        db.transaction([SLEEP])
    assert value(db.run(Query("SELECT current_setting('statement_timeout')"))) == "100ms"
    assert value(db.clone().run(Query("SELECT current_setting('statement_timeout')"))) == "100ms"


@pytest.mark.parametrize(
    "statement",
    [
        "VACUUM t",
        "CREATE INDEX CONCURRENTLY t_a ON t (a)",
        "REINDEX TABLE CONCURRENTLY t",
        "ALTER SYSTEM RESET ALL",
        "CREATE DATABASE pgvec_never TEMPLATE pgvec_missing",
    ],
)
def test_what_runs_alone_runs_in_spite_of_a_timeout(dsn: str, statement: str) -> None:
    db = dbs.connect(dsn, timeout=9)
    db.run(Query("CREATE TABLE t (a int)"))
    if "pgvec_missing" in statement:
        with pytest.raises(QueryError, match="pgvec_missing"):
            db.run(Query(statement))
    else:
        assert "ran without the timeout of 9 s" in db.run(Query(statement)).notices
    with pytest.raises(QueryError, match="by itself") as caught:
        db.run(Query("VACUUM t", settings=(("work_mem", "'3MB'"),)))
    assert caught.value.sqlstate == "25001"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_that_ends_nothing_is_refused(dsn: str, seconds: float) -> None:
    with pytest.raises(UsageError, match="timeout"):
        dbs.connect(dsn, timeout=seconds)


# --- interrupts


INTERRUPTED = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without it
from pgvec_magic import db
from pgvec_magic.query import Query
made = db.connect(sys.argv[1])
for _ in range(3):
    try:
        print(made.run(Query("SELECT pg_backend_pid()")).rows[0][0], flush=True)
        made.run(Query("SELECT pg_sleep(30)"))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.readline()
print(made.run(Query("SELECT 'usable'")).rows[0][0], threading.active_count(), flush=True)
"""


@contextlib.contextmanager
def script(source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    root = Path(dbs.__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source), *arguments]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_on_the_server_at_once(dsn: str, raw: connection) -> None:
    took = []
    with script(INTERRUPTED, dsn) as process:
        assert process.stdout is not None
        for _ in range(3):
            backend = int(process.stdout.readline())
            eventually(lambda backend=backend: state(raw, backend) == "active")
            process.send_signal(signal.SIGINT)
            took.append(eventually(lambda backend=backend: state(raw, backend) == "idle"))
            assert process.stdout.readline() == "interrupted\n"
            print(file=process.stdin, flush=True)
        out, noise = process.communicate(timeout=10)
    assert out == "usable 2\n"
    assert noise == ""
    assert process.returncode == 0
    assert min(took) < 0.3


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_when(true: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        eventually(true)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_copy_leaves_nothing_and_the_link_is_usable(db: Database, raw: connection) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.01)
            return b"1\n"

    db.run(Query("CREATE TABLE t (a int)"))
    backend = pid(db)
    thread = interrupt_when(lambda: state(raw, backend) == "active")
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        db.transaction([Query("INSERT INTO t VALUES (7)"), Copy("COPY t FROM STDIN", Endless())])
    assert time.perf_counter() - started < 3
    thread.join()
    assert value(db.run(Query("SELECT count(*) FROM t"))) == 0
    assert pid(db) == backend


def test_an_interrupt_between_two_steps_stops_the_rest(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))

    class Waits(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            db.cancel()  # as from another thread, while the server waits for the client
            return b""

    with pytest.raises(QueryError, match="cancel") as caught:
        db.transaction([Copy("COPY t FROM STDIN", Waits()), Query("INSERT INTO t VALUES (1)")])
    assert caught.value.sqlstate == "57014"
    assert value(db.run(Query("SELECT count(*) FROM t"))) == 0


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_of_one_who_waits_does_not_hit_who_runs(db: Database, raw: connection) -> None:
    backend = pid(db)
    thread, outcome = in_thread(lambda: value(db.run(Query("SELECT pg_sleep(1)::text || 'done'"))))
    eventually(lambda: state(raw, backend) == "active")
    interrupter = interrupt_when(lambda: db._worker._jobs.qsize() == 1)
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        db.run(Query("CREATE TABLE never ()"))
    assert time.perf_counter() - started < 0.9
    thread.join()
    interrupter.join()
    assert outcome == ["done"]
    assert value(db.run(Query("SELECT to_regclass('never')"))) is None


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_gives_control_back_when_nobody_answers(
    proxy: Proxy, raw: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.Worker.do, "__defaults__", (0.3,))
    db = dbs.connect(proxy.dsn)
    backend = pid(db)
    thread = interrupt_when(lambda: state(raw, backend) == "active" and setattr(proxy, "stalled", True) is None)
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        db.run(SLEEP)
    assert time.perf_counter() - started < 2
    thread.join()
    proxy.stalled = False
    rows = db.run(Query("SELECT pg_backend_pid()"))
    assert value(rows) != backend
    assert "connected again" in rows.notices[0]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_connecting_leaves_no_thread(proxy: Proxy) -> None:
    proxy.stalled = True
    before = set(threading.enumerate())
    interrupter = interrupt_when(lambda: proxy._sockets)
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        dbs.connect(proxy.dsn)
    assert time.perf_counter() - started < 2
    interrupter.join()
    assert dbs.names() == ()
    proxy.stalled = False
    eventually(lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith("pgvec")])


def test_cancel_comes_from_another_thread_and_is_harmless_otherwise(db: Database, raw: connection) -> None:
    db.cancel()
    backend = pid(db)
    thread, outcome = in_thread(lambda: db.run(SLEEP))
    eventually(lambda: state(raw, backend) == "active")
    db.cancel()
    thread.join(3)
    assert isinstance(outcome[0], QueryError)
    assert outcome[0].sqlstate == "57014"
    db.cancel()
    assert value(db.run(Query("SELECT 1"))) == 1


def test_cancels_at_any_moment_hit_what_runs_and_nothing_later(db: Database) -> None:
    stop = threading.Event()

    def cancels() -> None:
        while not stop.is_set():
            db.cancel()

    thread, outcome = in_thread(cancels)
    codes = [failure(lambda: db.run(Query("SELECT pg_sleep(0.002)"))) for _ in range(60)]
    stop.set()
    thread.join()
    assert outcome == [None]
    assert set(codes) <= {None, "57014"}
    assert [value(db.run(Query("SELECT 1"))) for _ in range(50)] == [1] * 50


def failure(work: Callable[[], object]) -> str | None:
    try:
        work()
    except QueryError as error:
        return error.sqlstate
    return None


def test_the_next_job_begins_when_the_cancel_of_the_one_before_has_arrived() -> None:
    begun, order = threading.Event(), []

    def cancel() -> None:
        order.append("asked")
        begun.set()  # the first job ends by itself meanwhile
        time.sleep(0.1)
        order.append("arrived")

    jobs = worker.Worker("test", cancel, lambda: None)
    first, _ = in_thread(lambda: jobs.do(begun.wait))
    eventually(lambda: jobs._running)
    stopper, _ = in_thread(jobs.stop)
    begun.wait()
    jobs.do(lambda: order.append("next"))
    for thread in (first, stopper):
        thread.join()
    jobs.end(lambda: order.append("last"))
    assert order == ["asked", "arrived", "next", "last"]
    assert not jobs.alive


def test_stopping_a_job_that_is_over_does_not_stop_another() -> None:
    cancels: list[int] = []
    jobs = worker.Worker("test", lambda: cancels.append(1), lambda: None)
    release = threading.Event()
    running, outcome = in_thread(lambda: jobs.do(lambda: (release.wait(), jobs.check(), "done")[2]))
    eventually(lambda: jobs._running)
    jobs.stop(worker._Job(lambda: None))
    release.set()
    running.join()
    jobs.end(lambda: None)
    assert (outcome, cancels) == (["done"], [])


def test_two_threads_take_turns(db: Database) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    db.run(Query("INSERT INTO t VALUES (0)"))
    # Without turns a second statement on the same link is an error, and a second BEGIN ends in the first's block.
    steps = [Query("SELECT pg_sleep(0.001)"), Query("UPDATE t SET a = a + 1")]
    threads = [in_thread(lambda: [db.transaction(steps) for _ in range(25)]) for _ in range(4)]
    for thread, _ in threads:
        thread.join()
    assert not [o for _, outcome in threads for o in outcome if isinstance(o, BaseException)]
    assert value(db.run(Query("SELECT a FROM t"))) == 100


def test_a_statement_inside_another_is_refused_and_does_not_hang(db: Database) -> None:
    db.run(Query("CREATE TABLE t (a int)"))

    class Asks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return str(value(db.run(Query("SELECT 1")))).encode()

    with pytest.raises(UsageError, match=r"db\.clone"):
        db.transaction([Copy("COPY t FROM STDIN", Asks())])


# --- a lost link


def test_a_query_that_reads_is_repeated_once_with_a_notice(db: Database, raw: connection) -> None:
    backend = pid(db)
    thread, outcome = in_thread(lambda: db.run(Query("SELECT pg_backend_pid(), pg_sleep(0.3)", reads=True)))
    eventually(lambda: state(raw, backend) == "active")
    kill(raw, backend)
    thread.join()
    (again,) = outcome
    assert isinstance(again, dbs.Rows)
    assert value(again) != backend
    assert again.notices == (
        "the connection was lost (server closed the connection unexpectedly); connected again and repeated the query",
    )


def test_a_query_is_repeated_no_more_than_once(proxy: Proxy) -> None:
    db = dbs.connect(proxy.dsn)
    db.run(Query("SELECT 1"))
    proxy.sent.clear()
    with pytest.raises(QueryError):
        db.run(Query("SELECT pg_terminate_backend(pg_backend_pid())", reads=True))
    assert len(proxy.queries()) == 2
    assert value(db.run(Query("SELECT 1"))) == 1


def test_a_link_that_ended_while_idle_is_made_anew_before_anything_is_sent(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    kill(raw, pid(db))
    rows = db.run(Query("INSERT INTO t VALUES (1)"))
    assert rows.notices == (
        "the connection was lost (terminating connection due to administrator command); connected again",
    )
    kill(raw, pid(db))
    db.transaction([Query("INSERT INTO t VALUES (2)")])
    assert ask(raw, "SELECT array_agg(a ORDER BY a) FROM t") == [1, 2]


def test_a_write_whose_reply_was_lost_is_not_run_again(proxy: Proxy, raw: connection) -> None:
    db = dbs.connect(proxy.dsn)
    db.run(Query("CREATE TABLE t (a int)"))
    db.run(Query("CREATE SEQUENCE s"))
    proxy.cut = b"INSERT"
    with pytest.raises(QueryError, match="may or may not") as caught:
        db.run(Query("INSERT INTO t SELECT nextval('s')"))
    assert caught.value.sqlstate is None
    assert ask(raw, "SELECT count(*) FROM t") == 1
    db.run(Query("INSERT INTO t SELECT nextval('s')"))
    assert ask(raw, "SELECT array_agg(a) FROM t") == [1, 2]
    assert sum("INSERT" in sql for sql in proxy.queries()) == 2


def test_a_write_that_is_killed_is_not_run_again(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    backend = pid(db)
    thread, outcome = in_thread(lambda: db.run(Query("INSERT INTO t SELECT 1 FROM pg_sleep(0.5)")))
    eventually(lambda: state(raw, backend) == "active")
    kill(raw, backend)
    thread.join()
    assert isinstance(outcome[0], QueryError)
    assert "may or may not have taken effect (server closed" in outcome[0].message
    assert ask(raw, "SELECT count(*) FROM t") == 0
    assert db.run(Query("SELECT 1")).notices == ("connected again",)


def test_a_transaction_whose_link_is_lost_keeps_nothing(proxy: Proxy, raw: connection) -> None:
    db = dbs.connect(proxy.dsn)
    db.run(Query("CREATE TABLE t (a int)"))
    proxy.cut = b"VALUES (2)"
    with pytest.raises(QueryError, match="of which nothing was kept"):
        db.transaction([Query("INSERT INTO t VALUES (1)"), Query("INSERT INTO t VALUES (2)")])
    assert ask(raw, "SELECT count(*) FROM t") == 0
    db.transaction([Query("INSERT INTO t VALUES (3)")])
    assert ask(raw, "SELECT array_agg(a) FROM t") == [3]


def test_a_transaction_whose_commit_was_not_answered_is_in_doubt(proxy: Proxy, raw: connection) -> None:
    db = dbs.connect(proxy.dsn)
    db.run(Query("CREATE TABLE t (a int)"))
    proxy.cut = b"COMMIT"
    with pytest.raises(QueryError, match="may or may not"):
        db.transaction([Query("INSERT INTO t VALUES (1)")])
    assert ask(raw, "SELECT count(*) FROM t") == 1
    assert sum("INSERT" in sql for sql in proxy.queries()) == 1


def test_a_copy_whose_link_is_lost_keeps_nothing(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    backend = pid(db)

    class Kills(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            kill(raw, backend)
            return super().read(size)

    with pytest.raises(QueryError, match="of which nothing was kept"):
        db.transaction([Copy("COPY t FROM STDIN", Kills(b"1\n2\n"))])
    assert ask(raw, "SELECT count(*) FROM t") == 0
    assert value(db.run(Query("SELECT 1"))) == 1


def test_a_block_whose_link_is_lost_is_not_continued_outside_of_it(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    for query in (Query("INSERT INTO t VALUES (2)"), Query("SELECT 1", reads=True)):
        db.run(Query("BEGIN"))
        db.run(Query("INSERT INTO t VALUES (1)"))
        kill(raw, pid(db))
        with pytest.raises(QueryError, match="of which nothing was kept"):
            db.run(query)
        assert db.run(query).rows == ([(1,)] if query.reads else [])
    assert ask(raw, "SELECT array_agg(a) FROM t") == [2]


def test_a_reading_query_does_not_make_a_block_read_only(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    db.run(Query("BEGIN"))
    db.run(Query("SELECT 1", reads=True))
    db.run(Query("INSERT INTO t VALUES (1)"))
    with pytest.raises(UsageError, match="ROLLBACK"):
        db.transaction([Query("SELECT 1")])
    db.run(Query("COMMIT"))
    assert ask(raw, "SELECT count(*) FROM t") == 1


def test_an_aborted_block_says_how_it_ends(db: Database) -> None:
    db.run(Query("BEGIN"))
    with pytest.raises(QueryError):
        db.run(Query("SELECT 1 / 0"))
    with pytest.raises(QueryError, match="ROLLBACK ends it"):
        db.run(Query("SELECT 1"))
    db.run(Query("ROLLBACK"))
    assert value(db.run(Query("SELECT 1"))) == 1


def test_a_transaction_is_all_or_nothing(db: Database, raw: connection) -> None:
    db.run(Query("CREATE TABLE t (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)"))
    one = Query("INSERT INTO t VALUES (1) RETURNING a")
    assert [rows.rows for rows in db.transaction([one, Query("SELECT count(*) FROM t")])] == [[(1,)], [(1,)]]
    for last, code in ((Query("SELECT 1 / 0"), "22012"), (one, "23505")):  # the second fails at COMMIT
        with pytest.raises(QueryError) as caught:
            db.transaction([Query("INSERT INTO t VALUES (2)"), last])
        assert caught.value.sqlstate == code
    assert ask(raw, "SELECT array_agg(a) FROM t") == [1]
    assert value(db.run(Query("SELECT 1"))) == 1


def test_what_a_copys_stream_raises_comes_out_as_it_is(db: Database) -> None:
    class Bad(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise LoadError("row 3 has no text")

    db.run(Query("CREATE TABLE t (a int)"))
    with pytest.raises(LoadError, match="row 3 has no text"):
        db.transaction([Query("INSERT INTO t VALUES (1)"), Copy("COPY t FROM STDIN", Bad())])
    with pytest.raises(QueryError, match="invalid input syntax") as caught:
        db.transaction([Copy("COPY t FROM STDIN", io.BytesIO(b"1\nx\n"))])
    assert caught.value.sqlstate == "22P02"
    done = db.transaction([Copy("COPY t FROM STDIN", io.BytesIO(b"1\n2\n"))])
    assert [rows.status for rows in done] == ["COPY 2"]
    assert value(db.run(Query("SELECT count(*) FROM t"))) == 2


def test_a_copy_to_a_stream_gives_it_each_row_with_values_bound(db: Database) -> None:
    stream = io.BytesIO()
    copy = Copy("COPY (SELECT n, '50 %%' FROM generate_series(1, %(most)s) AS n) TO STDOUT", stream, {"most": 3})
    assert db.transaction([copy])[0].status == "COPY 3"
    assert stream.getvalue() == b"1\t50 %\n2\t50 %\n3\t50 %\n"


def test_what_a_stream_raises_amid_the_rows_leaves_the_connection_usable(db: Database) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise LoadError("no more room")

    with pytest.raises(LoadError, match="no more room"):
        db.transaction([Copy("COPY (SELECT generate_series(1, 100000)) TO STDOUT", Full())])
    assert value(db.run(Query("SELECT 1"))) == 1


@pytest.mark.parametrize("statement", ["COPY t TO STDOUT", "COPY t FROM STDIN"])
def test_a_copy_that_no_stream_goes_with_is_refused_and_harms_nothing(db: Database, statement: str) -> None:
    db.run(Query("CREATE TABLE t (a int)"))
    with pytest.raises(QueryError, match=r"^can't execute COPY (TO|FROM)\n%vload"):
        db.run(Query(statement))
    assert value(db.run(Query("SELECT count(*) FROM t"))) == 0


@pytest.fixture(scope="module")
def own_server(scratch: Path) -> Iterator[Callable[[], Server]]:
    """Start a server that only these tests use; again when it was stopped."""
    from pgvec_magic import server

    def start() -> Server:
        return server.start(data_dir=scratch / "own")

    start()
    yield start
    start().stop()


def test_a_restarted_server_is_found_again(own_server: Callable[[], Server]) -> None:
    running = own_server()
    db = dbs.connect(running.dsn, name="restarted")
    running.stop()
    with pytest.raises(ConnectError, match="is the server running there"):
        db.run(Query("SELECT 1", reads=True))
    own_server()
    assert value(db.run(Query("SELECT 1", reads=True))) == 1


def test_a_server_that_recovers_from_a_crash_is_waited_for(own_server: Callable[[], Server]) -> None:
    running = own_server()
    db, other = dbs.connect(running.dsn, name="crashed"), dbs.connect(running.dsn, name="other")
    os.kill(pid(other), signal.SIGKILL)  # as the kernel does when memory runs out: every session ends
    eventually(lambda: db._link.hung_up())
    assert value(db.run(Query("SELECT 1", reads=True))) == 1


def test_a_build_whose_server_was_killed_is_told_why_it_may_be(own_server: Callable[[], Server]) -> None:
    running = own_server()
    db = dbs.connect(running.dsn, name="building")
    db.run(Query("CREATE TABLE t AS SELECT 1 AS id"))
    body = "BEGIN PERFORM pg_sleep(9); RETURN 1; END"
    db.run(Query(f"CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS '{body}'"))
    killer = threading.Timer(0.3, os.kill, (pid(db), signal.SIGKILL))  # as the kernel does when memory runs out
    killer.start()
    with pytest.raises(QueryError, match=r"half the RAM .*\(R72\)$") as caught:
        db.run(Query("CREATE INDEX ON t (slow(id))"))
    assert caught.value.rule == "R72"
    killer.join()


# --- PgBouncer in transaction mode


@pytest.fixture
def pooled(dsn: str, scratch: Path) -> Iterator[str]:
    """A DSN of a PgBouncer that has one server connection for all of its clients."""
    import pwd
    import shutil

    folder = scratch / f"pool-{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    folder.chmod(0o777)
    target = parse_dsn(dsn)
    (folder / "ini").write_text(
        textwrap.dedent(f"""
        [databases]
        pooled = {" ".join(f"{name}={target[name]}" for name in ("host", "port", "dbname", "user", "password"))}
        [pgbouncer]
        listen_addr =
        unix_socket_dir = {folder}
        listen_port = 6432
        auth_type = any
        pool_mode = transaction
        default_pool_size = 1
        """)
    )
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    command = [program, "-q", str(folder / "ini")]
    if os.geteuid() == 0:  # it refuses to be root; the server's own account may use the server's socket
        command[1:1] = ["-u", pwd.getpwuid(os.stat(target["host"]).st_uid).pw_name]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: (folder / ".s.PGSQL.6432").exists() or process.poll() is not None)
            yield f"host={folder} port=6432 dbname=pooled user=someone"
        finally:
            dbs.close_all()
            process.terminate()


@pytest.mark.needs("pgbouncer")
def test_behind_a_pooler_nothing_leaks_to_the_next_client(pooled: str, raw: connection) -> None:
    one, two = dbs.connect(pooled, name="one", readonly=True, timeout=9), dbs.connect(pooled, name="two")
    show = "SELECT pg_backend_pid(), current_setting('work_mem'), current_setting('transaction_read_only')"
    show += ", current_setting('statement_timeout')"
    before = two.run(Query(show)).rows[0]
    inside = one.run(Query(show, settings=(("work_mem", "'77kB'"),))).rows[0]
    assert inside == (before[0], "77kB", "on", "9s")
    assert two.run(Query(show)).rows[0] == before
    with pytest.raises(QueryError):
        one.run(Query("CREATE TABLE t (a int)"))
    two.run(Query("CREATE TABLE t (a int, v vector(2))"))
    steps = [Query("INSERT INTO t VALUES (1)"), Copy("COPY t FROM STDIN", io.BytesIO(b"2\t[1,2]\n"))]
    assert [rows.status for rows in two.transaction(steps)] == ["INSERT 0 1", "COPY 1"]
    assert ask(raw, "SELECT array_agg(a ORDER BY a) FROM t") == [1, 2]
    assert one.run(Query("SELECT v FROM t WHERE a = 2")).rows[0][0].tolist() == [1.0, 2.0]
    with pytest.raises(QueryError, match="statement timeout"):
        dbs.connect(pooled, name="three", timeout=0.1).run(SLEEP)


@pytest.mark.needs("pgbouncer")
def test_behind_a_pooler_a_short_search_says_why(pooled: str, raw: connection) -> None:
    raw.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, v vector(2) NOT NULL); INSERT INTO t SELECT i, ARRAY[i, 1]"
        " FROM generate_series(1, 500) AS i; CREATE INDEX ON t USING hnsw (v vector_l2_ops); ANALYZE t"
    )
    one, two = dbs.connect(pooled, name="one"), dbs.connect(pooled, name="two", readonly=True)
    off = [("enable_seqscan", "off")]
    for db in (one, two):
        result = search(db, "t", vector=[1, 1], k=100, as_is=True, set=dict(off))
        assert [finding.rule for finding in result.findings] == ["R40"]
        found = sql(db, "SELECT id FROM t ORDER BY v <-> '[1,1]' LIMIT 90", settings=off)
        assert found.findings[0].why.endswith("an exact search finds all 90 asked for")
    show = "SELECT current_setting('transaction_read_only'), current_setting('enable_indexscan')"
    assert one.run(Query(f"{show}, current_setting('statement_timeout')")).rows == [("off", "on", "0")]


@pytest.mark.needs("pgbouncer")
def test_behind_a_pooler_a_cancel_arrives_and_a_lost_link_is_made_anew(pooled: str, raw: connection) -> None:
    db = dbs.connect(pooled)
    backend = pid(db)
    thread, outcome = in_thread(lambda: db.run(SLEEP))
    eventually(lambda: state(raw, backend) == "active")
    db.cancel()
    thread.join(5)
    assert isinstance(outcome[0], QueryError)
    assert outcome[0].sqlstate == "57014"
    kill(raw, pid(db))
    assert value(db.run(Query("SELECT 1", reads=True))) == 1


def test_a_server_that_reads_quotes_differently_is_refused(dsn: str) -> None:
    with pytest.raises(ConnectError, match="standard_conforming_strings"):
        dbs.connect(f"{dsn} options='-c standard_conforming_strings=off'", name="odd")
    assert "odd" not in dbs.names()
