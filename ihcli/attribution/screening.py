"""The strongest pairs of a long text without all rows: probes rank the rows, and only promising rows are computed.

For a random sign vector z, z_u (Γz)_u = Γ_uu + Σ_{v≠u} z_u z_v Γ_uv: its mean over probes is the diagonal, and its
variance is Σ_{v≠u} Γ_uv², the squared norm of the row off its diagonal. Once rows S are known exactly, their part is
subtracted from the probes (Γ is symmetric), and the remainder ranks the unknown rows among themselves.

The rule that ends the search: a pair of two unknown rows is at most as large as the norm of either row. If fewer than
two unknown rows have an upper bound above the K-th strongest known pair, no unknown pair can be among the K strongest.
The bound is the (1 - CONFIDENCE/U) quantile of the norm, where the sample variance of P probes is taken as χ² with
P - 1 degrees of freedom. That holds for a row with many entries by the central limit theorem; a row with few large
entries has an even smaller variance. The probability that any row exceeds its bound is about CONFIDENCE.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from ihcli.attribution.adaptive import AdaptiveIntegration, Integral, IntegrationSettings, merged, refinement
from ihcli.attribution.evaluation import Array, Asks
from ihcli.attribution.first_order import FirstOrder
from ihcli.attribution.time_limit import Stopped
from ihcli.attribution.verification import FIRST_ORDER_SHARE
from ihcli.quadrature.rules import Rule

SCREENS = 16
"""Sign vectors that rank the rows."""
LEAST_UNITS = 4 * SCREENS
"""Units below which the whole matrix costs no more than the search."""
VERIFIED = 8
"""How many of them verify the quadrature at the new nodes of the halved step. An error of the form ±(1, -1)(1, -1)ᵀ
is seen by none of them with a probability of 2^-8."""
CONFIDENCE = 0.01
"""Probability that some row's bound is broken."""
BATCH = 6
"""Rows that are computed before the rule is applied again."""


def norm_bound(variance: Array, probes: int, rows: int) -> Array:
    """Upper bounds of row norms from the sample variances of the probes, with CONFIDENCE over all rows.

    The χ² quantile is Wilson and Hilferty's: n (1 - 2/(9n) + z √(2/(9n)))³, off by under 2 % at n = 15.
    """
    freedom = probes - 1
    z = NormalDist().inv_cdf(CONFIDENCE / max(rows, 1))
    quantile = freedom * max(1 - 2 / (9 * freedom) + z * (2 / (9 * freedom)) ** 0.5, 0.05) ** 3
    return np.asarray(np.sqrt(variance * freedom / quantile))


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of an integration that is stopped: rows, and the error that the probes showed at their nodes."""

    first: FirstOrder
    rule: Rule
    error: float
    matrix: Array | None


class Screening(AdaptiveIntegration):
    """One integration of probes and chosen rows; rows that cannot contain one of the strongest pairs are NaN."""

    def __init__(self, units: int, settings: IntegrationSettings, top: int) -> None:
        """Evaluate nothing yet; `top` is K, the number of pairs."""
        super().__init__(units, settings)
        self.units, self.top = units, top
        self.rng = np.random.default_rng(settings.seed)
        self._found: _Found | None = None

    def _steps(self) -> Asks[Integral]:
        """Place nodes, evaluate and verify probes, compute rows until the search ends; halve the step if needed."""
        first = yield from self.phase.integrate(self.settings.tolerance / FIRST_ORDER_SHARE, placing=True)
        rule, intervals = self.choice.choose(first)
        t, w = rule.nodes(intervals)
        signs = self.rng.choice([-1.0, 1.0], size=(SCREENS, self.units))
        rows: list[int] = []
        probed = yield from self._products(t, signs)
        self.log.nodes += len(t)
        exact = np.empty((len(t), 0, self.units))
        while True:
            finer = refinement(rule, intervals, t)
            check = yield from self._products(finer.t[finer.new], signs[:VERIFIED])
            now = np.tensordot(w, probed[:, :VERIFIED], axes=1)
            refined = np.tensordot(finer.w[finer.new], check, axes=1) + np.tensordot(
                finer.w[~finer.new], probed[:, :VERIFIED], axes=1
            )
            error = float(np.abs(refined - now).max()) / (1 - rule.slowest)
            self._found = _Found(first, rule, error, None if self._found is None else self._found.matrix)
            scale, exact = yield from self._rows(first, t, w, np.tensordot(w, probed, axes=1), signs, rows, exact)
            first = yield from self.verification.sharpened(first, rule, intervals, scale)
            matrix = self._matrix(np.tensordot(w, exact, axes=1), rows, first)
            gap = float(np.abs(matrix[rows].sum(1) - first.row_sums[rows]).max())
            converged = max(error, gap) + first.error <= self.settings.tolerance * scale
            if converged or self.log.nodes + int(finer.new.sum()) > self.settings.max_nodes:
                break
            every = np.concatenate([signs, np.eye(self.units)[rows]])
            fresh = yield from self._products(finer.t[finer.new], every)
            self.log.nodes += int(finer.new.sum())
            probed = merged(probed, fresh[:, :SCREENS], finer)
            exact = merged(exact, fresh[:, SCREENS:], finer)
            t, w, intervals = finer.t, finer.w, 2 * intervals
        return self._integral(first, rule, matrix, max(error, gap), converged=converged)

    def _products(self, t: Array, vectors: Array) -> Asks[Array]:
        """Products of H(t) with the vectors, (n, K, U)."""
        return (yield from self.log.product(t, vectors))

    def _rows(
        self, first: FirstOrder, t: Array, w: Array, screened: Array, signs: Array, rows: list[int], exact: Array
    ) -> Asks[tuple[float, Array]]:
        """Compute rows, the strongest first, until the search ends; returns the largest entry and the products."""
        while True:
            known = np.tensordot(w, exact, axes=1)
            rest = np.setdiff1d(np.arange(self.units), rows)
            matrix = self._matrix(known, rows, first)
            scale = float(np.nanmax(np.abs(matrix), initial=0.0))
            if rows and self._found is not None:
                self._found = replace(self._found, matrix=matrix)
            if len(rest) == 0:
                return scale, exact
            residual = screened[:, rest] - signs[:, rows] @ known[:, rest]  # (P, rest): unknown among unknown
            norms = (signs[:, rest] * residual).std(axis=0, ddof=1)
            bounds = norm_bound(norms**2, len(signs), self.units)
            threshold = _kth(matrix, self.top)
            open_rows = rest[bounds > threshold]
            if len(open_rows) < 2:  # noqa: PLR2004  (a pair needs two rows)
                if rows:
                    return scale, exact
                open_rows = rest  # no interactions: rows with large attributions, so that something is verified
                bounds = bounds + np.abs(first.row_sums) + np.abs(first.diagonal)
            ranked = open_rows[np.argsort(-bounds[np.isin(rest, open_rows)], kind="stable")][:BATCH]
            part = yield from self._products(t, np.eye(self.units)[ranked])
            rows += ranked.tolist()
            exact = np.concatenate([exact, part], axis=1)

    def _matrix(self, known: Array, rows: list[int], first: FirstOrder) -> Array:
        """(U, U) with the known rows and, by symmetry, columns; NaN elsewhere. Rows take precedence over columns."""
        matrix = np.full((self.units, self.units), np.nan)
        matrix[:, rows] = known.T
        matrix[rows] = known
        matrix[rows, rows] += first.diagonal[rows]
        return matrix

    def steps(self) -> Asks[Integral]:
        """The integration. If stopped, it ends with the rows that it has, which may miss some strongest pairs."""
        try:
            return (yield from self._steps())
        except Stopped:
            found = self._found
            if found is None or found.matrix is None:
                assert self.settings.pace is not None  # noqa: S101  (only an integration with a pace is stopped)
                raise self.settings.pace.too_short_for_rows(self.units) from None
            integral = self._integral(found.first, found.rule, found.matrix, found.error, converged=False)
            return replace(integral, stopped=True)

    def _integral(self, first: FirstOrder, rule: Rule, matrix: Array, error: float, *, converged: bool) -> Integral:
        integral = self.outcome(first, rule.name, matrix, error, converged=converged)
        return replace(integral, row_sums=np.where(np.isnan(matrix).any(axis=1), np.nan, integral.row_sums))


def _kth(matrix: Array, top: int) -> float:
    """The magnitude of the K-th strongest known pair; 0 while fewer are known."""
    values = np.abs(matrix[np.triu_indices(len(matrix), k=1)])
    values = np.sort(values[~np.isnan(values)])[::-1]
    return float(values[top - 1]) if len(values) >= top else 0.0
