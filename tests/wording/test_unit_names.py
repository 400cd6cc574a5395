import numpy as np
import pytest
from explanations import make_explanation

from ihcli import wording
from ihcli.results import Unit


def test_repeated_words_are_numbered() -> None:
    assert wording.names(make_explanation(text="bad bad good").units) == ["bad (1)", "bad (2)", "good"]


@pytest.mark.parametrize(
    ("text", "length", "short"),
    [
        ("as it is", 8, "as it is"),
        ("several words here", 10, "several w…"),
        ("abcdefghijkl", 7, "abcd…kl"),
        ("a\n b", 9, "a b"),
    ],
)
def test_long_texts_are_shortened(text: str, length: int, short: str) -> None:
    assert wording.shorten(text, length) == short
    assert len(short) <= length


@pytest.mark.parametrize(
    ("text", "marks"), [(",", True), ("!?", True), ("a.", False), ("$", False), ("😀", False), (" ", False)]
)
def test_punctuation_has_no_letters_digits_or_symbols(text: str, marks: bool) -> None:
    assert wording.is_punctuation(Unit(text, 0, len(text), (text,))) == marks


def test_the_units_of_the_strongest_pairs_are_in_the_order_of_the_text() -> None:
    ih = np.zeros((6, 6))
    for i, j, value in ((4, 1, -3.0), (0, 5, 2.0), (4, 2, 1.0)):
        ih[i, j] = ih[j, i] = value
    e = make_explanation(6, ih=ih)
    assert wording.units_of_strongest_pairs(e, 2) == [1, 4]
    assert wording.units_of_strongest_pairs(e, 3) == [1, 2, 4]
    assert wording.units_of_strongest_pairs(e, 4) == [0, 1, 4, 5]
    assert wording.units_of_strongest_pairs(e, 6) == [0, 1, 2, 3, 4, 5]
