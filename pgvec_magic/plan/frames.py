"""What psql, pgAdmin and spreadsheets draw around a plan -> the lines of the plan alone."""

from __future__ import annotations

import ast
import csv
import json
import re

_RULE = re.compile(r"[\s|+-]*-{3,}[\s|+-]*|[+-]*\[ RECORD \d+ \][+-]*")
_ROWS = re.compile(r"\s*\(\d+ rows?\)")
_BOX = str.maketrans("│─┌┐└┘├┤┬┴┼", "|-+++++++++")
_NAME = 14  # signs at most before a plan's own: a frame, the column's name, a frame
_EDGES = re.compile(r"\s*\|(.*)\|")
_EXPANDED = re.compile(r" ?(?:QUERY PLAN| {10}) ?\| ?(.*)")
_QUOTED = re.compile(r'\s*"(.*)"')


def unframed(text: str) -> list[str]:
    """Return the lines of a plan as EXPLAIN made them, none of them blank."""
    lines = [line.rstrip() for line in _ascii(_cells(_rows(text).expandtabs())).splitlines()]
    lines = [line for line in lines if line and not _RULE.fullmatch(line) and not _ROWS.fullmatch(line)]
    for frame in (_EDGES, _EXPANDED):
        lines = _inside(lines, frame)
    if all(map(_QUOTED.fullmatch, lines)):
        lines = [line.replace('""', '"') for line in _inside(lines, _QUOTED)]
    lines = [line for line in lines if line.strip(' "').upper() != "QUERY PLAN"]
    if len(lines) > 1 and all(line.endswith("+") for line in lines[:-1]):  # one cell of several lines
        lines = [line.removesuffix("+").rstrip() for line in lines]
    return [line for line in lines if line.strip()]


def _rows(text: str) -> str:
    """Return the text of rows as Python shows them, ``('Limit …',)``, a line each or in a list; others as they are."""
    if not re.match(r"""\s*\[?\((['"]|\[\{)""", text):
        return text
    lines = (line.strip().removesuffix(",") for line in text.strip().splitlines())
    try:
        rows = ast.literal_eval(text.strip() if text.lstrip().startswith("[") else f"[{','.join(lines)}]")
        return "\n".join(cell if isinstance(cell, str) else json.dumps(cell) for (cell,) in rows)
    except (SyntaxError, TypeError, ValueError):
        return text


def _cells(text: str) -> str:
    """Return the text of a CSV file of one column, in which only some lines have quotes, and others as they are."""
    if text.lstrip()[:1] in ("[", "{") or not re.search(r'^"', text, re.MULTILINE):
        return text
    rows = list(csv.reader(text.splitlines(keepends=True)))
    return "\n".join("".join(row) for row in rows) if all(len(row) < 2 for row in rows) else text


def _ascii(text: str) -> str:
    """Return a text whose lines are drawn with the signs of a keyboard."""
    if not re.match(r"\s*([┌─]|.*\n─)", text):
        return text
    lines = (line.translate(_BOX) if line.startswith(("┌─", "├─", "└─", "─")) else line for line in text.splitlines())
    within = ((line[:_NAME].translate(_BOX), line[_NAME:]) for line in lines)
    return "\n".join(begin + re.sub(r"│$", "|", re.sub(r"↵(│?)$", r"+\1", end)) for begin, end in within)


def _inside(lines: list[str], frame: re.Pattern[str]) -> list[str]:
    """Return what a frame has within, if all lines have it."""
    found = [frame.fullmatch(line) for line in lines]
    return [match[1].rstrip() for match in found if match] if all(found) else lines
