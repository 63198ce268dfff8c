"""Python values to the server and back, each through a real statement."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pgvector
import psycopg2.extensions
import pytest
import scipy.sparse
from psycopg2.extensions import connection

from pgvec_magic.db import Database, connect
from pgvec_magic.errors import QueryError, UsageError
from pgvec_magic.query import Query

ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime.datetime(2024, 2, 29, 12, 30, 15, 250000)


class Mood(enum.Enum):
    GLAD = "glad"


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    HIGH = "high"


@pytest.fixture
def here(module_dsn: str) -> Database:
    """A connection for tests that leave nothing behind: the database is not emptied for each, which takes 0.1 s."""
    return connect(module_dsn, name="here")


def select(db: Database, sql: str, **params: object) -> Any:
    return db.run(Query(sql, params)).rows[0][0]


SCALARS: Mapping[str, tuple[str, object, object]] = {
    "none": ("int", None, None),
    "bool": ("bool", True, True),
    "int": ("bigint", 2**62, 2**62),
    "float": ("float8", 0.1, 0.1),
    "nan": ("float8", float("inf"), float("inf")),
    "text": ("text", "it's \\ % %% :x → 😀", "it's \\ % %% :x → 😀"),
    "bytes": ("bytea", b"\x00\xff'\\", b"\x00\xff'\\"),
    "bytearray": ("bytea", bytearray(b"\x00\xff"), b"\x00\xff"),
    "memoryview": ("bytea", memoryview(b"\x00\xff"), b"\x00\xff"),
    "decimal": ("numeric", decimal.Decimal("1.10"), decimal.Decimal("1.10")),
    "date": ("date", NOON.date(), NOON.date()),
    "time": ("time", NOON.time(), NOON.time()),
    "datetime": ("timestamp", NOON, NOON),
    "aware": ("timestamptz", NOON.replace(tzinfo=datetime.UTC), NOON.replace(tzinfo=datetime.UTC)),
    "timedelta": ("interval", datetime.timedelta(days=2, seconds=3), datetime.timedelta(days=2, seconds=3)),
    "uuid": ("uuid", ID, str(ID)),
    "uuid as text": ("text", ID, str(ID)),
    "enum": ("text", Mood.GLAD, "glad"),
    "int enum": ("int", Level.HIGH, 3),
    "text enum": ("text", Word.HIGH, "high"),
    "np.int64": ("bigint", np.int64(7), 7),
    "np.uint8": ("int", np.uint8(255), 255),
    "np.float64": ("float8", np.float64(0.1), 0.1),
    "np.float32": ("real", np.float32(0.1), pytest.approx(0.1, abs=1e-7)),
    "np.bool": ("bool", np.bool_(True), True),
    "np.str": ("text", np.str_("x"), "x"),
    "np.bytes": ("bytea", np.bytes_(b"x"), b"x"),
    "np.datetime64 of nanoseconds": ("timestamp", np.datetime64(NOON, "ns"), NOON),
    "np.datetime64 of days": ("date", np.datetime64("2024-02-29"), NOON.date()),
    "np.datetime64 that is none": ("timestamp", np.datetime64("NaT", "ns"), None),
    "np.timedelta64": ("interval", np.timedelta64(1_500_000_000, "ns"), datetime.timedelta(seconds=1.5)),
    "0-d array": ("int", np.array(5), 5),
    "pd.Timestamp": ("timestamp", pd.Timestamp(NOON), NOON),
    "pd.Timedelta": ("interval", pd.Timedelta(hours=1), datetime.timedelta(hours=1)),
    "pd.NaT": ("timestamp", pd.NaT, None),
    "pd.NA": ("int", pd.NA, None),
    "dict": ("jsonb", {"a": [1, None], "b": {"c": "it's"}}, {"a": [1, None], "b": {"c": "it's"}}),
    "mapping": ("jsonb", OrderedDict(a=1), {"a": 1}),
    "list of dicts": ("jsonb", [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
    "rich dict": (
        "jsonb",
        {"n": np.float64(0.5), "v": np.array([1, 2]), "d": NOON.date(), "u": ID, "s": {1}, "x": decimal.Decimal("1.5")}
        | {"missing": pd.NaT, "mood": Mood.GLAD},
        {"n": 0.5, "v": [1, 2], "d": "2024-02-29", "u": str(ID), "s": [1], "x": "1.5", "missing": None, "mood": "glad"},
    ),
    "list of ints": ("int[]", [1, 2, None], [1, 2, None]),
    "list of texts": ("text[]", ["a", 'it\'s "x" \\ {}, NULL', None], ["a", 'it\'s "x" \\ {}, NULL', None]),
    "list of floats": ("float8[]", [0.5, 1.5], [0.5, 1.5]),
    "list of floats in two words": ("double precision[]", [0.5, 1.5], [0.5, 1.5]),
    "list of uuids": ("uuid[]", [ID, None], f"{{{ID},NULL}}"),
    "list of dates": ("date[]", [NOON.date(), pd.NaT], [NOON.date(), None]),
    "list of bytes": ("bytea[]", [b"\x00"], None),
    "nested list": ("int[]", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    "empty list": ("text[]", [], []),
    "tuple": ("int[]", (1, 2), [1, 2]),
    "range": ("int[]", range(3), [0, 1, 2]),
    "dict keys": ("text[]", {"a": 1}.keys(), ["a"]),
    "int array": ("bigint[]", np.array([1, 2]), [1, 2]),
    "2-d array": ("float8[]", np.array([[0.5, 1.5]]), [[0.5, 1.5]]),
    "bool array": ("bool[]", np.array([True, False]), [True, False]),
    "date array": ("timestamp[]", np.array([NOON], "datetime64[ns]"), [NOON]),
    "series": ("bigint[]", pd.Series([1, 2]), [1, 2]),
    "series with NA": ("bigint[]", pd.Series([1, None], dtype="Int64"), [1, None]),
    "series of texts": ("text[]", pd.Series(["a", "b"]), ["a", "b"]),
    "series of dates": ("timestamp[]", pd.Series([NOON, pd.NaT]), [NOON, None]),
    "series of floats with NA": ("float8[]", pd.Series([0.5, None], dtype="Float64"), [0.5, None]),
    "category": ("text[]", pd.Series(["a"], dtype="category"), ["a"]),
    "index": ("bigint[]", pd.Index([3]), [3]),
    "list as json": ("jsonb", ["a", 1.5], ["a", 1.5]),
    "empty list as json": ("jsonb", [], []),
    "floats as json": ("json", [0.5], [0.5]),
}


@pytest.mark.parametrize(("type_", "sent", "expected"), SCALARS.values(), ids=SCALARS)
def test_a_value_arrives_as_what_it_is(here: Database, type_: str, sent: object, expected: object) -> None:
    got = select(here, f"SELECT %(v)s::{type_}", v=sent)
    if expected is not None or not isinstance(sent, list):
        assert got == expected
        assert type(got) is type(expected) or not isinstance(expected, bytes | str | datetime.date)


VECTORS = {
    "list of floats": [1.0, 0.1, -3.5],
    "list with ints": [1, 0.1, -3.5],
    "tuple": (1.0, 0.1, -3.5),
    "float32": np.array([1, 0.1, -3.5], dtype=np.float32),
    "float64": np.array([1, 0.1, -3.5]),
    "float16": np.array([1, 0.5, -3.5], dtype=np.float16),
    "list of numpy's": [np.float32(1), np.float32(0.1), np.float32(-3.5)],
    "series": pd.Series([1, 0.1, -3.5]),
    "Vector": pgvector.Vector([1, 0.1, -3.5]),
    "HalfVector": pgvector.HalfVector([1, 0.5, -3.5]),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_vector_in_each_form_works_beside_an_operator_and_in_a_column(here: Database, vector: Any) -> None:
    here.run(Query("CREATE TEMP TABLE t (id int, v vector(3), h halfvec(3))"))
    here.run(Query("INSERT INTO t VALUES (1, %(v)s, %(v)s)", {"v": vector}))
    single = np.array(vector.to_list() if hasattr(vector, "to_list") else vector, dtype=np.float32)
    found = here.run(Query("SELECT v, h, v <-> %(q)s, h <-> %(q)s, %(q)s <#> v FROM t", {"q": vector})).rows[0]
    assert found[0].dtype == found[1].dtype == np.float32
    assert found[0].tolist() == single.tolist()
    assert found[1].tolist() == single.astype(np.float16).astype(np.float32).tolist()
    assert found[2] == 0
    assert found[4] == pytest.approx(-(single**2).sum(), rel=1e-6)


@pytest.mark.parametrize("vector", [[1, 0, 0], np.array([1, 0, 0]), range(3), pd.Series([1, 0, 0])], ids=type)
def test_whole_numbers_are_a_vector_beside_an_operator_and_before_a_cast(here: Database, vector: object) -> None:
    here.run(Query("CREATE TEMP TABLE t AS SELECT '[1,0,0]'::vector AS v"))
    for sql in (
        "v <=> %(q)s",
        "v <->%(q)s",
        "%(q)s <#> v",
        "%(q)s<+>v",
        "v <-> %(q)s::vector",
        "v <-> %(q)s::vector(3)",
    ):
        assert isinstance(select(here, f"SELECT {sql} FROM t", q=vector), float)


def test_other_types_of_pgvector_are_sent_as_they_are(here: Database) -> None:
    sparse = pgvector.SparseVector({0: 1.5, 4: 2.5}, 5)
    assert select(here, "SELECT %(v)s::sparsevec", v=sparse) == sparse
    assert select(here, "SELECT '{1:1}/5'::sparsevec <-> %(v)s", v=sparse) > 0
    assert select(here, "SELECT B'111' <~> %(v)s", v=pgvector.Bit("101")) == 1


BITS = [
    *([True, False, True], [1, 0, 1], (1.0, -1.0, 0.5), np.array([True, False, True]), np.array([1, 0, 1])),
    *(pd.Series([True, False, True]), pd.Series([True, False, True], dtype="boolean"), "101", pgvector.Bit("101")),
]


@pytest.mark.parametrize("bits", BITS, ids=lambda bits: type(bits).__name__)
def test_bits_in_each_form_beside_their_operators_and_before_a_cast(here: Database, bits: object) -> None:
    for sql in ("B'111' <~> %(v)s", "%(v)s<~>B'111'", "B'111' OPERATOR(public.<~>) %(v)s", "B'111' <~> %(v)s::bit(3)"):
        assert select(here, f"SELECT {sql}", v=bits) == 1
    assert select(here, "SELECT B'111' <%%> %(v)s", v=bits) == pytest.approx(1 / 3)
    for cast in ("bit(3)", "bit varying", "varbit(4)", 'pg_catalog."bit"'):
        assert select(here, f"SELECT (%(v)s::{cast})::text", v=bits) == "101"


def test_whole_numbers_and_truth_values_keep_their_own_types_elsewhere(here: Database) -> None:
    assert select(here, "SELECT (%(v)s::bit(4))::text", v=5) == "0101"
    assert select(here, "SELECT %(v)s", v=np.array([True, False])) == [True, False]
    here.run(Query("CREATE TEMP TABLE words AS SELECT 'word' AS w"))
    assert select(here, "SELECT w || %(v)s::text FROM words WHERE w LIKE %(v)s || '%%'", v="w") == "wordw"


@pytest.mark.parametrize("sparse", [scipy.sparse.csr_matrix([[0, 2.5, 0]]), scipy.sparse.coo_array([0, 2.5, 0])])
def test_rows_of_scipy_are_sparse_vectors(here: Database, sparse: object) -> None:
    assert select(here, "SELECT %(v)s::sparsevec", v=sparse) == pgvector.SparseVector({1: 2.5}, 3)
    assert select(here, "SELECT '{}/3'::sparsevec <-> %(v)s", v=sparse) == 2.5
    assert select(here, "SELECT %(v)s::sparsevec", v=scipy.sparse.csr_matrix((1, 5))) == pgvector.SparseVector({}, 5)


@pytest.mark.parametrize("metric", ["<->", "<#>", "<=>", "<+>"])
def test_a_vector_beside_a_qualified_operator(here: Database, metric: str) -> None:
    for sql in (
        f"SELECT '[1,2,3]'::vector OPERATOR(public.{metric}) %(v)s",
        f"SELECT %(v)s OPERATOR( public.{metric} ) '[1,2,3]'::vector",
    ):
        assert select(here, sql, v=[1, 2, 3]) == {"<#>": -14}.get(metric, 0)


@pytest.mark.parametrize(
    ("sql", "sent", "message"),
    [
        ("SELECT '{}/3'::sparsevec <-> %(v)s", {1: 2.0}, r":v cannot be sent: .* use pgvector\.SparseVector"),
        ("SELECT %(v)s::sparsevec", {"a": "b"}, "a dict of indices and numbers"),
        ("SELECT %(v)s::sparsevec", scipy.sparse.csr_matrix((2, 3)), "one row of a sparse matrix"),
        ("SELECT B'1' <~> %(v)s", ["yes"], "a list or array of numbers"),
        ("SELECT %(v)s::bit(2)", np.array([7, 255], np.uint8), r"np\.unpackbits"),
    ],
)
def test_what_is_no_vector_says_why(here: Database, sql: str, sent: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        here.run(Query(sql, {"v": sent}))


def test_short_bits_are_text_and_long_ones_an_array(here: Database) -> None:
    assert select(here, "SELECT '0101'::bit(4)") == "0101"
    assert select(here, "SELECT repeat('0', 64)::bit(64)") == "0" * 64
    long = select(here, "SELECT ('1' || repeat('0', 64))::bit(65)")
    assert (long.dtype, long.tolist()) == (bool, [True, *[False] * 64])
    assert select(here, "SELECT repeat('01', 40)::varbit") == "01" * 40
    assert select(here, "SELECT NULL::bit(80)") is None


def test_vectors_come_back_exactly_as_they_were_stored(db: Database, raw: connection) -> None:
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**32, size=20_000, dtype=np.uint64).astype(np.uint32)
    single = bits.view(np.float32)[np.isfinite(bits.view(np.float32))][:16_000]
    db.run(Query("CREATE TABLE t (v vector)"))
    for sent in (single, single.astype(np.float64)):
        stored = db.run(Query("INSERT INTO t VALUES (%(v)s) RETURNING v", {"v": sent})).rows[0][0]
        assert stored.tobytes() == (single + 0.0).tobytes() or np.array_equal(stored, single)
    with raw.cursor() as cursor:  # what the server itself makes of the bits
        cursor.execute("SELECT vector_send(v) FROM t LIMIT 1")
        assert np.array_equal(np.frombuffer(cursor.fetchone()[0], ">f4", offset=4), single)


def test_doubles_are_rounded_to_single_precision_once(here: Database) -> None:
    # Nine digits of this double lie on the other side of the middle between two floats.
    rng = np.random.default_rng(3)
    doubles = rng.normal(size=16_000)
    middles = (np.float64(1) + 2.0**-24) * (1 + rng.normal(size=16_000) * 1e-12)
    for sent in (doubles, middles):
        got = select(here, "SELECT %(v)s::vector", v=sent)
        assert np.array_equal(got, sent.astype(np.float32))


def test_vectors_are_read_whatever_happens_to_the_extension(dsn: str, db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector; CREATE TYPE vector; CREATE SCHEMA elsewhere")
        assert db.run(Query("SELECT NULL::text, '\\x00'::bytea")).rows == [(None, b"\x00")]
        cursor.execute("CREATE EXTENSION vector SCHEMA elsewhere")  # behind our back
    rows = db.run(Query("SELECT '[1,2]'::elsewhere.vector, NULL::elsewhere.vector, '[3]'::elsewhere.halfvec, 'x'")).rows
    assert rows[0][0].tolist() == [1.0, 2.0]
    assert rows[0][1] is None
    assert rows[0][2].tolist() == [3.0]
    assert rows[0][3] == "x"
    with raw.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector; CREATE EXTENSION vector SCHEMA elsewhere")  # other numbers
    assert select(db, "SELECT '[5]'::elsewhere.vector").tolist() == [5.0]


def test_someone_elses_type_of_that_name_is_left_alone(db: Database) -> None:
    db.run(Query("CREATE SCHEMA mine"))
    db.run(Query("CREATE TYPE mine.vector AS ENUM ('[north]')"))
    db.run(Query("CREATE DOMAIN mine.embedding AS public.vector(2)"))
    assert select(db, "SELECT '[north]'::mine.vector") == "[north]"
    assert select(db, "SELECT '[1,2]'::mine.embedding").tolist() == [1.0, 2.0]


def test_an_unknown_type_is_asked_about_once(here: Database) -> None:
    sent = []
    learn = here._link._readers._learn

    def counted(*arguments: Any) -> None:
        sent.append(arguments)
        learn(*arguments)

    object.__setattr__(here._link._readers, "_learn", counted)
    for _ in range(3):
        here.run(Query("SELECT '[1]'::vector, '[1]'::halfvec, '{}/3'::sparsevec"))
    assert len(sent) == 1


MEMBERS: Mapping[str, tuple[str, object, int]] = {
    "ints": ("bigint", [1, 3], 2),
    "int array": ("bigint", np.array([1, 3]), 2),
    "series": ("int", pd.Series([1, 3]), 2),
    "set": ("int", {1, 3}, 2),
    "frozenset": ("int", frozenset([1]), 1),
    "range": ("int", range(1, 4), 3),
    "empty": ("int", [], 0),
    "empty array": ("bigint", np.array([], dtype=float), 0),
    "texts": ("text", ["1", "3", None], 2),
    "text array": ("text", np.array(["1", "3"]), 2),
    "texts of numbers": ("int", ["1", "3"], 2),
    "floats": ("float8", [1.0, 3.0], 2),
    "float array": ("real", np.array([1.0, 3.0]), 2),
    "decimals": ("numeric", [decimal.Decimal(1)], 1),
    "bools": ("bool", [True], 3),
}


@pytest.mark.parametrize(("type_", "members", "expected"), MEMBERS.values(), ids=MEMBERS)
def test_a_list_of_members_fits_the_column(here: Database, type_: str, members: object, expected: int) -> None:
    sql = f"SELECT count(*) FROM generate_series(1, 3) n WHERE n::{type_} = ANY(%(ids)s)"
    assert select(here, sql, ids=members) == expected
    assert select(here, sql.replace("= ANY(", "= any ( "), ids=members) == expected


def test_members_fit_uuids_dates_enums_and_texts_with_every_sign(db: Database) -> None:
    db.run(Query("CREATE TYPE mood AS ENUM ('glad', 'sad')"))
    odd = ["a,b", '"', "\\", "{}", "NULL", "", " ", "it's", "→😀", "%s", "a\nb"]
    cases: list[tuple[str, object]] = [
        (f"'{ID}'::uuid", [ID]),
        (f"'{ID}'::uuid", [str(ID)]),
        (f"'{ID}'::text", {ID}),
        ("'2024-02-29'::date", [NOON.date()]),
        ("'2024-02-29'::date", ["2024-02-29"]),
        ("'2024-02-29 12:30:15.25'::timestamp", pd.Series([NOON])),
        ("'2024-02-29 12:30:15.25'::timestamp", np.array([NOON], "datetime64[ns]")),
        ("'glad'::mood", ["glad"]),
        ("'glad'::mood", [Mood.GLAD]),
        ("'glad'::varchar", np.array(["glad"], dtype=object)),
    ]
    for operand, members in cases:
        assert select(db, f"SELECT {operand} = ANY(%(m)s)", m=members) is True, (operand, members)
    for text in odd:
        assert select(db, "SELECT %(t)s = ANY(%(m)s)", t=text, m=odd) is True, text
    assert select(db, "SELECT 'NULL' = ANY(%(m)s)", m=["x", None]) is None
    assert select(db, "SELECT 5 <> ALL(%(m)s)", m=[1, 2]) is True
    assert select(db, "SELECT count(*) FROM unnest(%(m)s) x", m=["a", "b"]) == 2
    assert select(db, "SELECT sum(x) FROM unnest(%(m)s) x", m=[0.5, 1.0]) == 1.5
    assert select(db, "SELECT count(*) FROM unnest(%(m)s::uuid[]) x", m=[ID]) == 1


REFUSED: Mapping[str, tuple[str, object, str]] = {
    "nul": ("SELECT %(v)s", "a\0b", r"NUL .*\n.*replace"),
    "nul member": ("SELECT 'a' = ANY(%(v)s)", ["a\0b"], "NUL"),
    "surrogate": ("SELECT %(v)s", "\ud800", "surrogates not allowed"),
    "object": ("SELECT %(v)s", object(), r"can't adapt type 'object'\n.*numpy"),
    "nan in a vector": ("SELECT %(v)s::vector", [float("nan"), 1.0], "NaN not allowed in vector.*mend"),
    "nan in an array": ("SELECT %(v)s::halfvec", np.array([np.nan]), "NaN not allowed in halfvec.*mend"),
    "infinity in a vector": ("SELECT %(v)s::vector", np.array([np.inf]), "infinite value not allowed in vector.*mend"),
    "too large for a vector": ("SELECT %(v)s::vector", np.array([1e300]), "infinite value not allowed in vector.*mend"),
    "list for json": (
        "INSERT INTO refused (j) VALUES (%(v)s)",
        ["a"],
        r"type text\[\]\n.*\n.*\nwrite :name::jsonb|::jsonb",
    ),
    "floats for an array": ("INSERT INTO refused (f) VALUES (%(v)s)", [0.5], "malformed array literal[^$]*float8"),
    "in": ("SELECT 1 IN %(v)s", [1, 2], r"= ANY\(:name\)"),
    "in parentheses": ("SELECT 1 IN (%(v)s)", [1, 2], r"= ANY\(:name\)"),
}


@pytest.mark.parametrize(("sql", "sent", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_says_why(here: Database, sql: str, sent: object, message: str) -> None:
    here.run(Query("CREATE TABLE IF NOT EXISTS refused (j jsonb, f float8[])"))
    with pytest.raises(QueryError, match=f"(?s){message}"):
        here.run(Query(sql, {"v": sent}))


def test_a_dict_that_json_cannot_hold_names_the_parameter(here: Database) -> None:
    with pytest.raises(UsageError, match=":meta cannot be sent: JSON has no form for a object"):
        here.run(Query("SELECT %(meta)s", {"meta": {"a": object()}}))
    with pytest.raises(UsageError, match=":meta cannot be sent"):
        here.run(Query("SELECT %(meta)s", {"meta": {(1, 2): 3}}))


def test_nothing_is_registered_for_the_whole_process(dsn: str, raw: connection) -> None:
    adapters = dict(psycopg2.extensions.adapters)
    types = dict(psycopg2.extensions.string_types)
    db = connect(dsn)
    for vector in VECTORS.values():
        select(db, "SELECT %(v)s::vector", v=vector)
    select(db, "SELECT %(v)s::jsonb", v={"u": [ID]})
    assert psycopg2.extensions.adapters == adapters
    assert psycopg2.extensions.string_types == types
    with raw.cursor() as cursor:
        cursor.execute("SELECT '[1,2]'::vector, '\\x00'::bytea")
        text, data = cursor.fetchone()
    assert text == "[1,2]"
    assert isinstance(data, memoryview)


@pytest.mark.parametrize(
    "value",
    [
        "'10000-01-01'::date",
        "'infinity'::timestamptz",
        "'-infinity'::date",
        "'24:00:00'::time",
        "'0044-03-15 BC'::timestamp",
    ],
)
def test_dates_and_times_that_python_has_not_come_as_the_server_writes_them(db: Database, value: str) -> None:
    shown, written = db.run(Query(f"SELECT {value}, ({value})::text")).rows[0]
    assert shown == written


def test_other_dates_and_times_are_python_s(db: Database) -> None:
    sql = "SELECT '2026-11-22'::date, '2026-11-22 10:00+00'::timestamptz, '10:00'::time, NULL::timestamp"
    day, moment, clock, nothing = db.run(Query(sql)).rows[0]
    assert day == datetime.date(2026, 11, 22)
    assert moment == datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.UTC)
    assert (clock, nothing) == (datetime.time(10), None)
