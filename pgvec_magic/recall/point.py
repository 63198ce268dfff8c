"""One setting, measured: recall with its interval, rows that are missing, latency, pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_RESAMPLED, _SEED = 2_000, 7


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query gave: hits of ``expected``, how many rows came, and seconds on the wire."""

    hits: int
    expected: int
    rows: int
    seconds: float

    @property
    def recall(self) -> float:
        """The share of the true neighbours that was found."""
        return self.hits / self.expected


@dataclass(frozen=True, slots=True)
class Point:
    """``low`` to ``high`` holds the mean ``recall`` with 95 %; ``minimum`` and ``p5`` are of single queries.

    ``short`` is the share of queries that gave fewer rows than there are; ``p50`` and ``p95`` are seconds of plain
    queries, warm, ``pages`` the pages of 8 kB that a query touched on average, None where EXPLAIN did not say.
    """

    index: str
    setting: str
    value: int
    recall: float
    low: float
    high: float
    minimum: float
    p5: float
    short: float
    p50: float
    p95: float
    pages: float | None

    @property
    def name(self) -> str:
        """The setting as people read it, such as ``ef_search = 40``."""
        return f"{self.setting} = {self.value}"


def point(index: str, setting: str, value: int, answers: Sequence[Answer], pages: float | None) -> Point:
    """Return what the answers to all queries say of one setting."""
    import numpy as np

    recalls = np.array([answer.recall for answer in answers])
    seconds = np.array([answer.seconds for answer in answers])
    low, high = interval(recalls)
    return Point(
        index=index,
        setting=setting,
        value=value,
        recall=float(recalls.mean()),
        low=low,
        high=high,
        minimum=float(recalls.min()),
        p5=float(np.percentile(recalls, 5)),
        short=sum(answer.rows < answer.expected for answer in answers) / len(answers),
        p50=float(np.percentile(seconds, 50)),
        p95=float(np.percentile(seconds, 95)),
        pages=pages,
    )


def interval(recalls: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by resampling queries; where all are alike, by the rule of three.

    That n of n queries went well says no more than that up to 3 / n of them may not (Hanley, Lippman-Hand 1983).
    """
    import numpy as np

    drawn = np.random.default_rng(_SEED).choice(recalls, (_RESAMPLED, len(recalls)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    if recalls.min() == recalls.max():
        low, high = max(0.0, low - 3 / len(recalls)), min(1.0, high + 3 / len(recalls))
    return float(low), float(high)
