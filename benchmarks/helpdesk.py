"""The 96 questions about the help desk, in English and in German, each in its language's table: recall@10.

Recall is the share of a question's right documents, two or three, that are among the first ten. The questions of both
languages say the same, and so do the documents that answer them. They were written before any search was scored; those
of the kind both follow from a rule, which was made, with scores in sight, for what only both legs together can find.

The tables are as load leaves them, without a vector index: what an index misses would be counted against the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from pgvec_magic import samples
from pgvec_magic.db import Database
from pgvec_magic.load import load
from pgvec_magic.query import MODES
from pgvec_magic.samples import Question
from pgvec_magic.search import search

from .place import database

_Scores = dict[tuple[str, str, str], list[float]]  # by language, kind and mode


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    sample, questions = samples.load("helpdesk"), samples.questions("helpdesk")
    with database() as (db, _):
        frame = sample.frame
        for language in ("english", "german"):
            load(db, language, frame[frame["language"] == language], text=sample.text, language=language)
        scores = _scores(db, questions)
    english, german = (_mean(scores, language=language, mode="keyword") for language in ("english", "german"))
    about = f"{len(questions)} questions, {sample.rows:,} texts, fingerprint {sample.fingerprint}"
    return [
        (
            "keyword leg in German and English help desk questions, recall@10",
            f"English {english:.3f}, German {german:.3f}: {abs(english - german):.3f} apart ({about})",
            "within 0.05 of each other",
        ),
        *((f"help desk questions, {what}", measured, "published") for what, measured in _rows(scores)),
    ]


def _scores(db: Database, questions: tuple[Question, ...]) -> _Scores:
    scores: _Scores = {}
    for question in questions:
        for mode in MODES:
            value = _recall(db, question, mode)
            scores.setdefault((question.language, question.kind, mode), []).append(value)
    return scores


def _recall(db: Database, question: Question, mode: str) -> float:
    found = {row[0] for row in search(db, question.language, question.text, mode=mode, columns=["id"])}
    return len(found & set(question.answers)) / len(question.answers)


def _mean(scores: _Scores, **wanted: str) -> float:
    names = ("language", "kind", "mode")
    return fmean(
        value
        for key, values in scores.items()
        if wanted.items() <= dict(zip(names, key, strict=True)).items()
        for value in values
    )


def _rows(scores: _Scores) -> Iterator[tuple[str, str]]:
    for language in ("english", "german"):
        for kind in ("keyword", "meaning", "spelling", "both"):
            means = (f"{mode} {_mean(scores, language=language, kind=kind, mode=mode):.2f}" for mode in MODES)
            yield f"{language}, of kind {kind}", ", ".join(means)


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
