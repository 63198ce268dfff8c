"""What ``%vsearch?`` shows, and what Tab can complete."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from .grammar import MAGICS
from .options import Magic, Option

_WIDTH = 79
_PIECE = re.compile(r'(?:-{1,2}[A-Za-z][\w-]*=)?"[^"]*(?:"|$)|[^\s"]\S*')
_OPEN = re.compile(r'(?:-{1,2}[A-Za-z][\w-]*=)?"[^"]*')
_WRITTEN = re.compile(r"(-{1,2}[A-Za-z][\w-]*)=")
_VALUES = 'Any value may be :name, a notebook variable; one with spaces stands between two ", and nothing escapes.'


def usage(magic: str) -> str:
    """Return the help of a magic: how it is written, its options, and examples that work."""
    known = MAGICS[magic]
    width = max(len(_shown(option)) for option in known.options) + 2
    options = [_wrapped(f"  {_shown(option):<{width}}", option.help) for option in known.options]
    examples = [textwrap.indent(example, "  ") for example in known.examples]
    about, values = _wrapped("", known.about), _wrapped("", _VALUES)
    return "\n".join([_synopsis(known), "", about, "", *options, "", values, "", "Examples:", "", *examples])


def _wrapped(before: str, text: str) -> str:
    """Wrap a text at its words, below where it begins: a terminal of 80 columns would break it anywhere."""
    lines = textwrap.wrap(text, _WIDTH - len(before), break_long_words=False, break_on_hyphens=False)
    return before + ("\n" + " " * len(before)).join(lines)


def _shown(option: Option) -> str:
    return f"{option.name} {option.value}".rstrip() + (" …" if option.repeats else "")


def _synopsis(magic: Magic) -> str:
    words = [word.value if i < magic.required else f"[{word.value}]" for i, word in enumerate(magic.words)]
    call = " ".join([magic.name, *words, "[options]"])
    if magic.text:
        return f"%%{call}\n<{magic.body}>\n\n%{call} <{magic.body}>"
    return f"%%{call}\n<{magic.body}>" if magic.body else f"%{call}"


@dataclass(frozen=True, slots=True)
class Completion:
    """What Tab is asked for: a kind of thing, the letters there are, the candidates known here, and the line's table.

    Kinds: option, choice (candidates are given), table, column, connection, source, embedder, language, variable,
    and nothing.
    """

    kind: str
    fragment: str = ""
    candidates: tuple[str, ...] = ()
    table: str | None = None


def complete(magic: str, before: str) -> Completion:
    """Say what stands at the end of ``before``, the magic's line (without its name) up to the cursor."""
    known = MAGICS[magic]
    pieces = _PIECE.findall(before)
    typing = bool(pieces) and (not before[-1].isspace() or _OPEN.fullmatch(pieces[-1]) is not None)
    fragment = pieces.pop() if typing else ""
    words, waiting, ended = _behind(known, pieces)
    at = next((i for i, word in enumerate(known.words) if word.field == "table"), len(words))
    table = words[at].strip('"') if at < len(words) else None
    written = None if waiting or ended else _WRITTEN.match(fragment)
    if written:
        waiting, fragment = known.option(written[1]), fragment[written.end() :]
    if waiting:
        return _value(waiting, fragment, table)
    if len(words) > len(known.words):
        return Completion("nothing", table=table)
    if fragment.startswith("-") and not ended:
        given = {known.option(piece.partition("=")[0]) for piece in pieces}
        left = [option.name for option in known.options if option.repeats or option not in given]
        return Completion("option", fragment, _beginning(fragment, left), table)
    if len(words) < len(known.words):
        return _value(known.words[len(words)], fragment, table)
    return Completion("nothing", table=table)


def _behind(magic: Magic, pieces: list[str]) -> tuple[list[str], Option | None, bool]:
    """Return the words so far, the option whose value comes next, and whether ``--`` has ended the options."""
    words: list[str] = []
    waiting: Option | None = None
    ended = False
    for piece in pieces:
        written = _WRITTEN.match(piece)
        option = None if ended else magic.option(written[1] if written else piece)
        if waiting:
            waiting = None
        elif piece == "--" and not ended:
            ended = True
        elif option:
            waiting = option if option.value and not written else None
        elif ended or not piece.startswith("-"):
            words.append(piece)
    return words, waiting, ended


def _value(option: Option, fragment: str, table: str | None) -> Completion:
    """Return what completes the value of an option, or a word."""
    fragment = fragment.lstrip('"')
    if option.field == "where":
        fragment = fragment[re.search(r":?\w*$", fragment).start() :]  # type: ignore[union-attr]  # it matches nothing too
    elif option.commas:
        fragment = fragment.rpartition(",")[2]
    if option.variable or fragment.startswith(":"):
        return Completion("variable", fragment.lstrip(":"), table=table)
    if option.choices:
        return Completion("choice", fragment, _beginning(fragment, option.choices), table)
    return Completion(option.completes or "nothing", fragment, table=table)


def _beginning(fragment: str, words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word.startswith(fragment))
