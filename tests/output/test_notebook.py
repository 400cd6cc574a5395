"""The fragment of a notebook and the short text, read back as XML and as lines; the fragment in Chromium, if there."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from explanations import make_explanation
from removals import SENTENCE, with_removal

from ihcli.output import notebook_progress
from ihcli.output.notebook import MOST_ARC_UNITS, MOST_MATRIX_UNITS, MOST_SHOWN_UNITS, html, summary
from ihcli.output.notebook_progress import bar
from ihcli.palette import DARK, LIGHT
from ihcli.results import Explanation, Unit

NASTY = '<script>alert(1)</script><img src=x onerror=alert(2)> \x00\x1b[31m\ufffe\u202e\ud800 ]]> &amp; "quoted" \''
SVG = "{http://www.w3.org/2000/svg}"


def parsed(e: Explanation) -> ET.Element:
    return ET.fromstring(html(e))  # noqa: S314  (our own text)


def text_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def cells(root: ET.Element) -> list[list[str]]:
    return [[text_of(cell) for cell in row] for row in root.iter("tr")]


def numbers(row: list[str]) -> list[float]:
    return [float(value.replace("−", "-")) for value in row]


@pytest.mark.parametrize("units", [1, 2, 7, MOST_MATRIX_UNITS + 1, MOST_ARC_UNITS, MOST_ARC_UNITS + 1, 200])
def test_the_fragment_is_well_formed_and_says_what_was_explained(units: int) -> None:
    e = make_explanation(units)
    root = parsed(e)
    assert (root.tag, root.get("class")) == ("div", "ih-explanation")
    said = text_of(root)
    for part in ("POSITIVE (p = 0.966)", "f = logit of POSITIVE: 0.250 at the baseline pad", "Converged to 1 %"):
        assert part in said, part
    assert ("The only entry is" if units == 1 else "The pairs add") in said
    assert "speaks for POSITIVE" in said


def test_the_matrix_holds_its_numbers_and_a_grey_diagonal() -> None:
    e = make_explanation(5)
    head, *rows = cells(parsed(e))
    assert head == ["Γ", *(unit.text for unit in e.units), "IG"]
    for u, (name, *values) in enumerate(rows):
        assert name == e.units[u].text
        assert numbers(values) == pytest.approx([*e.ih[u], e.ig[u]], abs=0.006)
    own = [text_of(cell) for cell in parsed(e).iter("td") if cell.get("class") == "own"]
    assert numbers(own) == pytest.approx(e.ih.diagonal(), abs=0.006)


def test_colours_are_those_of_both_themes() -> None:
    ih = np.array([[0.0, 2.0], [2.0, 0.0]])
    [_, row, _] = list(parsed(make_explanation(2, ih=ih)).iter("tr"))
    assert f"background:light-dark({LIGHT.hex(1)},{DARK.hex(1)})" in (row[2].get("style") or "")


def test_arcs_are_the_strongest_pairs_positive_above_and_negative_below() -> None:
    ih = np.zeros((4, 4))
    ih[0, 1] = ih[1, 0] = 0.8
    ih[1, 3] = ih[3, 1] = -0.4
    root = parsed(make_explanation(4, ih=ih))
    [svg] = root.iter(f"{SVG}svg")
    assert "this and movie +0.80; movie and not −0.40" in (svg.get("aria-label") or "")
    words = {text_of(t): float(t.get("y") or 0) for t in svg.iter(f"{SVG}text")}
    assert words["+0.80"] < words["movie"] < words["−0.40"]
    widths = [float(re.findall(r"stroke-width:([\d.]+)", p.get("style") or "")[0]) for p in svg.iter(f"{SVG}path")]
    assert sorted(widths) == pytest.approx([1 + 3.5 * 0.5, 1 + 3.5], abs=0.06)
    drawn = [float(n) for path in svg.iter(f"{SVG}path") for n in re.findall(r"-?[\d.]+", path.get("d") or "")]
    left, top, width, height = (float(n) for n in (svg.get("viewBox") or "").split())
    assert all(left <= x <= left + width for x in drawn[::2])
    assert all(top <= y <= top + height for y in drawn[1::2])


def test_no_text_becomes_markup() -> None:
    e = make_explanation(3)
    units = (Unit(NASTY, 0, len(NASTY), (NASTY,)), *e.units[1:])
    e = replace(e, text=NASTY, units=units, warnings=(NASTY,), baseline={"kind": "text", "text": NASTY})
    e = replace(e, target=replace(e.target, label=NASTY), prediction=replace(e.prediction, label=NASTY))
    for some in (e, replace(e, units=units * 40, ih=np.eye(120), ig=np.ones(120))):
        root = parsed(some)
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"div", "style", "p", "strong", "span", "svg", "path", "rect", "text", "table", "tr", "th", "td"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not {name for name in names if name.startswith("on") or name in {"href", "src", "id"}}
        assert "<script>alert(1)</script>" in text_of(root)
        assert not set("\x00\x1b\u202e\ud800\ufffe") & set(html(some))


def test_a_long_text_is_cut_and_a_note_says_so() -> None:
    root = parsed(make_explanation(200))
    said = text_of(root)
    assert f"Arcs are drawn for up to {MOST_ARC_UNITS} units; this text has 200. Cut: 50 more units." in said
    assert f"{MOST_MATRIX_UNITS} of 200 units are shown, those of the strongest pairs." in said
    assert len(cells(root)) == MOST_MATRIX_UNITS + 1
    [text] = [p for p in root.iter("p") if p.get("class") == "text"]
    assert len(list(text)) == MOST_SHOWN_UNITS
    assert len(html(make_explanation(200))) < 60_000


def test_entries_that_were_not_computed_are_question_marks() -> None:
    ih = np.array([[0.5, np.nan, 1.0], [np.nan, np.nan, 0.2], [1.0, 0.2, 0.3]])
    root = parsed(make_explanation(3, ih=ih))
    assert [row[1:3] for row in cells(root)[1:3]] == [["0.50", "?"], ["?", "?"]]
    missing = [cell for cell in root.iter("td") if cell.get("title") == "not computed"]
    assert len(missing) == 3


def test_a_result_without_any_known_entry_is_shown() -> None:
    e = make_explanation(3, ih=np.full((3, 3), np.nan))
    assert "arcs for its strongest pairs: none" in html(e)
    assert "Interactions: none" in summary(e)


def test_a_result_that_did_not_converge_is_marked() -> None:
    e = make_explanation(3)
    e = replace(e, certificate=replace(e.certificate, converged=False))
    [marked] = [p for p in parsed(e).iter("p") if p.get("class") == "failed"]
    assert "NOT CONVERGED" in text_of(marked)


def test_the_check_by_removal_is_told() -> None:
    e = with_removal(make_explanation(5))
    assert SENTENCE in text_of(parsed(e))
    assert SENTENCE in summary(e).splitlines()


def test_another_method_has_its_own_names() -> None:
    e = make_explanation(4, method="shapley")
    root = parsed(e)
    assert cells(root)[0][-1] == "SV"
    assert "Shapley values" in text_of(root)
    assert "Shapley values: " in summary(e)
    assert "Γ" not in text_of(root) + summary(e)


# --- the short text ---


@pytest.mark.parametrize("units", [1, 2, 7, 200])
def test_the_summary_is_short_and_names_the_strongest(units: int) -> None:
    e = make_explanation(units, warnings=tuple(f"Warning {n}." for n in range(9)))
    lines = summary(e).splitlines()
    assert len(lines) < 15
    assert lines[0].startswith("this")
    assert len(lines[0]) <= 100
    assert "POSITIVE (p = 0.966); f = logit of POSITIVE" in lines[1]
    strongest = int(np.argmax(np.abs(e.ig)))
    assert e.units[strongest].text in lines[2]
    for i, j, _ in e.pairs()[:1]:
        assert e.units[i].text in lines[3]
        assert e.units[j].text in lines[3]


def test_the_summary_has_no_effect_on_a_terminal() -> None:
    text = summary(make_explanation(text=NASTY, warnings=(NASTY,)))
    assert not set("\x00\x1b\u202e\ud800\ufffe") & set(text)


# --- the bar of progress=True ---


def test_the_bar_of_a_terminal_shows_phase_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with bar() as report:
            report("integrating", 3, 10)
        terminal.flush()
        shown = b""
        while b"3/10" not in shown and select.select([master], [], [], 5)[0]:  # a read gives a part
            shown += os.read(master, 1 << 16)
    os.close(master)
    assert b"integrating" in shown
    assert b"3/10" in shown


def test_where_no_terminal_is_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with bar() as report:
        report("integrating", 3, 10)
    assert capsys.readouterr() == ("", "")


def test_the_bar_of_a_notebook_without_widgets_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(notebook_progress, "find_spec", lambda _: None)
    with bar() as report:
        report("integrating", 3, 10)
    shown = capsys.readouterr().err
    assert "integrating:  30%|" in shown
    assert "3/10" in shown


# --- in a browser ---

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run", "--disable-dev-shm-usage")  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize(
    ("theme", "scheme", "ground"), [("true", "light", "rgb(255, 255, 255)"), ("false", "dark", "rgb(20, 23, 28)")]
)
def test_the_fragment_follows_the_theme_of_the_notebook_and_runs_nothing(
    theme: str, scheme: str, ground: str, tmp_path: Path
) -> None:
    text = "<script>document.title='hacked'</script><img src=x onerror=document.title='hacked'> not bad"
    probe = (
        "<script>const s = getComputedStyle(document.querySelector('.ih-explanation'));"
        "document.body.append('[' + [document.title, s.colorScheme, s.backgroundColor].join('|') + ']')</script>"
    )
    page = tmp_path / "page.html"
    fragment = html(make_explanation(text=text))
    head = '<!doctype html><meta charset="utf-8"><title>safe</title>'
    page.write_text(f'{head}<body data-jp-theme-light="{theme}">{fragment}{probe}', encoding="utf-8")
    ran = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert f"[safe|{scheme}|{ground}]" in ran.stdout
