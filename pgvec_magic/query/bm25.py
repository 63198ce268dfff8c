"""Words ranked by BM25, through an index of pg_textsearch.

Any word of the text counts, the rarer the more. The extension's number is the score below zero: it is 0 for a row that
has none of the words, and the order is ascending, as an index scan needs it.
"""

from __future__ import annotations

from ..sqltext import quote_literal
from . import words
from .request import Query, Search
from .target import Target, ident

# An index scan gives no more rows than this, whatever a filter leaves of them (TP_MAX_QUERY_LIMIT in pg_textsearch).
MOST_SCANNED = 100_000
# Scoring so many rows one by one, at some 6 µs each, costs less than an index scan of MOST_SCANNED rows.
CHEAPLY_SCORED = 20_000


def matches(
    search: Search, target: Target, conditions: list[str], columns: list[str], limit: int | None
) -> tuple[str, str]:
    """Return the CTE of the best rows, and a SELECT of them with their scores; without a ``limit`` of all that match.

    Where the text source is not ``indexed`` every row that the conditions leave is scored.
    """
    score = target.name("score")
    if words.UNWANTED in words.params(search.text or ""):
        language = words.language(target)
        unwanted = f"websearch_to_tsquery({language}, %({words.UNWANTED})s)"
        has_none = f"to_tsvector({language}, {_column(target)}) @@ {unwanted}"
        conditions = [*conditions, f"(numnode({unwanted}) = 0 OR {has_none})"]
    where = "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""
    order = ", ".join([str(len(columns) + 1), *target.keys])
    cut = "" if limit is None else f"\nORDER BY {order}\n{words.page(limit)}"
    scored = f"SELECT {', '.join([*columns, f'{_negative(target)} AS {score}'])}\nFROM {target.relation}{where}{cut}"
    shown = ", ".join([*columns, f"-{score} AS {score}", f"'some' AS {target.name('matched')}"])
    return f"bm25_words AS MATERIALIZED (\n{scored}\n)", f"SELECT {shown} FROM bm25_words WHERE {score} < 0"


def last_scanned(text: str, target: Target) -> Query:
    """Return a query that has a true row if so many rows match that an index scan ends before the last of them."""
    score = target.name("score")
    scan = f"SELECT {_negative(target)} AS {score} FROM {target.relation} ORDER BY 1"
    return Query(
        f"SELECT {score} < 0 FROM ({scan} {words.page(1, MOST_SCANNED - 1)}) AS last",
        {words.WANTED: words.params(text)[words.WANTED]},
        (("enable_seqscan", "off"),),  # which would score every row to find out
        reads=True,
    )


def _negative(target: Target) -> str:
    text = target.need_text()
    schema = f"{ident(text.schema)}." if text.schema else ""
    operator = f"OPERATOR({schema}<@>)" if schema else "<@>"
    index = quote_literal(text.index or "").replace("%", "%%")
    score = f"{_column(target)} {operator} {schema}to_bm25query(%({words.WANTED})s, {index})"
    # `+ 0` keeps the planner from the index, whose scan may end before the last row.
    return score if text.indexed else f"({score}) + 0"


def _column(target: Target) -> str:
    return target.need_text().expression.replace("%", "%%")
