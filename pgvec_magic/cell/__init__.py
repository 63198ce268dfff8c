"""A magic's line and body -> a request; the only place that knows how the magics are written. Pure."""

from .guide import Completion, complete, usage
from .requests import (
    ConnectRequest,
    EmbedRequest,
    LoadRequest,
    PanelRequest,
    PlanRequest,
    SearchRequest,
    SqlRequest,
    TablesRequest,
    parse_connect,
    parse_embed,
    parse_load,
    parse_panel,
    parse_plan,
    parse_search,
    parse_sql,
    parse_tables,
)

__all__ = [
    "Completion",
    "ConnectRequest",
    "EmbedRequest",
    "LoadRequest",
    "PanelRequest",
    "PlanRequest",
    "SearchRequest",
    "SqlRequest",
    "TablesRequest",
    "complete",
    "parse_connect",
    "parse_embed",
    "parse_load",
    "parse_panel",
    "parse_plan",
    "parse_search",
    "parse_sql",
    "parse_tables",
    "usage",
]
