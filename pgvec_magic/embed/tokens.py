"""Where the tokens of a text end: as a tokenizer cut it, or estimated where the model's tokenizer is not here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tokenizers

# One match a token, every character in some match: words in pieces of eight letters, numbers of three digits, a letter
# of most scripts by itself. Beside OpenAI's cl100k it counts 0.9 to 1.2 of English, code, JSON and numbers, 0.8 to 1.0
# of German, French, Russian, Chinese and Japanese, 1.2 to 1.4 of Korean and Arabic.
_LIKE_A_TOKEN = re.compile(
    r" ?[A-Z]?[a-z]{1,8}| ?[A-Z]{1,3}|\d{1,3}| ?[\u0370-\u052f]{1,2}| ?[!-/:-@\[-^`{-~]{1,3}|\s+|.", re.DOTALL
)


def estimated(text: str) -> list[int]:
    """Return the positions behind what would be tokens to a byte-pair encoding, ascending, the last ``len(text)``."""
    return [match.end() for match in _LIKE_A_TOKEN.finditer(text)]


def ends(tokenizer: tokenizers.Tokenizer, text: str) -> list[int]:
    """Return the position behind each token, ascending, the last ``len(text)``; [] for no text.

    A character that is cut into several tokens has its end once for each; what is no token, such as white space, goes
    with the token before or behind it.
    """
    found = _ascending(end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets)
    return [*found[:-1], len(text)] if text else []


def _ascending(positions: Iterable[int]) -> list[int]:
    furthest, found = 0, []
    for position in positions:
        furthest = max(furthest, position)
        found.append(furthest)
    return found
