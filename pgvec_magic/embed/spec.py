"""The spec of a model as text: ``PROVIDER:MODEL[:DIM][?PREFIXES]``, one line that is remembered with a column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, unquote

from ..errors import EmbedError

ROLES = ("query", "document")


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What a model wants to stand before a query and before a document."""

    query: str = ""
    document: str = ""

    def of(self, role: str) -> str:
        """Return what stands before a text of that role."""
        return self.query if role == "query" else self.document


FAMILIES: Mapping[str, Prefixes] = MappingProxyType(
    {
        "e5": Prefixes("query: ", "passage: "),
        "bge": Prefixes("Represent this sentence for searching relevant passages: "),
        "nomic": Prefixes("search_query: ", "search_document: "),
    }
)


@dataclass(frozen=True, slots=True)
class Spec:
    """A model of a provider; ``dimensions`` and ``prefixes`` are None where the spec has none."""

    provider: str
    model: str
    dimensions: int | None = None
    prefixes: Prefixes | None = None

    @property
    def name(self) -> str:
        """The spec as text, which ``parse`` reads again: without blanks that a person or a comment would lose."""
        dimensions = f":{self.dimensions}" if self.dimensions else ""
        return f"{self.provider}:{self.model}{dimensions}{_written(self.prefixes)}"


def parse(text: str, sized: bool) -> Spec:
    """Return a spec that was written as text, where ``sized`` with dimensions; EmbedError for what it cannot be."""
    provider, _, rest = text.partition(":")
    model, asked, prefixes = rest.partition("?")
    found = re.fullmatch(r"(.+):(\d+)", model, re.DOTALL) if sized else None
    if found:
        model = found[1]
    if not model.strip() or not model.isprintable():
        raise EmbedError(f"{text!r} names no model", f"{provider}:MODEL")
    dimensions = int(found[2]) if found else None
    if dimensions == 0:
        raise EmbedError(f"{text!r}: vectors have at least one dimension")
    return Spec(provider, model, dimensions, _prefixes(text, prefixes) if asked else None)


def _prefixes(text: str, written: str) -> Prefixes:
    if written in FAMILIES:
        return FAMILIES[written]
    given = {key: unquote(value) for key, _, value in (part.partition("=") for part in written.split("&"))}
    if "=" not in written or not set(given) <= set(ROLES):
        raise EmbedError(
            f"{text!r}: {written!r} tells no prefixes",
            f"write ?{', ?'.join(FAMILIES)}, or ?query=TEXT&document=TEXT with %20 for a space",
        )
    return Prefixes(**given)


def _written(prefixes: Prefixes | None) -> str:
    if prefixes is None:
        return ""
    for family, known in FAMILIES.items():
        if prefixes == known:
            return f"?{family}"
    given = [f"{role}={quote(prefixes.of(role), safe=':')}" for role in ROLES if prefixes.of(role)]
    return "?" + "&".join(given or ["query="])
