"""Rules on what writing costs a table with a vector index."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import Index, Relation
from ..plan import Node
from ..plan.words import milliseconds, rows
from ..sqltext import Token, quote_qualified, split_list, tokens
from .facts import Facts
from .finding import Finding

_LOAD = 1_000  # rows from which on an INSERT is a load
_MUCH = 0.1  # of the table
_MOSTLY = 0.8  # of the time
_UPDATE = 100
_IN_PLACE = 0.5
_ENDS = frozenset(["FROM", "WHERE", "RETURNING", "WHEN"])


def loaded(facts: Facts) -> Iterator[Finding]:
    """Yield where many rows are put into a vector index one by one, though a build would take them together."""
    for write, relation, index in _writes(facts, "Insert"):
        given = sum(child.rows or 0 for child in write.children)
        if given < _LOAD or given < _MUCH * relation.rows or write.time is None:
            continue
        if write.time.own < _MOSTLY * (facts.plan.root.time.wall if facts.plan.root.time else 0):
            continue
        took = milliseconds(write.time.own)
        why = (
            f"{rows(given)} were put into the index {index.name} one by one, {took} for all,"
            f" {milliseconds(write.time.own / given)} each; a build takes them together"
        )
        fix = f"DROP INDEX {quote_qualified(index.schema, index.name)}, insert, then {index.definition}"
        yield Finding("R74", "info", why, fix, write.number)


def updated(facts: Facts) -> Iterator[Finding]:
    """Yield where an update of other columns gives rows new entries in a vector index."""
    for write, relation, index in _writes(facts, "Update"):
        changed = _changed(facts.sql or "")
        moved = relation.updated - relation.in_place
        if relation.updated < _UPDATE or relation.in_place >= _IN_PLACE * relation.updated:
            continue
        if not changed or changed & _columns(index):
            continue
        having = [i for i in facts.indexes(write) if changed & _columns(i)]
        why = f"{moved:,} of {rows(relation.updated)} got a new entry in every index, {index.name} among them: "
        if having:
            why += f"the index {having[0].name} has {', '.join(sorted(changed & _columns(having[0])))}, which changed"
            drop = f"DROP INDEX {quote_qualified(having[0].schema, having[0].name)}"
            fix = f"{drop}, or keep what changes in a table of its own"
        else:
            why += "there was no room for a new version on their pages"
            table = quote_qualified(relation.schema, relation.name)
            fix = f"ALTER TABLE {table} SET (fillfactor = 70), then VACUUM FULL {table}"
        # No cure is to be tried: updates that were undone have filled the pages, so later ones find no room either.
        yield Finding("R75", "warning", why, fix, write.number)


def _writes(facts: Facts, operation: str) -> Iterator[tuple[Node, Relation, Index]]:
    """Yield the steps that write, with their table and its vector index."""
    for node in facts.plan.nodes:
        if node.kind != "ModifyTable" or node.details.get("Operation") != operation:
            continue
        relation = facts.relation(node)
        index = next((i for i in facts.indexes(node) if i.of_vectors), None)
        if relation is not None and index is not None:
            yield node, relation, index


def _columns(index: Index) -> frozenset[str]:
    """Return the words of what an index is made of; its columns are among them."""
    return frozenset(re.findall(r'[a-z_]\w*|"[^"]+"', index.definition.partition(" USING ")[2]))


def _changed(sql: str) -> frozenset[str]:
    """Return the columns that an UPDATE sets."""
    found = tokens(sql)
    start = next((token.end for token in found if token.text.upper() == "SET"), None)
    if start is None:
        return frozenset()
    listed = split_list(sql[start : _end(found, start, len(sql))])
    return frozenset(word for part in listed for word in re.findall(r'\w+|"[^"]+"', part.partition("=")[0]))


def _end(found: list[Token], start: int, end: int) -> int:
    """Return where a list of assignments ends: at the next clause that is not within parentheses."""
    depth = 0
    for token in found:
        depth += (token.text == "(") - (token.text == ")")
        if token.start >= start and not depth and token.text.upper() in _ENDS:
            return token.start
    return end


RULES = (loaded, updated)
