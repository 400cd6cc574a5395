from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from drawn_figures import OF_ONE, assert_inside, draw, texts
from explanations import make_explanation
from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg

from ihcli.output import figures
from ihcli.output.figures import MissingGlyphWarning, fonts, lettering
from ihcli.output.figures.lettering import Lettering


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", held)
    monkeypatch.setattr(fonts, "add_new_fonts", lambda: None)


def drawn_and_saved(kind: str, e: Any, file: Path, **view: Any) -> Any:
    figure = draw(kind, e, **view)
    figures.save(figure, file, 60, "")
    return figure


@pytest.mark.usefixtures("only_dejavu")
@pytest.mark.parametrize("kind", OF_ONE)
def test_characters_that_no_font_holds_are_named_once_and_drawn_as_code_points(kind: str, tmp_path: Path) -> None:
    e = make_explanation(text="a 漢字 movie 한국 ok")
    with pytest.warns(MissingGlyphWarning) as caught:
        figure = drawn_and_saved(kind, e, tmp_path / "a.png")
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "No installed font holds 4 of the figure's characters (Chinese, Japanese or Korean)" in message
    assert "漢" in message
    assert "--font" in message
    drawn = " ".join(t.get_text() for t in texts(figure))
    assert "漢" not in drawn
    assert kind == "baseline-to-text" or "U+6F22" in drawn
    assert_inside(figure)


@pytest.mark.usefixtures("only_dejavu")
@pytest.mark.parametrize("kind", OF_ONE)
def test_labels_and_baselines_that_no_font_holds_are_no_warnings_of_matplotlib(kind: str, tmp_path: Path) -> None:
    e = make_explanation(3, baseline={"kind": "text", "text": "無"})
    e = replace(e, target=replace(e.target, label="積極"), model=replace(e.model, name="模型"))
    for caption in figures.CAPTIONS:
        with pytest.warns(MissingGlyphWarning) as caught:
            drawn_and_saved(kind, e, tmp_path / "a.svg", caption=caption, heading="題")
        assert len(caught) == 1, [str(w.message) for w in caught]


def test_letters_are_as_wide_at_any_resolution_as_they_were_measured() -> None:
    figure = draw("heatmap", make_explanation(60))
    heading = next(text for text in figure.texts if text.get_gid() == "heading")
    letters = Lettering.holding([heading.get_text()], ("DejaVu Sans",))
    with mpl.rc_context(lettering.UNHINTED):
        for dpi in (50, 70, 96, 300):
            figure.set_dpi(dpi)
            drawn = heading.get_window_extent(RendererAgg(9, 9, dpi)).width / dpi  # type: ignore[no-untyped-call]
            assert drawn == pytest.approx(letters.width(heading.get_text(), 12, "bold"), abs=1.5 / dpi)


def test_lines_are_wrapped_and_cut_to_their_width() -> None:
    letters = Lettering.holding(["abc"], ("DejaVu Sans",))
    text = "some words and averyverylongwordthatfitsnoline " * 4
    lines = letters.wrap(text, 9.0, 1.5)
    assert all(letters.width(line, 9.0) <= 1.5 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    cut = letters.wrap(text, 9.0, 1.5, lines=2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
