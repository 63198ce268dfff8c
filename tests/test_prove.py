from __future__ import annotations

from typing import Any

import pytest
from corpus import TABLE, Case, V, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.compare import prove, proved
from pgvec_magic.db import Database


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


@pytest.mark.parametrize("case", cases("sick").values(), ids=cases("sick"))
def test_show(db: Database, docs: connection, case: Case) -> None:
    if case.servers and docs.info.server_version // 10_000 not in case.servers:
        pytest.skip(f"of PostgreSQL {case.servers}")
    execute(docs, case.before)
    found = explained(db, case.sql, case.settings)
    finding = found.findings[0]
    if finding.cure is None:
        print("NO CURE", case.name, finding.rule)
        return
    for build in (False, True):
        if not build and not (finding.cure.sql or finding.cure.settings): continue
        if build and not finding.cure.before: continue
        print(case.name, prove(db, found, finding, build=build))
