"""What nobody reads in a plan: the numbers of a vector, which stand in it many times."""

from __future__ import annotations

import re

_VECTOR = re.compile(r"'\[([^\]']{24,})\]'")
_SPARSE = re.compile(r"'\{([^}']{24,})\}/(\d+)'")
_BITS = re.compile(r"[bB]'([01]{24,})'")


def elide(text: str) -> str:
    """Return a text of a plan with the first numbers of each long vector only, and how many there are."""
    text = _VECTOR.sub(_dense, text)
    text = _SPARSE.sub(lambda found: f"'{{{found[1].split(',')[0]},…}}/{found[2]}'", text)
    return _BITS.sub(lambda found: f"B'{found[1][:8]}…×{len(found[1])}'", text)


def _dense(found: re.Match[str]) -> str:
    first = found[1].split(",", 2)[:2]
    return f"'[{','.join(first)},…×{found[1].count(',') + 1}]'"
