"""The documents that answer the questions, in pairs: one English, the other its translation.

A question about a code or a meaning has three right documents; the meanings are also asked for in another spelling.
Codes of planted documents are in no other one.

A question about both names a machine in another word than its documents do, and an error code that the controls of all
twelve machines share. Two documents tell of each code at each machine, so that the code alone finds 24 and the meaning
another 24: more than ten, fewer than the 40 candidates of a leg, and only the two right ones are found by both. This
rule was made for that, and adjusted, with scores in sight, until a small model knew most of the machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .texts import LANGUAGES, Case, texts

KINDS = ("keyword", "meaning", "both")
_EACH = 12  # questions of a kind and language
_RIGHT = {"keyword": 3, "meaning": 3, "both": 2}
_SPACING, _FIRST = 11, 8  # where the pairs stand among the documents: the last before number 4,000
LETTERS = ("AX", "BR", "CK", "DL", "FM", "GT", "HV", "KN", "LP", "MS", "RT", "VX")


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
    wanted = [(kind, number, n) for kind in KINDS for number in range(_EACH) for n in range(_told(kind))]
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


def _told(kind: str) -> int:
    """Return how many documents a question has, right or not."""
    return _RIGHT[kind] * (_EACH if kind == "both" else 1)


def _case(kind: str, number: int, n: int, language: int) -> Case:
    told = texts()[language]
    if kind == "meaning":
        return told.rare[number]
    if kind == "both":
        # All machines in turn, that of the question first.
        return told.machines[(number + n // _RIGHT[kind]) % _EACH]
    return told.common[(number * _RIGHT[kind] + n) % len(told.common)]


def _codes(kind: str, number: int, language: int) -> tuple[str | None, str | None]:
    """Return the error code and the article number of a question's documents: one of the two, or none."""
    at = number * len(LANGUAGES) + language
    if kind == "meaning":
        return None, None
    if kind == "both":
        # Neighbours, which a model that adds up pieces of words hardly tells apart.
        return f"E-{6450 + at}", None
    if number % 2 == 1:
        return None, f"{LETTERS[number]}-{900 + at}-{'ABCD'[at % 4]}"
    return f"E-{10 + at * 37 % 80}{50 + at * 13 % 50}", None
