"""A text -> its statements, and what each of them is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import UsageError
from .conditions import refuse_open
from .lexer import BLANK, SPACE, Token, scan, tokens
from .names import refuse_nul

_TWO_WORDS = frozenset({"PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED", "START TRANSACTION"})
_CONTROL = frozenset(["ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"])
_SESSION = frozenset(["DISCARD", "RESET", "SET"])
# The server lets these write in a read-only transaction: COPY to its files and programs, the others by what they call.
_UNSEEN = frozenset(["CALL", "COPY", "DO"])


def _body_step(words: Sequence[str], glued: bool, body: int) -> int:
    """Return how the last of a statement's words changes the depth of its BEGIN ATOMIC body (+1, 0 or -1)."""
    if words[0] != "create" or not {"function", "procedure"} & set(words[1:4]):
        return 0
    if not body:
        return int(glued and words[-2:] == ["begin", "atomic"])
    if words[-2:-1] == ["as"]:  # a column named by a keyword
        return 0
    return {"case": 1, "end": -1}.get(words[-1], 0)


def _semicolons(found: Sequence[Token]) -> Iterator[int]:
    """Yield the position of every ``;`` that ends a statement: not in parentheses (rules), not in a function's body."""
    words: list[str] = []
    parentheses = body = 0
    before = ""
    for token in found:
        if token.kind in BLANK:
            continue
        if token.text in ("(", ")"):
            parentheses = max(0, parentheses + (1 if token.text == "(" else -1))
        elif token.text == ";" and not parentheses and not body:
            yield token.start
            words = []
        elif token.kind == "word" and not parentheses and before != ".":
            words.append(token.text.lower())
            body += _body_step(words, before == "begin", body)
        before = token.text.lower()


def statements(sql: str) -> tuple[str, ...]:
    """Split ``sql`` at each ``;`` that ends a statement, comments kept; UsageError for an open quote or comment."""
    refuse_nul(sql)
    found = tokens(sql)
    refuse_open(sql, found)
    ends = [*_semicolons(found), len(sql)]
    pieces = [sql[start:end] for start, end in zip([0, *(e + 1 for e in ends)], ends, strict=False)]
    return tuple(p.strip(SPACE) for p in pieces if any(t.kind not in BLANK for t in scan(p)))


def command(statement: str) -> str:
    """Return the word or two that name a statement's command, upper-case; empty where it begins with no word."""
    words: list[str] = []
    for token in scan(statement):
        if token.kind == "word" and len(words) < 2:
            words.append(token.text.upper())
        elif token.kind not in BLANK and (token.text != "(" or words):
            break
    both = " ".join(words)
    return both if both in _TWO_WORDS else "".join(words[:1])


def controls(statement: str) -> bool:
    """Whether a statement begins or ends a transaction, or a part of one."""
    name = command(statement)
    return name.partition(" ")[0] in _CONTROL or name == "PREPARE TRANSACTION"


def check_readonly(statement: str) -> None:
    """UsageError for a statement that could end its read-only transaction, outlive it, or write in spite of it."""
    name = command(statement)
    word = name.partition(" ")[0]
    if word in _SESSION:
        hint = "set it for this cell: --set name=value"
    elif controls(statement):
        hint = "each statement is a read-only transaction of its own; to control it, connect without --readonly"
    elif word in _UNSEEN or _explains_a_write(word, statement):
        hint = "it could write in spite of the read-only transaction; connect without --readonly to run it"
    else:
        return
    raise UsageError(f"{name} is refused: this connection is read-only", hint)


def _explains_a_write(word: str, statement: str) -> bool:
    """Whether this is an EXPLAIN of CREATE … AS or SELECT INTO: with ANALYZE the server does make the table."""
    if word != "EXPLAIN":
        return False
    words = {token.text.lower() for token in scan(statement) if token.kind == "word"}
    return bool(words & {"create", "into"})
