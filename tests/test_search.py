from __future__ import annotations

import io
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog, embed
from pgvec_magic.db import Database, connect
from pgvec_magic.errors import QueryError, UsageError
from pgvec_magic.query import Query, Search
from pgvec_magic.search import dry_run, search, sql
from pgvec_magic.search.result import Result

ROWS, DIMENSIONS, CLUSTERS, CLOSE = 2000, 16, 25, 2e-5
MODULES = ("csv", "io", "json", "re", "socket", "threading", "zip")
WORDS = [
    "read",
    "write",
    "csv",
    "file",
    "table",
    "parse",
    "string",
    "number",
    "date",
    "zone",
    "socket",
    "thread",
    "lock",
    "queue",
    "path",
    "json",
    "emptily",
]

# --- the data, and every kind of table that holds it ------------------------------------------------------------------

TABLES = '''
CREATE TABLE plain (id bigint PRIMARY KEY, module text, n int, content text, embedding vector(16),
  fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);
INSERT INTO plain SELECT * FROM base ORDER BY id;
CREATE INDEX ON plain USING hnsw (embedding vector_cosine_ops);
CREATE INDEX ON plain USING gin (fts);
CREATE INDEX ON plain (n);

CREATE TABLE textkey (id text PRIMARY KEY, module text, n int, content text, embedding vector(16));
INSERT INTO textkey SELECT 'k' || lpad(id::text, 5, '0'), module, n, content, embedding FROM base ORDER BY id;
CREATE INDEX ON textkey USING hnsw (embedding vector_l2_ops);
CREATE INDEX ON textkey USING gin (to_tsvector('english', content));

CREATE TABLE uuidkey (id uuid PRIMARY KEY, module text, n int, content text, embedding vector(16), words tsvector);
INSERT INTO uuidkey SELECT ('00000000-0000-0000-0000-' || lpad(id::text, 12, '0'))::uuid, module, n, content, embedding,
  to_tsvector('english', content) FROM base ORDER BY id;
CREATE INDEX ON uuidkey USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20);
CREATE INDEX ON uuidkey USING gin (words);

CREATE TABLE composite (module text, id int, n int, content text, embedding vector(16), PRIMARY KEY (module, id));
INSERT INTO composite SELECT module, id, n, content, embedding FROM base ORDER BY id;
CREATE INDEX ON composite USING hnsw (embedding vector_ip_ops);

CREATE TABLE uniquekey (id int NOT NULL UNIQUE, module text, n int, content text, embedding vector(16));
INSERT INTO uniquekey SELECT * FROM base ORDER BY id;

CREATE TABLE nokey (id int, module text, n int, content text, embedding vector(16));
INSERT INTO nokey SELECT * FROM base ORDER BY id;
CREATE INDEX ON nokey USING hnsw (embedding vector_cosine_ops);

CREATE MATERIALIZED VIEW matview AS SELECT id, module, n, content, embedding, fts FROM plain ORDER BY id;
CREATE INDEX ON matview USING hnsw (embedding vector_l1_ops);
CREATE INDEX ON matview USING gin (fts);

CREATE VIEW viewed AS SELECT id, module, n, content, embedding FROM plain;

CREATE TABLE parted (id bigint PRIMARY KEY, module text, n int, content text, embedding vector(16))
  PARTITION BY HASH (id);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO parted SELECT * FROM base ORDER BY id;
CREATE INDEX ON parted USING hnsw (embedding vector_cosine_ops);

CREATE TABLE keyless_parts (id bigint, module text, n int, content text, embedding vector(16)) PARTITION BY RANGE (id);
CREATE TABLE keyless_parts_a PARTITION OF keyless_parts FOR VALUES FROM (0) TO (700);
CREATE TABLE keyless_parts_b PARTITION OF keyless_parts FOR VALUES FROM (700) TO (100000);
INSERT INTO keyless_parts SELECT * FROM base ORDER BY id;

CREATE TABLE parent (id bigint PRIMARY KEY, module text, n int, content text, embedding vector(16));
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT * FROM base WHERE id < 1500 ORDER BY id;
INSERT INTO child SELECT * FROM base WHERE id >= 1500 ORDER BY id;

CREATE TABLE candidates (id int PRIMARY KEY, module text, n int, content text, embedding vector(16));
INSERT INTO candidates SELECT * FROM base ORDER BY id;
CREATE INDEX ON candidates USING hnsw (embedding vector_cosine_ops);

CREATE SCHEMA "else where";
CREATE TABLE "else where"."Odd % ""Table""" ("score" bigint PRIMARY KEY, "user" text, "quo""te %" int,
  "With Space" text, "Vec%tor" vector(16), distance int, rank int, vector_rank int, matched int, query int,
  every_word int, d int, vector int);
INSERT INTO "else where"."Odd % ""Table"""
  SELECT id, module, n, content, embedding, 1, 2, 3, 4, 5, 6, 7, 8 FROM base ORDER BY id;
CREATE INDEX ON "else where"."Odd % ""Table""" USING hnsw ("Vec%tor" vector_cosine_ops);
'''
ODD = 'else where.Odd % "Table"'


@dataclass(frozen=True)
class Kind:
    """A table: its distance, how a key says which row it is, and whether keys are in the order of rows' numbers."""

    name: str
    metric: str = "cosine"
    number_of: Callable[[Any], int] = int
    key_of: Callable[[int], Any] = int
    in_order: bool = True
    has_key: bool = True
    key_columns: int = 1
    renamed: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        return self.renamed.get(name, name)


UUIDS = {"number_of": lambda key: int(str(key)[-12:]), "key_of": lambda n: str(uuid.UUID(int=int(str(n), 16)))}
KINDS = (
    Kind("plain"),
    Kind("textkey", "l2", number_of=lambda key: int(key[1:]), key_of=lambda number: f"k{number:05}"),
    Kind("uuidkey", **UUIDS),  # type: ignore[arg-type]
    Kind("composite", "ip", in_order=False, key_columns=2),
    Kind("uniquekey"),
    Kind("nokey", key_columns=0),
    Kind("matview", "l1", key_columns=0),
    Kind("viewed", has_key=False, key_columns=0),
    Kind("parted"),
    Kind("keyless_parts", key_columns=0),
    Kind("parent", key_columns=0),
    Kind("candidates"),
    Kind(
        ODD,
        renamed={"id": "score", "module": "user", "n": 'quo"te %', "content": "With Space", "embedding": "Vec%tor"},
    ),
)


class Corpus:
    """The rows, and what searching them must give, worked out without the package."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
        self.cluster = rng.integers(CLUSTERS, size=ROWS)
        self.vectors = (centres[self.cluster] + 0.5 * rng.normal(size=(ROWS, DIMENSIONS))).astype(np.float32)
        self.known = rng.random(ROWS) > 0.03
        self.module = np.array(MODULES)[np.minimum(rng.geometric(0.35, size=ROWS) - 1, len(MODULES) - 1)]
        self.n = rng.integers(100, size=ROWS)
        self.content = [" ".join(rng.choice(WORDS, size=rng.integers(4, 13))) for _ in range(ROWS)]
        self._ranks: dict[tuple[str, str], dict[int, float]] = {}

    def store(self, cursor: Any) -> None:
        cursor.execute("CREATE TABLE base (id int, module text, n int, content text, embedding vector(16))")
        lines = [
            f"{i}\t{self.module[i]}\t{self.n[i]}\t{self.content[i]}\t"
            + ("[" + ",".join(map(str, self.vectors[i].tolist())) + "]" if self.known[i] else r"\N")
            for i in range(ROWS)
        ]
        cursor.copy_expert("COPY base FROM STDIN", io.StringIO("\n".join(lines)))
        cursor.execute(TABLES)
        cursor.execute("ANALYZE")

    def distances(self, metric: str, vector: np.ndarray) -> np.ndarray:
        x, q = self.vectors.astype(float), vector.astype(float)
        if metric == "cosine":
            return 1 - (x @ q) / (np.linalg.norm(x, axis=1) * np.linalg.norm(q))
        if metric == "ip":
            return -(x @ q)
        return np.abs(x - q).sum(axis=1) if metric == "l1" else np.linalg.norm(x - q, axis=1)

    def words(self, cursor: Any, text: str, joined_by: str) -> dict[int, float]:
        """The rows that have all (&) or any (|) of the words, with their ts_rank_cd."""
        if (text, joined_by) not in self._ranks:
            words = f" {joined_by} ".join(text.split())
            cursor.execute(
                "SELECT id, ts_rank_cd(to_tsvector('english', content), q) FROM base, to_tsquery('english', %s) AS q"
                " WHERE to_tsvector('english', content) @@ q",
                (words,),
            )
            self._ranks[text, joined_by] = dict(cursor.fetchall())
        return self._ranks[text, joined_by]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture(scope="module")
def filled(module_dsn: str, corpus: Corpus) -> str:
    made = psycopg2.connect(module_dsn)
    made.autocommit = True
    with made.cursor() as cursor:
        corpus.store(cursor)
    made.close()
    return module_dsn


@pytest.fixture
def here(filled: str) -> Database:
    return connect(filled, name="test")


@pytest.fixture
def plain(filled: str) -> Iterator[connection]:
    made = psycopg2.connect(filled)
    made.autocommit = True
    yield made
    made.close()


# --- generated searches beside the brute-force answer -----------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    sql: str
    keeps: Callable[[Corpus], np.ndarray]
    params: dict[str, object] = field(default_factory=dict)


def conditions(pick: random.Random) -> list[Condition]:
    """No condition, one or two, from such that keep nothing to such that keep everything."""
    x, m = pick.randrange(100), pick.choice(MODULES)
    known = [
        Condition("{n} < :x", lambda c: c.n < x, {"x": x}),
        Condition("{module} = :m -- the module", lambda c: c.module == m, {"m": m}),
        Condition("{n} % 10 = 3 OR {n} = :y", lambda c: (c.n % 10 == 3) | (c.n == x), {"y": np.int64(x)}),
        Condition("{content} LIKE '%csv%'", lambda c: np.array(["csv" in text for text in c.content])),
        Condition("{n} = -1", lambda c: c.n == -1),
        Condition("{n} >= 0", lambda c: c.n >= 0),
        Condition("{module} = ANY(:some)", lambda c: np.isin(c.module, MODULES[2:]), {"some": list(MODULES[2:])}),
    ]
    return pick.sample(known, pick.choice([0, 0, 1, 1, 2]))


@dataclass(frozen=True)
class Case:
    """A generated search, and what the brute-force answer needs of it."""

    kind: Kind
    options: dict[str, Any]
    keeps: np.ndarray
    vector: np.ndarray
    excluded: tuple[int, ...]
    metric: str


def generated(pick: random.Random, corpus: Corpus) -> Case:
    kind = pick.choice(KINDS)
    mode = pick.choice(["vector", "vector", "vector", "keyword", "hybrid", "hybrid"] if kind.has_key else ["vector"])
    given = conditions(pick)
    keeps = np.logical_and.reduce([np.ones(ROWS, bool), *(condition.keeps(corpus) for condition in given)])
    names = {name: '"' + kind.column(name).replace('"', '""') + '"' for name in ("module", "n", "content")}
    options: dict[str, Any] = {
        "mode": mode,
        "where": [condition.sql.format(**names) for condition in given],
        "params": {name: value for condition in given for name, value in condition.params.items()},
        "k": pick.choice([1, 5, 10, 30, 300]),
        "offset": pick.choice([0, 0, 0, 3, 40]),
        "per": pick.choice([None, None, None, kind.column("module")]),
    }
    row = pick.choice(np.flatnonzero(corpus.known).tolist())
    vector, excluded = corpus.vectors[row], ()
    if mode != "keyword" and kind.key_columns == 1 and pick.random() < 0.3:
        options["similar_to"] = pick.choice([kind.key_of(row), [str(kind.key_of(row))]])
        excluded = (row,)
    elif mode != "keyword":
        vector = vector + np.float32(pick.random())
        options["vector"] = pick.choice([vector, vector.tolist()])
    if mode != "vector":
        options["text"] = " ".join(pick.sample(WORDS, pick.choice([1, 2, 3, 6])))
    if mode == "hybrid":
        options |= {"weights": pick.choice([(1, 1), (0.3, 0.7), (0, 2)]), "rrf_k": pick.choice([60, 10])}
    metric = kind.metric
    if mode != "keyword":
        options["strategy"] = pick.choice(["auto", "auto", "auto", "exact", "ann", "iterative"])
        if pick.random() < 0.2:
            metric = options["metric"] = pick.choice(["cosine", "l2", "ip", "l1"])
        if pick.random() < 0.3:
            options |= threshold(pick, corpus, metric, vector)
    return Case(kind, options, keeps, vector, excluded, metric)


def threshold(pick: random.Random, corpus: Corpus, metric: str, vector: np.ndarray) -> dict[str, float]:
    """A threshold in the middle between two rows' distances, where rounding does not matter."""
    distances = np.sort(corpus.distances(metric, vector))
    at = pick.choice([0, 4, 20, 400])
    middle = float(distances[at] + distances[at + 1]) / 2
    if metric in ("cosine", "ip") and pick.random() < 0.5:
        return {"min_score": 1 - middle if metric == "cosine" else -middle}
    return {"max_distance": middle}


def cut(case: Case, corpus: Corpus) -> float:
    if "min_score" in case.options:
        return 1 - case.options["min_score"] if case.metric == "cosine" else -float(case.options["min_score"])
    return float(case.options.get("max_distance", np.inf))


def best_of_groups(case: Case, corpus: Corpus, rows: list[int]) -> list[int]:
    """Rows, best first, without those whose group has a better one; then the page that is asked for."""
    if case.options["per"]:
        seen: set[str] = set()
        rows = [row for row in rows if not (corpus.module[row] in seen or seen.add(corpus.module[row]))]
    first = case.options["offset"]
    return rows[first : first + case.options["k"]]


def nearest(case: Case, corpus: Corpus) -> list[int]:
    distances = corpus.distances(case.metric, case.vector)
    keeps = case.keeps & corpus.known
    keeps[list(case.excluded)] = False
    return [int(i) for i in np.lexsort((np.arange(ROWS), distances)) if keeps[i]]


def by_words(case: Case, corpus: Corpus, cursor: Any) -> tuple[str, list[tuple[int, float]]]:
    """The rows of the keyword leg with their scores, best first, and whether they have all words or any."""
    for joined_by, matched in (("&", "all"), ("|", "any")):
        found = corpus.words(cursor, case.options["text"], joined_by)
        rows = [(i, score) for i, score in found.items() if case.keeps[i] and i not in case.excluded]
        if rows:
            return matched, sorted(rows, key=lambda row: (-row[1], row[0]))
    return "none", []


def numbers(case: Case, result: Result) -> list[int]:
    names = list(result.columns)
    at = names.index(case.kind.column("id"))
    return [case.kind.number_of(row[at]) for row in result.rows]


def check_vector(case: Case, corpus: Corpus, result: Result) -> float:
    """Compare with the brute-force answer, and return the recall."""
    distances = corpus.distances(case.metric, case.vector)
    expected = best_of_groups(case, corpus, [i for i in nearest(case, corpus) if distances[i] <= cut(case, corpus)])
    found = numbers(case, result)
    assert len(set(found)) == len(found)
    assert case.keeps[found].all()
    assert not set(found) & set(case.excluded)
    assert np.allclose(result.column("distance"), distances[found], atol=CLOSE)
    assert (np.diff(distances[found]) > -CLOSE).all()
    if case.options["per"]:
        assert len({corpus.module[i] for i in found}) == len(found)
    if case.metric in ("cosine", "ip"):
        scores = 1 - distances[found] if case.metric == "cosine" else -distances[found]
        assert np.allclose(result.column("score"), scores, atol=CLOSE)
    else:
        assert result.column("score") == [None] * len(found)
    if case.options["strategy"] in ("auto", "exact"):
        assert len(found) == len(expected)
    if result.found and result.found.scan.kind == "exact":
        assert np.allclose(distances[found], distances[expected], atol=CLOSE)
    within = distances[expected[-1]] + CLOSE if expected else 0
    return sum(distances[i] <= within for i in found) / len(expected) if expected else 1.0


def check_keyword(case: Case, corpus: Corpus, result: Result, cursor: Any) -> None:
    matched, rows = by_words(case, corpus, cursor)
    score = dict(rows)
    expected = best_of_groups(case, corpus, [i for i, _ in rows])
    found = numbers(case, result)
    assert np.allclose(result.column("score"), [score[i] for i in expected])
    assert np.allclose(result.column("score"), [score[i] for i in found])
    if case.kind.in_order:
        assert found == expected
    assert any("has all the words" in note for note in result.notes) == (matched == "any" and bool(expected))
    assert any("has any of the words" in note for note in result.notes) == (not rows and not case.options["offset"])


def check_hybrid(case: Case, corpus: Corpus, result: Result, cursor: Any) -> None:
    assert result.found is not None
    scan, options = result.found.scan, case.options
    needed = options["k"] + options["offset"]
    least = max(10 * needed, 100) if options["per"] else max(4 * needed, 40)
    assert scan.candidates == least
    limit = None if options["per"] and scan.kind == "exact" else least
    distances = corpus.distances(case.metric, case.vector)
    _, rows = by_words(case, corpus, cursor)
    keyword_rank = {i: rank for rank, (i, _) in enumerate(rows[:limit], 1)}
    near = [i for i in nearest(case, corpus)[:limit] if distances[i] <= cut(case, corpus)]
    vector_rank = {i: rank for rank, i in enumerate(near, 1)}
    weights, k = options["weights"], options["rrf_k"]
    found = numbers(case, result)
    shown = list(zip(found, result.column("vector_rank"), result.column("keyword_rank"), strict=True))
    score = {i: sum(w / (k + r) for w, r in zip(weights, ranks, strict=True) if r) for i, *ranks in shown}
    assert np.allclose(result.column("score"), [score[i] for i in found])
    shown_distances = np.array(result.column("distance"), dtype=float)
    assert np.allclose(shown_distances, np.where(corpus.known, distances, np.nan)[found], atol=CLOSE, equal_nan=True)
    if not case.kind.in_order or scan.kind != "exact":
        return
    both = {
        i: weights[0] / (k + vector_rank[i] if i in vector_rank else np.inf)
        + weights[1] / (k + keyword_rank[i] if i in keyword_rank else np.inf)
        for i in vector_rank.keys() | keyword_rank.keys()
    }
    expected = best_of_groups(case, corpus, sorted(both, key=lambda i: (-both[i], i)))
    assert np.allclose(result.column("score"), [both[i] for i in expected])
    assert found == expected
    assert result.column("vector_rank") == [vector_rank.get(i) for i in found]
    assert result.column("keyword_rank") == [keyword_rank.get(i) for i in found]


def test_generated_searches_give_what_brute_force_gives(corpus: Corpus, here: Database, plain: connection) -> None:
    recalls = []
    with plain.cursor() as cursor:
        for seed in range(300):
            case = generated(random.Random(seed), corpus)
            if not corpus.known[list(case.excluded)].all():
                continue
            try:
                result = search(here, case.kind.name, **case.options)
                if case.options["mode"] == "keyword":
                    check_keyword(case, corpus, result, cursor)
                elif case.options["mode"] == "hybrid":
                    check_hybrid(case, corpus, result, cursor)
                else:
                    recall = check_vector(case, corpus, result)
                    recalls += [recall] if case.options["strategy"] == "auto" else []
                assert (len(result) == case.options["k"]) or result.notes
            except BaseException as error:
                shown = {name: value for name, value in case.options.items() if name != "vector"}
                error.add_note(f"seed {seed}: {case.kind.name} {shown}")
                raise
    assert np.mean(recalls) > 0.98


# --- never fewer rows than exist --------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Database], list[str]]:
    """A function that returns a list to which the SQL of every message of a connection is added from now on."""

    def count(db: Database) -> list[str]:
        sent: list[str] = []
        run = db.run
        monkeypatch.setattr(db, "run", lambda query: (sent.append(query.sql), run(query))[1])
        return sent

    return count


ARC = """
CREATE TABLE arc (id int PRIMARY KEY, half int, content text, embedding vector(3) NOT NULL)
  WITH (autovacuum_enabled = off);
INSERT INTO arc SELECT i, i / 500, 'row number ' || i, ARRAY[cos(i / 320.0), sin(i / 320.0), 0.5]::vector
  FROM generate_series(0, 999) AS i;
CREATE INDEX ON arc USING {index};
"""
HNSW, IVFFLAT = "hnsw (embedding vector_l2_ops)", "ivfflat (embedding vector_l2_ops) WITH (lists = 50)"
START = [1.0, 0.0, 0.5]  # at row 0; the higher the number, the farther


@pytest.fixture
def big(db: Database) -> Database:
    """A connection that would rather use an index than read a table, as on one that is too large to read."""
    db.run(Query("SET enable_seqscan = off"))
    return db


def numbered(result: Result) -> list[int]:
    return result.column("id")


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("index", [HNSW, IVFFLAT])
def test_a_selective_filter_loses_no_rows(raw: connection, big: Database, index: str, analyzed: bool) -> None:
    cursor = raw.cursor()
    cursor.execute(ARC.format(index=index) + ("ANALYZE arc" if analyzed else ""))
    asked = {"vector": START, "where": "id BETWEEN 480 AND 492", "k": 8}
    walked = "id % 1000 BETWEEN 480 AND 492"
    assert len(search(big, "arc", vector=START, where=walked, k=8, as_is=True)) < 8  # what Postgres does with it
    assert numbered(search(big, "arc", **asked)) == list(range(480, 488))
    # The estimate of such a filter is wrong: it is taken to leave many rows, or few.
    for condition in (walked, "(id * 7) % 7000 / 7 >= 480 AND id <= 492"):
        for given in (
            {},
            {"set": {f"{index.partition(' ')[0]}.iterative_scan": "off"}},
            {"ef_search": 10, "probes": 1},
        ):
            assert numbered(search(big, "arc", **asked | {"where": condition}, **given)) == list(range(480, 488))


@pytest.mark.parametrize("k", [3, 50, 990, 1000, 1500])
@pytest.mark.parametrize("index", [HNSW, IVFFLAT])
def test_any_k_gives_that_many_rows_if_they_exist(raw: connection, big: Database, index: str, k: int) -> None:
    raw.cursor().execute(ARC.format(index=index))
    result = search(big, "arc", vector=START, k=k)
    assert len(set(numbered(result))) == min(k, 1000)
    assert [note for note in result.notes if "missing" in note] == list(result.notes)
    assert bool(result.notes) == (k > 1000)
    assert len(search(big, "arc", vector=START, k=10, offset=k)) == min(max(1000 - k, 0), 10)


def test_rows_beyond_a_thousand_come_through_the_index_too(here: Database) -> None:
    result = search(here, "plain", vector=[1.0] * DIMENSIONS, k=1200, set={"hnsw.max_scan_tuples": 5000})
    assert result.found is not None
    assert result.found.scan.kind == "iterative"
    assert result.settings["hnsw.ef_search"] == "1000"
    assert len(result) == 1200


def test_rows_behind_dead_ones_are_found(raw: connection, big: Database) -> None:
    raw.cursor().execute(ARC.format(index=HNSW) + "DELETE FROM arc WHERE id < 300")
    assert len(search(big, "arc", vector=START, as_is=True)) == 0
    result = search(big, "arc", vector=START)
    assert numbered(result) == list(range(300, 310))
    assert result.found is not None
    assert result.found.scan.why == "the index scan gave 0 of 10 rows"
    assert result.notes == ()


def test_a_scan_that_may_visit_few_rows_only_is_repeated_exactly(
    raw: connection, big: Database, counted: Callable[[Database], list[str]]
) -> None:
    raw.cursor().execute(ARC.format(index=HNSW))
    limits = {"hnsw.max_scan_tuples": 1, "hnsw.ef_search": 10}
    sent = counted(big)
    result = search(big, "arc", vector=START, where="half = 1", set=limits)
    assert numbered(result) == list(range(500, 510))
    assert "exact (the index scan gave 0 of 10 rows)" in " ".join(repr(result).split())
    assert sum("<->" in text for text in sent) == 2
    fewer = search(big, "arc", vector=START, where="half = 1", set=limits, strategy="iterative")
    assert len(fewer) < 10
    assert ([finding.rule for finding in fewer.findings], fewer.notes) == (["R43"], ())


# 15,000 rows around 50 centres; the filters on n have nothing to do with where a row is.
CLOUD = """
SELECT setseed(0.5);
CREATE TABLE cloud (id int PRIMARY KEY, n int, centre int, embedding vector(6) NOT NULL);
INSERT INTO cloud SELECT i, (i * 7919) % 15000, i % 50, ARRAY[
    sin(i % 50) + random() / 5, sin(i % 50 * 2.3) + random() / 5, sin(i % 50 * 5.9) + random() / 5,
    cos(i % 50) + random() / 5, cos(i % 50 * 3.1) + random() / 5, cos(i % 50 * 7.7) + random() / 5]::vector
  FROM generate_series(0, 14999) AS i;
CREATE INDEX ON cloud (n);
CREATE INDEX ON cloud USING hnsw (embedding vector_cosine_ops);
ANALYZE cloud;
"""


def cloud(raw: connection, number: int) -> Any:
    """The vector of a row of cloud."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT embedding::text FROM cloud WHERE id = %s", (number,))
        return [float(value) for value in cursor.fetchone()[0].strip("[]").split(",")]


def test_whatever_share_of_the_rows_passes_all_come_that_are_asked_for(raw: connection, db: Database) -> None:
    raw.cursor().execute(CLOUD)
    kinds = {}
    for percent in (0.01, 0.1, 1, 5, 20, 50, 100):
        count = round(15_000 * percent / 100)
        recalls = []
        for number in range(0, 15_000, 1500):
            asked = {"vector": cloud(raw, number), "where": f"n < {count}"}
            result, exact = search(db, "cloud", **asked), search(db, "cloud", **asked, exact=True)
            assert len(set(numbered(result))) == min(10, count)
            recalls.append(len(set(numbered(result)) & set(numbered(exact))) / len(exact))
            assert result.found is not None
            kinds.setdefault(percent, set()).add(result.found.scan.kind)
        assert np.mean(recalls) >= 0.95
    assert kinds[0.01] == kinds[0.1] == kinds[1] == kinds[5] == {"exact"}
    assert "ann" in kinds[20] & kinds[50] & kinds[100]


def test_where_one_pass_finds_too_few_the_search_goes_on(
    raw: connection, db: Database, counted: Callable[[Database], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.cursor().execute(CLOUD)
    asked = {"vector": cloud(raw, 7), "where": "centre <> 7"}  # whose 300 rows are nearer than any other
    assert len(search(db, "cloud", **asked, strategy="ann", ef_search=100)) == 0
    exact = search(db, "cloud", **asked, exact=True)
    sent = counted(db)
    result = search(db, "cloud", **asked)
    assert numbered(result) == numbered(exact)
    assert result.found is not None
    assert result.found.scan.why == "the index scan gave 0 of 10 rows"
    assert [" + 0 AS" in text for text in sent] == [False, False, True]  # the estimate, one pass, and all rows
    monkeypatch.setattr("pgvec_magic.query.scan.FAR_ROWS", 1000)
    result = search(db, "cloud", **asked)
    assert len(result) == 10
    assert result.found is not None
    assert (result.found.scan.kind, result.found.scan.why) == ("iterative", "one pass of the index found too few rows")
    result = search(db, "cloud", **asked, set={"hnsw.iterative_scan": "off"})
    assert numbered(result) == numbered(exact)


def test_an_estimate_is_asked_for_once_in_a_while(
    raw: connection, db: Database, counted: Callable[[Database], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.cursor().execute(ARC.format(index=HNSW) + "ANALYZE arc")
    search(db, "arc", vector=START)
    sent = counted(db)
    for most in (10, 10, 20, 20, 10):
        search(db, "arc", vector=START, where="id < :most", params={"most": most}, k=1)
    assert ["EXPLAIN" in text for text in sent] == [True, False, False, True, False, False, True, False]
    monkeypatch.setattr("pgvec_magic.catalog.read.FRESH_SECONDS", -1.0)
    sent.clear()
    search(db, "arc", vector=START, where="id < :most", params={"most": 10}, k=1)
    assert sum("EXPLAIN" in text for text in sent) == 1


@pytest.fixture
def tenant(dsn: str, raw: connection, big: Database) -> Iterator[Database]:
    """Somebody whom a policy shows the rows 480 to 492 of ``arc``."""
    raw.cursor().execute(
        ARC.format(index=HNSW) + "ANALYZE arc; ALTER TABLE arc ENABLE ROW LEVEL SECURITY;"
        "DROP ROLE IF EXISTS pgvec_tenant; CREATE ROLE pgvec_tenant; GRANT SELECT ON arc TO pgvec_tenant;"
        "CREATE POLICY own ON arc USING (id % 1000 BETWEEN 480 AND current_setting('app.last')::int)"
    )
    db = connect(dsn, name="tenant", role="pgvec_tenant", session={"app.last": "492"})
    db.run(Query("SET enable_seqscan = off"))
    yield db
    raw.cursor().execute("DROP OWNED BY pgvec_tenant; DROP ROLE pgvec_tenant")


def test_a_policy_is_searched_as_a_filter(big: Database, tenant: Database) -> None:
    assert len(search(tenant, "arc", vector=START, k=8, as_is=True)) < 8  # what Postgres does with it
    for given in ({}, {"where": "id >= 0"}, {"set": {"hnsw.iterative_scan": "off"}}, {"ef_search": 10}):
        assert numbered(search(tenant, "arc", vector=START, k=8, **given)) == list(range(480, 488))
    assert numbered(search(big, "arc", vector=START, k=3)) == [0, 1, 2]  # who owns the table sees all of it


def test_what_a_policy_hides_may_be_what_is_missing(tenant: Database) -> None:
    result = search(tenant, "arc", vector=START, k=20)
    assert numbered(result) == list(range(480, 493))
    assert result.notes == (
        "7 of 20 rows are missing: there are only 13 rows, as far as the table's policies show its rows to this role",
    )
    assert "the table's policies leave about" in repr(result)


def test_in_hybrid_a_filter_costs_neither_leg_rows(raw: connection, big: Database) -> None:
    raw.cursor().execute(ARC.format(index=HNSW))
    condition = "id % 1000 BETWEEN 480 AND 499"
    for given in ({}, {"set": {"hnsw.iterative_scan": "off", "hnsw.ef_search": 40}}):
        result = search(big, "arc", "number", vector=START, where=condition, mode="hybrid", k=5, **given)
        assert numbered(result) == [480, 481, 482, 483, 484]
        assert result.column("vector_rank") == result.column("keyword_rank") == [1, 2, 3, 4, 5]
        assert result.found is not None
        assert result.found.leg == 20
    one_pass = search(big, "arc", "number", vector=START, where=condition, mode="hybrid", k=5, strategy="ann")
    assert one_pass.column("vector_rank") == [None] * 5
    none = search(big, "arc", "nosuch", vector=START, where=condition, mode="hybrid", k=5, strategy="ann")
    assert none.findings[0].why.endswith("an exact search finds 20 of the 40 of the vector leg")


def test_groups_that_are_far_are_found(raw: connection, db: Database) -> None:
    raw.cursor().execute(ARC.format(index=HNSW))
    for mode, given in (("vector", {}), ("hybrid", {"text": "number"})):
        result = search(db, "arc", vector=START, per="half", k=5, mode=mode, **given)
        assert sorted(result.column("half")) == [0, 1]
        assert result.notes[-1] == "3 of 5 rows are missing: there are only 2 values of half" + (
            " that either leg finds" if mode == "hybrid" else ""
        )


# --- what a short result says -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": 1003}, "3 of 1,003 rows are missing: there are only 1,000 rows"),
        ({"k": 2, "where": "id = 5"}, "1 of 2 rows are missing: there is only 1 row within the filter"),
        ({"where": "false"}, "10 of 10 rows are missing: there are no rows within the filter"),
        ({"k": 5, "offset": 998}, "3 of 5 rows are missing: there are only 1,000 rows"),
        ({"k": 5, "offset": 2000}, "5 of 5 rows are missing: there are no more than 2,000 rows"),
        ({"max_distance": 0.01}, "the threshold, distance 0.01, cut the rest away: row 5 would have distance 0.012"),
        ({"max_distance": 0.01, "where": "id > 200"}, "the threshold, distance 0.01, cut every row away: the best has"),
        ({"max_distance": 9, "k": 1001}, "1 of 1,001 rows are missing: there are only 1,000 rows within the threshold"),
        (
            {"max_distance": 0.01, "mode": "hybrid", "text": "number 7"},
            "5 of 10 rows are missing: there are only 5 rows that either leg finds within the threshold",
        ),
        ({"max_distance": 0.01, "offset": 5}, "the threshold, distance 0.01, cut the rest away: row 6 would have"),
        (
            {"vector": None, "similar_to": [1, 2], "k": 1000},
            "2 of 1,000 rows are missing: there are only 998 rows besides",
        ),
        (
            {"as_is": True, "where": "id % 1000 = -1"},
            "10 of 10 rows are missing: there are no rows within the filter",
        ),
        (
            {"mode": "keyword", "vector": None, "text": "number 7 -x"},
            "9 of 10 rows are missing: there is only 1 row with",
        ),
        (
            {"mode": "hybrid", "text": "nothing", "where": "id < 3"},
            "7 of 10 rows are missing: there are only 3 rows that",
        ),
    ],
)
def test_a_short_result_says_how_many_rows_are_missing_and_why(
    raw: connection, big: Database, asked: dict[str, Any], said: str
) -> None:
    raw.cursor().execute(ARC.format(index=HNSW))
    result = search(big, "arc", **{"vector": START, **asked})
    assert said in result.notes[-1]


def test_rows_without_a_vector_are_left_out_and_said(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, embedding vector(2), content text DEFAULT 'csv');"
        "INSERT INTO t VALUES (1, '[1,0]'), (2, NULL), (3, '[0,0]'), (4, '[0,1]'), (5, '[1,1]');"
        "CREATE INDEX ON t USING hnsw (embedding vector_cosine_ops)"
    )
    result = search(db, "t", vector=[1, 0.1])
    assert numbered(result) == [1, 5, 4, 3]
    assert result.rows[-1] == (3, "csv", None, None)
    assert result.notes == (
        "1 row has a vector of zeros, to which there is no cosine distance: last, without a number",
        "6 of 10 rows are missing: there are only 4 rows with a vector",
    )
    assert result.df["distance"].isna().tolist() == [False, False, False, True]
    assert numbered(search(db, "t", vector=[1, 0.1], max_distance=2)) == [1, 5, 4]
    hybrid = search(db, "t", "csv", vector=[1, 0.1], mode="hybrid", k=5)
    shown = dict(zip(numbered(hybrid), hybrid.df[["vector_rank", "vector_distance", "distance"]].values, strict=True))
    assert [value is pd.NA or value != value for value in shown[2]] == [True, True, True]
    assert [value is pd.NA or value != value for value in shown[3]] == [False, True, True]
    assert hybrid.column("distance").count(None) == 2
    assert set(numbered(search(db, "t", vector=[1, 0.1], metric="l2"))) == {1, 3, 4, 5}
    with pytest.raises(UsageError, match="all zeros: it has no direction"):
        search(db, "t", vector=[0, 0])
    with pytest.raises(UsageError, match="all zeros"):
        search(db, "t", similar_to=3)
    assert numbered(search(db, "t", vector=[0, 0], metric="l2", k=1)) == [3]


def test_a_threshold_does_not_repeat_the_search_exactly(
    here: Database, counted: Callable[[Database], list[str]]
) -> None:
    vector = [1.0] * DIMENSIONS
    scores = search(here, "plain", vector=vector).column("score")
    sent = counted(here)
    result = search(here, "plain", vector=vector, min_score=scores[3])
    assert result.column("score") == scores[:4]  # a score that was shown passes as a threshold
    assert len(sent) == 2
    assert not any("+ 0 AS" in text for text in sent)
    assert f"row 5 would have score {scores[4]:.3f}" in result.notes[-1]
    nothing = search(here, "plain", vector=vector, min_score=0.999)
    assert nothing.notes == (f"the threshold, score 0.999, cut every row away: the best has score {scores[0]:.3f}",)
    hybrid = search(here, "plain", "csv", vector=vector, min_score=0.999, mode="hybrid")
    assert hybrid.column("vector_rank") == [None] * 10
    assert len(hybrid) == 10


def test_a_threshold_in_hybrid_does_not_repeat_it_exactly(
    raw: connection, big: Database, counted: Callable[[Database], list[str]]
) -> None:
    raw.cursor().execute(ARC.format(index=HNSW))
    sent = counted(big)
    assert len(search(big, "arc", "number 7", vector=START, max_distance=0.01, mode="hybrid")) == 5
    assert sum("<->" in text for text in sent) == 1


def test_a_threshold_that_empties_the_vector_leg_is_said(here: Database) -> None:
    result = search(here, "plain", "emptily", vector=[1.0] * 16, min_score=0.999, where="n = 3", mode="hybrid")
    assert result.column("vector_rank") == [None] * len(result)
    assert len(result) < 10
    assert "cut every row of the vector leg away: the best has score 0." in result.notes[-1]


# --- words ------------------------------------------------------------------------------------------------------------

PAGES = """
CREATE TABLE pages (id int PRIMARY KEY, title text, body text, embedding vector(2) DEFAULT '[1,0]');
INSERT INTO pages (id, title, body) VALUES
  (1, 'one', 'reading csv files quickly'), (2, 'two', 'write a csv file'), (3, 'three', 'O''Reilly''s C:\\\\path & co'),
  (4, 'four', 'die Häuser am See'), (5, 'five', 'csv csv csv'), (6, 'six', NULL), (7, 'seven', '');
"""
ADVICE = "no text index serves this search, so every row is parsed for it: CREATE INDEX ON pages USING gin "


def ids(db: Database, text: str, **options: Any) -> list[int]:
    return numbered(search(db, "pages", text, **{"mode": "keyword", **options}))


@pytest.mark.parametrize(
    ("made", "language", "advice"),
    [
        ("", "english", ADVICE + "(to_tsvector('english', body))"),
        ("CREATE INDEX ON pages USING gin (to_tsvector('english', body))", "english", None),
        (
            "ALTER TABLE pages ADD tags text[]; CREATE INDEX ON pages USING gin (tags, to_tsvector('simple', body))",
            "simple",
            None,
        ),
        ("CREATE INDEX ON pages USING gin (to_tsvector('english', body)) WHERE id > 3", "english", ADVICE),
        (
            "ALTER TABLE pages ADD fts tsvector GENERATED ALWAYS AS (to_tsvector('german', body)) STORED",
            "german",
            ADVICE,
        ),
        (
            'ALTER TABLE pages ADD "my %" tsvector; CREATE INDEX ON pages USING gin ("my %");'
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON pages FOR EACH ROW EXECUTE FUNCTION"
            " tsvector_update_trigger(\"my %\", 'pg_catalog.german', body); UPDATE pages SET body = body",
            "german",
            None,
        ),
        (
            "ALTER TABLE pages ADD fts tsvector; CREATE INDEX ON pages USING gin (fts);"
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " new.fts := to_tsvector('german', coalesce(new.body, '')); RETURN new; END $$;"
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON pages FOR EACH ROW EXECUTE FUNCTION f();"
            "UPDATE pages SET id = id",
            "german",
            None,
        ),
    ],
)
def test_any_text_can_be_searched_by_words(
    raw: connection, db: Database, made: str, language: str, advice: str | None
) -> None:
    cursor = raw.cursor()
    cursor.execute(PAGES + made)
    result = search(db, "pages", "csv", mode="keyword")
    assert numbered(result) == [5, 1, 2]
    assert f"keyword (ts_rank_cd, {language})" in repr(result)
    assert any("text index" in note for note in result.notes) == (advice is not None)
    assert not advice or result.notes[0].startswith(advice)
    assert ids(db, "haus") == ([4] if language == "german" else [])
    assert ids(db, "haus", language="german") == [4]
    assert ids(db, "Häuser", language="simple") == [4]
    with pytest.raises(UsageError, match="did you mean 'english'"):
        ids(db, "x", language="englisch")


def test_the_index_that_a_note_advises_is_used(raw: connection, db: Database) -> None:
    raw.cursor().execute(PAGES)
    note = search(db, "pages", "csv", mode="keyword").notes[0]
    sql(db, note[note.index("CREATE INDEX") :])
    result = search(db, "pages", "csv", mode="keyword")
    assert numbered(result) == [5, 1, 2]
    assert "index" not in "".join(result.notes)


def test_what_words_mean(raw: connection, db: Database) -> None:
    raw.cursor().execute(PAGES + "CREATE INDEX ON pages USING gin (to_tsvector('english', body))")
    assert ids(db, "csv files") == [1, 2]
    assert ids(db, '"csv file"') == [1, 2]
    assert ids(db, '"file csv"') == [5, 1, 2]  # no row has the phrase: any of its words
    assert ids(db, "csv -write") == [5, 1]
    assert ids(db, 'nosuchword csv -"write a csv" -quickly') == [5]
    assert ids(db, "-csv") == []
    assert ids(db, "quickly or write") == [1, 2]
    assert ids(db, "reading xyzzy") == [1]
    assert ids(db, "nosuchword O'Reilly") == [3]
    assert ids(db, r"nosuchword C:\path") == [3]


def test_what_words_found_is_said(raw: connection, db: Database) -> None:
    raw.cursor().execute(PAGES + "CREATE INDEX ON pages USING gin (to_tsvector('english', body))")

    def said(text: str, **options: Any) -> tuple[str, ...]:
        return search(db, "pages", text, **{"mode": "keyword", "k": 2, **options}).notes

    assert said("csv") == ()
    assert said("csv xyzzy") == ("no row has all the words: these have any of them",)
    assert said("xyzzy") == ("no row has any of the words",)
    assert said("csv", where="id = 4") == ("no row within the filter has any of the words",)
    only_stop_words = "in english the text has no word to look for"
    assert said("the of") == said("-csv") == said("\N{PARTY POPPER} ?!") == (only_stop_words,)
    assert said("csv", k=9) == (
        "6 of 9 rows are missing: there are only 3 rows with all the words"
        " (with OR between them, any of the words will do)",
    )
    hybrid: dict[str, Any] = {"mode": "hybrid", "vector": [1, 1]}
    empty = ": the keyword leg is empty, the order is the vector leg's alone"
    assert said("the of", **hybrid) == (only_stop_words + empty,)
    assert said("xyzzy", **hybrid) == ("no row has any of the words" + empty,)
    assert said("csv xyzzy", **hybrid) == ("no row has all the words: the keyword leg found rows with any of them",)
    assert said("csv " * 300) == ("the text is long: only its first 200 words were looked for",)


HOSTILE = (
    'it\'s 100% "sure" \\ :x %(y)s %s {z} $1 $$ -- /* ; DROP TABLE pages',
    "'; SELECT 1 --",
    "a & b | c ! d <-> e <3> :* ()",
    "\N{PARTY POPPER} \N{THUMBS UP SIGN} e\N{COMBINING ACUTE ACCENT}",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "nul \x00 byte",
    "https://example.com/a?b=1&c='2'#x user@example.com C++ .NET a:b well-known",
    "x" * 5000,
    "xyz-" * 3000,
    '"' * 3001,
    '- -- --- -"',
    " ".join(f"word{i}" for i in range(10_000)),
    "csv " + "(" * 2000,
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_a_search(raw: connection, db: Database, text: str) -> None:
    cursor = raw.cursor()
    cursor.execute(PAGES)
    cursor.execute("INSERT INTO pages (id, body) VALUES (8, %s)", (text.replace("\0", " "),))
    for mode in ("keyword", "hybrid"):
        for asked in (text, "csv " + text, text + " -write"):
            result = search(db, "pages", asked, mode=mode, **({"vector": [1, 0]} if mode == "hybrid" else {}))
            assert set(numbered(result)) <= set(range(1, 9))
    if any(character.isalpha() and character.isascii() for character in text[:40]) and len(text) < 200:
        assert ids(db, text)[0] == 8


def test_stop_words_of_one_language_are_words_of_another(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        PAGES + 'CREATE TEXT SEARCH CONFIGURATION "Mine %" (COPY = simple);'
        "CREATE INDEX ON pages USING gin (to_tsvector('\"Mine %\"', body))"
    )
    assert ids(db, "am") == [4]
    assert 'keyword (ts_rank_cd, "Mine %")' in repr(search(db, "pages", "am", mode="keyword"))
    assert ids(db, "am", language="Mine %") == [4]
    assert ids(db, "am", language="english") == []


def test_a_keyword_search_needs_no_vectors(raw: connection, db: Database) -> None:
    raw.cursor().execute(PAGES + "ALTER TABLE pages DROP embedding; DROP EXTENSION vector")
    result = search(db, "pages", "csv", mode="keyword")
    assert numbered(result) == [5, 1, 2]
    assert result.column("distance") == [None] * 3
    with pytest.raises(UsageError, match="pgvector is not installed in test"):
        search(db, "pages", vector=[1, 0])
    raw.cursor().execute("CREATE EXTENSION vector; ALTER TABLE pages ADD a vector(2), ADD b vector(2)")
    assert ids(db, "csv") == [5, 1, 2]
    catalog.forget(db)
    with pytest.raises(UsageError, match="several vector columns") as caught:
        search(db, "pages", "csv", mode="hybrid", vector=[1, 0])
    assert caught.value.hint == "choose one: --column a | b"


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(filled: str) -> str:
    """20,000 rows, so that the planner has a reason to use an index."""
    made = psycopg2.connect(filled)
    made.autocommit = True
    with made.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE large AS SELECT b.id + 2000 * g AS id, b.module, b.n,"
            "  b.content || ' ' || md5(b.id::text) AS content, b.embedding FROM base AS b, generate_series(0, 9) AS g;"
            "ALTER TABLE large ADD PRIMARY KEY (id);"
            "ALTER TABLE large ADD fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED;"
            "CREATE INDEX large_words ON large USING gin (fts);"
            "CREATE INDEX large_nearest ON large USING hnsw (embedding vector_cosine_ops)"
            " WITH (m = 4, ef_construction = 16);"
            "ANALYZE large"
        )
    made.close()
    return filled


def scans(db: Database, **options: Any) -> set[str]:
    """The indexes and tables that the statement of a search reads, as EXPLAIN has it."""
    query = dry_run(db, "large", **options)
    explain = Query("EXPLAIN (FORMAT JSON) " + query.sql, query.params, query.settings, reads=True)
    found: set[str] = set()

    def visit(node: dict[str, Any]) -> None:
        found.add(node.get("Index Name") or node.get("Relation Name") or "")
        for child in node.get("Plans", []):
            visit(child)

    visit(db.run(explain).rows[0][0][0]["Plan"])
    return found - {""}


def test_the_indexes_are_used(large: str, here: Database) -> None:
    v = [1.0] * DIMENSIONS
    assert scans(here, vector=v) == {"large_nearest"}
    assert scans(here, vector=v, as_is=True) == {"large_nearest"}
    assert scans(here, vector=v, where="n < 80") == {"large_nearest"}
    assert scans(here, vector=v, k=1200) == {"large_nearest"}
    assert scans(here, vector=v, per="module", offset=5) == {"large_nearest"}
    assert scans(here, vector=v, max_distance=0.5) == {"large_nearest"}
    assert scans(here, similar_to=7) == {"large_nearest"}
    assert scans(here, vector=v, strategy="exact") == {"large"}
    assert scans(here, vector=v, where="n = 3") == {"large"}
    assert scans(here, vector=v, where="id = 3") == {"large_pkey"}
    words = {"text": "csv " + "c4ca4238a0b923820dcc509a6f75849b", "mode": "keyword"}
    assert scans(here, **words) == {"large", "large_words"}
    assert scans(here, **words, where="n < 80") == {"large", "large_words"}
    hybrid = words | {"mode": "hybrid", "vector": v}
    assert scans(here, **hybrid) == {"large_nearest", "large", "large_words", "large_pkey"}
    assert scans(here, **hybrid, where="n < 80") == {"large_nearest", "large", "large_words", "large_pkey"}


def test_one_search_is_one_message(large: str, here: Database, counted: Callable[[Database], list[str]]) -> None:
    v = [1.0] * DIMENSIONS
    search(here, "large", vector=v)
    sent = counted(here)

    def messages(**options: Any) -> int:
        sent.clear()
        search(here, "large", **options)
        return len(sent)

    assert messages(vector=v) == 1
    assert messages(vector=v, k=1200) == 1
    assert messages(vector=v, min_score=0.2) == 1
    assert messages(vector=v, per="module", k=3) == 1
    assert messages(text="csv", mode="keyword") == 1
    assert messages(text="csv", mode="hybrid", vector=v) == 1
    assert messages(vector=v, where="n < 80", as_is=True) == 1
    assert messages(vector=v, where="n < 80", strategy="iterative") == 1
    assert messages(vector=v, where="n < 80") == 2
    assert sent[0].startswith("EXPLAIN")
    assert messages(similar_to=3) == 2


def test_a_search_writes_nothing(raw: connection, db: Database) -> None:
    raw.cursor().execute(PAGES + "CREATE FUNCTION spoil() RETURNS int LANGUAGE sql AS 'DELETE FROM pages RETURNING id'")
    for mode in ("vector", "hybrid", "keyword"):
        text = None if mode == "vector" else "csv"
        with pytest.raises(QueryError) as caught:
            search(
                db, "pages", text, where="spoil() > 0", mode=mode, **({} if mode == "keyword" else {"vector": [1, 0]})
            )
        assert caught.value.sqlstate == "25006"
    for escape in ("true) OR (true", "true; DROP TABLE pages", "true)) -- ", "id = 1 /*", "name = 'x"):
        with pytest.raises(UsageError):
            search(db, "pages", vector=[1, 0], where=escape)
    assert len(search(db, "pages", vector=[1, 0])) == 7


def test_settings_are_sent_and_shown(large: str, here: Database) -> None:
    v = [1.0] * DIMENSIONS
    wanted = {"hnsw.ef_search": "77", "work_mem": "'8MB'"}
    result = search(here, "large", vector=v, set={"hnsw.ef_search": 77, "work_mem": "8MB"})
    assert result.settings == wanted
    assert "hnsw.ef_search = 77" in repr(result)
    assert search(here, "large", vector=v, as_is=True).settings == {}
    assert search(here, "large", vector=v, k=60).settings == {"hnsw.ef_search": "60"}
    assert search(here, "large", vector=v, where="n < 80").settings == {"hnsw.ef_search": "100"}
    assert search(here, "large", vector=v, where="n < 80", strategy="iterative").settings == {
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": "200",
    }
    sql(here, "SET hnsw.ef_search = 120; SET hnsw.iterative_scan = strict_order")
    assert search(here, "large", vector=v).settings == {
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": "120",
    }
    assert search(here, "large", vector=v, strategy="ann", ef_search=30).settings == {
        "hnsw.iterative_scan": "off",
        "hnsw.ef_search": "30",
    }


# --- a table that is not as it was ------------------------------------------------------------------------------------


def test_what_others_change_is_noticed_when_a_statement_fails(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(PAGES)
    search(db, "pages", vector=[1, 0])
    cursor.execute("ALTER TABLE pages RENAME title TO heading")
    assert "heading" in search(db, "pages", vector=[1, 0]).columns
    cursor.execute("ALTER TABLE pages RENAME embedding TO e")
    assert len(search(db, "pages", vector=[1, 0])) == 7
    cursor.execute("ALTER TABLE pages DROP heading")
    assert search(db, "pages", vector=[1, 0]).columns == ("id", "body", "distance", "score")
    cursor.execute("ALTER TABLE pages ADD note text DEFAULT 'new'")
    assert search(db, "pages", vector=[1, 0], columns="note", per="note").column("note") == ["new"]
    cursor.execute("ALTER TABLE pages DROP e, ADD e vector(4) DEFAULT '[1,2,3,4]'")
    assert len(search(db, "pages", vector=[1, 0, 0, 0])) == 7
    cursor.execute("ALTER TABLE pages DROP e, ADD e vector(3) DEFAULT '[1,2,3]'")
    with pytest.raises(UsageError, match=r"has 2 dimensions, pages\.e has 3"):
        search(db, "pages", vector=[1, 0])
    assert len(search(db, "pages", vector=[1, 0, 0])) == 7
    cursor.execute("DROP TABLE pages")
    with pytest.raises(UsageError, match="no table 'pages'"):
        search(db, "pages", vector=[1, 0, 0])


def test_what_people_mistype_is_tried_once(
    raw: connection, db: Database, counted: Callable[[Database], list[str]]
) -> None:
    raw.cursor().execute(PAGES + "CREATE INDEX ON pages USING hnsw (embedding vector_cosine_ops)")
    search(db, "pages", vector=[1, 0])
    sent = counted(db)
    for condition, code in (("nosuch = 1", "42703"), ("nosuch(id)", "42883"), ("id / 0 = 1", "22012")):
        sent.clear()
        with pytest.raises(QueryError) as caught:
            search(db, "pages", vector=[1, 0], where=condition, strategy="iterative")
        assert caught.value.sqlstate == code
        assert sum("<=>" in text for text in sent) == 1
        assert len(sent) <= 2
    sent.clear()
    with pytest.raises(UsageError):
        search(db, "pages", vector=[1, 0], columns="nosuch")
    assert len(sent) == 1


# --- where pgvector is elsewhere, where one may not look --------------------------------------------------------------


def test_pgvector_in_a_schema_that_is_not_on_the_search_path(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute('DROP EXTENSION vector; CREATE SCHEMA "my % ext"; CREATE EXTENSION vector SCHEMA "my % ext"')
    cursor.execute(
        'CREATE TABLE t (id int PRIMARY KEY, content text, embedding "my % ext".vector(2));'
        "INSERT INTO t VALUES (1, 'csv', '[1,0]'), (2, 'json', '[0,1]');"
        'CREATE INDEX ON t USING hnsw (embedding "my % ext".vector_cosine_ops)'
    )
    for options in ({}, {"where": "id > 0"}, {"strategy": "exact"}, {"text": "csv", "mode": "hybrid"}):
        assert numbered(search(db, "t", vector=[1, 0], **options)) == [1, 2]
    assert numbered(search(db, "t", similar_to="1")) == [2]


def test_a_table_that_one_may_not_read(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(
        PAGES + "CREATE ROLE pgvec_test_reader; CREATE TABLE open_to_all AS SELECT id, embedding FROM pages;"
    )
    try:
        cursor.execute(
            "GRANT SELECT ON open_to_all TO pgvec_test_reader; GRANT SELECT (id) ON pages TO pgvec_test_reader"
        )
        db.run(Query("SET ROLE pgvec_test_reader"))
        with pytest.raises(QueryError, match="permission denied") as caught:
            search(db, "pages", vector=[1, 0])
        assert caught.value.sqlstate == "42501"
        assert len(search(db, "open_to_all", vector=[1, 0])) == 7
    finally:
        db.run(Query("RESET ROLE"))
        cursor.execute("DROP OWNED BY pgvec_test_reader; DROP ROLE pgvec_test_reader")


def test_a_temporary_table_called_as_a_part_of_the_statement(raw: connection, db: Database) -> None:
    sql(db, "CREATE TEMP TABLE candidates (id int PRIMARY KEY, content text, embedding vector(2))")
    sql(db, "INSERT INTO candidates VALUES (1, 'csv', '[1,0]'), (2, 'csv', '[0,1]')")
    for options in ({}, {"where": "id > 0"}, {"text": "csv", "mode": "hybrid"}, {"max_distance": 3}):
        assert numbered(search(db, "candidates", vector=[1, 0], **options)) == [1, 2]
    raw.cursor().execute("CREATE TABLE candidates (id int, embedding vector(2))")
    assert len(search(db, "public.candidates", vector=[1, 0])) == 0


def test_a_foreign_table(raw: connection, db: Database) -> None:
    if not has_extension(raw, "file_fdw"):
        pytest.skip("no foreign data wrapper here")
    raw.cursor().execute(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        "CREATE FOREIGN TABLE far (id int, content text, embedding vector(2)) SERVER files"
        " OPTIONS (program 'echo \"1;csv files;[1,0]\"; echo \"2;json;[0,1]\"', format 'csv', delimiter ';')"
    )
    assert numbered(search(db, "far", vector=[0, 1])) == [2, 1]
    assert numbered(search(db, "far", "csv", mode="keyword")) == [1]
    with pytest.raises(UsageError, match="far has no key") as caught:
        search(db, "far", "csv", mode="hybrid", vector=[0, 1])
    assert caught.value.hint == "search the table behind the foreign table, or use --mode vector"


def has_extension(raw: connection, name: str) -> bool:
    with raw.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = %s", (name,))
        return bool(cursor.fetchone()[0])


# --- vectors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([1.0, 2.0], "has 2 dimensions, plain.embedding has 16"),
        ([[1.0] * 16], r"has one dimension, this has shape \(1, 16\)"),
        ("[1,2", "has 2 dimensions"),
        ("one", "a list or array of numbers, not str"),
        ([None] * 16, "NaN"),
        ([float("nan")] * 16, "NaN"),
        ([1e39] * 16, "too large"),
        (object(), "not object"),
    ],
)
def test_what_is_no_query_vector(here: Database, vector: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        search(here, "plain", vector=vector)


def test_vectors_of_other_packages_are_taken(here: Database) -> None:
    from pgvector import Vector

    numbers = [float(i) for i in range(16)]
    expected = search(here, "plain", vector=numbers).rows
    given = (tuple(numbers), np.array(numbers), np.arange(16), pd.Series(numbers, index=range(5, 21)), Vector(numbers))
    for vector in given:
        assert search(here, "plain", vector=vector).rows == expected


def test_rows_to_search_from(here: Database, corpus: Corpus) -> None:
    first, second, *_ = np.flatnonzero(corpus.known).tolist()
    unknown = int(np.flatnonzero(~corpus.known)[0])
    result = search(here, "plain", similar_to=[first, str(second)], k=5, strategy="exact")
    unit = corpus.vectors[[first, second]] / np.linalg.norm(corpus.vectors[[first, second]], axis=1, keepdims=True)
    distances = corpus.distances("cosine", unit.mean(axis=0))
    distances[[first, second, *np.flatnonzero(~corpus.known)]] = np.inf
    assert numbered(result) == np.argsort(distances)[:5].tolist()
    with pytest.raises(UsageError, match=f"no row with a vector under id 999999, {unknown}$"):
        search(here, "plain", similar_to=[first, 999999, unknown])
    with pytest.raises(UsageError, match="needs a key of one column, and that of composite is module, id"):
        search(here, "composite", similar_to=3)
    for keyless in ("nokey", "viewed", "keyless_parts"):
        with pytest.raises(UsageError, match=f"that of {keyless} does not exist"):
            search(here, keyless, similar_to=3)
    with pytest.raises(QueryError, match="invalid input syntax"):
        search(here, "plain", similar_to="abc")


@pytest.mark.parametrize("kind", ["character(4)", "numeric", "timestamptz", "double precision", '"Code %"', "mood"])
def test_keys_of_any_type(raw: connection, db: Database, kind: str) -> None:
    values = {"numeric": "1.50", "timestamptz": "2024-01-01 00:00+00", "double precision": "1.5", "mood": "ok"}
    key = values.get(kind, "ab")
    raw.cursor().execute(
        "CREATE DOMAIN \"Code %\" AS varchar(9); CREATE TYPE mood AS ENUM ('ok', 'bad');"
        f"CREATE TABLE t (id {kind} PRIMARY KEY, content text, embedding vector(2));"
        f"INSERT INTO t VALUES ('{key}', 'csv', '[1,0]')"
    )
    assert len(search(db, "t", "csv", mode="hybrid", vector=[1, 0])) == 1
    result = search(db, "t", similar_to=key)
    assert len(result) == 0
    assert "there are no rows with a vector besides those searched from" in result.notes[-1]


def test_a_text_is_embedded_by_the_model_that_the_column_remembers(raw: connection, db: Database) -> None:
    texts = ["read a csv file", "wait for a thread", "parse a date"]
    raw.cursor().execute("CREATE TABLE t (id int PRIMARY KEY, content text, embedding vector(256))")
    for number, vector in enumerate(embed.get("wordllama").embed(texts)):
        db.run(Query("INSERT INTO t VALUES (%(i)s, %(t)s, %(v)s)", {"i": number, "t": texts[number], "v": vector}))
    catalog.remember_embedder(db, catalog.table(db, "t"), "embedding", "wordllama")
    for mode in ("vector", "hybrid"):
        assert numbered(search(db, "t", "comma separated files, csv", mode=mode))[0] == 0
    assert sql(db, "SELECT id FROM t ORDER BY embedding <=> :query LIMIT 1", query="threads", table="t").rows == [(1,)]


def test_a_text_needs_a_model(here: Database) -> None:
    with pytest.raises(UsageError, match=r"no model is remembered for plain\.embedding") as caught:
        search(here, "plain", "read csv")
    assert "COMMENT ON COLUMN plain.embedding IS 'pgvec: embedder=wordllama'" in (caught.value.hint or "")


# --- options ----------------------------------------------------------------------------------------------------------


def test_options_that_do_not_exist(here: Database) -> None:
    v = [1.0] * DIMENSIONS
    with pytest.raises(UsageError, match="search\\(\\) has no option 'colums'") as caught:
        search(here, "plain", vector=v, colums=["id"])
    assert caught.value.hint == "did you mean 'columns'?"
    with pytest.raises(UsageError, match="has no option 'settings'"):
        search(here, "plain", vector=v, settings=())
    with pytest.raises(UsageError, match="plain has no column 'modul'\ndid you mean 'module'"):
        search(here, "plain", vector=v, columns=["modul"])
    with pytest.raises(UsageError, match="plain has no column 'x'"):
        search(here, "plain", vector=v, per="x")
    with pytest.raises(UsageError, match="plain has no vector column 'embeding'\ndid you mean 'embedding'"):
        search(here, "plain", vector=v, column="embeding")
    with pytest.raises(UsageError, match="exact and strategy='ann' cannot both be"):
        search(here, "plain", vector=v, exact=True, strategy="ann")
    with pytest.raises(UsageError, match="set: expected a dict"):
        search(here, "plain", vector=v, set="hnsw.ef_search=3")
    with pytest.raises(UsageError, match="there is no variable 'm'"):
        search(here, "plain", vector=v, where="module = :m")
    with pytest.raises(UsageError, match="no table 'plane' in test\ndid you mean 'plain'"):
        search(here, "plane", vector=v)
    with pytest.raises(UsageError, match="a Search holds every option already"):
        search(here, Search(table="plain", vector=v), k=3)


def test_a_search_is_given_as_keywords_or_as_a_value(here: Database) -> None:
    v = [1.0] * DIMENSIONS
    expected = search(here, "plain", vector=v, where="n < 50", k=3, exact=True, set={"work_mem": "4MB"})
    unused = {"x": 50, "other": {"no form in SQL": object()}}
    assert search(here, "plain", vector=v, where="n < :x", params=unused, k=3).rows == expected.rows
    request = Search(table="plain", vector=v, where=("n < 50",), k=3, strategy="exact", settings=(("work_mem", "4MB"),))
    assert search(here, request).rows == expected.rows
    query = dry_run(here, request)
    assert (query.sql, query.settings) == (expected.sql, (("work_mem", "'4MB'"),))
    assert here.run(query).rows == [row[:-1] for row in expected.rows]


def test_only_columns_asked_for_come_back_and_the_vector_only_then(here: Database, corpus: Corpus) -> None:
    v = [1.0] * DIMENSIONS
    result = search(here, "plain", vector=v, columns=["n", "id", "n"])
    assert result.columns == ("n", "id", "distance", "score")
    for mode, given in (("vector", {}), ("hybrid", {"text": "csv"}), ("keyword", {"text": "csv", "vector": None})):
        options = {"vector": v, "mode": mode, "columns": "embedding", "k": 4, **given}
        (name, *_), rows = search(here, "plain", **options).columns, search(here, "plain", **options).rows
        assert name == "embedding"
        assert all(row[0] is None or row[0].shape == (16,) for row in rows)


def test_several_indexes_and_those_that_cannot_serve(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(ARC.format(index="ivfflat (embedding vector_l2_ops) WITH (lists = 100)"))
    cursor.execute("CREATE INDEX ON arc USING hnsw (embedding vector_l2_ops)")
    assert search(db, "arc", vector=START).settings == {
        "hnsw.iterative_scan": "relaxed_order",
        "ivfflat.iterative_scan": "relaxed_order",
        "hnsw.ef_search": "40",
        "ivfflat.probes": "10",
    }
    cursor.execute("DROP INDEX arc_embedding_idx, arc_embedding_idx1")
    cursor.execute("CREATE INDEX part ON arc USING hnsw (embedding vector_ip_ops) WHERE half = 1")
    catalog.forget(db)
    whole = search(db, "arc", vector=START, k=3)
    assert "vector (ip) · exact (no index to use)" in repr(whole)
    assert numbered(search(db, "arc", vector=START, where="half = 1", k=3, strategy="ann")) == [500, 501, 502]
    assert search(db, "arc", vector=START, where="half = 1", k=3, strategy="ann").settings != {}
    cursor.execute("DROP INDEX part; CREATE INDEX ON arc USING hnsw (embedding vector_l1_ops)")
    cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'arc_embedding_idx'::regclass")
    catalog.forget(db)
    assert "vector (l1) · exact (no index to use)" in repr(search(db, "arc", vector=START))
    assert "vector (cosine)" in repr(search(db, "arc", vector=START, metric="cosine"))
    with pytest.raises(UsageError, match="no metric 'hamming'"):
        search(db, "arc", vector=START, metric="hamming")
    with pytest.raises(UsageError, match="l1 is a distance and has no similarity score"):
        search(db, "arc", vector=START, min_score=0.5)
    with pytest.raises(UsageError, match="a cosine score lies between -1 and 1"):
        search(db, "arc", vector=START, min_score=75, metric="cosine")


# --- statements of people ---------------------------------------------------------------------------------------------


def test_statements_run_in_order_and_the_last_gives_the_rows(db: Database) -> None:
    result = sql(db, "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2); SELECT id, '100%' AS x FROM t;")
    assert result.rows == [(1, "100%"), (2, "100%")]
    assert result.columns == ("id", "x")
    assert repr(result).startswith("CREATE TABLE · INSERT 0 2 · SELECT 2 · ")
    assert repr(sql(db, "SELECT 1 AS x")).startswith("1 rows · ") or repr(sql(db, "SELECT 1 AS x")).startswith(
        "1 row · "
    )
    assert repr(sql(db, "VACUUM t")).startswith("VACUUM · ")
    with pytest.raises(QueryError):
        sql(db, "INSERT INTO t VALUES (3); SELECT nosuch FROM t; INSERT INTO t VALUES (4)")
    assert sql(db, "SELECT max(id) FROM t").rows == [(3,)]
    with pytest.raises(UsageError, match="there is no statement to run"):
        sql(db, " -- nothing\n;")
    with pytest.raises(UsageError, match="only a search can be drawn"):
        result.figure()


def test_a_query_vector_and_variables_are_bound(here: Database) -> None:
    v = [1] * DIMENSIONS
    text = "SELECT id FROM plain WHERE module = :m ORDER BY embedding <=> :query, id LIMIT 3"
    result = sql(here, text, vector=v, params={"m": "csv", "unused": object()})
    assert numbered(result) == numbered(search(here, "plain", vector=v, where="module = 'csv'", k=3, exact=True))
    assert "%(query)s" in result.sql
    assert sql(here, "SELECT 1 AS x", vector=v).rows == [(1,)]
    assert sql(here, "SELECT 1 AS x", query="a text", table="plain").rows == [(1,)]
    assert sql(here, "SELECT :query AS x", params={"query": 7}).rows == [(7,)]
    with pytest.raises(UsageError, match="nothing is bound to :query"):
        sql(here, text, params={"m": "csv"})
    with pytest.raises(UsageError, match="no table was named"):
        sql(here, text, query="a text", params={"m": "csv"})
    with pytest.raises(UsageError, match="no model is remembered"):
        sql(here, text, query="a text", table="plain", params={"m": "csv"})
    with pytest.raises(UsageError, match="there is no variable 'm'"):
        sql(here, text, vector=v)


def test_what_a_statement_changes_is_known_at_once(db: Database) -> None:
    sql(db, "CREATE TABLE t (id int PRIMARY KEY, embedding vector(2)); INSERT INTO t VALUES (1, '[1,0]')")
    assert search(db, "t", vector=[1, 0]).columns == ("id", "distance", "score")
    sql(db, "ALTER TABLE t ADD note text DEFAULT 'x'")
    assert search(db, "t", vector=[1, 0]).columns == ("id", "note", "distance", "score")
    sql(db, "CREATE INDEX ON t USING hnsw (embedding vector_l2_ops)")
    assert "vector (l2)" in repr(search(db, "t", vector=[1, 0]))
    sql(db, "INSERT INTO t SELECT i, '[1,0]' FROM generate_series(2, 5) AS i")
    with pytest.raises(QueryError):
        sql(db, "CREATE UNIQUE INDEX CONCURRENTLY failed ON t (note)")
    assert search(db, "t", vector=[1, 0]).found is not None


def test_a_read_only_connection_refuses_what_could_escape(dsn: str) -> None:
    db = connect(dsn, name="reader", readonly=True)
    for text in ("COMMIT", "SET transaction_read_only = off; SELECT 1", "SELECT 1; BEGIN"):
        with pytest.raises(UsageError, match="read-only"):
            sql(db, text)
    with pytest.raises(QueryError):
        sql(db, "CREATE TABLE t (id int)")
