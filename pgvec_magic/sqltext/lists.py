"""A list of SQL expressions -> the expressions."""

from __future__ import annotations

from .lexer import scan


def split_list(sql: str) -> list[str]:
    """Return the parts between the commas that stand outside of all parentheses, quotes and comments."""
    parts, depth = [""], 0
    for token in scan(sql):
        depth += (token.text in "([") - (token.text in ")]") if token.kind == "punctuation" else 0
        if token.text == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token.text
    return [part.strip() for part in parts]
