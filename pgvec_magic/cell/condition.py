"""A ``--where`` that was not quoted: what was meant, as far as its line shows."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..sqltext import tokens
from .line import Line

# What a text does not begin with and a condition goes on with.
_GOES_ON = re.compile(
    r"(?i:is\s+(?:not\s+)?(?:null|true|false|unknown|distinct)\b|(?:not\s+)?(?:in\s*\(|i?like\s+'|between\s+\S+\s+and\s))"
    r"|(?:AND|OR)\s"
)
_WORDS = frozenset(["and", "between", "ilike", "in", "is", "like", "not", "or"])


def check_unquoted(command: str, line: str, given: Line) -> None:
    """UsageError with the corrected line where a ``--where`` seems to have ended at a space inside its condition.

    ``command`` is the magic as it was called, such as ``%%vsearch``.
    """
    if given.condition is None:
        return
    start, end = given.condition
    quoted = line[start] == '"'
    value = line[start + 1 : end - 1] if quoted else line[start:end]
    if _goes_on(given.text) or (not quoted and _is_cut(value)):
        hint = _corrected(f"{command} {line[:start]}", value + line[end:])
        if _goes_on(given.text) and command == "%vsearch":
            hint += f"\nor, if that is the text: {command} {line[:end]} -- {given.text}"
        raise UsageError(f"--where ended at the space behind {value}, and the rest was read as the text", hint)


def _goes_on(text: str) -> bool:
    """Whether a text begins as the rest of a condition: with an operator, or with words such as IS NULL."""
    first = next(iter(tokens(text)), None)
    return first is not None and (first.kind == "operator" or first.text == "::" or bool(_GOES_ON.match(text)))


def _is_cut(value: str) -> bool:
    """Whether no condition ends so: behind an operator, or with a quote or a bracket open."""
    found = [token for token in tokens(value) if token.kind not in ("space", "comment")]
    depth = sum((token.text in ("(", "[")) - (token.text in (")", "]")) for token in found)
    cut = bool(found) and (found[-1].kind in ("operator", "unterminated") or found[-1].text.lower() in _WORDS)
    return cut or depth > 0


def _corrected(before: str, rest: str) -> str:
    """Return the hint: the line with its condition quoted, and how to say that a text does begin so."""
    end = _condition_end(rest)
    condition, text = rest[:end], rest[end:].strip()
    if '"' in condition:
        return 'put a condition that holds a " into a variable: --where :condition'
    return f'write: {before}"{condition}" {text}'.rstrip()


def _joins(word: str) -> bool:
    """Whether an operand follows this word; a small "and" is as likely a word of the text."""
    return word in ("AND", "OR") or (word.lower() in _WORDS and word.lower() not in ("and", "or"))


def _condition_end(sql: str) -> int:
    """Return where the condition seems to end that ``sql`` begins with: behind the last operand of its operators."""
    end = depth = 0
    wanted = True  # an operand comes next
    for token in tokens(sql):
        opens = token.text in ("(", "[")
        if depth or (opens and (wanted or token.start == end)):
            depth += opens - (token.text in (")", "]"))
            wanted = depth > 0
        elif token.kind in ("space", "comment"):
            continue
        elif token.kind in ("operator", "punctuation") or _joins(token.text):
            wanted = True
            continue
        elif not wanted:
            return end
        else:
            wanted = False
        end = token.end
    return end
