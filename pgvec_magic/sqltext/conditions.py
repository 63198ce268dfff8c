"""What a person's SQL may not leave open, and what a condition may not hold."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from .lexer import BLANK, Token, caret, tokens
from .names import refuse_nul

_OPENER = {")": "(", "]": "["}


def _refused(problem: str, sql: str, token: Token, hint: str) -> UsageError:
    """Return the error for a token that cannot stand where it does, with a caret below it."""
    return UsageError(f"{problem}\n{caret(sql, token.start)}", hint)


def refuse_open(sql: str, found: Sequence[Token]) -> None:
    """UsageError where a quote or a comment is never closed."""
    if found and found[-1].kind == "unterminated":
        what = "comment" if found[-1].text.startswith("/*") else "quote"
        raise _refused(f"this {what} is never closed", sql, found[-1], f"close the {what}")


def check_condition(sql: str) -> None:
    """UsageError unless ``sql`` can stand between parentheses on lines of its own and cannot leave them."""
    refuse_nul(sql)
    found = tokens(sql)
    if all(token.kind in BLANK for token in found):
        raise UsageError("the condition is empty", "write SQL that is true or false for a row, such as module = 'csv'")
    refuse_open(sql, found)
    opened: list[Token] = []
    for token in found:
        if token.text == ";":
            raise _refused("a condition cannot hold a ;", sql, token, "give one condition, without a ;")
        if token.text in ("(", "["):
            opened.append(token)
        elif token.text in _OPENER and (not opened or opened.pop().text != _OPENER[token.text]):
            raise _refused(f"this {token.text} closes nothing", sql, token, "balance the parentheses")
    if opened:
        raise _refused(f"this {opened[-1].text} is never closed", sql, opened[-1], "balance the parentheses")
