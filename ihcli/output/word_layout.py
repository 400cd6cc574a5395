"""The words of a text set in lines: where each word of each unit stands.  Lengths are in inches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ihcli.results import Explanation

PADDING = 0.05
"""Between a word and the edge of its box, left and right."""
_JOINED = 0.02
"""Between boxes of words that the text does not separate."""


@dataclass(frozen=True, slots=True)
class WordBox:
    """One word of one unit."""

    unit: int
    text: str
    line: int
    """Counted from the top."""
    x: float
    """Left edge of the box, from the left margin."""
    width: float
    """Width of the box, padding included."""

    @property
    def middle(self) -> float:
        """Centre of the box, from the left margin."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Font:
    """How words are written: their width in inches, and what is drawn for a word (it may lack letters)."""

    width: Callable[[str], float]
    legible: Callable[[str], str]


def set_in_lines(
    explanation: Explanation, font: Font, width: float, gap: float, least: Mapping[int, float] | None = None
) -> list[WordBox]:
    """The words of all units in lines of at most `width`.

    `gap` stands between words that the text separates, next to none between others (`bad.`); `least` gives units more
    room than their letters need. A word wider than a line is cut; the second text of a pair begins a new line.
    """
    boxes: list[WordBox] = []
    line, x = 0, 0.0
    for u, unit in enumerate(explanation.units):
        before = explanation.units[u - 1] if u else unit
        if unit.side != before.side:
            line, x = line + 1, 0.0
        words = [word for word in map(font.legible, unit.text.split()) if word] or ["␣"]
        joined = unit.side == before.side and before.end == unit.start
        for k, word in enumerate(words):
            text = cut_to_fit(word, width - 2 * PADDING, font.width)
            needed = font.width(text) + 2 * PADDING
            if len(words) == 1:
                needed = min(width, max(needed, (least or {}).get(u, 0.0)))
            space = 0.0 if x == 0 else _JOINED if joined and k == 0 else gap
            if x and x + space + needed > width:
                line, x, space = line + 1, 0.0, 0.0
            boxes.append(WordBox(u, text, line, x + space, needed))
            x += space + needed
    return boxes


def widest_boxes(boxes: list[WordBox]) -> dict[int, WordBox]:
    """The widest box of each unit, the first of equals."""
    widest: dict[int, WordBox] = {}
    for box in boxes:
        if box.unit not in widest or box.width > widest[box.unit].width:
            widest[box.unit] = box
    return widest


def extent(boxes: list[WordBox]) -> tuple[float, int]:
    """Width of the widest line, and the number of lines."""
    return max(box.x + box.width for box in boxes), 1 + max(box.line for box in boxes)


def cut_to_fit(text: str, room: float, width_of: Callable[[str], float]) -> str:
    """`text`, cut with an ellipsis where it is wider than `room`."""
    if width_of(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = width_of(text[:middle].rstrip() + "…") <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip(" .,;:") + "…"
