"""Widgets that call the verbs and show their values; they are imported with the first panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cell.grammar import PANELS
from ..errors import UsageError, did_you_mean
from ..search import Explanation

if TYPE_CHECKING:
    from ..db import Database
    from .plan import PlanPanel


def panel(db: Database | None, name: str, about: object) -> PlanPanel:
    """Return the panel of that name; UsageError for one that does not exist.

    ``plan`` shows the plan of an Explanation, or of searches in the table that is named; a plan that somebody pasted
    needs no ``db``.
    """
    from .plan import PlanPanel

    if name not in PANELS:
        raise UsageError(f"there is no panel {name!r}", did_you_mean(name, PANELS))
    if isinstance(about, Explanation):
        return PlanPanel(db, about)
    if isinstance(about, str) and db is not None:
        return PlanPanel(db, table=about)
    raise UsageError("the plan panel shows a plan, or a table of a connection", 'panel(db, "plan", pv.explain(…))')


__all__ = ["PANELS", "panel"]
