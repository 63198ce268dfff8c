"""A magic's line and body -> a request; the only place that knows how the magics are written. Pure."""

from .guide import Completion, complete, usage
from .line import quoted
from .parse import (
    parse_connect,
    parse_embed,
    parse_health,
    parse_index,
    parse_load,
    parse_panel,
    parse_plan,
    parse_recall,
    parse_search,
    parse_sql,
    parse_tables,
)
from .requests import (
    ConnectRequest,
    EmbedRequest,
    HealthRequest,
    IndexRequest,
    LoadRequest,
    PanelRequest,
    PlanRequest,
    RecallRequest,
    SearchRequest,
    SqlRequest,
    TablesRequest,
)

__all__ = [
    "Completion",
    "ConnectRequest",
    "EmbedRequest",
    "HealthRequest",
    "IndexRequest",
    "LoadRequest",
    "PanelRequest",
    "PlanRequest",
    "RecallRequest",
    "SearchRequest",
    "SqlRequest",
    "TablesRequest",
    "complete",
    "parse_connect",
    "parse_embed",
    "parse_health",
    "parse_index",
    "parse_load",
    "parse_panel",
    "parse_plan",
    "parse_recall",
    "parse_search",
    "parse_sql",
    "parse_tables",
    "quoted",
    "usage",
]
