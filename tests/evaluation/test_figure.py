import math

import pytest

from ihcli.errors import UsageError
from ihcli.evaluation.figure import alternative_text, draw
from ihcli.evaluation.table import Evaluation, Source

IH, SHAP, LIME = Source("ih", "pad"), Source("shapley", "deletion"), Source("lime")


@pytest.fixture(scope="module")
def table():
    found = Evaluation()
    for text in range(12):
        found.add(IH, str(text), {"r_squared": 0.5 + 0.01 * text, "infidelity": 0.2, "tau_leave_one_out": 0.1 * text})
        found.add(SHAP, str(text), {"r_squared": 0.7 + 0.01 * text, "infidelity": 0.4})
    found.add(LIME, "0", {"r_squared": -0.3})
    return found.table()


def by_gid(figure):
    found = {}
    for axes in figure.axes:
        for artist in (*axes.lines, *axes.texts):
            if artist.get_gid():
                found[artist.get_gid()] = artist
    return found


def test_dots_and_lines_are_the_tables_numbers(table):
    artists = by_gid(draw(table))
    for source in (IH, SHAP):
        interval = table.interval(source, "r_squared")
        dot, line = (artists[f"{kind} r_squared {source.name}"] for kind in ("dot", "interval"))
        assert dot.get_xdata()[0] == interval.estimate
        assert list(line.get_xdata()) == [interval.low, interval.high]
        assert dot.get_ydata()[0] == line.get_ydata()[0]
    assert "interval r_squared lime" not in artists  # one text has no interval
    assert artists["dot r_squared lime"].get_xdata()[0] == -0.3
    assert artists["absent infidelity lime"].get_text() == "not measured"


def test_the_best_of_a_panel_is_filled(table):
    figure = draw(table)
    artists = by_gid(figure)
    ground = artists["dot r_squared ih · pad"].get_markerfacecolor()
    assert artists["dot r_squared shapley · deletion"].get_markerfacecolor() != ground
    assert artists["dot infidelity shapley · deletion"].get_markerfacecolor() == ground


def test_panels_rows_and_limits(table):
    figure = draw(table)
    assert [axes.get_label() for axes in figure.axes] == ["tau_leave_one_out", "infidelity", "r_squared"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "ih · pad",
        "shapley · deletion",
        "lime",
    ]
    for axes in figure.axes:
        low, high = axes.get_xlim()
        for line in axes.lines:
            if line.get_gid():
                assert low <= min(line.get_xdata()) <= max(line.get_xdata()) <= high
    titles = [text.get_text() for text in figure.texts]
    assert "R² with pairs (higher is better)" in titles
    assert "Explanations held against removal, 1 to 12 texts" in titles
    chosen = draw(table, heading="Mine", metrics=["r_squared"])
    assert [axes.get_label() for axes in chosen.axes] == ["r_squared"]
    assert "Mine" in [text.get_text() for text in chosen.texts]


def test_nothing_is_drawn_outside_of_the_sheet(table):
    figure = draw(table)
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for text in [*figure.texts, *(label for axes in figure.axes for label in axes.get_yticklabels())]:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert -1 <= box.x0 <= box.x1 <= width + 1, text
            assert -1 <= box.y0 <= box.y1 <= height + 1, text


def test_the_figure_in_words(table):
    words = alternative_text(table)
    assert "R² with pairs (higher is better): shapley · deletion (0.755)" in words
    assert "Infidelity (lower is better): ih · pad (0.2" in words


def test_metrics_without_values_are_refused(table):
    with pytest.raises(UsageError, match="no values of sufficiency"):
        draw(table, metrics=["sufficiency"])
    empty = Evaluation()
    empty.add(IH, "0", {"r_squared": math.nan})
    with pytest.raises(UsageError, match="no values of any metric"):
        draw(empty.table())
