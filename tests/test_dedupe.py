from __future__ import annotations

import math
import signal
import threading
import time

import numpy as np
import pytest

from pgvec_magic import rows
from pgvec_magic.dedupe import complete, duplicates, exact, found, near, projection, verb
from pgvec_magic.errors import UsageError

HOSTILE = "<script>alert(1)</script> \x1b[31m {name} $1 %s"


def text(vector) -> str:
    return f"[{','.join(f'{value:.9g}' for value in vector)}]"


def fill(raw, rows, *, table="docs", columns="id int PRIMARY KEY, content text, embedding vector") -> None:
    with raw.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} ({columns})")
        marks = ", ".join(["%s"] * len(rows[0]))
        cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        cursor.execute(f"ANALYZE {table}")


def run(raw, statement) -> None:
    with raw.cursor() as cursor:
        cursor.execute(statement)


def keys(groups) -> list[set[object]]:
    return [set(rows["id"]) for _, rows in groups.df.groupby(level="group")]


def pairs(groups) -> set[tuple[object, object]]:
    return set(zip(groups.pairs["a"], groups.pairs["b"], strict=True))


def clustered(rows=1_500, dimensions=32, seed=3):
    """Points in clusters, each tenth with a near-identical twin, and 30 rows that are one."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, dimensions))
    points = centres[rng.integers(20, size=rows)] + 0.5 * rng.normal(size=(rows, dimensions))
    twins = points[: rows // 10]
    points[-len(twins) :] = twins + rng.uniform(0, 0.4, (len(twins), 1)) * rng.normal(size=twins.shape)
    points[200:230] = points[200]
    return points.astype(np.float32)


def distances(points, metric):
    """Every distance, as the definition says it."""
    x = points.astype(np.float64)
    squares = np.square(x).sum(axis=1)
    if metric == "l2":
        return np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    if metric == "cosine":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return 1 - x @ x.T
    if metric == "l1":
        return np.stack([np.abs(x - one).sum(axis=1) for one in x])
    both = x @ x.T
    either = x.sum(axis=1)[:, None] + x.sum(axis=1) - both
    return either - both if metric == "hamming" else 1 - both / either


def truth(points, metric, most) -> set[tuple[int, int]]:
    i, j = np.nonzero(distances(points, metric) <= most)
    return {(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b}


def threshold(points, metric) -> float:
    """A distance that some 700 pairs are within, and none is just at."""
    apart = np.sort(distances(points, metric)[np.triu_indices(len(points), 1)])
    at = 600 + int(np.argmax(np.diff(apart[600:900])))
    return float(apart[at] + apart[at + 1]) / 2


# --- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "metric"),
    [(k, m) for k in ("vector", "halfvec", "sparsevec") for m in ("cosine", "l2", "l1")]
    + [("bit", "hamming"), ("bit", "jaccard")],
)
def test_the_pairs_are_those_that_comparing_all_finds(raw, db, kind, metric):
    points = clustered(400)
    if kind == "halfvec":
        points = points.astype(np.float16).astype(np.float32)
    if kind == "bit":
        points = (points > 0).astype(np.float32)
    if kind == "sparsevec":
        points[np.abs(points) < 0.5] = 0
        values = [f"{{{','.join(f'{i + 1}:{v:.9g}' for i, v in enumerate(p) if v)}}}/32" for p in points]
    elif kind == "bit":
        values = ["".join(str(int(v)) for v in point) for point in points]
    else:
        values = [text(point) for point in points]
    fill(raw, list(enumerate(values)), columns=f"id int PRIMARY KEY, embedding {kind}(32)")
    most = threshold(points, metric)
    groups = duplicates(db, "docs", most, metric=metric)
    assert pairs(groups) == truth(points, metric, most)
    assert len(groups.pairs) > 500
    assert groups.rows == 400
    at = groups.pairs.sample(20, random_state=1)
    expected = distances(points, metric)[at["a"], at["b"]]
    assert at["distance"].to_numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 400, 3_000])
def test_vectors_of_any_width_are_compared(raw, db, dimensions):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(300, dimensions)).astype(np.float32)
    points[150:] = points[:150] + np.float32(0.01) * rng.normal(size=(150, dimensions)).astype(np.float32)
    fill(raw, [(i, text(point)) for i, point in enumerate(points)], columns="id int PRIMARY KEY, embedding vector")
    groups = duplicates(db, "docs", 0.0005)
    got, expected = pairs(groups), truth(points, "cosine", 0.0005)
    sure = distances(points, "cosine")
    assert all(abs(sure[pair] - 0.0005) < 1e-6 for pair in got ^ expected)
    assert len(got) >= 100


def test_identical_rows_are_one_group_however_many(raw, db):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(700, 16))
    points[100:600] = points[100]
    fill(raw, [(i, f"row {i}", text(point)) for i, point in enumerate(points)])
    groups = duplicates(db, "docs", 0.0)
    assert len(groups) == 1
    assert keys(groups) == [set(range(100, 600))]
    assert len(groups.pairs) == 500 * 499 // 2
    assert (groups.pairs["distance"] == 0).all()
    assert groups.df["id"].iloc[0] == 100
    assert set(groups.redundant["id"]) == set(range(101, 600))


def test_a_chain_is_one_group_around_its_middle_and_is_said(raw, db):
    angles = [0, 10, 20, 30, 40]
    rows = [(i, "t", text([math.cos(math.radians(a)), math.sin(math.radians(a))])) for i, a in enumerate(angles)]
    fill(raw, [*rows, (9, "t", "[-1,0]")])
    groups = duplicates(db, "docs", 0.02)  # ten degrees are 0.0152, twenty 0.0603
    assert pairs(groups) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert keys(groups) == [{0, 1, 2, 3, 4}]
    assert groups.df["id"].iloc[0] in (1, 2, 3)
    far = {4 if groups.df["id"].iloc[0] == 1 else 0} | {3, 4} if groups.df["id"].iloc[0] == 1 else {0, 4}
    assert set(groups.df["id"]) - set(groups.redundant["id"]) - {groups.df["id"].iloc[0]} == far
    assert groups.df["distance"].max() > 0.02
    assert "near only through others" in " ".join(groups.notes)


def test_a_text_that_is_null_shows_as_null(raw, db):
    fill(raw, [(1, None, "[1,0]"), (2, "b", "[1,0]"), (3, "c", "[1,0]")])
    shown = repr(duplicates(db, "docs"))
    assert "NULL" in shown
    assert "nan" not in shown


def test_null_and_zero_vectors_are_not_compared_and_said(raw, db):
    fill(
        raw,
        [(1, "a", None), (2, "b", None), (3, "c", "[0,0]"), (4, "d", "[0,0]"), (5, "e", "[1,0]"), (6, "f", "[2,0]")],
    )
    groups = duplicates(db, "docs")
    assert pairs(groups) == {(5, 6)}
    assert groups.rows == 4
    assert [note.partition(":")[0] for note in groups.notes] == [
        "2 rows without a vector",
        "2 rows with a vector of zeros, which has no direction",
    ]
    assert pairs(duplicates(db, "docs", metric="l2")) == {(3, 4)}


def test_bits_of_zeros_are_said_by_what_jaccard_makes_of_them(raw, db):
    rows = [(1, "000"), (2, "000"), (3, "110"), (4, "110")]
    fill(raw, rows, columns="id int PRIMARY KEY, embedding bit(3)")
    groups = duplicates(db, "docs", metric="jaccard")
    assert pairs(groups) == {(3, 4)}
    assert "no bit set" in groups.notes[0]
    assert "direction" not in groups.notes[0]
    assert pairs(duplicates(db, "docs", metric="hamming")) == {(1, 2), (3, 4)}


def test_large_integers_beside_null_keep_every_digit(raw, db):
    rows = [(1, 2**62 + 1, "[1,0]"), (2, None, "[1,0]")]
    fill(raw, rows, columns="id int PRIMARY KEY, other bigint, embedding vector(2)")
    other = duplicates(db, "docs").df["other"]
    assert int(other.iloc[0]) == 2**62 + 1
    assert other.isna().tolist() == [False, True]


def test_an_empty_table_and_one_without_duplicates_have_no_groups(raw, db):
    fill(raw, [(1, "a", "[1,0]"), (2, "b", "[0,1]")])
    for where in (None, "false", "id = 1"):
        groups = duplicates(db, "docs", where=where)
        assert len(groups) == len(groups.df) == len(groups.pairs) == len(groups.redundant) == 0
        assert list(groups.df.columns) == ["id", "content", "distance"]
        assert "0 groups" in repr(groups)
        assert groups.figure().layout.annotations[0].text == "no rows"


def test_vectors_far_larger_and_far_smaller_than_the_others_hide_nothing(raw, db):
    values = ["[1e18,1]", "[1e18,2]", "[3,4]", "[3,4.01]", "[1e-20,0]", "[0,1e-20]", "[-7,1]"]
    fill(raw, list(enumerate(values)), columns="id int PRIMARY KEY, embedding vector")
    assert pairs(duplicates(db, "docs", 0.05, metric="l2")) == {(2, 3), (4, 5)}


# --- keys and conditions --------------------------------------------------------------------------------------------


def test_keys_of_several_columns_and_any_type_tell_rows_apart(raw, db):
    columns = 'tenant text, "at %" timestamptz, n char(3), content text, embedding vector(2), '
    columns += 'PRIMARY KEY (tenant, "at %", n)'
    at = "2024-03-01 12:00:00.123456+00"
    rows = [
        ("a'\"", at, "x", "one", "[1,0]"),
        ("a'\"", at, "y", "two", "[1,0]"),
        ("ü", "infinity", "x", "three", "[1,0.01]"),
    ]
    fill(raw, rows, columns=columns)
    groups = duplicates(db, "docs")
    assert list(groups.df.columns) == ["tenant", "at %", "n", "content", "distance"]
    assert set(groups.df["content"]) == {"one", "two", "three"}
    assert len(groups.pairs) == 3
    assert groups.pairs["a"][0][0] == "a'\""
    assert "near-identical" in repr(groups)


def test_rows_are_read_in_the_order_of_their_key_in_batches(raw, db, monkeypatch):
    monkeypatch.setattr(projection, "HELD", 64)  # two rows at a time
    points = clustered(240)
    fill(raw, [(i, "t", text(point)) for i, point in enumerate(points)])
    assert pairs(duplicates(db, "docs")) == truth(points, "cosine", 0.05)


@pytest.mark.parametrize("partitioned", [False, True])
def test_rows_of_a_table_without_a_key_are_told_apart_by_their_place(raw, db, monkeypatch, partitioned):
    monkeypatch.setattr(projection, "HELD", 3_200)
    points = clustered(500)
    if partitioned:
        run(raw, "CREATE TABLE docs (n int, content text, embedding vector(32)) PARTITION BY RANGE (n)")
        run(raw, "CREATE TABLE low PARTITION OF docs FOR VALUES FROM (0) TO (260)")
        run(raw, "CREATE TABLE high PARTITION OF docs FOR VALUES FROM (260) TO (9000)")
    else:
        run(raw, "CREATE TABLE docs (n int, content text, embedding vector(32))")
    with raw.cursor() as cursor:
        cursor.executemany("INSERT INTO docs VALUES (%s, 't', %s)", [(i, text(p)) for i, p in enumerate(points)])
    groups = duplicates(db, "docs")
    names = ["tableoid", "ctid"] if partitioned else ["ctid"]
    assert list(groups.df.columns) == [*names, "n", "content", "distance"]
    joined = {
        tuple(row[:-1]) if partitioned else row[0]: row[-1] for row in groups.df[[*names, "n"]].itertuples(index=False)
    }
    got = {tuple(sorted((joined[a], joined[b]))) for a, b in pairs(groups)}
    assert got == truth(points, "cosine", 0.05)
    assert any("ctid" in note for note in groups.notes)


def test_a_condition_holds_for_both_rows_and_its_values_are_bound(raw, db):
    fill(raw, [(i, "even" if i % 2 == 0 else "odd", "[1,0]") for i in range(8)])
    groups = duplicates(db, "docs", where="content = :kind -- what", params={"kind": "even"})
    assert keys(groups) == [{0, 2, 4, 6}]
    assert len(groups.pairs) == 6
    assert groups.rows == 4
    assert keys(duplicates(db, "docs", where=["docs.id % 2 = 0", "id > :n"], params={"n": 2, "unused": object()})) == [
        {4, 6}
    ]
    for bad in ("true; DROP TABLE docs", "true) OR (true", "content = :nobody", " "):
        with pytest.raises(UsageError):
            duplicates(db, "docs", where=bad)


def test_a_table_in_another_schema_with_the_extension_off_the_search_path(raw, db):
    run(raw, "DROP EXTENSION vector")
    run(raw, 'CREATE SCHEMA "Ext %"; CREATE SCHEMA data; CREATE EXTENSION vector SCHEMA "Ext %"')
    fill(raw, [(1, "a", "[1,0]"), (2, "b", "[1,0.01]"), (3, "c", "[0,1]")], table="data.\"asked\"",
         columns='id int PRIMARY KEY, content text, embedding "Ext %%".vector(2)'.replace("%%", "%"))  # fmt: skip
    assert pairs(duplicates(db, "data.asked")) == {(1, 2)}


def test_nothing_is_written_and_a_readonly_connection_will_do(raw, dsn):
    from pgvec_magic.db import connect

    fill(raw, [(1, "a", "[1,0]"), (2, "b", "[1,0]")])
    run(
        raw,
        "CREATE FUNCTION counted(int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN DELETE FROM docs; RETURN true; END$$",
    )
    db = connect(dsn, name="reader", readonly=True)
    assert len(duplicates(db, "docs")) == 1
    with pytest.raises(Exception, match="read-only"):
        duplicates(connect(dsn, name="writer"), "docs", where="counted(id)")


# --- by the index ---------------------------------------------------------------------------------------------------


@pytest.fixture
def by_index(raw, dsn, monkeypatch):
    """A connection where every table is large enough for its index, and Postgres prefers that as it does for such."""
    from pgvec_magic.db import connect

    monkeypatch.setattr(verb, "EXACT_ROWS", 1)
    run(raw, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$")
    return connect(dsn, name="by index")


@pytest.mark.parametrize(("kind", "metric"), [("vector", "cosine"), ("halfvec", "l2"), ("bit", "hamming")])
def test_an_index_finds_nearly_all_pairs_and_says_that_it_is_approximate(raw, by_index, kind, metric):
    points = clustered(3_000, 64)
    values = [text(point) for point in points]
    if kind == "bit":
        points = (points > 0).astype(np.float32)
        values = ["".join(str(int(v)) for v in point) for point in points]
    most = {"cosine": 0.05, "l2": 2.5, "hamming": 3}[metric]
    fill(raw, list(enumerate(values)), columns=f"id int PRIMARY KEY, embedding {kind}(64)")
    run(raw, f"CREATE INDEX nearby ON docs USING hnsw (embedding {kind}_{metric}_ops)")
    done = []
    groups = duplicates(by_index, "docs", most, progress=lambda *told: done.append(told[:2]))
    apart = distances(points, metric)
    slack = 0.01 if kind == "halfvec" else 1e-6
    sure, possible = (
        {(i, j) for i, j in zip(*map(np.ndarray.tolist, np.nonzero(apart <= limit)), strict=True) if i < j}
        for limit in (most - slack, most + slack)
    )
    if metric == "hamming":
        sure = possible
    assert len(pairs(groups) & sure) >= 0.98 * len(sure) > 600
    assert pairs(groups) <= possible
    assert groups.how == "by the index nearby"
    assert any("approximate" in note for note in groups.notes)
    assert done[-1] == (3_000, 3_000)


def test_an_index_does_not_cut_a_group_of_identical_rows(raw, by_index):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(3_000, 16))
    points[100:600] = points[100]
    points[700:2_000] = points[700]  # more than a scan gives
    points[2_000:2_060] = points[2_000] + 1e-3 * rng.normal(size=(60, 16))  # near, and more than are asked for at first
    columns = "id int PRIMARY KEY, content text, embedding vector(16)"
    fill(raw, [(i, "t", text(point)) for i, point in enumerate(points)], columns=columns)
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)")
    groups = duplicates(by_index, "docs", 0.001)
    assert "by the index" in groups.how
    assert keys(groups) == [set(range(700, 2_000)), set(range(100, 600)), set(range(2_000, 2_060))]
    different = groups.pairs["a"] >= 2_000
    assert (~different).sum() == 1_300 * 1_299 // 2 + 500 * 499 // 2
    assert different.sum() == 60 * 59 // 2


def test_an_index_that_postgres_would_not_use_is_not_asked(raw, by_index):
    points = clustered(400)
    fill(
        raw,
        [(i, "t", text(point)) for i, point in enumerate(points)],
        columns="id int PRIMARY KEY, content text, embedding vector(32)",
    )
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops)")
    groups = duplicates(by_index, "docs", metric="cosine")
    assert groups.how.startswith("exact")
    assert pairs(groups) == truth(points, "cosine", 0.05)


def test_an_index_is_asked_within_the_condition(raw, by_index):
    points = clustered(2_000)
    fill(
        raw,
        [(i, "even" if i % 2 == 0 else "odd", text(p)) for i, p in enumerate(points)],
        columns="id int PRIMARY KEY, content text, embedding vector(32)",
    )
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)")
    groups = duplicates(by_index, "docs", where="content = :kind", params={"kind": "even"})
    expected = {pair for pair in truth(points, "cosine", 0.05) if pair[0] % 2 == pair[1] % 2 == 0}
    assert "by the index" in groups.how
    assert len(pairs(groups) & expected) >= 0.98 * len(expected) > 50
    assert pairs(groups) <= expected


@pytest.fixture
def blind(monkeypatch):
    """Makes the index blind to what a condition leaves out; ``row`` asks for what is near to ``other``."""
    nearest = rows.Source.nearest

    def make(condition):
        def without(source, k, most):
            sql = nearest(source, k, most)
            row, other = 'asked."row asked 0"::int', "near.key_0::int"
            sees = condition.replace("row", row).replace("other", other)
            return sql if k is None else sql.replace("AS near WHERE", f"AS near WHERE ({sees}) AND")

        monkeypatch.setattr(rows.Source, "nearest", without)

    return make


def indexed_twins(raw):
    """Rows 0 to 19 are near each other, 20 to 29 are identical to 0, 30 to 199 stand alone, 200 and 201 are zeros."""
    rng = np.random.default_rng(5)
    points = rng.normal(size=(202, 16))
    points[:20] = points[0] + 1e-3 * rng.normal(size=(20, 16))
    points[20:30] = points[0]
    points[200:] = 0
    fill(raw, [(i, text(point)) for i, point in enumerate(points)], columns="id int PRIMARY KEY, embedding vector(16)")
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)")


@pytest.mark.parametrize(
    "lost", ["other NOT BETWEEN 0 AND 29", "other NOT BETWEEN 5 AND 25", "other NOT BETWEEN 20 AND 29"]
)
def test_rows_that_the_index_does_not_reach_are_compared_with_each_other(raw, by_index, blind, lost):
    indexed_twins(raw)
    blind(lost)
    groups = duplicates(by_index, "docs", 0.001)
    assert "by the index" in groups.how
    assert keys(groups) == [set(range(30))]
    assert len(groups.pairs) == 30 * 29 // 2
    assert groups.notes[-1].startswith("2 rows with a vector of zeros")


@pytest.mark.parametrize("key", ['PRIMARY KEY (tenant, "at %", n)', "CHECK (n > '')"])
def test_rows_that_the_index_does_not_reach_are_known_by_any_key(raw, by_index, key):
    fill(
        raw,
        [
            (tenant, "2024-03-01 12:00:00.123456+00", n, v)
            for tenant in ("a'\"", "ü")
            for n, v in enumerate(["[1,0]", "[0,0]"])
        ],
        columns=f'tenant text, "at %" timestamptz, n char(3), embedding vector(2), {key}',
    )
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)")
    groups = duplicates(by_index, "docs")
    assert "by the index" in groups.how
    assert list(groups.df["tenant"]) == ["a'\"", "ü"]
    assert "2 rows with a vector of zeros, which has no direction: not compared" in groups.notes


def test_pairs_within_a_group_that_the_index_did_not_find_are_measured(raw, by_index, blind, monkeypatch):
    indexed_twins(raw)
    blind("row %% 2 = other %% 2 OR row = 1 OR other = 1")
    groups = duplicates(by_index, "docs", 0.001)
    assert keys(groups) == [set(range(30))]
    assert len(groups.pairs) == 30 * 29 // 2
    monkeypatch.setattr(complete, "MOST_MEASURED", 100)
    groups = duplicates(by_index, "docs", 0.001)
    assert keys(groups) == [set(range(30))]
    assert len(groups.pairs) < 30 * 29 // 2
    assert any("of the largest group .pairs has only" in note for note in groups.notes)


def test_where_no_index_can_help_none_is_named(raw, db, monkeypatch, capsys):
    monkeypatch.setattr(verb, "EXACT_ROWS", 1)
    fill(raw, [(i, text(np.ones(2_001))) for i in range(3)], columns="id int PRIMARY KEY, embedding vector(2001)")
    duplicates(db, "docs")
    said = capsys.readouterr().out
    assert "CREATE" not in said
    assert "fewer rows, with where=" in said


@pytest.mark.parametrize("has_index", [False, True])
def test_what_compares_every_row_of_many_is_said_before_it_begins(raw, db, monkeypatch, capsys, has_index):
    fill(raw, [(i, "[1,0]") for i in range(60)], columns="id int PRIMARY KEY, embedding vector(2)")
    if has_index:
        run(raw, "CREATE INDEX nearby ON docs USING hnsw (embedding vector_cosine_ops)")
    assert len(duplicates(db, "docs")) == 1
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(verb, "EXACT_ROWS", 20)
    said = []
    duplicates(db, "docs", progress=lambda *_: said.append(capsys.readouterr().out))
    assert "each of 60 rows with every other" in said[0]
    assert "9 times the work of 20 rows" in said[0]
    if has_index:
        assert "Postgres would not use the index nearby" in said[0]
    else:
        assert "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)" in said[0]
        run(raw, said[0][said[0].index("CREATE INDEX") :])


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_a_distance_that_cannot_be_meant_is_refused(raw, db, most):
    with pytest.raises(UsageError, match="max_distance"):
        duplicates(db, "docs", most)


def test_what_has_no_duplicates_is_refused_with_what_to_do(raw, db):
    fill(raw, [(1, "a", "[1,0]"), (2, "b", "[1,0]")])
    run(raw, "CREATE VIEW seen AS SELECT * FROM docs; CREATE TABLE plain (id int PRIMARY KEY, content text)")
    run(raw, "CREATE TABLE two (id int PRIMARY KEY, a vector(2), b vector(2))")
    run(
        raw,
        "CREATE TABLE mixed (id int PRIMARY KEY, embedding vector); INSERT INTO mixed VALUES (1, '[1]'), (2, '[1,2]')",
    )
    for table, message in [("seen", "no key"), ("plain", "no vector column"), ("two", "several vector columns"),
                           ("nothing", "no table"), ("mixed", "different dimensions")]:  # fmt: skip
        with pytest.raises(UsageError, match=message):
            duplicates(db, table)
    with pytest.raises(UsageError, match="no metric"):
        duplicates(db, "docs", metric="hamming")
    with pytest.raises(UsageError, match="no vector column 'x'"):
        duplicates(db, "docs", column="x")
    with pytest.raises(UsageError, match="nearest to itself"):
        duplicates(db, "docs", metric="ip")


def test_a_column_indexed_by_inner_product_is_compared_by_cosine(raw, db):
    fill(
        raw,
        [(1, "a", "[1,0]"), (2, "b", "[5,0]"), (3, "c", "[0,1]")],
        columns="id int PRIMARY KEY, content text, embedding vector(2)",
    )
    run(raw, "CREATE INDEX ON docs USING hnsw (embedding vector_ip_ops)")
    groups = duplicates(db, "docs")
    assert groups.metric == "cosine"
    assert pairs(groups) == {(1, 2)}
    assert "ip" in groups.notes[0]


def test_more_pairs_than_anybody_looks_at_are_refused(raw, db, monkeypatch):
    monkeypatch.setattr(found, "MOST_PAIRS", 1_000)
    fill(raw, [(i, "t", f"[1,{i / 1e4}]") for i in range(60)])
    with pytest.raises(UsageError, match=r"more than 1,000 pairs .* within 0\.05"):
        duplicates(db, "docs")


def test_identical_rows_without_number_are_paired_with_the_first_and_it_is_said(raw, db, monkeypatch):
    monkeypatch.setattr("pgvec_magic.dedupe.assemble.MOST_PAIRS", 100)
    fill(raw, [(i, "t", "[1,0]" if i < 30 else "[1,0.01]") for i in range(40)])
    groups = duplicates(db, "docs")
    assert pairs(groups) == {(0, i) for i in range(1, 30)} | {(30, i) for i in range(31, 40)} | {(0, 30)}
    assert any("all would be 780 pairs" in note for note in groups.notes)
    assert keys(groups) == [set(range(40))]
    assert len(groups.redundant) == 39


# --- how it shows itself --------------------------------------------------------------------------------------------


def test_it_shows_the_largest_groups_with_their_texts_escaped(raw, db):
    rows = [
        (100 * i + j, f"{HOSTILE} {i}", text([math.cos(i), math.sin(i)]))
        for i in range(25)
        for j in range(2 + (i == 7))
    ]
    fill(raw, rows)
    groups = duplicates(db, "docs", 1e-5)
    assert len(groups) == 25
    assert keys(groups)[0] == {700, 701, 702}
    shown = groups._repr_mimebundle_()
    assert "<script>alert" not in shown["text/html"]
    assert "&lt;script&gt;alert(1)" in shown["text/html"]
    assert "\x1b" not in shown["text/plain"]
    assert shown["text/plain"] == repr(groups)
    assert "25 groups of 51 near-identical rows" in shown["text/plain"]
    assert "the 20 largest groups of 25 are shown" in shown["text/plain"]
    assert len(shown["text/html"]) < 50_000


def test_the_picture_counts_every_pair_and_every_group(raw, db):
    points = clustered(400)
    fill(raw, [(i, "t", text(point)) for i, point in enumerate(points)])
    groups = duplicates(db, "docs")
    same, near_ones, sizes = groups.figure().data
    assert sum(same.y) == (groups.pairs["distance"] == 0).sum() >= 435
    assert sum(same.y) + sum(near_ones.y) == len(groups.pairs)
    assert sum(sizes.y) == len(groups)
    assert groups.figure().layout.shapes[0].x0 == 0.05
    assert "image/svg+xml" in groups.figure()._repr_mimebundle_()


def test_columns_of_our_names_are_kept(raw, db):
    columns = 'id int PRIMARY KEY, distance text, "group" text, rows text, embedding vector'
    fill(raw, [(1, "mine", "g", "r", "[1,0]"), (2, "mine", "g", "r", "[1,0]")], columns=columns)
    groups = duplicates(db, "docs")
    assert list(groups.df.columns) == ["id", "distance", "group", "rows", "distance_1"]
    assert list(groups.df["distance"]) == ["mine", "mine"]
    assert len(groups.redundant) == 1
    assert repr(groups)


# --- while it runs --------------------------------------------------------------------------------------------------


def test_progress_goes_from_the_start_to_the_end(raw, db):
    points = clustered(1_500)
    fill(raw, [(i, "t", text(point)) for i, point in enumerate(points)])
    told = []
    duplicates(db, "docs", progress=lambda done, total, seconds: told.append((done, total, seconds)))
    assert told == sorted(told)
    assert {total for _, total, _ in told} == {1_500}
    assert told[-1][0] == 1_500
    assert len(told) >= 3


def test_an_interrupt_ends_it_on_the_server_too(raw, db):
    fill(raw, [(i, "t", "[1,0]") for i in range(2_000)])
    run(raw, "CREATE FUNCTION slow(int) RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.05) IS NOT NULL'")
    timer = threading.Timer(0.7, signal.raise_signal, [signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        duplicates(db, "docs", where="slow(id)")
    assert time.monotonic() - started < 10
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE query LIKE '%slow(id)%' AND state = 'active' AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)
    assert len(duplicates(db, "docs", where="id < 5")) == 1


def test_rows_that_go_meanwhile_are_left_out(raw, db, monkeypatch):
    fill(raw, [*((i, "t", "[1,0]") for i in range(4)), (4, "t", "[1,0.01]"), (5, "t", "[1,0.02]")])
    compare_all = exact.compare_all

    def and_delete(*given):
        result = compare_all(*given)
        run(raw, "DELETE FROM docs WHERE id IN (2, 5)")
        return result

    monkeypatch.setattr(verb, "compare_all", and_delete)
    groups = duplicates(db, "docs")
    assert keys(groups) == [{0, 1, 3, 4}]
    assert pairs(groups) == {(0, 1), (0, 3), (1, 3), (0, 4), (1, 4), (3, 4)}


# --- the pure parts -------------------------------------------------------------------------------------------------


def test_no_pair_within_the_radius_is_lost_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr(near, "_ROWS", 7)
    monkeypatch.setattr(near, "_COLUMNS", 11)
    monkeypatch.setattr(near, "_PAIRS", 5)
    rng = np.random.default_rng(0)
    for scale in (1e-12, 1.0, 1e12):
        points = (scale * rng.normal(size=(90, 5))).astype(np.float32)
        points[60:] = points[:30]
        for coarse in (1, 3, 5):
            got = [pair for i, j, _ in near.candidates(points, coarse, 0.9 * scale)
                   for pair in zip(i.tolist(), j.tolist(), strict=True)]  # fmt: skip
            assert len(got) == len({frozenset(pair) for pair in got})
            apart = np.linalg.norm(points[:, None].astype(np.float64) - points[None], axis=2)
            within = {frozenset(p) for p in zip(*map(np.ndarray.tolist, np.nonzero(apart <= 0.9 * scale)), strict=True)}
            assert {frozenset(p) for p in got} == {pair for pair in within if len(pair) == 2}
