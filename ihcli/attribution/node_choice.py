"""The choice of a rule and of its number of nodes, from first-order values alone.

`quadrature.mapping` makes a variable s from the row sums, in which the integrand is smooth and even, so that the
trapezoid rule converges geometrically. Where the path is smooth everywhere, Clenshaw-Curtis does too. The error of
either rule on the row sums is computed before the first Hessian is evaluated.
"""

from dataclasses import dataclass

import numpy as np

from ihcli.attribution.evaluation import Array
from ihcli.attribution.first_order import FirstOrder, FirstOrderPhase
from ihcli.quadrature import chebyshev, mapping
from ihcli.quadrature.rules import ClenshawCurtis, MappedTrapezoid, Rule

GEOMETRIC = 4.0
"""Safety factor on the error that is left after a change c, estimated as c times c or the ratio of the rows' errors."""
SLOWEST = 2.0
"""Safety factor on a rule's `slowest`, for the logarithm in its error."""
FORESIGHT_SHARE = 1 / 2
"""The predicted error of the row sums must be at most this share of the tolerance."""
SAFE_STEPS = 2
"""Consecutive steps of the ladder that must pass, since an error may cross zero at one of them."""
COARSE = (4, 5, 6, 8, 10, 12, 16, 20, 24)
"""Intervals of rules that need no accuracy of their own."""
DEFAULT_STEP = 10
"""The step of the ladder to start at if no error can be predicted."""


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """Chooses nodes for one integration."""

    phase: FirstOrderPhase
    tolerance: float
    max_nodes: int
    nested: bool
    """Whether the nested rule alone verifies the matrix; the rule of half the intervals must then be accurate too."""
    ends: bool = True
    """Whether H may be evaluated at the ends of the path."""

    def choose(self, first: FirstOrder) -> tuple[Rule, int]:
        """The rule and intervals by the predicted error; if none is small enough, a medium number of mapped nodes."""
        foreseen = self.foreseen(first)
        if foreseen is not None:
            return foreseen
        ladder = self.phase.plan.ladder[:DEFAULT_STEP]
        few = max([n for n in ladder if n - 1 <= self.max_nodes], default=2)
        return self._mapped(first), few

    def foreseen(self, first: FirstOrder, scale: float | None = None) -> tuple[Rule, int] | None:
        """The rule and the fewest intervals whose error on the row sums is safely within the tolerance.

        `scale` is the largest entry of the matrix where one is known, by default an estimate.
        """
        size = scale or self.phase.size(first) or 1.0
        kernel = self.phase.formulation.kernel
        fine = chebyshev.points(first.intervals)
        slopes = chebyshev.derivative_series(first.series)
        exact = chebyshev.product_weights(first.intervals, kernel) @ chebyshev.evaluate(slopes, fine)
        rules: list[Rule] = [self._mapped(first), *([ClenshawCurtis(kernel)] if self.ends else [])]
        if self.phase.plan.smooth:
            rules.reverse()
        best: tuple[int, Rule, int] | None = None
        for rule in rules:
            # Prefer the first rule unless the other needs under half the nodes.
            most = self.max_nodes if best is None else min(self.max_nodes, best[0] // 2)
            intervals = self._fewest(rule, slopes, exact, size, most)
            if intervals is not None:
                best = len(rule.nodes(intervals)[0]), rule, intervals
        return None if best is None else best[1:]

    def coarse(self, first: FirstOrder, share: float) -> tuple[Rule, int]:
        """The mapped rule with the fewest intervals whose error on the row sums is at most a share of the scale."""
        size = self.phase.size(first) or 1.0
        slopes = chebyshev.derivative_series(first.series)
        weights = chebyshev.product_weights(first.intervals, self.phase.formulation.kernel)
        exact = weights @ chebyshev.evaluate(slopes, chebyshev.points(first.intervals))
        rule = self._mapped(first)
        good = (n for n in COARSE if self._error(rule, n, slopes, exact) <= share * size)
        return rule, next(good, COARSE[-1])

    def _fewest(self, rule: Rule, slopes: Array, exact: Array, size: float, most: int) -> int | None:
        """The fewest intervals that pass with the next step of the ladder."""
        goal = self.tolerance * size * FORESIGHT_SHARE
        ladder = self.phase.plan.ladder
        passed = 0
        for index, intervals in enumerate(ladder):
            if len(rule.nodes(intervals)[0]) > most:
                return None
            error = self._error(rule, intervals, slopes, exact)
            if self.nested or self.phase.plan.smooth:
                change = self._error(rule, intervals // 2, slopes, exact)
                error = GEOMETRIC * max(error, change * change / size)
                # The verification assumes at least this to be left of a change, and allows it the whole tolerance.
                error = max(error, FORESIGHT_SHARE * SLOWEST * rule.slowest * change)
            passed = passed + 1 if error <= goal else 0
            if passed == SAFE_STEPS:
                return ladder[index + 1 - SAFE_STEPS]
        return None

    @staticmethod
    def _error(rule: Rule, intervals: int, slopes: Array, exact: Array) -> float:
        """The rule's error on the row sums of H, whose Chebyshev coefficients are `slopes`: the largest entry."""
        t, w = rule.nodes(intervals)
        return float(np.abs(w @ chebyshev.evaluate(slopes, t) - exact).max())

    def _mapped(self, first: FirstOrder) -> MappedTrapezoid:
        """The trapezoid rule in the arc length of the kernel times the row sums of H."""
        kernel = self.phase.formulation.kernel
        t = mapping.grid()
        profile = kernel(np.clip(t, 1e-12, 1.0))[:, None] * chebyshev.derivative(first.series, t)
        return MappedTrapezoid(kernel, mapping.equidistribute(profile))
