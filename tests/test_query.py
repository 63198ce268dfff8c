from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pgvec_magic.catalog import Column, TableInfo, TextSource, VectorColumn, VectorIndex
from pgvec_magic.errors import UsageError
from pgvec_magic.query import Query, Scan, Search, build, choose_scan, words
from pgvec_magic.query.target import find_target

INDEX = VectorIndex("docs_embedding_idx", "embedding", "hnsw", "cosine")
IVFFLAT = replace(INDEX, name="flat", method="ivfflat", options=("lists=400",))
DOCS = TableInfo(
    schema="public",
    name="docs",
    kind="table",
    sql_name="docs",
    columns=(
        Column("id", "bigint", nullable=False),
        Column("title", "text"),
        Column("embedding", "vector"),
        Column("fts", "tsvector"),
        Column("many", "vector[]"),
    ),
    vectors=(VectorColumn("embedding", "vector", 3, nullable=False),),
    indexes=(INDEX,),
    key=("id",),
    texts=(TextSource("fts", "english", True),),
    rows=1_000_000,
)
V = np.array([1, 2, 3], dtype=np.float32)


def a_search(**options: Any) -> Search:
    given = {"text": "x"} if options.get("mode") == "keyword" else {"vector": V}
    return Search(**{"table": "docs", **given, **options})


def scan(matching: int | None = None, *, index: VectorIndex | None = INDEX, **options: Any) -> Scan:
    """The scan of a search on a million rows with pgvector 0.8 and its defaults."""
    given: dict[str, Any] = {
        "version": (0, 8, 6),
        "in_force": {"hnsw.ef_search": "40"},
        "rows": 1_000_000,
        "others": (),
        "guarded": False,
    }
    passed = {name: options.pop(name, value) for name, value in given.items()}
    return choose_scan(a_search(**options), index, matching=matching, **passed)


def statement(table: TableInfo = DOCS, chosen: Scan | None = None, **options: Any) -> Query:
    search = a_search(**options)
    return build(search, find_target(search, table), chosen or scan(**options), V)


# --- a request that cannot be meant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "-k: 0 is not a whole number of 1 or more"),
        ({"k": 2.5}, "-k: 2.5"),
        ({"k": "10"}, "-k: '10'"),
        ({"k": True}, "-k: True"),
        ({"k": None}, "-k: None"),
        ({"offset": -1}, "--offset: -1 is not a whole number of 0 or more"),
        ({"candidates": 0}, "--candidates: 0"),
        ({"rrf_k": 0}, "--rrf-k: 0"),
        ({"ef_search": 1001}, r"hnsw.ef_search: '1001' is out of range"),
        ({"ef_search": 0}, "--ef-search: 0"),
        ({"probes": 40_000}, r"ivfflat.probes: '40000' is out of range"),
        ({"mode": "vectors"}, "--mode: 'vectors' is not one of vector, keyword, hybrid"),
        ({"strategy": ["ann"]}, "--strategy: "),
        ({"table": ""}, "the table is empty"),
        ({"table": 3}, "the table: expected text, got 3"),
        ({"text": 3}, "the query text: expected text"),
        ({"text": " \n", "vector": None}, "the query text is empty"),
        ({"column": 1}, "--column: expected text"),
        ({"metric": ""}, "--metric is empty"),
        ({"per": 7}, "--per: expected text"),
        ({"language": b"x"}, "--language: expected text"),
        ({"where": "id = 1"}, "--where: expected a tuple"),
        ({"where": (1,)}, "--where and --columns: expected text, got 1"),
        ({"columns": ["id"]}, "--columns: expected a tuple"),
        ({"where": ("id = 1; DROP TABLE docs",)}, "a condition cannot hold a ;"),
        ({"where": ("id = 1) OR (1 = 1",)}, "closes nothing"),
        ({"where": ("",)}, "the condition is empty"),
        ({"where": ("id = :x",)}, "there is no variable 'x'"),
        ({"where": ("id = :itm",), "params": {"item": 1}}, "did you mean 'item'"),
        ({"params": [1]}, "params: expected a dict"),
        ({"min_score": "high"}, "--min-score: 'high' is not a number"),
        ({"max_distance": math.nan}, "--max-distance: nan is not a number"),
        ({"max_distance": math.inf}, "--max-distance: inf is not a number"),
        ({"min_score": 0.5, "max_distance": 0.5}, "say the same thing twice"),
        ({"weights": (1,)}, "--weights takes two numbers"),
        ({"weights": (0, 0)}, "--weights"),
        ({"weights": (-1, 2)}, "--weights"),
        ({"weights": ("a", "b")}, "--weights"),
        ({"weights": 1}, "--weights"),
        ({"settings": (("hnsw.ef_search", "5000"),)}, "out of range"),
        ({"settings": (("role", "postgres"),)}, "role cannot be set here"),
        ({"settings": (("hnsw.ef_serach", "50"),)}, "did you mean 'hnsw.ef_search'"),
        ({"as_is": True, "strategy": "exact"}, "--as-is leaves the scan to Postgres, --strategy exact does not"),
        ({"vector": None}, "give one thing to look for"),
        ({"text": "x"}, "give one thing to look for"),
        ({"similar_to": (1,)}, "give one thing to look for"),
        ({"vector": None, "similar_to": (None,)}, "None is no row's key"),
        ({"mode": "hybrid"}, "a hybrid search needs a query text"),
        ({"mode": "hybrid", "text": "x", "similar_to": (1,)}, "two vectors to search from"),
        ({"mode": "keyword", "text": None}, "a keyword search needs a query text"),
        ({"mode": "keyword", "vector": V}, "a keyword search takes a text only"),
        ({"mode": "keyword", "min_score": 0.5}, "no distance that a threshold could cut"),
        ({"rerank": "model"}, "--rerank compares a text with the rows' texts, and this search has none"),
        ({"vector": None, "similar_to": (1,), "rerank": len}, "and this search has none"),
        ({"mode": "keyword", "rerank": " "}, "--rerank is empty"),
        ({"mode": "keyword", "rerank": 3}, "--rerank: expected the name of a model or a function, got 3"),
        ({"mode": "keyword", "rerank": ":fn"}, "give the function itself"),
        ({"mode": "hybrid", "text": "x", "rerank": len, "diverse": True}, "each choose an order of their own"),
        ({"mode": "keyword", "diverse": True}, "--diverse compares vectors, which a keyword search has none of"),
        ({"diverse": True, "k": 1001}, "--diverse compares every two candidates: 4,004 are too many"),
        ({"diverse": True, "candidates": 4001}, "4,001 are too many"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        a_search(**options)
    assert said in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    search = a_search(k=np.int64(3), offset=np.int32(1), max_distance=np.float32(0.5), weights=[np.float64(1), 2])
    query = build(search, find_target(search, DOCS), scan(), V)
    assert "LIMIT 3 OFFSET 1" in query.sql
    assert "<= 0.5\n" in query.sql


# --- the choice of a scan ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "candidates", "settings"),
    [
        ({}, "ann", 10, {"hnsw.ef_search": "40"}),
        ({"k": 60, "offset": 30}, "ann", 90, {"hnsw.ef_search": "90"}),
        ({"k": 1000}, "ann", 1000, {"hnsw.ef_search": "1000"}),
        ({"k": 1001}, "iterative", 1001, {"hnsw.iterative_scan": "relaxed_order", "hnsw.ef_search": "1000"}),
        ({"k": 20_001}, "exact", 20_001, {}),
        ({"k": 1001, "strategy": "ann"}, "ann", 1001, {"hnsw.ef_search": "1000"}),
        ({"per": "title"}, "ann", 100, {"hnsw.ef_search": "200"}),
        ({"min_score": 0.5}, "ann", 10, {"hnsw.ef_search": "200"}),
        ({"similar_to": (1, 2), "vector": None, "k": 60}, "ann", 60, {"hnsw.ef_search": "62"}),
        ({"mode": "hybrid", "text": "x"}, "ann", 40, {"hnsw.ef_search": "200"}),
        ({"mode": "hybrid", "text": "x", "k": 60}, "ann", 240, {"hnsw.ef_search": "240"}),
        ({"candidates": 500}, "ann", 500, {"hnsw.ef_search": "500"}),
        ({"candidates": 5}, "ann", 10, {"hnsw.ef_search": "40"}),
        ({"ef_search": 7}, "ann", 10, {"hnsw.ef_search": "7"}),
        ({"in_force": {"hnsw.ef_search": "300"}}, "ann", 10, {"hnsw.ef_search": "300"}),
        ({"strategy": "exact"}, "exact", 10, {}),
        ({"index": None}, "exact", 10, {}),
        ({"strategy": "ann", "index": None}, "exact", 10, {}),
        ({"rows": 200}, "exact", 10, {}),
        ({"rows": 200, "strategy": "ann"}, "ann", 10, {"hnsw.ef_search": "40"}),
        ({"rows": 200, "ef_search": 10}, "ann", 10, {"hnsw.ef_search": "10"}),
        ({"rows": 20_000, "k": 5000}, "exact", 5000, {}),
        ({"rows": None}, "ann", 10, {"hnsw.ef_search": "40"}),
        ({"as_is": True}, "as-is", 10, {}),
        ({"as_is": True, "where": ("id > 3",)}, "as-is", 10, {}),
        ({"as_is": True, "ef_search": 20}, "as-is", 10, {"hnsw.ef_search": "20"}),
        ({"index": replace(INDEX, method="diskann")}, "iterative", 10, {}),
        ({"index": IVFFLAT}, "iterative", 10, {"ivfflat.iterative_scan": "relaxed_order", "ivfflat.probes": "20"}),
        (
            {"index": IVFFLAT, "probes": 3},
            "iterative",
            10,
            {"ivfflat.iterative_scan": "relaxed_order", "ivfflat.probes": "3"},
        ),
        ({"index": IVFFLAT, "strategy": "ann"}, "ann", 10, {"ivfflat.probes": "20"}),
    ],
)
def test_a_scan_without_a_filter(given: dict[str, Any], kind: str, candidates: int, settings: dict[str, str]) -> None:
    chosen = scan(**given)
    assert (chosen.kind, chosen.candidates, dict(chosen.settings)) == (kind, candidates, settings)


def test_a_second_step_has_more_rows_to_choose_from() -> None:
    assert a_search(k=3).first_step is not None
    search = a_search(k=3)
    assert search.first_step is search
    for options, rows in (({}, 40), ({"k": 30}, 120), ({"k": 5, "offset": 10}, 60), ({"candidates": 20}, 20)):
        first = a_search(diverse=True, **options).first_step
        assert (first.k, first.offset, first.diverse) == (rows, 0, False)
    assert a_search(diverse=True, candidates=2, k=8, offset=1).first_step.k == 9
    assert scan(**vars_of(a_search(diverse=True, k=50).first_step)).candidates == 200


def vars_of(search: Search) -> dict[str, Any]:
    return {"k": search.k, "offset": search.offset, "candidates": search.candidates}


def test_policies_are_a_filter() -> None:
    chosen = scan(20_000, guarded=True)
    assert (chosen.kind, chosen.candidates, dict(chosen.settings)) == ("ann", 10, {"hnsw.ef_search": "800"})
    assert scan(1500, guarded=True).why == "the table's policies leave about 1,500 rows"
    assert scan(1, guarded=True, where=("id > 3",)).why == "the filter and the table's policies leave about 1 row"
    assert scan(None, guarded=True).kind == "iterative"
    assert scan(None, guarded=True, as_is=True).kind == "as-is"


def test_a_scan_in_nearly_the_right_order_is_never_taken_as_it_comes() -> None:
    diskann = replace(INDEX, method="diskann")
    assert scan(index=diskann, strategy="ann").kind == "iterative"
    assert scan(others=[diskann], strategy="ann").kind == "iterative"
    assert scan(strategy="ann").kind == "ann"


ITERATIVE = {"hnsw.iterative_scan": "relaxed_order", "hnsw.ef_search": "200"}
PROBES = {"ivfflat.probes": "20"}


def depth(ef_search: int) -> dict[str, str]:
    return {"hnsw.ef_search": str(ef_search)}


@pytest.mark.parametrize(
    ("matching", "given", "kind", "candidates", "settings"),
    [
        (1, {}, "exact", 10, {}),
        (10_000, {}, "exact", 10, {}),
        (12_640, {}, "exact", 10, {}),
        (12_660, {}, "iterative", 40, ITERATIVE),
        (15_999, {}, "iterative", 40, ITERATIVE),  # a pass would have to be 1,001 deep
        (16_000, {}, "ann", 10, depth(1000)),
        (4000, {"rows": 100_000}, "exact", 10, {}),
        (4001, {"rows": 100_000}, "ann", 10, depth(400)),
        (80_000, {}, "ann", 10, depth(200)),
        (500_000, {}, "ann", 10, depth(100)),
        (1_000_000, {}, "ann", 10, depth(100)),
        (2_000_000, {}, "ann", 10, depth(100)),  # an estimate may be beyond the count of another day
        (500_000, {"in_force": {"hnsw.ef_search": "300"}}, "ann", 10, depth(300)),
        (5000, {"rows": 100_000, "in_force": {"hnsw.ef_search": "500"}}, "exact", 10, {}),  # what a pass costs there
        (500_000, {"vector": None, "similar_to": tuple(range(90))}, "ann", 10, depth(240)),
        (500_000, {"mode": "hybrid", "text": "x"}, "ann", 40, depth(200)),
        (500_000, {"per": "title"}, "ann", 100, depth(240)),
        (500_000, {"min_score": 0.5}, "ann", 10, depth(200)),
        (500_000, {"candidates": 100}, "ann", 100, depth(240)),
        (500_000, {"k": 100}, "ann", 100, depth(240)),
        (100_000, {"k": 1000}, "exact", 1000, {}),  # walking past 10,000 rows costs more than sorting 100,000
        (200_000, {"k": 300}, "iterative", 1200, ITERATIVE | depth(1000)),
        (500_000, {"rows": None}, "iterative", 40, ITERATIVE),
        (None, {}, "iterative", 40, ITERATIVE),
        (500_000, {"index": IVFFLAT}, "iterative", 100, {"ivfflat.iterative_scan": "relaxed_order"} | PROBES),
        (10_000, {"index": IVFFLAT}, "exact", 10, {}),
        (10, {"strategy": "iterative"}, "iterative", 40, ITERATIVE),
        (None, {"strategy": "ann"}, "ann", 10, depth(200)),
        (10, {"ef_search": 50}, "iterative", 40, ITERATIVE | depth(50)),
        (10, {"settings": (("hnsw.max_scan_tuples", "5"),)}, "iterative", 40, ITERATIVE),
        (20_000, {"settings": ((" HNSW.iterative_scan", "OFF"),)}, "ann", 10, depth(800)),
        (20_000, {"version": (0, 7, 4)}, "ann", 10, depth(800)),
        (13_000, {"version": (0, 7, 4)}, "ann", 10, depth(1000)),
        (10_000, {"version": (0, 7, 4)}, "exact", 10, {}),
    ],
)
def test_a_scan_with_a_filter(
    matching: int | None, given: dict[str, Any], kind: str, candidates: int, settings: dict[str, str]
) -> None:
    chosen = scan(matching, **{"where": ("id > 3",), **given})
    assert (chosen.kind, chosen.candidates, dict(chosen.settings)) == (kind, candidates, settings)
    assert chosen.may_stop_early == (kind != "exact")


def test_where_too_many_rows_are_left_to_sort_them_a_short_pass_is_followed_by_an_iterative_scan() -> None:
    assert scan(100_000, where=("id > 3",)).deeper is None
    deeper = scan(100_001, where=("id > 3",)).deeper
    assert deeper is not None
    assert (deeper.kind, deeper.candidates, dict(deeper.settings)) == ("iterative", 40, ITERATIVE)
    assert deeper.why == "one pass of the index found too few rows"
    assert deeper.deeper is None
    assert scan(1_000_000, where=("id > 3",)).deeper == replace(deeper, candidates=200)
    assert scan(500_000, where=("id > 3",), version=(0, 7)).deeper is None
    assert scan().deeper is None


def test_why_a_scan_was_chosen_is_said() -> None:
    assert scan().why == ""
    assert scan(1500, where=("id > 3",)).why == "the filter leaves about 1,500 rows"
    assert scan(1, where=("id > 3",)).why == "the filter leaves about 1 row"
    assert scan(rows=200).why == "there are about 200 rows"
    assert scan(k=30_000).why == "30,000 rows are more than an index scan gives"
    assert scan(13_000, where=("id > 3",), version=(0, 7)).why == "iterative scans need pgvector 0.8"
    assert scan(index=None).why == "no index to use"
    assert scan(strategy="exact").why == "as asked"


def test_a_setting_in_force_that_relaxes_the_order_is_reckoned_with() -> None:
    relaxed = {"hnsw.iterative_scan": "relaxed_order", "hnsw.ef_search": "40"}
    assert scan(in_force=relaxed).kind == "iterative"
    assert dict(scan(in_force=relaxed, strategy="ann").settings) == {
        "hnsw.iterative_scan": "off",
        "hnsw.ef_search": "40",
    }
    assert scan(in_force=relaxed, as_is=True).settings == ()


def test_every_index_that_postgres_may_use_is_set() -> None:
    both = scan(others=[IVFFLAT])
    assert dict(both.settings) == {
        "hnsw.iterative_scan": "relaxed_order",
        "ivfflat.iterative_scan": "relaxed_order",
        "hnsw.ef_search": "40",
        "ivfflat.probes": "20",
    }


def test_on_citus_the_workers_get_the_settings_too() -> None:
    citus = {"citus.propagate_set_commands": "none"}
    assert scan(in_force=citus).settings[0] == ("citus.propagate_set_commands", "'local'")
    assert scan(in_force=citus, as_is=True).settings == ()
    assert len(scan(in_force=citus, as_is=True, settings=(("hnsw.ef_search", "9"),)).settings) == 1
    assert statement(chosen=scan(in_force=citus), settings=(("work_mem", "1MB"),)).settings == (
        ("citus.propagate_set_commands", "'local'"),
        ("hnsw.ef_search", "40"),
        ("work_mem", "'1MB'"),
    )


# --- the statement ----------------------------------------------------------------------------------------------------


def test_the_plain_statement_is_what_a_person_would_write() -> None:
    query = statement(k=3)
    assert query.sql == ("SELECT id, title, embedding <=> %(query vector)s AS distance\nFROM docs\nORDER BY 3\nLIMIT 3")
    assert list(query.params) == ["query vector"]
    assert query.settings == (("hnsw.ef_search", "40"),)
    assert query.reads


def test_a_filter_stands_on_lines_of_its_own_in_a_step_of_its_own() -> None:
    query = statement(
        chosen=Scan("iterative", 40), where=("title LIKE 'a%' -- x", "id = :x"), params={"x": 1, "y": 2}, k=3, offset=6
    )
    assert query.sql == (
        "WITH candidates AS MATERIALIZED (\n"
        "SELECT id, title, embedding <=> %(query vector)s AS distance\nFROM docs\n"
        "WHERE (\ntitle LIKE 'a%%' -- x\n)\n  AND (\nid = %(x)s\n)\nORDER BY 3\nLIMIT 40\n)\n"
        "SELECT id, title, distance\nFROM candidates\nORDER BY distance + 0, id\nLIMIT 3 OFFSET 6"
    )
    assert set(query.params) == {"query vector", "x"}


def test_an_exact_statement_cannot_use_a_vector_index_and_breaks_ties_by_the_key() -> None:
    assert (
        "(embedding <=> %(query vector)s) + 0 AS distance\nFROM docs\nORDER BY 3, id\n"
        in statement(strategy="exact").sql
    )


def test_the_vector_is_sent_once() -> None:
    for options in ({}, {"strategy": "exact"}, {"per": "title"}, {"max_distance": 1}, {"mode": "hybrid", "text": "x"}):
        assert statement(**options).sql.count("%(query vector)s") == 1


def test_a_threshold_lets_through_the_score_that_it_names() -> None:
    assert "WHERE distance <= 0.2\n" in statement(min_score=0.8).sql
    assert "WHERE distance <= 0.3\n" in statement(min_score=0.7).sql
    assert "WHERE distance <= 0.123456789\n" in statement(max_distance=0.123456789).sql
    rng = np.random.default_rng(1)
    for distance in rng.random(300).tolist():
        written = statement(min_score=1 - distance).sql.partition("WHERE distance <= ")[2].partition("\n")[0]
        assert distance <= float(written) <= distance + 2e-12


def test_names_of_all_kinds_are_quoted_and_their_percent_signs_doubled() -> None:
    odd = replace(
        DOCS,
        name='T%"',
        sql_name='"S %"."T%"""',
        columns=(Column("order", "bigint"), Column('a"b%', "text"), Column("distance", "int"), Column("e%", "vector")),
        vectors=(VectorColumn("e%", "vector", 3),),
        key=("order",),
        extension_schema="ext %",
        indexes=(),
    )
    assert statement(odd, k=1, columns=('a"b%', "order")).sql == (
        'SELECT "a""b%%", "order", "e%%" OPERATOR("ext %%".<=>) %(query vector)s AS distance_1\n'
        'FROM "S %%"."T%%"""\nWHERE "e%%" IS NOT NULL\nORDER BY 3\nLIMIT 1'
    )


def test_a_table_called_as_a_part_of_the_statement_is_named_with_its_schema() -> None:
    for name in ("candidates", "query_vector", "fused", "all_words"):
        sql = statement(replace(DOCS, name=name, sql_name=name), mode="hybrid", text="x").sql
        assert f"FROM public.{name}" in sql
        assert f"JOIN public.{name} AS d" in sql


def test_words_are_bound_once_in_each_form() -> None:
    query = statement(mode="keyword", text='read  -csv\x00 -"two words" files')
    assert query.params == {
        "query text": 'read -csv -"two words" files',
        "wanted text": "read     files",
        "unwanted text": '-csv -"two words"',
    }
    assert "unwanted text" not in statement(mode="keyword", text="well-known a - b").params
    assert len(words.params("word " * 1000)[words.TEXT].split()) == 200
    assert words.is_cut("word " * 201)
    assert not words.is_cut("word " * 200)
    assert max(map(len, words.params("x" * 9000)[words.TEXT].split())) == 500


def test_columns_that_nobody_reads_are_left_out_unless_asked_for() -> None:
    assert find_target(a_search(), DOCS).columns == ("id", "title")
    assert find_target(a_search(columns=("embedding", "many")), DOCS).columns == ("embedding", "many")


# --- what of a table is searched --------------------------------------------------------------------------------------


def usual_metric(*indexes: VectorIndex, **options: Any) -> tuple[str, list[str]]:
    vectors = find_target(a_search(**options), replace(DOCS, indexes=indexes)).need_vectors()
    return vectors.metric.name, [index.name for index in vectors.indexes]


def test_the_metric_is_that_of_the_index() -> None:
    l2, ip = replace(INDEX, name="l2", metric="l2"), replace(INDEX, name="ip", metric="ip")
    assert usual_metric() == ("cosine", [])
    assert usual_metric(l2) == ("l2", ["l2"])
    assert usual_metric(l2, INDEX) == ("cosine", ["docs_embedding_idx"])
    assert usual_metric(replace(ip, valid=False), l2) == ("l2", ["l2"])
    assert usual_metric(replace(ip, valid=False)) == ("ip", [])
    assert usual_metric(replace(ip, where="(id > 1)"), l2) == ("l2", ["l2"])
    assert usual_metric(l2, metric="ip") == ("ip", [])
    assert usual_metric(replace(l2, column="other"), replace(ip, column=None)) == ("cosine", [])
    assert usual_metric(replace(INDEX, metric=None, method="diskann")) == ("cosine", [])


def test_a_partial_index_may_serve_a_search_with_a_condition() -> None:
    part, flat = replace(INDEX, name="part", where="(id > 1)"), replace(IVFFLAT, name="flat")
    assert usual_metric(part) == ("cosine", [])
    assert usual_metric(part, where=("id > 2",)) == ("cosine", ["part"])
    assert usual_metric(part, flat, INDEX, where=("id > 2",))[1] == ["docs_embedding_idx", "flat", "part"]
    assert usual_metric(replace(part, where="(embedding IS NOT NULL)")) == ("cosine", ["part"])


def test_what_a_table_lacks_is_said() -> None:
    several = replace(DOCS, vectors=(*DOCS.vectors, VectorColumn("other", "vector", 3)))
    for table, options, said in (
        (several, {}, "docs has several vector columns\nchoose one: --column embedding | other"),
        (replace(DOCS, vectors=()), {}, "docs has no vector column"),
        (replace(DOCS, texts=()), {"mode": "hybrid", "text": "x"}, "docs has no text column for a hybrid search"),
        (replace(DOCS, key=()), {"mode": "hybrid", "text": "x"}, "docs has no key, by which hybrid tells rows apart"),
        (DOCS, {"per": "titel"}, "docs has no column 'titel'\ndid you mean 'title'"),
    ):
        with pytest.raises(UsageError) as caught:
            find_target(a_search(**options), table)
        assert said in str(caught.value)
    assert find_target(a_search(column="other"), several).need_vectors().column.name == "other"
    assert find_target(a_search(mode="keyword"), replace(DOCS, vectors=())).vectors is None
