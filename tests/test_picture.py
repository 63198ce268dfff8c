from __future__ import annotations

import copy
import pickle
import xml.etree.ElementTree as ET

import plotly.io as pio
import pytest
from IPython.core.formatters import DisplayFormatter

from pgvec_magic import figures
from pgvec_magic.render import drawing, markup, picture

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</text><script>alert(1)</script><b>bold</b> &lt; $x$ \x1b[31m\x9b2J\u202ecod"


def scores(labels=("a", "b", "c"), values=(0.9, 0.8, 0.5), title="a question"):
    return figures.scores(labels, values, value_name="score", title=title)


def shares(title="a question"):
    vector, keyword = (2, 1, None), (1, None, 7)

    def share(ranks):
        return [None if rank is None else 1 / (60 + rank) for rank in ranks]

    return figures.shares(("a", "b", "c"), share(vector), share(keyword), vector, keyword, title=title)


def bundle(figure):
    return DisplayFormatter().format(figure)[0]


def drawn(figure) -> ET.Element:
    return ET.fromstring(bundle(figure)["image/svg+xml"])


def words(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


# --- what a front end gets ------------------------------------------------------------------------------------------


def test_a_picture_is_shown_in_three_ways_none_of_which_fetches_anything(monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    shown = bundle(shares())
    assert sorted(shown) == ["application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"]
    assert "https://" not in str(shown)
    assert len(shown["image/svg+xml"]) < 20_000


def test_a_renderer_that_a_person_chose_is_used(monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "json")
    assert "application/json" in bundle(scores())


def test_a_picture_can_be_copied_pickled_and_changed():
    for again in (copy.deepcopy(scores()), pickle.loads(pickle.dumps(scores()))):
        assert bundle(again.update_layout(title="another")).keys() == bundle(scores()).keys()
        assert words(drawn(again))[-1] == "another"


def test_in_a_terminal_every_row_stands_with_its_numbers():
    lines = bundle(shares())["text/plain"].split("\n")
    assert lines[0] == "a question"
    assert lines[1:4] == [
        "#1 a",
        "    vector rank 2: adds 0.01613 to the score",
        "    keyword rank 1: adds 0.01639 to the score",
    ]
    assert "    not found by vector: adds 0.00000 to the score" in lines
    assert ".show()" in lines[-1]


def test_in_a_terminal_rows_without_a_value_are_counted_and_no_rows_are_said():
    assert "rows without a value: 1" in bundle(scores(values=(0.9, None, 0.5)))["text/plain"]
    assert "no rows" in bundle(scores((), ()))["text/plain"]


def test_no_line_is_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = bundle(scores(["word " * 40] * 3, title="word " * 40))["text/plain"]
    assert max(len(line) for line in text.split("\n")[:-1]) <= 40


# --- the drawing ----------------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_shares_and_stacked():
    boxes = [
        {k: float(v) for k, v in box.items() if k in ("x", "y", "width")} for box in drawn(shares()).iter(f"{SVG}rect")
    ]
    vector, keyword = boxes[:3], boxes[3:]
    assert len(keyword) == 3
    assert vector[0]["width"] / vector[1]["width"] == pytest.approx((1 / 62) / (1 / 61), rel=0.01)
    assert keyword[0]["x"] == pytest.approx(vector[0]["x"] + vector[0]["width"], abs=0.2)
    assert [box["y"] for box in vector] == sorted(box["y"] for box in vector)
    assert (vector[2]["width"], keyword[1]["width"]) == (0, 0)


def test_dots_stand_where_their_numbers_are():
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawn(scores()).iter(f"{SVG}circle")]
    (a, b, c) = dots
    assert (a[0] - b[0]) / (a[0] - c[0]) == pytest.approx(0.1 / 0.4, abs=0.01)
    assert a[1] < b[1] < c[1]
    assert b[1] - a[1] == pytest.approx(c[1] - b[1], abs=0.2)


def test_every_text_of_the_picture_is_in_the_drawing_and_inside_of_it():
    root = drawn(shares())
    seen = words(root)
    for text in (
        "a question",
        "vector rank",
        "keyword rank",
        "result",
        "RRF score",
        "a  #1 ",
        "#7",
        "score = ■ vector + ■ keyword",
    ):
        assert text in seen, text
    places = [(float(t.get("x")), float(t.get("y"))) for t in root.iter(f"{SVG}tspan") if t.get("x")]
    assert all(0 <= x <= drawing.WIDTH and 0 <= y <= float(root.get("height")) for x, y in places)


def test_hostile_labels_are_text_in_the_drawing_and_in_the_terminal():
    figure = scores([EVIL] * 3, title=EVIL)
    root = drawn(figure)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "text", "tspan", "line", "rect", "circle")
    }
    assert any("<script>alert(1)</script>" in text for text in words(root))
    whole = str(bundle(figure))
    assert not any(sign in whole for sign in "\x1b\x9b\u202e")
    assert "$x$" in "".join(words(root))


def test_a_picture_of_other_parts_is_not_drawn_by_half():
    layout = scores().layout.to_plotly_json()
    traces = [trace.to_plotly_json() for trace in scores().data]
    assert drawing.svg(traces, layout)
    assert drawing.svg([*traces, {"type": "heatmap", "z": [[1]], "x": [], "y": []}], layout) is None
    assert drawing.svg([{**traces[0], "y": ["a", "b", "c"]}], layout) is None
    assert drawing.svg(traces, layout | {"xaxis": {"type": "date"}}) is None
    assert drawing.svg([{**traces[0], "x": range(6000), "y": range(6000)}], layout) is None


def test_bars_of_plain_plotly_settings_are_drawn_beside_one_another_from_zero():
    bars = [{"type": "bar", "x": [1, 2], "y": [3, 6]}, {"type": "bar", "x": [1, 2], "y": [1, 2]}]
    root = ET.fromstring(drawing.svg(bars, {}))
    boxes = [
        {k: float(v) for k, v in box.items() if k in ("x", "y", "width", "height")} for box in root.iter(f"{SVG}rect")
    ]
    assert [round(box["height"] / boxes[2]["height"]) for box in boxes] == [3, 6, 1, 2]
    assert boxes[2]["x"] == pytest.approx(boxes[0]["x"] + boxes[0]["width"], abs=0.2)
    assert len({round(box["y"] + box["height"]) for box in boxes}) == 1
    assert {"0", "2", "4", "6"} <= set(words(root))


def test_logarithms_and_names_have_axes_of_their_own():
    bars = {"type": "bar", "x": ["few", "many"], "y": [10, 1000], "text": ["ten", "<b>more</b>"]}
    layout = {"xaxis": {"type": "category"}, "yaxis": {"type": "log", "range": [0, 3]}}
    root = ET.fromstring(drawing.svg([bars], layout))
    few, many = (float(box.get("height")) for box in root.iter(f"{SVG}rect"))
    assert many == pytest.approx(3 * few, rel=0.01)
    assert {"few", "many", "1", "10", "100", "1,000", "ten", "more"} <= set(words(root))


def test_duplicates_are_drawn():
    figure = figures.duplicates(
        [0.0, 0.011, 0.021, 0.031], [2, 2, 3], max_distance=0.05, value_name="cosine distance", title="twins"
    )
    assert {"twins", "pairs by distance", "rows in the group", "1 at 0"} <= set(words(drawn(figure)))


def test_bars_of_one_name_keep_their_own_lines_and_those_of_one_row_stand_together():
    bars = [
        {"type": "bar", "hovertext": ["same<br>one", "same<br>two"]},
        {"type": "bar", "hovertext": ["same<br>three"]},
    ]
    lines = picture.words(bars, {}).split("\n")
    assert lines[1:-1] == ["same", "    one", "    three", "same", "    two"]


def test_marked_text_is_read_as_plotly_reads_it():
    lines = markup.lines('a <b>b &lt;i&gt;</b><br>c <span style="color:#123456">d</span> <u>e</u></b>')
    assert [[(run.text, run.bold, run.color) for run in line] for line in lines] == [
        [("a ", False, None), ("b <i>", True, None)],
        [("c ", False, None), ("d", False, "#123456"), (" ", False, None), ("e", False, None)],
    ]
    assert markup.plain("a<br>b &amp; c") == "a\nb & c"
