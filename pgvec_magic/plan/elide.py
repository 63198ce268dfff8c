"""What nobody reads in a plan: the numbers of a vector, which stand in it many times."""

from __future__ import annotations

import re

_LONG = 26  # characters, with the brackets
_SPARSE = re.compile(r"'\{([^}']{24,})\}/(\d+)'")
_BITS = re.compile(r"[bB]'([01]{24,})'")


def elide(text: str) -> str:
    """Return a text of a plan with the first numbers of each long vector only, and how many there are."""
    pieces = text.split("'")  # which takes a tenth of the time that a regular expression takes over a long vector
    if len(pieces) > 2:
        text = "'".join([pieces[0], *map(_dense, pieces[1:-1]), pieces[-1]])
    text = _SPARSE.sub(lambda found: f"'{{{found[1].split(',')[0]},…}}/{found[2]}'", text)
    return _BITS.sub(lambda found: f"B'{found[1][:8]}…×{len(found[1])}'", text)


def _dense(piece: str) -> str:
    """Return what stands between two quotes, shorter where it is a vector."""
    if len(piece) < _LONG or piece[0] != "[" or piece.find("]") != len(piece) - 1:
        return piece
    first = piece[1:-1].split(",", 2)[:2]
    return f"[{','.join(first)},…×{piece.count(',') + 1}]"
