"""Arcs over and under the words of a text: where each one runs and where its value stands.

Positive interactions run above their line of words, negative ones below. Arcs that overlap run at different heights
("lanes"), so that none covers another. An arc between words of different lines runs to the right margin of the first
line and goes on at the left margin of the last. Lengths are in inches; y grows upward from the drawing's lower edge.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ihcli.output.word_layout import PADDING, Font, WordBox, extent, set_in_lines, widest_boxes
from ihcli.results import Explanation

_GAP = 0.2
"""Between words."""
_ONE_LINE, _WRAPPED = 10.0, 7.5
"""Texts up to `_ONE_LINE` wide stand on one line; longer ones are wrapped."""
_LANE, _CLEAR, _BETWEEN_LINES = 0.21, 0.1, 0.2
_MARGIN = 0.45
"""Left and right of wrapped text: arcs to another line run there."""
_BEND = 0.3
"""Radius of an arc's corners."""
_FOOT = 0.02
"""Between a word's box and the end of an arc."""
_BESIDE = 0.08
"""Between a value and an arc that passes it."""
_REPEATED = 2.5
"""A stretch of an arc so many times as wide as its value carries the value once more."""

Pair = tuple[int, int, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stretch of an arc, on one line of words: a polygon with rounded corners."""

    pair: tuple[int, int]
    value: float
    points: tuple[Point, ...]
    corners: tuple[int, ...]
    """Positions of the points that are corners: control points of a quadratic Bézier curve."""


@dataclass(frozen=True, slots=True)
class ArcValue:
    """Where the value of an arc is written: its centre."""

    pair: tuple[int, int]
    value: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class ArcDrawing:
    """Words, arcs and values of one text, ready to be painted."""

    width: float
    height: float
    boxes: list[WordBox]
    bottoms: list[float]
    """Lower edge of each line of words."""
    strokes: list[Stroke]
    values: list[ArcValue]


def lay_out_arcs(
    explanation: Explanation, pairs: Sequence[Pair], font: Font, row: float, value_width: Callable[[float], float]
) -> ArcDrawing:
    """Words in lines `row` high, and the arcs of `pairs`; `value_width` is the width of a written value."""
    boxes = set_in_lines(explanation, font, _ONE_LINE, _GAP)
    if extent(boxes)[1] > 1:
        boxes = [replace(box, x=box.x + _MARGIN) for box in set_in_lines(explanation, font, _WRAPPED, _GAP)]
    width, lines = extent(boxes)
    wide = {(i, j): value_width(value) for i, j, value in pairs}
    width = max(width + (_MARGIN if lines > 1 else 0.0), max(wide.values(), default=0.0) + _BESIDE)
    above = _route([pair for pair in pairs if pair[2] > 0], boxes, width, wide)
    below = _route([pair for pair in pairs if pair[2] < 0], boxes, width, wide)
    tops = [_room(above, line, width) + (_BETWEEN_LINES if line else 0.0) for line in range(lines)]
    feet = [_room(below, line, width) for line in range(lines)]
    height = sum(tops) + sum(feet) + lines * row
    bottoms, y = [], height
    for line in range(lines):
        y -= tops[line] + row
        bottoms.append(y)
        y -= feet[line]
    upper = _Lanes(above, width, [bottom + row for bottom in bottoms], up=True)
    lower = _Lanes(below, width, bottoms, up=False)
    strokes = [stroke for lanes in (upper, lower) for arc in lanes.arcs for stroke in lanes.strokes(arc)]
    values = [value for lanes in (upper, lower) for arc in lanes.arcs for value in lanes.values(arc, wide[arc.pair])]
    return ArcDrawing(width, height, boxes, bottoms, strokes, values)


@dataclass(frozen=True, slots=True)
class _Arc:
    """A pair's arc along the text as if it were one long line: line × width + x."""

    pair: tuple[int, int]
    value: float
    start: float
    end: float
    lane: int


@dataclass(frozen=True, slots=True)
class _Lanes:
    """The arcs of one sign, above or below their lines."""

    arcs: list[_Arc]
    width: float
    edges: list[float]
    """Where the arcs of each line end: the upper or lower edge of its words."""
    up: bool

    def strokes(self, arc: _Arc) -> list[Stroke]:
        """One stroke for each line that the arc runs on."""
        strokes = []
        for line, left, right in _stretches(arc, self.width):
            rise = self._rise(line, arc.lane)
            foot = self.edges[line] + (_FOOT if self.up else -_FOOT)
            points, corners = _outline(left, right, self.width, foot, self.edges[line] + rise)
            strokes.append(Stroke(arc.pair, arc.value, points, corners))
        return strokes

    def values(self, arc: _Arc, wide: float) -> list[ArcValue]:
        """Where the value stands: on the line where the arc is longest, and where it is long enough to repeat it."""
        spans = [(line, left or 0.0, self.width if right is None else right) for line, left, right in
                 _stretches(arc, self.width)]  # fmt: skip
        longest = max(right - left for _, left, right in spans)
        values = []
        for line, left, right in spans:
            if right - left < longest and right - left < _REPEATED * wide:
                continue
            x = _free_place(left, right, wide, self._crossings(line, arc.lane))
            x = min(max(x, wide / 2), self.width - wide / 2)
            values.append(ArcValue(arc.pair, arc.value, x, self.edges[line] + self._rise(line, arc.lane)))
        return values

    def _rise(self, line: int, lane: int) -> float:
        """Height of the lane above the line's edge, negative below it."""
        return (1.0 if self.up else -1.0) * (_CLEAR + _LANE * _levels(self.arcs, line, self.width)[lane])

    def _crossings(self, line: int, lane: int) -> list[float]:
        """Where arcs of outer lanes pass through this lane on their way to a word of the line."""
        crossings = []
        for arc in self.arcs:
            for foot, inward in ((arc.start, 1.0), (arc.end, -1.0)):
                if arc.lane > lane and int(foot // self.width) == line:
                    share = self._rise(line, lane) / self._rise(line, arc.lane)
                    # On the curve from the foot, a height share 2t - t² lies bend · t² inward.
                    crossings.append(foot - line * self.width + inward * _BEND * (1 - (1 - share) ** 0.5) ** 2)
        return crossings


def _route(pairs: list[Pair], boxes: list[WordBox], width: float, wide: dict[tuple[int, int], float]) -> list[_Arc]:
    """Ends and lanes: short arcs get the lanes next to the text."""
    ends = _ends([(i, j) for i, j, _ in pairs], widest_boxes(boxes), width)
    arcs: list[_Arc] = []
    taken: list[tuple[float, float, int]] = []
    for i, j, value in sorted(pairs, key=lambda pair: ends[pair[0], pair[1]][1] - ends[pair[0], pair[1]][0]):
        start, end = ends[i, j]
        spare = max(0.0, wide[i, j] + _BESIDE - (end - start)) / 2
        low, high = start - spare, end + spare
        lane = 1 + max((other for a, b, other in taken if a < high and low < b), default=0)
        taken.append((low, high, lane))
        arcs.append(_Arc((i, j), value, start, end, lane))
    return arcs


def _ends(
    pairs: list[tuple[int, int]], places: dict[int, WordBox], width: float
) -> dict[tuple[int, int], tuple[float, float]]:
    """Where each pair's arc starts and ends: spread over the word, never two at one place."""
    at_unit: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, j in pairs:
        at_unit[i].append((i, j))
        at_unit[j].append((i, j))
    ends: dict[tuple[int, int], list[float]] = {pair: [0.0, 0.0] for pair in pairs}
    for unit, at in at_unit.items():
        # Arcs to the left: near partners first; arcs to the right: far ones first. So none crosses another.
        leftward = sorted((pair for pair in at if pair[1] == unit), key=lambda pair: -pair[0])
        rightward = sorted((pair for pair in at if pair[0] == unit), key=lambda pair: -pair[1])
        box = places[unit]
        room = box.width - 2 * PADDING
        for k, pair in enumerate([*leftward, *rightward]):
            x = box.x + PADDING + room * (k + 1) / (len(at) + 1)
            ends[pair][0 if pair[0] == unit else 1] = box.line * width + x
    return {pair: (start, end) for pair, (start, end) in ends.items()}


def _levels(arcs: list[_Arc], line: int, width: float) -> dict[int, int]:
    """The lanes in use at one line, without gaps: lane to level, 1 next to the words."""
    used = sorted({arc.lane for arc in arcs if int(arc.start // width) <= line <= int(arc.end // width)})
    return {lane: level for level, lane in enumerate(used, start=1)}


def _room(arcs: list[_Arc], line: int, width: float) -> float:
    """Height that the arcs of one line need."""
    count = len(_levels(arcs, line, width))
    return _CLEAR + _LANE * count + (_BESIDE if count else 0.0)


def _stretches(arc: _Arc, width: float) -> list[tuple[int, float | None, float | None]]:
    """Line, left and right end of each stretch of an arc; None where it runs to the margin."""
    first, last = int(arc.start // width), int(arc.end // width)
    return [
        (
            line,
            arc.start - line * width if line == first else None,
            arc.end - line * width if line == last else None,
        )
        for line in range(first, last + 1)
    ]


def _free_place(left: float, right: float, wide: float, crossings: list[float]) -> float:
    """The middle of a stretch, or the place nearest to it where a value covers no arc that crosses."""
    middle, room = (left + right) / 2, wide / 2 + _BESIDE
    places = [middle, *(x + side * room for x in crossings for side in (-1.0, 1.0))]
    free = [
        x
        for x in places
        if left + wide / 2 <= x <= right - wide / 2 and all(abs(x - c) >= room - 1e-9 for c in crossings)
    ]
    return min(free, key=lambda x: abs(x - middle), default=middle)


def _outline(
    left: float | None, right: float | None, width: float, foot: float, top: float
) -> tuple[tuple[Point, ...], tuple[int, ...]]:
    """Points and corners of a stretch: up, along and down; without a left or right end it runs to that margin."""
    start = 0.0 if left is None else left
    end = width if right is None else right
    bend = min(abs(top - foot), (end - start) / (2 if left is not None and right is not None else 1), _BEND)
    points: list[Point] = [(start, top)] if left is None else [(start, foot), (start, top), (start + bend, top)]
    points += [(end, top)] if right is None else [(end - bend, top), (end, top), (end, foot)]
    corners = [] if left is None else [1]
    corners += [] if right is None else [len(points) - 2]
    return tuple(points), tuple(corners)
