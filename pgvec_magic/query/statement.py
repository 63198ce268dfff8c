"""``Search`` and its target -> one SQL statement.

The sort key is the bare operator on the bare column, written once and named in ORDER BY by its ordinal: that is what a
vector index serves, and it sends the query vector once. Of an index on an expression it is the operator on that very
expression: what comes in its order is put in that of the whole vectors around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from .. import sqltext
from . import keyword, words
from .request import Query, Search
from .scan import Scan
from .target import HYBRID_COLUMNS, Target, VectorSource, ident
from .words import page

# Names that no notebook variable can have, so ours never clash with a person's.
VECTOR, EXCLUDED = "query vector", "similar to"
_GIVEN = "(SELECT vector FROM query_vector)"


def build(search: Search, target: Target, scan: Scan, vector: object = None) -> Query:
    """Return the statement of a search with its parameters and settings; ``vector`` is bound as it is given."""
    parts = _Parts(search, target, scan)
    if search.mode == "keyword":
        sql = keyword.statement(search, target, parts.conditions, scan.candidates)
    else:
        sql = _hybrid(parts) if search.mode == "hybrid" else _vector(parts)
    chosen = {} if search.mode == "keyword" else dict(scan.settings)
    asked = dict(sqltext.check_setting(name, value) for name, value in search.settings)
    return Query(sql, _params(search, vector), tuple((chosen | asked).items()), reads=True)


def without_vector(search: Search, target: Target) -> Query:
    """Return the statement that counts the rows that have no vector, of those that the conditions leave."""
    parts = _Parts(search, target, Scan("exact", search.needed))
    conditions = [f"{ident(parts.vectors.column.name)} IS NULL", *parts.conditions]
    sql = f"SELECT count(*) FROM {target.relation}\nWHERE " + "\n  AND ".join(conditions)
    return Query(sql, _params(search, None), reads=True)


def same_keys(target: Target, values: str) -> str:
    """Return the key's column and a list of given keys as its type; the ``values`` may be texts, as a cell has them."""
    kind = target.table.column(target.table.key[0]).type.replace("%", "%%")
    # An array of "character" would hold one character each.
    return f"%({values})s::{'bpchar' if kind == 'character' else kind}[]"


def _params(search: Search, vector: object) -> dict[str, object]:
    used = {name for condition in search.where for name in sqltext.placeholders(condition)}
    params = {name: value for name, value in search.params.items() if name in used}
    if search.mode != "keyword":
        params[VECTOR] = vector
        if search.similar_to:
            params[EXCLUDED] = list(search.similar_to)
    if search.mode != "vector":
        params |= words.params(search.text or "")
    return params


@dataclass(frozen=True, slots=True)
class _Parts:
    """The pieces that the statements share."""

    search: Search
    target: Target
    scan: Scan

    @property
    def vectors(self) -> VectorSource:
        """What is searched by distance."""
        return self.target.need_vectors()

    @property
    def is_exact(self) -> bool:
        """Whether no vector index may be used."""
        return self.scan.kind == "exact"

    @property
    def limit(self) -> int | None:
        """How many candidates: all rows when groups are searched exactly, for any row may stand for its group."""
        return None if self.search.per and self.is_exact else self.scan.candidates

    @property
    def is_coarse(self) -> bool:
        """Whether the scan gives the order of an expression, and that of the vectors is made of what it finds."""
        return self.vectors.is_coarse and not self.is_exact

    @property
    def read(self) -> int | None:
        """How many rows the scan gives."""
        return self.scan.read or self.limit

    @property
    def conditions(self) -> list[str]:
        """The person's conditions, each in parentheses on lines of its own so that a comment cannot swallow ours.

        The rows searched from are not their own neighbours.
        """
        names = self.search.params.keys()
        written = [f"(\n{sqltext.bind(text, names)}\n)" for text in self.search.where]
        excluded = self.search.similar_to and self.search.mode != "keyword"
        keys = f"{self.target.keys[0]} <> ALL({same_keys(self.target, EXCLUDED)})" if excluded else None
        return [*written, *([keys] if keys else [])]

    def threshold(self) -> str:
        """The cut by distance; outside the scan, where it cannot make the index walk on for rows that do not exist."""
        most = self.search.max_distance
        if self.search.min_score is not None:
            most = _rounded_up(self.vectors.metric.max_distance(float(self.search.min_score)))
        return "" if most is None else f" WHERE {self.target.name('distance')} <= {float(most)!r}"

    def nearest(self, columns: list[str], vector: str, limit: int | None, offset: int = 0) -> str:
        """SELECT of columns and the distance, nearest first."""
        distance = self.vectors.distance(vector)
        # `+ 0` keeps the planner from any vector index: the answer is exact, and may use the filter's own index.
        distance = f"({distance}) + 0" if self.is_exact else distance
        selected = [*columns, f"{distance} AS {self.target.name('distance')}"]
        first = self.vectors.coarse_distance(vector) if self.is_coarse else str(len(selected))
        order = [first, *(self.target.keys if self.is_exact else [])]
        cut = "" if limit is None else f"\nORDER BY {', '.join(order)}\n{page(limit, offset)}"
        return f"SELECT {', '.join(selected)}\nFROM {self.target.relation}{self._where()}{cut}"

    def _where(self) -> str:
        column = self.vectors.column
        known = [f"{ident(column.name)} IS NOT NULL"] if column.nullable else []
        conditions = [*known, *self.conditions]
        return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _rounded_up(distance: float) -> float:
    """Return a distance without the last digits that 1 - score makes up, so that a row with just that score is kept."""
    return float(Decimal(repr(round(distance, 15))).quantize(Decimal("1e-12"), ROUND_CEILING))


def _vector(parts: _Parts) -> str:
    """The nearest rows in one SELECT; a group, a threshold or a nearly sorted scan needs a step outside."""
    search = parts.search
    if search.per or parts.scan.kind == "iterative" or search.has_threshold or parts.is_coarse:
        return _candidates_then_best(parts)
    return parts.nearest(parts.target.outputs, f"%({VECTOR})s", search.k, search.offset)


def _candidates_then_best(parts: _Parts) -> str:
    """Candidates from the index in nearly the right order, then grouped, put in order and cut outside."""
    search, target = parts.search, parts.target
    distance, per = target.name("distance"), search.per and ident(search.per)
    order = ", ".join([f"{distance} + 0", *target.keys])
    best = f"(SELECT DISTINCT ON ({per}) * FROM candidates ORDER BY {per}, {order}) AS best" if per else "candidates"
    vector, bound = (_GIVEN, f"{_given(parts)},\n") if parts.is_coarse else (f"%({VECTOR})s", "")
    nearest = parts.nearest([*target.outputs, *target.hidden(search.per)], vector, parts.read)
    return (
        f"WITH {bound}candidates AS MATERIALIZED (\n{nearest}\n)\n"
        f"SELECT {', '.join([*target.outputs, distance])}\nFROM {best}{parts.threshold()}\n"
        f"ORDER BY {order}\n{page(search.k, search.offset)}"
    )


def _given(parts: _Parts) -> str:
    """The query vector as a CTE: bound once, however often the statement needs it."""
    return f"query_vector AS MATERIALIZED (SELECT %({VECTOR})s::{parts.vectors.type} AS vector)"


def _hybrid(parts: _Parts) -> str:
    """Reciprocal rank fusion of a vector leg and a keyword leg, each ordered and limited by itself."""
    target, vectors, scan = parts.target, parts.vectors, parts.scan
    distance, score, rank = target.name("distance"), target.name("score"), target.name("rank")
    cut = f"\nORDER BY {rank}\n{page(scan.candidates)}" if scan.read and parts.limit else ""
    ranked = f"*, row_number() OVER (ORDER BY {distance} + 0, {', '.join(target.keys)}) AS {rank}"
    parts_of = [
        _given(parts),
        f"candidates AS MATERIALIZED (\n{parts.nearest(target.keys, _GIVEN, parts.read)}\n)",
        f"vector_leg AS (\nSELECT {ranked}\nFROM candidates{parts.threshold()}{cut}\n)",
        keyword.leg(parts.search, target, parts.conditions, parts.limit, scan.candidates),
        f"fused AS (\n{_fused(parts)}\n)",
    ]
    outputs = [f"d.{name}" for name in target.outputs]
    outputs += [f"d.{vectors.distance(_GIVEN)} AS {distance}"]
    outputs += [f"f.{target.name(ours)}" for ours in ("score", *HYBRID_COLUMNS)]
    outputs += [*keyword.told(target), f"(SELECT count(*) FROM candidates) AS {target.name('found')}"]
    return (
        "WITH " + ",\n".join(parts_of) + f"\nSELECT {', '.join(outputs)}\n"
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
        f"FROM vector_leg AS v FULL JOIN keyword_leg AS w USING ({keys})"
    )
    if search.per:
        fused = f"SELECT * FROM (\n{_best_per_group(fused, parts)}\n) AS best"
    return f"{fused}\nORDER BY {score} DESC, {keys}\n{page(search.k, search.offset)}"


def _best_per_group(fused: str, parts: _Parts) -> str:
    target, per = parts.target, ident(parts.search.per or "")
    order = ", ".join([f"f.{target.name('score')} DESC", *(f"f.{key}" for key in target.keys)])
    return (
        f"SELECT DISTINCT ON (d.{per}) f.* FROM (\n{fused}\n) AS f JOIN {target.relation} AS d ON {_same_row(target)}\n"
        f"ORDER BY d.{per}, {order}"
    )


def _same_row(target: Target) -> str:
    return " AND ".join(f"d.{key} = f.{key}" for key in target.keys)
