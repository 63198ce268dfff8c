"""The text of CREATE INDEX, as Postgres gives it -> ``IndexSpec``, or what of a column it is on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .. import metric as metrics
from ..errors import UsageError
from .spec import METHODS, IndexSpec

_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
# The operator class is left out where it is the type's default: pgvector has that for IVFFlat and l2 alone.
_DEFINITION = re.compile(
    rf"USING (?P<method>\w+) \((?P<key>.+?)(?: (?:{_NAME}\.)?(?P<opclass>\w+_ops))?\)"
    r"(?: WITH \((?P<options>[^)]*)\))?(?: WHERE (?P<where>.+))?$",
    re.DOTALL,
)
_DEFAULT = "vector_l2_ops"
_CAST = re.compile(rf"\(\((?P<of>.+)\)::(?:{_NAME}\.)?(?P<type>\w+)\((?P<size>\d+)\)\)", re.DOTALL)
_FUNCTION = re.compile(rf"(?:{_NAME}\.)?(?P<name>binary_quantize|subvector)\((?P<column>{_NAME})(?P<first>, 1, \d+)?\)")


@dataclass(frozen=True, slots=True)
class Key:
    """What an index is on: a column in a form; of an expression ``dimensions`` is how many it gives, else None."""

    column: str
    form: str = "vector"
    dimensions: int | None = None


def read_spec(
    definition: str,
    schema: str,
    table: str,
    extension: str | None,
    columns: Mapping[str, tuple[str, int | None]],
) -> IndexSpec:
    """Return the spec of what ``pg_get_indexdef`` gave; ``columns`` are name -> (type, dimensions).

    UsageError for an index of another extension, or over an expression that no ``IndexSpec`` stands for.
    """
    found = _DEFINITION.search(definition)
    if found is None or found["method"] not in METHODS or (metric := _metric(found)) is None:
        raise _unknown(definition)
    key = read_key(definition, {name: kind for name, (kind, _) in columns.items()})
    if key is None or (of := columns[key.column])[1] is None:
        raise _unknown(definition)
    options = dict(re.findall(r"(\w+)='?(\d+)", found["options"] or ""))
    return IndexSpec(
        table=table,
        column=key.column,
        dimensions=of[1],
        schema=schema,
        type=of[0],
        metric=metric.name,
        method=found["method"],
        form=key.form,
        kept=key.dimensions if key.form == "subvector" else None,
        m=int(options.get("m", 16)),
        ef_construction=int(options.get("ef_construction", 64)),
        lists=int(options.get("lists", 100)),
        where=found["where"],
        extension=extension,
    )


def read_key(definition: str, types: Mapping[str, str]) -> Key | None:
    """Return what the index that ``pg_get_indexdef`` gave is on; ``types`` are the columns'.

    None for an expression that is no form of a column, or of another type than a search would make of it.
    """
    found = _DEFINITION.search(definition)
    if found is None:
        return None
    cast = _CAST.fullmatch(found["key"])
    key = Key(_name(found["key"])) if cast is None else _of_cast(cast, types)
    return key if key is not None and key.column in types else None


def _of_cast(cast: re.Match[str], types: Mapping[str, str]) -> Key | None:
    function, size = _FUNCTION.fullmatch(cast["of"]), int(cast["size"])
    if function is None:
        return Key(_name(cast["of"]), "halfvec", size) if cast["type"] == "halfvec" else None
    column = _name(function["column"])
    if function["name"] == "binary_quantize":
        return Key(column, "binary", size) if cast["type"] == "bit" else None
    return Key(column, "subvector", size) if function["first"] and cast["type"] == types.get(column) else None


def _metric(found: re.Match[str]) -> metrics.Metric | None:
    return metrics.by_opclass(found["opclass"] or _DEFAULT)


def _name(written: str) -> str:
    return written[1:-1].replace('""', '"') if written.startswith('"') else written


def _unknown(definition: str) -> UsageError:
    return UsageError(f"this index is none that can be sized: {definition}", "rebuild it with SQL: REINDEX INDEX …")
