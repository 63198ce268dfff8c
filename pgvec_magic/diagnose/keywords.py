"""Rules on scans for words: which rows they let through, what they parse, and in which language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..catalog import Relation
from ..plan import Node
from ..plan.words import count, rows
from ..sqltext import quote_literal, quote_qualified
from .calls import TO_TSQUERY, calls, rewritten
from .facts import Facts
from .finding import Cure, Finding
from .rewrite import NAME

SMALL = 1_000  # rows that are parsed in no time
_CONDITIONS = ("Filter", "Join Filter", "Recheck Cond", "Index Cond")
_LITERAL = re.compile(r"'((?:[^']|'')*)'::(?:pg_catalog\.)?tsquery")
_QUALIFIER = re.compile(rf'{NAME}\.(?=[a-z_"])')
_NEARLY = 0.95
NOTHING_ASKED = Finding(
    "H06",
    "warning",
    "the text has no word that its language looks for, so no row matches",
    "look by vector alone when numnode(query) = 0, and say so",
)
_PASS_ON = ("Subquery Scan", "Result", "Nested Loop", "Gather")


@dataclass(frozen=True, slots=True)
class WordScan:
    """A scan that lets rows through by the words in them; ``condition`` is what it asks of a row."""

    node: Node
    condition: str

    @property
    def matched(self) -> float | None:
        """How many rows have the words, whatever else is asked of them; None where the plan does not tell."""
        below = [each for each in self.node.walk() if each.kind == "Bitmap Index Scan" and "@@" in _said(each)]
        if below:
            return sum(each.rows or 0 for each in below) if self.node.executed else None
        is_all = " AND " not in re.sub(r"'(?:[^']|'')*'", "", self.condition)
        return self.node.rows if is_all and self.node.executed else None


def word_scans(facts: Facts) -> list[WordScan]:
    """Return the scans for words that are legs of their own: not those that filter what a vector index gives."""
    near = {below.number for sort, _ in facts.exact_sorts for below in sort.walk()}
    found = (n for n in facts.plan.nodes if n.kind != "Bitmap Index Scan" and n.number not in near)
    return [WordScan(node, _said(node)) for node in found if "@@" in _said(node) and not facts.is_ann(node)]


def _said(node: Node) -> str:
    return " AND ".join(str(node.details[key]) for key in _CONDITIONS if key in node.details)


def words(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with how rows are found by their words."""
    scans = word_scans(facts)
    for rule in _RULES if scans or facts.notices else ():
        yield from rule(facts, scans)


def is_hybrid(facts: Facts) -> bool:
    """Whether there is a search by distance beside that by words."""
    return bool(facts.ann_scans or facts.exact_sorts)


def _unordered(facts: Facts, scans: list[WordScan]) -> Iterator[Finding]:
    """Yield where a LIMIT takes rows with the words in no order, and a rank is made of those."""
    if not any("ts_rank" in str(node.details.get("Output")) for node in facts.plan.nodes):
        return
    for scan in scans:
        limit = _limit(facts, scan.node)
        if limit is None or limit is facts.plan.root or scan.node.kind not in ("Seq Scan", "Bitmap Heap Scan"):
            continue
        if not (left := _left_out(facts, scan)):
            continue
        taken = rows(limit.rows or 0)
        why = (
            f"the LIMIT takes the first {taken} with the words, in the order of the disk, {left}; then they are ranked"
        )
        yield Finding("H01", "warning", why, "ORDER BY ts_rank_cd(…) DESC, id LIMIT … in the leg itself", limit.number)


def _limit(facts: Facts, node: Node) -> Node | None:
    """Return the LIMIT that takes a node's rows as they come."""
    above = next((each for each in facts.users(node) if each.kind not in _PASS_ON), None)
    return above if above is not None and above.kind == "Limit" else None


def _left_out(facts: Facts, scan: WordScan) -> str | None:
    """Return in words what a LIMIT left unseen; None where it saw all there is."""
    given, loops = scan.node.rows or 0, scan.node.loops or 0
    if scan.node.kind == "Bitmap Heap Scan":
        matched = scan.matched
        return f"of {count(matched)}" if matched and given < matched else None
    relation, seen = facts.relation(scan.node), given + scan.node.removed()
    if relation is None or not loops or seen >= _NEARLY * relation.rows:
        return None
    return f"when {count(seen)} of {relation.rows:,} rows were looked at"


def _too_strict(facts: Facts, scans: list[WordScan]) -> Iterator[Finding]:
    """Yield where no row of a hybrid query has all of the words, and nothing else was tried."""
    found = [scan for scan in scans if scan.node.executed]
    if not found or not is_hybrid(facts) or any(scan.node.rows or scan.matched != 0 for scan in found):
        return
    texts = [each.replace("''", "'") for node in facts.plan.nodes for each in _LITERAL.findall(_everything(node))]
    if any(" | " in text for text in texts) or not (asked := max(map(_words, texts), default=0)) > 1:
        return
    why = f"no row has all {asked} words that the query asks for, so the order is that of the vectors alone"
    fix = "replace(plainto_tsquery('english', q)::text, ' & ', ' | ')::tsquery lets any of them do"
    sql = _any_word(facts.sql) if facts.sql and not any("!" in text for text in texts) else None
    yield Finding("H04", "warning", why, fix, found[0].node.number, Cure(sql=sql) if sql else None)


def _words(text: str) -> int:
    return len(re.findall(r"(?<!!)'[^']+'", text))


def _everything(node: Node) -> str:
    return " ".join([_said(node), str(node.details.get("Output", ""))])


def _any_word(sql: str) -> str | None:
    """Return a statement that asks for any of the words."""
    names = ("websearch_to_tsquery", "plainto_tsquery")
    changed = rewritten(sql, names, lambda _, text: f"replace({text}::text, ' & ', ' | ')::tsquery")
    return None if changed == sql else changed


def _no_words(facts: Facts, scans: list[WordScan]) -> Iterator[Finding]:
    """Yield where the language leaves nothing of the text to look for, and the statement does not ask whether."""
    empty = [scan for scan in scans if re.search(r"@@ ''::(\w+\.)?tsquery", scan.condition)]
    if nothing_asked(facts.sql or "", facts.notices, bool(empty)):
        yield replace(NOTHING_ASKED, step=empty[0].node.number if empty else None)


def nothing_asked(sql: str, notices: tuple[str, ...], seen: bool = False) -> bool:
    """Whether nothing was left of a text to look for, as is ``seen`` or said, and the statement does not ask that."""
    return (seen or any("contains only stop words" in notice for notice in notices)) and "numnode" not in sql


def _parsed(facts: Facts, scans: list[WordScan]) -> Iterator[Finding]:
    """Yield where every text of a table is parsed by the query: no index has it, or not in these words."""
    for scan in scans:
        table = next((n for n in scan.node.walk() if n.kind == "Seq Scan" and n.executed), None)
        found = [call for call in calls(scan.condition, ("to_tsvector",)) if call.arguments]
        relation = facts.relation(table) if table else None
        if table is None or relation is None or not found:
            continue
        texts = _plain(scan.condition[found[0].start : found[0].end])
        keys = {_plain(i.key): i.name for i in facts.indexes(table) if i.valid and i.key.startswith("to_tsvector")}
        if texts in keys:
            continue  # the planner knows it, and thought that most rows match
        yield _unindexed(facts, table, relation, texts, keys)


def _unindexed(facts: Facts, table: Node, relation: Relation, texts: str, keys: dict[str, str]) -> Finding:
    severity = "info" if relation.rows < SMALL else "warning"
    (call,) = calls(texts, ("to_tsvector",))[:1]
    why = f"{rows((table.rows or 0) + table.removed())} were parsed by {texts}"
    same = next((key for key in keys if calls(key, ("to_tsvector",))[0].arguments[-1] == call.arguments[-1]), None)
    if same is not None and call.config is not None:
        why += f", and the index {keys[same]} is on {same}: another language"
        return Finding("H10", severity, why, f"{same} @@ …, and the same language for the words", table.number)
    config = call.config or facts.setting("default_text_search_config", "english").removeprefix("pg_catalog.")
    wanted = same or f"to_tsvector({quote_literal(config)}, {call.arguments[-1]})"
    create = f"CREATE INDEX ON {quote_qualified(relation.schema, relation.name)} USING gin ({wanted})"
    before = () if same else (create,)
    if call.config is not None:
        return Finding("H09", severity, f"{why}: no index has it", create, table.number, Cure(before=before))
    why += ", whose language is a setting's, so no index can serve it"
    config = calls(wanted, ("to_tsvector",))[0].config or config
    sql = rewritten(facts.sql or "", ("to_tsvector",), lambda found, text: _with_config(text, found.arguments, config))
    fix = f"write {wanted}" + ("" if same else f"; {create}")
    cure = Cure(sql=sql, before=before) if facts.sql else None
    return Finding("H09", severity, why, fix, table.number, cure)


def _with_config(text: str, arguments: tuple[str, ...], config: str) -> str:
    return text if len(arguments) != 1 else f"to_tsvector({quote_literal(config)}, {arguments[0]})"


def _plain(expression: str) -> str:
    """Return an expression without the names of tables and the casts that Postgres adds."""
    expression = re.sub(r"\((\w+)\)::text\b", r"\1", _QUALIFIER.sub("", expression))
    return re.sub(r"::(regconfig|text|character varying)\b", "", expression)


def _other_language(facts: Facts, scans: list[WordScan]) -> Iterator[Finding]:
    """Yield where the words of a column were made in one language and are looked for in another."""
    asked = _asked(facts)
    for scan in scans if asked else ():
        stored = _stored(facts, scan)
        if not stored or stored & asked:
            continue
        made, wanted = (" and ".join(sorted(each)) for each in (stored, asked))
        why = (
            f"the words of the table are {made}, those of the query {wanted}: what {made} cuts to its stem is not found"
        )
        sql = _in_language(facts.sql, made) if facts.sql and len(stored) == 1 else None
        fix = f"websearch_to_tsquery({quote_literal(made)}, …)" if len(stored) == 1 else None
        yield Finding("H10", "warning", why, fix, scan.node.number, Cure(sql=sql) if sql else None)


def _asked(facts: Facts) -> frozenset[str]:
    """Return the languages of the query's words; empty where one of them is not known."""
    usual = facts.setting("default_text_search_config", "").removeprefix("pg_catalog.")
    found = [call.config or (usual if len(call.arguments) == 1 else "") for call in calls(facts.sql or "", TO_TSQUERY)]
    return frozenset(found) if all(found) else frozenset()


def _stored(facts: Facts, scan: WordScan) -> frozenset[str]:
    """Return the languages of what a scan looks at: of an expression's, or of a column that Postgres generates."""
    relations = [r for n in scan.node.walk() if (r := facts.relation(n)) is not None]
    texts = [scan.condition]
    for relation in relations:
        texts += [made for column, made in relation.words.items() if re.search(rf"\b{column}\b", scan.condition)]
    found = [call for text in texts for call in calls(text, ("to_tsvector",))]
    return frozenset(call.config for call in found if call.config) if all(c.config for c in found) else frozenset()


def _in_language(sql: str, config: str) -> str:
    return rewritten(sql, TO_TSQUERY, lambda call, _: f"{call.name}({quote_literal(config)}, {call.arguments[-1]})")


_RULES = (_unordered, _too_strict, _no_words, _parsed, _other_language)
