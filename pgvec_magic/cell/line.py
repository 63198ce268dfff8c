r"""A magic's line -> its words, options and text.

``"`` is the only quote and nothing escapes: it opens a value at its first character and closes it before a space, so
that ``don't``, ``'py'`` and ``C:\x`` mean themselves. The text is whatever stands behind words and options, untouched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError, did_you_mean
from ..sqltext import undefined
from .options import Magic, Option

VARIABLE = re.compile(r":([^\W\d]\w*)")
_OPTION = re.compile(r"(--?[^\W\d_][^\s=]*)(=?)")
_SHORT_NUMBER = re.compile(r"(-[a-z])()(?=[0-9]+(?:\s|$))")  # -k5
_PIECE = re.compile(r'"([^"]*)"(?=\s|$)|([^\s"]\S*)')
_SPACE = re.compile(r"\s*")
# What a word is not when it stands bare: an option, a variable, several words, a call for help, a silenced line.
_NOT_BARE = re.compile(r"^[-:]|[\s;?]")
_END = re.compile(r"--(?=\s|$)")
_END_OF_OPTIONS = Option("--", "", "", "the text begins here")


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says: the value of each option given, the words by place, and the text behind them.

    ``condition`` is the range of the line that holds the value of a ``--where`` directly before the text or the end.
    """

    values: Mapping[str, Any]
    words: tuple[object, ...]
    text: str
    condition: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """An option or a word of a line, its value, and the range of the line that holds the value."""

    option: Option
    value: object
    start: int
    end: int


def quoted(word: str) -> str:
    """Return a word as a line takes it; one with a ``"`` no line takes."""
    return f'"{word}"' if _NOT_BARE.search(word) else word


def read(magic: Magic, line: str, namespace: Mapping[str, object]) -> Line:
    """Read a line; UsageError for an option that does not exist, a value that cannot be meant, or a missing word."""
    parts = list(_parts(magic, line, namespace))
    words = tuple(part.value for part in parts if part.option in magic.words)
    if len(words) < magic.required:
        missing = magic.words[len(words)].name
        raise UsageError(f"%{magic.name} needs {missing}", f"write it as {magic.examples[0].splitlines()[0]}")
    last = parts[-1] if parts else _Part(_END_OF_OPTIONS, None, 0, 0)
    text = line[last.end :].strip()
    if text and not magic.body:
        # The words are not repeated here: they may be a part of a password.
        raise UsageError(f"%{magic.name} got more words than it takes", 'put "…" around a value with spaces')
    condition = (last.start, last.end) if last.option.field == "where" else None
    return Line(_values(part for part in parts if part.option in magic.options), words, text, condition)


def _values(parts: Iterator[_Part]) -> dict[str, object]:
    """Return the value of each option by its field; those of an option that repeats are in one tuple."""
    values: dict[str, object] = {}
    for part in parts:
        field, value = part.option.field, part.value
        if part.option.repeats:
            before = values.get(field, ())
            assert isinstance(before, tuple), "the values of an option that repeats are in a tuple"
            values[field] = (*before, *(value if isinstance(value, tuple) else (value,)))
        elif field in values:
            raise UsageError(f"{part.option.name} is given twice")
        else:
            values[field] = value
    return values


def _parts(magic: Magic, line: str, namespace: Mapping[str, object]) -> Iterator[_Part]:
    """Yield options and words from left to right, up to the text."""
    position = words = 0
    options = True
    while (position := _behind_space(line, position)) < len(line):
        written = (_SHORT_NUMBER.match(line, position) or _OPTION.match(line, position)) if options else None
        if options and _END.match(line, position):
            options = False
            part = _Part(_END_OF_OPTIONS, None, position, position + 2)
        elif written:
            part = _option(magic, line, written, namespace)
        elif words < len(magic.words):
            part = _value(magic.words[words], line, position, namespace)
            words += 1
        else:
            return
        yield part
        position = part.end


def _behind_space(line: str, position: int) -> int:
    space = _SPACE.match(line, position)
    return space.end() if space else position


def _option(magic: Magic, line: str, written: re.Match[str], namespace: Mapping[str, object]) -> _Part:
    """Read an option and its value, which follows ``=``, a space, or for numbers a single letter."""
    option, glued = magic.option(written[1]), bool(written[2]) or written.re is _SHORT_NUMBER
    if option is None:
        raise _unknown_option(magic, written[1])
    if not option.value:
        if glued:
            raise UsageError(f"{option.name} takes no value")
        return _Part(option, True, written.end(), written.end())
    start = written.end() if glued else _behind_space(line, written.end())
    follows = None if glued else _OPTION.match(line, start)
    is_option = follows is not None and (follows[1].startswith("--") or magic.option(follows[1]) is not None)
    if is_option or not line[start : start + 1].strip():
        raise UsageError(f"{option.name} needs a value: {option.name} {option.value}")
    return _value(option, line, start, namespace)


def _value(option: Option, line: str, start: int, namespace: Mapping[str, object]) -> _Part:
    """Read the value that begins at ``start``: a quoted text, one without spaces, or a variable's."""
    piece = _PIECE.match(line, start)
    if piece is None or (piece[2] or "").count('"') % 2:
        hint = 'a value with spaces stands between two " and holds none; one that does goes into a variable: :name'
        raise UsageError(f'{option.name}: the " do not enclose the whole value', hint)
    variable = VARIABLE.fullmatch(piece[2] or "")
    if variable is None:
        value = _converted(option, *_as_written(option, piece[2] or piece[1]))
    elif variable[1] in namespace:
        value = _converted(option, namespace[variable[1]], f":{variable[1]}")
    else:
        raise undefined(variable[1], namespace.keys())
    return _Part(option, value, start, piece.end())


def _as_written(option: Option, written: str) -> tuple[object, str]:
    """Return what is written for an option, split where it is a list, and what a message calls it."""
    if option.variable:
        raise UsageError(f"{option.name} takes a notebook variable", f"write {option.name} :name")
    shown = repr(written if len(written) <= 60 else written[:60] + "…")
    if "://" in written or "password" in written.lower():
        shown = "what is written"  # a message must not repeat a password
    return ([part.strip() for part in written.split(",")] if option.commas else written), shown


def _converted(option: Option, value: object, shown: str) -> object:
    """Return the value as the option reads it; UsageError that says what it takes."""
    try:
        read = option.read(value)
    except ValueError as error:
        held = f", {_kind(value)}," if shown.startswith(":") else ""
        raise UsageError(f"{option.name}: {shown}{held} is not {error}") from None
    if option.choices and not option.open and read not in option.choices:
        choices = ", ".join(option.choices)
        raise UsageError(f"{option.name}: {read!r} is not one of {choices}", did_you_mean(str(read), option.choices))
    return read


def _kind(value: object) -> str:
    """Return what a variable holds, for a message that must not show all of it."""
    return f"{value!r}" if isinstance(value, (int, float)) else f"a {type(value).__name__}"


def _unknown_option(magic: Magic, name: str) -> UsageError:
    names = [option.name for option in magic.options]
    close = did_you_mean(name, names)
    hint = close if close.startswith("did") else f"there are: {', '.join(names)}"
    if magic.text:
        hint += f"\na text that begins with a dash: %{magic.name} TABLE -- {name}"
    return UsageError(f"%{magic.name} has no option {name}", hint)
