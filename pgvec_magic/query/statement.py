"""``Search`` and its target -> one SQL statement.

The sort key is the bare operator on the bare column, written once and named in ORDER BY by its ordinal: that is what a
vector index serves, and it sends the query vector once.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import sqltext
from . import keyword
from .request import Query, Search
from .scan import Scan
from .target import HYBRID_COLUMNS, Target, ident

# Names that no notebook variable can have, so ours never clash with a person's.
VECTOR, EXCLUDED = "query vector", "similar to"


def build(search: Search, target: Target, scan: Scan, vector: object = None) -> Query:
    """Return the statement of a search with its parameters and settings; ``vector`` is bound as it is given."""
    parts = _Parts(search, target, scan)
    if search.mode == "keyword":
        sql = keyword.statement(search, target, parts.condition())
    elif search.mode == "hybrid":
        sql = _hybrid(parts)
    else:
        sql = _vector(parts)
    chosen = {name: value for name, value in scan.settings if search.mode != "keyword"}
    asked = dict(sqltext.check_setting(name, value) for name, value in search.settings)
    return Query(sql, _params(search, vector), tuple((chosen | asked).items()), reads=True)


def _params(search: Search, vector: object) -> dict[str, object]:
    params = dict(search.params)
    if vector is not None:
        params[VECTOR] = vector
    if search.mode != "keyword" and search.similar_to:
        params[EXCLUDED] = list(search.similar_to)
    if search.mode != "vector" and search.text is not None:
        params |= keyword.params(search.text)
    return params


@dataclass(frozen=True, slots=True)
class _Parts:
    """The pieces that the statements share."""

    search: Search
    target: Target
    scan: Scan

    @property
    def page(self) -> str:
        return _limit(self.search.k, self.search.offset)

    @property
    def max_distance(self) -> float | None:
        if self.search.min_score is not None:
            return self.target.metric.max_distance(self.search.min_score)
        return self.search.max_distance

    def threshold(self) -> str:
        """The cut by distance; outside the scan, where it cannot make the index walk on for rows that do not exist."""
        return "" if self.max_distance is None else f" WHERE {self.target.name('distance')} <= {self.max_distance!r}"

    def distance(self, vector: str = f"%({VECTOR})s") -> str:
        return f"{ident(self.target.column.name)} {self.target.distance_operator} {vector}"

    def condition(self) -> list[str]:
        """The person's conditions, each in parentheses on lines of its own so that a comment cannot swallow ours."""
        names = self.search.params.keys()
        return [f"(\n{sqltext.bind(text, names)}\n)" for text in self.search.where]

    def excluded(self) -> list[str]:
        """The rows searched from are not their own neighbours."""
        return [f"{self.target.keys[0]} <> ALL(%({EXCLUDED})s)"] if self.search.similar_to else []

    def nearest(self, hidden: list[str], limit: int | None, offset: int = 0) -> str:
        """SELECT of the outputs, the hidden columns and the distance, nearest first."""
        exact = self.scan.kind == "exact"
        columns = [*self.target.outputs, *hidden]
        name = self.target.name("distance")
        return self._ordered(columns, self.distance(), name, self.target.keys if exact else [], limit, offset)

    def vector_leg(self) -> str:
        distance = self.distance("(SELECT vector FROM query)")
        return self._ordered(self.target.keys, distance, self.target.name("distance"), [], self.scan.candidates)

    def _ordered(
        self, columns: list[str], distance: str, name: str, ties: list[str], limit: int | None, offset: int = 0
    ) -> str:
        # `+ 0` keeps the planner from any vector index: the answer is exact, and may use the filter's own index.
        distance = f"({distance}) + 0" if self.scan.kind == "exact" else distance
        cut = (
            "" if limit is None else f"\nORDER BY {', '.join([str(len(columns) + 1), *ties])}\n{_limit(limit, offset)}"
        )
        return (
            f"SELECT {', '.join([*columns, f'{distance} AS {name}'])}\nFROM {self.target.relation}{self._where()}{cut}"
        )

    def _where(self) -> str:
        column = ident(self.target.column.name)
        known = [f"{column} IS NOT NULL"] if self.target.column.nullable else []
        conditions = [*known, *self.condition(), *self.excluded()]
        return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _limit(rows: int, offset: int) -> str:
    return f"LIMIT {rows}" + (f" OFFSET {offset}" if offset else "")


def _vector(parts: _Parts) -> str:
    """The nearest rows in one SELECT; a group, a threshold or a nearly sorted scan needs a step outside."""
    if parts.search.per or parts.scan.kind == "iterative" or parts.max_distance is not None:
        return _candidates_then_best(parts)
    return parts.nearest([], parts.search.k, parts.search.offset)


def _candidates_then_best(parts: _Parts) -> str:
    """Candidates from the index in nearly the right order, then grouped, put in order and cut outside."""
    distance, per = parts.target.name("distance"), parts.search.per and ident(parts.search.per)
    hidden = [
        name
        for name in dict.fromkeys([*parts.target.keys, *([per] if per else [])])
        if name not in parts.target.outputs
    ]
    order = ", ".join([f"{distance} + 0", *parts.target.keys])
    best = f"(SELECT DISTINCT ON ({per}) * FROM candidates ORDER BY {per}, {order}) AS best" if per else "candidates"
    # Every row is a candidate when groups are searched exactly: which group a row stands for is not known before.
    limit = None if per and parts.scan.kind == "exact" else parts.scan.candidates
    return (
        f"WITH candidates AS MATERIALIZED (\n{parts.nearest(hidden, limit)}\n)\n"
        f"SELECT {', '.join([*parts.target.outputs, distance])}\nFROM {best}{parts.threshold()}\n"
        f"ORDER BY {order}\n{parts.page}"
    )


def _hybrid(parts: _Parts) -> str:
    """Reciprocal rank fusion of a vector leg and a keyword leg, each ordered and limited by itself."""
    target, conditions = parts.target, parts.condition()
    distance, score, rank = target.name("distance"), target.name("score"), target.name("rank")
    keyword_leg = keyword.leg(target, conditions, parts.excluded(), parts.scan.candidates)
    legs = [
        f"query AS MATERIALIZED (SELECT %({VECTOR})s::{target.vector_type} AS vector)",
        f"vector_leg AS MATERIALIZED (\n{parts.vector_leg()}\n)",
        f"vector_hits AS (SELECT *, rank() OVER (ORDER BY {distance} + 0) AS {rank} FROM vector_leg{parts.threshold()})",
        *keyword.terms(target, parts.search.text or "", conditions),
        f"keyword_leg AS MATERIALIZED (\n{keyword_leg}\n)",
        f"keyword_hits AS (SELECT *, rank() OVER (ORDER BY {score} DESC) AS {rank} FROM keyword_leg)",
        f"fused AS (\n{_fused(parts)}\n)",
    ]
    outputs = [f"d.{name}" for name in target.outputs]
    outputs.append(f"d.{parts.distance('(SELECT vector FROM query)')} AS {distance}")
    outputs += [f"f.{target.name(ours)}" for ours in ("score", *HYBRID_COLUMNS)]
    return (
        "WITH " + ",\n".join(legs) + "\n"
        f"SELECT {', '.join(outputs)}, (SELECT matched FROM terms) AS {target.name('matched')}\n"
        f"FROM fused AS f JOIN {target.relation} AS d ON {_same_row(target)}\n"
        f"ORDER BY f.{score} DESC, {', '.join(f'f.{key}' for key in target.keys)}"
    )


def _fused(parts: _Parts) -> str:
    search, target = parts.search, parts.target
    distance, score, rank = target.name("distance"), target.name("score"), target.name("rank")
    keys = ", ".join(target.keys)
    shares = " + ".join(
        f"coalesce({float(weight)!r}::float8 / ({search.rrf_k} + {leg}.{rank}), 0)"
        for weight, leg in zip(search.weights, ("v", "w"), strict=True)
    )
    vector_rank, vector_distance, keyword_rank, keyword_score = (target.name(ours) for ours in HYBRID_COLUMNS)
    fused = (
        f"SELECT {keys}, {shares} AS {score},\n"
        f"  v.{rank} AS {vector_rank}, v.{distance} AS {vector_distance},\n"
        f"  w.{rank} AS {keyword_rank}, w.{score} AS {keyword_score}\n"
        f"FROM vector_hits AS v FULL JOIN keyword_hits AS w USING ({keys})"
    )
    if search.per:
        fused = f"SELECT * FROM (\n{_best_per_group(fused, parts)}\n) AS best"
    return f"{fused}\nORDER BY {score} DESC, {keys}\n{parts.page}"


def _best_per_group(fused: str, parts: _Parts) -> str:
    target, per = parts.target, ident(parts.search.per or "")
    order = ", ".join([f"f.{target.name('score')} DESC", *(f"f.{key}" for key in target.keys)])
    return (
        f"SELECT DISTINCT ON (d.{per}) f.* FROM (\n{fused}\n) AS f JOIN {target.relation} AS d ON {_same_row(target)}\n"
        f"ORDER BY d.{per}, {order}"
    )


def _same_row(target: Target) -> str:
    return " AND ".join(f"d.{key} = f.{key}" for key in target.keys)
