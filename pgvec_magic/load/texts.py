"""The text of a row: its text columns joined by a blank line, here and on the server alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..sqltext import quote_ident, quote_literal
from .literal import as_text

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "\n\n"


def of_frame(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the text of each row; empty and missing parts leave no separator behind."""
    parts = [_as_texts(frame[name]) for name in columns]
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(columns: Iterable[Sequence[str]]) -> list[str]:
    """Return the rows of several columns, each joined, without the empty parts."""
    return [SEPARATOR.join(filter(None, parts)) for parts in zip(*columns, strict=True)]


def sql(columns: Iterable[str], table: str | None = None) -> str:
    """Return the SQL of the same text; ``table`` is how the statement calls the table, where it has to."""
    prefix = f"{table}." if table else ""
    parts = ", ".join(f"nullif({prefix}{quote_ident(name)}::text, '')" for name in columns)
    return f"concat_ws(E'\\n\\n', {parts})"


def tsvector(columns: Iterable[str], language: str, casts: Iterable[str] = ()) -> str:
    """Return the SQL of the words of the same columns in a text search configuration; those in ``casts`` are no text.

    It is immutable, as a generated column and an index need it.
    """
    casts = set(casts)
    parts = [f"coalesce({quote_ident(name)}{'::text' if name in casts else ''}, '')" for name in columns]
    text = " || E'\\n\\n' || ".join(parts)
    return f"to_tsvector({quote_literal(quote_ident(language))}, {text})"


def _as_texts(column: pd.Series[Any]) -> list[str]:
    values = column.tolist()
    if set(map(type, values)) == {str}:
        return values
    return ["" if null else as_text(value) for value, null in zip(values, column.isna().tolist(), strict=True)]
