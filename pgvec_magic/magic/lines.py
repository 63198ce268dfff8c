"""Two things that end a line and that IPython would take for its own: a question mark, and a semicolon."""

from __future__ import annotations

import re

# A table and something after it: `%vsearch?` and `%vsearch docs?` still ask for help.
_QUESTION = re.compile(r"^(\s*(?:[\w, ]+=\s*)?%(?:vsearch|vask)\s+\S+\s+\S.*\?)[ \t]*(\n?)$")
_SILENCED = re.compile(
    r"""^(\s*(?:[\w, ]+=\s*)?get_ipython\(\)\.run_line_magic\("""
    r"""'(?:vconnect|vtables|vload|vembed|vsearch|vindex|vrecall|vhealth)', .*;['"]\))(\n?)$"""
)


def keep_as_text(lines: list[str]) -> list[str]:
    """Return the cell's lines with a space behind a final ``?``, which keeps IPython from taking the line for help."""
    return [_QUESTION.sub(r"\1 \2", line) for line in lines]


def silence(lines: list[str]) -> list[str]:
    """Return transformed lines with a magic's final ``;`` behind the call as well, where IPython looks for it."""
    return [_SILENCED.sub(r"\1;\2", line) for line in lines]
