from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgvector import Bit, HalfVector, SparseVector, Vector

from pgvec_magic.render import Grid, html, text, text_of
from pgvec_magic.render.safe import width

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></tr></table><style>*{display:none}</style>",
    "</details></div><!-- ",
    "&lt;b&gt; &amp; <a href=javascript:alert(1)>x</a>",
    "\x1b[31mred\x1b[0m\x1b]8;;http://x\x07 \x9b2J \x00 \x08\x7f \r\n\u202egnp.exe\u2066\u2069",
)
TAGS = {
    "div": {"class", "style"},
    "style": set(),
    "table": {"style"},
    "thead": set(),
    "tbody": set(),
    "tr": set(),
    "th": {"scope", "style", "title"},
    "td": {"style"},
    "span": {"style"},
    "b": set(),
    "i": set(),
    "small": set(),
    "details": set(),
    "summary": set(),
}


class Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= TAGS[tag], (tag, attrs)
        assert len(attrs) == len(dict(attrs))
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def styles(self, tag: str) -> list[str]:
        return [attrs["style"] or "" for name, attrs in self.tags if name == tag and "style" in attrs]


def hybrid() -> Grid:
    return Grid(
        ("name", "score", "vector_rank", "vector_distance", "keyword_rank", "keyword_score"),
        [("a", 0.0325, 1, 0.3125, 2, 0.5), ("b", 0.0161, None, None, 1, 0.25), ("c", 0.0159, 3, 0.41, None, None)],
        index=[1, 2, 3],
        bars={"score": (0.0, 0.0325)},
        legs={"vector": ("vector_rank", "vector_distance"), "keyword": ("keyword_rank", "keyword_score")},
    )


# --- one value ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        ("plain", "plain"),
        ("two\n  lines\t", "two lines"),
        (True, "true"),
        (7, "7"),
        (0.742134, "0.7421"),
        (3.0, "3.0"),
        (1234567.891, "1234567.89"),
        (-0.000012345, "-0.00001234"),
        (1e-12, "1e-12"),
        (2.5e20, "2.5e+20"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.1), "0.1"),
        (np.int64(12), "12"),
        (Decimal("12.50"), "12.50"),
        (Decimal("0.01639344262295081967"), "0.01639"),
        (Decimal("NaN"), "nan"),
        (datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "2026-03-04 05:06:07+00:00"),
        (datetime(2026, 3, 4, 5, 6, 7, 890_123), "2026-03-04 05:06:07.890"),
        (date(2026, 3, 4), "2026-03-04"),
        (time(5, 6), "05:06:00"),
        ({"tags": ["ä", 1], "at": date(2026, 3, 4)}, '{"tags": ["ä", 1], "at": "2026-03-04"}'),
        ([1, 2, 3], "[1, 2, 3]"),
        ([0.5] * 8, "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]"),
        (b"x" * 2048, "2,048 bytes"),
        (memoryview(b"abc"), "3 bytes"),
    ],
)
def test_a_value_is_short_plain_text(value, shown):
    assert text_of(value) == shown


def test_vectors_are_shown_by_dimensions_norm_and_first_numbers():
    vector = np.zeros(384, dtype=np.float32)
    vector[:3] = 0.6, -0.8, 0.0
    shown = "384-d, norm 1.00, [0.600, -0.800, 0.000 …]"
    assert text_of(vector) == shown
    assert text_of(vector.tolist()) == shown
    assert text_of(Vector(vector)) == shown
    assert text_of(HalfVector(vector)).startswith("384-d, norm 1.00, [0.600, -0.800, 0.000")
    assert text_of(np.array([3.0, 4.0])) == "2-d, norm 5.00, [3.000, 4.000]"


def test_norms_do_not_overflow_small_number_types():
    assert text_of(np.full(9, 200, dtype=np.uint8)).startswith("9-d, norm 600.00,")
    assert text_of(np.full(4, 60_000, dtype=np.float16)).startswith("4-d, norm 12")


def test_sparse_vectors_and_bits_have_words_of_their_own():
    assert text_of(SparseVector({0: 3.0, 5: 4.0}, 1000)) == "1000-d, 2 not zero, norm 5.00, {1: 3.000, 6: 4.000}"
    assert text_of(Bit("10110")) == "5 bits, 3 set, 10110"
    assert text_of(np.array([True, False, True])) == "3 bits, 2 set, 101"
    assert text_of(Bit("10" * 20)) == "40 bits, 20 set, 1010101010101010…"


def test_arrays_that_are_no_vectors_stay_what_they_are():
    assert text_of(np.array(["a", "b"])) == "['a' 'b']"
    assert text_of(list(range(12))) == json.dumps(list(range(12)))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=())), st.integers(1, 40))
def test_any_text_fits_its_width_and_changes_nothing(value, most):
    shown = text_of(value, most)
    assert width(shown) <= most
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) <= 0xDFFF for c in shown)
    assert not any(c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" for c in shown)


def test_control_characters_are_shown_and_marks_of_direction_dropped():
    assert text_of("\x1b[31mred\x00\x7f\x9b") == r"\x1b[31mred\x00\x7f\x9b"
    assert text_of("file\u202egnp.exe") == "filegnp.exe"
    assert text_of("\ud800") == r"\ud800"
    assert text_of("👩‍💻 می‌خواهم") == "👩‍💻 می‌خواهم"  # joiners are part of the writing


def test_long_text_ends_in_an_ellipsis_and_costs_no_more_than_its_width():
    assert text_of("word " * 50, 12) == "word word w…"
    assert text_of("日本語のテキスト", 7) == "日本語…"
    assert len(text_of("e" + "\u0301" * 10**6, 10)) < 60
    assert text_of("x" * 10**8, 5) == "xxxx…"
    assert text_of("start" + " " * 1_000 + "end", 20) == "start…"


# --- HTML -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_text_stays_text_wherever_it_stands(evil):
    long = evil * 60
    grid = Grid(
        (evil, long, "score", "r", "d"),
        [(evil, long, 0.5, 1, 0.1), ({evil: [evil]}, [evil], None, None, None)],
        caption=(evil, evil),
        notes=(evil, long),
        index=[evil, evil],
        bars={"score": (0, 1)},
        legs={evil: ("r", "d")},
    )
    page = Page(html(grid))
    words = "".join(page.words)
    assert not any(c in words for c in "\x00\x08\x1b\x07\x7f\x9b\u202e\u2066\u2069")
    if "<" in evil:
        assert evil in words
    shown = text(grid, 120)
    assert not any(c in shown for c in "\x00\x08\x1b\x07\x7f\x9b\r\u202e\u2066\u2069")


def test_columns_of_a_ranked_table_stand_rank_bar_legs_then_the_rest():
    page = Page(html(hybrid()))
    assert page.cells[0] == ["#", "score", "● vector", "● keyword", "name"]
    assert [cell.strip() for cell in page.cells[1]] == ["1", "0.0325", "#1 · 0.312", "#2 · 0.50", "a"]


def test_a_leg_that_did_not_find_a_row_is_a_dash():
    page = Page(html(hybrid()))
    assert [row[2] for row in page.cells[1:]] == ["#1 · 0.312", "–", "#3 · 0.410"]
    assert [row[3] for row in page.cells[1:]] == ["#2 · 0.50", "#1 · 0.25", "–"]


def test_bars_are_as_long_as_the_number_says():
    grid = Grid(("s",), [(1.0,), (0.5,), (0.0,), (2.0,), (-1.0,), (None,), (float("nan"),)], bars={"s": (0, 1)})
    styles = [s for s in Page(html(grid)).styles("span") if "height:100%" in s]
    assert [s.partition(";width:")[2].partition(";")[0] for s in styles] == ["100%", "50%", "0%", "100%", "0%"]


def test_a_bar_may_grow_as_a_distance_falls():
    grid = Grid(("distance",), [(0.25,), (1.0,)], bars={"distance": (1.0, 0.0)})
    page = html(grid)
    assert "width:75%" in page
    assert "width:0%" in page
    assert "width:100%" in html(Grid(("d",), [(3,)], bars={"d": (3, 3)}))


def test_numbers_are_aligned_right_with_one_count_of_decimals():
    page = Page(html(Grid(("n", "x", "name"), [(1, 0.5, "a"), (200, 12.3456, "b"), (None, None, None)])))
    assert page.cells[1:] == [["1", "0.50", "a"], ["200", "12.35", "b"], ["NULL", "NULL", "NULL"]]
    sides = ["right" if "text-align:right" in style else "left" for style in page.styles("td")]
    assert sides == ["right", "right", "left"] * 3
    assert ["right" in style for style in page.styles("th")] == [True, True, False]


def test_headings_have_scopes_and_bars_have_their_number_beside():
    page = Page(html(hybrid()))
    scopes = [attrs["scope"] for tag, attrs in page.tags if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"] * 3
    assert [row[1].strip() for row in page.cells[1:]] == ["0.0325", "0.0161", "0.0159"]


def test_long_text_opens_to_its_own_line_breaks():
    document = "First line.\n\n    indented code\n" + "word " * 60
    page = Page(html(Grid(("content",), [(document,)])))
    shown = page.cells[1][0]
    assert shown.startswith("First line. indented code word")
    assert document in shown
    assert ("details", {}) in page.tags


def test_very_long_text_is_cut_and_its_length_told():
    shown = Page(html(Grid(("content",), [("x" * 5_000_000,)]))).cells[1][0]
    assert len(shown) < 1_400
    assert "5,000,000 characters" in shown


def test_output_is_bounded_whatever_comes():
    many = Grid(("a", "b"), [(i, "x" * 5_000) for i in range(100_000)])
    assert len(html(many)) < 200_000
    assert "… 99,900 more rows: .df has all" in html(many)
    wide = Grid(tuple(f"c{i}" for i in range(1_600)), [tuple("y" * 3_000 for _ in range(1_600))] * 100)
    assert len(html(wide)) < 800_000
    assert "… 1,550 more columns: .df has all" in html(wide)
    assert len(text(many, 120)) < 20_000


def test_exactly_the_rows_shown_leave_nothing_out():
    assert "more rows" not in html(Grid(("a",), [(1,)] * 100))
    assert "… 1 more rows" in html(Grid(("a",), [(1,)] * 101))


def test_facts_and_notes_are_seen():
    grid = Grid(("a",), [(1,)], caption=("1 row of docs", "2.1 ms"), notes=("9 of 10 rows are missing",))
    words = "".join(Page(html(grid)).words)
    assert "1 row of docs · 2.1 ms" in words
    assert "Note: 9 of 10 rows are missing" in words
    assert text(grid).endswith("! 9 of 10 rows are missing")


def test_no_rows_and_no_columns_are_no_trouble():
    assert Page(html(Grid(("a", "s"), [], index=[], bars={"s": (0, 1)}))).cells == [["#", "a", "s"]]
    assert "<table" not in html(Grid((), [], caption=("CREATE INDEX", "12 s")))
    assert text(Grid((), [], caption=("CREATE INDEX", "12 s"))) == "CREATE INDEX · 12 s"


def test_columns_of_one_name_are_both_shown():
    assert Page(html(Grid(("a", "a"), [(1, "x")]))).cells == [["a", "a"], ["1", "x"]]


# --- terminal -------------------------------------------------------------------------------------------------------


def test_terminal_table_is_aligned():
    assert text(hybrid(), 100).splitlines() == [
        "#            score      vector    keyword  name",
        "─  ───────────────  ──────────  ─────────  ────",
        "1  0.0325 ████████  #1 · 0.312  #2 · 0.50  a",
        "2  0.0161 ████               –  #1 · 0.25  b",
        "3  0.0159 ███▉      #3 · 0.410          –  c",
    ]


def test_wide_characters_keep_the_columns_in_line():
    rows = [("日本語", 1), ("emoji 🎉", 22), ("e\u0301te\u0301", 333), ("Ｗide", 4)]
    assert text(Grid(("name", "n"), rows), 80).splitlines()[2:] == [
        "日本語      1",
        "emoji 🎉   22",
        "e\u0301te\u0301       333",
        "Ｗide       4",
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(20, 130),
    st.lists(st.tuples(st.text(max_size=90), st.floats() | st.none(), st.text(max_size=40), st.integers()), max_size=4),
)
def test_no_line_of_a_table_is_wider_than_the_terminal(most, rows):
    grid = Grid(("title", "score", "body", "n"), rows, index=range(1, len(rows) + 1), bars={"score": (0, 1)})
    assert max(map(width, text(grid, most).splitlines())) <= most


def test_what_does_not_fit_is_named():
    grid = Grid(("id", "name", "score"), [(123456, "a" * 30, 0.5)], index=[1], bars={"score": (0, 1)})
    lines = text(grid, 32).splitlines()
    assert lines[0].split() == ["#", "score", "name"]
    assert lines[-1] == "… not shown, too narrow: id"


def test_the_terminals_own_width_is_used(monkeypatch):
    grid = Grid(("a",), [("x" * 500,)])
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, text(grid).splitlines())) == 60
    monkeypatch.setenv("COLUMNS", "400")
    assert max(map(len, text(grid).splitlines())) == 120


# --- cost -----------------------------------------------------------------------------------------------------------


def test_importing_and_showing_needs_nothing_heavy():
    code = (
        "import sys; from pgvec_magic.render import Grid, html, text;"
        "html(Grid(('a',), [(1.5,), ([0.1] * 20,), ('x',)])); text(Grid(('a',), [(1.5,)]));"
        "import pgvec_magic.figures;"
        "print([m for m in ('numpy', 'pandas', 'plotly', 'IPython', 'psycopg2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_counts_have_their_thousands_apart_and_ids_stand_as_they_are():
    grid = Grid(("id", "rows", "n"), [(1234567, 1234567, 1), (2, None, 2)], counts=frozenset(["rows"]))
    assert "1234567  1,234,567" in text(grid)
    assert "1,234,567" in html(grid)
    assert "1,234,567" in text(
        Grid(("rows",), [("1,234,567 or so",)], counts=frozenset(["rows"]))
    )  # a text of that name
