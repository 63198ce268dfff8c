"""The keyword leg: full-text search ranked by ``ts_rank_cd``.

Every word must match; when no row has them all, any word may, and the result says which it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..sqltext import quote_literal
from .request import Search
from .target import ident

if TYPE_CHECKING:
    from ..catalog import TextSource
    from .target import Target

TEXT, WANTED, UNWANTED = "query text", "wanted text", "unwanted text"
# A tsquery of tens of thousands of words overflows the parser's stack; a question has far fewer words than this.
MOST_WORDS = 200
_EXCLUDED_WORD = re.compile(r'(?<!\S)-(?:"[^"]*"|\S+)')


def params(text: str) -> dict[str, str]:
    """Return the text parameters of a keyword leg; excluded words (``-word``) also stand by themselves."""
    text = " ".join(text.replace("\0", " ").split()[:MOST_WORDS])
    return {
        TEXT: text,
        WANTED: _EXCLUDED_WORD.sub(" ", text),
        UNWANTED: " ".join(_EXCLUDED_WORD.findall(text)),
    }


def statement(search: Search, target: Target, conditions: list[str]) -> str:
    """Return the statement of a search by words alone."""
    outputs, keys = target.outputs, target.keys
    score, matched = target.name("score"), target.name("matched")
    order = ", ".join([f"{score} DESC", *keys])
    offset = f" OFFSET {search.offset}" if search.offset else ""
    rows = f"SELECT {', '.join([*outputs, f'{_rank(target)} AS {score}'])}, (SELECT matched FROM terms) AS {matched}"
    if search.per:
        per = ident(search.per)
        hidden = "".join(f", {name}" for name in dict.fromkeys([per, *keys]) if name not in outputs)
        rows = (
            f"SELECT {', '.join([*outputs, score, matched])} FROM (\n"
            f"SELECT DISTINCT ON ({per}) * FROM (\n{rows}{hidden}\n{_matching(target, conditions)}\n) AS matches\n"
            f"ORDER BY {per}, {order}\n) AS best"
        )
    else:
        rows = f"{rows}\n{_matching(target, conditions)}"
    with_terms = ",\n".join(terms(target, search.text or "", conditions))
    return f"WITH {with_terms}\n{rows}\nORDER BY {order}\nLIMIT {search.k}{offset}"


def terms(target: Target, text: str, conditions: list[str]) -> list[str]:
    """Return the CTEs ``parsed`` and ``terms(tsq, matched)``; matched is all, any or none (only stop words)."""
    language = quote_literal(_source(target).language)
    unwanted = f" && websearch_to_tsquery({language}, %({UNWANTED})s)" if params(text)[UNWANTED] else ""
    found = " AND ".join([f"{_tsvector(target)} @@ every_word", *conditions])
    # Lexemes are quoted by hand: they may hold any character, and the text form of a tsquery knows ' and \.
    lexeme = r"""'''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''''"""
    return [
        f"parsed AS MATERIALIZED (\n"
        f"SELECT websearch_to_tsquery({language}, %({TEXT})s) AS every_word,\n"
        f"  (SELECT string_agg({lexeme}, ' | ')::tsquery\n"
        f"   FROM unnest(to_tsvector({language}, %({WANTED})s))){unwanted} AS any_word\n)",
        f"terms AS MATERIALIZED (\n"
        f"SELECT CASE matched WHEN 'all' THEN every_word ELSE any_word END AS tsq, matched\n"
        f"FROM (SELECT *, CASE WHEN numnode(every_word) = 0 THEN 'none'\n"
        f"  WHEN EXISTS (SELECT FROM {target.relation} WHERE {found}) THEN 'all' ELSE 'any' END AS matched\n"
        f"FROM parsed) AS tried\n)",
    ]


def leg(target: Target, conditions: list[str], excluded: list[str], candidates: int) -> str:
    """Return the keyword leg of a hybrid search: keys and score, best first."""
    keys, score = target.keys, target.name("score")
    return (
        f"SELECT {', '.join(keys)}, {_rank(target)} AS {score}\n{_matching(target, [*conditions, *excluded])}\n"
        f"ORDER BY {score} DESC, {', '.join(keys)}\nLIMIT {candidates}"
    )


def _source(target: Target) -> TextSource:
    assert target.text is not None, "a search with words has a text source"
    return target.text


def _tsvector(target: Target) -> str:
    return _source(target).expression.replace("%", "%%")


def _rank(target: Target) -> str:
    return f"ts_rank_cd({_tsvector(target)}, (SELECT tsq FROM terms))"


def _matching(target: Target, conditions: list[str]) -> str:
    found = [f"{_tsvector(target)} @@ (SELECT tsq FROM terms)", *conditions]
    return f"FROM {target.relation}\nWHERE " + "\n  AND ".join(found)
