from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from drawn_figures import KINDS, draw, results_for
from explanations import make_explanation
from PIL import Image

from ihcli.errors import UsageError
from ihcli.output import figures

HOSTILE = "bad \x00\x01\x1b[31m\x9f\ufffe\uffff\u2028\u202etxt\ud800 ]]> --> <b>&amp;\" '"


def test_the_alternative_text_is_in_every_file(tmp_path: Path) -> None:
    figure, text = draw("heatmap", make_explanation(3)), 'Heatmap of “x < y” & "z": Γ −0.42'
    png, svg, pdf = (figures.save(figure, tmp_path / f"a.{suffix}", 60, text) for suffix in ("png", "svg", "pdf"))
    with Image.open(png) as image:
        assert image.info["Description"] == text
    root = ET.parse(svg).getroot()  # noqa: S314  (our own file)
    assert root.get("role") == "img"
    assert root.get("aria-label") == text
    assert any(element.text == text for element in root.iter() if element.tag.endswith("description"))
    assert b"/Subject" in pdf.read_bytes()
    assert text.encode("utf-16-be")[-8:] in pdf.read_bytes().replace(b"\\", b"")


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_text_gives_well_formed_files(kind: str, tmp_path: Path) -> None:
    e = make_explanation(4)
    units = (replace(e.units[0], text=HOSTILE), *e.units[1:])
    e = replace(e, text=HOSTILE, units=units, baseline={"kind": "text", "text": HOSTILE})
    e = replace(e, target=replace(e.target, label=HOSTILE), prediction=replace(e.prediction, label=HOSTILE))
    results = [e, e] if kind == "compare" else [e]
    alternative = figures.alternative_text(kind, results)
    figure = draw(kind, *results)
    for suffix in ("svg", "png", "pdf"):
        figures.save(figure, tmp_path / f"a.{suffix}", 60, alternative)
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314  (our own file)
    assert "]]> --> <b>&amp;" in (root.get("aria-label") or "")


def test_the_same_result_gives_the_same_bytes() -> None:
    for file_format in figures.FORMATS:
        first, second = (
            figures.encode(draw("bars", *results_for("bars", 3)), file_format, 60, "bars") for _ in range(2)
        )
        assert first == second


def test_other_suffixes_are_one_message(tmp_path: Path) -> None:
    for name in ("a.jpg", "a"):
        with pytest.raises(UsageError, match=r"written as .png, .svg or .pdf"):
            figures.save(draw("bars", make_explanation(2)), tmp_path / name, 60, "")
