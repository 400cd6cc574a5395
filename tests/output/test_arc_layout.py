"""Arcs beside words: where they run, what they avoid, and where their values stand."""

from itertools import combinations

import pytest
from explanations import make_explanation

from ihcli.output.arc_layout import ArcDrawing, Stroke, lay_out_arcs
from ihcli.output.word_layout import Font

FONT = Font(lambda text: 0.1 * len(text), lambda word: word)
ROW, VALUE = 0.25, 0.4
PAIRS = [(0, 3, 1.0), (1, 2, 0.9), (3, 5, 0.8), (0, 5, -0.7), (2, 4, -0.6), (1, 5, 0.5), (0, 1, 0.4)]
LONG_PAIRS = [(0, 59, 1.0), (3, 20, -0.8), (5, 58, 0.6), (2, 4, 0.5), (7, 40, -0.5), (30, 31, 0.4)]
CASES = {"one line": ("so this is not a film", PAIRS), "several lines": (" ".join(["word"] * 60), LONG_PAIRS)}
both = pytest.mark.parametrize("case", CASES)


def drawing(case: str) -> ArcDrawing:
    text, pairs = CASES[case]
    return lay_out_arcs(make_explanation(text=text), pairs, FONT, ROW, lambda _: VALUE)


def level(stroke: Stroke) -> float:
    """The height of the lane that a stroke runs in."""
    heights = [y for _, y in stroke.points]
    return max(heights) if stroke.value > 0 else min(heights)


@both
def test_positive_arcs_run_above_their_words_and_negative_ones_below(case: str) -> None:
    made = drawing(case)
    lines = [(bottom, bottom + ROW) for bottom in made.bottoms]
    first_line = {box.unit: box.line for box in made.boxes}
    for pair in {stroke.pair for stroke in made.strokes}:
        own = [stroke for stroke in made.strokes if stroke.pair == pair]
        for offset, stroke in enumerate(own):
            below, above = lines[first_line[pair[0]] + offset]
            heights = [y for _, y in stroke.points]
            assert min(heights) > above if stroke.value > 0 else max(heights) < below
    assert {stroke.pair for stroke in made.strokes} == {(i, j) for i, j, _ in CASES[case][1]}


@both
def test_an_arc_starts_and_ends_at_its_words(case: str) -> None:
    made = drawing(case)
    boxes = {box.unit: box for box in made.boxes}
    for i, j, _ in CASES[case][1]:
        own = [stroke for stroke in made.strokes if stroke.pair == (i, j)]
        assert len(own) == boxes[j].line - boxes[i].line + 1  # one on each line
        assert boxes[i].x <= own[0].points[0][0] <= boxes[i].x + boxes[i].width
        assert boxes[j].x <= own[-1].points[-1][0] <= boxes[j].x + boxes[j].width


@both
def test_no_arc_runs_over_another_and_no_two_end_at_one_place(case: str) -> None:
    made = drawing(case)
    spans = []
    for stroke in made.strokes:
        along = [x for x, y in stroke.points if y == level(stroke)]
        spans.append((stroke.pair, level(stroke), min(along), max(along)))
    for (one, a, low, high), (two, b, left, right) in combinations(spans, 2):
        assert one == two or abs(a - b) > 1e-6 or high <= left or right <= low, (one, two)
    ends = [end for stroke in made.strokes for end in (stroke.points[0], stroke.points[-1])]
    feet = [(round(x, 6), round(y, 6)) for x, y in ends if 0 < x < made.width]
    assert len(feet) == len(set(feet))


@both
def test_every_pair_has_its_value_on_its_arc_inside_the_drawing(case: str) -> None:
    made = drawing(case)
    assert {value.pair for value in made.values} == {(i, j) for i, j, _ in CASES[case][1]}
    for value in made.values:
        assert VALUE / 2 - 1e-9 <= value.x <= made.width - VALUE / 2 + 1e-9
        assert 0 <= value.y <= made.height
        levels = [level(stroke) for stroke in made.strokes if stroke.pair == value.pair]
        assert any(value.y == pytest.approx(own) for own in levels)


def test_a_long_text_is_wrapped_and_a_long_arc_carries_its_value_on_every_line() -> None:
    made = drawing("several lines")
    assert len(made.bottoms) > 1
    assert made.bottoms == sorted(made.bottoms, reverse=True)
    assert sum(value.pair == (0, 59) for value in made.values) == len(made.bottoms)


def test_words_without_arcs_have_little_more_than_the_height_of_their_line() -> None:
    made = lay_out_arcs(make_explanation(text="so it is"), [], FONT, ROW, lambda _: VALUE)
    assert made.strokes == made.values == []
    assert ROW < made.height < 2.5 * ROW
