"""One line of details of EXPLAIN's text -> keys and values as the JSON format has them."""

from __future__ import annotations

import re
from typing import Any

from ..sqltext import split_list

_LISTS = ("Output", "Sort Key", "Presorted Key", "Group Key")
_PAIR = re.compile(r"([A-Z][\w -]*?): (\S+?)(kB)?(?=  |$)")
_TIMES = {"Planning Time": "Planning Time", "Execution Time": "Execution Time", "Total runtime": "Execution Time"}
_SEVERAL = ("Sort Method", "Buckets", "Batches", "Planned Partitions", "Hits", "Storage")
_RENAMED = {
    "Memory": "Sort Space Used",
    "Disk": "Sort Space Used",
    "Buckets": "Hash Buckets",
    "Batches": "Hash Batches",
    "Memory Usage": "Peak Memory Usage",
    "Hits": "Cache Hits",
    "Misses": "Cache Misses",
    "Evictions": "Cache Evictions",
    "Overflows": "Cache Overflows",
}


def property_of(text: str, holds: dict[str, Any]) -> None:
    """Put what a line says among the details."""
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon:
        return
    if name == "Buffers":
        _buffers(value, holds)
    elif name == "I/O Timings":
        _io(value, holds)
    elif name == "Settings":
        holds["Settings"] = {
            key: text.replace("''", "'") for key, text in re.findall(r"(\S+) = '((?:[^']|'')*)'", value)
        }
    elif name == "Serialization":
        _serialization(value, holds)
    elif name == "Timing":
        holds["Timing"] = {key: float(ms) for key, ms in re.findall(r"(\w+) ([\d.]+) ms", value)}
    elif name in _TIMES:
        holds[_TIMES[name]] = float(value.split()[0])
    elif name in _LISTS:
        holds[name] = [part.strip() for part in split_list(value)]
    elif name == "Heap Blocks":
        holds |= {f"{how.capitalize()} Heap Blocks": int(n) for how, n in re.findall(r"(exact|lossy)=(\d+)", value)}
    elif name in ("Full-sort Groups", "Pre-sorted Groups"):
        holds[name] = {"Group Count": int(value.split()[0])}
    elif name in _SEVERAL:
        _several(text, holds)
    else:
        holds[name] = _value(value)


def _value(text: str) -> Any:
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d+\.\d+", text):
        return float(text)
    return {"true": True, "false": False}.get(text, text)


def _several(text: str, holds: dict[str, Any]) -> None:
    """Take a line of several, such as ``Sort Method: quicksort  Memory: 25kB``."""
    if method := re.match(r"Sort Method: (.+?)(?:  |$)", text):
        holds["Sort Method"] = method[1]
        text = text[method.end() :]
    text = re.sub(r" \(originally \d+\)", "", text)
    for key, value, _ in _PAIR.findall(text):
        if key in ("Memory", "Disk"):
            holds["Sort Space Type"] = key
        key = (
            "HashAgg Batches" if key == "Batches" and holds.get("Node Type") == "Aggregate" else _RENAMED.get(key, key)
        )
        holds[key] = _value(value.removesuffix("kB"))


def _buffers(text: str, holds: dict[str, Any]) -> None:
    for part in text.split(", "):
        where, *counts = part.split()
        for count in counts:
            what, _, number = count.partition("=")
            holds[f"{where.capitalize()} {what.capitalize()} Blocks"] = int(number)


def _io(text: str, holds: dict[str, Any]) -> None:
    where = "Shared"
    for word in text.replace(",", "").split():
        what, equals, number = word.partition("=")
        if equals:
            holds[f"{where} I/O {what.capitalize()} Time"] = float(number)
        else:
            where = word.split("/")[0].capitalize()


def _serialization(text: str, holds: dict[str, Any]) -> None:
    time, size = re.search(r"time=([\d.]+)", text), re.search(r"output=(\d+)kB", text)
    made: dict[str, Any] = {"Output Volume": int(size[1])} if size else {}
    holds["Serialization"] = made | ({"Time": float(time[1])} if time else {})
