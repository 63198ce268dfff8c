"""Widgets that call the verbs and show their values; they are imported with the first panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..cell.grammar import PANELS
from ..errors import UsageError, did_you_mean
from ..search import Explanation

if TYPE_CHECKING:
    from ..db import Database
    from .index import IndexPanel
    from .plan import PlanPanel


def panel(db: Database | None, name: str, about: object) -> PlanPanel | IndexPanel:
    """Return the panel of that name; UsageError for one that does not exist.

    ``plan`` shows the plan of an Explanation, or of searches in the table that is named; a plan that somebody pasted
    needs no ``db``. ``index`` shows the indexes of the table that is named, and builds more.
    """
    if name not in PANELS:
        raise UsageError(f"there is no panel {name!r}", did_you_mean(name, PANELS))
    return _MAKERS[name](db, about)


def _plan(db: Database | None, about: object) -> PlanPanel:
    from .plan import PlanPanel

    if isinstance(about, Explanation):
        return PlanPanel(db, about)
    if isinstance(about, str) and db is not None:
        return PlanPanel(db, table=about)
    raise UsageError("the plan panel shows a plan, or a table of a connection", 'panel(db, "plan", pv.explain(…))')


def _index(db: Database | None, about: object) -> IndexPanel:
    from .index import IndexPanel

    if isinstance(about, str) and db is not None:
        return IndexPanel(db, about)
    raise UsageError("the index panel is about a table of a connection", "%vpanel index docs")


_MAKERS: Mapping[str, Callable[[Database | None, object], PlanPanel | IndexPanel]] = MappingProxyType(
    {"plan": _plan, "index": _index}
)

__all__ = ["PANELS", "panel"]
