from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgvec_magic.catalog import Index
from pgvec_magic.diagnose.cures import cure_in, second_index
from pgvec_magic.diagnose.finding import Cure
from pgvec_magic.diagnose.orders import order
from pgvec_magic.diagnose.rewrite import plain_distance, rewrite, with_distance
from pgvec_magic.sqltext import bind

Q = "%(query)s"


def index(key: str = "embedding", opclass: str = "vector_cosine_ops", where: str | None = None) -> Index:
    operators = {"cosine": "<=>", "l2": "<->", "hamming": "<~>", "jaccard": "<%>"}
    made = f"CREATE INDEX i ON public.docs USING hnsw ({key} {opclass})"
    sign = operators[opclass.split("_")[1]]
    return Index("public", "docs", "i", "hnsw", made, True, 8192, key, where, [sign], [], 4000, 0.0)


COSINE = index()
HALF = index("(embedding::halfvec(3))", "halfvec_cosine_ops")
BITS = index("(binary_quantize(embedding)::bit(3))", "bit_hamming_ops")
PART = index(where="tenant < 400 OR content ~~ '5%'::text")

REWRITTEN = [
    ("R01", COSINE, "ORDER BY 1 - (embedding <=> {q}) DESC LIMIT 10", "ORDER BY embedding <=> {q} LIMIT 10"),
    ("R01", COSINE, "ORDER BY (1.0::float8 - (embedding<=>{q}))DESC", "ORDER BY embedding<=>{q}"),
    ("R01", COSINE, "ORDER BY 1 - cosine_distance(embedding, {q}) DESC NULLS LAST", "ORDER BY embedding <=> {q}"),
    ("R02", COSINE, "ORDER BY embedding <=> {q} DESC LIMIT 1", "ORDER BY embedding <=> {q} LIMIT 1"),
    ("R02", COSINE, "ORDER BY embedding <=> {q}  DESC NULLS LAST, id", "ORDER BY embedding <=> {q}, id"),
    ("R03", COSINE, "ORDER BY cosine_distance(embedding, {q})", "ORDER BY embedding <=> {q}"),
    ("R03", COSINE, "ORDER BY (public.l2_distance(e, {q})) ASC", "ORDER BY (e OPERATOR(public.<->) {q})"),
    ("R03", COSINE, "ORDER BY inner_product(embedding, {q}) DESC", "ORDER BY embedding <#> {q}"),
    ("R03", COSINE, "ORDER BY jaccard_distance(b, {q})", "ORDER BY b <%%> {q}"),
    ("R04", COSINE, "ORDER BY embedding <-> {q}", "ORDER BY embedding <=> {q}"),
    ("R04", COSINE, "ORDER BY {q} OPERATOR(ext.<#>) d.embedding", "ORDER BY {q} OPERATOR(ext.<=>) d.embedding"),
    ("R04", index("b", "bit_jaccard_ops"), "ORDER BY b <~> {q}", "ORDER BY b <%%> {q}"),
    ("R05", COSINE, "ORDER BY embedding::halfvec(3) <=> {q}::halfvec(3)", "ORDER BY embedding <=> {q}::vector"),
    ("R05", COSINE, "ORDER BY embedding <=> '[1,2]'::x.halfvec(3)", "ORDER BY embedding <=> '[1,2]'::x.vector"),
    ("R07", HALF, "ORDER BY d.embedding <=> {q}", "ORDER BY d.embedding::halfvec(3) <=> {q}::halfvec(3)"),
    ("R07", HALF, "ORDER BY embedding::halfvec <=> {q}::halfvec", "ORDER BY embedding::halfvec(3) <=> {q}::halfvec(3)"),
    (
        "R08",
        BITS,
        "ORDER BY binary_quantize(d.embedding) <~> binary_quantize({q}::vector)",
        "ORDER BY (binary_quantize(d.embedding)::bit(3)) <~> binary_quantize({q}::vector)",
    ),
    ("R09", COSINE, "ORDER BY embedding <=> question()", "ORDER BY embedding <=> (SELECT question())"),
    ("R09", COSINE, "ORDER BY embedding <=> s.f({q})::vector", "ORDER BY embedding <=> (SELECT s.f({q})::vector)"),
    ("R15", COSINE, "ORDER BY embedding <=> {q} -- near", "ORDER BY embedding <=> {q} LIMIT 10 -- near"),
    ("R16", COSINE, "ORDER BY embedding <=> {q} NULLS FIRST LIMIT 3", "ORDER BY embedding <=> {q} LIMIT 3"),
]


@pytest.mark.parametrize(("rule", "by", "before", "after"), REWRITTEN)
def test_what_is_changed_and_that_the_rest_stays(rule: str, by: Index, before: str, after: str) -> None:
    head = (
        "SELECT id, '10%%', $$ORDER BY$$ /* ORDER BY 1 */ FROM docs d WHERE tenant %% 2 = 0 AND id IS DISTINCT FROM 5 "
    )
    sql = head + before.format(q=Q)
    assert rewrite(rule, sql, None, by) == head + after.format(q=Q)


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (
            "R01",
            "SELECT id, 1 - (embedding <=> %(q)s) AS similarity FROM docs ORDER BY similarity DESC LIMIT 5",
            "SELECT id, 1 - (embedding <=> %(q)s) AS similarity FROM docs ORDER BY embedding <=> %(q)s LIMIT 5",
        ),
        (
            "R01",
            "SELECT id, 1 - (embedding <=> %(q)s) FROM docs ORDER BY 2 DESC LIMIT 5",
            "SELECT id, 1 - (embedding <=> %(q)s) FROM docs ORDER BY embedding <=> %(q)s LIMIT 5",
        ),
        (
            "R02",
            'SELECT id, embedding <=> %(q)s AS "D" FROM docs ORDER BY "D" DESC',
            'SELECT id, embedding <=> %(q)s AS "D" FROM docs ORDER BY "D"',
        ),
        (
            "R04",
            "WITH near AS (SELECT id, embedding <-> %(q)s AS d FROM docs ORDER BY D LIMIT 9)"
            " SELECT * FROM near ORDER BY d",
            "WITH near AS (SELECT id, embedding <-> %(q)s AS d FROM docs ORDER BY embedding <=> %(q)s LIMIT 9)"
            " SELECT * FROM near ORDER BY d",
        ),
        (
            "R15",
            "SELECT id FROM docs ORDER BY embedding <=> %(q)s OFFSET 3",
            "SELECT id FROM docs ORDER BY embedding <=> %(q)s OFFSET 3 LIMIT 10",
        ),
        (
            "R15",
            "SELECT t.limit, t.x AS limit FROM docs t ORDER BY embedding <=> %(q)s",
            "SELECT t.limit, t.x AS limit FROM docs t ORDER BY embedding <=> %(q)s LIMIT 10",
        ),
        (
            "R24",
            "SELECT id FROM docs ORDER BY embedding <=> %(q)s",
            "SELECT id FROM docs WHERE tenant < 400 OR content ~~ '5%%'::text ORDER BY embedding <=> %(q)s",
        ),
        (
            "R24",
            "SELECT id FROM docs AS d WHERE id > 3 OR id = 1 -- two\nORDER BY embedding <=> %(q)s",
            "SELECT id FROM docs AS d WHERE (tenant < 400 OR content ~~ '5%%'::text) AND (id > 3 OR id = 1) -- two\n"
            "ORDER BY embedding <=> %(q)s",
        ),
    ],
)
def test_names_numbers_and_clauses_are_followed(rule: str, before: str, after: str) -> None:
    assert rewrite(rule, before, None, PART) == after


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("R01", "SELECT id FROM docs ORDER BY 2 - (embedding <=> %(q)s) DESC"),
        ("R01", "SELECT id FROM docs ORDER BY 1 - (embedding <=> %(q)s)"),
        ("R01", "SELECT *, 1 - (embedding <=> %(q)s) FROM docs ORDER BY 2 DESC"),
        ("R01", "SELECT DISTINCT id, 1 - (embedding <=> %(q)s) AS s FROM docs ORDER BY s DESC"),
        ("R02", "SELECT id FROM docs ORDER BY embedding <=> %(q)s DESC SELECT id"),
        ("R07", "SELECT id FROM docs ORDER BY embedding <-> %(q)s"),
        ("R02", "SELECT id FROM a ORDER BY x <=> %(q)s DESC UNION SELECT 1"),
        (
            "R02",
            "(SELECT id FROM a ORDER BY x <=> %(q)s DESC LIMIT 1) UNION (SELECT id FROM b ORDER BY x <=> %(q)s DESC)",
        ),
        ("R02", "SELECT row_number() OVER (ORDER BY embedding <=> %(q)s DESC) FROM docs"),
        ("R03", "SELECT id FROM docs ORDER BY cosine_distance(embedding, %(q)s) + 1"),
        ("R04", "SELECT id FROM docs ORDER BY 0.3 * (embedding <-> %(q)s)"),
        ("R04", "SELECT id FROM docs ORDER BY tenant, embedding <-> %(q)s"),
        ("R04", "SELECT id FROM docs ORDER BY embedding <-> %(q)s USING <"),
        ("R07", "SELECT id FROM docs a JOIN docs b USING (id) ORDER BY a.embedding <=> b.embedding"),
        ("R08", "SELECT id FROM docs ORDER BY embedding <=> %(q)s"),
        ("R09", "SELECT id FROM docs ORDER BY embedding <=> f(tenant)"),
        ("R15", "SELECT * FROM (SELECT id FROM docs ORDER BY embedding <=> %(q)s) x"),
        ("R15", "SELECT id FROM docs ORDER BY embedding <=> %(q)s FETCH FIRST ROW ONLY"),
        ("R24", "SELECT id FROM docs a, docs b ORDER BY a.embedding <=> %(q)s"),
        ("R17", "SELECT id FROM docs ORDER BY embedding <=> %(q)s"),
        ("R02", ""),
        ("R02", "SELECT ("),
    ],
)
def test_what_is_not_certain_is_left_alone(rule: str, sql: str) -> None:
    by = BITS if rule == "R08" else HALF if rule == "R07" else PART
    assert rewrite(rule, sql, None, by) is None


def test_of_several_orders_the_one_of_the_plan_is_changed() -> None:
    sql = "SELECT (SELECT id FROM a ORDER BY x <-> %(q)s LIMIT 1) FROM docs ORDER BY y <=> %(q)s DESC LIMIT 3"
    assert rewrite("R02", sql, None, COSINE) is None
    assert rewrite("R02", sql, "<=>", COSINE) == sql.replace(" DESC", "")


TEXT = st.lists(
    st.sampled_from(
        [
            "1",
            "'a'' ORDER BY'",
            "x",
            '"ORDER"',
            "/* , */",
            "f(a, b)",
            "-- LIMIT\n",
            "$1",
            "ARRAY[1, 2]",
            "t.order",
            "\t",
        ]
    ),
    max_size=6,
).map(" + ".join)


@given(TEXT, TEXT)
def test_whatever_stands_around_it_stays_byte_for_byte(selected: str, condition: str) -> None:
    head = f"SELECT id, ({selected} + 1) AS n FROM docs WHERE ({condition} + 2) > 0 "
    sql = bind(head + "ORDER BY embedding <-> :query LIMIT 10", ["query"])
    made = rewrite("R04", sql, "<->", COSINE)
    assert made is not None
    changes = [o for o in difflib.SequenceMatcher(None, sql, made, autojunk=False).get_opcodes() if o[0] != "equal"]
    assert [(sql[a:b], made[c:d]) for _, a, b, c, d in changes] == [("-", "=")]


@given(st.text("()[]'\"$%:;,.-<=>* \n1aSELCTFROMDRBY", max_size=60))
def test_no_text_makes_it_fail(sql: str) -> None:
    for text in (sql, f"SELECT {sql} ORDER BY a <=> b DESC {sql}"):
        for rule in ("R01", "R02", "R03", "R04", "R07", "R08", "R09", "R15", "R24"):
            assert rewrite(rule, text, None, PART) != text
        plain_distance(text)
        with_distance(text, "a <=> b")


def test_the_distance_of_the_rows_can_be_asked_for() -> None:
    sql = "SELECT id, embedding <=> %(q)s AS d FROM docs WHERE id > 3 ORDER BY d LIMIT 10"
    assert plain_distance(sql) == "embedding <=> %(q)s"
    added = ', embedding <=> %(q)s AS "the distance" FROM docs WHERE id > 3 ORDER BY d LIMIT 10'
    assert with_distance(sql, "embedding <=> %(q)s") == "SELECT id, embedding <=> %(q)s AS d" + added
    for other in (
        "SELECT id FROM docs ORDER BY 1 - (embedding <=> %(q)s) DESC",
        "SELECT id FROM docs ORDER BY embedding <=> %(q)s DESC",
        "SELECT * FROM (SELECT id FROM docs ORDER BY embedding <=> %(q)s LIMIT 3) x",
        "DELETE FROM docs",
    ):
        assert plain_distance(other) is None
    assert with_distance("SELECT DISTINCT id FROM docs ORDER BY embedding <=> %(q)s", "x") is None
    assert with_distance("SELECT avg(id) FROM docs GROUP BY e ORDER BY e <=> %(q)s", "x") is None


def test_what_the_order_is_by() -> None:
    found = order("SELECT id FROM docs ORDER BY (embedding OPERATOR(public.<=>) f(1, 2)) LIMIT 1")
    assert found is not None
    assert (found.distance.operator, found.distance.bare) == ("<=>", True)


def test_a_fix_that_says_all_is_its_own_cure() -> None:
    assert cure_in("SET LOCAL hnsw.iterative_scan = 'relaxed_order'") == Cure(
        (("hnsw.iterative_scan", "relaxed_order"),)
    )
    assert cure_in('REINDEX INDEX CONCURRENTLY public."50%"') == Cure(before=('REINDEX INDEX public."50%%"',))
    for fix in (None, "", "VACUUM docs", "SET LOCAL hnsw.max_scan_tuples higher", "SET LOCAL a = 1 shows it"):
        assert cure_in(fix) is None


def test_a_second_index_is_like_the_first() -> None:
    made = "CREATE INDEX ON public.docs USING hnsw"
    assert second_index(COSINE, "<->") == (f"{made} (embedding vector_l2_ops)",)
    assert second_index(HALF, "<#>") == (f"{made} ((embedding::halfvec(3)) halfvec_ip_ops)",)
    assert second_index(PART, "<->")[0].endswith("WHERE tenant < 400 OR content ~~ '5%%'::text")
    assert second_index(COSINE, "<~>") == ()
