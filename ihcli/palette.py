"""The colours of signed numbers: perceptually uniform, and distinct for colour-blind readers.

From the background's colour, which is zero, one curve leads to vermilion (positive) and one to blue (negative). Each is
a quadratic Bézier curve in OKLab (Ottosson 2020) through a vivid middle, sampled at equal arc length: equal steps of
the number are equal steps of perceived colour, and both ends are equally far from zero. People with protanopia,
deuteranopia or tritanopia all tell vermilion from blue.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

Rgb = tuple[float, float, float]
_Lab = tuple[float, float, float]
_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class Diverging:
    """A diverging colour map."""

    name: str
    ground: str
    """The background's colour, which is zero."""
    positive: tuple[tuple[float, float, float], tuple[float, float, float]]
    """(lightness, chroma, hue in degrees) of the positive curve in its middle and at its end."""
    negative: tuple[tuple[float, float, float], tuple[float, float, float]]
    """The same of the negative curve."""

    def rgb(self, share: float) -> Rgb:
        """The colour of a number that is `share` of the limit, clipped to [-1, 1]; 0 and NaN give the background's."""
        share = max(-1.0, min(1.0, share)) if math.isfinite(share) else 0.0
        if share == 0.0:
            return rgb_of(self.ground)
        return _along(self.ground, self.positive if share > 0 else self.negative, abs(share))

    def hex(self, share: float) -> str:
        """`rgb` as #rrggbb."""
        return "#" + "".join(f"{round(255 * channel):02x}" for channel in self.rgb(share))


LIGHT = Diverging(
    "light", "#ffffff", ((0.75, 0.20, 50.0), (0.46, 0.155, 32.0)), ((0.75, 0.16, 250.0), (0.46, 0.155, 258.0))
)
DARK = Diverging(
    "dark", "#14171c", ((0.52, 0.17, 38.0), (0.84, 0.125, 66.0)), ((0.52, 0.19, 260.0), (0.84, 0.10, 232.0))
)


def rgb_of(hexadecimal: str) -> Rgb:
    """Channels in [0, 1] of #rrggbb."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def luminance(rgb: Rgb) -> float:
    """Relative luminance of WCAG 2.1, in [0, 1]."""
    red, green, blue = (_linear(channel) for channel in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(rgb: Rgb) -> str:
    """Black or white, whichever contrasts more with `rgb`."""
    return "#000000" if (luminance(rgb) + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def oklab(rgb: Rgb) -> _Lab:
    """OKLab coordinates of an sRGB colour."""
    red, green, blue = (_linear(channel) for channel in rgb)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _srgb(lab: _Lab) -> Rgb:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _gamma(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004  (sRGB)


def _gamma(channel: float) -> float:
    channel = max(0.0, min(1.0, channel))
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055  # noqa: PLR2004  (sRGB)


def _polar(lightness: float, chroma: float, hue: float) -> _Lab:
    angle = math.radians(hue)
    return lightness, chroma * math.cos(angle), chroma * math.sin(angle)


@cache
def _sampled(ground: str, curve: tuple[tuple[float, float, float], ...]) -> tuple[tuple[float, Rgb], ...]:
    """The Bézier curve as (arc length, colour), the length normalised to 1."""
    points = (oklab(rgb_of(ground)), _polar(*curve[0]), _polar(*curve[1]))
    colours, lengths = [], [0.0]
    for step in range(_SAMPLES + 1):
        s = step / _SAMPLES
        weights = ((1 - s) ** 2, 2 * s * (1 - s), s * s)
        mixed = [sum(w * p[k] for w, p in zip(weights, points, strict=True)) for k in range(3)]
        colours.append(_srgb((mixed[0], mixed[1], mixed[2])))
    labs = [oklab(colour) for colour in colours]
    for before, after in pairwise(labs):
        lengths.append(lengths[-1] + math.dist(before, after))
    return tuple((length / lengths[-1], colour) for length, colour in zip(lengths, colours, strict=True))


def _along(ground: str, curve: tuple[tuple[float, float, float], ...], share: float) -> Rgb:
    """The colour at a share of the curve's length, linear between samples."""
    samples = _sampled(ground, curve)
    low, high = 0, _SAMPLES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if samples[middle][0] <= share else (low, middle)
    (start, before), (end, after) = samples[low], samples[high]
    mix = (share - start) / (end - start) if end > start else 0.0
    red, green, blue = (b + mix * (a - b) for b, a in zip(before, after, strict=True))
    return red, green, blue
