"""The spec of an index from what a person says of it, and the rest from the table."""

from __future__ import annotations

from typing import Any

from .. import catalog
from .. import metric as metrics
from ..catalog import TableInfo, VectorColumn
from ..catalog.given import no_dimensions
from ..db import Database
from ..errors import UsageError
from ..index import IndexSpec, usual_lists


def spec_for(db: Database, table: str, column: str | None = None, **options: Any) -> IndexSpec:
    """Return the spec of an index on a table; ``options`` are fields of ``IndexSpec`` that are not the table's to say.

    The metric is that of another index on the column, else cosine, for bits hamming; lists a thousandth of the rows.
    UsageError for a table without such a column, and for a column without dimensions.
    """
    catalog.changed(db, table)
    info = catalog.table(db, table)
    found = _column(info, column)
    if found.dimensions is None:
        raise no_dimensions(info, found.name, found.type)
    if options.get("method") == "ivfflat" and "lists" not in options and info.rows:
        options["lists"] = usual_lists(info.rows)
    if options.get("form") == "subvector" and "kept" not in options:
        raise UsageError("a subvector needs to know how many dimensions it keeps", "give --keep N")
    options.setdefault("metric", _metric(info, found, options.get("form", "vector")))
    return IndexSpec(
        table=info.name,
        schema=info.schema,
        column=found.name,
        type=found.type,
        dimensions=found.dimensions,
        extension=info.extension_schema,
        **options,
    )


def _column(info: TableInfo, name: str | None) -> VectorColumn:
    if name is not None:
        info.column(name)
    known = info.vectors or info.bits
    found = [column for column in (*info.vectors, *info.bits) if column.name == name] if name else list(known)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{info.label} has several vector columns", f"--column {' or '.join(c.name for c in found)}")
    raise UsageError(f"{info.label}{f'.{name}' if name else ''} has no vectors", "%vembed gives a table its vectors")


def _metric(info: TableInfo, column: VectorColumn, form: str) -> str:
    if form == "binary":
        return "hamming"
    told = [metric for index in info.indexes if index.column == column.name and (metric := index.column_metric)]
    return told[0] if told else metrics.usual(column.type)
