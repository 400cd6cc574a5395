"""The text itself set in lines: where each piece of each unit stands, and its words drawn on their IG's colour."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ihcli.output.figures.lettering import Lettering, clean
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import Sheet
from ihcli.results import Explanation

PAD = 0.05


@dataclass(frozen=True, slots=True)
class Piece:
    """One word of one unit: its letters, its line from the top, its left edge and width in inches, box included."""

    unit: int
    text: str
    line: int
    x: float
    width: float

    @property
    def middle(self) -> float:
        """Centre, inches from the left margin."""
        return self.x + self.width / 2


def flow(
    explanation: Explanation, letters: Lettering, *, size: float, gap: float, width: float, least: dict[int, float]
) -> list[Piece]:
    """Set all units in lines of at most `width` inches, at `size` points.

    `gap` stands between words that the text separates, none between those it does not (`bad.`); `least` gives units
    more room than their letters need.  A word wider than a line is cut; the second text of a pair begins a line.
    """
    pieces: list[Piece] = []
    line, x = 0, 0.0
    for u, unit in enumerate(explanation.units):
        if u and unit.side != explanation.units[u - 1].side:
            line, x = line + 1, 0.0
        words = clean(unit.text).split() or ["␣"]
        joined = u > 0 and explanation.units[u - 1].side == unit.side and explanation.units[u - 1].end == unit.start
        for k, word in enumerate(words):
            text = letters.fit(letters.legible(word), size, width - 2 * PAD)
            needed = letters.width(text, size) + 2 * PAD
            if len(words) == 1:
                needed = min(width, max(needed, least.get(u, 0.0)))
            before = 0.0 if x == 0 else 0.02 if joined and k == 0 else gap
            if x and x + before + needed > width:
                line, x, before = line + 1, 0.0, 0.0
            pieces.append(Piece(u, text, line, x + before, needed))
            x += before + needed
    return pieces


def anchors(pieces: list[Piece]) -> dict[int, Piece]:
    """The piece that stands for each unit: its widest, the first of equals."""
    found: dict[int, Piece] = {}
    for piece in pieces:
        if piece.unit not in found or piece.width > found[piece.unit].width:
            found[piece.unit] = piece
    return found


def extent(pieces: list[Piece]) -> tuple[float, int]:
    """Width of the widest line, and the number of lines."""
    return max(piece.x + piece.width for piece in pieces), 1 + max(piece.line for piece in pieces)


@dataclass(frozen=True, slots=True)
class Rows:
    """The lines on the axes: each one's lower edge, their height in inches, and the letters' size in points."""

    bottoms: list[float]
    height: float
    size: float


def draw_words(sheet: Sheet, axes: Axes, explanation: Explanation, pieces: list[Piece], rows: Rows) -> None:
    """Every piece on a ground of its unit's IG."""
    scale = Scale.of(explanation.ig.tolist(), sheet.theme)
    for piece in pieces:
        bottom = rows.bottoms[piece.line]
        ig = float(explanation.ig[piece.unit])
        box = FancyBboxPatch((piece.x, bottom), piece.width, rows.height, boxstyle="round,pad=0,rounding_size=0.04")
        box.set(facecolor=scale.colour(ig), linewidth=0, gid=f"word {piece.unit}")
        axes.add_patch(box)
        colour = scale.ink(ig) if ig else sheet.theme.ink
        artist = sheet.text(axes, piece.middle, bottom + rows.height / 2, piece.text, rows.size, color=colour)
        artist.set(ha="center", va="center_baseline", gid=f"unit {piece.unit}", zorder=3)
