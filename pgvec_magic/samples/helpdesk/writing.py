"""How a document is put together: its layout, by its kind, and what fills the {slots} of the texts."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping

from .draws import Draws
from .texts import Case, Texts

_Options = tuple[str, ...]
_Phrases = Mapping[str, _Options]
# Title, lines, and whether the trouble is over.
Layout = tuple[str, tuple[str, ...], bool]


def _ticket(phrases: _Phrases, case: Case, evidence: _Options, draws: Draws) -> Layout:
    report = (
        *_maybe(60, phrases["opening"], draws),
        *_one_or_two(case.symptom, draws),
        *_maybe(100, evidence, draws),
        *_one_or_two(phrases["detail"], draws),
        *_maybe(50, phrases["tried"], draws),
        *_maybe(50, phrases["impact"], draws),
        *_maybe(50, phrases["closing"], draws),
    )
    if draws.chance(55):
        return "{title}", (" ".join(report),), False
    answer = (draws.pick(phrases["solved"]), *_maybe(60, case.cause, draws), draws.pick(case.fix))
    return "{title}", (" ".join(report), " ".join(answer)), True


def _article(phrases: _Phrases, case: Case, evidence: _Options, draws: Draws) -> Layout:
    symptom, cause, solution = phrases["labels"]
    lines = (
        " ".join((symptom, *_one_or_two(case.symptom, draws), *_maybe(100, evidence, draws))),
        f"{cause} {draws.pick(case.cause)}",
        " ".join((solution, *_one_or_two(case.fix, draws))),
        " ".join(draws.two(phrases["article"])),
    )
    return "{title}", lines, True


def _runbook(phrases: _Phrases, case: Case, evidence: _Options, draws: Draws) -> Layout:
    told = " ".join((draws.pick(case.symptom), *_maybe(100, evidence, draws)))
    steps = (
        draws.pick(phrases["runbook"]),
        *draws.two(case.fix),
        *_one_or_two(phrases["escalate"], draws),
    )
    lines = (told, *(f"{n}. {step}" for n, step in enumerate(steps, start=1)))
    return draws.pick(phrases["runbook_title"]), lines, True


def _release_note(phrases: _Phrases, case: Case, evidence: _Options, draws: Draws) -> Layout:
    note = (
        draws.pick(phrases["release"]),
        draws.pick(case.symptom),
        *_maybe(100, evidence, draws),
        draws.pick(case.cause),
        draws.pick(case.fix),
        *_one_or_two(phrases["released"], draws),
    )
    return draws.pick(phrases["release_title"]), (" ".join(note),), True


def _maybe(percent: int, options: _Options, draws: Draws) -> _Options:
    return (draws.pick(options),) if options and draws.chance(percent) else ()


def _one_or_two(options: _Options, draws: Draws) -> _Options:
    return draws.two(options) if draws.chance(50) else (draws.pick(options),)


LAYOUTS: dict[str, Callable[[_Phrases, Case, _Options, Draws], Layout]] = {
    "ticket": _ticket,
    "article": _article,
    "runbook": _runbook,
    "release note": _release_note,
}


# --- what fills the slots: a choice of 24 bits for each


class Slots(dict[str, str]):
    """What fills the {slots} of one document's texts, made when it is asked for: most documents ask for few."""

    __slots__ = ("_bits", "_phrases")

    def __init__(self, told: Texts, key: str) -> None:
        self._phrases = told.phrases
        self._bits = int.from_bytes(hashlib.blake2b(key.encode()).digest(), "little")

    def __missing__(self, name: str) -> str:
        shift, fill = _FILL[name]
        filled = self[name] = fill(self._phrases, self._bits >> shift & 0xFFFFFF)
        return filled

    def but(self, known: Mapping[str, str]) -> Slots:
        """Return the same but for some."""
        made = copy.copy(self)
        made.update(known)
        return made


def _one_of(name: str) -> Callable[[_Phrases, int], str]:
    return lambda phrases, drawn: phrases[name][drawn % len(phrases[name])]


def _person(phrases: _Phrases, drawn: int) -> str:
    last, first = divmod(drawn, len(phrases["first_name"]))
    return f"{phrases['first_name'][first]} {phrases['last_name'][last % len(phrases['last_name'])]}"


_FILLS: dict[str, Callable[[_Phrases, int], str]] = {
    **{name: _one_of(name) for name in ("product", "site", "device", "system", "browser", "team", "weekday")},
    "until": _one_of("weekday"),
    "elsewhere": _one_of("site"),
    "colleague": _person,
    "helper": _person,
    # No room in E: full-text search reads E-6450 as the words e and -6450, and would find such rooms as well.
    "room": lambda _, drawn: f"{'ABCDF'[drawn % 5]} {1 + drawn // 5 % 5}.{10 + drawn // 25 % 40}",
    "version": lambda _, drawn: f"{2 + drawn % 8}.{drawn // 8 % 20}.{drawn // 160 % 10}",
    "time": lambda _, drawn: f"{6 + drawn % 13}:{drawn // 13 % 60:02}",
    "hour": lambda _, drawn: str(9 + drawn % 9),
    "count": lambda _, drawn: str(3 + drawn % 90),
    "people": lambda _, drawn: str(2 + drawn % 40),
    "minutes": lambda _, drawn: str(5 + drawn % 50),
    "ticket": lambda _, drawn: str(1000 + drawn % 9000),
}
_FILL = {name: (24 * at, fill) for at, (name, fill) in enumerate(_FILLS.items())}
