"""The text that EXPLAIN prints for people -> what its JSON format would have said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .lines import property_of
from .titles import details_of

_NUMBER = r"[\d.]+(?:e[+-]?\d+)?"
_COST = rf"cost=(?P<startup>{_NUMBER})\.\.(?P<total>{_NUMBER}) rows=(?P<estimate>{_NUMBER}) width=(?P<width>\d+)"
_TIME = rf"(?:time=(?P<first>{_NUMBER})\.\.(?P<last>{_NUMBER}) )?rows=(?P<rows>{_NUMBER}) loops=(?P<loops>\d+)"
_STEP = re.compile(
    rf"(?P<title>.+?)(?:  ?\({_COST}\))?(?:  ?\((?:actual {_TIME}|(?P<never>never executed))\))?", re.DOTALL
)
_MYSQL = re.compile(r"\(cost=\d+(\.\d+)? ")
_MARK = re.compile(r"\((?:cost=|actual |never executed)")
# With COSTS OFF nothing but its name tells a step.
_KINDS = re.compile(
    r"(?:Parallel |Partial |Finalize )*(?:(?:[A-Z]\w+ )+Scan|(?:Hash|Group|Mixed)?Aggregate|Limit|Result|Unique|"
    r"(?:Incremental )?Sort|Gather(?: Merge)?|Nested Loop|(?:Hash|Merge)(?: \w+)* Join|(?:Merge )?Append|WindowAgg|"
    r"Materialize|Memoize|Group|(?:Hash)?SetOp \w+|LockRows|ProjectSet|Recursive Union|"
    r"(?:Insert|Update|Delete|Merge) on)(?: (?!\()|$)|Custom Scan "
)
_HEADER = re.compile(r"(?P<kind>InitPlan|SubPlan|CTE) \S.*")
_WORKER = re.compile(rf"Worker (\d+): ?(?: actual {_TIME})?")
_NUMBERS = {"startup": "Startup Cost", "total": "Total Cost", "estimate": "Plan Rows", "width": "Plan Width"}
_NUMBERS |= {"first": "Actual Startup Time", "last": "Actual Total Time", "rows": "Actual Rows"}


@dataclass(slots=True)
class _Open:
    """A line that others may stand under: how far it is indented, and the dict that takes them."""

    indent: int
    holds: dict[str, Any]
    subplan: str | None = None


def document(lines: list[str]) -> dict[str, Any]:
    """Return the JSON format's object for lines of text; UsageError where they are no EXPLAIN output."""
    lines = _from_first_step(lines)
    first = _STEP.fullmatch(lines[0].strip())
    if first is None or not _is_step(lines[0].strip()):
        raise UsageError(
            f"this is no EXPLAIN output of Postgres: it begins with {lines[0].strip()[:60]!r}",
            "paste all of what EXPLAIN or EXPLAIN (FORMAT JSON) printed, from its first line on",
        )
    whole: dict[str, Any] = {"Plan": _step(first)}
    root = _Open(_indent(lines[0]), whole["Plan"])
    open_lines = [root]
    for line in lines[1:]:
        _take(line, _indent(line), whole, root, open_lines)
    return whole


def _is_step(line: str) -> bool:
    """Whether a line can be the first of a plan: an arrow leads to a step below another, MySQL's cost is one number."""
    return not line.startswith("->") and bool(_KINDS.match(line) or _MARK.search(line)) and not _MYSQL.search(line)


def _from_first_step(lines: list[str]) -> list[str]:
    """Return the lines from the first step on: a prompt, the statement or a log's line may stand before it."""
    marked = (i for i, line in enumerate(lines) if _MARK.search(line))
    plain = (i for i, line in enumerate(lines) if _KINDS.match(line.strip()))
    return lines[next(marked, next(plain, 0)) :]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _take(line: str, indent: int, whole: dict[str, Any], root: _Open, above: list[_Open]) -> None:
    """Put a line where it belongs: under the last one that is indented less."""
    text = line.strip()
    if indent <= root.indent and not text.startswith("->"):
        above[:] = [_Open(indent, _of_statement(text, whole))]
        return
    while len(above) > 1 and above[-1].indent >= indent:
        above.pop()
    parent = above[-1]
    if text.startswith("->"):
        made = _below(parent, text.removeprefix("->").strip())
        above.append(_Open(indent, made))
    elif _HEADER.fullmatch(text) and ": " not in text:
        above.append(_Open(indent, parent.holds, text))
    elif worker := _WORKER.match(text):
        made = {"Worker Number": int(worker[1])} | _measured(worker)
        parent.holds.setdefault("Workers", []).append(made)
        above.append(_Open(indent, made))
        property_of(text[worker.end() :].strip(), made)
    else:
        property_of(text, parent.holds)


def _below(parent: _Open, text: str) -> dict[str, Any]:
    """Make the node of an arrow under its parent, or a task of a distributed query."""
    if text == "Task":
        job = parent.holds.setdefault("Distributed Query", {"Job": {"Tasks": []}})["Job"]
        job["Tasks"].append({})
        made: dict[str, Any] = job["Tasks"][-1]
        return made
    match = _STEP.fullmatch(text)
    made = _step(match) if match else {"Node Type": text}
    if "Node Type" not in parent.holds:  # a task
        parent.holds["Remote Plan"] = [[{"Plan": made}]]
        return made
    if parent.subplan:
        made["Subplan Name"] = parent.subplan
        made["Parent Relationship"] = "SubPlan" if parent.subplan.startswith("SubPlan") else "InitPlan"
    parent.holds.setdefault("Plans", []).append(made)
    return made


def _step(match: re.Match[str]) -> dict[str, Any]:
    found = details_of(match["title"].strip())
    found |= {key: _number(match[group]) for group, key in _NUMBERS.items() if match[group]}
    if match["loops"]:
        found["Actual Loops"] = int(match["loops"])
    if match["never"]:
        found |= {"Actual Startup Time": 0.0, "Actual Total Time": 0.0, "Actual Rows": 0, "Actual Loops": 0}
    return found


def _measured(match: re.Match[str]) -> dict[str, Any]:
    groups = {group: key for group, key in _NUMBERS.items() if key.startswith("Actual") and match[group]}
    found = {key: _number(match[group]) for group, key in groups.items()}
    return found | ({"Actual Loops": int(match["loops"])} if match["loops"] else {})


def _number(text: str) -> float | int:
    return int(text) if text.isdigit() else float(text)


def _of_statement(text: str, whole: dict[str, Any]) -> dict[str, Any]:
    """Take a line that stands beside the tree, and return what takes the lines under it."""
    name, _, value = text.partition(":")
    if not value.strip() and name in ("Planning", "JIT"):
        made: dict[str, Any] = whole.setdefault(name, {})
        return made
    if name.startswith("Trigger"):
        whole.setdefault("Triggers", []).append(_trigger(text))
    else:
        property_of(text, whole)
    return whole


def _trigger(text: str) -> dict[str, Any]:
    match = re.match(
        rf"Trigger (?P<name>.+?)(?: on (?P<table>\S+))?: time=(?P<time>{_NUMBER}) calls=(?P<calls>\d+)", text
    )
    if match is None:
        return {}
    found = {"Trigger Name": match["name"], "Time": float(match["time"]), "Calls": int(match["calls"])}
    return found | ({"Relation": match["table"]} if match["table"] else {})
