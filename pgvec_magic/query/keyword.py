"""The keyword leg: words ranked by BM25 where the table has such an index, else by ``ts_rank_cd``.

For ``ts_rank_cd`` every word must match; when no row has them all, any word may, and the result says which it was.
The words stand in the statement as constants: only so does the planner know how many rows they find, and use the text
index.
"""

from __future__ import annotations

from . import bm25, words
from .request import Query, Search
from .target import Target, ident
from .words import TEXT, UNWANTED, WANTED, page


def statement(search: Search, target: Target, conditions: list[str], candidates: int) -> str:
    """Return the statement of a search by words alone; ``candidates`` are those that BM25 groups."""
    per = search.per and ident(search.per)
    columns = [*target.outputs, *target.hidden(search.per)]
    ours = [target.name(name) for name in ("score", "matched")]
    order = ", ".join([f"{ours[0]} DESC", *target.keys])
    limit = _limit(target, candidates, None) if per else search.needed
    ctes, found = _matches(search, target, conditions, columns, limit)
    best = f"(SELECT DISTINCT ON ({per}) * FROM words ORDER BY {per}, {order}) AS best" if per else "words"
    count = f"(SELECT count(*) FROM words) AS {target.name('words_found')}"
    return (
        f"WITH {ctes},\nwords AS (\n{found}\n)\n"
        f"SELECT {', '.join([*target.outputs, *ours, count])}\nFROM {best}\n"
        f"ORDER BY {order}\n{page(search.k, search.offset)}"
    )


def leg(search: Search, target: Target, conditions: list[str], limit: int | None, candidates: int) -> str:
    """Return the CTEs of the keyword leg of a hybrid search; ``keyword_leg`` has the keys, the score and the rank.

    ``limit`` is the most rows it has, or None; BM25 always has at most ``candidates``.
    """
    score, keys = target.name("score"), ", ".join(target.keys)
    ctes, found = _matches(search, target, conditions, target.keys, _limit(target, candidates, limit))
    rank = f"row_number() OVER (ORDER BY {score} DESC, {keys}) AS {target.name('rank')}"
    return f"{ctes},\nkeyword_leg AS (\nSELECT *, {rank}\nFROM ({found}) AS words\n)"


def told(target: Target) -> list[str]:
    """Return two columns about a keyword leg.

    What its rows have (all words, some or any, or why there is no row), and how many there are.
    """
    matched = target.name("matched")
    why = f"CASE WHEN {words.no_words(target)} THEN 'no words' ELSE 'none' END"
    return [
        f"coalesce((SELECT {matched} FROM keyword_leg LIMIT 1), {why}) AS {matched}",
        f"(SELECT count(*) FROM keyword_leg) AS {target.name('words_found')}",
    ]


def words_left(text: str, target: Target) -> Query:
    """Return a query for why nothing was found: whether the language leaves no word of the text to look for."""
    return Query(f"SELECT {words.no_words(target)}", {WANTED: words.params(text)[WANTED]}, reads=True)


def is_bm25(target: Target) -> bool:
    """Whether the words are ranked by BM25."""
    return target.text is not None and target.text.method == "bm25"


def _limit(target: Target, candidates: int, limit: int | None) -> int | None:
    """How many rows the leg may have: of an index scan never all, which would not be said when it ends early."""
    return candidates if is_bm25(target) and target.need_text().indexed else limit


def _matches(
    search: Search, target: Target, conditions: list[str], columns: list[str], limit: int | None
) -> tuple[str, str]:
    """Return the CTEs that look for the words, and a SELECT of the rows found, with their scores."""
    if is_bm25(target):
        return bm25.matches(search, target, conditions, columns, limit)
    matched = target.name("matched")
    found = f"SELECT *, 'all' AS {matched} FROM all_words UNION ALL SELECT *, 'any' FROM some_words"
    return _all_or_some(search, target, conditions, columns, limit), found


def _all_or_some(search: Search, target: Target, conditions: list[str], columns: list[str], limit: int | None) -> str:
    """Return the CTEs of the rows with all words and, when there is none, of those with any; each best first."""
    every, some = target.name("every_word"), target.name("any_word")
    language = words.language(target)
    any_word = f"replace(plainto_tsquery({language}, %({WANTED})s)::text, ' & ', ' | ')::tsquery"
    if UNWANTED in words.params(search.text or ""):
        any_word += f"\n    && websearch_to_tsquery({language}, %({UNWANTED})s)"
        # Only excluded words: they do not tell one row from another, so they find nothing.
        conditions = [*conditions, f"NOT {words.no_words(target)}"]
    all_words = f"websearch_to_tsquery({language}, %({TEXT})s) AS {every}"
    some_words = f"(\n  SELECT {any_word} AS {some}\n) AS any_of_them"
    instead = [*conditions, "NOT EXISTS (SELECT FROM all_words)"]
    return (
        f"all_words AS MATERIALIZED (\n{_best(target, all_words, every, conditions, columns, limit)}\n),\n"
        f"some_words AS MATERIALIZED (\n{_best(target, some_words, some, instead, columns, limit)}\n)"
    )


def _best(target: Target, query: str, name: str, conditions: list[str], columns: list[str], limit: int | None) -> str:
    tsvector, score = target.need_text().expression.replace("%", "%%"), target.name("score")
    where = "\n  AND ".join([f"{tsvector} @@ {name}", *conditions])
    cut = "" if limit is None else f"\nORDER BY {', '.join([f'{score} DESC', *target.keys])}\n{page(limit)}"
    return (
        f"SELECT {', '.join([*columns, f'ts_rank_cd({tsvector}, {name}) AS {score}'])}\n"
        f"FROM {target.relation}, {query}\nWHERE {where}{cut}"
    )
