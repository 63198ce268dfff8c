"""The SQL of indexes that a table should have, and the lines that people type."""

from __future__ import annotations

import re
from dataclasses import replace

from .. import metric as metrics
from ..catalog import TableInfo, VectorColumn, VectorIndex
from ..errors import UsageError
from ..index import IndexSpec, usual_lists
from ..sqltext import quote_qualified
from .facts import Table


def wanted(table: Table, column: VectorColumn, **options: str) -> IndexSpec | None:
    """Return the HNSW index that a column should have: as it is, or where it is too wide as halfvec or bits."""
    info = table.info
    told = [i.column_metric for i in info.indexes if table.column(i) == column.name and i.column_metric]
    for form in ("vector", "halfvec", "binary"):
        metric = "hamming" if form == "binary" else next(iter(told), metrics.usual(column.type))
        try:
            return IndexSpec(
                table=info.name,
                schema=info.schema,
                column=column.name,
                type=column.type,
                dimensions=column.dimensions or 0,
                extension=info.extension_schema,
                **{"metric": metric, "form": form, **options},  # type: ignore[arg-type]  # names and forms are texts
            )
        except UsageError:
            continue
    return None


def statement(table: Table, spec: IndexSpec) -> str:
    """Return the statement that builds an index while others write, where Postgres can do so."""
    return spec.sql(concurrently=not table.is_parted)


def rebuilt(info: TableInfo, index: VectorIndex) -> str:
    """Return the statement that rebuilds an index while it is used."""
    return f"REINDEX INDEX CONCURRENTLY {quote_qualified(info.schema, index.name)}"


def dropped(table: Table, schema: str, name: str) -> str:
    """Return the statement that drops an index while others write, where Postgres can do so."""
    how = "" if table.is_parted else "CONCURRENTLY "
    return f"DROP INDEX {how}{quote_qualified(schema, name)}"


def relisted(table: Table, index: VectorIndex) -> IndexSpec | None:
    """Return an IVFFlat index with as many lists as its rows are worth."""
    spec = table.specs.get(index.name)
    return spec and replace(spec, name=None, lists=max(usual_lists(table.rows), 1))


def typed(magic: str, python: str, *names: str) -> str:
    """Return a magic's line with names in place of each ``{}``, or Python's where a name has a double quote in it."""
    if any('"' in name for name in names):
        return python.format(*map(repr, names))
    return magic.format(*(name if re.fullmatch(r"[\w.]+", name) else f'"{name}"' for name in names))
