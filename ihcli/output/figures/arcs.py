"""The sentence with arcs: positive interactions above, negative ones below, thicker where stronger.

Every arc has a lane of its own among those it overlaps, so that none covers another; an arc between words on different
lines leaves its line at the margin and comes back at the next, like a tie in printed music.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ihcli.output.figures import captions
from ihcli.output.figures.flow import PAD, Piece, Rows, anchors, draw_words, extent, flow
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, telling
from ihcli.output.figures.sheet import NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Explanation
from ihcli.wording import number

_SIZE, _GAP = 12.0, 0.2
_ONE_LINE, _WRAPPED = 10.0, 7.5
_LANE, _CLEAR, _BETWEEN = 0.21, 0.1, 0.2
_TOP, _MARGIN = 10, 0.45
_MOVE, _LINE, _CURVE = int(Path.MOVETO), int(Path.LINETO), int(Path.CURVE3)
_THIN, _THICK = 0.9, 3.6
_BEND = 0.3  # inches of an arc's corners
_BESIDE = 0.08  # inches between a label and an arc that passes it
_SPACIOUS = 2.5
"""Widths of a label that a stretch of arc needs, to carry the label once more."""


@dataclass(frozen=True, slots=True)
class Arc:
    """A pair with its feet (unrolled inches along the text: line × width + x), its lane, and its value."""

    pair: tuple[int, int]
    value: float
    start: float
    end: float
    lane: int


@dataclass(frozen=True, slots=True)
class Staff:
    """Where arcs of one sign run: the width of a line, each line's edge, its lanes' levels, and the direction."""

    width: float
    edges: list[float]
    levels: list[dict[int, int]]
    up: bool
    arcs: list[Arc]

    def rise(self, line: int, lane: int) -> float:
        """Inches from the line's edge to the lane, signed."""
        return (1.0 if self.up else -1.0) * (_CLEAR + _LANE * self.levels[line][lane])

    def crossings(self, line: int, lane: int) -> list[float]:
        """Where arcs of outer lanes pass through this lane on their way to a word of the line."""
        found = []
        for arc in self.arcs:
            for foot, inward in ((arc.start, 1.0), (arc.end, -1.0)):
                if arc.lane > lane and int(foot // self.width) == line:
                    share = self.rise(line, lane) / self.rise(line, arc.lane)
                    # On the curve from the foot, a height share 2t - t² lies bend · t² inward.
                    found.append(foot - line * self.width + inward * _BEND * (1 - (1 - share) ** 0.5) ** 2)
        return found


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The arcs of one result."""
    chosen = select(explanation, view, matrix=False)
    pairs = telling(explanation, chosen.units, view, _TOP)
    letters = Lettering.holding([explanation.text, explanation.text_pair or "", view.heading or ""], style.families)
    scale = Scale.of((value for *_, value in pairs), style.theme)
    labels = {(i, j): letters.width(number(v, 2, plus=True), NOTE) + 0.08 for i, j, v in pairs}
    pieces = flow(explanation, letters, size=_SIZE, gap=_GAP, width=_ONE_LINE, least={})
    if extent(pieces)[1] > 1:
        pieces = flow(explanation, letters, size=_SIZE, gap=_GAP, width=_WRAPPED, least={})
        # Arcs that go on in the next line need a margin to run to.
        pieces = [replace(piece, x=piece.x + _MARGIN) for piece in pieces]
    width, lines = extent(pieces)
    width = max(width + (_MARGIN if lines > 1 else 0.0), max(labels.values(), default=0.0))
    above = route([pair for pair in pairs if pair[2] > 0], pieces, width, labels)
    below = route([pair for pair in pairs if pair[2] < 0], pieces, width, labels)
    text = letters.height(_SIZE) + 0.06
    tops = [_room(above, line, width) for line in range(lines)]
    bottoms = [_room(below, line, width) for line in range(lines)]
    tops[1:] = [room + _BETWEEN for room in tops[1:]]
    height = sum(tops) + sum(bottoms) + lines * text
    words = captions.words(explanation, view, view.heading or "", _caption(explanation, len(pairs), chosen.notes))
    sheet = Sheet(width, height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: arcs")
    axes = sheet.axes(0, 0, width, height, "arcs")
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    base, y = [], height
    for line in range(lines):
        y -= tops[line] + text
        base.append(y)
        y -= bottoms[line]
    draw_words(sheet, axes, explanation, pieces, Rows(base, text, _SIZE))
    for arcs, up in ((above, True), (below, False)):
        heights = [levels(arcs, line, width) for line in range(lines)]
        edges = [b + text if up else b for b in base]
        for arc in arcs:
            _draw_arc(sheet, axes, arc, scale, Staff(width, edges, heights, up, arcs))
    return sheet.figure


def route(
    pairs: list[tuple[int, int, float]], pieces: list[Piece], width: float, labels: dict[tuple[int, int], float]
) -> list[Arc]:
    """Feet and lanes: at a word, arcs that reach farther stand outside; short arcs get the lanes near the text."""
    places = anchors(pieces)
    feet = _feet([(i, j) for i, j, _ in pairs], places, width)
    arcs: list[Arc] = []
    taken: list[tuple[float, float, int]] = []
    for i, j, value in sorted(pairs, key=lambda pair: feet[pair[0], pair[1]][1] - feet[pair[0], pair[1]][0]):
        start, end = feet[i, j]
        spare = max(0.0, labels[i, j] - (end - start)) / 2
        low, high = start - spare, end + spare
        lane = 1 + max((level for a, b, level in taken if a < high and low < b), default=0)
        taken.append((low, high, lane))
        arcs.append(Arc((i, j), value, start, end, lane))
    return arcs


def _feet(
    pairs: list[tuple[int, int]], places: dict[int, Piece], width: float
) -> dict[tuple[int, int], tuple[float, float]]:
    """Where each pair's two feet stand: spread over the word, never two on one spot."""
    ends: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, j in pairs:
        ends[i].append((i, j))
        ends[j].append((i, j))
    found: dict[tuple[int, int], list[float]] = {pair: [0.0, 0.0] for pair in pairs}
    for unit, at in ends.items():
        # To the left: near partners first; to the right: far ones first.  Both by partner, from last to first.
        leftward = sorted((pair for pair in at if pair[1] == unit), key=lambda pair: -pair[0])
        rightward = sorted((pair for pair in at if pair[0] == unit), key=lambda pair: -pair[1])
        piece = places[unit]
        room = piece.width - 2 * PAD
        for k, pair in enumerate([*leftward, *rightward]):
            x = piece.x + PAD + room * (k + 1) / (len(at) + 1)
            found[pair][0 if pair[0] == unit else 1] = piece.line * width + x
    return {pair: (a, b) for pair, (a, b) in found.items()}


def levels(arcs: list[Arc], line: int, width: float) -> dict[int, int]:
    """Lanes in use at one line, closed up: lane to its level, 1 next to the text."""
    used = sorted({arc.lane for arc in arcs if int(arc.start // width) <= line <= int(arc.end // width)})
    return {lane: level for level, lane in enumerate(used, start=1)}


def _room(arcs: list[Arc], line: int, width: float) -> float:
    count = len(levels(arcs, line, width))
    return _CLEAR + _LANE * count + (0.08 if count else 0.0)


def _draw_arc(sheet: Sheet, axes: Axes, arc: Arc, scale: Scale, staff: Staff) -> None:
    """One arc, and its value in each line where it runs far enough; at least in the line where it runs farthest."""
    width = staff.width
    first, last = int(arc.start // width), int(arc.end // width)
    share = abs(arc.value) / scale.limit
    colour = scale.stroke(arc.value)
    text = number(arc.value, 2, plus=True)
    wide = sheet.letters.width(text, NOTE)
    gid = f"{arc.pair[0]} {arc.pair[1]}"
    spans = []
    for line in range(first, last + 1):
        left = arc.start - line * width if line == first else None
        right = arc.end - line * width if line == last else None
        rise = staff.rise(line, arc.lane)
        foot = staff.edges[line] + (0.02 if staff.up else -0.02)
        patch = PathPatch(_stroke(left, right, width, foot, rise), facecolor="none", edgecolor=colour, clip_on=False)
        stroke = sheet.line(_THIN + (_THICK - _THIN) * share)
        patch.set(gid=f"arc {gid}", zorder=1 + share, linewidth=stroke, capstyle="round")
        axes.add_patch(patch)
        spans.append((left or 0.0, width if right is None else right, staff.edges[line] + rise, line))
    longest = max(right - left for left, right, *_ in spans)
    for left, right, y, line in spans:
        if right - left < longest and right - left < _SPACIOUS * wide:
            continue
        x = _clear(left, right, wide, staff.crossings(line, arc.lane))
        x = min(max(x, wide / 2), width - wide / 2)
        artist = sheet.text(axes, x, y, text, NOTE, ha="center", va="center", zorder=4)
        artist.set(bbox={"facecolor": sheet.theme.ground, "linewidth": 0, "pad": 0.8 * sheet.scale}, gid=f"value {gid}")


def _clear(left: float, right: float, wide: float, crossings: list[float]) -> float:
    """The middle of a stretch, or the place nearest to it where a label covers no arc that crosses."""
    middle, room = (left + right) / 2, wide / 2 + _BESIDE
    places = [middle, *(x + side * room for x in crossings for side in (-1.0, 1.0))]
    free = [
        x
        for x in places
        if left + wide / 2 <= x <= right - wide / 2 and all(abs(x - c) >= room - 1e-9 for c in crossings)
    ]
    return min(free, key=lambda x: abs(x - middle), default=middle)


def _stroke(left: float | None, right: float | None, width: float, foot: float, rise: float) -> Path:
    """Up, along and down with round corners; without a left or right foot it runs to that margin."""
    top = foot + rise - (0.02 if rise > 0 else -0.02)
    start = 0.0 if left is None else left
    end = width if right is None else right
    bend = min(abs(rise), (end - start) / (2 if left is not None and right is not None else 1), _BEND)
    if left is None:
        points, codes = [(start, top)], [_MOVE]
    else:
        points, codes = [(start, foot), (start, top), (start + bend, top)], [_MOVE, _CURVE, _CURVE]
    if right is None:
        return Path([*points, (end, top)], [*codes, _LINE])
    return Path([*points, (end - bend, top), (end, top), (end, foot)], [*codes, _LINE, _CURVE, _CURVE])


def _caption(explanation: Explanation, drawn: int, notes: tuple[str, ...]) -> tuple[str, ...]:
    reading = [captions.drawn(explanation, drawn, "arcs: above the text where they raise f together, else below")]
    reading.append(f"Words are shaded by Integrated Gradients, {captions.full_colour(explanation.ig)}.")
    return (*captions.setting(explanation), " ".join([*reading, *notes]))
