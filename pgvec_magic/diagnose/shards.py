"""What is wrong with the plans of other servers, of whose shards a table is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .facts import Facts
from .finding import Finding

# Without it Citus does not tell the other servers what SET LOCAL says here.
_PASS_ON = ("citus.propagate_set_commands", "local")


def on_shards(facts: Facts, told: Callable[[Facts], Iterator[Finding]]) -> list[Finding]:
    """Return what is told of other servers, at the step that asked these: once, of shards that are alike."""
    found: dict[tuple[str, int], Finding] = {}
    for shard in facts.shards():
        assert shard.at is not None
        for finding in told(shard):
            found.setdefault((finding.rule, shard.at.number), _told_here(finding, shard.at.number))
    return list(found.values())


def _told_here(finding: Finding, step: int) -> Finding:
    fix, cure = finding.fix, finding.cure
    if fix is not None and fix.startswith("SET LOCAL "):
        fix = f"SET LOCAL {_PASS_ON[0]} = '{_PASS_ON[1]}'; {fix}"
    if cure is not None and cure.settings:
        cure = replace(cure, settings=(_PASS_ON, *cure.settings))
    return replace(finding, why=f"on a shard {finding.why}", fix=fix, cure=cure, step=step)
