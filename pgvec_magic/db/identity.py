"""As whom a connection works, and for whom: a role, and the settings that policies read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import ConnectError, QueryError, UsageError, did_you_mean
from ..query import Query
from ..sqltext import check_identity, check_session, quote_literal

Setting = tuple[str, str]
_LONGEST_SHOWN = 40
_NO_SUCH_ROLE, _NOT_ALLOWED = "22023", "42501"
# SET ROLE is a right of its own since PostgreSQL 16.
ROLES = """
SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' AND rolname <> session_user
  AND pg_has_role(session_user, oid, CASE WHEN current_setting('server_version_num')::int < 160000
                                          THEN 'MEMBER' ELSE 'SET' END)
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """A role and settings as people gave them; ``role_settings`` and ``session_settings`` are the same as SQL."""

    role: str | None = None
    session: Mapping[str, str] = field(default_factory=dict)
    role_settings: tuple[Setting, ...] = ()
    session_settings: tuple[Setting, ...] = field(default=(), repr=False)

    @property
    def any(self) -> bool:
        """Whether every message has to say who sends it."""
        return bool(self.role_settings or self.session_settings)

    def __str__(self) -> str:
        """The role and the settings as they are shown, long values cut."""
        role = [] if self.role is None else [f"role {self.role}"]
        return ", ".join([*role, *(f"{name}={_short(value)}" for name, value in self.session.items())])

    def check(self, query: Query) -> None:
        """UsageError for what would make a part of a message, or what follows it, run as somebody else."""
        fixed = frozenset(name for name, _ in self.session_settings)
        for name, _ in query.settings:
            if name in fixed:
                raise UsageError(f"--set: {name} is fixed by the connection's --session", "connect anew for another")
        _check(query.sql, fixed)

    def refusal(self, error: QueryError, known: list[str]) -> ConnectError:
        """Return why a connection cannot work so, for the server's error; ``known`` are the roles there are to take."""
        if self.role is not None and error.sqlstate == _NO_SUCH_ROLE and "role" in error.message:
            return ConnectError(f"there is no role {self.role!r} here", did_you_mean(self.role, known) or None)
        if self.role is not None and error.sqlstate == _NOT_ALLOWED and "role" in error.message:
            hint = f"somebody who may must GRANT {self.role} TO whoever logs in; {did_you_mean(self.role, known)}"
            return ConnectError(f"the login may not act as the role {self.role!r}", hint.rstrip("; "))
        return ConnectError(f"the server does not take --session: {error.message}", error.hint)


def identity(role: str | None, session: Mapping[str, str] | None) -> Identity:
    """Return who a connection works as; UsageError for what cannot be a role or such a setting."""
    if role is not None and role in ("", "none"):  # the server reads it as "whoever logged in", quoted or not
        raise UsageError(f"--role: {role!r} is no role", "leave it out to work as whoever logs in")
    given = {name.strip(): _text(name, value) for name, value in (session or {}).items()}
    settings = dict(check_session(name, value) for name, value in given.items())
    return Identity(
        role,
        MappingProxyType(given),
        () if role is None else (("role", quote_literal(role)),),
        tuple(settings.items()),
    )


def _text(name: str, value: object) -> str:
    if value is None:
        raise UsageError(f"--session: {name} has no value", "a policy would see an empty text, or fail: give one")
    return str(value)


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"


@functools.lru_cache(maxsize=256)
def _check(sql: str, fixed: frozenset[str]) -> None:
    check_identity(sql, fixed)
