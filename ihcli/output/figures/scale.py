"""From a number to a colour and to a short label: symmetric limits, zero exactly the ground."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap

from ihcli.output.figures.style import Theme
from ihcli.palette import ink_on
from ihcli.results import Array
from ihcli.wording import Digits

_COLOURS = 257  # odd, so that the middle one is the ground and only zero's neighbourhood gets it


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours and labels of numbers in [-limit, limit]; a power of ten is taken out of the labels."""

    limit: float
    theme: Theme

    @classmethod
    def of(cls, values: Iterable[float], theme: Theme) -> "Scale":
        """The symmetric scale of the largest known number; 1 when all are zero, so that zero stays the ground."""
        return cls(Digits.of(values).limit, theme)

    @property
    def power(self) -> str:
        """The power of ten that labels are in units of: ` ×10⁻³`, or nothing."""
        return Digits(self.limit).power

    def label(self, value: float) -> str:
        """The number as a cell shows it, without a plus sign."""
        return Digits(self.limit).label(value)

    def colour(self, value: float) -> tuple[float, float, float]:
        """The colour of the number, clipped at the limits."""
        return self.theme.colours.rgb(value / self.limit)

    def stroke(self, value: float) -> tuple[float, float, float]:
        """The colour of a line that stands for the number: half the way at least, or a weak one would not be seen."""
        share = 0.5 + 0.5 * min(1.0, abs(value) / self.limit)
        return self.theme.colours.rgb(math.copysign(share, value))

    def ink(self, value: float) -> str:
        """The ink that reads best on the number's colour."""
        return ink_on(self.colour(value))

    def image(self, values: Array) -> Array:
        """RGB (…, 3) of an array of numbers; what is absent gets the theme's ground for things apart."""
        apart = np.array([int(self.theme.apart[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        flat = [apart if math.isnan(v) else np.array(self.colour(float(v))) for v in values.ravel()]
        return np.array(flat).reshape(*values.shape, 3)

    def map(self) -> ListedColormap:
        """The scale's colours as a Matplotlib map, for the colour bar."""
        shares = np.linspace(-1, 1, _COLOURS)
        return ListedColormap([self.theme.colours.rgb(float(s)) for s in shares], name=f"ih-{self.theme.name}")
