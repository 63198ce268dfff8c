from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from pgvec_magic import figures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>bold</b> <a href='javascript:alert(1)'>x</a> $\\href{x}{y}$ %{x} &lt; \x1b[31m\x00\u202ecod"


def words(figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def written(figure, text):
    found = [a for a in figure.layout.annotations if text in a.text]
    assert len(found) == 1, words(figure)
    return found[0]


def hybrid(labels=("a", "b", "c"), vector=(2, 1, None), keyword=(1, None, 7)):
    def share(ranks):
        return [None if rank is None else 1 / (60 + rank) for rank in ranks]

    return figures.shares(labels, share(vector), share(keyword), vector, keyword, title="a question")


# --- scores ---------------------------------------------------------------------------------------------------------


def test_scores_are_drawn_in_the_order_of_rank_best_on_top():
    figure = figures.scores(["a", "b", "c"], [0.9, 0.8, 0.5], value_name="score", title="t")
    (dots,) = figure.data
    assert list(dots.x) == [0.9, 0.8, 0.5]
    assert list(dots.y) == [0, 1, 2]
    assert [text.strip() for text in dots.text] == ["0.9", "0.8", "0.5"]
    low, high = figure.layout.yaxis.range
    assert low > high
    assert [text.split()[0] for text in figure.layout.yaxis.ticktext] == ["a", "b", "c"]
    assert figure.layout.xaxis.range[0] < 0.5
    assert figure.layout.xaxis.range[1] > 0.9


def test_gaps_stand_between_their_rows_and_the_biggest_has_words_and_a_line():
    figure = figures.scores(["a", "b", "c", "d"], [0.9, 0.89, 0.5, 0.45], value_name="score", title="t")
    assert written(figure, "−0.01").y == 0.5
    assert written(figure, "−0.05").y == 2.5
    biggest = written(figure, "biggest")
    assert biggest.text == "<b>−0.39</b>  biggest drop after #2"
    assert (biggest.y, biggest.font.color) == (1.5, figures.ORANGE)
    assert [s.y0 for s in figure.layout.shapes if s.line.color == figures.ORANGE] == [1.5]


def test_distances_grow_down_the_list():
    figure = figures.scores(["a", "b", "c"], [0.1, 0.2, 0.6], value_name="distance", title="t", lower_is_better=True)
    assert written(figure, "biggest").text == "<b>+0.4</b>  biggest step after #2"
    assert figure.layout.xaxis.title.text == "distance (smaller is better)"


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.8], [0.5, 0.5, 0.5], [0.75, 0.5, 0.25], [0.1, 0.2, 0.3]])
def test_no_gap_is_called_the_biggest_when_none_stands_out(values):
    figure = figures.scores(["x"] * len(values), values, value_name="score", title="t")
    assert not any("biggest" in text for text in words(figure))


def test_rows_without_a_value_say_so_and_have_no_gaps():
    figure = figures.scores(list("abcd"), [0.9, None, float("nan"), 0.1], value_name="score", title="t")
    assert list(figure.data[0].y) == [0, 3]
    assert [(a.text, a.y) for a in figure.layout.annotations] == [("no score", 1), ("no score", 2)]


def test_values_that_are_all_the_same_have_room_on_the_axis():
    low, high = figures.scores(["a"], [0.0], value_name="score", title="t").layout.xaxis.range
    assert low < 0 < high


def test_only_the_first_rows_of_many_are_drawn():
    figure = figures.scores([f"row {i}" for i in range(1_000)], range(1_000, 0, -1), value_name="n", title="all")
    assert len(figure.data[0].x) == 50
    assert figure.layout.title.text == "all (the first 50 of 1,000 rows)"
    assert figure.layout.height < 2_000


# --- hybrid ---------------------------------------------------------------------------------------------------------


def test_shares_are_stacked_and_their_sum_is_written_at_the_end():
    figure = hybrid()
    bars = {trace.name: trace for trace in figure.data if trace.type == "bar"}
    assert list(bars["vector"].x) == [1 / 62, 1 / 61, 0.0]
    assert list(bars["keyword"].x) == [1 / 61, 0.0, 1 / 67]
    assert figure.layout.barmode == "stack"
    total = written(figure, "0.03252")
    assert (total.x, total.y) == (1 / 62 + 1 / 61, 0)
    assert list(bars["keyword"].hovertext) == [
        "#1 a<br>keyword rank 1: adds 0.01639 to the score",
        "#2 b<br>not found by keyword: adds 0.00000 to the score",
        "#3 c<br>keyword rank 7: adds 0.01493 to the score",
    ]


def moves(figure):
    return [t for t in figure.data if t.type == "scatter" and t.mode == "lines+markers"]


def lines(figure, color):
    (trace,) = (t for t in moves(figure) if t.line.color == color)
    x, y = list(trace.x), list(trace.y)
    return [(x[i], y[i], x[i + 1], y[i + 1]) for i in range(0, len(x), 3)]


def test_moves_go_from_each_legs_rank_to_the_rank_in_the_result():
    figure = hybrid()
    assert lines(figure, figures.BLUE) == [(0, 1, 1, 0), (0, 0, 1, 1)]
    assert lines(figure, figures.ORANGE) == [(2, 0, 1, 0), (2, 3, 1, 2)]


def test_ranks_beyond_the_rows_follow_in_order_without_a_gap():
    figure = hybrid(vector=(1, 2, 64), keyword=(47, 3, 1))
    assert lines(figure, figures.BLUE)[2] == (0, 4, 1, 2)
    assert lines(figure, figures.ORANGE)[0] == (2, 3, 1, 0)
    assert written(figure, "#64").y == 4
    assert max(figure.layout.yaxis.range) == pytest.approx(4.6)


def test_a_row_that_a_leg_did_not_find_is_marked():
    figure = hybrid()
    assert (written(figure, "by keyword").text, written(figure, "by keyword").x) == ("not found<br>by keyword", 2)
    assert written(figure, "by vector").x == 0
    dotted = [t for t in moves(figure) if t.line.dash == "dot"]
    said = {trace.hovertext[0] for trace in dotted if trace.hovertext}
    assert said == {"c<br>not found by vector → #3 in the result", "b<br>not found by keyword → #2 in the result"}


def test_nothing_is_called_missing_when_both_legs_found_all():
    figure = hybrid(vector=(1, 2, 3), keyword=(2, 1, 3))
    assert not any("not found" in text for text in words(figure))
    assert max(figure.layout.yaxis.range) == pytest.approx(2.6)


# --- the steps of a plan ----------------------------------------------------------------------------------------------


def steps():
    """A join of a scan that took most of the time, and of a sort of a vector index's rows, one of which never ran."""
    mark = figures.Mark("R04", "warning", "the operator is not that of the index")
    return [
        figures.Step("Hash Join", ["a fact"], 0, 0.0, 100.0, 3.0, took="3 ms", brief=["7 rows"], rows=7),
        figures.Step("Seq Scan on a", ["b fact"], 1, 0.0, 92.0, 92.0, took="92 ms", rows=100_000, marks=[mark]),
        figures.Step("Sort", ["c fact"], 1, 92.0, 5.0, 5.0, took="5 ms", rows=10),
        figures.Step("Index Scan", ["d fact"], 2, 92.0, 0.0, 0.0, is_vector_scan=True, ran=False, brief=["never ran"]),
    ]


def tree(found=None):
    return figures.tree(found or steps(), unit="the time", title="t").figure()


def test_a_card_has_its_share_in_colour_number_and_length():
    cards, lengths = tree().data
    assert list(cards.marker.color) == ["#5f6b78", "#b91c1c", "#5f6b78", "rgba(128,128,128,0.18)"]
    right = cards.base[0] + cards.x[0]
    assert [base + x for base, x in zip(cards.base, cards.x, strict=True)] == pytest.approx([right] * 4)
    assert lengths.x[1] / lengths.x[2] == pytest.approx(92 / 5)
    assert [a.text for a in tree().layout.annotations if "%</b>" in a.text] == [
        *("<b>3 %</b><br>3 ms", "<b>92 %</b><br>92 ms", "<b>5 %</b><br>5 ms")
    ]


@pytest.mark.parametrize(
    ("share", "color"), [(0.0, 3), (0.099, 3), (0.1, 2), (0.39, 2), (0.4, 1), (0.89, 1), (0.9, 0), (1.0, 0)]
)
def test_the_colours_change_at_10_40_and_90_percent(share, color):
    from pgvec_magic.figures.tree import HEAT

    found = [figures.Step("a", [], 0, 0.0, 1.0, share), figures.Step("b", [], 1, 0.0, 1.0, 1 - share)]
    assert tree(found).data[0].marker.color[0] == HEAT[color][1]


def test_white_words_are_readable_on_every_card_and_cards_are_seen_on_white_and_black():
    from pgvec_magic.figures.tree import HEAT

    def light(color):
        linear = [(v / 12.92 if v <= 0.04 else ((v + 0.055) / 1.055) ** 2.4) for v in color]
        return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    for _, color in HEAT:
        shade = light([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        assert 1.05 / (shade + 0.05) > 4.5
        assert (shade + 0.05) / 0.05 > 3


def test_what_has_one_step_below_it_has_it_straight_below_and_of_several_each_is_moved():
    cards = tree().data[0]
    assert cards.base[0] < cards.base[1] == cards.base[2] == cards.base[3]
    assert list(cards.y) == [0, 1, 2, 3]
    many = [figures.Step("a", [], depth, 0.0, 1.0, 0.1) for depth in range(60)]
    assert set(tree(many).data[0].base) == {0.0}
    deep = [figures.Step("a", [], depth, 0.0, 1.0, 0.1) for i in range(60) for depth in (i, i)][1:]
    assert max(tree(deep).data[0].base) < 500


def test_lines_are_the_thicker_the_more_rows_went_up_and_dotted_where_none_could():
    lines = tree().layout.shapes
    widths = [line.line.width for line in lines]
    assert widths[0] == widths[1] > widths[2] == widths[3] > widths[4]
    assert [line.line.dash for line in lines] == [None] * 4 + ["dot"]


def test_both_pictures_mark_vector_scans_and_what_is_wrong_with_more_than_colour():
    for figure in (tree(), figures.icicle(steps(), unit="milliseconds", title="t").figure()):
        said = words(figure)
        assert any("◆ vector index" in text for text in said)
        assert any("▲ R04</" in text and "the operator is not" in text for text in said)
        assert any("▲ R04 Seq Scan on a" in text for text in said)
        assert "▲ R04 the operator is not that of the index" in figure.data[0].hovertext[1]
    assert any("◆ Index Scan" in text for text in words(tree()))


def test_every_step_can_be_pointed_at_and_clicked_on_a_page_without_scripts():
    for sketch in (
        figures.tree(steps(), unit="the time", title=""),
        figures.icicle(steps(), unit="milliseconds", title=""),
    ):
        drawn = ET.fromstring(sketch.svg())
        groups = list(drawn.iter(f"{SVG}g"))
        assert [group.get("data-step") for group in groups] == ["0", "1", "2", "3"]
        assert [group.find(f"{SVG}title").text.split("\n")[-1] for group in groups] == [
            *("a fact", "b fact", "c fact", "d fact")
        ]
        assert len(sketch.svg()) < 10_000
        for text in drawn.iter(f"{SVG}tspan"):
            assert 0 <= float(text.get("x", 1)) <= 860
            assert 0 <= float(text.get("y", 1)) <= float(drawn.get("height"))


def test_pictures_of_steps_need_no_plotly_until_they_are_a_figure():
    script = """
import sys
from pgvec_magic import figures
step = figures.Step("Limit", [], 0, 0.0, 1.0, 1.0)
assert figures.tree([step], unit="the time", title="t").svg() and figures.icicle([step], unit="ms", title="").svg()
assert "plotly" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


# --- both -----------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)

    def handle_data(self, data):
        self.text += data


def strings(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("kind", ["scores", "shares", "icicle", "tree"])
def test_hostile_labels_stay_text(kind):
    if kind in ("icicle", "tree"):
        mark = figures.Mark("R01", "error", HOSTILE)
        step = figures.Step(HOSTILE, [HOSTILE], 0, 0.0, 1.0, 1.0, took="1 ms", brief=[HOSTILE], marks=[mark])
        figure = getattr(figures, kind)([step], unit="milliseconds", title=HOSTILE).figure()
    elif kind == "scores":
        figure = figures.scores([HOSTILE] * 2, [0.9, None], value_name=HOSTILE, title=HOSTILE)
    else:
        figure = figures.shares([HOSTILE] * 2, [0.9, 0.8], [None, 0.7], [1, 2], [None, 1], title=HOSTILE)
    parts = json.loads(figure.to_json())
    assert "template" not in str([trace.to_plotly_json() for trace in figure.data])  # where %{x} would mean something
    seen = ""
    for text in strings([parts["data"], {**parts["layout"], "template": None}]):
        tags = Tags(text)
        assert set(tags.found) <= {"b", "br", "span"}
        assert "bold" not in text or "<b>bold" not in text
        assert not any(c in text for c in "$\x1b\x00\u202e")
        seen += tags.text
    assert "<b>bold</b> <a href" in seen
    assert "$\\href{x}{y}$ %{x} &lt;" in seen


def test_long_labels_are_cut_and_the_whole_stands_in_the_hover():
    label = "word " * 30
    figure = figures.scores([label], [0.5], value_name="score", title=label * 10)
    assert len(figure.layout.yaxis.ticktext[0]) < 70
    assert len(figure.layout.title.text) <= 100
    assert label.strip() in figure.data[0].hovertext[0]


@pytest.mark.parametrize(
    "figure",
    [
        figures.scores([], [], value_name="score", title="t"),
        figures.shares([], [], [], [], [], title="t"),
    ],
    ids=["scores", "shares"],
)
def test_without_rows_the_picture_says_so(figure):
    assert words(figure) == ["no rows"]
    assert len(figure.data) == 0


def test_pictures_have_no_background_of_their_own():
    for figure in (hybrid(), figures.scores(["a"], [0.5], value_name="score", title="t")):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
