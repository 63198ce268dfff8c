"""The keyword leg: full-text search ranked by ``ts_rank_cd``.

Every word must match; when no row has them all, any word may, and the result says which it was. The words stand in the
statement as constants: only so does the planner know how many rows they find, and use the text index.
"""

from __future__ import annotations

import re

from ..sqltext import quote_literal
from .request import Query, Search
from .target import Target, ident

TEXT, WANTED, UNWANTED = "query text", "wanted text", "unwanted text"
# A tsquery of tens of thousands of words overflows the parser's stack; a question has far fewer words than this, and a
# word is shorter: full-text search ignores those of more than 2 kB.
MOST_WORDS, LONGEST_WORD = 200, 500
_EXCLUDED_WORD = re.compile(r'(?<!\S)-(?:"[^"]*"|\S+)')


def params(text: str) -> dict[str, str]:
    """Return the text parameters of a keyword leg; excluded words (``-word``) also stand by themselves."""
    text = " ".join(word[:LONGEST_WORD] for word in text.replace("\0", " ").split()[:MOST_WORDS])
    unwanted = " ".join(_EXCLUDED_WORD.findall(text))
    found = {TEXT: text, WANTED: _EXCLUDED_WORD.sub(" ", text)}
    return found | ({UNWANTED: unwanted} if unwanted else {})


def is_cut(text: str) -> bool:
    """Whether a text is too long to be looked for word by word, so that only its first words are."""
    return len(text.split()) > MOST_WORDS


def statement(search: Search, target: Target, conditions: list[str]) -> str:
    """Return the statement of a search by words alone."""
    per = search.per and ident(search.per)
    columns = [*target.outputs, *target.hidden(search.per)]
    matched, score = target.name("matched"), target.name("score")
    order = ", ".join([f"{score} DESC", *target.keys])
    found = f"SELECT *, 'all' AS {matched} FROM all_words UNION ALL SELECT *, 'any' FROM some_words"
    if per:
        found = f"SELECT DISTINCT ON ({per}) * FROM ({found}) AS matches ORDER BY {per}, {order}"
    return (
        f"WITH {_words(search, target, conditions, columns, None if per else search.needed)}\n"
        f"SELECT {', '.join([*target.outputs, score, matched])}\nFROM ({found}) AS matches\n"
        f"ORDER BY {order}\n{page(search.k, search.offset)}"
    )


def leg(search: Search, target: Target, conditions: list[str], candidates: int | None) -> str:
    """Return the CTEs of the keyword leg of a hybrid search; ``keyword_leg`` has the keys, the score and the rank."""
    score, keys = target.name("score"), ", ".join(target.keys)
    return (
        f"{_words(search, target, conditions, target.keys, candidates)},\n"
        f"keyword_leg AS (\n"
        f"SELECT *, row_number() OVER (ORDER BY {score} DESC, {keys}) AS {target.name('rank')}\n"
        f"FROM (SELECT * FROM all_words UNION ALL SELECT * FROM some_words) AS words\n)"
    )


def matched(target: Target) -> str:
    """Return an expression for what the rows of a keyword leg have: all words, any word, no word; or there are none."""
    return (
        "CASE WHEN EXISTS (SELECT FROM all_words) THEN 'all' WHEN EXISTS (SELECT FROM some_words) THEN 'any'"
        f" WHEN {_no_words(target)} THEN 'no words' ELSE 'none' END"
    )


def words_left(text: str, target: Target) -> Query:
    """Return a query for why nothing was found: whether the language leaves no word of the text to look for."""
    return Query(f"SELECT {_no_words(target)}", {WANTED: params(text)[WANTED]}, reads=True)


def page(rows: int, offset: int = 0) -> str:
    """Return the LIMIT, and the OFFSET where there is one."""
    return f"LIMIT {rows}" + (f" OFFSET {offset}" if offset else "")


def _words(search: Search, target: Target, conditions: list[str], columns: list[str], limit: int | None) -> str:
    """Return the CTEs of the rows with all words and, when there is none, of those with any; each best first."""
    every, some = target.name("every_word"), target.name("any_word")
    language = _language(target)
    unwanted = UNWANTED in params(search.text or "")
    any_word = f"replace(plainto_tsquery({language}, %({WANTED})s)::text, ' & ', ' | ')::tsquery"
    if unwanted:
        any_word += f"\n    && websearch_to_tsquery({language}, %({UNWANTED})s)"
        # Only excluded words: they do not tell one row from another, so they find nothing.
        conditions = [*conditions, f"NOT {_no_words(target)}"]
    all_words = f"websearch_to_tsquery({language}, %({TEXT})s) AS {every}"
    some_words = f"(\n  SELECT {any_word} AS {some}\n) AS any_of_them"
    instead = [*conditions, "NOT EXISTS (SELECT FROM all_words)"]
    return (
        f"all_words AS MATERIALIZED (\n{_best(target, all_words, every, conditions, columns, limit)}\n),\n"
        f"some_words AS MATERIALIZED (\n{_best(target, some_words, some, instead, columns, limit)}\n)"
    )


def _best(target: Target, words: str, name: str, conditions: list[str], columns: list[str], limit: int | None) -> str:
    tsvector, score = _tsvector(target), target.name("score")
    where = "\n  AND ".join([f"{tsvector} @@ {name}", *conditions])
    cut = "" if limit is None else f"\nORDER BY {', '.join([f'{score} DESC', *target.keys])}\n{page(limit)}"
    return (
        f"SELECT {', '.join([*columns, f'ts_rank_cd({tsvector}, {name}) AS {score}'])}\n"
        f"FROM {target.relation}, {words}\nWHERE {where}{cut}"
    )


def _language(target: Target) -> str:
    return quote_literal(target.need_text().language).replace("%", "%%")


def _tsvector(target: Target) -> str:
    return target.need_text().expression.replace("%", "%%")


def _no_words(target: Target) -> str:
    return f"numnode(plainto_tsquery({_language(target)}, %({WANTED})s)) = 0"
