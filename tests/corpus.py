"""The corpus of queries, sick and healthy: what makes each, what is wrong with it, and what mends it.

``plans/sick/*.toml`` and ``plans/healthy/*.toml`` have an entry a query; all of them run on the table ``docs`` of
``plans/docs.sql``, whose column ``embedding`` is searched from ``V``, which a statement has as ``:query``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic import sqltext
from pgvec_magic.db import Database

PLANS = Path(__file__).parent / "plans"
TABLE = (PLANS / "docs.sql").read_text("utf-8")
V = np.array([1, 2, 3], np.float32)
# What makes a server share the work of small tables among processes.
FORCED = """
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0; SET max_parallel_workers_per_gather = 2"""


@dataclass(frozen=True)
class Case:
    """A query, and what is done before it; ``servers`` are the major versions on which it is what it is, empty: all.

    ``prepared`` is done in the session that explains. Of a healthy one ``also`` are rules that are right in what they
    say of it, but not what it is here for.
    Of a sick one ``rule`` is the first finding, and it goes when ``cure`` is run, or with the statement ``mended``, or
    with ``cured_settings``.
    """

    name: str
    sql: str
    before: str = ""
    prepared: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    servers: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    rule: str = ""
    cure: str = ""
    mended: str = ""
    cured_settings: dict[str, str] = field(default_factory=dict)


def cases(kind: str) -> dict[str, Case]:
    """Return the cases of a kind, ``sick`` or ``healthy``, by group and name."""
    return {
        f"{file.stem}: {name}": Case(
            name, **{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        )
        for file in sorted((PLANS / kind).glob("*.toml"))
        for name, entry in tomllib.loads(file.read_text("utf-8")).items()
    }


def execute(raw: connection, sql: str) -> None:
    """Run statements one by one: VACUUM stands alone."""
    with raw.cursor() as cursor:
        for statement in sqltext.statements(sql):
            cursor.execute(statement)


def explained(db: Database, sql: str, settings: dict[str, str]) -> pv.Explanation:
    """Explain a statement of a case."""
    values: dict[str, Any] = {"vector": V} if ":query" in sql else {}
    return pv.explain(db, sql=sql, settings=list(settings.items()), **values)
