"""Numbers as text: a number alone, the numbers of a table, a share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MINUS = "−"
UNKNOWN = "?"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECIMALS = 7


@dataclass(frozen=True, slots=True)
class Digits:
    """How the numbers of one table are written: all with the same decimals and the same power of ten taken out."""

    limit: float
    """The largest magnitude in the table; it is shown with two or three significant digits."""
    shared_exponent: int | None = None
    """The power of ten of several tables that are read together; None lets `limit` decide."""

    @classmethod
    def of(cls, values: Iterable[float]) -> "Digits":
        """For the largest known magnitude of `values`; 1 when all of them are zero."""
        return cls(max((abs(v) for v in values if math.isfinite(v)), default=0.0) or 1.0)

    @property
    def exponent(self) -> int:
        """The power of ten taken out: a multiple of three, 0 for limits from 0.05 to 999."""
        if self.shared_exponent is not None:
            return self.shared_exponent
        return 0 if 0.05 <= self.limit < 1000 else _multiple_of_three(self.limit)  # noqa: PLR2004  (easily read)

    @property
    def power(self) -> str:
        """` ×10⁻³`, or nothing."""
        return f" ×10{str(self.exponent).translate(_SUPERSCRIPTS)}" if self.exponent else ""

    @property
    def decimals(self) -> int:
        """Decimals of every number."""
        largest = self.limit / 10.0**self.exponent
        return min(_MOST_DECIMALS, max(0, 2 - math.floor(math.log10(largest)) - (largest < 1)))

    def label(self, value: float, *, plus: bool = False) -> str:
        """The number in units of 10^exponent; NaN is a question mark."""
        if not math.isfinite(value):
            return UNKNOWN
        text = f"{abs(value) / 10.0**self.exponent:.{self.decimals}f}"
        if float(text) == 0:
            return text
        return (MINUS if value < 0 else "+" if plus else "") + text


def digits_together(*tables: Sequence[float]) -> list[Digits]:
    """Digits of tables that are read side by side: one power of ten for all, 0 from 10⁻⁴ to 10⁶."""
    sizes = [max((abs(v) for v in values if math.isfinite(v)), default=0.0) for values in tables]
    largest = max(sizes, default=0.0) or 1.0
    exponent = 0 if 1e-4 <= largest < 1e6 else _multiple_of_three(largest)  # noqa: PLR2004  (easily read)
    return [Digits(size or largest, exponent) for size in sizes]


def number(value: float, digits: int = 3, *, plus: bool = False) -> str:
    """`value` to `digits` significant digits, with a minus sign that is not a hyphen; NaN is a question mark."""
    if not math.isfinite(value):
        return UNKNOWN if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if value == 0:
        return "0"
    magnitude = abs(value)
    if 1e-3 <= magnitude < 1e5:  # noqa: PLR2004  (easily read)
        decimals = max(0, digits - 1 - math.floor(math.log10(magnitude)))
        text = f"{magnitude:.{decimals}f}"
    else:
        text = f"{magnitude:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("e-", f"e{MINUS}")
    return (MINUS if value < 0 else "+" if plus else "") + text


def percent(share: float) -> str:
    """A share as a percentage with two significant digits."""
    if not math.isfinite(share):
        return UNKNOWN
    magnitude = abs(100 * share)
    if 0 < magnitude < 0.001:  # noqa: PLR2004  (smaller ones need not be told apart)
        return "less than 0.001 %"
    if 99.5 <= magnitude < 100.5:  # noqa: PLR2004  (99.96 % must not read as 100 %)
        return f"{100 * share:.1f} %".replace("-", MINUS)
    if 100.5 <= magnitude < 1e5:  # noqa: PLR2004  (beyond that a power of ten reads better)
        return f"{100 * share:.0f} %".replace("-", MINUS)
    return f"{number(100 * share, 2).removesuffix('.0')} %"


def _multiple_of_three(value: float) -> int:
    """The largest multiple of three whose power of ten is at most `value`."""
    return 3 * math.floor(math.log10(value) / 3)
