"""``pgvec-magic``: the demo in a terminal, and JupyterLab on the first lesson."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from . import db as connections
from . import lessons, samples
from .catalog import capabilities
from .db import Database
from .errors import PgvecError
from .load import load
from .query import Query
from .search import search

T = TypeVar("T")
TABLE = "pgvec_demo"
INDEX = f"CREATE INDEX ON {TABLE} USING hnsw (embedding vector_cosine_ops)"
# What to ask, how, and what the answer shows.
SEARCHES: tuple[tuple[str, dict[str, object], str], ...] = (
    (
        "how do I walk a directory tree?",
        {"mode": "hybrid"},
        "by meaning and by words together: each row tells where either leg had ranked it",
    ),
    (
        "how do I walk a directory tree?",
        {"mode": "vector"},
        "by meaning alone, with the same small model: close in topic, but it cannot insist on a word",
    ),
    (
        "fill missing values",
        {"mode": "hybrid", "where": "package = 'pandas'"},
        "with a condition: a filter never costs rows, and the line above them says how that was made sure",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status; an error that a person can mend is one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except PgvecError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        connections.close_all()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pgvec-magic", description="The notebook for Postgres vector search.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="start Postgres, load real text, index it, search it: in the terminal")
    demo.add_argument("--dsn", help="a Postgres of your own (default: the embedded one)")
    demo.set_defaults(run=_demo)
    lab = commands.add_parser("lab", help="open the first lesson in JupyterLab")
    lab.add_argument("folder", nargs="?", default="pgvec-lessons", help="where your copies go (default: %(default)s)")
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.set_defaults(run=_lab)
    return parser


def _lab(options: argparse.Namespace) -> None:
    folder = lessons.copy_to(Path(options.folder))
    lessons.open_lab(folder, browser=not options.no_browser)


def _demo(options: argparse.Namespace) -> None:
    db = _timed("start Postgres", lambda: connections.connect(options.dsn, create_extension=True), _versions)
    sample = _timed("read the documentation of Python", lambda: samples.load("pydocs"), _counted)
    _timed("embed and load it", lambda: load(db, TABLE, sample.frame, text=sample.text, replace=True), str)
    _timed("build an index", lambda: db.run(Query(INDEX)), lambda _: INDEX)
    for text, how, shows in SEARCHES:
        print(f"\n{text!r}  {_as_options(how)}\n{shows}")
        print(search(db, TABLE, text, k=5, columns=["id", "kind", "content"], **how))
    print("\nThe same in a notebook, explained: pgvec-magic lab")


def _timed(what: str, work: Callable[[], T], outcome: Callable[[T], str]) -> T:
    """Do one step and print what it was, how long it took and what came of it."""
    print(f"{what} …", end="", flush=True)
    started = time.perf_counter()
    value = work()
    print(f"\r{what}: {time.perf_counter() - started:.1f} s · {outcome(value)}")
    return value


def _versions(db: Database) -> str:
    able = capabilities(db)
    return f"PostgreSQL {able.server_version}, pgvector {able.vector_version}"


def _counted(sample: samples.Sample) -> str:
    return f"{len(sample.frame):,} texts, fingerprint {sample.fingerprint}"


def _as_options(how: dict[str, object]) -> str:
    return " ".join(f"--{name} {value}" for name, value in how.items())
