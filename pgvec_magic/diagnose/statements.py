"""Rules on a statement as it was sent, and on what the server said of it: nothing here has a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..catalog import Built
from ..plan.words import rows
from ..sqltext import Token, tokens
from .finding import Finding
from .keywords import NOTHING_ASKED, nothing_asked

_NO_LONGER_FITS = re.compile(r"hnsw graph no longer fits into maintenance_work_mem after (\d+) tuples")
_MARGIN = 1.05  # levels of the graph are drawn by chance
_MB = 1 << 20
_OF_PGVECTOR = re.compile(r"(hnsw|ivfflat)\.\w+$")


@dataclass(frozen=True)
class Statement:
    """A statement's text and the server's notices of it."""

    sql: str
    notices: tuple[str, ...] = ()

    @cached_property
    def _words(self) -> list[Token]:
        return [token for token in tokens(self.sql) if token.kind not in ("space", "comment")]

    @property
    def outgrown(self) -> int | None:
        """How many rows of an HNSW build fitted into memory, where not all did."""
        found = [match for notice in self.notices if (match := _NO_LONGER_FITS.search(notice))]
        return int(found[0][1]) if len(found) == 1 else None  # of partitions, each with rows of its own, none is meant

    @property
    def built(self) -> str | None:
        """The table, or the index, whose build did not fit into memory, as SQL."""
        if self.outgrown is None:
            return None
        texts = [token.text for token in self._words if token.text.upper() not in ("ONLY", "CONCURRENTLY")]
        at = next(
            (i for i, text in enumerate(texts) if text.upper() in _BEFORE_NAME[texts[0].upper() == "REINDEX"]), None
        )
        if at is None:
            return None
        return "".join(texts[at + 1 : at + (4 if texts[at + 2 : at + 3] == ["."] else 2)]) or None

    @property
    def sets(self) -> str | None:
        """The setting of pgvector that it changes for the session."""
        words = [token.text.lower() for token in self._words]
        if words[:1] != ["set"]:
            return None
        name = "".join(words[2 if words[1:2] == ["session"] else 1 :][:3])
        return name if _OF_PGVECTOR.match(name) else None

    @property
    def assignment(self) -> str:
        """What a SET LOCAL says, as ``--set`` takes it."""
        said = [token.text for token in self._words[2:] if token.text != ";"]
        return "".join("=" if text.upper() == "TO" else text.strip("'") for text in said)


# By whether it is a REINDEX, or else a CREATE INDEX.
_BEFORE_NAME = {True: ("INDEX", "TABLE"), False: ("ON",)}


def told(said: Statement, built: Built | None = None, *, pooled: bool = False) -> tuple[Finding, ...]:
    """Return what is wrong with a statement; ``built`` is the index it made, ``pooled`` whether a pooler is between."""
    return (*_local(said), *_session(said, pooled), *_outgrown(said, built), *_lists(said), *_no_words(said))


def _local(said: Statement) -> Iterator[Finding]:
    if any("SET LOCAL can only be used in transaction blocks" in notice for notice in said.notices):
        why = "the statement is a transaction of its own, and when it ends, so does what it sets"
        fix = f"%%vsql --set {said.assignment}, or BEGIN; SET LOCAL …; SELECT …; COMMIT"
        yield Finding("R60", "warning", why, fix)


def _session(said: Statement, pooled: bool) -> Iterator[Finding]:
    if pooled and said.sets is not None:
        why = (
            f"{said.sets} is set on one connection of a pool: the next statement may have another, and others have this"
        )
        yield Finding("R61", "warning", why, f"%%vsql --set {said.sets}=…, or ALTER ROLE … SET {said.sets} = …")


def _outgrown(said: Statement, built: Built | None) -> Iterator[Finding]:
    if not any(_NO_LONGER_FITS.search(notice) for notice in said.notices):
        return
    why, fix = "the graph did not fit into maintenance_work_mem, and the rest was built on disk", "set it higher"
    if built is not None and said.outgrown:
        needed = -(-_MARGIN * built.memory * built.rows // said.outgrown // _MB)
        why = (
            f"{said.outgrown:,} of {rows(built.rows)} fitted into maintenance_work_mem = {built.memory // _MB} MB,"
            " the others were put into the index on disk one by one"
        )
        fix = f"SET maintenance_work_mem = '{needed:.0f}MB', which is what all of them need, and build again"
    yield Finding("R70", "warning", why, fix)


def _lists(said: Statement) -> Iterator[Finding]:
    if any("ivfflat index created with little data" in notice for notice in said.notices):
        why = "the table has fewer rows than the index has lists, so these are made of next to nothing"
        yield Finding("R48", "warning", why, "load the rows, then REINDEX INDEX CONCURRENTLY …; or USING hnsw")


def _no_words(said: Statement) -> Iterator[Finding]:
    if nothing_asked(said.sql, said.notices):
        yield NOTHING_ASKED
