from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pgvec_magic.cell import (
    Completion,
    ConnectRequest,
    EmbedRequest,
    LoadRequest,
    PanelRequest,
    SearchRequest,
    TablesRequest,
    complete,
    parse_connect,
    parse_embed,
    parse_health,
    parse_index,
    parse_load,
    parse_panel,
    parse_plan,
    parse_recall,
    parse_search,
    parse_sql,
    parse_tables,
    usage,
)
from pgvec_magic.cell.grammar import MAGICS
from pgvec_magic.errors import UsageError
from pgvec_magic.plan import read
from pgvec_magic.query import Search

VECTOR = np.ones(3, dtype=np.float32)
NAMES: dict[str, Any] = {
    "questions": ["read a file", "write a file"],
    "tenant": 3,
    "k": 7,
    "question": "why is it slow?",
    "name": "docs",
    "flt": "module = :module AND n_chars > :least",
    "module": "csv",
    "least": 100,
    "v": VECTOR,
    "ids": [3, "a,b"],
    "slow": object(),
    "number": np.int64(4),
    "scalar": np.array(4),
    "ratio": np.float32(0.5),
    "yes": True,
    "frame": [{"content": "x"}],
    "pages": [{"content": "y"}],
    "engine": object(),
    "settings": {"hnsw.ef_search": 200, "enable_seqscan": False},
    "columns": ["name", "kind"],
    "_hidden": 1,
}
LINE_MAGICS: dict[str, Any] = {
    "vconnect": parse_connect,
    "vtables": parse_tables,
    "vload": parse_load,
    "vembed": parse_embed,
    "vpanel": parse_panel,
    "vindex": parse_index,
    "vrecall": parse_recall,
    "vhealth": parse_health,
}


def search(line: str, body: str | None = None, **defaults: object) -> Search:
    return parse_search(line, body, NAMES, defaults).search


def refused(line: str, body: str | None = None) -> str:
    with pytest.raises(UsageError) as raised:
        parse_search(line, body, NAMES)
    return str(raised.value)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('docs -k 5 how do I "quote" this -k 3', 'how do I "quote" this -k 3'),
        ("docs don't use C:\\x or 'py' -- or --mode=hybrid", "don't use C:\\x or 'py' -- or --mode=hybrid"),
        ('docs "an exact phrase" and more', '"an exact phrase" and more'),
        ('docs "unbalanced', '"unbalanced'),
        ("docs   two  spaces   ", "two  spaces"),
        ("docs {code} $name %s :k :nobody", "{code} $name %s :k :nobody"),
        ("docs -- --mode is what?", "--mode is what?"),
        ("docs --", None),
        ("docs -5 degrees", "-5 degrees"),
        ("docs - a dash", "- a dash"),
        ("docs a;", "a"),
        ("docs a;;", "a;"),
        ("docs a ; ", "a"),
        ("-- docs -k 5", "-k 5"),
        ("docs --where active -- = 1", "= 1"),
        ("docs --where active is nullable or not?", "is nullable or not?"),
        ("docs --where active and then some", "and then some"),
    ],
)
def test_the_text_is_what_follows_untouched(line: str, text: str | None) -> None:
    if text is None:
        assert "give one thing to look for" in refused(line)
    else:
        assert search(line).text == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1))
def test_any_text_survives_the_line(text: str) -> None:
    assume(text == text.strip() and not text.endswith(";"))
    assert search(f"docs -k 5 -- {text}").text == text
    if not text.startswith("-"):
        assert search(f"docs -k 5 {text}") == search(f"docs -k 5 -- {text}")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\r\n"'), min_size=1))
def test_any_text_without_a_double_quote_survives_an_option(text: str) -> None:
    assume(text.strip())
    assert search(f'docs -q "{text}" -k 5') == Search(table="docs", text=text, k=5)
    assert search(f'docs -q="{text}"').text == text


def test_the_body_is_the_text() -> None:
    assert search("docs -k 3", 'line one;\n  -k 5 "two" :k\n') == Search(
        table="docs", text='line one;\n  -k 5 "two" :k', k=3
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-k 5", {"k": 5}),
        ("-k=5", {"k": 5}),
        ("-k5", {"k": 5}),
        ("-k :k", {"k": 7}),
        ("-k :number", {"k": 4}),
        ("--mode=hybrid --weights 0.6,0.4 --rrf-k 20", {"mode": "hybrid", "weights": (0.6, 0.4), "rrf_k": 20}),
        ('--weights "2, 1"', {"weights": (2.0, 1.0)}),
        ("--min-score -0.5", {"min_score": -0.5}),
        ("--min-score=-1e-3", {"min_score": -0.001}),
        ("--max-distance :ratio", {"max_distance": 0.5}),
        ("--exact", {"strategy": "exact"}),
        ("--strategy iterative", {"strategy": "iterative"}),
        ("--as-is", {"as_is": True}),
        ("--ef-search 100 --probes 5 --candidates 80", {"ef_search": 100, "probes": 5, "candidates": 80}),
        ("--column embedding --metric l2 --per module", {"column": "embedding", "metric": "l2", "per": "module"}),
        ("--columns name,kind --offset 10", {"columns": ("name", "kind"), "offset": 10}),
        ('--columns "name, My Kind"', {"columns": ("name", "My Kind")}),
        ("--columns :columns", {"columns": ("name", "kind")}),
        ("--language german", {"language": "german"}),
        ("--set hnsw.ef_search=5 --set=a.b=c=d", {"settings": (("hnsw.ef_search", "5"), ("a.b", "c=d"))}),
        ('--set "search_path=a, b"', {"settings": (("search_path", "a, b"),)}),
        ("--set a.b=:k --set a.c=:yes", {"settings": (("a.b", "7"), ("a.c", "on"))}),
        ("--set :settings", {"settings": (("hnsw.ef_search", "200"), ("enable_seqscan", "off"))}),
        ("--where active", {"where": ("active",)}),
        ("--where active --where \"module = 'csv file'\"", {"where": ("active", "module = 'csv file'")}),
        ('--where name="x"', {"where": ('name="x"',)}),
        ("--where n>5", {"where": ("n>5",)}),
        ('--where "a > 1 -- why"', {"where": ("a > 1 -- why",)}),
        ("--where module=:module", {"where": ("module=:module",), "params": {"module": "csv"}}),
        ("--where :flt", {"where": (NAMES["flt"],), "params": {"module": "csv", "least": 100}}),
        ('--where ":yes"', {"where": (":yes",), "params": {"yes": True}}),
        ("--where \"a LIKE ':k' AND b::int[1:2] = '{:k}'\"", {"where": ("a LIKE ':k' AND b::int[1:2] = '{:k}'",)}),
    ],
)
def test_options(options: str, expected: dict[str, Any]) -> None:
    wanted = Search(table="docs", text="find me", **expected)
    assert search(f"docs {options} find me") == wanted
    assert search(f"{options} docs find me") == wanted
    assert search(f"docs {options}", "find me\n") == wanted
    assert search(f"{options} :name -q :question").text == NAMES["question"]


def test_what_else_can_be_looked_for() -> None:
    assert search("docs --vector :v -k 3").vector is VECTOR
    assert search("docs --similar-to 42").similar_to == ("42",)
    assert search("docs --similar-to a,b").similar_to == ("a", "b")
    assert search("docs --similar-to :ids").similar_to == (3, "a,b")
    assert search("docs --similar-to :question").similar_to == (NAMES["question"],), "a text in a variable is one key"
    assert search("docs --similar-to :number").similar_to == (4,)
    assert search("docs --similar-to :scalar").similar_to == (np.array(4),)
    assert search("docs --similar-to :v").similar_to == (1.0, 1.0, 1.0)
    assert search('"My Docs" -q "two words"') == Search(table="My Docs", text="two words")
    assert search('docs -q ":k"').text == ":k", "in quotes it is a text"


def test_what_becomes_of_a_result() -> None:
    wanted = Search(table="docs", text="x")
    assert parse_search("docs -o hits -c shop --plot x", None, {}) == SearchRequest(wanted, "shop", "hits", plot=True)
    assert parse_search("docs --dry-run x;", None, {}) == SearchRequest(wanted, dry_run=True)


def test_defaults_fill_what_the_line_does_not_say() -> None:
    assert search("docs x", k=20, mode="hybrid") == Search(table="docs", text="x", k=20, mode="hybrid")
    assert search("docs -k 3 --mode keyword x", k=20, mode="hybrid") == Search(
        table="docs", text="x", k=3, mode="keyword"
    )
    assert search("docs --vector :v", mode="hybrid").mode == "vector", "a vector has no words"
    assert search("docs --exact x", strategy="ann").strategy == "exact"
    assert search("docs --as-is x", strategy="ann").strategy == "auto", "Postgres itself has no strategy"


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ("docs --where module = 'csv' read file", "docs --where \"module = 'csv'\" read file"),
        ("docs --where module='csv file' read", "docs --where \"module='csv file'\" read"),
        ("docs -k 3 --where module= 'csv' read", "docs -k 3 --where \"module= 'csv'\" read"),
        ("docs --where=module ='csv' read", "docs --where=\"module ='csv'\" read"),
        ("docs --where lower(module) = 'csv' AND n > 5 read", "docs --where \"lower(module) = 'csv' AND n > 5\" read"),
        ("docs --where deleted IS NOT NULL read", 'docs --where "deleted IS NOT NULL" read'),
        ("docs --where kind in ('a', 'b') read", "docs --where \"kind in ('a', 'b')\" read"),
        ("docs --where NOT done read", 'docs --where "NOT done" read'),
        ("docs --where n between 1 and 5", 'docs --where "n between 1" and 5'),
        ("docs --where name like 'a%' read", "docs --where \"name like 'a%'\" read"),
        ("docs --where x::int > 5 read", 'docs --where "x::int > 5" read'),
        ("docs --where tags @> ARRAY['a', 'b'] read", "docs --where \"tags @> ARRAY['a', 'b']\" read"),
        ("docs --where (a = 1 OR b = 2) read", 'docs --where "(a = 1 OR b = 2)" read'),
        ("docs --where d.a = :k read", 'docs --where "d.a = :k" read'),
        ("docs --where a = -5 read", 'docs --where "a = -5" read'),
        ("docs --where \"module\" = 'csv' read", "docs --where \"module = 'csv'\" read"),
        ("docs --where active OR deleted read", 'docs --where "active OR deleted" read'),
    ],
)
def test_an_unquoted_condition_is_shown_as_it_is_meant(line: str, corrected: str) -> None:
    assert f"write: %vsearch {corrected}\n" in refused(line) + "\n"
    assert parse_search(corrected, None, NAMES).search.where


def test_an_unquoted_condition_in_a_cell_or_with_quotes_of_its_own() -> None:
    message = refused("docs --where module = 'csv'", "read a file")
    assert message.endswith("write: %%vsearch docs --where \"module = 'csv'\"")
    assert "--where :condition" in refused('docs --where a = "b" read')
    assert "%vsearch docs --where active -- = 1" in refused("docs --where active = 1"), "it may be the text"
    assert " -- " not in refused("docs --where a='b c' d"), "this cannot be"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "%vsearch needs TABLE"),
        ("-k 5", "needs TABLE"),
        ("docs", "give one thing to look for"),
        ("docs --moed hybrid x", "no option --moed\ndid you mean '--mode'?\n"),
        ("docs -mode hybrid x", "did you mean '--mode'?"),
        ("docs --mod hybrid x", "no option --mod"),
        ("docs -x y", "there are: -q, -k, --mode, "),
        ("docs -x y", "--dry-run, -o, -c"),
        ("docs -x y", "%vsearch TABLE -- -x"),
        ("docs --help", "no option --help"),
        ("docs --mode hybird x", "--mode: 'hybird' is not one of vector, keyword, hybrid\ndid you mean 'hybrid'?"),
        ("docs --mode :module x", "--mode: 'csv' is not one of"),
        ("docs --metric manhattan x", "is not one of cosine, l2"),
        ("docs -k ten x", "-k: 'ten' is not a whole number"),
        ("docs -k 1.5 x", "-k: '1.5' is not a whole number"),
        ("docs -k ٣ x", "is not a whole number"),
        ("docs -k :yes x", "-k: :yes, True, is not a whole number"),
        ("docs -k :v x", "-k: :v, a ndarray, is not a whole number"),
        ("docs -k 0 x", "-k: 0 is not a whole number of 1 or more"),
        ("docs -k", "-k needs a value: -k N"),
        ("docs -k=", "-k needs a value"),
        ("docs -k= 5", "-k needs a value"),
        ("docs -k --mode hybrid x", "-k needs a value"),
        ("docs -q -k 5", "-q needs a value"),
        ("docs --min-score high x", "--min-score: 'high' is not a number"),
        ("docs --min-score nan x", "is not a number"),
        ("docs --min-score :yes x", "is not a number"),
        ("docs --weights 1 x", "two numbers"),
        ("docs --weights a,b x", "--weights: 'a,b' is not a number"),
        ("docs --columns a,,b x", "is not a list of names"),
        ("docs --columns :k x", "is not a list of names"),
        ("docs --set hnsw.ef_search x", "is not a setting such as hnsw.ef_search=100"),
        ("docs --set a.b=:nobody x", ":nobody: there is no variable"),
        ("docs -k 5 -k 6 x", "-k is given twice"),
        ("docs --exact=1 x", "--exact takes no value"),
        ("docs --exact --strategy ann x", "cannot both be"),
        ("docs --vector v", "--vector takes a notebook variable\nwrite --vector :name"),
        ("docs --vector", "--vector needs a value: --vector :v"),
        ("docs -k :kk x", ":kk: there is no variable 'kk'"),
        ("docs -q :questoin", "did you mean 'question'?"),
        ("docs -q :zzz", "there are: columns, engine, flt,"),
        (":nobody x", ":nobody: there is no variable"),
        (":k x", "TABLE: :k, 7, is not a text"),
        ("docs --where :k x", "--where: :k, 7, is not a text"),
        ('docs --where "module = :modul" x', ":modul: there is no variable 'modul'\ndid you mean 'module'?"),
        ('docs --where "" x', "--where: '' is not a text"),
        ('docs --where "-- a" x', "the condition is empty"),
        ("docs --where a;b x", "cannot hold a ;"),
        ('docs --where "1=1) OR (1=1" x', "closes nothing\nLINE 1: 1=1) OR (1=1\n           ^"),
        ("docs -o 1x x", "-o: '1x' is not a name that a Python variable can have"),
        ("docs -o class x", "is not a name"),
        ("docs -o a.b x", "is not a name"),
        ('docs -q "say "hi" now"', '-q: the " do not enclose the whole value'),
        ('docs -q "never closed', "do not enclose"),
        ('docs --columns a,"B c" x', "--columns: the \" do not enclose"),
        ("docs -q :question x", "two query texts"),
        ("docs --vector :v x", "give one thing to look for"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(line: str, message: str) -> None:
    assert message in refused(line)


def test_a_text_stands_in_one_place() -> None:
    assert "belongs below the %%vsearch line, not on it: read a file" in refused("docs read a file", "body")
    assert "two query texts, -q and 'body'" in refused("docs -q :question", " body\n")


def test_ipython_s_own_names_are_not_offered() -> None:
    with pytest.raises(UsageError) as raised:
        parse_search("docs -q :x", None, {"In": [], "_i": "", "get_ipython": 1})
    assert raised.value.hint is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ConnectRequest()),
        ("prod", ConnectRequest("prod")),
        ("postgresql://a:b%20c@h/d?x=y --name n", ConnectRequest("postgresql://a:b%20c@h/d?x=y", name="n")),
        ('"host=h dbname=d" --readonly', ConnectRequest("host=h dbname=d", readonly=True)),
        (":engine --create-extension", ConnectRequest(NAMES["engine"], create_extension=True)),
        ("--timeout 2.5;", ConnectRequest(timeout=2.5)),
        (
            "shop --role app --session app.tenant_id=:k --session app.user=ada",
            ConnectRequest("shop", role="app", session=(("app.tenant_id", "7"), ("app.user", "ada"))),
        ),
        ("--list", ConnectRequest(list=True)),
        ("--close prod", ConnectRequest(close="prod")),
    ],
)
def test_vconnect(line: str, expected: ConnectRequest) -> None:
    assert parse_connect(line, NAMES) == expected


@pytest.mark.parametrize(
    "line",
    ["--list --readonly", "prod --close prod", "--timeout x", "--nmae x", "a b", "--text x", "-o x"],
)
def test_vconnect_refuses(line: str) -> None:
    with pytest.raises(UsageError):
        parse_connect(line, NAMES)


@pytest.mark.parametrize(
    "line",
    [
        "postgresql://ada:se cret@h/d",
        'postgresql://ada:se"cret@h/d --timeout x',
        "--timeout postgresql://ada:secret@h/d",
        "--timeout password=secret",
        'host=h password=secret "dbname=d',
        "postgresql://ada:secret@h/d --secrt",
    ],
)
def test_no_message_repeats_a_password(line: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_connect(line, {})
    assert "cret" not in str(raised.value).replace("--secrt", "")


def test_a_request_does_not_show_a_password() -> None:
    assert "secret" not in repr(parse_connect("postgresql://ada:secret@h/d", {}))


def test_vtables() -> None:
    assert parse_tables("", {}) == TablesRequest()
    assert parse_tables("sales.docs -o found -c shop ;", {}) == TablesRequest("sales.docs", "shop", "found")
    with pytest.raises(UsageError, match="more words"):
        parse_tables("docs more", {})
    with pytest.raises(UsageError, match="no option -k"):
        parse_tables("docs -k 5", {})


def test_vload() -> None:
    assert parse_load("docs sample:pydocs", {}) == LoadRequest("docs", "sample:pydocs")
    assert parse_load(r"docs C:\x\y.csv;", {}) == LoadRequest("docs", r"C:\x\y.csv")
    assert parse_load('docs "my file.csv" --limit 10 -o n -c shop', {}) == LoadRequest(
        "docs", "my file.csv", {"limit": 10}, "shop", "n"
    )
    line = "docs :frame --text title,body --id slug --column v --embedder :question --on-conflict skip --replace"
    assert parse_load(line, NAMES) == LoadRequest(
        "docs",
        NAMES["frame"],
        {
            "text": ("title", "body"),
            "id": "slug",
            "column": "v",
            "embedder": NAMES["question"],
            "on_conflict": "skip",
            "replace": True,
        },
    )
    line = "docs a.csv --type halfvec --language german --chunk 256 --overlap 32"
    assert parse_load(line, {}) == LoadRequest(
        "docs", "a.csv", {"type": "halfvec", "language": "german", "chunk": 256, "overlap": 32}
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "needs TABLE"),
        ("docs", "needs SOURCE"),
        ("docs a b", "more words"),
        ("docs a --on-conflict ignore", "not one of update, skip, error"),
        ("docs a --chunks 5", "no option --chunks"),
        ("docs a --chunk five", "not a whole number"),
        ("docs a --type float", "not one of vector, halfvec, bit, sparsevec"),
        ("docs :nobody", ":nobody: there is no variable"),
    ],
)
def test_vload_refuses(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_load(line, NAMES)


def test_vembed() -> None:
    assert parse_embed("docs;", {}) == EmbedRequest("docs")
    line = 'docs --text title,body --column v --embedder :question --where "n > :k" --where published --type bit'
    assert parse_embed(f"{line} --language german -o n -c shop", NAMES) == EmbedRequest(
        "docs",
        {
            "text": ("title", "body"),
            "column": "v",
            "embedder": NAMES["question"],
            "where": ("n > :k", "published"),
            "params": {"k": 7},
            "type": "bit",
            "language": "german",
        },
        "shop",
        "n",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "needs TABLE"),
        ("docs --where n > 5", "more words"),
        ('docs --where "n > :nobody"', ":nobody: there is no variable"),
        ("docs --chunk 5", "no option --chunk"),
    ],
)
def test_vembed_refuses(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_embed(line, NAMES)


def test_vsql() -> None:
    body = "SELECT 1 WHERE m = :module AND d = ':k' -- :nobody\nORDER BY e <=> :query;\nVACUUM"
    asked = parse_sql("docs -q :question --set a.b=:k -o hits -c shop", body, NAMES)
    assert (asked.text, asked.output, asked.connection) == (body, "hits", "shop")
    assert asked.options == {
        "table": "docs",
        "query": NAMES["question"],
        "settings": (("a.b", "7"),),
        "params": {"module": "csv"},
    }
    assert parse_sql("--vector :v", "SELECT :query", NAMES).options == {"vector": VECTOR, "params": {}}
    assert parse_sql("", "SELECT 1;", {}).options == {"params": {}}, "a ; in SQL is SQL's"


@pytest.mark.parametrize(
    ("line", "body", "message"),
    [
        ("docs SELECT 1", "SELECT 1", "stands in the cell"),
        ("docs", None, "stands in the cell"),
        ("", "SELECT :modul", "did you mean 'module'"),
        ("--where x", "SELECT 1", "no option --where"),
    ],
)
def test_vsql_refuses(line: str, body: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_sql(line, body, NAMES)


@pytest.mark.parametrize("magic", MAGICS)
def test_the_help_shows_every_option_and_examples_that_work(magic: str) -> None:
    shown = usage(magic)
    words = " ".join(shown.split())
    assert all(f"  {option.name} " in shown and option.help in words for option in MAGICS[magic].options)
    assert max(map(len, shown.partition("Examples:")[0].splitlines())) <= 79
    assert max(map(len, shown.splitlines())) <= 120
    assert 3 <= len(MAGICS[magic].examples) <= 7
    for example in MAGICS[magic].examples:
        call, newline, body = example.partition("\n")
        name, _, line = call.lstrip("%").partition(" ")
        assert name == magic
        assert call.startswith("%%") == bool(newline)
        if magic in ("vsearch", "vsql"):
            {"vsearch": parse_search, "vsql": parse_sql}[magic](line, body if newline else None, NAMES)
        elif magic == "vplan":
            assert read(parse_plan(line, body, NAMES).text).nodes
        else:
            LINE_MAGICS[magic](line, NAMES)
        assert all(part in shown for part in example.splitlines())


def test_recall_is_read_with_its_lists_and_its_variables() -> None:
    line = 'docs -k 5 --queries 50 --ef-search 10,40 --index a,b --where "t = :tenant" --apply role -o c'
    asked = parse_recall(line, NAMES)
    assert (asked.table, asked.apply, asked.output) == ("docs", "role", "c")
    assert asked.options == {
        "k": 5,
        "queries": 50,
        "ef_search": (10, 40),
        "index": ("a", "b"),
        "where": ("t = :tenant",),
        "params": {"tenant": 3},
    }
    assert parse_recall("docs --queries history --probes 4", NAMES).options == {"queries": "history", "probes": (4,)}
    assert parse_recall("docs --queries :questions", NAMES).options["queries"] is NAMES["questions"]
    for wrong in ("docs --queries some", "docs --ef-search 10,x", "docs --apply everywhere", "--target 0.9"):
        with pytest.raises(UsageError):
            parse_recall(wrong, NAMES)


def test_every_option_goes_somewhere() -> None:
    taken = {option.field for option in MAGICS["vsearch"].options}
    fields = set(Search.__dataclass_fields__) | set(SearchRequest.__dataclass_fields__)
    assert taken - {"exact"} == fields - {"table", "params", "search"}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", Completion("table")),
        ("do", Completion("table", "do")),
        ("-c ", Completion("connection")),
        ("-k 5 do", Completion("table", "do")),
        ("docs ", Completion("nothing", table="docs")),
        ("docs --mo", Completion("option", "--mo", ("--mode",), "docs")),
        ("docs --mode=hybrid --me", Completion("option", "--me", ("--metric",), "docs")),
        ("docs --mode hybrid --mo", Completion("option", "--mo", (), "docs")),
        ("docs --where a --whe", Completion("option", "--whe", ("--where",), "docs")),
        ("docs --mode ", Completion("choice", "", ("vector", "keyword", "hybrid"), "docs")),
        ("docs --mode=hy", Completion("choice", "hy", ("hybrid",), "docs")),
        ("docs --mode hybrid --metric l", Completion("choice", "l", ("l2", "l1"), "docs")),
        ("docs --columns name,ki", Completion("column", "ki", (), "docs")),
        ('"My Docs" --per ', Completion("column", "", (), "My Docs")),
        ("docs --where \"module = 'a b' AND na", Completion("column", "na", (), "docs")),
        ('docs --where="a b', Completion("column", "b", (), "docs")),
        ('docs --where "a > :le', Completion("variable", "le", (), "docs")),
        ("docs --vector :", Completion("variable", "", (), "docs")),
        ("docs --vector ", Completion("variable", "", (), "docs")),
        ("docs -k :nu", Completion("variable", "nu", (), "docs")),
        ("docs -k ", Completion("nothing", "", (), "docs")),
        ("docs -o hits x", Completion("nothing", table="docs")),
        ("docs read --mo", Completion("nothing", table="docs")),
        ("docs -- --mo", Completion("nothing", table="docs")),
        (":na", Completion("variable", "na")),
    ],
)
def test_completion(before: str, expected: Completion) -> None:
    assert complete("vsearch", before) == expected


def test_completion_of_the_other_magics() -> None:
    assert complete("vconnect", "pr") == Completion("connection", "pr")
    assert complete("vconnect", "--cl") == Completion("option", "--cl", ("--close",))
    assert complete("vload", "docs sam") == Completion("source", "sam", (), "docs")
    assert complete("vload", "docs a.csv --embedder ") == Completion("embedder", "", (), "docs")
    assert complete("vload", "docs a.csv b") == Completion("nothing", "", (), "docs")
    assert complete("vindex", "re") == Completion("choice", "re", ("reindex",))
    assert complete("vhealth", "--f") == Completion("option", "--f", ("--fix",))
    assert complete("vhealth", "do") == Completion("table", "do")
    assert complete("vindex", "build do") == Completion("table", "do")
    assert complete("vindex", "build docs --method i") == Completion("choice", "i", ("ivfflat",), "docs")


@given(st.text(st.sampled_from("docs -k=\"' :,qv5"), max_size=20), st.sampled_from(sorted(MAGICS)))
def test_completion_is_never_at_a_loss(before: str, magic: str) -> None:
    assert before.endswith(complete(magic, before).fragment)


def test_a_panel_is_named_and_shows_a_table_or_what_a_variable_holds() -> None:
    assert parse_panel("plan", NAMES) == PanelRequest("plan")
    assert parse_panel('plan "my docs" -c shop -o kept;', NAMES) == PanelRequest("plan", "my docs", "shop", "kept")
    assert parse_panel("plan :slow", NAMES).about is NAMES["slow"]
    with pytest.raises(UsageError, match="'map' is not one of plan"):
        parse_panel("map docs", NAMES)
    with pytest.raises(UsageError, match="needs PANEL"):
        parse_panel("", NAMES)
    assert [complete("vpanel", start).candidates for start in "pi"] == [("plan",), ("index",)]
    assert (complete("vpanel", "plan do").kind, complete("vpanel", "plan do").fragment) == ("table", "do")
