"""The figure of methods side by side: any text can be drawn."""

import warnings
from dataclasses import dataclass

import pytest
from explanations import make_explanation

from ihcli.output.figures import encode, methods
from ihcli.results import Explanation


@dataclass(frozen=True)
class Compared:
    source: str
    explanation: Explanation


@pytest.mark.parametrize("text", ["costs $5 and $6", r"$\frac{1$ $x", "a_b ^ c", "漢 字", "one", "a  \u202e b"])
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_any_text_can_be_drawn(text: str, kind: str) -> None:
    results = [Compared("ih · $pad$", make_explanation(text=text)), Compared("lime", make_explanation(text=text))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts that this machine lacks
        sheet = methods.figure(results)
        assert encode(sheet, kind, 50, methods.alternative_text(results))


def test_the_words_are_drawn_as_they_are() -> None:
    sheet = methods.figure([Compared("ih", make_explanation(text="costs $5 and $6"))])
    assert sheet.get_suptitle() == "costs $5 and $6"
    assert [label.get_text() for label in sheet.axes[0].get_xticklabels()] == ["costs", "$5", "and", "$6"]


def test_a_long_text_shows_its_strongest_units_in_their_order() -> None:
    made = make_explanation(300)
    sheet = methods.figure([Compared("ih", made)])
    left = sheet.axes[0]
    assert left.get_title() == f"attributions, the {methods.UNITS} strongest of 300 units"
    assert len(left.get_xticklabels()) == methods.UNITS
    assert sheet.get_size_inches()[0] < 40
