"""The strongest pairs of a long text without all rows: probes and a few rows find them, and one matrix certifies them.

**The search** decides which units the matrix is computed for, and no number of it is shown. So it takes a rule with few
nodes, and for a product H z the difference (g(t·1 + hz) − g(t·1)) / h of two gradients, h the square root of the
rounding unit: one gradient a product, where second derivatives take 1.2 to 2.

For a random sign vector z, z_v (Γz)_u = Γ_uv + Σ_{w≠v} z_v z_w Γ_uw: its mean over P probes estimates Γ_uv with the
variance Σ_w Γ_uw² / P, which the probes show too. As Γ is symmetric, each pair is estimated from both of its rows. Rows
of the Hessian that are known are subtracted from the probes, which leaves smaller rows, and thus smaller variances, to
the others. So the rows with the largest norms are computed, a few at a time, until no pair of two unknown rows can be
one of the K strongest: until |estimate| + c · standard error is below the K-th strongest known pair for all of them,
with c the quantile of Student's distribution by which each of the K strongest pairs is missed with a probability of
`CONFIDENCE` / K at most.

**The matrix** of the units of the pairs found, with all other units as one unit more, is then integrated and verified
as any matrix is (`AdaptiveIntegration`). It is exact for these units. If it shows that the search was not accurate
enough for the K-th strongest pair, the search goes on, and the matrix is computed for more units.
"""

from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from ihcli.attribution.adaptive import AdaptiveIntegration, Integral, IntegrationSettings
from ihcli.attribution.cost import search_rows
from ihcli.attribution.evaluation import Array, Asks, Indices
from ihcli.attribution.first_order import FirstOrder
from ihcli.attribution.time_limit import Stopped
from ihcli.attribution.verification import FIRST_ORDER_SHARE

PROBES = 10
"""Sign vectors that estimate pairs, for up to 512 units."""
BATCH = 2
"""Rows that are computed before pairs are estimated again."""
CONFIDENCE = 0.01
"""Probability that one of the K strongest pairs is missed."""
COARSE_SHARE = 0.06
"""Error of the search's rule on the row sums, as a share of the largest entry."""
MARGIN = 0.2
"""The share of the K-th strongest pair by which the search may be off before it must go on."""
NEGLIGIBLE = 0.1
"""Pairs below this share of the tolerance, times the largest entry, are taken for zero."""
SMALLEST = 1e-200
"""Added to variances, which may be zero."""
MOST_ROWS = 1 / 2
"""The share of the rows beyond which the whole matrix is computed."""
MOST_CHOSEN = 1 / 2
"""The share of the units whose matrix costs as much as that of all of them."""


def student_quantile(probability: float, freedom: int) -> float:
    """The upper quantile of Student's distribution, by two terms of its expansion about the normal distribution.

    Off by under 3 % for 14 degrees of freedom and probabilities from 1e-4 on.
    """
    z = -NormalDist().inv_cdf(probability)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def sign_vectors(units: int, rng: np.random.Generator) -> Array:
    """Sign vectors (P, U) whose columns are random, but no two the same or opposite.

    From equal columns, a pair could not be told from the diagonal.
    """
    probes = max(PROBES, (units - 1).bit_length() + 1)
    patterns = rng.choice(2 ** (probes - 1), size=units, replace=False)
    signs = 1.0 - 2.0 * (patterns >> np.arange(probes)[:, None] & 1)
    return np.asarray(signs * rng.choice([-1.0, 1.0], size=units))


@dataclass(slots=True)
class Search:
    """What the probes and the rows at the nodes of a coarse rule say of all pairs."""

    t: Array
    w: Array
    signs: Array
    """The sign vectors (P, U)."""
    probed: Array
    """Their products with the matrix (P, U)."""
    rows: list[int] = field(default_factory=list)
    """The units whose rows are known."""
    known: Array = field(default_factory=lambda: np.empty((0, 0)))
    """These rows (R, U)."""

    def bounds(self, top: int) -> tuple[Array, Array]:
        """The units whose rows are unknown (n,), and upper bounds of the pairs among them (n, n), zero for itself."""
        rest = np.setdiff1d(np.arange(self.signs.shape[1]), self.rows)
        signs, left = self.signs[:, rest], self.probed[:, rest]
        if self.rows:
            left = left - self.signs[:, self.rows] @ self.known[:, rest]
        probes = len(signs)
        left = left - signs * (signs * left).mean(axis=0)  # without the diagonal
        separate = 1 - (signs.T @ signs / probes) ** 2  # the share of a pair that is not in its diagonals
        np.fill_diagonal(separate, 1.0)
        estimate = signs.T @ left / (probes * separate)  # [v, u] from row u
        precision = 1 / ((left**2).sum(axis=0) / (probes * (probes - 1)) + SMALLEST)
        both = precision[:, None] + precision
        estimate = (estimate * precision + estimate.T * precision[:, None]) / both
        bounds = np.abs(estimate) + student_quantile(CONFIDENCE / top, 2 * (probes - 1)) / np.sqrt(both * separate)
        np.fill_diagonal(bounds, 0.0)
        return rest, bounds

    def matrix(self) -> Array:
        """(U, U) with the known rows and, by symmetry, columns; NaN elsewhere."""
        units = self.signs.shape[1]
        matrix = np.full((units, units), np.nan)
        if self.rows:
            matrix[:, self.rows] = self.known.T
            matrix[self.rows] = self.known
        return matrix

    def diagonal(self) -> Array:
        """The diagonal (U,), of unknown rows as the probes estimate it."""
        estimate = (self.signs * self.probed).mean(axis=0)
        if self.rows:
            estimate[self.rows] = self.known[np.arange(len(self.rows)), self.rows]
        return np.asarray(estimate)


class Screening(AdaptiveIntegration):
    """One integration of the strongest pairs; entries of other units than theirs are NaN."""

    def __init__(self, units: int, settings: IntegrationSettings, top: int, nested_units: int = 3) -> None:
        """Evaluate nothing yet; `top` is K, the number of pairs."""
        super().__init__(units, settings, nested_units)
        self.units, self.top = units, top
        self.rng = np.random.default_rng(settings.seed)
        self.step = float(np.sqrt(np.finfo(np.float64 if settings.double else np.float32).eps))
        """The step of differences: rounding errors grow as ε over it, those of the difference as the step itself."""
        self._finished: Integral | None = None

    def steps(self) -> Asks[Integral]:
        """The integration. If stopped, it ends with the matrix that it has, which may miss some strongest pairs.

        Raises `TimeLimitError` if it is stopped before there is a matrix.
        """
        try:
            return (yield from self._steps())
        except Stopped:
            if self.complete is not None:
                return self._stopped(self.complete)
            if self._finished is not None:
                return replace(self._finished, converged=False, stopped=True)
            assert self.settings.pace is not None  # noqa: S101  (only an integration with a pace is stopped)
            raise self.settings.pace.too_short_for_rows(self.units) from None

    def _steps(self) -> Asks[Integral]:
        """Search, and certify the matrix of what was found; search on if the matrix shows that it was not enough."""
        first = yield from self.phase.integrate(self.settings.tolerance / FIRST_ORDER_SHARE, placing=True)
        search = yield from self._begun(first)
        threshold, integral, known = None, None, np.empty(0, dtype=np.intp)
        while True:
            threshold = yield from self._rows(search, first, threshold)
            chosen = self._chosen(search, first, threshold)
            if integral is not None and set(chosen) <= set(known):
                return integral
            if len(search.rows) > MOST_ROWS * self.units or len(chosen) > MOST_CHOSEN * self.units:
                self._tell_apart(None)
                return (yield from self._certified(first))
            known = chosen
            self._tell_apart(chosen)
            self._finished = integral = yield from self._certified(first)
            needed = self._needed(search, integral.matrix)
            if needed >= threshold or not integral.converged:
                return integral
            self.log.chosen, threshold = None, needed  # search on

    def _begun(self, first: FirstOrder) -> Asks[Search]:
        """A search with its probes."""
        rule, intervals = self.choice.coarse(first, COARSE_SHARE)
        t, w = rule.nodes(intervals)
        signs = sign_vectors(self.units, self.rng)
        probed = yield from self._products(t, signs, len(signs))
        return Search(t, w, signs, np.tensordot(w, probed, axes=1), known=np.empty((0, self.units)))

    def _products(self, t: Array, vectors: Array, probes: int) -> Asks[Array]:
        """Products of the Hessians at the nodes with some vectors, for a search with so many probes."""
        expected = len(t) * (probes + search_rows(self.units))
        return (yield from self.log.difference(t, vectors, self.step, expected))

    def _rows(self, search: Search, first: FirstOrder, threshold: float | None) -> Asks[float]:
        """Compute rows, the largest first, until no pair without a known row can be above a threshold.

        Returns the threshold: the one given or, for None, the K-th strongest known pair less the margin.
        """
        given = threshold
        while True:
            rest, bounds = search.bounds(self.top)
            if search.rows:
                known = search.matrix()
                strongest = (1 - MARGIN) * _kth(known, self.top) if given is None else given
                threshold = max(strongest, self._negligible(search, first))
                open_units = rest[(bounds > threshold).any(axis=1)]
                if not len(open_units) or len(search.rows) > MOST_ROWS * self.units:
                    return threshold
            else:
                open_units = rest
            norms = bounds.max(axis=1)[np.isin(rest, open_units)]
            ranked = open_units[np.argsort(-norms, kind="stable")][:BATCH]
            part = yield from self._products(search.t, np.eye(self.units)[ranked], len(search.signs))
            search.rows += ranked.tolist()
            search.known = np.concatenate([search.known, np.tensordot(search.w, part, axes=1)])

    def _negligible(self, search: Search, first: FirstOrder) -> float:
        """The size below which pairs are taken for zero."""
        largest = max(float(np.abs(search.known).max()), float(np.abs(search.diagonal() + first.diagonal).max()))
        return NEGLIGIBLE * self.settings.tolerance * largest

    def _chosen(self, search: Search, first: FirstOrder, threshold: float) -> Indices:
        """The units of the known pairs above a threshold, and the one with the largest entry on the diagonal.

        The latter is most often the largest entry of the matrix, which the tolerance is a share of.
        """
        matrix = np.nan_to_num(search.matrix())
        np.fill_diagonal(matrix, 0.0)
        strong = np.flatnonzero((np.abs(matrix) > threshold).any(axis=1))
        largest = np.argmax(np.abs(search.diagonal() + first.diagonal))
        return np.union1d(strong, largest)

    def _tell_apart(self, chosen: Indices | None) -> None:
        """Let second derivatives be those of the chosen units, with all others as one; None for all units."""
        self.log.chosen, self.verification = chosen, replace(self.verification, chosen=chosen)
        self.complete = None

    def _needed(self, search: Search, matrix: Array) -> float:
        """The threshold that the search should have had, as the certified matrix shows.

        It is the K-th strongest pair, less the largest error of the search at any pair that both know.
        """
        off = np.triu(np.ones_like(matrix, dtype=bool), k=1)
        error = np.abs(matrix - search.matrix())[off]
        return _kth(matrix, self.top) - float(np.nanmax(error, initial=0.0))

    def outcome(self, first: FirstOrder, rule: str, matrix: Array, error: float, *, converged: bool) -> Integral:
        """The record of the integral and its cost; entries that were not computed are NaN."""
        integral = super().outcome(first, rule, matrix, error, converged=converged)
        chosen = self.verification.chosen
        if chosen is None:
            return integral
        whole = np.full((self.units, self.units), np.nan)
        whole[np.ix_(chosen, chosen)] = integral.matrix[:-1, :-1]
        return replace(integral, matrix=whole)


def _kth(matrix: Array, top: int) -> float:
    """The magnitude of the K-th strongest known pair; 0 while fewer are known."""
    values = np.abs(matrix[np.triu_indices(len(matrix), k=1)])
    values = np.sort(values[~np.isnan(values)])[::-1]
    return float(values[top - 1]) if len(values) >= top else 0.0
