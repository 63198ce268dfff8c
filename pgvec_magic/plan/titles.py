"""A node's first line as EXPLAIN's text has it, made from its details and read back into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_AGGREGATES = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate", "Plain": "Aggregate"}
_STRATEGIES = {name: strategy for strategy, name in _AGGREGATES.items()}
_NAME = r'(?:"(?:[^"]|"")*"|[^\s."]+)'
_JOIN = re.compile(r"(Nested Loop|Merge|Hash)(?: (Left|Right|Full|Semi|Anti|Right Semi|Right Anti))?( Join)?")
_SCAN = re.compile(rf"(?P<kind>.+?)(?: using (?P<index>{_NAME}))?(?: on (?P<rest>.+))?")
_TARGET = re.compile(rf"(?:(?P<schema>{_NAME})\.)?(?P<name>{_NAME})(?: (?P<alias>{_NAME}))?")
_WRITES = ("Insert", "Update", "Delete", "Merge")
_TARGETS = {"CTE Scan": "CTE Name", "Function Scan": "Function Name", "WorkTable Scan": "CTE Name"}
_TARGETS |= {"Named Tuplestore Scan": "Tuplestore Name", "Table Function Scan": "Table Function Name"}


def title(details: Mapping[str, Any]) -> str:
    """Return the first line: ``Parallel Index Scan using docs_idx on docs``."""
    name = _kind(details)
    if details.get("Partial Mode") in ("Partial", "Finalize"):
        name = f"{details['Partial Mode']} {name}"
    if details.get("Parallel Aware"):
        name = f"Parallel {name}"
    if details.get("Scan Direction") == "Backward":
        name += " Backward"
    index = details.get("Index Name")
    if index is not None:
        name += f" on {index}" if details.get("Node Type") == "Bitmap Index Scan" else f" using {index}"
    target = next((details[key] for key in ("Relation Name", *_TARGETS.values()) if key in details), None)
    alias = details.get("Alias")
    if target is None:
        return f"{name} on {alias}" if alias else name
    return f"{name} on {target}" + (f" {alias}" if alias not in (None, target) else "")


def _kind(details: Mapping[str, Any]) -> str:
    kind = str(details.get("Node Type", "?"))
    if kind == "Aggregate":
        return _AGGREGATES.get(str(details.get("Strategy")), kind)
    if kind == "SetOp":
        return f"{'HashSetOp' if details.get('Strategy') == 'Hashed' else kind} {details.get('Command', '')}".rstrip()
    if kind == "ModifyTable":
        return str(details.get("Operation", kind))
    if kind in ("Nested Loop", "Hash Join", "Merge Join") and details.get("Join Type", "Inner") != "Inner":
        return f"{kind.removesuffix(' Join')} {details['Join Type']} Join"
    if kind == "Custom Scan" and "Custom Plan Provider" in details:
        return f"Custom Scan ({details['Custom Plan Provider']})"
    return kind


def details_of(line: str) -> dict[str, Any]:
    """Return the details that a first line tells of, by the keys of the JSON format."""
    found: dict[str, Any] = {}
    for word, key, value in (("Async ", "Async Capable", True), ("Parallel ", "Parallel Aware", True)):
        if line.startswith(word):
            line, found[key] = line.removeprefix(word), value
    for mode in ("Partial", "Finalize"):
        if line.startswith(f"{mode} ") and line.removeprefix(f"{mode} ") in _STRATEGIES:
            line, found["Partial Mode"] = line.removeprefix(f"{mode} "), mode
    if line in _STRATEGIES:
        return found | {"Node Type": "Aggregate", "Strategy": _STRATEGIES[line]}
    if join := _JOIN.fullmatch(line):
        kind = "Nested Loop" if join[1] == "Nested Loop" else f"{join[1]} Join"
        if kind == "Nested Loop" or join[3]:  # "Hash" alone builds the table of one
            return found | {"Node Type": kind, "Join Type": join[2] or "Inner"}
    if operation := re.fullmatch(r"(Hash)?SetOp (.+)", line):
        return {"Node Type": "SetOp", "Strategy": "Hashed" if operation[1] else "Sorted", "Command": operation[2]}
    return found | _scan(line)


def _scan(line: str) -> dict[str, Any]:
    match = _SCAN.fullmatch(line)
    if match is None:
        return {"Node Type": line}
    kind, found = match["kind"], dict[str, Any]()
    if kind.endswith(" Backward"):
        kind, found["Scan Direction"] = kind.removesuffix(" Backward"), "Backward"
    if provider := re.fullmatch(r"Custom Scan \((.+)\)", kind):
        kind, found["Custom Plan Provider"] = "Custom Scan", provider[1]
    if kind in _WRITES:
        kind, found["Operation"] = "ModifyTable", kind
    found["Node Type"] = kind
    if match["index"]:
        found["Index Name"] = _plain(match["index"])
    target = _TARGET.fullmatch(match["rest"] or "")
    return found | (_target(kind, target) if target else {})


def _target(kind: str, target: re.Match[str]) -> dict[str, Any]:
    name = _plain(target["name"])
    if kind == "Bitmap Index Scan":
        return {"Index Name": name}
    if kind in ("Subquery Scan", "Values Scan"):
        return {"Alias": name}
    found = {_TARGETS.get(kind, "Relation Name"): name, "Alias": _plain(target["alias"] or target["name"])}
    return found | ({"Schema": _plain(target["schema"])} if target["schema"] else {})


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
