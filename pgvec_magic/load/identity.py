"""Which rows are which: ids made of content, and ids that were there before."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .wire import items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .wire import Field


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text; half of a surrogate pair, which Postgres cannot hold, counts as it is."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class ContentIds:
    """Ids for rows without one: 16 hex digits of the SHA-256 of a row's content.

    A content that comes again is another row, so its n-th repeat has an id of its own: the same source, in the same
    order, always has the same ids. A bigint column takes 63 bits of the hash, a uuid column 128.
    """

    def __init__(self, kind: str, label: str) -> None:
        if kind not in ("text", "varchar", "bpchar", "int8", "uuid"):
            raise UsageError(
                f"{label} is of type {kind}, which cannot hold the hash of a row without an id",
                "give the rows ids and name their column with --id",
            )
        self._kind = kind
        self._seen = Seen()
        self._repeats: Counter[bytes] = Counter()

    def of(self, contents: Iterable[str]) -> list[Any]:
        """Return the next rows' ids, str, int or UUID as the column holds them."""
        digests = [digest(content) for content in contents]
        for i in self._seen.again([value[:16] for value in digests]):
            self._repeats[digests[i]] += 1
            digests[i] = hashlib.sha256(digests[i] + b"%d" % self._repeats[digests[i]]).digest()
        return [self._id(value) for value in digests]

    def _id(self, value: bytes) -> object:
        if self._kind == "int8":
            return int.from_bytes(value[:8], "big") >> 1
        return uuid.UUID(bytes=value[:16], version=5) if self._kind == "uuid" else value[:8].hex()


class Seen:
    """The ids of a load so far, as sorted 64-bit hashes: 8 bytes an id, whole numbers as they are.

    Two ids of a hundred million share a hash with a chance of one in three thousand; a row would then be refused.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def again(self, ids: Field | Sequence[bytes | None]) -> list[int]:
        """Add ids and return the positions of those that came before, here or in an earlier call."""
        import numpy as np

        hashes = _hashes(ids)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        before = np.zeros(len(ordered), bool)
        before[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            at = np.minimum(run.searchsorted(ordered), len(run) - 1)
            before |= run[at] == ordered
        self._add(ordered)
        return sorted(order[before].tolist())

    def _add(self, run: NDArray[np.uint64]) -> None:
        """Keep few runs, each more than twice as long as the next, so that adding stays cheap."""
        import numpy as np

        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)


def _hashes(ids: Field | Sequence[bytes | None]) -> NDArray[np.uint64]:
    import numpy as np
    from pandas.util import hash_array

    if isinstance(ids, np.ndarray) and ids.dtype.kind == "i":
        return ids.astype(np.int64).view(np.uint64)
    values = items(ids) if isinstance(ids, np.ndarray) else [value or b"" for value in ids]
    array = np.empty(len(values), object)
    array[:] = values
    return hash_array(array, categorize=False)
