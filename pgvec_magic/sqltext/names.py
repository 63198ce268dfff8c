"""Names and values -> SQL."""

from __future__ import annotations

import re

from ..errors import UsageError

# Every word of pg_get_keywords() (16 to 18) that is not "unreserved": what the server's own quote_ident() quotes.
_KEYWORDS = """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
    desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
    json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
    not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
    primary real references returning right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using values
    varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
_QUOTED_WORDS = frozenset(_KEYWORDS.split())


def refuse_nul(text: str) -> None:
    """UsageError for a NUL character, which PostgreSQL's protocol cannot carry."""
    if "\0" in text:
        raise UsageError("the text has a NUL character (\\x00), which PostgreSQL cannot take", "remove it")


def quote_ident(name: str) -> str:
    """Return an identifier as SQL, in quotes only where it needs them; UsageError for an empty one or a NUL."""
    refuse_nul(name)
    if not name:
        raise UsageError("a name in SQL cannot be empty")
    if re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in _QUOTED_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_qualified(schema: str, name: str) -> str:
    """Return ``schema.name`` with each part quoted where it needs it."""
    return f"{quote_ident(schema)}.{quote_ident(name)}"


def quote_literal(text: str) -> str:
    """Return a string literal that means ``text`` whatever ``standard_conforming_strings`` is."""
    refuse_nul(text)
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
