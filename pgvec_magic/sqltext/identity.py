"""What ``--session name=value`` may say, and what a statement may not do to it or to the role."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import UsageError
from .lexer import BLANK, Token, scan
from .names import quote_literal
from .settings import check_setting, words_of_list
from .statements import command, controls, statements

# Beside the settings that policies read (every name with a dot): where tables are looked for, one schema a tenant.
_ALLOWED = ("search_path", "row_security")
_OF_SEARCHES = ("hnsw.", "ivfflat.")
_WHO = ("role", "session_authorization")


def check_session(name: str, value: str) -> tuple[str, str]:
    """Return the name and the value of a ``--session`` as SQL, for ``SET LOCAL name = value``; the value to the letter.

    UsageError for what is no setting, and for what is not a connection's to fix.
    """
    named, _ = check_setting(name, value, option="--session")
    if named.startswith(_OF_SEARCHES):
        raise UsageError(f"--session: {named} belongs to a search", "give it to the search: --set or --ef-search")
    if "." not in named and named not in _ALLOWED:
        raise UsageError(
            f"--session: {named} is not a setting that policies read",
            f"those have a dot, as app.tenant_id has; beside them: {', '.join(_ALLOWED)}",
        )
    return named, words_of_list(value) if named == "search_path" else quote_literal(value)


def check_identity(sql: str, fixed: Collection[str]) -> None:
    """UsageError for statements that would make what follows run as another role, or with other ``fixed`` settings.

    ``fixed`` holds names as ``check_session`` returns them. It keeps people from accidents and locks nobody in: whoever
    may log in may also connect without the role.
    """
    found, kept = statements(sql), {*_WHO, "all", *(name.replace('"', "") for name in fixed)}
    for statement in found:
        for setting in kept.intersection(_changed(statement)):
            raise UsageError(
                f"{command(statement)} of {setting} is refused: role and --session hold for the whole connection",
                "to work as another: %vconnect … --role R --session name=value --name N",
            )
    # What stands behind a COMMIT in the same message would run as whoever logged in.
    if len(found) > 1 and (control := next(filter(controls, found), None)):
        raise UsageError(f"{command(control)} is refused among others", "send it as a message of its own")


def _changed(statement: str) -> list[str]:
    """Return the settings that a statement changes by name."""
    found = [token for token in scan(statement) if token.kind not in BLANK]
    if command(statement) in ("SET", "RESET", "DISCARD"):
        return [_target([_name(token) for token in found[1:]])]
    return [_named(found[i + 2 : i + 3]) for i, token in enumerate(found) if _name(token) == "set_config"]


def _target(words: list[str]) -> str:
    """Return the setting that stands behind SET, RESET or DISCARD."""
    if words[:1] == ["local"] or (words[:1] == ["session"] and words[1:2] != ["authorization"]):
        words = words[1:]
    if words[:2] == ["session", "authorization"]:
        return "session_authorization"
    end = next((i for i in range(1, len(words), 2) if words[i] != "."), len(words))
    return "".join(words[:end])


def _named(argument: Sequence[Token]) -> str:
    return argument[0].text.strip("'").lower() if argument and argument[0].kind == "string" else ""


def _name(token: Token) -> str:
    return token.text.strip('"').lower() if token.kind in ("word", "name") else token.text
