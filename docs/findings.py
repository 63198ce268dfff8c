"""Makes findings.md of the catalogue and of captured plans; ``findings.py --check`` tells whether it has drifted."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests")]

from captured import SERVERS, Captured, captured  # noqa: E402
from corpus import Case, cases  # noqa: E402

from pgvec_magic import plan, sqltext  # noqa: E402
from pgvec_magic.diagnose.catalogue import GROUPS, Rule, rules  # noqa: E402
from pgvec_magic.plan import Node  # noqa: E402
from pgvec_magic.plan.words import rows  # noqa: E402

PAGE = HERE / "findings.md"
BEGIN = """# What the findings mean

<!-- made by docs/findings.py; the texts are in pgvec_magic/diagnose/catalogue, and `make docs` writes this page -->

`--explain`, `pv.explain` and `%%vplan` name what is wrong with a query, and keep silent when all is well. Each entry
says what one sees, why it is so, what mends it, and where the finding may be mistaken. Below `docs` is the table,
`embedding` its vector column, `q` the vector to search from.

A vector index gives one thing: the rows in ascending order of one operator on one column or expression, nearest
first, as far as somebody takes them. Most entries of the first part say in which way a query asks for something else.
Where the table has fewer than 1,000 rows reading all of them is as fast, and what keeps the index out is told as
information.

The examples were run as they stand here, most on a table of 4,000 rows in 500 tenants with vectors of three dimensions
([`docs.sql`](../tests/plans/docs.sql)), from `[1,2,3]` as `:query`. Behind each step are the rows that it gave and the
time of its own; with so little data look at the rows rather than at the times.
"""
_CONDITIONS = ("Order By", "Index Cond", "Filter", "Sort Key", "Join Filter", "Hash Cond")
_WIDTH = 118


def page() -> str:
    """Return the text of the page: the same for the same catalogue and the same plans."""
    examples = {rule: _example(rule) for rule in rules()}
    parts = [BEGIN, *_contents()]
    for group, heading in GROUPS.items():
        entries = [rule for rule in rules().values() if rule.group == group]
        parts += [f"## {heading}\n"] if entries else []
        parts += ["\n".join(_entry(rule, examples[rule.id])) for rule in entries]
    return "\n".join(parts)


def _contents() -> Iterator[str]:
    for group, heading in GROUPS.items():
        if entries := [f"[{r.id}](#{r.id.lower()}) {r.title}" for r in rules().values() if r.group == group]:
            yield f"**{heading}**\n\n" + "\n".join(f"- {entry}" for entry in entries) + "\n"


def _entry(rule: Rule, example: Sequence[str]) -> Iterator[str]:
    yield f"### {rule.id}\n"
    yield f"**{rule.title[0].upper()}{rule.title[1:]}**\n"
    named = {"Seen": rule.symptom, "Why": rule.why, "Cure": rule.cure, "Mistaken": rule.mistaken}
    for name, text in named.items():
        if text:
            yield f"- *{name}.* {text}"
    yield ""
    yield from example


def _example(rule: str) -> list[str]:
    """Return the first case of a rule, on the newest server that has it; nothing for a rule that no plan shows."""
    named = [name for name, case in cases("sick").items() if case.rule == rule]
    for server in reversed(SERVERS):
        for name in named:
            if found := captured(server, "sick").get(name):
                return list(_shown(cases("sick")[name], found))
    return []


def _shown(case: Case, found: Captured) -> Iterator[str]:
    assert found.cured is not None
    finding = next(each for each in found.findings if each.rule == case.rule)
    fix = f" → `{finding.fix}`" if finding.fix else ""
    cured = case.settings | case.cured_settings
    yield f"<details><summary>An example, on PostgreSQL {found.fingerprint.server}</summary>\n"
    yield from _block("sql", [*_statements(case.before), *_settings(case.settings), *_wrapped(case.sql)])
    yield from _block("text", _tree(found.plan.root))
    yield f"> **{finding.severity}** · {finding.title}: {finding.why}{fix}\n"
    yield "Mended:\n"
    yield from _block("sql", [*_statements(case.cure), *_settings(cured), *_wrapped(case.mended or case.sql)])
    yield from _block("text", _tree(found.cured.plan.root))
    yield "</details>\n"


def _block(language: str, lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"```{language}", *lines, "```\n"]


def _statements(text: str) -> list[str]:
    return [line for each in sqltext.statements(text) for line in _wrapped(each)]


def _settings(settings: dict[str, str]) -> list[str]:
    return [f"SET LOCAL {name} = '{value}';" for name, value in settings.items()]


def _wrapped(sql: str) -> list[str]:
    return textwrap.wrap(f"{sql};", _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _tree(node: Node, first: str = "", others: str = "") -> Iterator[str]:
    """Yield a line for each step, and below it one for each condition that it has."""
    yield f"{first}{plan.elide(node.label)}  ({', '.join(_numbers(node))})"
    below = others + ("│  " if node.children else "   ")
    for key in _CONDITIONS:
        if (value := node.details.get(key)) is not None:
            text = plan.elide(", ".join(value) if isinstance(value, list) else str(value))
            line = f"{below}  {key}: {text}"
            yield line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
    for i, child in enumerate(node.children):
        is_last = i == len(node.children) - 1
        yield from _tree(child, others + ("└─ " if is_last else "├─ "), others + ("   " if is_last else "│  "))


def _numbers(node: Node) -> Iterator[str]:
    if not node.executed:
        yield "never ran"
        return
    if node.rows is not None:
        yield rows(round(node.rows))
    if removed := node.removed():
        yield f"{rows(round(removed))} removed by the filter"
    if node.time is not None:
        yield plan.milliseconds(node.time.own)


def main(given: Sequence[str] | None = None) -> int:
    """Write or check the page; return 1 when the check finds drift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check, wanted = parser.parse_args(given).check, page()
    drifted = not PAGE.exists() or PAGE.read_text("utf-8") != wanted
    if drifted and not check:
        PAGE.write_text(wanted, "utf-8", newline="\n")
    if drifted:
        print(f"{PAGE.name}: {'not what the catalogue and the plans give; run make docs' if check else 'written'}")
    return int(drifted and check)


if __name__ == "__main__":
    sys.exit(main())
