"""A generated help desk of many tenants, in English and German: the same on every machine, up to a million rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .company import tables as tables

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_SIZE, LARGEST_SIZE = 20_000, 1_000_000
_FORMAT = 2  # goes up when the rows of a number change
_FRAME = 2_000  # rows: a few megabytes


def frames(size: int) -> Iterator[pd.DataFrame]:
    """Yield documents 1 … ``size`` in frames; a document is the same whatever the size."""
    import pandas as pd

    from . import documents

    for start in range(1, size + 1, _FRAME):
        rows = map(documents.row, range(start, min(start + _FRAME, size + 1)))
        frame = pd.DataFrame(dict(zip(documents.COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))
        yield frame.assign(created_at=pd.to_datetime(frame["created_at"], unit="s", utc=True))


def fingerprint(size: int) -> str:
    """Return twelve hex digits, equal for equal rows: of what the rows are made from, since making them takes long."""
    from . import texts

    return hashlib.sha256(b"helpdesk %d %d\n" % (_FORMAT, size) + texts.raw()).hexdigest()[:12]
