import warnings
from pathlib import Path

import pytest
from explanations import make_explanation
from matplotlib import font_manager

from ihcli.errors import UsageError
from ihcli.output import figures
from ihcli.output.figures import Style, fonts
from ihcli.output.figures.lettering import Lettering


def held_by(monkeypatch: pytest.MonkeyPatch, files: set[str]) -> None:
    """Make the fonts in `files`, and no other, hold one Han character."""
    real = fonts.characters_of
    monkeypatch.setattr(fonts, "characters_of", lambda f: real(f) | {"漢"} if f in files else real(f) - {"漢"})


def test_an_installed_font_that_holds_the_script_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Serif" and e.style == "normal"]
    held_by(monkeypatch, {e.fname for e in faces if e.weight == 400})
    known = [e for e in font_manager.fontManager.ttflist if e.name in {"DejaVu Sans", "DejaVu Serif"}]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    letters = Lettering.holding(["a 漢"], ("DejaVu Sans",))
    assert letters.families == ("DejaVu Sans", "DejaVu Serif")
    assert not letters.missing


def test_a_font_installed_after_matplotlib_made_its_list_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    serif = {e.fname for e in font_manager.fontManager.ttflist if e.name == "DejaVu Serif"}
    held_by(monkeypatch, serif)
    known = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*serif, str(Path(__file__))])
    fonts.add_new_fonts.cache_clear()
    letters = Lettering.holding(["a 漢"], ("DejaVu Sans",))
    fonts.add_new_fonts.cache_clear()
    assert letters.families == ("DejaVu Sans", "DejaVu Serif")
    assert not letters.missing


def test_a_font_that_holds_everything_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        letters = Lettering.holding(["naïve Привет Γᵤᵥ ☺ \u200b\ufe0f"], ("DejaVu Sans",))
    assert letters.families == ("DejaVu Sans",)
    assert letters.legible("a\u200bb\n c\ufe0f") == "ab c"


def test_an_unknown_font_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--font 'DejaVu Snas' is neither.*DejaVu Sans"):
        figures.with_font(Style(), "DejaVu Snas")
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(UsageError, match="is not a font that can be read"):
        figures.with_font(Style(), str(broken))
    assert figures.with_font(Style(), "DejaVu Serif").families[0] == "DejaVu Serif"
    assert figures.draw("text", [make_explanation(2)], figures.with_font(Style(), "DejaVu Serif")).texts
