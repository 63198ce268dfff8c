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
KINDS = ("common", "rare", "machine")


@dataclass(frozen=True, slots=True)
class Case:
    """Something that goes wrong, told in one language; ``ask`` is a question that shares no word with its texts."""

    kind: str  # one of KINDS
    number: int  # its place among those of its kind
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
    machines: tuple[Case, ...]
    phrases: Mapping[str, tuple[str, ...]]
    plain: Mapping[str, tuple[str, ...]]  # the phrases that say nothing of programs and computers


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


def _of_language(n: int, cases: list[dict[str, Any]], pairs: dict[str, list[Any]]) -> Texts:
    phrases = {name: _side(n, options) for name, options in pairs.items()}
    plain = {name: tuple(filter(_is_plain, options)) for name, options in phrases.items()}
    common, rare, machines = (_cases(n, kind, cases) for kind in KINDS)
    return Texts(LANGUAGES[n], common, rare, machines, phrases, plain)


def _cases(n: int, kind: str, cases: list[dict[str, Any]]) -> tuple[Case, ...]:
    of_kind = (case for case in cases if case.get("kind", KINDS[0]) == kind)
    return tuple(_case(n, kind, number, case) for number, case in enumerate(of_kind))


def _case(n: int, kind: str, number: int, case: dict[str, Any]) -> Case:
    title, symptom, cause, fix = (_side(n, case[part]) for part in ("title", "symptom", "cause", "fix"))
    ask = case["ask"][n] if "ask" in case else None
    return Case(kind, number, case["topic"], title, symptom, cause, fix, ask)


def _is_plain(phrase: str) -> bool:
    return not any(slot in phrase for slot in ("{product}", "{version}", "{device}", "{system}", "{browser}"))


def _side(n: int, pairs: list[Any]) -> tuple[str, ...]:
    """Return one language's side of a list of pairs; what is no pair is the same in both."""
    return tuple(pair if isinstance(pair, str) else pair[n] for pair in pairs)
