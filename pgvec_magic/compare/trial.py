"""The verb: a finding's cure, tried where it can be undone."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from functools import cached_property

from .. import sqltext
from ..db import Database
from ..diagnose import Cure, Finding
from ..diagnose.rewrite import plain_distance
from ..errors import QueryError, UsageError
from ..query import Query
from ..search import Explanation
from .measure import Measured, again, exact_distances, measured, recall, tables_of
from .proof import Proof
from .proved import Proved

# Seconds of all plain runs of a statement together, where it is not slower than that; the longest one may take.
_SECONDS, _PATIENCE = 1.5, 60.0
# So many runs in one go, and then so many times again: before and after in turn.
_RUNS, _TURNS = 3, 2
# A fix that takes this much longer is none, and nobody wants to wait for its end.
_SLOWER, _LEAST_PATIENCE = 10, 5.0
# Rules whose rewritten statement asks for something else, which is what the person should have asked for.
_OTHERWISE = {
    "R02": "the statement asks for the nearest rows now, before for the farthest",
    "R04": "the statement orders by another distance now, that of the index; build=True tries an index for its own",
    "R15": "the statement asks for 10 rows now, before for all",
    "R24": "the statement asks for the rows that the index has only",
}
_TIMED_OUT = "57014"
_DOUBLED = re.compile(r"%%|%\(([^)]*)\)s")

Exact = tuple[float, ...] | None


def prove(db: Database, explanation: Explanation, finding: Finding, *, build: bool = False) -> Proof:
    """Try what mends a finding, undo it, and return what was measured before and after.

    Tried are settings and the statement written otherwise; with ``build`` what has to be built: it is made in a
    transaction that is rolled back, needs the right to write, and keeps those who write to the table waiting until
    then (REINDEX and DROP INDEX those who read it too). Raises UsageError where nothing can be tried, QueryError.
    """
    trial = Trial(db, _message(explanation), explanation)
    if finding.cure is None or finding.cure == Cure():
        raise UsageError(f"{finding.rule}: what mends it cannot be tried and undone", finding.fix)
    cure = (finding.cure.built or finding.cure) if build else finding.cure
    if build and not cure.before:
        raise UsageError(f"{finding.rule}: there is no index that could be built for it", "prove it without build")
    if cure.before and not build:
        hint = f"prove(…, build=True) tries {_said(cure.before[0])}: writers of the table wait until it is undone"
        raise UsageError(f"{finding.rule}: what mends it has to be built, which is done on request only", hint)
    if build and db.readonly:
        raise UsageError(f"{db.name} is read-only, and to try an index it must be built", "connect without --readonly")
    return trial.proof(finding, cure)


def proved(db: Database, explanation: Explanation) -> Proved:
    """Try what mends each finding, but for what would have to be built; UsageError for a pasted plan, QueryError."""
    trial = Trial(db, _message(explanation), explanation)
    proofs = [trial.proof(f, f.cure) for f in explanation.findings if f.cure and not f.cure.before]
    known = {field.name: getattr(explanation, field.name) for field in fields(Explanation)}
    return Proved(**known, proofs=tuple(proofs))


@dataclass(frozen=True)
class Trial:
    """A statement whose fixes are tried; it is measured once as it is."""

    db: Database
    query: Query
    explanation: Explanation

    def proof(self, finding: Finding, cure: Cure) -> Proof:
        """Try a cure; what the server refuses, or takes too long, is a proof that it does not help."""
        sql, tried = cure.sql or self.query.sql, _tried(cure)
        settings = tuple(sqltext.check_setting(*pair) for pair in cure.settings)
        changed = replace(self.query, sql=sql, settings=tuple((dict(self.query.settings) | dict(settings)).items()))
        otherwise = _OTHERWISE.get(finding.rule, "") if cure.sql else ""
        distance = plain_distance(sql) if otherwise else self._distance or plain_distance(sql)
        before, exact = self._judged(distance)
        most = max(_LEAST_PATIENCE, _SLOWER * max(before.seconds))
        try:
            if cure.before:
                (before,) = self._in_turn(before, patience=_PATIENCE)
                after = self._measured(changed, distance, most, cure.before)
            else:
                after = self._measured(changed, distance, most)
                before, after = self._in_turn(before, after, patience=most)
        except QueryError as error:
            if error.sqlstate is None:  # the link was lost
                raise
            return Proof(finding, tried, before, None, error.message.partition("\n")[0], otherwise)
        after = _with_recall(after, self._exact(after, changed, distance) if otherwise else exact)
        return Proof(finding, tried, before, after, otherwise=otherwise)

    def _in_turn(self, *ways: Measured, patience: float) -> list[Measured]:
        """Run each way more often, in turn: what else the machine does meets both."""
        for _ in range(_TURNS if self._runs == _RUNS else 0):
            seconds = [again(self.db, _message(way.explanation), _RUNS, patience) for way in ways]
            ways = tuple(replace(way, seconds=way.seconds + more) for way, more in zip(ways, seconds, strict=True))
        return list(ways)

    @property
    def _runs(self) -> int:
        """How many runs in one go: fewer of a statement that takes long."""
        took = (self.explanation.plan.execution or 0.0) / 1000
        return max(1, min(_RUNS, int(_SECONDS / max(took, 1e-4) / (_TURNS + 1))))

    @cached_property
    def _distance(self) -> str | None:
        return plain_distance(self.query.sql)

    @cached_property
    def _known(self) -> dict[str | None, tuple[Measured, Exact]]:
        return {}

    def _judged(self, distance: str | None) -> tuple[Measured, Exact]:
        """Return the statement as it is and its exact answer, judged by its own distance, or by that of a cure."""
        by = self._distance or distance
        if by not in self._known:
            found = self._measured(self.query, by, _PATIENCE)
            exact = self._exact(found, self.query, by)
            self._known[by] = (_with_recall(found, exact), exact)
        return self._known[by]

    def _exact(self, found: Measured, query: Query, distance: str | None) -> Exact:
        """Return the distances of a message's exact answer; without a vector index it gave that itself."""
        if distance is None or found.distances is None:
            return None
        if not found.indexes:
            return tuple(sorted(found.distances))
        try:
            return exact_distances(self.db, query, distance, _PATIENCE)
        except QueryError as error:
            if error.sqlstate != _TIMED_OUT:
                raise
            return None

    def _measured(self, query: Query, distance: str | None, patience: float, before: tuple[str, ...] = ()) -> Measured:
        tables = tables_of(self.explanation.plan)
        runs = self._runs * (_TURNS + 1) if before and self._runs == _RUNS else self._runs  # all in one transaction
        return measured(self.db, query, tables, runs=runs, patience=patience, distance=distance, before=before)


def _with_recall(found: Measured, exact: Exact) -> Measured:
    if exact is None or found.distances is None:
        return found
    return replace(found, recall=recall(found.distances, exact))


def _message(explanation: Explanation) -> Query:
    if explanation.query is None:
        hint = 'explain the statement itself: pv.explain(db, sql="…"), or %%vsql --explain --prove'
        raise UsageError("a pasted plan has no statement that could be run", hint)
    return explanation.query


def _tried(cure: Cure) -> str:
    """Return a cure as SQL that people read."""
    settings = [f"SET LOCAL {name} = {value}" for name, value in cure.settings]
    return "; ".join([*settings, *map(_said, (*cure.before, *([cure.sql] if cure.sql else [])))])


def _said(sql: str) -> str:
    """Return a statement as people write it."""
    return _DOUBLED.sub(lambda found: "%" if found[0] == "%%" else f":{found[1]}", sql)
