"""Load the extension beside a bare shell and beside JupySQL; first and later start of the embedded server."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from .place import folder

ROUNDS = 11
SHELL = "from IPython.core.interactiveshell import InteractiveShell; ip = InteractiveShell(); "
EXTENSIONS = {
    "bare": "",
    "pgvec_magic": "ip.run_line_magic('load_ext', 'pgvec_magic')",
    "jupysql": "ip.run_line_magic('load_ext', 'sql')",
}
SERVER = """
import time, sys
from pathlib import Path
from pgvec_magic import db, server
started = time.perf_counter()
place = server.start(data_dir=Path(sys.argv[1]))
db.connect(place.dsn, create_extension=True)
print(time.perf_counter() - started)
"""


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    seconds = _interleaved()
    bare = seconds["bare"]
    ours, jupysql = seconds["pgvec_magic"] - bare, seconds["jupysql"] - bare
    first, later = _server()
    loading = f"{ours * 1000:.0f} ms more than a bare shell (JupySQL: {jupysql * 1000:.0f} ms)"
    return [
        ("load the extension", loading, "≤ 60 ms"),
        ("first start of the embedded server, extension created", f"{first:.1f} s", "≤ 3 s"),
        ("later starts", f"{later:.2f} s", "≤ 1 s"),
    ]


def _interleaved() -> dict[str, float]:
    """Median seconds of a new process per extension, taken in turn so that all see the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in EXTENSIONS}
    for _ in range(ROUNDS):
        for name, load in EXTENSIONS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", SHELL + load], check=True, capture_output=True)
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def _server() -> tuple[float, float]:
    """Seconds of the first start in fresh directories, and of later starts: medians of three."""
    first, later = [], []
    for _ in range(3):
        with folder() as made:
            for taken in (first, later):
                command = [sys.executable, "-c", SERVER, str(made / "data")]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                taken.append(float(done.stdout))
    return statistics.median(first), statistics.median(later)


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
