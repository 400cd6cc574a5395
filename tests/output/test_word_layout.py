"""Words in lines, with letters a tenth of an inch wide."""

from dataclasses import replace
from itertools import pairwise

import pytest
from explanations import make_explanation

from ihcli.output.word_layout import PADDING, Font, cut_to_fit, extent, set_in_lines, widest_boxes

FONT = Font(lambda text: 0.1 * len(text), lambda word: word)
TEXT = "a few words that are set in lines , and some stand . extraordinarily close"


def boxes(width: float = 2.0, text: str = TEXT, **options: object):
    return set_in_lines(make_explanation(text=text), FONT, width, 0.2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [0.8, 2.0, 20.0])
def test_words_keep_their_order_and_the_width_of_their_line(width: float) -> None:
    placed = boxes(width)
    assert [box.unit for box in placed] == list(range(len(TEXT.split())))
    for before, after in pairwise(placed):
        if after.line == before.line:
            assert after.x == pytest.approx(before.x + before.width + 0.2)
        else:
            assert (after.line, after.x) == (before.line + 1, 0.0)
            assert before.x + before.width + 0.2 + after.width > width  # broken only where the next does not fit
    assert extent(placed)[0] <= width + 1e-9
    assert extent(placed)[1] == placed[-1].line + 1


def test_a_box_is_as_wide_as_its_word_and_its_padding() -> None:
    for box in boxes(20.0):
        assert box.width == pytest.approx(0.1 * len(box.text) + 2 * PADDING)
        assert box.middle == pytest.approx(box.x + box.width / 2)


def test_units_that_the_text_does_not_separate_stand_close() -> None:
    e = make_explanation(text="b ad movie")
    units = (e.units[0], replace(e.units[1], start=e.units[0].end), e.units[2])
    first, second, third = set_in_lines(replace(e, units=units), FONT, 5.0, 0.2)
    assert second.x - first.x - first.width < 0.05
    assert third.x - second.x - second.width == pytest.approx(0.2)


def test_the_second_text_of_a_pair_begins_a_line() -> None:
    e = make_explanation(text="one two three")
    units = (*e.units[:2], replace(e.units[2], side="text_pair"))
    assert [box.line for box in set_in_lines(replace(e, units=units), FONT, 9.0, 0.2)] == [0, 0, 1]


def test_a_unit_may_ask_for_more_room_but_never_more_than_a_line() -> None:
    wide = boxes(2.0, "a b", least={0: 1.0, 1: 9.0})
    assert [box.width for box in wide] == pytest.approx([1.0, 2.0])


def test_a_unit_of_several_words_has_a_box_for_each_and_its_widest_is_found() -> None:
    e = make_explanation(text="one")
    unit = replace(e.units[0], text="ab abcd abc", end=9)
    placed = set_in_lines(replace(e, units=(unit,)), FONT, 9.0, 0.2)
    assert [box.text for box in placed] == ["ab", "abcd", "abc"]
    assert widest_boxes(placed)[0].text == "abcd"


@pytest.mark.parametrize("room", [0.15, 0.35, 0.62, 1.05, 5.0])
def test_a_text_is_cut_to_its_room(room: float) -> None:
    cut = cut_to_fit("an example", room, FONT.width)
    assert FONT.width(cut) <= max(room, 0.1)
    assert cut == "an example" or cut.endswith("…")
    assert "an example".startswith(cut.removesuffix("…"))
