"""Rules on how the legs of a hybrid query are numbered, filtered and added up."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ..plan import Node
from ..sqltext import Token, tokens
from .calls import closing, conjuncts
from .facts import Facts
from .finding import Cure, Finding
from .keys import OPERATORS
from .keywords import word_scans
from .rewrite import NAME

_RANK = re.compile(r"\b(row_number|rank|dense_rank)\(\) OVER")
_SORTED = (
    *("Sort", "Incremental Sort", "Index Scan", "Index Only Scan", "Merge Append", "Gather Merge", "Merge Join"),
    *("Group", "Unique", "Function Scan", "Values Scan"),
)
_IN_NO_ORDER = ("Seq Scan", "Bitmap Heap Scan")
_FRACTION = re.compile(r"(?<![\w.')])(\d+) / \(")
_FUSED = ("Full", "Left", "Right")
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_COLUMN = re.compile(rf"({NAME})\.({NAME})")
_OF_A_LEG = re.compile(r"@@|<=>|<->|<#>|<\+>|<~>|<%>|IS NOT NULL")


def numbered(facts: Facts) -> Iterator[Finding]:
    """Yield where rows of a search are numbered though nothing put them in order."""
    windows = [node for node in facts.plan.nodes if node.kind == "WindowAgg"]
    legs = {scan.node.number for scan in word_scans(facts) if windows} | {scan.number for scan in facts.ann_scans}
    for node in windows:
        rank = _RANK.search(str(node.details.get("Output")))
        if rank is None or not node.children or (scan := _source(facts, node.children[0])) is None:
            continue
        if not (legs & {each.number for each in node.walk()} or _has_distance(node)):
            continue
        why = f"{rank[1]}() numbers the rows as {scan.label} gives them, and nothing has put them in order"
        yield Finding("H02", "warning", why, f"{rank[1]}() OVER (ORDER BY …, id)", node.number)


def _has_distance(node: Node) -> bool:
    said = " ".join(str(each.details.get("Output", "")) for each in node.walk())
    return any(f" {operator} " in said for operator in OPERATORS)


def _source(facts: Facts, node: Node) -> Node | None:
    """Return the scan whose rows come through to here as it found them; None where something orders them."""
    if node.kind in _IN_NO_ORDER:
        return node
    if node.kind == "CTE Scan":
        name = f"CTE {node.details.get('CTE Name')}"
        filled = next((each for each in facts.plan.nodes if each.details.get("Subplan Name") == name), None)
        return _source(facts, filled) if filled is not None else None
    return _source(facts, node.children[0]) if node.children and node.kind not in _SORTED else None


def divided(facts: Facts) -> Iterator[Finding]:
    """Yield where a reciprocal rank is divided in whole numbers, and so is 0."""
    if not any(node.kind == "WindowAgg" for node in facts.plan.nodes):
        return
    for node in facts.plan.nodes:
        if fraction := _always_zero(str(node.details.get("Output", ""))):
            why = f"{fraction} is a division of whole numbers, which gives 0 for every row"
            sql = _in_fractions(facts.sql) if facts.sql else None
            cure = Cure(sql=sql) if sql and sql != facts.sql else None
            yield Finding("H08", "error", why, re.sub(r"^(\d+)", r"\1.0", fraction), node.number, cure)
            return


def _always_zero(text: str) -> str | None:
    """Return a fraction of whole numbers that is less than 1 for every rank, such as ``1 / (60 + r)``."""
    for found in _FRACTION.finditer(text):
        inside = tokens(text[found.end() - 1 :])
        close = closing(inside, 0)
        below = "".join(token.text for token in inside[1:close])
        plain = re.match(r"(\d+) \+ [^.']*(\.[^.']+)?$", below) or re.search(r"^[^']+ \+ (\d+)$", below)
        if plain and int(found[1]) < int(plain[1]):
            return f"{found[1]} / ({below})"
    return None


def _in_fractions(sql: str) -> str:
    """Return a statement whose whole numbers before ``/ (`` have a fraction."""
    found = tokens(sql)
    solid = [token for token in found if token.kind not in ("space", "comment")]
    numerators = {
        token.start
        for token, slash, bracket in zip(solid, solid[1:], solid[2:], strict=False)
        if token.kind == "number" and token.text.isdigit() and slash.text == "/" and bracket.text == "("
    }
    return "".join(f"{token.text}.0" if token.start in numerators else token.text for token in found)


def one_sided(facts: Facts) -> Iterator[Finding]:
    """Yield where one leg of a hybrid query is filtered by a column and the other is not."""
    if not any(n.details.get("Join Type") in _FUSED or n.kind == "Append" for n in facts.plan.nodes):
        return
    words, vectors = [scan.node for scan in word_scans(facts)], _vector_scans(facts)
    for vector in vectors:
        for word in words:
            if word.relation != vector.relation or word.number == vector.number:
                continue
            sides = _filtered_by(vector), _filtered_by(word)
            missing = (sides[0] ^ sides[1]) - _elsewhere(facts, {*words, *vectors}) - _promised(facts, vector)
            if missing:
                yield _one_sided(vector, word, sides, missing)
                return


def _one_sided(vector: Node, word: Node, sides: tuple[frozenset[str], ...], missing: frozenset[str]) -> Finding:
    named = ", ".join(sorted(missing))
    in_vectors = bool(missing & sides[0])
    has, lacks = ("vectors", "words") if in_vectors else ("words", "vectors")
    why = f"the leg of the {has} is filtered by {named}, that of the {lacks} is not, so rows come in by that one"
    step = word.number if in_vectors else vector.number
    return Finding("H12", "warning", why, f"the condition on {named} in both legs, before their LIMIT", step)


def _vector_scans(facts: Facts) -> list[Node]:
    """Return the scans of the legs that search by distance, whether an index leads them or not."""
    exact = [scan for sort, _ in facts.exact_sorts for scan in facts.scans_below(sort)]
    return [scan for scan in (*facts.ann_scans, *exact) if scan.kind != "CTE Scan"]


def _filtered_by(scan: Node) -> frozenset[str]:
    """Return the columns that a scan's conditions are about, but for what it is that the leg looks for."""
    said = (str(node.details[key]) for node in scan.walk() for key in _CONDITIONS if key in node.details)
    asked = (each for text in said for each in conjuncts(text) if not _OF_A_LEG.search(each))
    return frozenset(column for each in asked for column in _columns(each))


def _columns(condition: str) -> list[str]:
    return [found[2] for found in _COLUMN.finditer(re.sub(r"'(?:[^']|'')*'", "''", condition))]


def _promised(facts: Facts, scan: Node) -> frozenset[str]:
    """Return what a partial index is about: Postgres leaves out a condition that the index keeps by itself."""
    index = facts.index(scan)
    return frozenset(re.findall(NAME, index.where) if index is not None and index.where else ())


def _elsewhere(facts: Facts, legs: set[Node]) -> frozenset[str]:
    """Return the columns by which something outside of the legs filters."""
    inside = {below.number for leg in legs for below in leg.walk()}
    others = (node for node in facts.plan.nodes if node.number not in inside)
    said = (str(node.details[key]) for node in others for key in (*_CONDITIONS, "Join Filter") if key in node.details)
    return frozenset(column for text in said for column in _columns(text))


def added(facts: Facts) -> Iterator[Finding]:
    """Yield where the score is a sum of a distance and a rank of words, each in a scale of its own."""
    if "ts_rank" not in (facts.sql or "").lower():
        return
    found = [token for token in tokens(facts.sql or "") if token.kind not in ("space", "comment")]
    sums = [at for at, token in enumerate(found) if token.text == "+"]
    names = _aliases(found) if sums else {}
    for at in sums:
        left, right = _operand(found, at, -1), _operand(found, at, 1)
        kinds = [_kinds(each, names) for each in (left, right)]
        if any("window" in each for each in kinds) or {"distance", "rank"} - (kinds[0] | kinds[1]):
            continue
        if ("distance" in kinds[0] and "rank" in kinds[1]) or ("rank" in kinds[0] and "distance" in kinds[1]):
            why = "the score adds a distance of vectors and a ts_rank of words, whose scales have nothing in common"
            fix = "add reciprocal ranks, 1.0 / (60 + rank) of each leg"
            yield Finding("H14", "info", why, fix, 0)
            return


def _operand(found: list[Token], at: int, step: int) -> list[Token]:
    """Return the tokens on one side of a sign, to the end of its parentheses, list or clause."""
    depth, taken, i = 0, [], at + step
    opens, closes = ("(", ")") if step > 0 else (")", "(")
    while 0 <= i < len(found):
        token = found[i]
        depth += (token.text == opens) - (token.text == closes)
        if depth < 0 or (depth == 0 and (token.text == "," or token.text.upper() in _CLAUSES)):
            break
        taken.append(token)
        i += step
    return taken


def _aliases(found: list[Token]) -> dict[str, set[str]]:
    """Return what names behind AS, which may be left out, stand for: a distance, a rank of words, a window function."""
    names: dict[str, set[str]] = {}
    for at, (token, name) in enumerate(itertools.pairwise(found)):
        is_named = token.text.upper() == "AS" and name.text.upper() not in _OF_CTES
        ends = found[at + 2].text.upper() if at + 2 < len(found) else ""
        if name.kind == "word" and (is_named or (token.text == ")" and ends in (",", "FROM"))):
            kinds = _kinds(_operand(found, at if is_named else at + 1, -1), {})
            names.setdefault(name.text.lower(), set()).update(kinds)
    return names


def _kinds(expression: list[Token], names: dict[str, set[str]]) -> set[str]:
    kinds: set[str] = set()
    for token in expression:
        text = token.text.lower()
        kinds |= {"distance"} if text in OPERATORS else set()
        kinds |= {"rank"} if text in ("ts_rank", "ts_rank_cd") else set()
        kinds |= {"window"} if text == "over" else names.get(text, set())
    return kinds


_OF_CTES = ("MATERIALIZED", "NOT")
_CLAUSES = frozenset(
    ["SELECT", "FROM", "WHERE", "AS", "ORDER", "GROUP", "BY", "LIMIT", "ON", "AND", "OR", "UNION", "DESC", "HAVING"]
)
RULES = (divided, numbered, one_sided, added)
