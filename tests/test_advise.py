"""Advice: which index a table wants, what it costs, which its filters want, and what is said where little is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog, server
from pgvec_magic.advise import Advice, Suggestion, advise
from pgvec_magic.advise.facts import Changes, Facts, Server, Spread, read
from pgvec_magic.advise.filters import filters
from pgvec_magic.advise.options import kinds, suggestions
from pgvec_magic.advise.pace import scaled
from pgvec_magic.advise.steps import stair, staircase
from pgvec_magic.advise.verb import _notes
from pgvec_magic.advise.workload import Filter, Workload, filtered
from pgvec_magic.build import build
from pgvec_magic.db import Database, connect
from pgvec_magic.db.link import Rows
from pgvec_magic.errors import UsageError
from pgvec_magic.index import IndexSpec
from pgvec_magic.query import Query
from pgvec_magic.recall import recall
from pgvec_magic.search import search

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

GIB = 1024**3
VECTOR = "(SELECT array_agg(random() - 0.5 + x * 0) FROM generate_series(1, {size}) AS x WHERE g.i > 0)::vector({size})"


def fill(db: Database, rows: int, size: int = 16, kind: str = "vector", cast: str = "::{kind}({size})") -> None:
    vector = VECTOR.format(size=size) + cast.format(kind=kind, size=size) * (kind != "vector")
    for statement in (
        f"CREATE TABLE docs (id int PRIMARY KEY, tenant int, tags jsonb, embedding {kind}({size}))",
        f"INSERT INTO docs SELECT g.i, g.i %% 4, '{{}}', {vector} FROM generate_series(1, {rows}) AS g(i)",
        "ANALYZE docs",
    ):
        db.run(Query(statement))


@pytest.fixture
def docs(db: Database) -> Database:
    fill(db, 1_200)
    return db


def facts(db: Database, **changes: Any) -> Facts:
    """What is known of the table, as if it were another in some respects."""
    return replace(read(db, "docs", None, None), **changes)


def titles(found: Iterator[Suggestion] | list[Suggestion] | Advice) -> list[str]:
    return [each.title for each in found]


LARGE = {"rows": 1_000_000, "server": Server(GIB, 16 * GIB, GIB // 16)}


# --- which index


def test_few_rows_want_no_index_and_the_exact_search_was_timed(docs: Database) -> None:
    advice = advise(docs, "docs")
    assert advice.recommended.title == "no index"
    assert advice.recommended is advice.suggestions[0]
    assert "ms here (measured), and finds all" in advice.recommended.why
    assert (advice.recommended.recall, advice.recommended.spec, advice.recommended.line) == ("1, exact", None, "")
    assert (advice.table, advice.column, advice.rows) == ("docs", "embedding", 1_200)
    assert sum(each.recommended for each in advice) == 1


def test_many_rows_want_the_index_that_keeps_most_of_them_in_memory(docs: Database) -> None:
    for cache, best in ((16 * GIB, "HNSW"), (2 * GIB, "HNSW on halfvec"), (GIB, "binary-quantised + re-rank")):
        known = facts(docs, **LARGE | {"server": Server(GIB // 8, cache, GIB // 16)})
        known = replace(known, source=replace(known.source, column=replace(known.column, dimensions=256)))
        found = suggestions(known, 1.0, 10)
        assert (found[0].title, found[0].recommended) == (best, True)
        assert titles(found)[-1] == "no index"
        assert (found[0].bytes or 0) <= cache // 2


def test_a_slow_search_is_told_and_is_no_advice(docs: Database) -> None:
    known = facts(docs, **LARGE)
    assert "takes 340.0 ms" in suggestions(known, 0.34, 10)[-1].why
    assert "more than 5 s" in suggestions(known, None, 10)[-1].why
    assert suggestions(known, 0.004, 10)[0].title == "no index"


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("vector", 16, ["HNSW", "HNSW on halfvec", "IVFFlat"]),
        ("vector", 1_024, ["HNSW", "HNSW on halfvec", "binary-quantised + re-rank", "IVFFlat"]),
        (
            "vector",
            3_072,
            ["HNSW on halfvec", "binary-quantised + re-rank", "HNSW on a subvector", "IVFFlat on halfvec"],
        ),
        ("vector", 5_000, ["binary-quantised + re-rank", "HNSW on a subvector"]),
        ("halfvec", 3_000, ["HNSW", "binary-quantised + re-rank", "IVFFlat"]),
        ("bit", 64, ["HNSW", "IVFFlat"]),
        ("sparsevec", 100, ["HNSW"]),
    ],
)
def test_every_way_that_a_column_has_is_there_and_postgres_builds_it(
    db: Database, raw: connection, kind: str, size: int, expected: list[str]
) -> None:
    fill(db, 30, size, kind, "::bit({size})" if kind == "bit" else "::{kind}({size})") if kind != "bit" else bits(db)
    known = facts(db, **LARGE)
    found = [each for each in suggestions(known, 1.0, 10) if each.spec]
    assert sorted(titles(found)) == sorted(expected)
    for each in found:
        assert each.sql == (each.spec and each.spec.sql())
        assert each.bytes
        assert each.memory
        with raw.cursor() as cursor:
            cursor.execute(each.sql)


def bits(db: Database) -> None:
    db.run(Query("CREATE TABLE docs (id int PRIMARY KEY, embedding bit(64))"))
    db.run(Query("INSERT INTO docs SELECT i, (i * 7919)::bigint::bit(64) FROM generate_series(1, 30) AS i"))


def test_distances_that_have_no_ivfflat_and_no_bits_have_none(docs: Database) -> None:
    found = [name for name, _ in kinds(replace(read(docs, "docs", None, "l1"), **LARGE))]
    assert found == ["HNSW", "HNSW on halfvec"]


def test_sparse_vectors_with_too_many_numbers_have_no_index(db: Database) -> None:
    fill(db, 20, 1_500, "sparsevec")
    advice = advise(db, "docs")
    assert titles(advice) == ["no index"]
    assert any("takes 1,000 numbers that are not zero, and this has 1,500" in note for note in advice.notes)


def test_an_old_pgvector_has_no_halfvec(docs: Database) -> None:
    known = facts(docs, **LARGE)
    old = replace(known, able=replace(known.able, vector=(0, 6, 2)))
    assert [name for name, _ in kinds(old)] == ["HNSW", "IVFFlat"]


def test_of_a_model_that_is_known_for_it_the_first_dimensions_are_enough(docs: Database) -> None:
    known = facts(docs, **LARGE)
    column = replace(known.column, dimensions=1_536, embedder="openai:text-embedding-3-small")
    found = suggestions(replace(known, source=replace(known.source, column=column)), 1.0, 10)
    (cut,) = [each for each in found if each.spec and each.spec.form == "subvector"]
    assert "text-embedding-3-small is trained so that they stand alone" in cut.why
    assert cut.line == "%vindex build docs --as subvector --keep 512"
    assert not cut.recommended


def test_what_is_there_is_said_with_its_stored_recall(docs: Database) -> None:
    assert build(docs, IndexSpec(table="docs", column="embedding", dimensions=16)).wait()
    docs.run(Query("SET enable_seqscan = off"))
    recall(docs, "docs", ef_search=[40], queries=50).apply("index", target=0.1)
    found = suggestions(facts(docs, **LARGE), 1.0, 10)
    assert (found[0].title, found[0].exists, found[0].recommended) == ("HNSW", True, True)
    assert "with ef_search = 40, measured 20" in found[0].recall
    assert not any(each.exists for each in found[1:])
    assert "; it is there" in " ".join(repr(Advice("docs", "embedding", 1_000_000, tuple(found))).split())


def test_the_line_builds_what_is_suggested_and_the_size_is_right(ip: InteractiveShell, docs: Database) -> None:
    ip.run("%load_ext pgvec_magic")
    for each in advise(docs, "docs", metric="ip"):
        if each.spec:
            report = ip.run(each.line)
            assert report.bytes == pytest.approx(each.bytes, rel=0.05)
    made = advise(docs, "docs", metric="ip")
    assert [each.exists for each in made] == [each.spec is not None for each in made]


# --- what it costs


def test_builds_of_a_sample_are_timed_and_nothing_of_them_is_left(docs: Database, raw: connection) -> None:
    advice = advise(docs, "docs", sample=300)
    built = [each for each in advice if each.spec]
    assert built
    assert all(each.seconds and each.seconds > 0 for each in built)
    assert any("a sample of 300 rows, scaled up" in note for note in advice.notes)
    with raw.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'pgvec%'")
        assert cursor.fetchone() == (0,)
    assert all(each.seconds is None for each in advise(docs, "docs", sample=0))


def test_an_estimate_is_near_the_build(docs: Database) -> None:
    (graph,) = [each for each in advise(docs, "docs", sample=600) if each.title == "HNSW"]
    assert graph.spec
    took = docs.rehearse([Query(graph.sql, settings=(("max_parallel_maintenance_workers", "0"),))])[0].seconds
    assert graph.seconds
    assert took / 8 < graph.seconds < took * 8  # on a machine that does other things


def test_a_graph_grows_with_n_log_n_and_few_lists_with_the_rows() -> None:
    one = IndexSpec(table="docs", column="e", dimensions=16)
    assert scaled(one, Rows((), [], seconds=1.0), 1_000, 1_000_000) == pytest.approx(2_000)
    lists = replace(one, method="ivfflat", lists=50)
    assert scaled(lists, Rows((), [], seconds=0.01), 1_000, 50_000) == pytest.approx(0.5)
    assert scaled(replace(lists, lists=1_000), Rows((), [], seconds=1.0), 1_000, 1_000_000) is None
    assert scaled(one, Rows((), [], seconds=1.0), 1_000, 900) == 1.0


def test_a_graph_that_no_memory_holds_is_told(docs: Database) -> None:
    small = facts(docs, **LARGE | {"server": Server(GIB // 8, 16 * GIB, GIB // 16, machine=GIB // 2)})
    assert "than half of this machine's 512 MB, and spills" in suggestions(small, 1.0, 10)[0].why
    large = facts(docs, **LARGE | {"server": Server(GIB // 8, 16 * GIB, GIB // 16, machine=16 * GIB)})
    assert "spills" not in suggestions(large, 1.0, 10)[0].why


def test_in_an_open_transaction_nothing_is_built(docs: Database) -> None:
    docs.run(Query("BEGIN"))
    advice = advise(docs, "docs")
    assert any("were not measured: a transaction is open" in note for note in advice.notes)
    docs.run(Query("ROLLBACK"))


def test_a_read_only_connection_gets_advice_without_times(docs: Database, dsn: str) -> None:
    with contextlib.closing(connect(dsn, name="reader", readonly=True)) as reader:
        advice = advise(reader, "docs")
    assert "HNSW" in titles(advice)
    assert all(each.seconds is None for each in advice)
    assert any("the connection is read-only" in note for note in advice.notes)


# --- filters, and what is asked


def test_columns_that_searches_here_filter_by_want_an_index(docs: Database) -> None:
    vector = [0.5] * 16
    for where in ("tenant = 3", "tenant = 3 AND id > 7", "tags @> '{}'"):
        search(docs, "docs", vector=vector, where=where)
    found = advise(docs, "docs", sample=0).filters
    assert titles(list(found)) == ["btree on tenant", "gin on tags"]
    assert "2 searches seen filter by it, which has about 4 values" in found[0].why
    for each in found:
        docs.run(Query(each.sql))
    assert advise(docs, "docs", sample=0).filters == ()


def test_words_that_are_kept_and_not_indexed_want_an_index(docs: Database) -> None:
    docs.run(Query("ALTER TABLE docs ADD COLUMN words tsvector"))
    (found,) = advise(docs, "docs", sample=0).filters
    assert found.sql == "CREATE INDEX ON docs USING gin (words)"


def test_a_column_of_few_values_may_have_an_index_for_each(docs: Database, raw: connection) -> None:
    seen = Workload(filters=(Filter("tenant", "equal", 9),))
    spread = {"tenant": Spread(4, 0.0, (("3", 0.25), ("1", 0.25)))}
    found = suggestions(facts(docs, **LARGE | {"workload": seen, "spread": spread}), 1.0, 10)
    (part,) = [each for each in found if each.spec and each.spec.where]
    assert part.line == '%vindex build docs --where "tenant = 3"'
    assert "has about 250,000" in part.why
    assert not part.recommended
    with raw.cursor() as cursor:
        cursor.execute(part.sql)
    assert [
        each.exists
        for each in suggestions(facts(docs, **LARGE | {"workload": seen, "spread": spread}), 1.0, 10)
        if each.spec and each.spec.where
    ] == [True]
    many = {"tenant": Spread(4_000, 0.0, (("3", 0.25),))}
    found = suggestions(facts(docs, **LARGE | {"workload": seen, "spread": many}), 1.0, 10)
    assert not any(each.spec and each.spec.where for each in found)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM docs WHERE tenant = $1 ORDER BY embedding <=> $2 LIMIT $3", {("tenant", "equal")}),
        ('SELECT id FROM docs AS d WHERE d."tenant" IN ($1, $2) AND id >= 5', {("tenant", "equal"), ("id", "range")}),
        ("SELECT tenant = 3 FROM docs ORDER BY id < 4", set()),
        ("SELECT id FROM docs WHERE tags @> $1 AND 'tenant = 3' <> $2 -- tenant = 3", {("tags", "contains")}),
        ("SELECT id FROM docs WHERE other = 1 AND tenant::text = $1", set()),
    ],
)
def test_a_filter_is_read_from_its_statement(docs: Database, sql: str, expected: set[tuple[str, str]]) -> None:
    assert filtered(sql, catalog.table(docs, "docs")) == expected


@pytest.fixture(scope="module")
def with_statements(scratch: Path) -> Iterator[str]:
    """A server that counts statements."""
    folder = scratch / "statements"
    running = server.start(data_dir=folder)
    with contextlib.closing(psycopg2.connect(running.dsn)) as past:
        past.autocommit = True
        past.cursor().execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    running.stop()
    running = server.start(data_dir=folder)
    yield running.dsn
    running.stop()


def test_the_searches_that_the_server_counted_are_known(with_statements: str) -> None:
    with contextlib.closing(connect(with_statements, name="counted", create_extension=True)) as db:
        fill(db, 300)
        asked = (
            "SELECT id FROM docs WHERE tenant = 2 ORDER BY embedding <-> (SELECT embedding FROM docs LIMIT 1) LIMIT 5"
        )
        unknown = advise(db, "docs", sample=0)
        assert any("pg_stat_statements is not installed" in note for note in unknown.notes)
        db.run(Query("CREATE EXTENSION pg_stat_statements"))
        for _ in range(3):
            db.run(Query(asked))
        advice = advise(db, "docs", sample=0)
        assert any(note.startswith("3 searches in pg_stat_statements (l2 3): 5.0 rows") for note in advice.notes)
        assert any("none of them is by cosine" in note for note in advice.notes)
        assert [each.title for each in advice.filters] == ["btree on tenant"]
        assert "3 searches seen filter by it" in advice.filters[0].why
        db.run(Query("CREATE ROLE pgvec_reader"))
        db.run(Query("GRANT SELECT ON docs TO pgvec_reader"))
        with contextlib.closing(connect(with_statements, name="as reader", role="pgvec_reader")) as reader:
            hidden = advise(reader, "docs", sample=0)
        assert any("this role sees its own" in note for note in hidden.notes)
        assert hidden.filters == ()


def test_statements_that_are_not_counted_are_said_to_be_unknown(docs: Database) -> None:
    with contextlib.suppress(Exception):  # a server without contrib
        docs.run(Query("CREATE EXTENSION pg_stat_statements"))
    assert any("pg_stat_statements" in note for note in advise(docs, "docs", sample=0).notes)


def test_rows_that_go_are_told(docs: Database) -> None:
    known = facts(docs, changes=Changes(1_500, 10, 10, 300, 2.0))
    notes = list(_notes(known))
    assert "1,500 rows came, 10 were changed and 300 deleted in 2.0 days" in notes
    assert any("REINDEX now and then" in note for note in notes)
    assert not any("REINDEX" in note for note in _notes(replace(known, changes=Changes(1_500, 0, 0, 3, None))))


# --- what cannot be, and what is little


def test_an_empty_table_and_one_of_five_rows_want_none(db: Database) -> None:
    fill(db, 0)
    assert advise(db, "docs").recommended.title == "no index"
    with pytest.raises(UsageError, match="docs has no vectors yet"):
        advise(db, "docs").figure()
    db.run(Query("DROP TABLE docs"))
    fill(db, 5)
    advice = advise(db, "docs")
    assert (advice.recommended.title, advice.rows) == ("no index", 5)
    assert "docs" in advice.figure().layout.title.text


def test_a_table_without_advice_says_why(docs: Database) -> None:
    for statement in (
        "CREATE TABLE plain (id int)",
        "CREATE VIEW seen AS SELECT * FROM docs",
        "CREATE TABLE loose (embedding vector)",
        "CREATE TABLE two (a vector(3), b vector(4))",
    ):
        docs.run(Query(statement))
    for table, said in (
        ("plain", "has no vector column"),
        ("seen", "seen is a view, which has no indexes"),
        ("loose", "loose.embedding has no dimensions"),
        ("two", "several vector columns"),
        ("nothing", "no table 'nothing'"),
    ):
        with pytest.raises(UsageError, match=said):
            advise(docs, table)
    assert advise(docs, "two", "b").dimensions == 4
    assert "--column b" in advise(docs, "two", "b").suggestions[-1].line
    for options, said in (
        ({"k": 0}, "k = 0: it is"),
        ({"k": 1.5}, "k = 1.5: it is"),
        ({"sample": "x"}, "sample = 'x'"),
    ):
        with pytest.raises(UsageError, match=said):
            advise(docs, "docs", **options)  # type: ignore[arg-type]


def test_a_partitioned_table_and_odd_names(db: Database) -> None:
    for statement in (
        'CREATE SCHEMA "My Shop"',
        'CREATE TABLE "My Shop"."a %% b" (id int, "the ""vec""" vector(8)) PARTITION BY RANGE (id)',
        'CREATE TABLE "My Shop".part PARTITION OF "My Shop"."a %% b" FOR VALUES FROM (0) TO (9999)',
        'INSERT INTO "My Shop"."a %% b" SELECT i, ARRAY[i, 2, 3, 4, 5, 6, 7, 8] FROM generate_series(1, 500) AS i',
    ):
        db.run(Query(statement))
    advice = advise(db, "My Shop.a % b")
    assert (advice.rows, advice.column) == (500, 'the "vec"')
    assert any("is partitioned" in note for note in advice.notes)
    (graph,) = [each for each in advice if each.title == "HNSW"]
    assert graph.seconds is not None
    assert graph.line == ""  # the column's name has a quote
    assert any('%vindex compare "My Shop.a % b"' in note for note in advice.notes)
    db.run(Query(graph.sql.replace("%", "%%")))
    assert [each.exists for each in advise(db, "My Shop.a % b") if each.title == "HNSW"] == [True]


def test_a_line_has_names_with_spaces_in_quotes(ip: InteractiveShell, db: Database) -> None:
    for statement in (
        "DROP EXTENSION vector",
        "CREATE SCHEMA ext",
        "CREATE EXTENSION vector SCHEMA ext",
        'CREATE TABLE "my docs" (tenant text, "the vector" ext.vector(8), other ext.vector(8))',
        "INSERT INTO \"my docs\" SELECT 'an acme', ARRAY[i, 2, 3, 4, 5, 6, 7, 8]::ext.vector"
        " FROM generate_series(1, 90) AS i",
    ):
        db.run(Query(statement))
    ip.run("%load_ext pgvec_magic")
    known = read(db, "my docs", "the vector", None)
    seen = Workload(filters=(Filter("tenant", "equal", 9),))
    spread = {"tenant": Spread(4, 0.0, (("an acme", 0.25),))}
    for each in suggestions(replace(known, **LARGE, workload=seen, spread=spread), 1.0, 10):
        if each.spec and each.spec.method == "hnsw":
            assert (
                ip.run(each.line).sql.replace("\n", " ").endswith(each.sql.partition(" USING ")[2].replace("\n", " "))
            )
    assert all(each.seconds for each in advise(db, "my docs", "the vector") if each.spec)


@pytest.mark.parametrize("name", ["--docs", ":docs", "docs?", "docs;"])
def test_a_line_has_names_in_quotes_that_would_mean_something_else(
    ip: InteractiveShell, db: Database, name: str
) -> None:
    db.run(Query(f"CREATE TABLE \"{name}\" AS SELECT '[1,2,3]'::vector(3) AS embedding"))
    ip.run("%load_ext pgvec_magic")
    (graph,) = [each for each in advise(db, name, sample=0) if each.title == "HNSW"]
    assert f'%vindex build "{name}" makes one' in repr(ip.run(f'%vindex list "{name}"'))
    assert ip.run(graph.line).table == name


def test_one_list_is_told_to_be_none(docs: Database) -> None:
    (lists,) = [each for each in suggestions(replace(facts(docs), rows=1_500), 1.0, 10) if each.title == "IVFFlat"]
    assert "one list for 1,500 rows, all of which each search reads" in lists.why


def test_a_role_without_rights_gets_advice_and_a_word(docs: Database, dsn: str) -> None:
    for statement in (
        "DROP ROLE IF EXISTS pgvec_poor",
        "CREATE ROLE pgvec_poor",
        "GRANT SELECT ON docs TO pgvec_poor",
        f"REVOKE TEMPORARY ON DATABASE {docs.place.database} FROM PUBLIC",
    ):
        docs.run(Query(statement))
    try:
        with contextlib.closing(connect(dsn, name="poor", role="pgvec_poor")) as poor:
            advice = advise(poor, "docs")
        assert any("build times were not measured: permission denied" in note for note in advice.notes)
    finally:
        docs.run(Query(f"GRANT TEMPORARY ON DATABASE {docs.place.database} TO PUBLIC"))
        docs.run(Query("DROP OWNED BY pgvec_poor"))
        docs.run(Query("DROP ROLE pgvec_poor"))


# --- the staircase


def test_one_dimension_more_doubles_the_index() -> None:
    steps = {points[-1][0]: (points, held) for points, held in stair("vector", 100_000, 2_000).steps}
    assert list(steps)[-4:] == [608, 948, 1_968, 2_000]
    assert [steps[at][1] for at in (608, 948, 1_968, 2_000)] == [3, 2, 1, 0.5]
    two, one = steps[948][0], steps[1_968][0]
    assert one[0][0] == 949
    assert one[0][1] / two[0][1] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "size", "lines"), [("vector", 768, 2), ("vector", 3_072, 2), ("halfvec", 384, 1), ("bit", 512, 1)]
)
def test_the_picture_has_the_table_s_place(kind: str, size: int, lines: int) -> None:
    figure = staircase("docs", kind, size, 10_000)
    assert "image/svg+xml" in figure._repr_mimebundle_()
    *stairs, here = figure.data
    assert (len(stairs), here.x[0]) == (lines, size)
    line = stairs[1 if size > 2_000 else 0]
    beside = [y for x, y in zip(line.x, line.y, strict=True) if x <= size][-1]
    assert here.y[0] == pytest.approx(beside, rel=0.1)


# --- the magic


def test_vindex_lists_and_advises(ip: InteractiveShell, docs: Database) -> None:
    ip.run("%load_ext pgvec_magic")
    both = ip.run("%vindex docs")
    assert (len(both), both.advice.table) == (0, "docs")
    assert "no vector index" in repr(both)
    assert "take no index" in repr(both)
    assert both._repr_mimebundle_()["text/html"].count("<table") == 2
    advice = ip.run("%vindex advise docs --metric l2 --sample 0 -o kept")
    assert isinstance(advice, Advice)
    assert (ip.user_ns["kept"], advice.metric) == (advice, "l2")
    docs.run(Query("CREATE VIEW seen AS SELECT * FROM docs"))
    assert "which has no indexes" in repr(ip.run("%vindex seen"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("advise", "%vindex needs TABLE"),
        ("advise docs --m 5", "%vindex advise takes no --m"),
        ("docs --m 5", "%vindex takes no --m"),
        ("build docs --sample 5", "%vindex build takes no --sample\n%vindex advise does"),
        ("advise docs --metric hamming", "no metric 'hamming'"),
        ("docs --column nothing", "no vector column 'nothing'"),
        ("advise docs --sample -1", "sample = -1"),
    ],
)
def test_vindex_advise_refuses(ip: InteractiveShell, docs: Database, line: str, said: str) -> None:
    ip.run("%load_ext pgvec_magic")
    with pytest.raises(UsageError, match=said):
        ip.run(f"%vindex {line}")


def test_a_filter_on_a_column_of_two_values_wants_none(docs: Database) -> None:
    seen = Workload(filters=(Filter("tenant", "equal", 9),))
    known = facts(docs, workload=seen)
    assert titles(filters(known)) == ["btree on tenant"]
    assert filters(replace(known, spread={"tenant": Spread(2, 0.0)})) == []
