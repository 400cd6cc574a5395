"""The words of a text drawn in lines, each on the colour of its unit's attribution."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import Sheet
from ihcli.output.word_layout import WordBox
from ihcli.results import Explanation


@dataclass(frozen=True, slots=True)
class LinePlaces:
    """Where lines of words stand on the axes."""

    bottoms: Sequence[float]
    height: float
    """Of a line, inches."""
    size: float
    """Of the letters, points."""


def draw_words(
    sheet: Sheet, axes: Axes, explanation: Explanation, boxes: Sequence[WordBox], places: LinePlaces
) -> None:
    """Every word on the colour of its unit's attribution."""
    scale = Scale.of(explanation.ig.tolist(), sheet.theme)
    for box in boxes:
        bottom = places.bottoms[box.line]
        ig = float(explanation.ig[box.unit])
        patch = FancyBboxPatch((box.x, bottom), box.width, places.height, boxstyle="round,pad=0,rounding_size=0.04")
        patch.set(facecolor=scale.colour(ig), linewidth=0, gid=f"word {box.unit}")
        axes.add_patch(patch)
        colour = scale.ink(ig) if ig else sheet.theme.ink
        artist = sheet.text(axes, box.middle, bottom + places.height / 2, box.text, places.size, color=colour)
        artist.set(ha="center", va="center_baseline", gid=f"unit {box.unit}", zorder=3)
