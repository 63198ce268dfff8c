"""What was measured of an index, and how deep to search it: one line of its comment, whose rest is a person's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..sqltext import quote_literal, quote_qualified

# The largest hnsw.ef_search and ivfflat.probes that pgvector takes.
_MOST = {"ef_search": 1_000, "probes": 32_768}
_LINE = re.compile(
    r"^pgvec: (?P<setting>ef_search|probes)=(?P<value>\d{1,5}) recall@(?P<k>\d{1,6})=(?P<recall>[01]\.\d{1,6})"
    r" on=(?P<on>\d{4}-\d\d-\d\d) rows=(?P<rows>\d{1,18})$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Baseline:
    """``setting`` is ef_search or probes, with which ``recall`` of the nearest ``k`` was measured on that day."""

    setting: str
    value: int
    k: int
    recall: float
    on: str
    rows: int

    def __str__(self) -> str:
        measured = f"recall@{self.k}={self.recall:.3f} on={self.on} rows={self.rows}"
        return f"pgvec: {self.setting}={self.value} {measured}"


def read_baseline(comment: str | None) -> Baseline | None:
    """Return what an index's comment says of it; None where it says nothing that can be used."""
    found = _LINE.search(comment or "")
    if found is None or not 1 <= int(found["value"]) <= _MOST[found["setting"]]:
        return None
    return Baseline(
        found["setting"], int(found["value"]), int(found["k"]), float(found["recall"]), found["on"], int(found["rows"])
    )


def baseline_statement(schema: str, index: str, comment: str | None, baseline: Baseline) -> str:
    """Return the statement that puts a line into an index's comment, in place of the one there."""
    line, comment = str(baseline), comment or ""
    text = _LINE.sub(lambda _: line, comment) if _LINE.search(comment) else f"{comment}\n{line}".lstrip("\n")
    return f"COMMENT ON INDEX {quote_qualified(schema, index)} IS {quote_literal(text)}"
