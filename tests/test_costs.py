from __future__ import annotations

import pytest
from psycopg2.extensions import connection

from pgvec_magic.db import Database
from pgvec_magic.query.scan import MOST_WALK_COST, WALK_COST
from pgvec_magic.search import Result, costs, search

TABLE = """
CREATE TABLE items (id int PRIMARY KEY, n int, embedding vector(3) NOT NULL);
INSERT INTO items SELECT i, i, ARRAY[sin(i), cos(i), sin(2 * i)]::vector FROM generate_series(0, 11999) AS i;
CREATE INDEX ON items (n);
CREATE INDEX ON items USING hnsw (embedding vector_l2_ops);
ANALYZE items;
"""
ASKED = {"vector": [1, 0, 0], "columns": ["id"]}


@pytest.fixture
def items(db: Database, raw: connection) -> Database:
    with raw.cursor() as cursor:
        cursor.execute(TABLE)
    return db


def filtered(db: Database, below: int) -> Result:
    return search(db, "items", **ASKED, where=f"n < {below}")


def took(result: Result, seconds: float, times: int) -> None:
    """Let searches like that one have taken so long."""
    assert result.found is not None
    for _ in range(times):
        costs.observe(result.db, result.found, seconds)


def learned(result: Result) -> float:
    assert result.found is not None
    return costs.walk_cost(result.db, result.found.target)


def kind(result: Result) -> str:
    assert result.found is not None
    return result.found.scan.kind


def test_where_passes_take_long_more_rows_are_searched_exactly(items: Database) -> None:
    few, more = filtered(items, 1200), filtered(items, 2000)
    assert (kind(few), kind(more), learned(more)) == ("exact", "ann", WALK_COST)

    took(few, 0.1, 5)
    took(more, 90, 5)
    assert learned(more) == MOST_WALK_COST
    now = filtered(items, 2000)
    assert kind(now) == "exact"
    assert "the filter leaves about 2,0" in repr(now)
    assert kind(filtered(items, 6000)) == "ann", "however long a pass takes, so many rows take longer"

    took(more, 1e-6, 1)
    assert learned(more) == WALK_COST, "the fastest of the latest counts, and below what is usual nothing does"


def test_a_slow_moment_a_short_pass_and_another_column_tell_nothing(items: Database) -> None:
    few, more = filtered(items, 1200), filtered(items, 2000)
    took(few, 0.001, 1)
    took(more, 0.9, 1)
    assert learned(more) == WALK_COST, "two passes are not enough"
    took(search(items, "items", **ASKED), 0.9, 9)  # 40 deep: mostly the message itself
    took(search(items, "items", **ASKED, where="n < 2000", as_is=True), 0.9, 9)
    assert learned(more) == WALK_COST


def test_searches_take_note_of_themselves(items: Database) -> None:
    more = [filtered(items, below) for below in (1200, 2000, 2100, 2200)][-1]
    assert more.found is not None
    seen = costs._seen(items, more.found.target)
    assert (len(seen.compared), len(seen.deeper)) == (1, 3)
    assert all(0 < seconds < 1 < rows for seconds, rows in (*seen.compared, *seen.deeper))


def test_how_far_away_the_server_is_tells_nothing(items: Database) -> None:
    few, more = filtered(items, 1200), filtered(items, 2000)
    depth = int(more.settings["hnsw.ef_search"])
    items.cache["message seconds"] = 0.2
    took(few, 0.2 + 1200e-6, 5)
    took(more, 0.2 + 5e-6 * depth, 3)
    assert learned(more) == WALK_COST
    took(more, 0.2 + 20e-6 * depth, 5)
    assert 15 < learned(more) < 25
    took(few, 0.199, 1)
    assert learned(more) == WALK_COST, "in less than the message takes nothing was measured"


def test_what_a_message_takes_is_measured_once(items: Database) -> None:
    few, more = filtered(items, 1200), filtered(items, 2000)
    took(more, 0.9, 3)
    assert "message seconds" not in items.cache, "not before it is of use"
    took(few, 0.001, 1)
    learned(more)
    first = items.cache["message seconds"]
    assert 0 < first < 0.1
    learned(more)
    assert items.cache["message seconds"] == first
