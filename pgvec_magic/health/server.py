"""The server and what stands before it: the version of pgvector, a pooler, settings that stick to its sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..sqltext import quote_ident, quote_qualified
from .check import RESTART, Check, grey
from .facts import Place, Table

Version = tuple[int, ...]
# (from, before, what) of pgvector: issues 959, 1006, 993, 995, pull request 988, and its changelog.
_OVERFLOW = ((0, 6, 0), (0, 8, 2), "CVE-2026-3172: a parallel HNSW build writes past its memory")
_NARROW = ((0, 0, 0), (0, 8, 6), "CVE-2026-18022: IVFFlat on a 32-bit server")
_CORRUPT = ((0, 5, 0), (0, 8, 3), "inserts beside a VACUUM may corrupt an HNSW index")
_RED = (_OVERFLOW, _CORRUPT)
_AMBER = (
    ((0, 8, 3), (0, 8, 4), "VACUUM may stop with “hnsw graph not repaired”"),
    ((0, 8, 4), (0, 8, 5), "IVFFlat on a small table asks for more memory than it needs"),
    ((0, 0, 0), (0, 8, 0), "no iterative scans: a filtered search by index comes back with fewer rows"),
)
_PLAIN_SET = re.compile(r"\s*SET\s+(?:SESSION\s+)?(?:hnsw|ivfflat)\.", re.IGNORECASE)


def advisories(version: Version, wide: bool) -> tuple[list[str], list[str]]:
    """Return what is known against a version of pgvector: what is grave, and what is not."""
    grave = [*_RED, *(() if wide else (_NARROW,))]
    return tuple([told for since, mended, told in each if since <= version < mended] for each in (grave, _AMBER))  # type: ignore[return-value]


def version(place: Place, tables: Sequence[Table]) -> Iterator[Check]:
    """20: pgvector's version, with its known CVEs and corruption bugs."""
    server = place.server
    if place.vector is None:
        yield _missing(place)
        return
    disk = tuple(int(part) for part in re.findall(r"\d+", server.on_disk or "")) or place.vector
    here = ".".join(map(str, place.vector))
    grave, others = advisories(min(place.vector, disk), server.wide)
    if not grave and not others:
        newer = f"; {server.on_disk} is on the server" if disk > place.vector else ""
        yield Check(20, "", "green", here, f"no CVE and no corruption bug of it is known here{newer}")
        return
    texts = ["ALTER EXTENSION vector UPDATE"] if disk > place.vector and server.updatable else []
    if any("corrupt" in told for told in grave):
        graphs = [(t.info.schema, i.name) for t in tables for i in t.info.indexes if i.method == "hnsw" and i.valid]
        texts += [f"REINDEX INDEX CONCURRENTLY {quote_qualified(*each)}" for each in graphs] if texts else []
    ahead = f"{server.on_disk} is on the server, and its code runs in new sessions" if disk > place.vector else ""
    way = ahead or "install a newer pgvector on the server, ALTER EXTENSION vector UPDATE, REINDEX the HNSW indexes"
    yield Check(20, "", "red" if grave else "amber", here, f"{'; '.join([*grave, *others])}. {way}", tuple(texts))


def _missing(place: Place) -> Check:
    if place.server.on_disk is None:
        return Check(20, "", "red", "not installed", "this server has no pgvector: see its README")
    reason = f"pgvector {place.server.on_disk} is on the server, and not in this database"
    return Check(20, "", "red", "not installed", reason, ("CREATE EXTENSION vector",))


def pooler(place: Place) -> Iterator[Check]:
    """21: whether a pooler is in between, and what it changes."""
    if not place.pooled:
        yield Check(21, "", "green", "none", "the session that answers is this connection's own")
        return
    reason = (
        "another session may answer each message: searches here send their settings along, and are safe; an index is"
        " built CONCURRENTLY past it only"
    )
    yield Check(21, "", "green", "there is one", reason)


def settings(place: Place) -> Iterator[Check]:
    """3: ef_search and its like set for a transaction, not for a session that the pooler gives to others."""
    if place.server.sticking:
        yield _sticking(place, place.server.sticking)
    elif not place.pooled:
        yield Check(3, "", "green", "no pooler", "what a client sets stays with it")
    elif isinstance(place.statements, str):
        yield grey(3, "", f"whether clients SET it for the session cannot be seen: {place.statements}", "a pooler")
    else:
        plain = sum(s.calls for s in place.statements if _PLAIN_SET.match(s.text))
        if not plain:
            yield Check(3, "", "green", "a pooler", "nobody sets pgvector's settings for a whole session")
            return
        reason = "clients SET them for a session, which the pooler gives to others: SET LOCAL between BEGIN and COMMIT"
        text = f"ALTER DATABASE {quote_ident(place.server.database)} SET hnsw.ef_search = 100"
        yield Check(3, "", "amber", f"{plain:,} × SET", f"{reason}, or one value for all", (text,), RESTART)


def _sticking(place: Place, sticking: Mapping[str, str]) -> Check:
    value = ", ".join(f"{name} = {held}" for name, held in sorted(sticking.items()))
    texts = tuple(f"RESET {name}" for name in sorted(sticking))
    if place.pooled:
        reason = (
            "a client SET it in a session that the pooler has given to us: whoever comes next searches with it. SET"
            " LOCAL between BEGIN and COMMIT ends with the transaction; RESET mends the session that happens to answer"
        )
        return Check(3, "", "red", value, reason, texts)
    return Check(3, "", "amber", value, "SET in this session, and so in force for each search that says nothing", texts)
