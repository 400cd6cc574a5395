import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from explanations import make_explanation
from rich.cells import cell_len
from rich.console import Console

from ihcli import console, wording
from ihcli.results import Explanation

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def shown(e: Explanation, width: int = 100, *, colour: str | None = None, diagonal: bool = True) -> str:
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


def test_everything_of_a_result_is_said() -> None:
    text = shown(replace(make_explanation(5), warnings=("The text was cut.",)), 120)
    for part in (
        "this movie was not bad",
        "POSITIVE (p = 0.966)",
        "f = logit of POSITIVE",
        "at the baseline (pad)",
        "Attributions (Integrated Gradients)",
        "not · bad +0.420",
        "Converged to 1 %",
        "accounts for 100.0 %",
        "warning: The text was cut.",
    ):
        assert part in " ".join(text.split()), part


def test_a_result_that_did_not_converge_says_so() -> None:
    e = make_explanation(4)
    e = replace(e, certificate=replace(e.certificate, converged=False, row_gap=0.21))
    text = shown(e)
    assert "NOT CONVERGED to 1 %: rows are off by up to 50 %" in text
    assert "Converged" not in text


@pytest.mark.parametrize("units", [1, 2, 7, 25, 60])
@pytest.mark.parametrize("width", [20, 33, 80, 200])
def test_no_line_is_wider_than_the_window(units: int, width: int) -> None:
    assert max(cell_len(line) for line in shown(make_explanation(units), width).splitlines()) <= width


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_row_of_the_matrix_is_one_line(width: int) -> None:
    e = make_explanation(25)
    lines = shown(e, width).splitlines()
    start = lines.index("Interactions Γ")
    header, *body = lines[start + 1 :]
    body = body[: next(k for k, line in enumerate(body) if "units, those of" in line or "A pair" in line)]
    columns = len(re.findall(r"\S+", header.replace("(", "").replace(")", ""))) if width == 160 else None
    for line in body:
        values = re.findall(r"[(]?−?\d\.\d\d[)]?", line)
        assert len(values) == len(body), line
    assert columns is None or columns >= len(body)
    if len(body) < 25:
        assert f"{len(body)} of 25 units" in " ".join(" ".join(lines).split())


def test_the_units_kept_in_a_narrow_window_are_those_of_the_strongest_pairs() -> None:
    ih = np.zeros((30, 30))
    ih[4, 21] = ih[21, 4] = -2.0
    ih[9, 13] = ih[13, 9] = 1.0
    lines = [line.plain for line in console.matrix(make_explanation(30, ih=ih), 44)]
    assert [line.split()[0] for line in lines[2:6]] == ["bad", "quite", ",", "scene"]
    assert "−2.00" in lines[2]


def test_a_window_without_room_says_so() -> None:
    assert "too narrow" in " ".join(shown(make_explanation(5), 14).split())


def test_values_and_brackets_of_the_matrix() -> None:
    ih = np.array([[0.5, -0.25], [-0.25, 0.125]])
    with_diagonal = [line.plain.split() for line in console.matrix(make_explanation(2, ih=ih), 60)]
    assert with_diagonal[2:4] == [["this", "(0.50)", "−0.25"], ["movie", "−0.25", "(0.12)"]]
    without = [line.plain.split() for line in console.matrix(make_explanation(2, ih=ih), 60, diagonal=False)]
    assert without[2:4] == [["this", "−0.25"], ["movie", "−0.25"]]


def test_what_was_not_computed_is_a_question_mark() -> None:
    ih = np.array([[0.5, np.nan, 1.0], [np.nan, 0.1, 0.2], [1.0, 0.2, 0.3]])
    lines = [line.plain.split() for line in console.matrix(make_explanation(3, ih=ih), 60)]
    assert lines[2] == ["this", "(0.50)", "?", "1.00"]


def test_all_zero_interactions_are_said_to_be_zero() -> None:
    assert "None: every interaction is zero." in shown(make_explanation(3, ih=np.zeros((3, 3))))


def test_colour_is_there_and_plain_text_has_none() -> None:
    e = make_explanation(5)
    coloured = shown(e, colour="truecolor")
    assert "\x1b[" in coloured
    assert "\x1b[" not in shown(e)
    assert ESCAPE.sub("", coloured) == shown(e)


def test_signs_have_the_two_ends_of_the_palette() -> None:
    ih = np.array([[0.0, 1.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    row = console.matrix(make_explanation(3, ih=ih), 60)[2]
    positive, negative = (span.style for span in row.spans if getattr(span.style, "bgcolor", None))
    red, _, blue = positive.bgcolor.triplet  # type: ignore[union-attr]
    assert red > blue
    red, _, blue = negative.bgcolor.triplet  # type: ignore[union-attr]
    assert blue > red


def test_text_has_no_effect_on_the_terminal() -> None:
    text = shown(make_explanation(text="[red]bold[/red] \x1b[31mred :smile: \u202eevil \x07bell"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
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
    assert shown(e).splitlines()[0] == "this movie │ was not"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.show(make_explanation(3))
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", capsys.readouterr().out)


def test_streams_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    console.show(make_explanation(3))
    loud, quiet = console.consoles(), console.consoles(quiet=True)
    loud.note("a note")
    quiet.note("no note")
    quiet.warn("a warning")
    quiet.error("an [error]")
    with console.progress(loud) as step:
        step("integrating", 1, 3)
    captured = capsys.readouterr()
    assert "Interactions" in captured.out
    assert captured.err == "a note\nwarning: a warning\nerror: an [error]\n"


def test_progress_is_drawn_on_a_terminal_only() -> None:
    streams = [io.StringIO(), io.StringIO(), io.StringIO()]
    for stream, terminal, hush in zip(streams, (True, False, True), (False, False, True), strict=True):
        err = Console(file=stream, force_terminal=terminal, width=80)
        with console.Progress(console.Consoles(Console(), err, hush)) as step:
            step("integrating [x]", 2, 3)
    assert "integrating [x]" in ESCAPE.sub("", streams[0].getvalue())
    assert streams[1].getvalue() == streams[2].getvalue() == ""


def test_warnings_become_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    import warnings

    with console.warnings_shown(console.consoles()):
        for _ in range(2):
            warnings.warn("no font", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: no font\n"


def test_a_terminal_that_is_not_unicode_still_gets_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.show(make_explanation(3))
    console.sys.stdout.flush()
    assert b"movie" in raw.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_document_is_exact_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    console.consoles()
    document = {"text": "naïve – 好 😀", "half": "\ud83d", "number": 0.1}
    console.write_json(json.dumps(document, ensure_ascii=False))
    console.sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == document


# --- the certificate in words ---


def certified(difference: float, gap: float, **certificate: Any) -> list[str]:
    """The sentences of a result whose entries reach 10, with that f(x) − f(x′) and completeness gap."""
    ih = np.array([[-10.0, 5.0], [5.0, difference + gap]])
    e = make_explanation(2, ih=ih)
    changed = replace(e.certificate, completeness_gap=abs(gap), **certificate)
    return wording.certificate(replace(e, f_input=e.f_baseline + difference, certificate=changed))


def test_a_complete_matrix_is_told_as_a_share_of_the_difference() -> None:
    assert certified(5.0, 0.02)[1] == "The matrix accounts for 99.6 % of f(x) − f(x′) = +5.00."
    assert certified(-5.0, 0.0)[1] == "The matrix accounts for 100.0 % of f(x) − f(x′) = −5.00."


def test_where_entries_cancel_the_gap_is_told_beside_the_largest() -> None:
    assert certified(0.5, 0.08)[1] == (
        "The matrix sums to +0.580, f(x) − f(x′) is +0.500: a gap of 0.80 % of the largest entry, 10.0; "
        "entries of both signs nearly cancel."
    )
    for difference, gap in ((0.05, 0.08), (0.0, 0.08), (-0.05, 0.08)):
        assert "accounts for" not in certified(difference, gap)[1]
    assert "cancel" not in certified(0.5, 0.8, converged=False)[1]


def test_the_verdict_says_what_is_known_of_rows_and_entries() -> None:
    assert certified(5.0, 0.0, row_gap=0.02, quadrature_error=0.03)[0] == (
        "Converged to 1 %: no row is off by more than 0.20 % of the largest entry, no entry by more than about 0.30 %."
    )
    rough = {"row_gap": 1.9, "quadrature_error": math.inf, "converged": False}
    assert certified(5.0, 0.0, **rough)[0] == (
        "NOT CONVERGED to 1 %: rows are off by up to 19 % of the largest entry, entries by an unknown amount."
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.0027, "0.27 %"), (0.67, "67 %"), (0.9996, "100.0 %"), (0.9896, "99 %"), (2.658, "266 %"),
     (1e-7, "less than 0.001 %"), (-0.37, "−37 %"), (math.inf, "?")],
)  # fmt: skip
def test_percentages(share: float, text: str) -> None:
    assert wording.percent(share) == text
