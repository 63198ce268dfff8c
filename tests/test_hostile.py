"""Ten thousand inputs that mean harm or look like it: the right rows or a PgvecError, and nothing else ever happens."""

from __future__ import annotations

import contextlib
import itertools
import random
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest

from pgvec_magic import catalog, connect, load, search, sql
from pgvec_magic.cell import complete, parse_connect
from pgvec_magic.cell.grammar import MAGICS
from pgvec_magic.db import Database
from pgvec_magic.errors import LoadError, PgvecError

EACH = 1000
# What ends, opens or hides something in SQL, in psycopg2's parameters, in Python's and IPython's formats, or in a line.
PIECES = (
    *("'", "''", '"', '""', "`", "\\", "\\'", "E'\\''", "U&'\\0041'", "B'01'", "$$", "$tag$", "$1", "$name", "${HOME}"),
    *("%", "%%", "%s", "%(x)s", "%(query vector)s", "{name}", "{{1,2}}", "'{1,2}'", "'{{1,2}}'", "{", "}"),
    *(":1", ":name", ":query", "::text", "a::int", "arr[1:2]", '{"a": ":b", "c":1}', "?", "@", "#", "!", "^", "~", "*"),
    *(
        "--",
        "--\n",
        "-- x",
        "/*",
        "*/",
        "/* /* */",
        "/* */",
        ";",
        "; --",
        ";;",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "=",
        "-",
        "+",
    ),
    *("<->", "<=>", "@@", "&", "|", "!", "<", ">", "\n", "\r\n", "\t", "\0", " ", "  ", "\u00a0", "\u2028", "\x1b[31m"),
    *("😀", "\u202e", "ß", "İ", "e\u0301", "名", "\ud800", "<script>alert(1)</script>", "&amp;", "<b>"),
    *(
        "docs",
        "id",
        "content",
        "true",
        "NULL",
        "1",
        "-1",
        "1e309",
        "or",
        "AND",
        "NOT",
        "' OR '1'='1",
        ") OR (true",
        "LIMIT 0",
    ),
    *(
        "-k",
        "--where",
        "--mode",
        "--mode=hybrid",
        "-q",
        "--set",
        "hnsw.ef_search=1",
        "--",
        "-o",
        "x",
        "--per",
        "--exact",
    ),
)
WRITES = (
    *("DROP TABLE canary", "DELETE FROM canary", "UPDATE canary SET id = 2", "INSERT INTO canary VALUES (9)"),
    *("CREATE TABLE pwned ()", "CREATE ROLE pwned", "GRANT ALL ON canary TO PUBLIC", "TRUNCATE canary"),
    *("SELECT nextval('counter')", "COPY canary TO PROGRAM 'touch pwned'", "ALTER TABLE canary RENAME TO pwned"),
    *("SET transaction_read_only = off", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "RESET ALL"),
    *("BEGIN", "START TRANSACTION READ WRITE", "COMMIT", "ROLLBACK", "END", "SAVEPOINT a", "DISCARD ALL"),
    *("DO $$ BEGIN DELETE FROM canary; END $$", "CALL harm()", "WITH x AS (DELETE FROM canary RETURNING 1) TABLE x"),
    *("COMMIT; DROP TABLE canary", "COMMIT; BEGIN READ WRITE; DELETE FROM canary; COMMIT", "SELECT harm_function()"),
)
SETUP = """
CREATE TABLE canary (id int);
INSERT INTO canary VALUES (1);
CREATE SEQUENCE counter;
CREATE PROCEDURE harm() LANGUAGE sql AS 'DELETE FROM canary';
CREATE FUNCTION harm_function() RETURNS int LANGUAGE sql AS 'DELETE FROM canary RETURNING 1';
"""
STATE = """
SELECT (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT array_agg(id) FROM canary), (SELECT relacl::text FROM pg_class WHERE relname = 'canary'),
  (SELECT is_called FROM counter), (SELECT count(*) FROM pg_roles),
  (SELECT md5(string_agg(d::text, '' ORDER BY id)) FROM docs AS d)
"""


def hostile(rng: random.Random, most: int = 9) -> str:
    """Return a text of up to ``most`` pieces, some of them a statement that would do harm if it ran."""
    pieces = [rng.choice(WRITES) if rng.random() < 0.12 else rng.choice(PIECES) for _ in range(rng.randint(1, most))]
    ended = rng.choice(["", "", "'; ", '"; ', "); ", "'); ", "*/; ", "$$; ", "\n; "])
    harm = f"{ended}{rng.choice(WRITES)}; --" if ended else ""
    return rng.choice(["", " "]).join(pieces) + harm


def inputs(name: str, count: int = EACH) -> Iterator[str]:
    """Yield the same texts at every run: 1 MB of one piece now and then, the rest short."""
    rng = random.Random(name)
    for number in range(count):
        piece = rng.choice(PIECES)
        yield piece * (1_000_000 // len(piece)) if number % 500 == 499 else hostile(rng)


def storable(text: str) -> bool:
    return "\0" not in text and "\ud800" not in text


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:  # one database for all: what one input does, the next would show
    with psycopg2.connect(module_dsn) as made, made.cursor() as cursor:
        cursor.execute(SETUP)
    made.close()
    rows = [
        {"id": text, "content": f"{n} {text}"} for n, text in enumerate(dict.fromkeys(inputs("rows"))) if _usable(text)
    ]
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((len(rows), 8), dtype=np.float32)
    database = connect(module_dsn)
    load(database, "docs", pd.DataFrame(rows).assign(embedding=list(vectors)), text="content")
    sql(database, "CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)")
    return module_dsn


def _usable(text: str) -> bool:
    return storable(text) and len(text.encode()) < 2000  # the key has an index, whose entries are short


@pytest.fixture
def unharmed(raw: Any) -> Iterator[Callable[[], None]]:
    def state() -> Any:
        with raw.cursor() as cursor:
            cursor.execute(STATE)
            return cursor.fetchone()

    before = state()

    def check() -> None:
        assert state() == before

    yield check
    check()


@pytest.fixture
def reader(dsn: str) -> Database:
    return connect(dsn, name="reader", readonly=True)


@pytest.fixture
def shell(ip: Any, db: Database) -> Iterator[Any]:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"v": np.ones(8, np.float32), "name": "'; DROP TABLE canary; --", "x": 5}
    yield ip
    ip.run_line_magic("unload_ext", "pgvec_magic")


def each(name: str, run: Callable[[str], Any], unharmed: Callable[[], None]) -> list[Any]:
    """Run every input; return what came of those that were not refused."""
    done, refused = [], 0
    for number, text in enumerate(inputs(name)):
        try:
            done.append((text, run(text)))
        except PgvecError as error:
            refused += 1
            if len(str(error)) > 9000:
                raise AssertionError(f"a message of {len(str(error))} characters: {str(error)[:300]}") from None
        except Exception as error:
            where = "".join(traceback.format_exception(error)[-5:])[-1500:]
            raise AssertionError(f"{text[:300]!r}\n{where}") from None  # not the input itself, which may be a megabyte
        if number % 100 == 0:
            unharmed()
    assert len(done) + refused == EACH
    return done


@pytest.mark.parametrize("magic", sorted(MAGICS))
def test_lines(magic: str, shell: Any, unharmed: Callable[[], None]) -> None:
    def run(line: str) -> object:
        complete(magic, line)
        if magic == "vconnect":  # only read: what it says may be a server of somebody's
            return parse_connect(line, shell.user_ns)
        if MAGICS[magic].body:
            return shell.run_cell_magic(magic, line, "read a file" if magic == "vsearch" else "SELECT 1")
        return shell.run_line_magic(magic, f"docs {line}")

    each(f"line {magic}", run, unharmed)


def test_text_behind_a_line(shell: Any, unharmed: Callable[[], None]) -> None:
    found = each("text", lambda text: shell.run_line_magic("vsearch", f"docs --mode keyword -- {text}"), unharmed)
    assert len(found) > 0.6 * EACH, "a text is hardly ever wrong"


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
def test_texts(mode: str, db: Database, unharmed: Callable[[], None]) -> None:
    vector = np.ones(8, np.float32)

    def run(text: str) -> object:
        return search(db, "docs", text, mode=mode, vector=vector if mode == "hybrid" else None)

    found = each(f"texts {mode}", run, unharmed)
    assert len(found) > 0.9 * EACH, "a text is hardly ever wrong"


def test_conditions(db: Database, unharmed: Callable[[], None]) -> None:
    for name, before, after in (("bare", "", ""), ("quoted", "id = '", "'"), ("inside", "(id <> '' AND ", ")")):

        def run(text: str, before: str = before, after: str = after) -> object:
            params = {"name": "x", "query": 1}
            return search(db, "docs", vector=np.ones(8), where=before + text + after, params=params)

        each(f"conditions {name}", run, unharmed)


def test_conditions_that_quote_what_is_hostile_find_just_that_row(db: Database, raw: Any) -> None:
    with raw.cursor() as cursor:
        cursor.execute("SELECT id FROM docs ORDER BY id")
        ids = [key for (key,) in cursor.fetchall()]
    for key in ids:
        literal = key.replace("'", "''")
        assert search(db, "docs", vector=np.ones(8), where=f"id = '{literal}'").column("id") == [key]
        assert search(db, "docs", vector=np.ones(8), where="id = :key", params={"key": key}).column("id") == [key]


def test_ids(db: Database, raw: Any, unharmed: Callable[[], None]) -> None:
    with raw.cursor() as cursor:
        cursor.execute("SELECT id FROM docs")
        known = {key for (key,) in cursor.fetchall()}
    for key in known:
        found = search(db, "docs", similar_to=key, k=3).column("id")
        assert len(found) == 3
        assert key not in found
    found = each("ids", lambda text: search(db, "docs", similar_to=[text], k=3), unharmed)
    assert {text for text, _ in found} <= known


def test_statements_on_a_read_only_connection(reader: Database, unharmed: Callable[[], None]) -> None:
    values = {"name": "x", "query": [1.0], "b": 1}
    each("statements", lambda text: sql(reader, text, params=values), unharmed)
    each("behind a select", lambda text: sql(reader, f"SELECT 1 {text}", params=values), unharmed)
    for text in WRITES:
        for statement in (
            text,
            f"SELECT 1; {text}",
            f"/* */ {text}",
            f"EXPLAIN ANALYZE {text}",
            f"({text})",
            f"{text};;",
        ):
            with contextlib.suppress(PgvecError):
                sql(reader, statement)
            unharmed()


def test_literals_and_parameters_of_statements_come_back_as_they_are(
    db: Database, unharmed: Callable[[], None]
) -> None:
    def run(text: str) -> tuple[Any, ...]:
        literal = text.replace("'", "''")
        tag = "a" * (max(map(len, text.split("$"))) % 50 + 1)
        quoted = f"$q{tag}${text}$q{tag}$" if f"$q{tag}" not in text and not text.endswith("$") else "''"
        name = text.encode(errors="replace").decode().replace("\0", "")[:15].replace('"', '""') or "x"
        comment = "" if "*" in text or "/" in text else text
        statement = f"SELECT '{literal}' AS \"{name}\", {quoted} /* :nobody {comment} */, :value"
        row = sql(db, statement, params={"value": text}).rows[0]
        assert row[0] == row[2] == text
        assert row[1] in (text, "")
        return row

    found = each("literals", run, unharmed)
    assert {storable(text) for text, _ in found} == {True}
    assert len(found) == sum(map(storable, inputs("literals")))


def test_data(db: Database, raw: Any) -> None:
    texts = list(dict.fromkeys(text for text in inputs("data") if storable(text) and text.strip()))
    frame = pd.DataFrame(
        {
            "id": range(len(texts)),
            "content": texts,
            "meta": [{"k": text} for text in texts],
            "tags": [[text] for text in texts],
        }
    )
    load(db, "data", frame.assign(embedding=[[1.0, 2.0]] * len(texts)), text="content")
    with raw.cursor() as cursor:
        cursor.execute("SELECT content, meta, tags FROM data ORDER BY id")
        assert cursor.fetchall() == [(text, {"k": text}, [text]) for text in texts]
        cursor.execute("DROP TABLE data")


def _row(id: int, text: str) -> dict[str, Any]:
    return {"id": id, "content": text, "embedding": [1.0]}


def test_data_that_cannot_be_stored_is_refused_by_its_row(db: Database, unharmed: Callable[[], None]) -> None:
    for text in (text for text in inputs("data") if not storable(text)):
        with pytest.raises(LoadError, match="row 1: content"):
            load(db, "refused", [_row(1, "x"), _row(2, text)])


def test_names_of_tables(db: Database, raw: Any, unharmed: Callable[[], None]) -> None:
    for text in inputs("names of tables"):
        with pytest.raises(PgvecError):
            search(db, text or "x", vector=np.ones(8))
    frame = pd.DataFrame({"id": [1], "content": ["x"], "embedding": [[1.0, 0.0]]})
    names = {text.encode(errors="ignore")[:60].decode(errors="ignore") for text in inputs("names of tables", 200)}
    for name in sorted(name for name in names if storable(name) and name.strip() and "." not in name):
        load(db, name, frame)
        assert search(db, name, vector=[1, 0]).column("id") == [1]
        assert search(db, name, "x", vector=[1, 0], mode="hybrid").column("id") == [1]
        assert name in {info.name for info in catalog.tables(db)}
        with raw.cursor() as cursor:
            cursor.execute(f"DROP TABLE {psycopg2.extensions.quote_ident(name, raw)}")


def test_names_of_columns(db: Database, raw: Any, unharmed: Callable[[], None]) -> None:
    options = itertools.cycle(["columns", "per", "column", "metric", "language", "set"])

    def run(text: str) -> object:
        option = next(options)
        value = {"columns": [text], "set": {text: "1"}}.get(option, text)
        return search(db, "docs", vector=np.ones(8), **{option: value})

    each("columns", run, unharmed)
    names = {text.encode(errors="ignore")[:60].decode(errors="ignore") for text in inputs("names of columns")}
    good = sorted(name for name in names if storable(name) and name.strip() and name not in ("id", "content"))
    for start in range(0, len(good), 100):
        part = good[start : start + 100]
        frame = pd.DataFrame({"id": ["1"], "content": ["x"], **{name: [name] for name in part}, "embedding": [[1.0]]})
        load(db, "wide", frame, replace=True)
        found = search(db, "wide", "x", vector=[1], mode="hybrid", columns=part, per=part[0])
        assert found.rows[0][: len(part)] == tuple(part)
        assert found.df.iloc[0][part[-1]] == part[-1]
        assert "<script>" not in found._repr_mimebundle_()["text/html"]
    with raw.cursor() as cursor:
        cursor.execute("DROP TABLE wide")
