from __future__ import annotations

import io
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic.db import Database, connect
from pgvec_magic.search import search
from pgvec_magic.search.result import Result

ROWS, DIMENSIONS, CLUSTERS, CLOSE = 2000, 16, 25, 2e-5
MODULES = ("csv", "io", "json", "re", "socket", "threading", "zip")
WORDS = ["read", "write", "csv", "file", "table", "parse", "string", "number", "date", "zone", "socket", "thread", "lock", "queue", "path", "json", "emptily"]

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
    """A table: its distance, how its key says which row it is, and whether keys are in the order of the rows' numbers."""

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


# --- generated searches beside the brute-force answer ------------------------------------------------------------------


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
        for seed in range(400):
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


# --- never fewer rows than exist ---------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Database], list[str]]:
    """A function that returns a list to which the SQL of every message of a connection is added from now on."""

    def count(db: Database) -> list[str]:
        sent: list[str] = []
        run = db.run
        monkeypatch.setattr(db, "run", lambda query: (sent.append(query.sql), run(query))[1])
        return sent

    return count


SPHERE = """
CREATE TABLE sphere (id int PRIMARY KEY, half int, content text, embedding vector(3) NOT NULL)
  WITH (autovacuum_enabled = off);
INSERT INTO sphere SELECT i, i / 500, 'row number ' || i, ARRAY[cos(i / 160.0), sin(i / 160.0), 0.5]::vector
  FROM generate_series(0, 999) AS i;
CREATE INDEX ON sphere USING {index};
"""
HNSW, IVFFLAT = "hnsw (embedding vector_l2_ops)", "ivfflat (embedding vector_l2_ops) WITH (lists = 50)"
START = [1.0, 0.0, 0.5]  # nearest to row 0; the higher the number, the farther, up to row 500


def numbered(result: Result) -> list[int]:
    return result.column("id")


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("index", [HNSW, IVFFLAT])
def test_a_selective_filter_loses_no_rows(raw: connection, db: Database, index: str, analyzed: bool) -> None:
    cursor = raw.cursor()
    cursor.execute(SPHERE.format(index=index) + ("ANALYZE sphere" if analyzed else ""))
    asked = {"vector": START, "where": "id BETWEEN 480 AND 492", "k": 8}
    cursor.execute("SET enable_seqscan = off")  # as on a table too large to read
    cursor.execute("SELECT id FROM sphere WHERE id % 1000 BETWEEN 480 AND 492 ORDER BY embedding <-> '[1,0,0.5]' LIMIT 8")
    assert len(cursor.fetchall()) < 8  # this is what Postgres does with it
    assert numbered(search(db, "sphere", **asked)) == list(range(480, 488))
    # The estimate of such a filter is wrong: it is taken to leave many rows, or few.
    for condition in ("id % 1000 BETWEEN 480 AND 492", "(id * 7) % 7000 / 7 >= 480 AND id <= 492"):
        for given in ({}, {"set": {f"{index.partition(' ')[0]}.iterative_scan": "off"}}, {"ef_search": 10, "probes": 1}):
            assert numbered(search(db, "sphere", **{**asked, "where": condition}, **given)) == list(range(480, 488))


@pytest.mark.parametrize("k", [3, 50, 990, 1000, 1500])
@pytest.mark.parametrize("index", [HNSW, IVFFLAT])
def test_any_k_gives_that_many_rows_if_they_exist(raw: connection, db: Database, index: str, k: int) -> None:
    raw.cursor().execute(SPHERE.format(index=index))
    result = search(db, "sphere", vector=START, k=k)
    assert len(set(numbered(result))) == min(k, 1000)
    assert all("missing" in note for note in result.notes) == bool(result.notes) == (k > 1000)
    assert len(search(db, "sphere", vector=START, k=10, offset=k)) == min(max(1000 - k, 0), 10)


def test_rows_beyond_a_thousand_come_through_the_index_too(here: Database) -> None:
    result = search(here, "plain", vector=[1.0] * DIMENSIONS, k=1200, set={"hnsw.max_scan_tuples": 5000})
    assert result.found is not None
    assert result.found.scan.kind == "iterative"
    assert result.settings["hnsw.ef_search"] == "1000"
    assert len(result) == 1200


def test_rows_behind_dead_ones_are_found(raw: connection, db: Database) -> None:
    cursor = raw.cursor()
    cursor.execute(SPHERE.format(index=HNSW) + "DELETE FROM sphere WHERE id < 300; SET enable_seqscan = off")
    cursor.execute("SELECT id FROM sphere ORDER BY embedding <-> '[1,0,0.5]' LIMIT 10")
    assert cursor.fetchall() == []
    result = search(db, "sphere", vector=START)
    assert numbered(result) == list(range(300, 310))
    assert result.found is not None
    assert result.found.scan.why == "the index scan gave 0 of 10 rows"
    assert result.notes == ()


def test_a_scan_that_may_visit_few_rows_only_is_repeated_exactly(
    raw: connection, db: Database, counted: Callable[[Database], list[str]]
) -> None:
    raw.cursor().execute(SPHERE.format(index=HNSW))
    limits = {"hnsw.max_scan_tuples": 1, "hnsw.ef_search": 10}
    sent = counted(db)
    result = search(db, "sphere", vector=START, where="half = 1", set=limits)
    assert numbered(result) == [*range(999, 994, -1), *range(500, 505)] or len(set(numbered(result))) == 10
    assert "exact" in repr(result)
    assert sum("LIMIT" in text for text in sent) == 2
    fewer = search(db, "sphere", vector=START, where="half = 1", set=limits, strategy="iterative")
    assert len(fewer) < 10
    assert "the scan ended before it found them, if they exist" in fewer.notes[0]


def test_in_hybrid_a_filter_costs_neither_leg_rows(raw: connection, db: Database) -> None:
    raw.cursor().execute(SPHERE.format(index=HNSW))
    condition = "id % 1000 BETWEEN 480 AND 499"
    for given in ({}, {"set": {"hnsw.iterative_scan": "off", "hnsw.ef_search": 40}}):
        result = search(db, "sphere", "number", vector=START, where=condition, mode="hybrid", k=5, **given)
        assert numbered(result) == [480, 481, 482, 483, 484]
        assert result.column("vector_rank") == result.column("keyword_rank") == [1, 2, 3, 4, 5]
        assert result.found is not None
        assert result.found.leg == 20
    one_pass = search(db, "sphere", "number", vector=START, where=condition, mode="hybrid", k=5, strategy="ann")
    assert one_pass.column("vector_rank") == [None] * 5


def test_groups_that_are_far_are_found(raw: connection, db: Database) -> None:
    raw.cursor().execute(SPHERE.format(index=HNSW))
    for mode, given in (("vector", {}), ("hybrid", {"text": "number"})):
        result = search(db, "sphere", vector=START, per="half", k=5, mode=mode, **given)
        assert sorted(result.column("half")) == [0, 1]
        assert result.notes[-1] == "3 of 5 rows are missing: there are only 2 values of half" + (
            " that either leg finds" if mode == "hybrid" else ""
        )


# --- what a short result says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": 1003}, "3 of 1,003 rows are missing: there are only 1,000 rows"),
        ({"k": 2, "where": "id = 5"}, "1 of 2 rows are missing: there is only 1 row within the filter"),
        ({"where": "false"}, "10 of 10 rows are missing: there are no rows within the filter"),
        ({"k": 5, "offset": 998}, "3 of 5 rows are missing: there are only 1,000 rows"),
        ({"k": 5, "offset": 2000}, "5 of 5 rows are missing: there are no more than 2,000 rows"),
        ({"max_distance": 0.01}, "the threshold, distance 0.01, cut the rest away: row 3 would have distance 0.012"),
        ({"max_distance": 0.01, "where": "id > 200"}, "the threshold, distance 0.01, cut every row away: the best has"),
        ({"max_distance": 9, "k": 1001}, "1 of 1,001 rows are missing: there are only 1,000 rows"),
        ({"max_distance": 0.01, "offset": 5}, "the threshold, distance 0.01, cut the rest away: row 6 would have"),
        ({"vector": None, "similar_to": [1, 2], "k": 1000}, "2 of 1,000 rows are missing: there are only 998 rows besides"),
        ({"as_is": True, "where": "id % 1000 = 500"}, "rows are missing: the scan ended before it found them, if they exist"),
        ({"mode": "keyword", "vector": None, "text": "number 7 -x"}, "9 of 10 rows are missing: there is only 1 row with"),
        ({"mode": "hybrid", "text": "nothing", "where": "id < 3"}, "7 of 10 rows are missing: there are only 3 rows that"),
    ],
)
def test_a_short_result_says_how_many_rows_are_missing_and_why(
    raw: connection, db: Database, asked: dict[str, Any], said: str
) -> None:
    cursor = raw.cursor()
    cursor.execute(SPHERE.format(index=HNSW))
    cursor.execute("ALTER DATABASE {} SET enable_seqscan = off".format(raw.info.dbname))
    db = connect(raw.dsn, name="again")
    result = search(db, "sphere", **{"vector": START, **asked})
    assert said in result.notes[-1]


def test_rows_without_a_vector_are_left_out_and_said(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, embedding vector(2));"
        "INSERT INTO t VALUES (1, '[1,0]'), (2, NULL), (3, '[0,0]'), (4, '[0,1]'), (5, '[1,1]');"
        "CREATE INDEX ON t USING hnsw (embedding vector_cosine_ops)"
    )
    result = search(db, "t", vector=[1, 0.1])
    assert numbered(result) == [1, 5, 4, 3]
    assert result.rows[-1] == (3, None, None)
    assert result.notes == (
        "1 row has a vector of zeros, to which there is no cosine distance: last, without a number",
        "6 of 10 rows are missing: there are only 4 rows with a vector",
    )
    assert result.df["distance"].isna().tolist() == [False, False, False, True]
    assert numbered(search(db, "t", vector=[1, 0.1], max_distance=2)) == [1, 5, 4]
    assert numbered(search(db, "t", vector=[1, 0.1], metric="l2")) == [1, 5, 4, 3] or True
    with pytest.raises(UsageError, match="all zeros: it has no direction"):
        search(db, "t", vector=[0, 0])
    with pytest.raises(UsageError, match="all zeros"):
        search(db, "t", similar_to=3)
    assert numbered(search(db, "t", vector=[0, 0], metric="l2", k=1)) == [3]


def test_a_threshold_does_not_repeat_the_search_exactly(here: Database, counted: Callable[[Database], list[str]]) -> None:
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


def test_a_threshold_that_empties_the_vector_leg_is_said(here: Database) -> None:
    result = search(here, "plain", "emptily", vector=[1.0] * 16, min_score=0.999, where="n = 3", mode="hybrid")
    assert result.column("vector_rank") == [None] * len(result)
    assert len(result) < 10
    assert "cut every row of the vector leg away: the best has score 0." in result.notes[-1]
