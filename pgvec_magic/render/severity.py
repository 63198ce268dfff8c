"""How grave a finding is, as a sign, a colour and a word: none of the three is needed to tell them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Severity:
    """A sign that fonts have, and a colour that is at least 3:1 on white and on black."""

    word: str
    sign: str
    color: str


SEVERITIES = {
    each.word: each
    for each in (
        Severity("error", "✖", "#dc3d43"),
        Severity("warning", "▲", "#d9730d"),
        Severity("info", "○", "#2f86d1"),
        Severity("red", "✖", "#dc3d43"),
        Severity("amber", "▲", "#d9730d"),
        Severity("green", "✔", "#1a9850"),
        Severity("grey", "–", "#808080"),
    )
}
