"""What a node did, in plain words with its own numbers."""

from __future__ import annotations

from collections.abc import Iterator

from .elide import elide
from .estimates import misestimate
from .node import Node

_KEYS = (
    *("Order By", "Index Cond", "Filter", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond", "Sort Key"),
    *("Group Key", "One-Time Filter", "Subplan Name"),
)
_FAR_OFF = 10  # times, from where viewers of plans mark it
_REMOVED = ("Filter", "Join Filter", "Index Recheck")


def facts(node: Node) -> list[str]:
    """Return one sentence each for a node's time, rows, pages and conditions; what is not known is left out."""
    return [*_times(node), *_rows(node), *_work(node), *_conditions(node)]


def _times(node: Node) -> Iterator[str]:
    if not node.executed:
        yield "never ran"
        return
    if node.time is None:
        return
    yield f"{milliseconds(node.time.own)} of its own, {milliseconds(node.time.wall)} with the steps below"
    if node.time.most > node.time.least * 1.01:
        yield f"several processes shared it: between {milliseconds(node.time.least)} and {milliseconds(node.time.most)}"


def _rows(node: Node) -> Iterator[str]:
    if node.rows is not None and node.loops:
        loops = f" in {node.loops:,} loops" if node.loops > 1 else ""
        planned = "" if node.estimate is None else f"; the planner expected {count(node.estimate * max(node.loops, 1))}"
        yield f"{rows(node.rows)}{loops}{planned}"
    elif node.estimate is not None:
        yield f"the planner expects {rows(node.estimate)}"
    for by in _REMOVED:
        if removed := node.removed(by):
            yield f"{rows(removed)} removed by the {by.lower()}"


def _work(node: Node) -> Iterator[str]:
    if node.blocks is not None and node.blocks.own:
        yield f"{node.blocks.own:,} pages of its own; with the steps below {node.blocks.read:,} from disk"
    if node.blocks is not None and node.blocks.temp_written:
        yield f"{node.blocks.temp_written:,} pages written to temporary files"
    if method := node.details.get("Sort Method"):
        space, where = node.details.get("Sort Space Used"), node.details.get("Sort Space Type", "memory")
        yield f"sorted by {method}" + (f", {space:,} kB of {str(where).lower()}" if isinstance(space, int) else "")
    if launched := node.details.get("Workers Launched"):
        yield f"{launched} worker processes"


def _conditions(node: Node) -> Iterator[str]:
    for key in _KEYS:
        if key in node.details:
            value = node.details[key]
            yield f"{key}: {elide(', '.join(map(str, value)) if isinstance(value, list) else str(value))}"


def measured(node: Node, *, guessed: bool = True) -> list[str]:
    """Return the rows, loops and pages of a node in a few words each; ``guessed``: with what the planner expected."""
    if not node.executed:
        return ["never ran"]
    if node.rows is None:
        return [f"{rows(node.estimate)} expected"] if guessed and node.estimate is not None else []
    said = [rows(node.rows) + (_guess(node) if guessed else "")]
    if node.loops is not None and node.loops > 1:
        said.append(f"{node.loops:,} loops")
    if node.blocks is not None and node.blocks.own:
        said.append("1 page" if node.blocks.own == 1 else f"{node.blocks.own:,} pages")
    return said


def _guess(node: Node) -> str:
    factor = misestimate(node)
    if factor is None or node.estimate is None:
        return ""
    expected = count(node.estimate * (node.loops or 1))
    if factor >= _FAR_OFF:
        return f", {count(factor)} × more than the {expected} expected"
    if factor <= 1 / _FAR_OFF:
        return f", {count(1 / factor)} × fewer than the {expected} expected"
    return ", as expected" if expected == count(node.rows or 0) else f", {expected} expected"


def milliseconds(value: float) -> str:
    """Return a time as people read it: ``0.012 ms``, ``3.4 ms``, ``1.25 s``."""
    if value >= 1_000:
        return f"{value / 1_000:.3g} s"
    return f"{value:.3g} ms" if value >= 0.001 or not value else "< 0.001 ms"


def rows(value: float) -> str:
    """Return a number of rows with the word."""
    return "1 row" if value == 1 else f"{count(value)} rows"


def count(value: float) -> str:
    """Return a number of rows: averages over loops need not be whole."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"
