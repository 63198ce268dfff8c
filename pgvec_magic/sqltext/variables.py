"""``:name`` in SQL: where it is a variable, and what psycopg2 gets for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ..errors import UsageError, did_you_mean
from .lexer import BLANK, Token, tokens

_OPERANDS = ("string", "name", "number", "parameter")
# After these words, inside a subscript, :name is a variable and no slice.
_BEFORE_OPERAND = ("and", "between", "case", "else", "in", "is", "key", "like", "not", "or", "then", "value", "when")
_IPYTHON_NAMES = ("In", "Out", "exit", "quit", "get_ipython", "open")


def _ends_operand(before: Token | None, colon: Token) -> bool:
    """Whether the token before a colon ends a value, so that the colon stands between two values."""
    if before is None:
        return False
    if before.kind == "word":
        return before.end == colon.start or before.text.lower() not in _BEFORE_OPERAND
    return before.kind in _OPERANDS or before.text in (")", "]")


def _variables(found: Sequence[Token]) -> Iterator[int]:
    """Yield the index of the colon of every ``:name`` that is a variable.

    In a subscript and in JSON_OBJECT() a colon behind a value separates two values (``a[1:n]``, ``'key':column``).
    """
    separates: list[bool] = []
    before: Token | None = None
    for i, token in enumerate(found):
        if token.kind in BLANK:
            continue
        if token.text in ("(", "["):
            json = before is not None and before.text.lower() in ("json_object", "json_objectagg")
            separates.append(token.text == "[" or json)
        elif token.text in (")", "]") and separates:
            separates.pop()
        elif token.text == ":" and i + 1 < len(found) and found[i + 1].kind == "word":
            separator = bool(separates) and separates[-1] and _ends_operand(before, token)
            if not separator:
                yield i
        before = token


def placeholders(sql: str) -> tuple[str, ...]:
    """Return the names used as ``:name`` in ``sql``, each once, in order of appearance."""
    found = tokens(sql)
    return tuple(dict.fromkeys(found[i + 1].text for i in _variables(found)))


def undefined(name: str, names: Collection[str]) -> UsageError:
    """Return the error for a ``:name`` that no variable has, with the closest of the ``names`` people gave."""
    given = [n for n in names if not n.startswith("_") and n not in _IPYTHON_NAMES]
    return UsageError(f":{name}: there is no variable {name!r}", did_you_mean(name, given) or None)


def bind(sql: str, names: Collection[str]) -> str:
    """Return ``sql`` for psycopg2: ``:name`` becomes ``%(name)s``, every ``%`` is doubled.

    UsageError for a name that is not among ``names``.
    """
    found, pieces, done = tokens(sql), [], 0
    touching = (*_OPERANDS, "word")  # psycopg2 pastes values in: beside these a value would run into its neighbour
    for i in _variables(found):
        colon, name = found[i], found[i + 1]
        if name.text not in names:
            raise undefined(name.text, names)
        before = " " if i and found[i - 1].kind in touching else ""
        after = " " if i + 2 < len(found) and found[i + 2].kind in touching else ""
        pieces += [sql[done : colon.start].replace("%", "%%"), f"{before}%({name.text})s{after}"]
        done = name.end
    return "".join(pieces) + sql[done:].replace("%", "%%")
