"""The documents that answer the questions, in pairs: one English, the other its translation.

A question about a code or a meaning has three right documents; the meanings are also asked for in another spelling. A
question about both has two, beside twelve with the same code about something else and hundreds without the code about
the same. Codes of planted documents are in no other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .texts import LANGUAGES, Case, texts

KINDS = ("keyword", "meaning", "both")
_EACH = 12  # questions of a kind and language
_RIGHT = {"keyword": 3, "meaning": 3, "both": 2}
_DECOYS = 12
_SPACING, _FIRST = 16, 8  # where the pairs stand among the documents: the last before number 4,000
LETTERS = ("AX", "BR", "CK", "DL", "FM", "GT", "HV", "KN", "LP", "MS", "RT", "VX")
PHYSICAL = frozenset({"printing", "hardware", "mobile", "backups"})  # topics of things that have an article number


@dataclass(frozen=True, slots=True)
class Planted:
    """What a document must be; ``question`` is (kind, number), ``pair`` the same for both languages."""

    pair: int
    question: tuple[str, int]
    right: bool
    language: int
    case: Case
    error_code: str | None
    sku: str | None


@cache
def planted() -> dict[int, Planted]:
    """Return the planted documents by their ids."""
    wanted = [
        (kind, number, n) for kind in KINDS for number in range(_EACH) for n in range(_RIGHT[kind] + _decoys(kind))
    ]
    found = {}
    for pair, (kind, number, n) in enumerate(wanted):
        # 101 shares no factor with the number of pairs, so that they stand mixed.
        at = _FIRST + pair * 101 % len(wanted) * _SPACING
        for language in range(len(LANGUAGES)):
            case = _case(kind, number, n, language)
            code, sku = _codes(kind, number, language)
            found[at + language] = Planted(pair, (kind, number), n < _RIGHT[kind], language, case, code, sku)
    return found


def answers(kind: str, number: int, language: int) -> list[int]:
    """Return the ids of all right documents of a question, in its language."""
    return sorted(
        at for at, p in planted().items() if (*p.question, p.language) == (kind, number, language) and p.right
    )


def _decoys(kind: str) -> int:
    return _DECOYS if kind == "both" else 0


def _case(kind: str, number: int, n: int, language: int) -> Case:
    told = texts()[language]
    asked = [at for at, case in enumerate(told.common) if case.ask]
    if kind == "meaning":
        return told.rare[number]
    if kind == "both":
        decoy = max(0, n - _RIGHT[kind] + 1)  # 0: the case that is asked for
        return told.common[(asked[number] + decoy) % len(told.common)]
    return told.common[(asked[number] + 1 + n) % len(told.common)]


def _codes(kind: str, number: int, language: int) -> tuple[str | None, str | None]:
    """Return the error code and the article number of a question's documents: one of the two, or none."""
    if kind == "meaning":
        return None, None
    at = (KINDS.index(kind) * _EACH + number) * len(LANGUAGES) + language
    physical = number % 2 == 1 if kind == "keyword" else _case(kind, number, 0, language).topic in PHYSICAL
    if physical:
        return None, f"{LETTERS[number]}-{900 + at}-{'ABCD'[at % 4]}"
    return f"E-{10 + at * 37 % 80}{50 + at * 13 % 50}", None
