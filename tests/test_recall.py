from __future__ import annotations

import io
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

from pgvec_magic import catalog
from pgvec_magic.db import Copy, connect
from pgvec_magic.errors import QueryError, UsageError
from pgvec_magic.query import Query, Search
from pgvec_magic.query.target import find_target
from pgvec_magic.recall import Point, RecallCurve, recall
from pgvec_magic.recall.point import Answer, interval, point
from pgvec_magic.recall.queries import find_queries
from pgvec_magic.rows import Source
from pgvec_magic.search import search
from pgvec_magic.sqltext import quote_ident

ROWS, DIMENSIONS = 4_000, 24
# A poor graph, so that there is something to miss, of rows so long that the planner does not rather read all.
HNSW = "CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops) WITH (m=6, ef_construction=16)"
IVFFLAT = "CREATE INDEX docs_ivf ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists=20)"


def points(rows=ROWS):
    return np.random.default_rng(2).normal(size=(rows, DIMENSIONS)).astype(np.float32)


def fill(db, *indexes, table="docs", column="embedding", rows=ROWS, body=900):
    name, vector = quote_ident(table), quote_ident(column)
    lines = (f"{i}\t{i % 40}\t{'x' * body}\t[{','.join(map(str, v.tolist()))}]\n" for i, v in enumerate(points(rows)))
    made = f"CREATE TABLE {name} (id int PRIMARY KEY, tenant int, body text, {vector} vector({DIMENSIONS}) NOT NULL)"
    copy = Copy(f"COPY {name} FROM STDIN", io.BytesIO("".join(lines).encode()))
    db.transaction([Query(made.replace("%", "%%")), copy, *(Query(index) for index in indexes)])
    db.run(Query(f"VACUUM ANALYZE {name}".replace("%", "%%")))
    catalog.forget(db)


def comment(raw, index="docs_hnsw"):
    with raw.cursor() as cursor:
        cursor.execute("SELECT obj_description(%s::regclass, 'pg_class')", [index])
        return cursor.fetchone()[0]


def values(curve):
    return [p.value for p in curve.points]


# --- what is measured -----------------------------------------------------------------------------------------------


def test_recall_grows_with_the_setting_and_collapses_when_it_is_throttled(db):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=[1, 11, 40, 160], queries=60)
    found = curve.df["recall"]
    assert list(found) == sorted(found)
    assert found.iloc[0] < 0.05
    assert found.iloc[-1] > 0.95
    assert all(p.low <= p.recall <= p.high and p.minimum <= min(p.p5, p.recall) for p in curve.points)
    assert all(0 < p.p50 <= p.p95 and p.pages > 0 for p in curve.points)
    assert curve.points[0].short == 1
    assert curve.points[-1].short == 0


def test_a_row_does_not_count_for_having_found_itself(db):
    fill(db, HNSW)
    given = recall(db, "docs", ef_search=400, queries=points()[:50], k=1)
    assert given.points[0].recall > 0.95  # each finds itself, and nothing else is asked for
    of_rows = recall(db, "docs", ef_search=1, queries=50, k=1)
    assert of_rows.points[0].recall < 0.1
    assert "without itself" in of_rows.asked


def test_the_usual_values_hold_what_is_used_today_and_how_many_are_asked_for(db):
    fill(db, HNSW)
    curve = recall(db, "docs", queries=50, k=20)
    assert values(curve)[:3] == [21, 40, 80]
    assert curve.today == {"docs_hnsw": 40}
    assert "40 (now)" in repr(curve)


def test_an_ivfflat_index_is_measured_by_its_probes_beside_the_other(db):
    fill(db, HNSW, IVFFLAT)
    curve = recall(db, "docs", queries=50, index=["docs_hnsw", "docs_ivf"], ef_search=[20, 40], probes=[1, 8])
    assert [(p.index, p.value) for p in curve.points] == [
        ("docs_hnsw", 20),
        ("docs_hnsw", 40),
        ("docs_ivf", 1),
        ("docs_ivf", 8),
    ]
    of_ivf = curve.df[curve.df["index"] == "docs_ivf"]["recall"].tolist()
    assert of_ivf[0] < 0.6 < of_ivf[1]
    assert recall(db, "docs", queries=50, probes=4).indexes == ("docs_ivf",)
    figure = curve.figure()
    assert {trace.hovertext[0].partition("<br>")[0] for trace in figure.data if trace.hovertext} == set(curve.indexes)
    assert "image/svg+xml" in figure._repr_mimebundle_()


def test_cold_searches_are_measured_where_postgres_can_be_made_to_forget(db, raw):
    fill(db, HNSW)
    if db.run(Query("SHOW server_version_num")).rows[0][0] < "180000":
        curve = recall(db, "docs", ef_search=[40], queries=5, cold=True)
        assert curve.cold == ()
        assert "cold was not measured: it takes pg_buffercache_evict_relation()" in repr(curve).replace("\n", " ")
        return
    with raw.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "my ext"; CREATE EXTENSION pg_buffercache SCHEMA "my ext"')
    buffers = "SELECT count(*) FROM \"my ext\".pg_buffercache WHERE relfilenode = pg_relation_filenode('docs_hnsw')"
    curve = recall(db, "docs", ef_search=[20, 40], queries=30, cold=True)
    (cold,) = curve.cold
    assert (cold.index, cold.setting, cold.queries) == ("docs_hnsw", "ef_search = 40", 20)
    warm = next(p for p in curve.points if p.value == 40)
    assert warm.p50 < cold.median <= cold.longest
    assert "cold, ef_search = 40 of docs_hnsw:" in repr(curve)
    # The last query came upon an empty memory: no more pages are there than it read, which is not the whole index.
    with raw.cursor() as cursor:
        cursor.execute(f"SELECT pg_relation_size('docs_hnsw') / 8192, ({buffers})")
        pages, kept = cursor.fetchone()
    assert 0 < kept < pages


def test_cold_is_every_part_of_a_table_and_what_does_not_fit_into_its_pages(db, raw):
    if db.run(Query("SHOW server_version_num")).rows[0][0] < "180000":
        pytest.skip("evicting a relation begins with PostgreSQL 18")
    with raw.cursor() as cursor:
        cursor.execute(
            'CREATE EXTENSION pg_buffercache; CREATE SCHEMA "p %";'
            "CREATE TABLE docs (id int PRIMARY KEY, body text, embedding vector(3) NOT NULL) PARTITION BY RANGE (id);"
            'CREATE TABLE "p %".few PARTITION OF docs FOR VALUES FROM (0) TO (1000);'
            "CREATE TABLE many PARTITION OF docs FOR VALUES FROM (1000) TO (9000);"
            "ALTER TABLE many ALTER body SET STORAGE EXTERNAL;"
            "INSERT INTO docs SELECT i, repeat('x', CASE i % 4 WHEN 0 THEN 9000 ELSE 900 END),"
            " ARRAY[sin(i), cos(i), sin(2 * i)]::vector FROM generate_series(1, 3999) AS i;"
            "CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_l2_ops); ANALYZE docs"
        )
        assert len(recall(db, "docs", ef_search=[40], queries=10, cold=True).cold) == 1
        cursor.execute("SELECT count(body || 'x'), sum(length(body)) FROM many")
        kept = (
            "SELECT count(*) FROM pg_buffercache AS b JOIN pg_class AS c ON b.relfilenode = pg_relation_filenode(c.oid)"
            " WHERE c.oid IN ('many'::regclass, (SELECT reltoastrelid FROM pg_class WHERE oid = 'many'::regclass))"
        )
        cursor.execute(kept)
        before = cursor.fetchone()[0]
        recall(db, "docs", ef_search=[40], queries=10, cold=True)
        cursor.execute(kept)
        assert cursor.fetchone()[0] < before / 10


def test_cold_searches_need_the_right_to_make_postgres_forget(db, dsn, raw):
    if db.run(Query("SHOW server_version_num")).rows[0][0] < "180000":
        pytest.skip("evicting a relation begins with PostgreSQL 18")
    fill(db, HNSW)
    with raw.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_buffercache; CREATE ROLE reader; GRANT SELECT ON docs TO reader")
    try:
        reader = connect(dsn, name="reader", role="reader")
        shown = " ".join(repr(recall(reader, "docs", ef_search=40, queries=5, cold=True)).split())
        assert "cold was not measured: this role may not put pages out of Postgres' memory" in shown
    finally:
        with raw.cursor() as cursor:
            cursor.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_filtered_recall_is_another_number(db):
    fill(db, HNSW)
    plain = recall(db, "docs", ef_search=40, queries=50)
    filtered = recall(db, "docs", ef_search=40, queries=50, where="tenant = :t AND '%' = '%'", params={"t": 3})
    assert filtered.rows == ROWS // 40
    assert filtered.points[0].recall < 0.3 < plain.points[0].recall
    assert filtered.points[0].short > 0.9


@pytest.mark.parametrize(
    ("column", "opclass", "metric"),
    [
        ("halfvec(24)", "halfvec_l2_ops", "l2"),
        ("halfvec(24)", "halfvec_l1_ops", "l1"),
        ("bit(24)", "bit_hamming_ops", "hamming"),
        ("bit(24)", "bit_jaccard_ops", "jaccard"),
        ("sparsevec(24)", "sparsevec_ip_ops", "ip"),
    ],
)
def test_other_types_and_metrics(db, column, opclass, metric):
    fill(db)
    kind = column.partition("(")[0]
    made = "binary_quantize(embedding)" if kind == "bit" else f"embedding::{kind}"
    db.run(Query(f"CREATE TABLE items AS SELECT id, body, ({made})::{column} AS embedding FROM docs"))
    db.run(Query("ALTER TABLE items ADD PRIMARY KEY (id)"))
    db.run(Query(f"CREATE INDEX items_idx ON items USING hnsw (embedding {opclass})"))
    db.run(Query("VACUUM ANALYZE items"))
    curve = recall(db, "items", ef_search=[15, 200], queries=50)
    assert curve.metric == metric
    assert curve.points[0].recall <= curve.points[1].recall
    assert curve.points[1].recall > 0.9


def test_queries_can_be_searches_made_here_a_frame_or_texts(db, raw):
    fill(db, HNSW)
    with pytest.raises(UsageError, match="no search"):
        recall(db, "docs", queries="history")
    for vector in points()[:3]:
        search(db, "docs", vector=vector + 0.1)
    catalog.forget(db)
    assert recall(db, "docs", queries="history", ef_search=40).queries == 3
    frame = pd.DataFrame({"name": ["a", "b"], "embedding": list(points()[:2])})
    assert recall(db, "docs", queries=frame, ef_search=40).queries == 2
    with pytest.raises(UsageError, match="which column"):
        recall(db, "docs", queries=pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(UsageError, match="no model"):
        recall(db, "docs", queries=["read a file"])
    with pytest.raises(UsageError, match="has 3 dimensions"):
        recall(db, "docs", queries=[[1, 2, 3]])
    with pytest.raises(UsageError, match="all zeros"):
        recall(db, "docs", queries=[[0] * DIMENSIONS])


def test_vectors_of_zeros_and_rows_without_one_are_left_out(db):
    fill(db, HNSW, rows=2_000)
    db.run(Query("ALTER TABLE docs ALTER embedding DROP NOT NULL"))
    db.run(Query("UPDATE docs SET embedding = NULL WHERE id < 200"))
    db.run(Query("UPDATE docs SET embedding = array_fill(0, ARRAY[24])::vector WHERE id BETWEEN 200 AND 999"))
    db.run(Query("VACUUM ANALYZE docs"))
    curve = recall(db, "docs", ef_search=200, queries=100)
    assert curve.points[0].recall > 0.95
    assert any("zeros" in note for note in curve.notes)


def test_texts_are_embedded_by_the_model_of_the_column(db):
    db.run(Query("CREATE TABLE notes (id int PRIMARY KEY, embedding vector(256))"))
    db.run(Query("COMMENT ON COLUMN notes.embedding IS 'pgvec: embedder=wordllama'"))
    wanted = Search(table="notes", vector="any")
    source = Source(db, find_target(wanted, catalog.table(db, "notes")), (), {})
    found = find_queries(source, pd.DataFrame({"n": [1, 2], "question": ["read a file", "parse json"]}))
    assert [len(vector) for vector in found.vectors] == [256, 256]
    assert not found.of_rows


def test_the_parts_of_a_partitioned_table_have_indexes_of_their_own(db):
    fill(db)
    db.run(Query("CREATE TABLE parts (LIKE docs, PRIMARY KEY (id)) PARTITION BY RANGE (id)"))
    db.run(Query("CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (2000)"))
    db.run(Query("CREATE TABLE high PARTITION OF parts FOR VALUES FROM (2000) TO (4000)"))
    db.run(Query("INSERT INTO parts SELECT * FROM docs"))
    db.run(Query("CREATE INDEX parts_idx ON parts USING hnsw (embedding vector_cosine_ops)"))
    db.run(Query("ANALYZE parts"))
    curve = recall(db, "parts", ef_search=[15, 100], queries=50)
    assert curve.indexes == ("parts_idx",)
    assert curve.points[1].recall > 0.9


# --- when it refuses ------------------------------------------------------------------------------------------------


def test_without_an_index_there_is_no_recall(db):
    fill(db)
    with pytest.raises(UsageError, match="has no hnsw or ivfflat index"):
        recall(db, "docs")
    db.run(Query(HNSW))
    with pytest.raises(UsageError, match="for l2"):
        recall(db, "docs", metric="l2")
    with pytest.raises(UsageError, match="no vector index 'docs_hnws'"):
        recall(db, "docs", index="docs_hnws")
    with pytest.raises(UsageError, match="no ivfflat"):
        recall(db, "docs", probes=3)


def test_it_refuses_when_postgres_does_not_use_the_index(db, dsn):
    fill(db, HNSW)
    db.run(Query(f"ALTER DATABASE {quote_ident(db.place.database)} SET enable_indexscan = off"))
    other = connect(dsn, name="other")
    with pytest.raises(QueryError, match=r"does not use docs_hnsw with ef_search = 40: it plans Seq Scan on docs"):
        recall(other, "docs", ef_search=40, queries=20)


def test_it_refuses_an_index_for_which_another_answers(db):
    fill(db, HNSW, HNSW.replace("docs_hnsw", "docs_twin"))
    vector = f"'[{','.join('1' * DIMENSIONS)}]'"
    plan = db.run(Query(f"EXPLAIN SELECT id FROM docs ORDER BY embedding <=> {vector} LIMIT 21")).rows
    preferred, other = ("docs_hnsw", "docs_twin") if "docs_hnsw" in str(plan) else ("docs_twin", "docs_hnsw")
    assert recall(db, "docs", ef_search=40, queries=20, index=preferred).indexes == (preferred,)
    with pytest.raises(QueryError, match=f"does not use {other}") as refused:
        recall(db, "docs", ef_search=40, queries=20, index=other)
    assert f"it prefers {preferred}" in refused.value.hint


def test_settings_with_which_the_index_is_not_used_are_said_and_not_measured(db):
    fill(db, HNSW, rows=2_000, body=1)
    curve = recall(db, "docs", queries=50, ef_search=[11, 1_000])
    assert values(curve) == [11]
    assert any("ef_search = 1000 not measured: Postgres then plans Seq Scan on docs" in n for n in curve.notes)


def test_what_cannot_be_meant(db):
    fill(db, HNSW, rows=500)
    for wrong in ({"queries": 0}, {"queries": "some"}, {"queries": []}, {"ef_search": []}, {"target": 2}, {"k": 0}):
        with pytest.raises(UsageError):
            recall(db, "docs", **wrong)
    with pytest.raises(UsageError, match=r"hnsw\.ef_search"):
        recall(db, "docs", ef_search=5_000)
    db.run(Query("CREATE VIEW seen AS SELECT * FROM docs"))
    with pytest.raises(UsageError, match="no key"):
        recall(db, "seen")


# --- hostile and interrupted ----------------------------------------------------------------------------------------


def test_hostile_names(db):
    table, column = 'my "docs" % :x', "the ; vector %s"
    fill(db, table=table, column=column)
    index = quote_ident("an % index's").replace("%", "%%")
    name, vector = (quote_ident(text).replace("%", "%%") for text in (table, column))
    db.run(Query(f"CREATE INDEX {index} ON {name} USING hnsw ({vector} vector_cosine_ops)"))
    db.run(Query(f"VACUUM ANALYZE {name}"))
    curve = recall(db, table, ef_search=[11, 40], queries=50, target=0.2)
    assert curve.indexes == ("an % index's",)
    curve.apply("index")
    (stored,) = (i.baseline for i in catalog.table(db, table).indexes)
    assert stored.value == 11


def test_it_can_be_interrupted(db):
    fill(db, HNSW)
    threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        recall(db, "docs", queries=4_000)
    assert time.monotonic() - started < 6
    assert recall(db, "docs", queries=20, ef_search=40).points


def test_progress_is_told_of_both_parts(db):
    fill(db, HNSW, rows=2_000)
    told = []
    recall(db, "docs", queries=20, ef_search=[15, 30], progress=lambda *step: told.append(step))
    assert {unit for *_, unit in told} == {"rows", "searches"}
    assert told[-1][:2] == (60, 60)


# --- what is done with it -------------------------------------------------------------------------------------------


def test_the_lowest_setting_that_reaches_a_target(db):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=[11, 20, 40, 80, 160], queries=60)
    best = curve.lowest(0.9)
    assert best.recall >= 0.9
    assert all(p.recall < 0.9 for p in curve.points if p.value < best.value)
    with pytest.raises(UsageError, match=r"none of them reaches 1: the largest measured, ef_search = 11") as refused:
        recall(db, "docs", ef_search=11, queries=60).lowest(1.0)
    assert "measure larger" in refused.value.hint


def test_it_says_when_it_is_not_the_setting(db):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=40, queries=50)
    worst = Point("docs_hnsw", "ef_search", 1000, 0.9, 0.88, 0.92, 0.1, 0.2, 0, 0.01, 0.02, 100)
    made = {name: getattr(curve, name) for name in RecallCurve.__dataclass_fields__}
    with pytest.raises(UsageError, match="no ef_search reaches") as refused:
        RecallCurve(**made | {"points": (worst,)}).lowest(0.95)
    assert "so it is not ef_search" in refused.value.hint


def test_a_setting_stored_on_the_index_is_used_by_searches_and_told_later(db, raw):
    fill(db, HNSW)
    with raw.cursor() as cursor:
        cursor.execute("COMMENT ON INDEX docs_hnsw IS 'mine, it''s\nand ours'")
    before = search(db, "docs", vector=points()[0])
    assert before.settings["hnsw.ef_search"] == "40"
    curve = recall(db, "docs", ef_search=[40, 200], queries=60)
    statement = curve.apply("index", target=curve.points[1].recall)
    assert statement.startswith("COMMENT ON INDEX")
    first, second, line = comment(raw).splitlines()
    assert (first, second) == ("mine, it's", "and ours")
    assert line.startswith(f"pgvec: ef_search={curve.lowest(curve.points[1].recall).value} recall@10=")
    assert line.endswith(f"rows={ROWS}")
    after = search(db, "docs", vector=points()[0])
    assert after.settings["hnsw.ef_search"] == "200"
    assert "ef_search as stored on docs_hnsw" in repr(after).replace("\n", " ")
    assert search(db, "docs", vector=points()[0], as_is=True).settings == {}
    assert search(db, "docs", vector=points()[0], ef_search=50).settings["hnsw.ef_search"] == "50"
    assert search(db, "docs", vector=points()[0], set={"hnsw.ef_search": 60}).settings["hnsw.ef_search"] == "60"
    curve.apply("index", target=0.1)
    assert comment(raw).count("pgvec:") == 1
    assert search(db, "docs", vector=points()[0]).settings["hnsw.ef_search"] == "40"


def test_drift_is_told(db, raw):
    fill(db, HNSW)
    with raw.cursor() as cursor:
        line = "pgvec: ef_search=12 recall@10=0.999 on=2025-01-02 rows=1000"
        cursor.execute(f"COMMENT ON INDEX docs_hnsw IS '{line}'")
    curve = recall(db, "docs", ef_search=[12, 40], queries=60)
    (note,) = (note for note in curve.notes if "stored on docs_hnsw" in note)
    assert "0.999 on 2025-01-02 with 1,000 rows" in note
    assert "it has fallen" in note


@pytest.mark.parametrize(
    "line", ["pgvec: ef_search=9999 recall@10=0.9 on=2025-01-02 rows=1", "pgvec: ef_search=1; DROP", "pgvec: probes=x"]
)
def test_a_comment_that_cannot_be_meant_is_left_alone(db, raw, line):
    fill(db, HNSW)
    with raw.cursor() as cursor:
        cursor.execute("COMMENT ON INDEX docs_hnsw IS %s", [line])
    assert search(db, "docs", vector=points()[0]).settings["hnsw.ef_search"] == "40"


@pytest.mark.parametrize("scope", ["database", "role"])
def test_a_setting_for_every_client(db, dsn, scope, capsys):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=[70], queries=50, target=0.1)
    statement = curve.apply(scope)
    assert statement in capsys.readouterr().out
    other = connect(dsn, name="other")
    other.run(Query("SELECT '[1]'::vector"))
    try:
        assert other.run(Query("SHOW hnsw.ef_search")).rows == [("70",)]
    finally:
        other.run(Query(statement.replace(" SET hnsw.ef_search = 70", " RESET ALL")))


def test_without_the_right_nothing_is_changed_and_the_statement_is_said(db, dsn, raw):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=[70], queries=50, target=0.1)
    with raw.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS pgvec_reader")
        cursor.execute("CREATE ROLE pgvec_reader")
        cursor.execute("GRANT SELECT ON docs TO pgvec_reader")
    try:
        reader = connect(dsn, name="reader", role="pgvec_reader")
        theirs = recall(reader, "docs", ef_search=[70], queries=50, target=0.1)
        for scope in ("index", "database"):
            with pytest.raises(UsageError, match="may not do that here") as refused:
                theirs.apply(scope)
            assert "ALTER" in refused.value.hint or "COMMENT" in refused.value.hint
        readonly = connect(dsn, name="readonly", readonly=True)
        with pytest.raises(UsageError, match="may not do that here"):
            recall(readonly, "docs", ef_search=[70], queries=50, target=0.1).apply("index")
        assert comment(raw) is None
    finally:
        with raw.cursor() as cursor:
            cursor.execute("DROP OWNED BY pgvec_reader")
            cursor.execute("DROP ROLE pgvec_reader")
    with pytest.raises(UsageError, match="not one of index, database, role"):
        curve.apply("cluster")


def test_what_was_measured_with_a_filter_is_not_stored_for_every_search(db):
    fill(db, HNSW)
    curve = recall(db, "docs", ef_search=[40], queries=50, where="tenant < 30", target=0.01)
    with pytest.raises(UsageError, match="with a filter"):
        curve.apply("index")


def test_the_magic_measures_and_applies(db, raw, ip):
    fill(db, HNSW)
    ip.run("%load_ext pgvec_magic")
    curve = ip.run("%vrecall docs --queries 50 --ef-search 40,120 --target 0.5 --apply index -o kept")
    assert ip.user_ns["kept"] is curve
    assert values(curve) == [40, 120]
    assert "ef_search=40" in comment(raw)
    with pytest.raises(UsageError, match="no option"):
        ip.run("%vrecall docs --ef 40")


# --- the numbers ----------------------------------------------------------------------------------------------------


def test_an_interval_of_perfect_answers_is_not_empty():
    assert interval(np.ones(100)) == (0.97, 1.0)
    low, high = interval(np.array([1.0] * 90 + [0.0] * 10))
    assert 0.82 < low < 0.9 < high < 0.96


def test_the_mean_does_not_hide_the_worst():
    answers = [Answer(10, 10, 10, 0.001)] * 59 + [Answer(0, 10, 3, 0.1)]
    made = point("i", "ef_search", 40, answers, None)
    assert made.recall == pytest.approx(59 / 60)
    assert (made.minimum, made.short) == (0, 1 / 60)
    assert made.p50 == pytest.approx(0.001)
