"""The words of a text with arcs for its strongest pairs, as an SVG for a notebook: colours of both themes, no scripts.

The width of letters in the browser's font is not known here. It is estimated, and each text is drawn with exactly the
estimated width.
"""

import unicodedata
from html import escape

from ihcli.output.arc_layout import ArcDrawing, Stroke, lay_out_arcs
from ihcli.output.word_layout import Font
from ihcli.palette import DARK, LIGHT, ink_on
from ihcli.results import Explanation
from ihcli.text_safety import clean_text, one_line
from ihcli.wording import Digits, digits_of, names

_PAIRS, _FAINT = 8, 0.02
_WORDS, _VALUES = 15.0, 11.0
"""Sizes of letters, CSS pixels."""
_PIXELS = 96.0
"""CSS pixels of an inch."""
_NARROW, _WIDE = "iljtfrI.,:;'|!()[]`-’ ", "mwMW@%—…"


def arcs_svg(explanation: Explanation) -> str:
    """The drawing of one result."""
    pairs = [pair for pair in explanation.pairs() if pair[2] != 0][:_PAIRS]
    pairs = [pair for pair in pairs if abs(pair[2]) >= _FAINT * abs(pairs[0][2])]
    attributions, interactions = digits_of(explanation)
    labels = {(i, j): interactions.label(value, plus=True) for i, j, value in pairs}
    font = Font(lambda text: _width(text, _WORDS), lambda word: " ".join(one_line(word).split()))
    row = 1.6 * _WORDS / _PIXELS
    drawing = lay_out_arcs(explanation, pairs, font, row, lambda value: _width(_label(interactions, value), _VALUES))
    parts = [_arc(stroke, drawing.height, abs(stroke.value / pairs[0][2])) for stroke in drawing.strokes]
    parts += _boxes(explanation, drawing, row, attributions.limit)
    parts += [_value(labels[value.pair], value.x, drawing.height - value.y) for value in drawing.values]
    called = names(explanation.units, 20)
    spoken = "; ".join(f"{called[i]} and {called[j]} {label}" for (i, j), label in labels.items()) or "none"
    width, height = (round(_PIXELS * side) + 8 for side in (drawing.width, drawing.height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="-4 -4 {width} {height}" '
        f'role="img" aria-label="The text with arcs for its strongest pairs: {safe(spoken)}">{"".join(parts)}</svg>'
    )


def safe(text: str) -> str:
    """Text that may stand between tags and in attributes."""
    return escape(clean_text(text))


def themed(share: float, ground: str = "background", ink: str = "color") -> str:
    """CSS for a number that is `share` of the limit: its colour in both themes, and the ink on it."""
    colours = f"{ground}:light-dark({LIGHT.hex(share)},{DARK.hex(share)})"
    return f"{colours};{ink}:light-dark({ink_on(LIGHT.rgb(share))},{ink_on(DARK.rgb(share))})"


def _label(digits: Digits, value: float) -> str:
    return digits.label(value, plus=True)


def _boxes(explanation: Explanation, drawing: ArcDrawing, row: float, limit: float) -> list[str]:
    """The words, each on the colour of its attribution."""
    parts = []
    for box in drawing.boxes:
        share = float(explanation.ig[box.unit]) / limit
        top = drawing.height - drawing.bottoms[box.line] - row
        parts.append(
            f'<rect x="{_px(box.x)}" y="{_px(top)}" width="{_px(box.width)}" height="{_px(row)}" rx="4" '
            f'style="{themed(share, "fill")}"/>'
        )
        parts.append(_written(box.text, box.middle, top + 0.68 * row, _WORDS, themed(share, "color", "fill")))
    return parts


def _value(label: str, x: float, y: float) -> str:
    """The value of an arc, on a background that covers the line."""
    wide, high = _width(label, _VALUES) + 4 / _PIXELS, 1.2 * _VALUES / _PIXELS
    background = (
        f'<rect x="{_px(x - wide / 2)}" y="{_px(y - high / 2)}" width="{_px(wide)}" height="{_px(high)}" '
        f'style="{themed(0.0, "fill")}"/>'
    )
    return background + _written(label, x, y + 0.36 * _VALUES / _PIXELS, _VALUES, "fill:currentColor")


def _arc(stroke: Stroke, height: float, share: float) -> str:
    """One stroke as an SVG path, y growing downward; weak ones have at least half of the scale's colour."""
    points = [f"{_px(x)} {_px(height - y)}" for x, y in stroke.points]
    course = f"M{points[0]}"
    for k, point in enumerate(points[1:], start=1):
        if k in stroke.corners:
            course += f"Q{point} {points[k + 1]}"
        elif k - 1 not in stroke.corners:
            course += f"L{point}"
    colour = (0.5 + 0.5 * share) * (1 if stroke.value > 0 else -1)
    style = f"fill:none;stroke:light-dark({LIGHT.hex(colour)},{DARK.hex(colour)});stroke-width:{1 + 3.5 * share:.1f}px"
    return f'<path d="{course}" style="{style}"/>'


def _written(text: str, x: float, y: float, size: float, style: str) -> str:
    """Centred text, drawn with its estimated width."""
    return (
        f'<text x="{_px(x)}" y="{_px(y)}" text-anchor="middle" font-size="{size:g}" '
        f'textLength="{_px(_width(text, size))}" lengthAdjust="spacingAndGlyphs" style="{style}">{safe(text)}</text>'
    )


def _px(inches: float) -> str:
    return f"{_PIXELS * inches:.1f}"


def _width(text: str, size: float) -> float:
    """About the width of `text` in inches, in a sans-serif font of `size` pixels."""
    return max(sum(map(_em, text)), 0.3) * size / _PIXELS


def _em(character: str) -> float:
    """About the width of a character as a share of the font's size."""
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in _NARROW:
        return 0.32
    if character in _WIDE:
        return 0.88
    return 0.68 if character.isupper() else 0.57
