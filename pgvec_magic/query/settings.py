"""The settings with which an index is scanned: whether it goes on after its first pass, and how far one looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .coarse import MAX_EF_SEARCH
from .request import Search

if TYPE_CHECKING:
    from .scan import Choice

Settings = tuple[tuple[str, str], ...]
# pgvector's own, whose settings we know.
METHODS = ("hnsw", "ivfflat")
# Without it Citus does not send a SET LOCAL to its workers. In force only where Citus is.
CITUS = ("citus.propagate_set_commands", "'local'")


def passes(choice: Choice, *, iterative: bool) -> Settings:
    """Return the settings that let a scan go on after its first pass, or keep it from that where it would."""
    methods = _known_methods(choice)
    if iterative:
        return tuple((f"{method}.iterative_scan", "relaxed_order") for method in methods)
    names = [f"{method}.iterative_scan" for method in methods]
    return tuple((name, "off") for name in names if choice.in_force.get(name, "off") != "off")


def depth(choice: Choice, least: int) -> Settings:
    """Return the settings that say how far one pass looks; never below a value in force, unless the person says so."""
    chosen = {}
    methods = _known_methods(choice)
    if "hnsw" in methods:
        chosen["hnsw.ef_search"] = str(max(min(least, MAX_EF_SEARCH), choice.depth_in_force))
    if "ivfflat" in methods:
        lists = max(index.lists for index in choice.indexes if index.method == "ivfflat")
        in_force = int(choice.in_force.get("ivfflat.probes", 1))
        chosen["ivfflat.probes"] = str(max(math.isqrt(lists), in_force, *choice.stored("ivfflat")))
    return tuple((chosen | dict(given(choice.search))).items())


def as_stored(choice: Choice, settings: Settings) -> str:
    """Say which setting is what it is because that is stored on an index."""
    for index in choice.indexes:
        stored = index.baseline
        if stored and (f"{index.method}.{stored.setting}", str(stored.value)) in settings:
            return f"{stored.setting} as stored on {index.name}"
    return ""


def _known_methods(choice: Choice) -> list[str]:
    return [method for method in METHODS if any(index.method == method for index in choice.indexes)]


def given(search: Search) -> Settings:
    """Return how far a pass looks, as the person said."""
    named = {"hnsw.ef_search": search.ef_search, "ivfflat.probes": search.probes}
    return tuple((name, str(value)) for name, value in named.items() if value is not None)


def with_citus(choice: Choice, settings: Settings) -> Settings:
    """Return the settings with what makes Citus send them on."""
    sent = bool(settings or choice.search.asked) and CITUS[0] in choice.in_force
    return (CITUS, *settings) if sent else settings
