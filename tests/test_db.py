"""Names, sources, secrets, the life of a connection, and what a person is told when something fails."""

from __future__ import annotations

import gc
import getpass
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection, make_dsn, parse_dsn

from pgvec_magic import db as dbs
from pgvec_magic.db import Database, embedded
from pgvec_magic.errors import ConnectError, PgvecError, QueryError, UsageError
from pgvec_magic.query import Query

CANARY = "Kanarienv0gel&x=1"
ENCODED = "Kanarienv0gel%26x%3D1"


def value(db: Database, sql: str) -> Any:
    return db.run(Query(sql)).rows[0][0]


def ask(raw: connection, sql: str, *values: object) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchone()[0] if cursor.description else None


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("pgvec"))


def backends(raw: connection) -> int:
    return int(ask(raw, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgvec_magic'"))


def eventually(true: Callable[[], object], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


# --- names


def test_a_name_is_looked_up_exactly(dsn: str) -> None:
    readonly, prod = dbs.connect(dsn, name="prod_readonly"), dbs.connect(dsn, name="prod")
    assert dbs.get("prod") is prod
    assert dbs.get("prod_readonly") is readonly
    assert dbs.names() == ("prod_readonly", "prod")
    for wrong in ("pro", "prod_"):
        with pytest.raises(ConnectError, match="did you mean 'prod'"):
            dbs.get(wrong)
    with pytest.raises(ConnectError, match=r"no connection is called 'x'\nthere are: prod, prod_readonly"):
        dbs.get("x")


def test_the_last_one_connected_or_used_is_current(dsn: str) -> None:
    with pytest.raises(ConnectError, match="not connected"):
        dbs.current()
    with pytest.raises(ConnectError, match="no connection is called 'a'"):
        dbs.get("a")
    a, b, c = (dbs.connect(dsn, name=name) for name in "abc")
    assert dbs.current() is dbs.get() is c
    assert dbs.use("a") is dbs.current() is a
    with pytest.raises(ConnectError):
        dbs.use("d")
    assert dbs.current() is a
    dbs.close("a")
    assert dbs.current() is c
    c.close()
    assert dbs.current() is b
    assert dbs.names() == ("b",)


def test_connecting_a_name_anew_closes_what_had_it(dsn: str) -> None:
    before = dbs.connect(dsn, name="a")
    other = dbs.connect(dsn, name="b")
    after = dbs.connect(dsn, name="a", readonly=True)
    assert dbs.names() == ("b", "a")
    assert dbs.current() is dbs.get("a") is after
    assert before.closed
    assert not other.closed
    with pytest.raises(ConnectError):
        dbs.connect("host=/nowhere", name="a")
    assert value(dbs.get("a"), "SELECT 1") == 1


def test_default_names_tell_places_apart(dsn: str, new_database: Callable[[], Any]) -> None:
    parts = parse_dsn(dsn)
    first = dbs.connect(dsn)
    assert first.name == first.place.brief
    assert first.name.startswith(parts["dbname"])
    assert dbs.connect(dsn, readonly=True).name == first.name
    assert dbs.names() == (first.name,)
    ask_raw = psycopg2.connect(dsn)
    with ask_raw, ask_raw.cursor() as cursor:
        cursor.execute("CREATE ROLE pgvec_second LOGIN PASSWORD 'x'")
    ask_raw.close()
    try:
        assert dbs.connect(make_dsn(dsn, user="pgvec_second", password="x")).name == f"{first.name}-2"
        assert dbs.connect(make_dsn(dsn, user="pgvec_second", password="x")).name == f"{first.name}-2"
        dbs.close(f"{first.name}-2")
    finally:
        dbs.get(first.name).close()
        value(dbs.connect(dsn), "WITH x AS (SELECT 1) SELECT 1 FROM x")
        dbs.current().run(Query("DROP ROLE pgvec_second"))


@pytest.mark.parametrize(
    ("place", "brief"),
    [
        (("me", "/run/postgresql", 5432, "docs"), "docs"),
        (("me", "db.example.org", 5432, "docs"), "docs@db.example.org"),
        (("me", "localhost", 6543, "docs"), "docs@localhost:6543"),
        (("me", "@abstract", 6543, "docs"), "docs:6543"),
    ],
)
def test_the_brief_form_of_a_place(place: tuple[Any, ...], brief: str) -> None:
    from pgvec_magic.db.link import Place

    assert Place(*place).brief == brief


# --- sources


@pytest.fixture
def url(dsn: str) -> str:
    from urllib.parse import quote

    parts = parse_dsn(dsn)
    login = f"{quote(parts['user'], safe='')}:{quote(parts.get('password', ''), safe='')}"
    host = quote(parts["host"], safe="")
    return f"postgresql://{login}@{host}:{parts.get('port', 5432)}/{parts['dbname']}"


def test_dsns_urls_and_engines_connect(dsn: str, url: str) -> None:
    engine = types.SimpleNamespace(
        url=types.SimpleNamespace(
            render_as_string=lambda *, hide_password: url.replace("://", "+psycopg2://") if not hide_password else "***"
        )
    )
    rest = url.partition("://")[2]
    sources = [dsn, url, f"  {url}\n", f"postgres://{rest}", f"postgresql+psycopg2://{rest}", engine]
    for source in [*sources, f"postgresql+asyncpg://{rest}", f"PostgreSQL+psycopg://{rest}?connect_timeout=3"]:
        assert value(dbs.connect(source, name="x"), "SELECT current_database()") == parse_dsn(dsn)["dbname"]


def test_an_engine_of_sqlalchemy_connects(url: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(url.replace("://", "+psycopg2://"))
    assert value(dbs.connect(engine), "SELECT 1") == 1


def test_the_environment_decides_without_a_source(dsn: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parse_dsn(dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    for keyword, variable in names.items():
        if keyword in parts:
            monkeypatch.setenv(variable, parts[keyword])
    assert dbs.connect().place.database == parts["dbname"]
    monkeypatch.setenv("DATABASE_URL", f"{url}?application_name=by_url")
    assert value(dbs.connect(), "SELECT current_setting('application_name')") == "by_url"
    monkeypatch.setenv("PGVEC_DSN", make_dsn(dsn, application_name="by_dsn"))
    assert value(dbs.connect(), "SELECT current_setting('application_name')") == "by_dsn"
    argument = make_dsn(dsn, application_name="by_argument")
    assert value(dbs.connect(argument), "SELECT current_setting('application_name')") == "by_argument"
    assert dbs.names() == (dbs.current().place.brief,)


def test_services_and_password_files_are_read(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: connection
) -> None:
    parts = parse_dsn(dsn)
    service = {name: parts[name] for name in ("host", "port", "user", "dbname") if name in parts}
    lines = [f"{name}={text}" for name, text in service.items()]
    (tmp_path / "services").write_text("\n".join(["[lab]", *lines, "connect_timeout=3", ""]))
    (tmp_path / "pgpass").write_text(f"*:*:*:{parts['user']}:{parts.get('password', '')}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    db = dbs.connect("service=lab")
    assert db.name == "lab"
    assert value(db, "SELECT current_database()") == parts["dbname"]
    dbs.close_all()
    monkeypatch.setenv("PGSERVICE", "lab")
    assert dbs.connect().name == "lab"
    assert value(dbs.connect(readonly=True).clone(), "SELECT 1") == 1
    with pytest.raises(ConnectError, match=r"pg_service\.conf"):
        dbs.connect("service=shop")


def test_without_any_source_the_embedded_server_is_meant() -> None:
    assert dbs.connections.sources.find() is None


UNREADABLE = {
    "a word": ("prod", ConnectError, "what was given is not a connection string\nexpected postgresql://"),
    "no Postgres": ("mysql://u@h/db", UsageError, "what was given: mysql:// is not Postgres"),
    "no source": (42, UsageError, "cannot connect through a int\n.*SQLAlchemy"),
    "an unknown option": ("host=h colour=blue", ConnectError, "not a connection string"),
    "@ in the password": (f"postgresql://u:{CANARY}@x@h/db", UsageError, "an @ too many\n.*%40"),
    "/ in the password": (f"postgresql://u:1/{CANARY}@h/db", UsageError, "an @ too many\n.*%2F"),
    "/ in the password, no @": (f"postgresql://u:{CANARY}/x", UsageError, "port is not a number\n.*%2F"),
    "? and @ in the password": (f"postgresql://u:x?y@{CANARY}@h/db", UsageError, "an @ too many"),
    "? and / in the password": (f"postgresql://u:1?x/{CANARY}@h/db", ConnectError, "not a connection string"),
    "% in the password": (f"postgresql://u:{CANARY}%zz@h/db", ConnectError, "not a connection string"),
    "an open quote": (f"host=h password='{CANARY}", ConnectError, "not a connection string"),
    "a stray word": (f"{CANARY} host=h", ConnectError, "not a connection string"),
}


@pytest.mark.parametrize(("source", "error", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_says_so_without_showing_it(source: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        dbs.connect(source)
    assert CANARY not in f"{caught.value} {caught.value!r}"


def test_an_unreadable_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"mysql://u:{CANARY}@h/db")
    with pytest.raises(UsageError, match=r"\$DATABASE_URL: mysql:// is not Postgres"):
        dbs.connect()
    monkeypatch.setenv("PGVEC_DSN", "prod")
    with pytest.raises(ConnectError, match=r"\$PGVEC_DSN is not a connection string"):
        dbs.connect()


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("postgresql://u:pw@h/db", True),
        ("postgresql+psycopg2://u:p%40w@[::1]:5432/db", True),
        ("postgresql://u:p@w@h/db", True),
        ("postgresql://h/db?user=u&password=pw", True),
        ("host=h password=pw", True),
        ("host=h password = 'p w'", True),
        ("host=h sslpassword=pw", True),
        ("postgresql://u@h:5432/db", False),
        ("postgresql://h:5432/db?user=a@b", False),
        ("postgresql://[::1]:5432/db", False),
        ("postgresql://u:@h/db", False),
        ("host=h passfile=/x", False),
        ("host=h password=", False),
        ("prod", False),
        ("", False),
    ],
)
def test_a_password_in_a_connection_string_is_noticed(text: str, there: bool) -> None:
    assert dbs.has_password(text) is there


# --- passwords


@pytest.fixture
def guarded(dsn: str, raw: connection) -> Iterator[str]:
    """A DSN without the password that its role has."""
    parts = parse_dsn(dsn)
    role = f"pgvec_canary_{os.getpid()}"
    ask(raw, f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'")
    yield make_dsn(host=parts["host"], port=parts.get("port", "5432"), dbname=parts["dbname"], user=role)
    dbs.close_all()
    ask(raw, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_password_that_nobody_gave_is_asked_for_without_echo(guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = []

    def typed(prompt: str) -> str:
        prompts.append(prompt)
        return CANARY

    monkeypatch.setattr(getpass, "getpass", typed)
    db = dbs.connect(guarded)
    parts = parse_dsn(guarded)
    assert prompts == [f"Password for {parts['user']}@{parts['host']}: "]
    assert value(db, "SELECT current_user") == parts["user"]
    assert value(db.clone(), "SELECT 1") == 1
    value(db, "SELECT pg_backend_pid()")
    assert len(prompts) == 1


def test_with_nobody_to_ask_the_error_says_what_to_do(guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_front_end(prompt: str) -> str:
        raise RuntimeError("raw_input was called, but this frontend does not support input requests.")

    def would_echo(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return CANARY

    for asked in (no_front_end, would_echo):
        monkeypatch.setattr(getpass, "getpass", asked)
        with pytest.raises(ConnectError, match=r"nobody to ask\nput it in ~/\.pgpass"):
            dbs.connect(guarded)
    assert dbs.names() == ()
    assert threads() == []


def test_with_no_keyboard_at_all_the_error_says_what_to_do(guarded: str) -> None:
    source = f"from pgvec_magic import db; db.connect({guarded!r})"
    done = run_script(source, warn="default", start_new_session=True)
    assert "nobody to ask" in done.stderr
    assert "Warning" not in done.stderr
    assert done.returncode == 1


def test_a_wrong_password_is_not_asked_for_again(guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: pytest.fail("asked"))
    with pytest.raises(ConnectError, match=r"password authentication failed for user(?s:.)*~/\.pgpass") as caught:
        dbs.connect(make_dsn(guarded, password=CANARY + "!"))
    assert CANARY not in str(caught.value)


def everything_said(error: BaseException) -> str:
    """The error as every tool may show it: with what it came from, and with the variables of every frame."""
    seen, pieces = set(), []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pieces += [str(each), repr(each), repr(vars(each))]
        frames = [frame for frame, _ in traceback.walk_tb(each.__traceback__)]
        inside = [frame for frame in frames if "test_db" not in frame.f_code.co_filename]
        pieces += [repr(item) for frame in inside for item in frame.f_locals.items()]
        todo += [each.__cause__, each.__context__]
    return "\n".join(pieces)


def test_a_password_is_nowhere_to_be_seen(guarded: str, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parse_dsn(guarded)
    with_password = make_dsn(guarded, password=CANARY)
    said = []
    ask(raw, "DROP EXTENSION vector")

    def fails(work: Callable[[], object]) -> None:
        with pytest.raises((PgvecError, psycopg2.Error)) as caught:
            work()
        said.append(everything_said(caught.value))

    monkeypatch.setenv("PGVEC_DSN", with_password)
    db = dbs.connect()
    clone = db.clone()
    for statement in ("SELECT * FROM nowhere", "SELECT 1 / 0", "CREATE EXTENSION hstore", "SELEC"):
        fails(lambda statement=statement: db.run(Query(statement)))
    fails(lambda: db.run(Query("SELECT %(x)s", {"x": "\0"})))
    fails(lambda: db.transaction([Query("SELECT 1 / 0")]))
    fails(lambda: dbs.connect(create_extension=True))
    fails(lambda: dbs.get("nope"))
    backend = value(db, "SELECT pg_backend_pid()")
    ask(raw, "SELECT pg_terminate_backend(%s, 5000)", backend)
    notices = db.run(Query("SELECT 1", reads=True)).notices
    fails(lambda: db.run(Query("SELECT pg_terminate_backend(pg_backend_pid())")))
    ask(raw, f"ALTER ROLE {parts['user']} NOLOGIN")
    fails(lambda: db.run(Query("SELECT 1", reads=True)))
    fails(lambda: db.run(Query("SELECT 1")))
    fails(db.clone)
    ask(raw, f"ALTER ROLE {parts['user']} LOGIN PASSWORD 'other'")
    fails(dbs.connect)
    for change in ({"dbname": "nowhere"}, {"host": "/nowhere"}, {"host": "nowhere.invalid"}, {"sslmode": "require"}):
        monkeypatch.setenv("PGVEC_DSN", make_dsn(with_password, **change))
        fails(dbs.connect)
    for held in (db, clone, db._link, db._worker, db._source(), db._link._connection, dbs.connections._open):
        said += [str(held), repr(held), f"{held:}", repr(getattr(held, "__dict__", None))]
    said += [repr(notices), repr(db.place)]
    monkeypatch.setenv("PGVEC_DSN", f"postgresql://u:{ENCODED}@/nowhere:99999999/db")
    fails(dbs.connect)
    clone.close()
    fails(lambda: clone.run(Query("SELECT 1")))
    assert [text for text in said if CANARY in text or ENCODED in text] == []
    assert len(said) > 40


# --- the life of a connection


def run_script(source: str, warn: str = "error", **options: Any) -> subprocess.CompletedProcess[str]:
    root = Path(dbs.__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-W", warn, "-c", textwrap.dedent(source)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **options,
    )


def test_closing_ends_connection_and_thread_and_may_be_repeated(db: Database, raw: connection) -> None:
    clone = db.clone()
    assert (backends(raw), len(threads())) == (2, 2)
    clone.close()
    clone.close()
    assert clone.closed
    eventually(lambda: backends(raw) == 1)
    assert len(threads()) == 1
    for call in (lambda: clone.run(Query("SELECT 1")), lambda: clone.transaction([])):
        with pytest.raises(ConnectError, match=r"closed\n%vconnect"):
            call()
    clone.cancel()
    dbs.close_all()
    dbs.close_all()
    eventually(lambda: backends(raw) == 0)
    assert threads() == []
    assert dbs.names() == ()


def test_closing_stops_what_runs_and_what_waits(db: Database, raw: connection) -> None:
    outcome: list[object] = []

    def run(sql: str) -> None:
        try:
            outcome.append(db.run(Query(sql)))
        except PgvecError as error:
            outcome.append((type(error), getattr(error, "sqlstate", None)))

    backend = value(db, "SELECT pg_backend_pid()")
    runners = [threading.Thread(target=run, args=("SELECT pg_sleep(30)",)) for _ in range(2)]
    for runner in runners:
        runner.start()
    eventually(lambda: ask(raw, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", backend))
    eventually(lambda: db._worker._jobs.qsize() == 1)
    started = time.perf_counter()
    dbs.close_all()
    assert time.perf_counter() - started < 1
    for runner in runners:
        runner.join()
    assert sorted(outcome, key=repr) == [(ConnectError, None), (QueryError, "57014")]
    eventually(lambda: backends(raw) == 0)


def test_a_forgotten_connection_closes_itself(db: Database, raw: connection) -> None:
    assert value(db.clone(), "SELECT 1") == 1
    gc.collect()
    eventually(lambda: (backends(raw), len(threads())) == (1, 1))


def test_a_clone_is_a_connection_of_its_own(dsn: str, raw: connection) -> None:
    db = dbs.connect(dsn, name="a", readonly=True, timeout=7)
    clone, named = db.clone(), db.clone("progress")
    assert dbs.names() == ("a",)
    assert dbs.current() is db
    assert (clone.name, named.name) == ("a (clone)", "progress")
    assert (clone.readonly, clone.timeout, clone.place) == (True, 7, db.place)
    assert value(clone, "SELECT current_setting('transaction_read_only')") == "on"
    assert len({value(each, "SELECT pg_backend_pid()") for each in (db, clone, named)}) == 3
    assert clone.cache == {}
    db.close()
    assert value(clone, "SELECT 1") == 1
    assert repr(clone) == f"Database('a (clone)', {clone.place}, read-only)"


def test_connecting_that_fails_half_way_leaves_nothing(guarded: str, raw: connection) -> None:
    ask(raw, "DROP EXTENSION vector")
    with pytest.raises(QueryError, match="administrator") as refused:
        dbs.connect(make_dsn(guarded, password=CANARY), create_extension=True)
    with pytest.raises(ConnectError) as unreachable:
        dbs.connect(make_dsn(guarded, password=CANARY, dbname="nowhere"))
    eventually(lambda: backends(raw) == 0)
    assert (refused.tb, unreachable.tb) != (None, None)  # their frames still hold what was made
    assert threads() == []
    assert dbs.names() == ()


def test_the_extension_is_made_on_request_by_many_at_once(dsn: str, raw: connection) -> None:
    ask(raw, "DROP EXTENSION vector")
    failed: list[BaseException] = []

    def connects(number: int) -> None:
        try:
            dbs.connect(dsn, name=str(number), create_extension=True)
        except BaseException as error:
            failed.append(error)

    runners = [threading.Thread(target=connects, args=(number,)) for number in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert failed == []
    assert value(dbs.current(), "SELECT '[1]'::vector").tolist() == [1.0]


def test_an_interpreter_that_ends_while_connected_does_so_at_once_and_in_silence(dsn: str, raw: connection) -> None:
    source = f"""
    import threading, time
    from pgvec_magic import db
    from pgvec_magic.query import Query
    made = db.connect({dsn!r})
    clone = made.clone()
    clone.run(Query("SELECT 1"))
    def sleeps():
        try:
            clone.run(Query("SELECT pg_sleep(25)"))
        except Exception as error:
            pass
    threading.Thread(target=sleeps, daemon=True).start()
    time.sleep(0.3)
    """
    started = time.perf_counter()
    done = run_script(source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.perf_counter() - started < 5
    eventually(lambda: backends(raw) == 0)


def test_a_forked_child_cannot_use_the_connection_and_does_not_harm_it(dsn: str) -> None:
    source = f"""
    import os, sys
    from pgvec_magic import db, errors
    from pgvec_magic.query import Query
    made = db.connect({dsn!r}, name="parent")
    made.run(Query("SELECT 1"))
    child = os.fork()
    if not child:
        try:
            made.run(Query("SELECT 1"))
        except errors.ConnectError:
            own = db.names() == () and db.connect({dsn!r}).run(Query("SELECT 2")).rows == [(2,)]
            sys.exit(0 if own else 4)
        sys.exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), made.run(Query("SELECT 5")), sep="; ")
    """
    done = run_script(source, warn="ignore")  # of forking a process that has threads
    assert done.stderr == ""
    assert done.stdout.startswith("0; Rows(columns=('?column?',), rows=[(5,)], status='SELECT 1', notices=()")


def test_a_database_of_another_encoding_gives_and_takes_every_text_it_has(server_dsn: str) -> None:
    with_latin = make_dsn(server_dsn, dbname="pgvec_latin")
    admin = dbs.connect(server_dsn, name="admin")
    admin.run(Query("CREATE DATABASE pgvec_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
    try:
        db = dbs.connect(with_latin, name="latin")
        assert db.run(Query("SELECT %(x)s || 'ü'", {"x": "é"})).rows == [("éü",)]
        with pytest.raises(QueryError, match="has no equivalent in encoding"):
            db.run(Query("SELECT %(x)s", {"x": "→"}))
        db.close()
    finally:
        admin.run(Query("DROP DATABASE pgvec_latin WITH (FORCE)"))


def test_the_embedded_server_lives_as_long_as_a_connection_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    db = dbs.connect()
    server = embedded._server
    assert server is not None
    assert (db.name, db.embedded) == ("embedded", True)
    assert value(db, "SELECT '[1]'::vector").tolist() == [1.0]
    readonly = dbs.connect(name="readonly", readonly=True)
    clone = db.clone()
    dbs.close_all()
    assert value(clone, "SELECT 1") == 1
    server.stop()  # another kernel may: a query finds it again
    assert value(clone, "SELECT 1") == 1
    assert readonly.closed
    clone.close()
    assert embedded._server is None
    assert "not in use" in repr(server)
    assert not list(server.data_dir.glob("postmaster.pid"))


# --- what cannot be reached


def test_what_cannot_be_reached_says_what_to_do(guarded: str, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parse_dsn(guarded)
    known = make_dsn(guarded, password=CANARY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    cases = {
        f"host=127.0.0.1 port={port}": r"Connection refused\nis the server running there\?",
        "host=/nowhere": r"No such file or directory\nis the server running there\?",
        "host=nowhere.invalid": r"could not translate host name.*\nis the server running there\?",
        make_dsn(known, dbname="nowhere"): r'database "nowhere" does not exist\n.*pg_database',
        make_dsn(known, user="nobody_at_all"): r"password authentication failed.*\ncheck the user",
    }
    for source, message in cases.items():
        with pytest.raises(ConnectError, match=message) as caught:
            dbs.connect(source)
        assert "\t" not in str(caught.value)
    ask(raw, f"ALTER ROLE {parts['user']} CONNECTION LIMIT 0")
    with pytest.raises(ConnectError, match=r"too many connections for role.*\nclose a connection first"):
        dbs.connect(known)
    monkeypatch.setenv("PGHOST", "/nowhere")
    with pytest.raises(ConnectError, match=r"there\?; the connection was taken from \$PGHOST: unset"):
        dbs.connect()


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ConnectError, match=r"timeout expired\nis the server running there\?"):
            dbs.connect(f"host=127.0.0.1 port={silent.getsockname()[1]} connect_timeout=2 sslmode=disable")
    assert dbs.connections.sources.find("host=h").keywords()["connect_timeout"] == "10"
    assert "connect_timeout" not in dbs.connections.sources.find("service=s").keywords()
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert "connect_timeout" not in dbs.connections.sources.find("host=h").keywords()
