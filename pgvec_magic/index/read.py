"""The text of CREATE INDEX, as Postgres gives it -> ``IndexSpec``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .. import metric as metrics
from ..errors import UsageError
from .spec import METHODS, IndexSpec

_DEFINITION = re.compile(
    r"USING (?P<method>\w+) \((?P<key>.+?)(?: (?:[\w\"]+\.)?(?P<opclass>\w+_ops))?\)"
    r"(?: WITH \((?P<options>[^)]*)\))?(?: WHERE (?P<where>.+))?$",
    re.DOTALL,
)
_DEFAULT = "vector_l2_ops"  # the only one that goes without saying, for IVFFlat
_TYPE = r"(?:[\w\"]+\.)?(?P<kind>\w+)\((?P<size>\d+)\)"
_CAST = re.compile(rf"\(?\((?P<of>.+)\)::{_TYPE}\)?")
_FUNCTION = re.compile(r"(?:[\w\"]+\.)?(?P<name>binary_quantize|subvector)\((?P<column>[^,()]+)(?:, 1, \d+)?\)")


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
    if (
        found is None
        or found["method"] not in METHODS
        or (metric := metrics.by_opclass(found["opclass"] or _DEFAULT)) is None
    ):
        raise _unknown(definition)
    form, kept, column = _key(found["key"])
    kind, dimensions = columns.get(column, ("", None))
    if dimensions is None:
        raise _unknown(definition)
    options = dict(re.findall(r"(\w+)='?(\d+)", found["options"] or ""))
    return IndexSpec(
        table=table,
        column=column,
        dimensions=dimensions,
        schema=schema,
        type=kind,
        metric=metric.name,
        method=found["method"],
        form=form,
        kept=kept,
        m=int(options.get("m", 16)),
        ef_construction=int(options.get("ef_construction", 64)),
        lists=int(options.get("lists", 100)),
        where=found["where"],
        extension=extension,
    )


def _key(key: str) -> tuple[str, int | None, str]:
    """Return the form, the dimensions that a subvector keeps, and the column."""
    cast = _CAST.fullmatch(key)
    if cast is None:
        return "vector", None, _name(key)
    function = _FUNCTION.fullmatch(cast["of"])
    if function is None:
        return cast["kind"], None, _name(cast["of"])
    if function["name"] == "binary_quantize":
        return "binary", None, _name(function["column"])
    return "subvector", int(cast["size"]), _name(function["column"])


def _name(written: str) -> str:
    return written[1:-1].replace('""', '"') if written.startswith('"') else written


def _unknown(definition: str) -> UsageError:
    return UsageError(f"this index is none that can be sized: {definition}", "rebuild it with SQL: REINDEX INDEX …")
