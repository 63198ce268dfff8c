"""Rehearses what Binder does with this repository, in an empty directory: postBuild, start, JupyterLab, first lesson.

Run by root it works as an unprivileged account, on one processor, without network, with processes and mounts of its own
(unshare), so that nothing is left behind. Prints its measures as JSON; exits with 1 beyond Binder's limits.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
LESSON = "notebooks/00_first_search.ipynb"
ACCOUNT = "nobody"
PORT = 8888  # in a network namespace of our own; without one any free port
MOST_START_SECONDS, MOST_MEMORY = 3.0, 2 * 1024**3
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "dist", "pgvec-lessons")
RUN_LESSON = """
import json, sys, nbclient, nbformat
lesson = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(lesson, timeout=240, kernel_name="python3").execute()
cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
shown = [str(output.get("data", {}).get("text/plain", "")) for cell in cells for output in cell.outputs]
print(json.dumps({"cells": len(cells), "shown": shown}))
"""


def main() -> int:
    """Rehearse, print the measures, and return the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="pgvec-binder-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        if os.geteuid() != 0:
            return rehearse(folder, None)
        alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return subprocess.run([*alone, sys.executable, __file__, str(folder)], check=False).returncode
    finally:
        shutil.rmtree(folder)


def as_root(folder: Path) -> int:
    """Go on inside the namespaces: open what the account must reach, one processor, the loopback alone."""
    account = pwd.getpwnam(ACCOUNT)
    uncover([Path(sys.prefix), Path(sys.base_prefix)], folder)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    switch_on("lo")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return rehearse(folder, account)


def uncover(needed: list[Path], folder: Path) -> None:
    """Let every account reach these directories, in this mount namespace only: others' modes are not changed.

    A directory that lets nobody through is covered by an empty one in which only what is needed is mounted again.
    """
    covers: dict[Path, list[Path]] = {}
    for path in sorted(set(needed)):
        closed = [p for p in reversed(path.parents) if not p.stat().st_mode & 0o001]
        if closed:
            covers.setdefault(closed[0], []).append(path)
    stash = folder / "stash"
    for cover, paths in covers.items():
        for i, path in enumerate(paths):
            (stash / str(i)).mkdir(parents=True)
            subprocess.run(["mount", "--rbind", path, stash / str(i)], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", cover], check=True)
        for i, path in enumerate(paths):
            path.mkdir(parents=True)
            subprocess.run(["mount", "--move", stash / str(i), path], check=True)
        shutil.rmtree(stash)


def switch_on(interface: str) -> None:
    """Bring a network interface up: a new namespace has the loopback, but down."""
    get_flags, set_flags, is_up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", interface.encode(), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, get_flags, request))[1]
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", interface.encode(), flags | is_up))


def rehearse(folder: Path, account: pwd.struct_passwd | None) -> int:
    """Do the three steps in ``folder``, print the measures, and return 1 beyond the limits."""
    home = folder / "home"
    shutil.copytree(REPOSITORY, home, ignore=NOT_COPIED)
    if account:
        subprocess.run(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", home], check=True)
    runner = Runner(home, account)
    measures: dict[str, float] = {}
    started = time.monotonic()
    runner.run([str(home / "binder" / "postBuild")])
    measures["build_seconds"] = time.monotonic() - started
    stopped_cleanly(runner)
    measures |= launch(runner)
    print(json.dumps({name: round(value, 2) for name, value in measures.items()}))
    is_too_big = account is not None and measures["memory_bytes"] > MOST_MEMORY  # yourself, you have other programs too
    return int(measures["start_seconds"] > MOST_START_SECONDS or is_too_big)


class Runner:
    """Runs programs as the visitor: in the copy, under the account, with an environment like repo2docker's."""

    def __init__(self, home: Path, account: pwd.struct_passwd | None) -> None:
        self.home = home
        self._as: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        self.environment = {
            "HOME": str(home),
            "NB_PYTHON_PREFIX": str(home.parent / "prefix"),
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(home),  # in the image the package is installed
            "LANG": "C.UTF-8",
            "JUPYTER_PREFER_ENV_PATH": "1",
        }

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a program; its stdout is a pipe, its stderr ours."""
        env = environment or self.environment
        return subprocess.Popen(command, cwd=self.home, env=env, stdout=subprocess.PIPE, text=True, **self._as)

    def run(self, command: list[str], environment: dict[str, str] | None = None) -> str:
        """Run a program to its end and return what it printed; SystemExit when it fails."""
        process = self.start(command, environment)
        output = process.communicate(timeout=280)[0]
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}\n{output}")
        return output


def stopped_cleanly(runner: Runner) -> None:
    """Raise SystemExit unless postBuild left a server that was shut down, and not one that must recover."""
    (data,) = Path(runner.environment["NB_PYTHON_PREFIX"]).glob("var/pgvec_magic/postgres-*[0-9]")
    state = "from pgvec_magic.server import binaries; print(binaries.find().tool('pg_controldata'))"
    program = runner.run([f"{sys.prefix}/bin/python", "-c", state]).strip()
    facts = runner.run([program, "-D", str(data)])
    if "shut down\n" not in facts or (data / "postmaster.pid").exists():
        raise SystemExit(f"postBuild left a server that was not shut down\n{facts}")


def launch(runner: Runner) -> dict[str, float]:
    """Run ``start`` with JupyterLab, then the lesson with the environment of JupyterLab's own kernels."""
    port = PORT if os.geteuid() == 0 else free_port()
    began = runner.home / "began"
    lab = f"date +%s.%N > {began}; exec python -m jupyterlab --no-browser --port {port} --IdentityProvider.token=x"
    launched = time.time()
    process = runner.start([str(runner.home / "binder" / "start"), "sh", "-c", lab])
    memory = Memory(process.pid)
    try:
        url = f"http://127.0.0.1:{port}/lab/tree/{LESSON}?token=x"
        page = answer(url, process)
        if "jupyter-config-data" not in page:
            raise SystemExit(f"JupyterLab does not show {LESSON}")
        seconds = {"start_seconds": float(began.read_text()) - launched, "lab_seconds": time.time() - launched}
        kernels = environment_of(process.pid)
        python = f"{sys.prefix}/bin/python"
        started = time.monotonic()
        told = json.loads(runner.run([python, "-c", RUN_LESSON, LESSON], kernels).splitlines()[-1])
        seconds["lesson_seconds"] = time.monotonic() - started
        if not any("unchanged" in text for text in told["shown"]):
            raise SystemExit("the lesson did not find the data that postBuild made")
        return seconds | {"cells": told["cells"], "memory_bytes": memory.most}
    finally:
        memory.stop()
        end(process)


def answer(url: str, process: subprocess.Popen[str]) -> str:
    """Return the page behind a link, as soon as it is there; SystemExit after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"no answer from {url}")


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment of a running process."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return int(any_socket.getsockname()[1])


class Memory:
    """Watches what the visitor's processes hold together; pages that several share count in each: never too little."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._owner = Path(f"/proc/{pid}").stat().st_uid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            self.most = max(self.most, sum(self._sizes()))

    def _sizes(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.stat().st_uid == self._owner:
                    yield int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile


def end(process: subprocess.Popen[str]) -> None:
    """End JupyterLab, and with it the process beside it that holds the server."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (*map(int, children), process.pid):
        os.kill(pid, signal.SIGTERM)
    process.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(as_root(Path(sys.argv[1])) if len(sys.argv) > 1 else main())
