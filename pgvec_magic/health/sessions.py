"""Sessions that are in the way: their old transactions keep VACUUM from removing rows, their locks keep others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..sqltext import quote_literal
from .check import DECISION, Check, grey
from .facts import Place, Session

# Seconds from which on a session is said to be in the way, and gravely so.
IDLE, LONG, WAITING = (60.0, 900.0), (300.0, 3600.0), (10.0, 300.0)
_MOST = 5


def in_the_way(place: Place) -> Iterator[Check]:
    """23: sessions idle in a transaction, long at work or waiting for a lock, and what else keeps old rows."""
    if isinstance(place.sessions, str):
        yield grey(23, "", place.sessions)
        return
    known = {session.pid: session for session in place.sessions}
    found = [check for session in place.sessions for check in _session(session, known)]
    found += [_holder(*holder) for holder in holding(place)]
    yield from found[:_MOST]
    hidden = sum(session.state is None for session in place.sessions)
    if hidden and not place.server.reads_stats:
        who = place.server.role
        reason = f"the state of {hidden:,} of {len(known):,} other sessions is hidden from {who}"
        yield grey(23, "", f"{reason}: GRANT pg_read_all_stats TO {who} shows it", f"{hidden:,} hidden")
    elif not found:
        value = "1 other session" if len(known) == 1 else f"{len(known):,} other sessions"
        yield Check(23, "", "green", value, "none is idle in a transaction, long at work or blocked")


def holding(place: Place) -> list[tuple[str, float | None, str]]:
    """Return the slots and prepared transactions that keep old rows, without those that are about to be committed."""
    return [holder for holder in place.holders if holder[1] is None or holder[1] >= IDLE[0]]


def _session(session: Session, known: Mapping[int, Session]) -> Iterator[Check]:
    who, open_for = f"process {session.pid} of role {session.role}", session.open or 0.0
    idle = (session.state or "").startswith("idle in transaction")
    keeps = "VACUUM keeps all rows that were deleted since" if session.keeps else "its locks stay"
    if idle and (session.idle or 0.0) >= IDLE[0]:
        waits = f"{session.idle or 0.0:,.0f} s"
        reason = f"idle in a transaction that is {open_for:,.0f} s old: {keeps}. To end the session undoes it"
        yield Check(23, who, _state(session.idle, IDLE), waits, reason, (_ended(session, "terminate"),))
    elif session.state == "active" and session.waits is None and open_for >= LONG[0]:
        reason = f"at work in one transaction: {keeps}"
        yield Check(
            23, who, _state(open_for, LONG), f"{open_for:,.0f} s", reason, (_ended(session, "cancel"),), DECISION
        )
    if session.waits is not None and session.waits >= WAITING[0]:
        yield _blocked(session, known, who)


def _blocked(session: Session, known: Mapping[int, Session], who: str) -> Check:
    blockers = [known[pid] for pid in session.held_by if pid in known]
    others = ", ".join(f"process {each.pid} of role {each.role}, {each.state or 'hidden'}" for each in blockers)
    texts = tuple(_ended(each, "cancel" if each.state == "active" else "terminate") for each in blockers)
    reason = f"it waits for a lock of {others or 'a session that cannot be seen'}, whose transaction would be undone"
    waits = f"waits {session.waits:,.0f} s"
    return Check(23, who, _state(session.waits, WAITING), waits, reason, texts)


def _holder(what: str, seconds: float | None, end: str) -> Check:
    value = f"{seconds:,.0f} s" if seconds is not None else "inactive"
    return Check(23, what, "amber", value, "VACUUM keeps all rows that were deleted since", (end,), DECISION)


def _state(seconds: float | None, bounds: tuple[float, float]) -> str:
    return "red" if (seconds or 0.0) >= bounds[1] else "amber"


def _ended(session: Session, how: str) -> str:
    """Return what ends a session, or what it does; a later one that has its number is left alone."""
    started = quote_literal(session.started)
    return f"SELECT pg_{how}_backend(pid) FROM pg_stat_activity WHERE pid = {session.pid} AND backend_start = {started}"
