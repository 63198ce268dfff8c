from __future__ import annotations

import gc
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import weakref
from collections import Counter
from difflib import SequenceMatcher
from statistics import fmean
from typing import Any

import pytest

from pgvec_magic import samples
from pgvec_magic.db import Database
from pgvec_magic.errors import UsageError
from pgvec_magic.load import load
from pgvec_magic.query import MODES, Query
from pgvec_magic.samples import helpdesk
from pgvec_magic.samples.helpdesk import company, documents, planted, texts
from pgvec_magic.samples.helpdesk.draws import Draws
from pgvec_magic.search import search


@pytest.fixture(scope="module")
def frame() -> Any:
    return samples.load("helpdesk").frame


# --- the same everywhere, in every size


def test_the_rows_are_those_that_were_frozen() -> None:
    """The digest changes with any text: raise helpdesk._FORMAT with it where rows change without a change of texts."""
    rows = json.dumps([documents.row(n) for n in range(1, 3001)], ensure_ascii=False)
    assert hashlib.sha256(rows.encode()).hexdigest()[:16] == "1d33c7c2c250c910"


def test_another_process_makes_the_same(frame: Any) -> None:
    code = "from pgvec_magic.samples.helpdesk import documents; print(ascii([documents.row(n) for n in range(1, 400)]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ascii([documents.row(n) for n in range(1, 400)])


def test_a_document_is_the_same_in_every_size(frame: Any) -> None:
    small = samples.load("helpdesk:2500").frame
    assert small.equals(frame.head(2500))
    larger = next(itertools.islice(samples.load("helpdesk:1000000").frames(), 3, None))
    assert larger.equals(frame[6000:8000].reset_index(drop=True))


def test_the_size_is_as_asked_for_also_where_frames_do_not_fit() -> None:
    for size in (1, 1999, 2000, 2001):
        sample = samples.load(f"helpdesk:{size}")
        assert sample.rows == len(sample.frame) == size
        assert sample.frame["id"].tolist() == list(range(1, size + 1))


def test_a_fingerprint_tells_sizes_and_texts_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert samples.load("helpdesk").fingerprint == samples.load("helpdesk:20000").fingerprint
    assert samples.load("helpdesk").fingerprint != samples.load("helpdesk:20001").fingerprint
    assert re.fullmatch("[0-9a-f]{12}", samples.load("helpdesk").fingerprint)
    before = samples.load("helpdesk").fingerprint
    monkeypatch.setattr(texts, "raw", lambda: b"other texts")
    assert samples.load("helpdesk").fingerprint != before


def test_frames_are_made_one_by_one_and_not_kept() -> None:
    frames = samples.load("helpdesk:1000000").frames()
    made = [weakref.ref(frame) for frame in itertools.islice(frames, 3)]
    gc.collect()
    assert [ref() for ref in made[:2]] == [None, None]
    assert len(next(frames)) == 2000


@pytest.mark.parametrize("size", ["0", "1000001", "-5", "many", "", "2e4", "²", "9" * 5000, "200000 "])
def test_a_size_that_cannot_be_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="the help desk cannot have") as caught:
        samples.load(f"helpdesk:{size}")
    assert "from 1 to 1000000" in caught.value.hint


def test_what_does_not_exist_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="no sample 'helpdsk'") as caught:
        samples.load("helpdsk:20000")
    assert caught.value.hint == "did you mean 'helpdesk'?"
    with pytest.raises(UsageError, match="one size only"):
        samples.load("pydocs:10")
    with pytest.raises(UsageError, match="is one table"):
        samples.tables("pydocs")


def test_choices_are_evenly_spread() -> None:
    drawn = Counter(Draws(f"key {n}").below(5) for n in range(5000))
    assert all(900 < count < 1100 for count in drawn.values())
    assert all(len(set(Draws(f"key {n}").two("ab"))) == 2 for n in range(50))


# --- what is in it


def test_the_columns_have_what_they_should(frame: Any) -> None:
    assert list(frame) == list(documents.COLUMNS)
    assert not frame.drop(columns=["sku", "error_code"]).isna().any().any()
    assert str(frame["created_at"].dtype.tz) == "UTC"
    assert frame["created_at"].dt.year.between(2021, 2025).all()
    assert set(frame["kind"]) == {"ticket", "article", "runbook", "release note"}
    assert frame["error_code"].dropna().str.fullmatch(r"E-\d{4}").all()
    assert frame["sku"].dropna().str.fullmatch(r"[A-Z]{2}-\d{3}-[A-D]").all()
    for code in ("error_code", "sku"):
        assert all(row[code] in row["content"] for _, row in frame[frame[code].notna()].iterrows())
    assert not frame["content"].str.contains(r"[{}]").any()
    assert not frame["title"].str.contains(r"[{}]").any()
    assert frame["content"].str.len().between(60, 1200).all()


def test_half_of_it_is_german(frame: Any) -> None:
    shares = frame["language"].value_counts(normalize=True)
    assert set(shares.index) == {"english", "german"}
    assert shares.min() > 0.4
    german = frame[frame["language"] == "german"]["content"].str.contains(
        r"\b(?:der|die|das|ist|wird|nicht)\b", case=False
    )
    english = frame[frame["language"] == "english"]["content"].str.contains(r"\b(?:the|is|a|to|of)\b", case=False)
    assert german.mean() > 0.99
    assert english.mean() > 0.99


def test_one_tenant_is_huge_and_many_are_tiny(frame: Any) -> None:
    rows = frame["workspace_id"].value_counts()
    assert 0.33 < rows[1] / len(frame) < 0.37
    assert (rows <= 10).sum() > 150
    assert rows.iloc[1] < rows.iloc[0] / 3
    assert rows.index[:4].tolist() == [1, 2, 3, 4]


def test_documents_refer_to_rows_of_the_other_tables(frame: Any) -> None:
    tables = samples.tables("helpdesk")
    assert list(tables) == ["workspaces", "users", "projects"]
    for table in tables.values():
        assert table["id"].is_unique
    workspaces, users, projects = (table.set_index("id") for table in tables.values())
    assert frame["workspace"].tolist() == workspaces["name"][frame["workspace_id"]].tolist()
    for name, column, table in (("author", "author_id", users), ("project", "project_id", projects)):
        found = table.loc[frame[column]]
        assert found["name"].tolist() == frame[name].tolist()
        assert found["workspace_id"].tolist() == frame["workspace_id"].tolist()
    assert workspaces["name"].is_unique
    assert users["email"].is_unique
    assert users["email"].str.isascii().all()
    assert not projects.duplicated().any()


def test_known_groups_of_near_duplicates(frame: Any) -> None:
    told = frame.set_index("id")
    again = frame[frame["first_report"] != frame["id"]]
    assert 0.06 < len(again) / len(frame) < 0.1
    first = told.loc[again["first_report"]]
    assert (first["first_report"] == first.index).all()
    assert (first["kind"] == "ticket").all()
    for column in ("workspace_id", "language", "error_code", "sku"):
        assert first[column].fillna("").tolist() == again[column].fillna("").tolist()
    assert (first["created_at"].to_numpy() < again["created_at"].to_numpy()).all()
    pairs = list(zip(first["content"].head(300), again["content"].head(300), strict=True))
    assert all(SequenceMatcher(None, a, b, autojunk=False).ratio() > 0.7 for a, b in pairs)
    assert sum(a == b for a, b in pairs) < 10


def test_no_two_documents_have_the_same_text_by_chance(frame: Any) -> None:
    first = frame[frame["first_report"] == frame["id"]]
    assert first["content"].is_unique


def test_both_languages_have_the_same_texts() -> None:
    english, german = texts.texts()
    shapes = [
        [
            (len(c.title), len(c.symptom), len(c.cause), len(c.fix), c.topic, c.ask is None)
            for c in told.common + told.rare + told.machines
        ]
        for told in (english, german)
    ]
    assert shapes[0] == shapes[1]
    slots = [
        [set(re.findall(r"{\w+}", " ".join(c.symptom + c.cause + c.fix))) for c in t.common + t.machines]
        for t in (english, german)
    ]
    assert slots[0] == slots[1]
    assert {name: len(options) for name, options in english.phrases.items()} == {
        name: len(options) for name, options in german.phrases.items()
    }


def test_every_workspace_has_somebody_who_may_write() -> None:
    assert len(company.workspaces()) == company.WORKSPACES
    assert all(len({name for _, name in w.users}) == len(w.users) >= 3 for w in company.workspaces())
    assert all(len({name for _, name in w.projects}) == len(w.projects) >= 2 for w in company.workspaces())


# --- questions


def test_there_are_as_many_questions_of_each_kind_in_both_languages() -> None:
    asked = samples.questions("helpdesk")
    assert Counter((q.language, q.kind) for q in asked) == {
        (language, kind): 12
        for language in ("english", "german")
        for kind in ("keyword", "meaning", "spelling", "both")
    }
    assert len({q.text for q in asked}) == len(asked)
    assert samples.questions("helpdesk:5000") == asked


def test_right_answers_are_all_documents_with_the_code(frame: Any) -> None:
    codes = frame["error_code"].fillna(frame["sku"])
    by_code = {code: set(ids) for code, ids in frame["id"].groupby(codes)}
    for question in samples.questions("helpdesk"):
        if question.kind == "keyword":
            assert set(question.answers) == by_code[question.text.split()[-1]]
        if question.kind == "both":
            same_code = by_code[question.text.split()[-1]]
            assert set(question.answers) < same_code
            assert len(same_code) == 24


def test_each_code_of_both_was_seen_at_each_machine_by_two_documents(frame: Any) -> None:
    told = frame.set_index("id")
    of_both = [(at, p) for at, p in planted.planted().items() if p.question[0] == "both"]
    cells = Counter((p.language, told["error_code"][at], p.case.number) for at, p in of_both)
    assert len(cells) == 2 * 12 * 12
    assert set(cells.values()) == {2}
    for question in samples.questions("helpdesk"):
        if question.kind == "both":
            (machine,) = {planted.planted()[at].case for at in question.answers}
            (code,) = set(told["error_code"][list(question.answers)])
            assert question.text == f"{machine.ask} {code}"


@pytest.mark.parametrize(("language", "margin"), [("english", 0.2), ("german", 0.1)])
def test_words_and_vectors_together_answer_what_neither_answers_alone(
    db: Database, language: str, margin: float
) -> None:
    frame = samples.load("helpdesk:4000").frame
    load(db, "desk", frame[frame["language"] == language], text="content", language=language)
    asked = [q for q in samples.questions("helpdesk") if (q.kind, q.language) == ("both", language)]
    recall = {mode: fmean(_recall(db, question, mode) for question in asked) for mode in MODES}
    assert recall["hybrid"] > max(recall["keyword"], recall["vector"]) + margin, recall
    # The other words for the machines are in no document: of such a question only the code can be looked up.
    machines = [question.text.rpartition(" ")[0] for question in asked]
    assert [len(search(db, "desk", machine, mode="keyword")) for machine in machines] == [0] * 12


def _recall(db: Database, question: samples.Question, mode: str) -> float:
    found = {row[0] for row in search(db, "desk", question.text, mode=mode, columns=["id"])}
    return len(found & set(question.answers)) / len(question.answers)


def test_right_answers_are_all_documents_about_the_case(frame: Any) -> None:
    found = {}
    for told in texts.texts():
        for case in told.rare:
            # What a rare case is told with is told of no other: the longest piece between slots will do.
            pieces = [max(re.split(r"{\w+}", said), key=len) for said in case.symptom]
            says = [frame["content"].str.contains(piece, regex=False) for piece in pieces]
            found[told.language, case.ask] = set(frame["id"][says[0] | says[1] | says[2]])
    asked = [q for q in samples.questions("helpdesk") if q.kind == "meaning"]
    assert {(q.language, q.text): set(q.answers) for q in asked} == found
    spelled = [q for q in samples.questions("helpdesk") if q.kind == "spelling"]
    assert [(q.language, q.answers) for q in spelled] == [(q.language, q.answers) for q in asked]


def test_a_question_and_its_translation_have_answers_that_say_the_same() -> None:
    asked = samples.questions("helpdesk")
    for english, german in zip(asked[::2], asked[1::2], strict=True):
        assert (english.language, german.language) == ("english", "german")
        assert [a + 1 for a in english.answers] == list(german.answers)


def test_questions_hold_in_every_size_from_four_thousand_on() -> None:
    assert max(planted.planted()) < 4000
    assert not any(documents.row(n)[-1] in planted.planted() for n in range(4000, 8000))


@pytest.mark.parametrize("kind", ["meaning", "spelling"])
def test_what_is_asked_in_other_words_shares_no_word_with_its_answers(db: Database, frame: Any, kind: str) -> None:
    told = frame.set_index("id")
    shared = Query(
        "SELECT array(SELECT unnest(tsvector_to_array(to_tsvector(%(l)s::regconfig, %(q)s)))"
        " INTERSECT SELECT unnest(tsvector_to_array(to_tsvector(%(l)s::regconfig, %(t)s))))"
    )
    for question in samples.questions("helpdesk"):
        if question.kind == kind:
            text = " ".join(told["content"][list(question.answers)])
            bound = Query(shared.sql, {"l": question.language, "q": question.text, "t": text})
            assert db.run(bound).rows == [([],)], question.text


# --- loading


def test_it_loads_by_its_name(db: Database) -> None:
    report = load(db, "desk", "sample:helpdesk:2100")
    assert report.rows == 2100
    columns = Query(
        "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'desk'::regclass AND attnum > 0"
    )
    types = dict(db.run(columns).rows)
    assert {
        "id": "bigint",
        "created_at": "timestamp with time zone",
        "metadata": "jsonb",
        "sku": "text",
    }.items() <= types.items()
    assert db.run(Query("SELECT count(*), max(id) FROM desk WHERE embedding IS NOT NULL")).rows == [(2100, 2100)]
    assert helpdesk.DEFAULT_SIZE == 20_000
