"""How densely a path is sampled before nodes are placed, and the log of what was evaluated on it."""

from dataclasses import dataclass, field

import numpy as np

from ihcli.attribution.evaluation import Array, Asks, Evaluations, Indices, Request

GOLDEN = (np.sqrt(5) - 1) / 2
"""The golden ratio less 1, whose multiples modulo 1 are evenly spread."""


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The gradients that a path gets before its nodes are chosen.

    A nested rule evaluates only its own nodes, so no comparison of the rule with itself shows a feature between them.
    Gradients at *check points*, which belong to no nested rule, are therefore compared with the interpolant.
    """

    first_intervals: int
    """Intervals of the first Clenshaw-Curtis rule."""
    least_resolved: int
    """Intervals below which the path counts as resolved only if the integrals themselves meet the tolerance."""
    nested_from: int
    """Intervals from which a nested rule may verify a matrix; with fewer, half of them are too few to compare."""
    largest_gap: float
    """Check points are placed until no two sampled points are farther apart than this."""
    least_checks: int
    """The smallest number of check points."""
    ladder: tuple[int, ...]
    """Numbers of intervals from which that of the matrix is chosen."""
    smooth: bool = False
    """Whether the path is analytic on its own scale, so that Clenshaw-Curtis rules are tried first."""

    def check_points(self, sampled: Array) -> Array:
        """Points between the sampled ones (n,), ascending, that leave no gap above the largest."""
        gaps = np.diff(sampled)
        parts = np.ceil(gaps / self.largest_gap).astype(int)
        inner = [
            a + gap * np.arange(1, part) / part for a, gap, part in zip(sampled, gaps, parts, strict=False) if part > 1
        ]
        checks = np.concatenate(inner) if inner else np.empty(0)
        if len(checks) < self.least_checks:  # a low-discrepancy sequence, moved off the nodes
            spread = (0.5 + GOLDEN * np.arange(1, self.least_checks + 1)) % 1.0
            index = np.clip(np.searchsorted(sampled, spread) - 1, 0, len(gaps) - 1)
            checks = np.sort(sampled[index] + gaps[index] * (0.4 + 0.2 * spread))
        return np.asarray(checks)


_LADDER = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512)

ANY_FUNCTION = SamplingPlan(32, 64, 16, 0.009, 8, _LADDER)
"""For functions of which nothing is known. Features as narrow as 3e-3 of the path are found, of 1e-3 nearly always."""
EMBEDDINGS = SamplingPlan(32, 64, 16, 0.03, 8, _LADDER)
"""For paths of word embeddings, on which second derivatives grow a thousandfold within a tenth of the path."""
VALUE_ZEROING = SamplingPlan(8, 8, 8, 1.0, 4, _LADDER, smooth=True)
"""For switches of value vectors, along which a transformer's score is smooth; 9 nodes typically err by 1e-3."""


@dataclass(slots=True)
class EvaluationLog:
    """Requests evaluations for one integration, and records their number and the values along the path."""

    units: int
    chosen: Indices | None = None
    """The units whose second derivatives are requested, with all others as one unit more; None for all units."""
    gradients: int = 0
    nodes: int = 0
    products: int = 0
    differences: int = 0
    """Those of the gradients that were displaced."""
    refines: bool = False
    """Whether a matrix is complete, which further requests refine."""
    profile: list[tuple[Array, Array, Array]] = field(default_factory=list)
    """Nodes, F there, and max |H| there (NaN where H was not evaluated)."""
    _slopes: list[tuple[Array, Array]] = field(default_factory=list)
    """Nodes of all requests and the gradients there."""

    def gradient(self, t: Array) -> Asks[Evaluations]:
        """F and g at nodes t."""
        seen = yield Request(t, order=1, refines=self.refines)
        self._keep(t, seen.gradient)
        self.gradients += len(t)
        self.profile.append((t, seen.value, np.full(len(t), np.nan)))
        return seen

    def hessian(self, t: Array) -> Asks[Array]:
        """H(t), (n, U, U), or (n, K + 1, K + 1) for K chosen units and all others as one."""
        seen = yield Request(t, order=2, chosen=self.chosen, refines=self.refines)
        assert seen.hessian is not None  # noqa: S101  (the engine returns what was requested)
        self._keep(t, seen.gradient)
        self.nodes += len(t)
        self.products += len(t) * seen.hessian.shape[1]
        shown = seen.hessian if self.chosen is None else seen.hessian[:, :-1, :-1]
        self.profile.append((t, seen.value, np.abs(shown).max(axis=(1, 2))))
        return seen.hessian

    def product(self, t: Array, vectors: Array) -> Asks[Array]:
        """V·H(t), (n, K, U), for vectors V (K, U); as many columns as units are told apart."""
        seen = yield Request(t, order=2, vectors=vectors, chosen=self.chosen, refines=self.refines)
        assert seen.hessian is not None  # noqa: S101
        self._keep(t, seen.gradient)
        self.products += len(t) * len(vectors)
        return seen.hessian

    def difference(self, t: Array, vectors: Array, step: float, expected: int = 0) -> Asks[Array]:
        """V·H(t), (n, K, U), nearly: what `step` times each vector of V (K, U) changes of the gradient, per step.

        A gradient each, where the product itself costs more. `expected` counts those of the whole search.
        """
        before = yield from self.slopes_at(t)
        seen = yield Request(
            t, order=1, displacements=step * vectors, before=self.differences, expected=expected, refines=self.refines
        )
        self.gradients += len(t) * len(vectors)
        self.differences += len(t) * len(vectors)
        after = seen.gradient.reshape(len(vectors), len(t), self.units)
        return np.asarray((after - before).transpose(1, 0, 2) / step)

    def slopes_at(self, t: Array) -> Asks[Array]:
        """g at nodes t, (n, U), evaluated only where no earlier request has given it."""
        known_t, known = self._known()
        missing = t[~np.isin(t, known_t)]
        if len(missing):
            yield from self.gradient(missing)
            known_t, known = self._known()
        order = np.argsort(known_t, kind="stable")
        return np.asarray(known[order[np.searchsorted(known_t[order], t)]])

    def _known(self) -> tuple[Array, Array]:
        """All nodes (n,) and the gradients there (n, U)."""
        if not self._slopes:
            return np.empty(0), np.empty((0, self.units))
        t, gradient = (np.concatenate(column) for column in zip(*self._slopes, strict=True))
        return t, gradient

    @property
    def told_apart(self) -> int:
        """The number of units of the Hessians that are requested."""
        return self.units if self.chosen is None else len(self.chosen) + 1

    def _keep(self, t: Array, gradient: Array) -> None:
        if gradient.shape[1] != self.units:  # some of the units count as one
            return
        fresh = ~np.isin(t, self._known()[0])
        self._slopes.append((t[fresh], gradient[fresh]))
