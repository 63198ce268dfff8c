"""A magic's line and body -> its request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError, did_you_mean
from ..query import Search
from ..sqltext import placeholders, undefined
from . import readers
from .condition import check_unquoted
from .grammar import (
    VCONNECT,
    VEMBED,
    VLOAD,
    VPANEL,
    VPLAN,
    VSEARCH,
    VSQL,
    VTABLES,
)
from .line import VARIABLE, Line, read
from .requests import (
    ConnectRequest,
    EmbedRequest,
    HealthRequest,
    IndexRequest,
    LoadRequest,
    PanelRequest,
    PlanRequest,
    RecallRequest,
    SearchRequest,
    SqlRequest,
    TablesRequest,
)
from .workshop import INDEX_WORDS, VHEALTH, VINDEX, VRECALL

Namespace = Mapping[str, object]
# Keywords of a connection string as libpq's own tools take them: host=… dbname=…, which need no quotes here either.
_KEYWORDS = re.compile(r"(?<!\S)\w+=\S+(?:[ \t]+\w+=\S+)+")

# What of a search is returned in place of its result.
_OUTCOMES = ("dry_run", "plot", "explain", "prove", "compare")


def parse_connect(line: str, namespace: Namespace) -> ConnectRequest:
    """Read a line of ``%vconnect``; UsageError when it cannot be meant."""
    given = read(VCONNECT, _with_quotes(_unsilenced(line)), namespace)
    alone = {"list", "close"} & given.values.keys()
    if alone and (given.words or len(given.values) > 1):
        raise UsageError(f"--{min(alone)} stands alone", f"write %vconnect --{min(alone)}")
    options = {**given.values, **_settings("session", given.values, namespace)}
    return ConnectRequest(**_words(given, "source"), **options)


def parse_tables(line: str, namespace: Namespace) -> TablesRequest:
    """Read a line of ``%vtables``; UsageError when it cannot be meant."""
    given = read(VTABLES, _unsilenced(line), namespace)
    return TablesRequest(**_words(given, "table"), **given.values)


def parse_load(line: str, namespace: Namespace) -> LoadRequest:
    """Read a line of ``%vload``; UsageError when it cannot be meant."""
    given = read(VLOAD, _unsilenced(line), namespace)
    request, options = _divided(given.values, "connection", "output")
    return LoadRequest(**_words(given, "table", "source"), options=options, **request)


def parse_embed(line: str, namespace: Namespace) -> EmbedRequest:
    """Read a line of ``%vembed``; UsageError when it cannot be meant."""
    given = read(VEMBED, _unsilenced(line), namespace)
    request, options = _divided(given.values, "connection", "output")
    if "where" in options:
        options["params"] = _params(options["where"], namespace)
    return EmbedRequest(**_words(given, "table"), options=options, **request)


def parse_recall(line: str, namespace: Namespace) -> RecallRequest:
    """Read a line of ``%vrecall``; UsageError when it cannot be meant."""
    given = read(VRECALL, _unsilenced(line), namespace)
    request, options = _divided(given.values, "connection", "output", "apply")
    if "where" in options:
        options["params"] = _params(options["where"], namespace)
    return RecallRequest(**_words(given, "table"), options=options, **request)


def parse_health(line: str, namespace: Namespace) -> HealthRequest:
    """Read a line of ``%vhealth``; UsageError when it cannot be meant."""
    given = read(VHEALTH, _unsilenced(line), namespace)
    return HealthRequest(**_words(given, "table"), **given.values)


def parse_search(
    line: str, body: str | None, namespace: Namespace, defaults: Mapping[str, object] | None = None
) -> SearchRequest:
    """Read ``%vsearch`` (``body`` None) or ``%%vsearch``; UsageError when it cannot be meant.

    ``defaults`` are fields of ``Search`` for what the line does not say.
    """
    line = line if body is not None else _unsilenced(line)
    given = read(VSEARCH, line, namespace)
    check_unquoted("%vsearch" if body is None else "%%vsearch", line, given)
    request, options = _divided(given.values, "connection", "output", *_OUTCOMES)
    text = _query_text(options.pop("text", None), given.text, body)
    options |= _strategy(options.pop("exact", False), options.get("strategy"))
    options |= _words(given, "table") | _settings("settings", options, namespace)
    asked: dict[str, Any] = {**_usual(defaults or {}, text, options), **options}
    params = _params(options.get("where", ()), namespace)
    return SearchRequest(Search(**asked, text=text, params=params), **request)


def parse_sql(line: str, body: str | None, namespace: Namespace) -> SqlRequest:
    """Read ``%%vsql``; UsageError when its line cannot be meant or its SQL names an undefined variable."""
    given = read(VSQL, line, namespace)
    if body is None or given.text:
        raise UsageError("SQL stands in the cell, below a line that begins with %%vsql")
    request, options = _divided(given.values, "connection", "output", "explain", "prove")
    options |= _words(given, "table") | _settings("settings", options, namespace)
    if "text" in options:
        options["query"] = options.pop("text")
    options["params"] = _values([name for name in placeholders(body) if name != "query"], namespace)
    return SqlRequest(body, options, **request)


def parse_plan(line: str, body: str, namespace: Namespace) -> PlanRequest:
    """Read ``%%vplan``; UsageError when its line cannot be meant."""
    given = read(VPLAN, line, namespace)
    if given.text:
        raise UsageError("the plan stands in the cell, below a line that begins with %%vplan")
    return PlanRequest(body, **given.values)


def parse_panel(line: str, namespace: Namespace) -> PanelRequest:
    """Read a line of ``%vpanel``; UsageError when it cannot be meant."""
    given = read(VPANEL, _unsilenced(line), namespace)
    return PanelRequest(**_words(given, "panel", "about"), **given.values)


def parse_index(line: str, namespace: Namespace) -> IndexRequest:
    """Read a line of ``%vindex``; UsageError when it cannot be meant, such as an option that its word does not take."""
    given = read(VINDEX, _unsilenced(line), namespace)
    words = [str(word) for word in given.words]
    if len(words) == 1 and words[0] not in INDEX_WORDS:
        words.insert(0, "both")
    elif words[0] not in INDEX_WORDS:
        raise UsageError(f"%vindex has no word {words[0]!r}", did_you_mean(words[0], INDEX_WORDS))
    if len(words) == 1:
        raise UsageError("%vindex needs TABLE", f"write it as %vindex {words[0]} docs")
    request, options = _divided(given.values, "connection", "output", "background")
    _check_taken(words[0], {**options, **({"background": True} if "background" in request else {})})
    return IndexRequest(words[0], words[1], options, **request)


_MEASURED = ("column", "metric", "sample")
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "list": (),
    "drop": ("name",),
    "reindex": ("name", "memory", "workers", "background"),
    "advise": _MEASURED,
    "compare": _MEASURED,
    "both": _MEASURED,
}


def _check_taken(word: str, given: Mapping[str, object]) -> None:
    """UsageError for an option that means nothing with this word; ``build`` takes all but the sample."""
    for option in VINDEX.options:
        if option.field in given and not _is_taken(word, option.field):
            said = "" if word == "both" else f"{word} "
            other = "advise" if option.field == "sample" else "build"
            raise UsageError(f"%vindex {said}takes no {option.name}", f"%vindex {other} does")


def _is_taken(word: str, field: str) -> bool:
    return field in _TAKEN[word] if word in _TAKEN else field != "sample"


def _with_quotes(line: str) -> str:
    return line if '"' in line else _KEYWORDS.sub(r'"\g<0>"', line)


def _unsilenced(line: str) -> str:
    """Return a line without the ``;`` at its end, by which IPython shows no result."""
    line = line.rstrip()
    return line[:-1].rstrip() if line.endswith(";") else line


def _words(given: Line, *fields: str) -> dict[str, Any]:
    return dict(zip(fields, given.words, strict=False))


def _divided(values: Mapping[str, Any], *fields: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is for the magic itself, and what is for its verb."""
    own = {name: value for name, value in values.items() if name in fields}
    return own, {name: value for name, value in values.items() if name not in fields}


def _query_text(option: str | None, line: str, body: str | None) -> str | None:
    """Return the one text there is; UsageError when it stands in two places, or beside the cell's body."""
    if body is not None and line:
        raise UsageError(f"the text belongs below the %%vsearch line, not on it: {line[:60]}", "or write %vsearch")
    written = line or (body or "").strip()
    if option is not None and written:
        raise UsageError(f"there are two query texts, -q and {written[:60]!r}", "give one of them")
    return option if option is not None else written or None


def _usual(defaults: Mapping[str, object], text: str | None, options: Mapping[str, object]) -> dict[str, object]:
    """Return the defaults that fit: a search by a vector or by rows has no words, one as it is has no strategy."""
    unfit = {"mode"} if text is None else set()
    if "as_is" in options:
        unfit.add("strategy")
    return {name: value for name, value in defaults.items() if name not in unfit}


def _strategy(exact: bool, strategy: str | None) -> dict[str, str]:
    if exact and strategy not in (None, "exact"):
        raise UsageError(f"--exact and --strategy {strategy} cannot both be", "give one of them")
    return {"strategy": "exact"} if exact else {}


def _settings(field: str, options: Mapping[str, Any], namespace: Namespace) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the settings, where there are any, with ``name=:variable`` looked up."""
    pairs = [(name, value, VARIABLE.fullmatch(value)) for name, value in options.get(field, ())]
    held = _values([variable[1] for _, _, variable in pairs if variable], namespace)
    found = [(name, readers.setting_text(held[variable[1]]) if variable else value) for name, value, variable in pairs]
    return {field: tuple(found)} if found else {}


def _params(conditions: tuple[str, ...], namespace: Namespace) -> dict[str, object]:
    """Return the variables of conditions; UsageError for one that is undefined."""
    return _values([name for condition in conditions for name in placeholders(condition)], namespace)


def _values(names: list[str], namespace: Namespace) -> dict[str, object]:
    for name in names:
        if name not in namespace:
            raise undefined(name, namespace.keys())
    return {name: namespace[name] for name in names}
