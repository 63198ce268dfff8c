"""A text index on an existing table, built while others write: the words of its text columns in one language."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..errors import UsageError, did_you_mean
from ..query import Query
from ..sqltext import quote_ident, quote_qualified
from . import texts
from .column import Embedding
from .layout import LONGEST_NAME

_TEXT_TYPES = ("text", "character varying", "character", "citext")
_VALID, _LEFT_BEHIND = "valid", "left behind"
_STATE = """
SELECT CASE WHEN i.indrelid IS DISTINCT FROM %(table)s::regclass THEN 'the name of something else'
  WHEN i.indisvalid THEN 'valid'
  WHEN EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid)
  THEN 'being built by somebody else' ELSE 'left behind' END
FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid WHERE c.oid = to_regclass(%(index)s)
"""


@dataclass(frozen=True, slots=True)
class TextIndex:
    """An index by its name; ``expression`` is what it holds, ``there`` such an index that the table has already."""

    info: TableInfo
    name: str
    expression: str
    language: str
    there: str | None

    @property
    def sql_name(self) -> str:
        """The quoted, qualified name."""
        return quote_qualified(self.info.schema, self.name)


def check_language(db: Database, language: str) -> None:
    """UsageError for a text search configuration that the server does not have."""
    known = catalog.capabilities(db).languages
    if language not in known:
        raise UsageError(f"no text search language {language!r}", did_you_mean(language, known))


def planned(db: Database, work: Embedding, language: str) -> TextIndex:
    """Return the index that serves a search by words; UsageError where none can be built beside writers."""
    check_language(db, language)
    info = work.info
    others = [name for name in work.text if info.column(name).type not in _TEXT_TYPES]
    expression = texts.tsvector(work.text, language, others)
    name = f"{'_'.join([info.name, *work.text]).encode()[: LONGEST_NAME - len(language) - 5].decode(errors='ignore')}"
    there = next((t.expression for t in info.texts if t.indexed and t.language == quote_ident(language)), None)
    if info.kind == "partitioned table" and there is None:
        raise UsageError(
            f"{info.label} is partitioned: Postgres cannot build an index on it while others write",
            f"leave --language out, and at a quiet hour: CREATE INDEX ON {info.sql_name} USING gin ({expression})",
        )
    if db.acts_as and there is None:
        raise UsageError(
            f"this connection runs every statement {db.acts_as}: Postgres cannot build an index beside writers there",
            f"leave --language out, and on another connection: "
            f"CREATE INDEX CONCURRENTLY ON {info.sql_name} USING gin ({expression})",
        )
    return TextIndex(info, f"{name}_{language}_idx", expression, language, there)


def ensure(db: Database, index: TextIndex) -> str | None:
    """Build the index where it is missing, or was left half built; return what is to be said of another one."""
    _drop_left_behind(db, index)
    state = _state(db, index)
    if state == _VALID:
        return None
    if state is not None:
        return f"no index was added for {index.language}: {index.name} is {state}"
    if index.there is not None:
        return f"no index was added for {index.language}: {index.there} is indexed already"
    table = quote_qualified(index.info.schema, index.info.name)
    try:
        name = quote_ident(index.name)
        _run(db, f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({index.expression})")
    except BaseException:
        with contextlib.suppress(Exception):
            _drop_left_behind(db, index)
        raise
    catalog.forget(db)
    return None


def _state(db: Database, index: TextIndex) -> str | None:
    """Return what there is by the name of the index; None when there is nothing."""
    names = {"table": quote_qualified(index.info.schema, index.info.name), "index": index.sql_name}
    found = db.run(Query(_STATE, names, reads=True)).rows
    return str(found[0][0]) if found else None


def _drop_left_behind(db: Database, index: TextIndex) -> None:
    if _state(db, index) == _LEFT_BEHIND:
        _run(db, f"DROP INDEX CONCURRENTLY IF EXISTS {index.sql_name}")


def _run(db: Database, sql: str) -> None:
    db.run(Query(sql.replace("%", "%%")))
