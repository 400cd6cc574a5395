"""From a number to a colour and to a short label: symmetric limits, zero has the background's colour."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap

from ihcli.output.figures.style import Theme
from ihcli.palette import ink_on, rgb_of
from ihcli.results import Array
from ihcli.wording import Digits

_COLOURS = 257  # odd, so that the middle one is the background


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours and labels of numbers in [-limit, limit]; a power of ten may be taken out of the labels."""

    limit: float
    theme: Theme
    shared_exponent: int | None = None
    """The power of ten of all scales of a figure; None lets the limit decide."""

    @classmethod
    def of(cls, values: Iterable[float], theme: Theme) -> "Scale":
        """The symmetric scale of the largest known number; its limit is 1 when all numbers are zero."""
        return cls(Digits.of(values).limit, theme)

    @property
    def digits(self) -> Digits:
        """How the numbers are written."""
        return Digits(self.limit, self.shared_exponent)

    @property
    def power(self) -> str:
        """The power of ten taken out of the labels: ` ×10⁻³`, or nothing."""
        return self.digits.power

    def label(self, value: float, *, plus: bool = False) -> str:
        """The number as it is written."""
        return self.digits.label(value, plus=plus)

    def colour(self, value: float) -> tuple[float, float, float]:
        """The colour of the number, clipped at the limits."""
        return self.theme.colours.rgb(value / self.limit)

    def stroke(self, value: float) -> tuple[float, float, float]:
        """The colour of a line for the number: at least half of the scale, so that a weak line is visible."""
        share = 0.5 + 0.5 * min(1.0, abs(value) / self.limit)
        return self.theme.colours.rgb(math.copysign(share, value))

    def ink(self, value: float) -> str:
        """Black or white, whichever reads better on the number's colour."""
        return ink_on(self.colour(value))

    def image(self, values: Array) -> Array:
        """RGB (…, 3) of an array of numbers; NaN gets the theme's colour for cells that are no interaction."""
        apart = np.array(rgb_of(self.theme.apart))
        flat = [apart if math.isnan(v) else np.array(self.colour(float(v))) for v in values.ravel()]
        return np.array(flat).reshape(*values.shape, 3)

    def map(self) -> ListedColormap:
        """The scale's colours as a Matplotlib map, for the colour bar."""
        shares = np.linspace(-1, 1, _COLOURS)
        return ListedColormap([self.theme.colours.rgb(float(s)) for s in shares], name=f"ih-{self.theme.name}")
