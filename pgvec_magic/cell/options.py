"""What an option and a magic are, and the options that several magics have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import readers


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or a word that stands by its place: how it is written, read, shown and completed.

    ``value`` stands for its value in the help and is empty for a flag; ``commas`` splits what is written at commas;
    ``variable`` takes ``:name`` only; ``completes`` says what the value is one of, where ``choices`` does not; ``open``
    takes other values than the ``choices`` too.
    """

    name: str
    field: str
    value: str
    help: str
    read: Callable[[object], object] = readers.text
    choices: tuple[str, ...] = ()
    repeats: bool = False
    commas: bool = False
    variable: bool = False
    completes: str = ""
    open: bool = False

    @property
    def synopsis(self) -> str:
        """The option as a synopsis shows it, such as ``[-k N]``."""
        return f"[{self.name}{' ' if self.value else ''}{self.value}]{'…' if self.repeats else ''}"


@dataclass(frozen=True, slots=True)
class Magic:
    """A magic: its words by place, its options, and whether a text may follow them or stand in the cell below.

    ``required`` is how many of the words must be there; ``body`` says what stands in the cell, empty for a line magic.
    """

    name: str
    about: str
    words: tuple[Option, ...]
    required: int
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    body: str = ""
    text: bool = False

    def option(self, name: str) -> Option | None:
        """Return the option that is written so, or None."""
        return next((option for option in self.options if option.name == name), None)


def whole(name: str, field: str, help: str) -> Option:
    """Return an option that takes a whole number."""
    return Option(name, field, "N", help, readers.whole)


def column(name: str, field: str, help: str) -> Option:
    """Return one that takes a column's name."""
    return Option(name, field, "C", help, completes="column")


def columns(name: str, field: str, help: str) -> Option:
    """Return one that takes names of columns."""
    return Option(name, field, "A,B", help, readers.names, commas=True, completes="column")


def language(help: str) -> Option:
    """Return ``--language``."""
    return Option("--language", "language", "L", help, completes="language")


def number(name: str, field: str, help: str, value: str = "X") -> Option:
    """Return one that takes a number."""
    return Option(name, field, value, help, readers.number)


def choice(name: str, field: str, choices: tuple[str, ...], help: str) -> Option:
    """Return one that takes one of the choices."""
    return Option(name, field, "|".join(choices), help, choices=choices)


def flag(name: str, field: str, help: str) -> Option:
    """Return one that takes nothing."""
    return Option(name, field, "", help)


TABLE = Option("TABLE", "table", "TABLE", "the table, as name or schema.name", completes="table")
OUTPUT = Option("-o", "output", "NAME", "also bind the result to this variable", readers.identifier)
CONNECTION = Option("-c", "connection", "CONN", "use the connection of this name", completes="connection")
WHERE = Option(
    "--where",
    "where",
    "SQL",
    'only rows for which this holds, in "…"; :name is bound',
    repeats=True,
    completes="column",
)
