import io
import re
from dataclasses import replace

import numpy as np
import pytest
from explanations import make_explanation
from removals import SENTENCE, with_removal
from rich.cells import cell_len
from rich.console import Console

from ihcli import console
from ihcli.results import Explanation

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = r"[−+]?\d+\.\d+"


def printed(e: Explanation, width: int = 100, *, colour: str | None = None, diagonal: bool = True) -> str:
    stream = io.StringIO()
    system = Console(
        file=stream,
        width=width,
        color_system=colour,
        force_terminal=colour is not None,
        legacy_windows=False,  # type: ignore[arg-type]
    )
    console.render(e, system, diagonal=diagonal)
    return stream.getvalue()


def joined(text: str) -> str:
    return " ".join(text.split())


def test_everything_of_a_result_is_said() -> None:
    text = joined(printed(replace(make_explanation(5), warnings=("The text was cut.",)), 120))
    for part in (
        "this movie was not bad",
        "POSITIVE (p = 0.966)",
        "f = logit of POSITIVE: 0.250 at the baseline pad",
        "Attributions (Integrated Gradients): + speaks for POSITIVE",
        "not · bad +0.42 +0.84",
        "Converged to 1 %",
        "The pairs add",
        "warning: The text was cut.",
    ):
        assert part in text, part


def test_a_result_that_did_not_converge_says_so() -> None:
    e = make_explanation(4)
    e = replace(e, certificate=replace(e.certificate, converged=False, row_gap=0.21))
    text = joined(printed(e))
    assert "NOT CONVERGED to 1 %: the largest error of a row is 50 % of the largest entry" in text
    assert "Converged" not in text


@pytest.mark.parametrize("units", [1, 2, 7, 25, 60])
@pytest.mark.parametrize("width", [20, 33, 80, 200])
def test_no_line_is_wider_than_the_window(units: int, width: int) -> None:
    assert max(cell_len(line) for line in printed(make_explanation(units), width).splitlines()) <= width


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_row_of_the_matrix_is_one_line(width: int) -> None:
    e = make_explanation(25)
    lines = [line.plain for line in console.matrix(e, width)]
    body = lines[2 : next(k for k, line in enumerate(lines) if "units, those of" in line or "The matrix" in line)]
    for line in body:
        assert len(re.findall(rf"\(?{NUMBER}\)?", line)) == len(body), line
    if len(body) < 25:
        assert f"{len(body)} of 25 units" in " ".join(lines)


def test_the_units_kept_in_a_narrow_window_are_those_of_the_strongest_pairs() -> None:
    ih = np.zeros((30, 30))
    ih[4, 21] = ih[21, 4] = -2.0
    ih[9, 13] = ih[13, 9] = 1.0
    lines = [line.plain for line in console.matrix(make_explanation(30, ih=ih), 44)]
    assert [line.split()[0] for line in lines[2:6]] == ["bad", "quite", ",", "scene"]
    assert "−2.00" in lines[2]


def test_names_of_columns_are_in_full_where_the_window_has_room() -> None:
    header = console.matrix(make_explanation(text="charming disaster"), 80)[1].plain
    assert header.split() == ["charming", "disaster"]


def test_a_window_without_room_says_so() -> None:
    assert "too narrow" in joined(printed(make_explanation(5), 14))


def test_values_and_brackets_of_the_matrix() -> None:
    ih = np.array([[0.5, -0.25], [-0.25, 0.125]])
    with_diagonal = [line.plain.split() for line in console.matrix(make_explanation(2, ih=ih), 60)]
    assert with_diagonal[2:4] == [["this", "(0.50)", "−0.25"], ["movie", "−0.25", "(0.12)"]]
    without = [line.plain.split() for line in console.matrix(make_explanation(2, ih=ih), 60, diagonal=False)]
    assert without[2:4] == [["this", "−0.25"], ["movie", "−0.25"]]


@pytest.mark.parametrize("factor", [1e-8, 1e-3, 1.0, 1e8])
def test_matrix_attributions_and_pairs_are_in_one_unit(factor: float) -> None:
    ih = factor * np.array([[0.5, -0.125], [-0.125, 0.125]])
    text = printed(make_explanation(2, ih=ih))
    titles = [line for line in text.splitlines() if line.startswith(("Attributions", "Interactions", "Strongest"))]
    powers = [re.findall(r"×10(\S+)", title) for title in titles]
    assert [len(of_title) for of_title in powers] == ([0, 0, 0] if 1e-4 < factor < 1e6 else [1, 1, 2])
    assert len({power.rstrip(":") for of_title in powers for power in of_title}) <= 1
    [entry] = {re.findall(NUMBER, line)[0].lstrip("+") for line in text.splitlines() if line.startswith("this · movie")}
    row = next(line for line in text.splitlines() if re.match(r"this +\(", line))
    assert entry in row


def test_an_entry_that_was_not_computed_is_a_question_mark() -> None:
    ih = np.array([[0.5, np.nan, 1.0], [np.nan, 0.1, 0.2], [1.0, 0.2, 0.3]])
    lines = [line.plain.split() for line in console.matrix(make_explanation(3, ih=ih), 60)]
    assert lines[2] == ["this", "(0.50)", "?", "1.00"]


def test_a_matrix_of_zeros_is_said_to_be_zero() -> None:
    assert "None: every interaction is zero." in printed(make_explanation(3, ih=np.zeros((3, 3))))


def test_entries_that_cancel_lead_to_the_figure_that_shows_why() -> None:
    ih = np.array([[-3.0, 3.1], [3.1, -3.0]])
    text = joined(printed(make_explanation(2, ih=ih)))
    assert "Entries of both signs nearly cancel: Σ|Γ| is 61 times |f(x) − f(x′)|." in text
    assert "`ih plot RESULT --kind baseline-to-text`" in text
    assert "ih plot" not in joined(printed(make_explanation(2, ih=ih, path=None)))
    assert "cancel" not in joined(printed(make_explanation(2)))


def test_the_check_by_removal_is_told() -> None:
    assert SENTENCE in joined(printed(with_removal(make_explanation(5))))


def test_another_method_has_its_own_names_and_adds_an_entry_once() -> None:
    text = printed(make_explanation(5, method="shapley"))
    assert "Attributions (Shapley values)" in text
    assert "A pair adds its entry once." in text
    assert re.search(r"Strongest pairs +interaction\n", text)
    for word in ("Γ", "Integrated", "adds 2"):
        assert word not in text


def test_a_method_without_interactions_says_so() -> None:
    ih = np.full((3, 3), np.nan)
    np.fill_diagonal(ih, [0.5, -0.25, 0.1])
    text = printed(make_explanation(3, ih=ih, method="lime"))
    assert "None: LIME has no interactions." in text
    assert "Strongest pairs" not in text


def test_colour_is_there_and_plain_text_has_none() -> None:
    e = make_explanation(5)
    coloured = printed(e, colour="truecolor")
    assert "\x1b[" in coloured
    assert "\x1b[" not in printed(e)
    assert ESCAPE.sub("", coloured) == printed(e)


def test_signs_have_the_two_ends_of_the_palette() -> None:
    ih = np.array([[0.0, 1.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    row = console.matrix(make_explanation(3, ih=ih), 60)[2]
    positive, negative = (span.style for span in row.spans if getattr(span.style, "bgcolor", None))
    red, _, blue = positive.bgcolor.triplet  # type: ignore[union-attr]
    assert red > blue
    red, _, blue = negative.bgcolor.triplet  # type: ignore[union-attr]
    assert blue > red


def test_text_has_no_effect_on_the_terminal() -> None:
    text = printed(make_explanation(text="[red]bold[/red] \x1b[31mred :smile: \u202eevil \x07bell \ud800half"))
    for acting in "\x1b\x07\u202e\ud800":
        assert acting not in text
    assert "[red]bold[/red]" in text
    assert ":smile:" in text


def test_wide_letters_keep_the_columns_straight() -> None:
    lines = [line.plain for line in console.matrix(make_explanation(text="这部 电影 真 不错"), 80)]
    assert len({cell_len(line.rstrip()) for line in lines[2:6]}) <= 2
    assert max(cell_len(line) for line in lines[1:6]) <= 80


def test_a_pair_of_texts_shows_both() -> None:
    e = make_explanation(4)
    units = tuple(
        replace(u, side="text_pair", start=u.start - 11, end=u.end - 11) if k > 1 else u for k, u in enumerate(e.units)
    )
    e = replace(e, text="this movie", text_pair="was not", units=units)
    assert printed(e).splitlines()[0] == "this movie │ was not"
