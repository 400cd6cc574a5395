"""The first-order phase: Integrated Gradients and the diagonal's term, by Clenshaw-Curtis rules and check points.

First-order values need no second derivative. Because g_u'(t) = Σ_v H_uv(t), they give the exact row sums of the matrix
and show where along the path the second derivatives are large.
"""

from dataclasses import dataclass

import numpy as np

from ihcli.attribution.evaluation import Array, Asks, Evaluations
from ihcli.attribution.formulations import Formulation
from ihcli.attribution.sampling import EvaluationLog, SamplingPlan
from ihcli.quadrature import chebyshev
from ihcli.quadrature.kernels import MINUS_LOG, ONE
from ihcli.quadrature.rules import Rule

MAX_FIRST_INTERVALS = 2048
"""Intervals at which the first-order phase ends, whatever its error."""
RESOLVED = 0.05
"""Relative error of the first-order integrals below which nodes can be placed."""
VARIATION_SHARE = 1 / 5
"""The largest entry of a matrix as a share of ∫ k |Σ_v H_uv| dt; from 0.11 to 0.5 on trained models."""
ROUNDING = {True: 1e-11, False: 3e-5}
"""Difference from the interpolant, as a share of the largest gradient, that rounding explains (in float64 or not)."""


@dataclass(frozen=True, slots=True)
class FirstOrder:
    """Result of the first-order phase."""

    intervals: int
    """Intervals N of the Clenshaw-Curtis rule."""
    samples: Evaluations
    """F and g at its N + 1 nodes."""
    ig: Array
    """∫ g dt (U,)."""
    diagonal: Array
    """The diagonal's term ∫ -ln t g dt (U,), zero for formulations without."""
    row_sums: Array
    """The sums of the matrix's rows (U,)."""
    error: float
    """Estimated error of these integrals, largest entry."""
    series: Array
    """Chebyshev coefficients of the left gradient, damped where spikes are expected: only for placing nodes."""


@dataclass(slots=True)
class FirstOrderPhase:
    """Integrates first-order quantities of one path under one formulation."""

    formulation: Formulation
    plan: SamplingPlan
    log: EvaluationLog
    double: bool = True
    """Whether F is evaluated in float64."""
    _checked: tuple[Array, Array] | None = None
    """Check points and the left gradient there."""

    def integrate(
        self, share: float, scale: float | None = None, known: FirstOrder | None = None, *, placing: bool = False
    ) -> Asks[FirstOrder]:
        """Integrate until the error is `share` of the scale and the check points agree with the interpolant.

        The intervals are doubled up to a limit. For `placing` nodes it is enough that the path is resolved, because the
        integrals are then computed from the nodes.
        """
        if known is None:
            intervals = self.plan.first_intervals
            samples = yield from self.log.gradient(chebyshev.points(intervals))
        else:
            intervals, samples = known.intervals, known.samples
        while True:
            if known is not None and intervals >= MAX_FIRST_INTERVALS:
                return known
            if known is not None:
                samples = yield from self._halved(samples)
                intervals *= 2
            known, change = self._from_samples(samples, scale)
            size = scale or self.size(known) or 1.0
            resolved = (
                placing
                and self.formulation.diagonal
                and intervals >= self.plan.least_resolved
                and known.error <= RESOLVED * size
            )
            goal = (RESOLVED if resolved else share) * size
            if (known.error <= share * size or resolved) and (yield from self._checks(known, change, goal)):
                return known

    def _from_samples(self, samples: Evaluations, scale: float | None) -> tuple[FirstOrder, float]:
        """The integrals, and the largest distance of g at the new nodes from the interpolant of half of them."""
        intervals = len(samples.value) - 1
        now = self._integrals(samples)
        coarse = Evaluations(samples.value[::2], samples.gradient[::2], samples.left[::2])
        half = self._integrals(coarse)
        change = max(float(np.abs(a - b).max()) for a, b in zip(now[:3], half[:3], strict=True))
        series = now[3] if self.plan.smooth else chebyshev.filtered(now[3])
        first = FirstOrder(intervals, samples, *now[:3], float("inf"), series)
        size = scale or self.size(first) or 1.0
        error = self._settled(change, size, now[0], samples)
        nested = chebyshev.evaluate(half[3], chebyshev.points(intervals)[1::2])
        difference = float(np.abs(nested - samples.left[1::2]).max())
        return FirstOrder(intervals, samples, *now[:3], error, series), difference

    def _checks(self, first: FirstOrder, difference: float, goal: float) -> Asks[bool]:
        """Whether g at the check points agrees with the interpolant.

        Its distance from the interpolant may be at most `difference`, the distance of the interpolant of half the
        intervals from the nodes in between; and the integral of the distance over the path may be at most `goal`.
        """
        if self._checked is None:
            t = self.plan.check_points(chebyshev.points(first.intervals))
            if not len(t):
                return True
            seen = yield from self.log.gradient(t)
            self._checked = t, seen.left
        t, left = self._checked
        expected = chebyshev.evaluate(chebyshev.coefficients(first.samples.left), t)
        distance = np.abs(left - expected).max(axis=1)
        rounding = ROUNDING[self.double] * max(float(np.abs(left).max()), float(np.abs(first.samples.left).max()))
        gaps = np.minimum(np.diff(t, prepend=0.0), np.diff(t, append=1.0))
        return bool(distance.max() <= max(difference, rounding) and distance @ gaps <= max(goal, rounding))

    def sharpened(self, first: FirstOrder, rule: Rule, intervals: int, scale: float, enough: float) -> Asks[FirstOrder]:
        """First-order integrals whose error is at most `enough`.

        They are computed from the gradients that came with the Hessians at the rule's nodes; if that is not enough,
        with those at the nodes of the halved step; and if that is not enough, by a further first-order phase.
        """
        if first.error <= enough:
            return first
        if self.formulation.diagonal:
            for count in (intervals, 2 * intervals):
                sharper = yield from self._at_nodes(first, rule, count, scale)
                changed = np.abs(np.concatenate([sharper.ig - first.ig, sharper.diagonal - first.diagonal])).max()
                # Nodes that miss a feature agree with each other, but not with the samples that showed it.
                if sharper.error <= enough and changed <= first.error + enough:
                    return sharper
        return (yield from self.integrate(enough / (scale or 1.0), scale or 1.0, first))

    def _at_nodes(self, first: FirstOrder, rule: Rule, intervals: int, scale: float) -> Asks[FirstOrder]:
        """IG and the diagonal's term by product weights on a rule's nodes and both ends of the path."""
        t = rule.all_nodes(intervals)
        inner = yield from self.log.slopes_at(t[1:-1])
        values = np.concatenate([first.samples.gradient[:1], inner, first.samples.gradient[-1:]])
        ig, coarse_ig, diagonal, coarse_diagonal = (
            rule.product_weights(n, kernel) @ values[:: intervals // n]
            for kernel in (ONE, MINUS_LOG)
            for n in (intervals, intervals // 2)
        )
        change = max(float(np.abs(ig - coarse_ig).max()), float(np.abs(diagonal - coarse_diagonal).max()))
        error = self._settled(change, scale or 1.0, ig, first.samples)
        return FirstOrder(first.intervals, first.samples, ig, diagonal, ig, error, first.series)

    def _integrals(self, samples: Evaluations) -> tuple[Array, Array, Array, Array]:
        """IG, the diagonal's first-order term, the row sums, and the series of the left gradient."""
        intervals = len(samples.value) - 1
        series = chebyshev.coefficients(samples.left)
        ig = chebyshev.product_weights(intervals, ONE) @ samples.gradient
        if self.formulation.diagonal:
            return ig, chebyshev.product_weights(intervals, MINUS_LOG) @ samples.gradient, ig, series
        slopes = chebyshev.derivative(series, chebyshev.points(intervals))
        rows = chebyshev.product_weights(intervals, self.formulation.kernel) @ slopes
        return ig, np.zeros(self.log.units), rows, series

    def size(self, first: FirstOrder) -> float:
        """An estimate of the largest entry before there is a matrix.

        Entries cancel along the path, so only a part of their variation counts.
        """
        fine = chebyshev.points(len(first.series) - 1)
        weights = chebyshev.product_weights(len(first.series) - 1, self.formulation.kernel)
        variation = np.abs(weights) @ np.abs(chebyshev.derivative(first.series, fine))
        return max(
            float(np.abs(first.ig).max()), float(np.abs(first.diagonal).max()), VARIATION_SHARE * float(variation.max())
        )

    def _halved(self, samples: Evaluations) -> Asks[Evaluations]:
        """The samples on twice as many intervals, the old ones kept."""
        intervals = 2 * (len(samples.value) - 1)
        new = yield from self.log.gradient(chebyshev.points(intervals)[1::2])

        def merged(old: Array, fresh: Array) -> Array:
            both = np.empty((intervals + 1, *old.shape[1:]))
            both[::2], both[1::2] = old, fresh
            return both

        return Evaluations(
            merged(samples.value, new.value), merged(samples.gradient, new.gradient), merged(samples.left, new.left)
        )

    def _settled(self, change: float, size: float, ig: Array, samples: Evaluations) -> float:
        """The error left in first-order integrals after their last change; at least their completeness gap."""
        # The whole completeness gap may belong to one unit.
        completeness = abs(float(ig.sum()) - float(samples.value[-1] - samples.value[0]))
        share = max(4.0 * change / size, 1 / 32) if self.plan.smooth else 5.0 * np.sqrt(change / size)
        return float(max(change * min(1.0, share), completeness))
