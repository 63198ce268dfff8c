"""The 60 questions about the Python documentation, by meaning, by words and by both: recall@10.

The questions and their right answers were written and committed before any of them was scored.
"""

from __future__ import annotations

from collections import defaultdict

from pgvec_magic import samples
from pgvec_magic.db import Database
from pgvec_magic.errors import PgvecError
from pgvec_magic.load import load
from pgvec_magic.query import MODES, Query
from pgvec_magic.samples import Question
from pgvec_magic.search import search

from .place import database


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    questions = samples.questions("pydocs")
    sample = samples.load("pydocs")
    with database() as (db, _):
        load(db, "docs", sample.frame, text=sample.text)
        db.run(Query("CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)"))
        scores = {mode: [_found(db, question, mode) for question in questions] for mode in MODES}
    overall = {mode: sum(found) / len(found) for mode, found in scores.items()}
    measured = ", ".join(f"{mode} {value:.3f}" for mode, value in overall.items())
    about = f"{len(questions)} questions, {len(sample.frame):,} texts, fingerprint {sample.fingerprint}"
    return [
        ("answers, recall@10", f"{measured} ({about})", "hybrid ≥ vector, hybrid ≥ keyword"),
        *((f"answers, questions of kind {kind}", text, "published") for kind, text in _by_kind(questions, scores)),
    ]


def _found(db: Database, question: Question, mode: str) -> float:
    """1.0 when one of the right answers is among the first ten, else 0.0."""
    try:
        ids = {row[0] for row in search(db, "docs", question.text, mode=mode, columns=["id"])}
    except PgvecError as error:
        raise AssertionError(f"{question.text!r} by {mode}: {error}") from error
    return float(bool(ids & set(question.answers)))


def _by_kind(questions: tuple[Question, ...], scores: dict[str, list[float]]) -> list[tuple[str, str]]:
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for mode, found in scores.items():
        for question, value in zip(questions, found, strict=True):
            rows[question.kind][mode].append(value)
    return [
        (kind, ", ".join(f"{mode} {sum(values) / len(values):.2f}" for mode, values in modes.items()))
        for kind, modes in rows.items()
    ]


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
