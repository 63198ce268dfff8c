"""The name people import a definition by: ``csv.reader``, not ``_csv.reader``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from .source import Definition, Module

_IN_DISGUISE = frozenset({"posix", "nt", "genericpath"})  # public names, but people import them as ``os``


def public(modules: Iterable[Module]) -> Iterator[Definition]:
    """Yield every definition under its public module, once per name: the first documented one.

    That is the highest package above it that hands it out, else the module it stands in, else, for a private module, a
    public one that hands it out. What cannot be reached by a public name is left out.
    """
    listed = list(modules)
    by_name: dict[str, Module] = {}
    for module in listed:
        by_name.setdefault(module.name, module)  # a package read from source says more than its namespace
    importers = _importers(by_name)
    homes: dict[tuple[str, str], str | None] = {}
    seen: set[tuple[str, str]] = set()
    for definition in (d for module in listed for d in module.definitions):
        top = (definition.module, definition.qualname.partition(".")[0])
        if top not in homes:
            homes[top] = _home(by_name, importers, *top)
        home = homes[top]
        if home is not None and (home, definition.qualname) not in seen:
            seen.add((home, definition.qualname))
            yield replace(definition, module=home)


def is_private(module: str) -> bool:
    """Tell whether nobody is meant to import this module by its name."""
    return module in _IN_DISGUISE or any(part.startswith("_") for part in module.split("."))


def _importers(modules: Mapping[str, Module]) -> Mapping[str, list[str]]:
    """Return, for each module, the public modules that import names from it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        if not is_private(module.name):
            for origin in {*(origin for origin, _ in module.imports.values()), *module.stars}:
                found[origin].append(module.name)
    return found


def _home(modules: Mapping[str, Module], importers: Mapping[str, list[str]], module: str, name: str) -> str | None:
    definition = (module, name)

    def highest(below: str) -> str | None:
        parts = below.split(".")
        packages = (".".join(parts[:depth]) for depth in range(1, len(parts)))
        handing_out = (p for p in packages if not is_private(p) and _resolve(modules, p, name) == definition)
        return next(handing_out, None if is_private(below) else below)

    home = highest(module)
    if home is not None:
        return home
    # socket.py takes * from _socket, then derives its own class socket from that one: the methods are socket.socket's.
    handing_out = [
        m
        for m in importers.get(module, ())
        if _resolve(modules, m, name) == definition or (module in modules[m].stars and name in modules[m].defined)
    ]
    best = min(handing_out, key=lambda m: (name not in (modules[m].exported or ()), m.count("."), m), default=None)
    return None if best is None else highest(best)


def _resolve(
    modules: Mapping[str, Module], module: str, name: str, on_the_way: frozenset[str] = frozenset()
) -> tuple[str, str] | None:
    """Return (module, name) of the definition that ``module.name`` is, following ``from … import``; else None."""
    here = modules.get(module)
    if here is None or module in on_the_way:
        return None
    if name in here.defined:
        return module, name
    on_the_way |= {module}
    if name in here.imports:
        return _resolve(modules, *here.imports[name], on_the_way)
    for star in here.stars:
        exported = modules[star].exported if star in modules else None
        if exported is None or name in exported:
            found = _resolve(modules, star, name, on_the_way)
            if found:
                return found
    return None
