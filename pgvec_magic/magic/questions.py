"""A question may end in a question mark: IPython would read such a line as a call for help."""

from __future__ import annotations

import re

# A table and something after it: `%vsearch?` and `%vsearch docs?` still ask for help.
_QUESTION = re.compile(r"^(\s*(?:[\w, ]+=\s*)?%(?:vsearch|vask)\s+\S+\s+\S.*\?)[ \t]*(\n?)$")


def keep_as_text(lines: list[str]) -> list[str]:
    """Return the cell's lines with a space behind a final ``?``, which keeps IPython from taking the line for help."""
    return [_QUESTION.sub(r"\1 \2", line) for line in lines]
