"""What the company's people write about, in English and in German: the texts of cases.toml and phrases.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("english", "german")
FILES = ("cases.toml", "phrases.toml")


@dataclass(frozen=True, slots=True)
class Case:
    """Something that goes wrong, told in one language; ``ask`` is a question that shares no word with its texts."""

    number: int  # its place among those that are common, or among those that are rare
    topic: str
    title: tuple[str, ...]
    symptom: tuple[str, ...]
    cause: tuple[str, ...]
    fix: tuple[str, ...]
    ask: str | None


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of one language; the same positions hold the same meaning in the other."""

    language: str
    common: tuple[Case, ...]
    rare: tuple[Case, ...]
    phrases: Mapping[str, tuple[str, ...]]


@cache
def texts() -> tuple[Texts, Texts]:
    """Return the English and the German texts."""
    cases, phrases = (tomllib.loads(_file(name).decode()) for name in FILES)
    english, german = (_of_language(n, cases["case"], phrases) for n in range(len(LANGUAGES)))
    return english, german


def raw() -> bytes:
    """Return the files as they are, for a fingerprint."""
    return b"".join(map(_file, FILES)).replace(b"\r\n", b"\n")


def _file(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def _of_language(n: int, cases: list[dict[str, Any]], phrases: dict[str, list[Any]]) -> Texts:
    common, rare = ([case for case in cases if case.get("rare", False) is kind] for kind in (False, True))
    return Texts(
        LANGUAGES[n],
        tuple(_case(n, number, case) for number, case in enumerate(common)),
        tuple(_case(n, number, case) for number, case in enumerate(rare)),
        {name: _side(n, pairs) for name, pairs in phrases.items()},
    )


def _case(n: int, number: int, case: dict[str, Any]) -> Case:
    title, symptom, cause, fix = (_side(n, case[part]) for part in ("title", "symptom", "cause", "fix"))
    ask = case["ask"][n] if "ask" in case else None
    return Case(number, case["topic"], title, symptom, cause, fix, ask)


def _side(n: int, pairs: list[Any]) -> tuple[str, ...]:
    """Return one language's side of a list of pairs; what is no pair is the same in both."""
    return tuple(pair if isinstance(pair, str) else pair[n] for pair in pairs)
