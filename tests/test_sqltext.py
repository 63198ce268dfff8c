from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgvec_magic.errors import UsageError
from pgvec_magic.sqltext import (
    bind,
    caret,
    check_condition,
    check_identity,
    check_readonly,
    check_session,
    check_setting,
    command,
    placeholders,
    quote_ident,
    quote_literal,
    quote_qualified,
    statements,
    tokens,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection

# Pieces that open, close or look like something; glued together they make the texts that break hand-made parsers.
EVIL = (
    "'", "''", "\\", "\\'", '"', '""', "$", "$$", "$a$", "$1", "E'", "e'", "U&'", 'u&"', "b'", "x'1f'", "N'",
    "--", "/*", "*/", "\n", " ", ";", ":", "::", ":=", ":a", ":b", "a", "é", "🙂", "\u00a0", "%", "%%", "%(a)s",
    "1", "1.5e3", "0xff", ".", "(", ")", "[", "]", ",", "=", "-", "/", "*", "<<", "->>", "and", "json_object", "as",
)  # fmt: skip
evil_sql = st.lists(st.sampled_from(EVIL), max_size=25).map("".join)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def kinds(sql: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokens(sql) if token.kind != "space"]


@given(evil_sql | any_text)
@example("'a'\n'b")
def test_tokens_cover_the_text_without_a_gap(sql: str) -> None:
    found = tokens(sql)
    assert "".join(token.text for token in found) == sql
    assert [token.start for token in found] == [0, *(token.end for token in found)][: len(found)]
    assert all(token.text == sql[token.start : token.end] for token in found)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("'it''s'", [("string", "'it''s'")]),
        (r"'\' x", [("string", r"'\'"), ("word", "x")]),
        (r"E'\'' x", [("string", r"E'\''"), ("word", "x")]),
        ("E'\\' '", [("string", "E'\\' '")]),
        ("U&'\\0041' b'01' X'ff'", [("string", "U&'\\0041'"), ("string", "b'01'"), ("string", "X'ff'")]),
        ("b'01''1'", [("string", "b'01'"), ("string", "'1'")]),
        ("'a'\n  -- why\n '\\'", [("string", "'a'\n  -- why\n '\\'")]),
        ("E'a'\n'\\''", [("string", "E'a'\n'\\''")]),
        ("'a' 'b'", [("string", "'a'"), ("string", "'b'")]),
        ("type'x'", [("word", "type"), ("string", "'x'")]),
        ('"we;ird""x" U&"d\\0061"', [("name", '"we;ird""x"'), ("name", 'U&"d\\0061"')]),
        ("$$ :x $$ $a1$ $$ $b$ $a1$", [("string", "$$ :x $$"), ("string", "$a1$ $$ $b$ $a1$")]),
        ("a$b$ $1 $$x$$", [("word", "a$b$"), ("parameter", "$1"), ("string", "$$x$$")]),
        ("-- 'it' /*\n1", [("comment", "-- 'it' /*"), ("number", "1")]),
        ("/* a /* b */ ' */ 1", [("comment", "/* a /* b */ ' */"), ("number", "1")]),
        ("größe ::int", [("word", "größe"), ("punctuation", "::"), ("word", "int")]),
        ("a := 1..2", [("word", "a"), ("punctuation", ":="), ("number", "1"), ("punctuation", ".."), ("number", "2")]),
        ("1.5e-3 .5 0xFF 1_000", [("number", n) for n in ("1.5e-3", ".5", "0xFF", "1_000")]),
        ("a<=>b", [("word", "a"), ("operator", "<=>"), ("word", "b")]),
        ("1+/* x */2", [("number", "1"), ("operator", "+"), ("comment", "/* x */"), ("number", "2")]),
        ("1---2", [("number", "1"), ("comment", "---2")]),
        ("a\u00a0b 🙂", [("word", "a\u00a0b"), ("word", "🙂")]),
        ("{\0", [("other", "{"), ("other", "\0")]),
    ],
)
def test_kinds_of_tokens(sql: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(sql) == expected


@pytest.mark.parametrize(
    "opened",
    [
        "'a''",
        r"E'\'",
        "U&'a",
        "b'01",
        '"a',
        'U&"a',
        "$$ a",
        "$a$ $$ $b$",
        "/* /* */",
        "E'a'\n'\\'",
        "'a'\n'b",
        "b'0'\n'1",
    ],
)
def test_what_is_never_closed_runs_to_the_end(opened: str) -> None:
    assert kinds(f"x = {opened} ; -- ")[-1] == ("unterminated", f"{opened} ; -- ")


@pytest.mark.parametrize(
    "piece",
    ["''", r"\'", "$a", "$a$$b$", "/*", "-- \n", "'a'\n", "'a' ", '""', "+-", "1_", "E'\\", "'a'--\n", " ", "é"],
)
def test_the_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        sql = "'" * (piece == "''") + piece * (length // len(piece))
        started = time.perf_counter()
        tokens(sql)
        return time.perf_counter() - started

    short = min(seconds(1_000) for _ in range(3))
    assert min(seconds(16_000) for _ in range(3)) < 16 * 8 * short + 0.01


def test_a_megabyte_of_text_is_one_token() -> None:
    sql = "'" + "it''s 🙂 " * 130_000 + "'"
    started = time.perf_counter()
    assert [token.kind for token in tokens(sql)] == ["string"]
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("docs", "docs"),
        ("_x1", "_x1"),
        ("Docs", '"Docs"'),
        ("my docs", '"my docs"'),
        ('a"b', '"a""b"'),
        ("1a", '"1a"'),
        ("select", '"select"'),
        ("user", '"user"'),
        ("left", '"left"'),
        ("name", "name"),
        ("a$b", '"a$b"'),
        ("größe", '"größe"'),
        ("a.b", '"a.b"'),
        ("a\n", '"a\n"'),
    ],
)
def test_identifiers_are_quoted_where_they_must_be(name: str, quoted: str) -> None:
    assert quote_ident(name) == quoted


@given(any_text.filter(lambda text: text and "\0" not in text))
def test_a_quoted_identifier_is_one_token_and_means_its_name(name: str) -> None:
    (token,) = tokens(quote_ident(name))
    assert (token.text[1:-1].replace('""', '"') if token.kind == "name" else token.text) == name


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_cannot_be_an_identifier(name: str) -> None:
    with pytest.raises(UsageError):
        quote_ident(name)


def test_qualified_names_are_quoted_part_by_part() -> None:
    assert quote_qualified("public", "My Docs") == 'public."My Docs"'


@given(any_text.filter(lambda text: "\0" not in text))
@example("it's \\ '")
def test_a_literal_is_one_string_and_means_its_text(text: str) -> None:
    literal = quote_literal(text)
    assert kinds(literal) == [("string", literal)]
    body = literal[literal.index("'") + 1 : -1].replace("''", "'")
    assert (body.replace("\\\\", "\\") if literal.startswith("E") else body) == text
    assert literal.startswith("E") == ("\\" in text)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("a = :x AND b = :y AND c = :x", ("x", "y")),
        ("a=:x", ("x",)),
        ("(:x)", ("x",)),
        ("a < :größe", ("größe",)),
        ("':x' || E'\\':x' || $$ :x $$ || $a$:x$a$", ()),
        ('":x"', ()),
        ("-- :x\n/* :x /* :x */ */ 1", ()),
        ("a::int", ()),
        (":x::int", ("x",)),
        ("x := :y", ("y",)),
        ("a = :1", ()),
        ("a : b", ()),
        ("""data = '{"a": ":x", "b":true}'""", ()),
        ("'{{1,2},{3,4}}'", ()),
        ("arr[1:2]", ()),
        ("arr[1:n]", ()),
        ("arr[a:b]", ()),
        ("arr[f(1):b]", ()),
        ("arr[value:b]", ()),
        ("arr[ x[1] : b]", ()),
        ("arr['a':b]", ()),
        ("arr[$1:b]", ()),
        ("arr[: n]", ()),
        ("arr[1: :n]", ("n",)),
        ("arr[:n]", ("n",)),
        ("arr[:lo : :hi]", ("lo", "hi")),
        ("arr[f(:x):b]", ("x",)),
        ("arr[CASE WHEN :x THEN 1 ELSE :y END]", ("x", "y")),
        ("tags && ARRAY[:a, :b]", ("a", "b")),
        ("tags && ARRAY[[:a], [:b]]", ("a", "b")),
        ("data[:key] = :value", ("key", "value")),
        ("json_object('k':v)", ()),
        ("json_object('k': v, 'l' :w)", ()),
        ("JSON_OBJECT('k' VALUE :v)", ("v",)),
        ("json_object('k': :v)", ("v",)),
        ("json_object(:k:v)", ("k",)),
        ("f('k', :v) AND (a :b)", ("v", "b")),
        ("a << :x AND b -> ':y' ->> :y", ("x", "y")),
        ("]) :x", ("x",)),
    ],
)
def test_where_a_name_is_a_variable(sql: str, names: tuple[str, ...]) -> None:
    assert placeholders(sql) == names


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("a = :x", "a = %(x)s"),
        ("a LIKE '50%' AND b % 3 = :x -- 100%", "a LIKE '50%%' AND b %% 3 = %(x)s -- 100%%"),
        ("a = '%(x)s' AND b = '%s'", "a = '%%(x)s' AND b = '%%s'"),
        (":x::vector", "%(x)s::vector"),
        ("LIMIT:x", "LIMIT %(x)s"),
        ("E:x", "E %(x)s"),
        (":x:y", "%(x)s %(y)s"),
        (":y'a'", "%(y)s 'a'"),
        ("'a':x", "'a' %(x)s"),
        ("a-:x", "a-%(x)s"),
    ],
)
def test_binding(sql: str, bound: str) -> None:
    assert bind(sql, {"x", "y"}) == bound


class Named(dict[str, Any]):
    """What psycopg2 does with named parameters, with each value written as its own placeholder."""

    def __missing__(self, name: str) -> str:
        return f":{name}"


@given(evil_sql)
@example("'%' :a %")
def test_binding_changes_variables_and_percent_signs_alone(sql: str) -> None:
    bound = bind(sql, placeholders(sql))
    assert (bound % Named()).replace(" ", "") == sql.replace(" ", "")
    for kind, text in kinds(sql):
        assert kind not in ("string", "comment", "name") or text.replace("%", "%%") in bound


def test_an_undefined_variable_is_named_with_the_closest_one() -> None:
    with pytest.raises(UsageError, match=r":modul\b.*\n.*'module'"):
        bind("m = :modul", {"module": 1, "k": 2})
    with pytest.raises(UsageError) as raised:
        bind("m = :x", {"_i1": "", "In": [], "get_ipython": None})
    assert raised.value.hint is None, "IPython's own names are no help"


ACCEPTED = [
    "module = 'csv'",
    "(a = 1) OR b[1:2] = ARRAY[1]",
    "a = ';' -- ends here",
    "a = 1 /* ; /* ) */ */",
    "a = $$ ; ) $$ AND \"we;ird)\" = E'\\';'",
    "EXISTS (SELECT FROM t WHERE t.id = docs.id)",
    'data @> \'{"a": ")"}\'',
    "tags = '{{1,2},{3,4}}'",
    "a << b AND c ->> 'd' = 'e' AND f % 2 = 0",
    "title = '" + "x" * 1_000_000 + "'",
    "größe > 1 AND mood = '🙂'",
]
REFUSED = [
    ("", "empty"),
    (" \n\t", "empty"),
    ("-- nothing", "empty"),
    ("/* nothing */", "empty"),
    ("a = 1; DROP TABLE docs", "cannot hold a ;"),
    ("1=1); COMMIT; CREATE TABLE x (a int", "closes nothing"),
    ("1=1) OR (1=1", "closes nothing"),
    ("(a = 1", "never closed"),
    ("a[1", "never closed"),
    ("a = (1]", "closes nothing"),
    ("a = 'b", "quote is never closed"),
    ("a = E'b\\'", "quote is never closed"),
    ("a = $$b", "quote is never closed"),
    ('a = "b', "quote is never closed"),
    ("a = 1 /* /* */", "comment is never closed"),
    ("E'a'\n'\\'' ; COMMIT; --'", "cannot hold a ;"),
    ("a = 'b\0c'", "NUL"),
]


@pytest.mark.parametrize("sql", ACCEPTED, ids=lambda sql: sql[:30])
def test_conditions_that_stand_alone(sql: str) -> None:
    check_condition(sql)
    assert len(statements(f"SELECT 1 WHERE (\n{sql}\n)")) == 1


@pytest.mark.parametrize(("sql", "message"), REFUSED)
def test_conditions_that_do_not(sql: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_condition(sql)


def test_a_refused_condition_shows_its_place() -> None:
    with pytest.raises(UsageError) as raised:
        check_condition("a = 1 AND\nb = 2; DROP TABLE docs")
    assert raised.value.message.endswith("LINE 2: b = 2; DROP TABLE docs\n             ^")


def stands_alone(condition: str) -> bool:
    """Whether the brackets of ``SELECT 1 WHERE (\\n…\\n)`` pair up as they were written, and it is one statement."""
    whole = f"SELECT 1 WHERE (\n{condition}\n)"
    opened: list[int] = []
    for token in tokens(whole):
        if token.kind == "unterminated" or token.text == ";":
            return False
        if token.text in ("(", "["):
            opened.append(token.start)
        if token.text in (")", "]"):
            if not opened or whole[opened[-1]] + token.text not in ("()", "[]"):
                return False
            if opened.pop() == whole.index("(") and token.end != len(whole):
                return False
    return not opened and "\0" not in whole


@given(evil_sql)
@example("1=1) OR (1=1")
@example("'a'\n'b")
def test_a_condition_is_accepted_just_when_it_stays_between_its_parentheses(sql: str) -> None:
    empty = all(token.kind in ("space", "comment") for token in tokens(sql))
    try:
        check_condition(sql)
    except UsageError:
        assert empty or not stands_alone(sql)
    else:
        assert not empty
        assert stands_alone(sql)
        assert statements(f"SELECT 1 WHERE (\n{sql}\n)") == (f"SELECT 1 WHERE (\n{sql}\n)",)


BODY = """CREATE OR REPLACE FUNCTION f(a int) RETURNS int
BEGIN ATOMIC
  SELECT CASE WHEN a > 1 THEN (SELECT CASE a WHEN 2 THEN 1 END) ELSE 2 END;
  SELECT 1 AS end; SELECT t.case FROM t;
END"""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", ("SELECT 1",)),
        (" SELECT 1 ;; \n SELECT 2; -- done\n", ("SELECT 1", "SELECT 2")),
        ("SELECT ';'; SELECT $$;$$; SELECT \";\"", ("SELECT ';'", "SELECT $$;$$", 'SELECT ";"')),
        ("/*+ Seq(t) */ SELECT 1 /* ; */; -- ;\nSELECT 2", ("/*+ Seq(t) */ SELECT 1 /* ; */", "-- ;\nSELECT 2")),
        ("-- only\n; /* this */", ()),
        ("", ()),
        (f"SELECT 1; {BODY}; SELECT 2", ("SELECT 1", BODY, "SELECT 2")),
        ("CREATE PROCEDURE p() BEGIN ATOMIC; END; SELECT 1", ("CREATE PROCEDURE p() BEGIN ATOMIC; END", "SELECT 1")),
        ("BEGIN; SELECT 1; END", ("BEGIN", "SELECT 1", "END")),
        ("SELECT begin atomic; SELECT 1", ("SELECT begin atomic", "SELECT 1")),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
         ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3")),
        ("SELECT 1); SELECT 2", ("SELECT 1)", "SELECT 2")),
        ("CREATE FUNCTION f() RETURNS int AS $$ SELECT 1; $$ LANGUAGE sql; SELECT 2",
         ("CREATE FUNCTION f() RETURNS int AS $$ SELECT 1; $$ LANGUAGE sql", "SELECT 2")),
        ("SELECT E'a'\n'\\''; SELECT 2", ("SELECT E'a'\n'\\''", "SELECT 2")),
        ("\u00a0; SELECT 1", ("\u00a0", "SELECT 1")),
    ],
)  # fmt: skip
def test_statements(sql: str, expected: tuple[str, ...]) -> None:
    assert statements(sql) == expected


@given(evil_sql)
def test_splitting_loses_nothing_and_is_done_at_once(sql: str) -> None:
    try:
        found = statements(sql)
    except UsageError:
        return
    code = "".join(text for kind, text in kinds(sql) if kind != "comment" and text != ";")
    split = "".join(text for piece in found for kind, text in kinds(piece) if kind != "comment" and text != ";")
    assert split == code
    assert all({kind for kind, _ in kinds(piece)} - {"comment"} for piece in found)


@pytest.mark.parametrize("sql", ["SELECT 'a; SELECT 1", "SELECT 1 /* ;", "SELECT $a$ ; $b$", "SELECT 'a\0'"])
def test_statements_that_are_left_open_are_refused(sql: str) -> None:
    with pytest.raises(UsageError):
        statements(sql)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("select 1", "SELECT"),
        ("/* a */ -- b\n ((SELECT 1) UNION SELECT 2)", "SELECT"),
        ("prepare  /* x */ transaction 'a'", "PREPARE TRANSACTION"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("commit prepared 'a'", "COMMIT PREPARED"),
        ("COMMIT", "COMMIT"),
        ("start transaction", "START TRANSACTION"),
        ("EXPLAIN (ANALYZE) SELECT 1", "EXPLAIN"),
        ("VALUES(1)", "VALUES"),
        ("'a'", ""),
        ("", ""),
    ],
)
def test_the_command_of_a_statement(sql: str, name: str) -> None:
    assert command(sql) == name


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ROLLBACK TO a", "ABORT", "SAVEPOINT a", "RELEASE a",
        "PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "ROLLBACK PREPARED 'a'", "SET a = 1", "RESET ALL",
        "SET LOCAL transaction_read_only = off", "DISCARD ALL", "CALL f()", "DO $$ BEGIN END $$",
        "-- hidden\n/* /* */ */ commit", "COPY docs TO PROGRAM 'cat'", "COPY (SELECT 1) TO '/tmp/x'",
        "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "EXPLAIN (ANALYZE, VERBOSE) SELECT 1 INTO x",
    ],
)  # fmt: skip
def test_read_only_connections_refuse(sql: str) -> None:
    with pytest.raises(UsageError, match="read-only"):
        check_readonly(sql)


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN ANALYZE SELECT 'create into'", "SHOW work_mem",
     "PREPARE p AS SELECT 1", "VALUES (1)", "TABLE docs", "INSERT INTO docs VALUES (1)"],
)  # fmt: skip
def test_read_only_connections_leave_the_rest_to_the_server(sql: str) -> None:
    check_readonly(sql)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("hnsw.ef_search", "100", ("hnsw.ef_search", "100")),
        (" HNSW.EF_SEARCH ", " 1000 ", ("hnsw.ef_search", "1000")),
        ("hnsw.iterative_scan", "Strict_Order", ("hnsw.iterative_scan", "'Strict_Order'")),
        ("hnsw.scan_mem_multiplier", "1.5", ("hnsw.scan_mem_multiplier", "1.5")),
        ("hnsw.max_scan_tuples", "2147483647", ("hnsw.max_scan_tuples", "2147483647")),
        ("ivfflat.probes", "32768", ("ivfflat.probes", "32768")),
        ("work_mem", "64MB", ("work_mem", "'64MB'")),
        ("enable_seqscan", "off", ("enable_seqscan", "'off'")),
        ("seed", "-0.5", ("seed", "-0.5")),
        ("my.setting", "007", ("my.setting", "'007'")),
        ("my.user", "-1.50", ('my."user"', "-1.50")),
        ("my.setting", "it's; COMMIT", ("my.setting", "'it''s; COMMIT'")),
        ("my.setting", "a\\", ("my.setting", "E'a\\\\'")),
        ("search_path", '"$user", public', ("search_path", "'$user', 'public'")),
        ("hnsw.of_another_version", "1", ("hnsw.of_another_version", "1")),
    ],
)
def test_settings(name: str, value: str, expected: tuple[str, str]) -> None:
    assert check_setting(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hnsw.ef_search", "0", "out of range.*\n.*1 to 1000"),
        ("hnsw.ef_search", "1001", "out of range"),
        ("hnsw.ef_search", "ten", "out of range"),
        ("hnsw.ef_search", "1.5", "out of range"),
        ("hnsw.ef_search", "٣", "out of range"),
        ("hnsw.max_scan_tuples", "2147483648", "out of range"),
        ("hnsw.scan_mem_multiplier", "0.5", "out of range"),
        ("ivfflat.probes", "32769", "out of range"),
        ("ivfflat.max_probes", "0", "out of range"),
        ("ivfflat.iterative_scan", "strict_order", "not one of off, relaxed_order"),
        ("hnsw.iterative_scan", "relaxed", "\n.*did you mean 'relaxed_order'"),
        ("hnsw.ef_serach", "100", "did you mean 'hnsw.ef_search'"),
        ("transaction_read_only", "off", "cannot be set"),
        ("TRANSACTION_ISOLATION", "serializable", "cannot be set"),
        ("default_transaction_read_only", "off", "cannot be set"),
        ("Role", "postgres", "cannot be set"),
        ("session_authorization", "postgres", "cannot be set"),
        ("is_superuser", "on", "cannot be set"),
        ("standard_conforming_strings", "off", "cannot be set"),
        ("client_encoding", "sjis", "cannot be set"),
        ("work_mem = 1; COMMIT; --", "1", "not the name"),
        ('"role"', "postgres", "not the name"),
        ("", "1", "not the name"),
        ("my.setting", "a\0", "NUL"),
    ],
)
def test_settings_that_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_setting(name, value)


def test_a_session_s_settings_keep_their_value_to_the_letter() -> None:
    assert check_session(" App.Tenant ", " 007 ") == ("app.tenant", "' 007 '")
    assert check_session("app.user", "it's\\") == ('app."user"', "E'it''s\\\\'")
    assert check_session("search_path", '"$user", tenant_7') == ("search_path", "'$user', 'tenant_7'")


@pytest.mark.parametrize(
    "name",
    ["role", "transaction_read_only", "session_authorization", "client_encoding", "work_mem", "hnsw.ef_search",
     "ivfflat.probes", "a b", "", "statement_timeout"],
)  # fmt: skip
def test_what_a_session_may_not_set(name: str) -> None:
    with pytest.raises(UsageError, match="--session"):
        check_session(name, "1")


FIXED = ("app.tenant", 'app."user"')


@pytest.mark.parametrize(
    "sql",
    ["RESET ROLE", "set local role x", "SET SESSION ROLE x", "SET \"role\" TO x", "SET SESSION AUTHORIZATION x",
     "SET LOCAL SESSION AUTHORIZATION x", "RESET ALL", "DISCARD ALL", "SET app.tenant = 1", "SET App . User TO 1",
     "RESET app.\"user\"", "SELECT set_config('app.tenant', '1', true)", "SELECT 1; SET ROLE x", "SELECT 1; COMMIT",
     "BEGIN; SELECT 1", "ROLLBACK; SELECT 1", "WITH a AS (SELECT pg_catalog.set_config( 'Role', 'x', false)) TABLE a"],
)  # fmt: skip
def test_what_would_change_who_one_is(sql: str) -> None:
    with pytest.raises(UsageError, match="refused"):
        check_identity(sql, FIXED)


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'SET ROLE x'", "SET work_mem = 1", "SET LOCAL app.tenants = 1", "SET SESSION CHARACTERISTICS AS x",
     "BEGIN", "COMMIT", "ROLLBACK TO s", "SELECT 1; SELECT 2", "DISCARD PLANS", "SELECT role FROM t", "-- SET ROLE x",
     "SELECT set_config(name, '1', true) FROM t", "ALTER ROLE x SET app.tenant = 1", "SET", "RESET", ""],
)  # fmt: skip
def test_what_leaves_one_who_one_is(sql: str) -> None:
    check_identity(sql, FIXED)


@pytest.mark.parametrize(
    ("sql", "position", "expected"),
    [
        ("SELECT x", 7, "LINE 1: SELECT x\n               ^"),
        ("SELECT 1,\n\tx,\n2", 11, "LINE 2:  x,\n         ^"),
        ("SELECT", 99, "LINE 1: SELECT\n              ^"),
        ("", 0, "LINE 1: \n        ^"),
        ("SELECT '漢字', x", 13, "LINE 1: SELECT '漢字', x\n" + " " * 23 + "^"),
        ("SELECT 'e\u0301', x", 13, "LINE 1: SELECT 'e\u0301', x\n" + " " * 20 + "^"),
        ("a\x1b[31mb", 6, "LINE 1: a [31mb\n              ^"),
    ],
)
def test_the_caret_stands_below_its_place(sql: str, position: int, expected: str) -> None:
    assert caret(sql, position) == expected


def test_a_long_line_is_cut_around_the_caret() -> None:
    line, mark = caret("SELECT '" + "x" * 1_000_000 + "' = here, " + "y" * 1_000, 1_000_012).split("\n")
    assert len(line) < 115
    assert line[len(mark) - 1 :].startswith("here")
    assert line.startswith("LINE 1: …")
    assert line.endswith("…")
    assert caret("x" * 1000, 1000) == "LINE 1: …" + "x" * 100 + "\n" + " " * 109 + "^"


def results(raw: connection, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def test_the_server_quotes_the_same_words(raw: connection) -> None:
    words = "SELECT word, quote_ident(word) FROM pg_get_keywords()"
    differ = {word for word, quoted in results(raw, words) if quoted != quote_ident(word)}
    assert differ <= {"json"}, "json needs quotes from 17 on"


def test_values_arrive_as_they_are(raw: connection) -> None:
    values = {"a": 1, "minus": -2, "text": "it's \\ 100% :a %(a)s 🙂"}
    sql = """SELECT '50% %(a)s %s', :text::text, (ARRAY[10,20,30])[:a], (ARRAY[1,2,3])[1:2], ARRAY[:a, 1-:minus], 5 % 3,
                    (ARRAY[1,2,3])[:a : :a], '{"k": ":text"}'::jsonb ->> 'k', $$ :a $$ -- :a 100%"""
    expected = ("50% %(a)s %s", values["text"], 10, [1, 2], [1, 3], 2, [1], ":text", " :a ")
    assert results(raw, bind(sql, values), values) == [expected]


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_literals_mean_their_text_to_the_server(raw: connection, conforming: str) -> None:
    results(raw, f"SET standard_conforming_strings = {conforming}; SET escape_string_warning = off")
    for text in ("it's", "\\", "a\\'b", "'; DROP TABLE x; --", "%", "🙂"):
        assert results(raw, f"SELECT {quote_literal(text)}") == [(text,)]


def test_the_server_reads_the_same_tokens(raw: connection) -> None:
    import psycopg2

    chance = random.Random(7)
    closed = ("'{}'", "E'{}'", "$$ {} $$", '"{}"', "/*{}*/1", "1--{}\n", "'a'\n'{}'", "E'a'\n'{}'", "a", "1", "{}")
    opened = 0
    for _ in range(1500):
        content = ["".join(chance.choices(EVIL, k=chance.randrange(5))) for _ in range(4)]
        sql = "SELECT " + ", ".join(chance.choice(closed).format(text) for text in content) + " , )"
        found = tokens(sql)
        try:
            results(raw, sql)
        except psycopg2.Error as error:
            message, position = str(error.diag.message_primary), int(error.diag.statement_position or 0) - 1
        else:
            assert found[-1].kind in ("comment", "string", "name"), sql
            continue
        if message.startswith("unterminated"):
            opened += 1
            assert (found[-1].kind, found[-1].start) == ("unterminated", position), sql
        elif message.startswith("syntax error") and position < len(sql):
            inside = next(token for token in found if token.start <= position < token.end)
            assert inside.start == position or inside.kind == "operator", sql
    assert opened > 100


@pytest.mark.parametrize("sql", ["EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1", "EXPLAIN ANALYZE SELECT 1 INTO made"])
def test_why_an_explain_is_refused_on_read_only_connections(raw: connection, sql: str) -> None:
    results(raw, f"SET LOCAL transaction_read_only = on; {sql}")
    assert results(raw, "SELECT to_regclass('made') IS NOT NULL") == [(True,)], "then the refusal is needless"
