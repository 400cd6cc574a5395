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
