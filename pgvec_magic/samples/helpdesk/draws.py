"""Choices that are the same on every machine and under every version of Python and numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A row of choices that follows from a key: some forty of them, then the 512 bits of its digest are used up."""

    __slots__ = ("_left",)

    def __init__(self, key: str) -> None:
        self._left = int.from_bytes(hashlib.blake2b(key.encode()).digest(), "little")

    def below(self, n: int) -> int:
        """Return an integer from 0 to n - 1."""
        self._left, drawn = divmod(self._left, n)
        return drawn

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        self._left, drawn = divmod(self._left, len(options))
        return options[drawn]

    def two(self, options: Sequence[T]) -> tuple[T, T]:
        """Return two different options."""
        first, second = self.below(len(options)), self.below(len(options) - 1)
        return options[first], options[second + (second >= first)]

    def chance(self, percent: int) -> bool:
        """Return True in that many of a hundred cases."""
        return self.below(100) < percent
