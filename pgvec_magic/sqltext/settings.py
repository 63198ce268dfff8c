"""What ``--set name=value`` may say, and in what ``--session`` agrees with it."""

from __future__ import annotations

import difflib
import re

from ..errors import UsageError, did_you_mean
from .names import quote_ident, quote_literal

# pgvector's settings; each number begins at 1.
_MOST = {
    "hnsw.ef_search": 1000,
    "hnsw.max_scan_tuples": 2147483647,
    "hnsw.scan_mem_multiplier": 1000,
    "ivfflat.probes": 32768,
    "ivfflat.max_probes": 32768,
}
_CHOICES = {
    "hnsw.iterative_scan": ("off", "relaxed_order", "strict_order"),
    "ivfflat.iterative_scan": ("off", "relaxed_order"),
}
_KNOWN = (*_MOST, *_CHOICES)
_FRACTIONS = ("hnsw.scan_mem_multiplier",)
_IDENTITY = frozenset(["role", "session_authorization", "is_superuser"])
# How the server reads quotes and text, which the driver and the lexer rely on.
_QUOTING = frozenset(["standard_conforming_strings", "backslash_quote", "client_encoding"])
_EXAMPLES = {"--set": "hnsw.ef_search=100", "--session": "app.tenant_id=42"}
_LISTS = frozenset({"search_path", "temp_tablespaces"})


def check_setting(name: str, value: str, option: str = "--set") -> tuple[str, str]:
    """Return a setting's name and its value as SQL, for ``SET LOCAL name = value``; ``option`` is how it was given.

    UsageError for what is no setting's name, what a cell may not set, and what pgvector would not take: before its
    library is loaded the server itself would only warn.
    """
    name, value = name.strip().lower(), value.strip()
    if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*", name):
        raise UsageError(f"{option}: {name!r} is not the name of a setting", f"write {option} {_EXAMPLES[option]}")
    if name in _IDENTITY or name.startswith(("transaction_", "default_transaction_")):
        raise UsageError(f"{option}: {name} cannot be set here", "connect with the role and the access that you need")
    if name in _QUOTING:
        raise UsageError(f"{option}: {name} cannot be set here", "the driver quotes values by it")
    if name not in _KNOWN and (close := difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.8)):
        raise UsageError(f"{option}: there is no setting {name}", f"did you mean {close[0]!r}?")
    _check_range(name, value)
    return ".".join(quote_ident(part) for part in name.split(".")), _literal(name, value)


def _check_range(name: str, value: str) -> None:
    """UsageError for a value that pgvector's setting does not take."""
    choices, most = _CHOICES.get(name), _MOST.get(name)
    if choices and value.lower() not in choices:
        raise UsageError(f"--set {name}: {value!r} is not one of {', '.join(choices)}", did_you_mean(value, choices))
    number = r"[0-9]{1,10}(\.[0-9]*)?" if name in _FRACTIONS else "[0-9]{1,10}"
    if most and not (re.fullmatch(number, value) and 1 <= float(value) <= most):
        raise UsageError(f"--set {name}: {value!r} is out of range", f"it takes a number from 1 to {most}")


def _literal(name: str, value: str) -> str:
    """Return the value as SQL: plain numbers as they are, all else quoted, lists word by word."""
    if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", value):  # 007 would arrive as 7
        return value
    return words_of_list(value) if name in _LISTS else quote_literal(value)


def words_of_list(value: str) -> str:
    """Return a list of names, such as a search_path, as SQL."""
    return ", ".join(quote_literal(word.strip().strip('"')) for word in value.split(","))
