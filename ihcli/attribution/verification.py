"""Verification of a matrix: by its row sums, by its nested rule, and by products with a few sign vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.attribution.evaluation import Array, Asks, Indices
from ihcli.attribution.first_order import FirstOrder, FirstOrderPhase
from ihcli.attribution.node_choice import GEOMETRIC, SLOWEST
from ihcli.attribution.sampling import EvaluationLog
from ihcli.quadrature.rules import Rule

PROBES = 3
"""Sign vectors whose products verify a matrix. With the row sums, which are known exactly, they span four units."""
HADAMARD = np.array([[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=np.float64)
FEW_PROBES = 2
"""The same for few units, of which three would cost half as much as the matrix."""
FEW_UNITS = 5
FEW_MARGIN = 1.5
"""A factor on the estimate from few probes, for the direction that they do not span."""
LEAST_LEFT = 1 / 32
"""The smallest share of a change that is assumed to be left after a doubling of the nodes."""
FIRST_ORDER_SHARE = 4
"""The first-order integrals may take up the tolerance divided by this."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """The nodes and weights of the halved step."""

    t: Array
    w: Array
    new: NDArray[np.bool_]
    """Which nodes were not evaluated yet."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Estimates the error of matrices of one integration."""

    phase: FirstOrderPhase
    log: EvaluationLog
    tolerance: float
    rng: np.random.Generator
    probing: bool
    """Whether probes may be requested; otherwise the nested rule alone decides."""
    chosen: Indices | None = None
    """The units of the matrix, whose last row is then that of all others together; None where it has all units."""

    def judge(
        self, first: FirstOrder, rule: Rule, intervals: int, hessians: Array, matrix: Array, finer: Refinement
    ) -> Asks[tuple[FirstOrder, float]]:
        """First-order integrals that are accurate enough for the verdict, and the error of the matrix or of its rows.

        The matrix is compared with its nested rule first. If that does not decide, probes are requested at the new
        nodes of the halved step. The larger of the two errors is returned.
        """
        coarse = np.tensordot(rule.nodes(intervals // 2)[1], rule.half(hessians), axes=1)
        change, size = self.change(matrix, coarse), self.largest(matrix, first) or 1.0
        promising = intervals >= self.phase.plan.nested_from and self.within(
            left_after(change, change / size, rule.slowest), matrix, first
        )
        error, gap = float("inf"), 0.0  # not compared with the rows yet
        if promising or not self.probing:
            first = yield from self.sharpened(first, rule, intervals, size)
            gap = self.row_gap(matrix, first)
            error = left_after(change, max(change / size, gap / (self.row_gap(coarse, first) or 1.0)), rule.slowest)
        undecided = self.within(gap, matrix, first) and not self.within(error + first.error, matrix, first)
        if self.probing and undecided:
            error = yield from self._probed(matrix, hessians, finer)
            error /= 1 - rule.slowest  # the finer matrix has an error too
            first = yield from self.sharpened(first, rule, intervals, self.largest(matrix, first))
            gap = self.row_gap(matrix, first)
        return first, max(error, gap)

    def within(self, error: float, matrix: Array, first: FirstOrder) -> bool:
        """Whether an error is within the tolerance, a share of the largest entry."""
        return error <= self.tolerance * self.largest(matrix, first)

    def largest(self, matrix: Array, first: FirstOrder) -> float:
        """The largest entry of the units that count."""
        return largest(matrix, first, self.chosen)

    def row_gap(self, matrix: Array, first: FirstOrder) -> float:
        """The largest error of the row sums of the units that count."""
        return row_gap(matrix, first, self.chosen)

    def change(self, matrix: Array, coarse: Array) -> float:
        """The largest difference of two matrices over the units that count."""
        return float(np.abs(_counted(matrix - coarse, self.chosen)).max())

    def sharpened(self, first: FirstOrder, rule: Rule, intervals: int, scale: float) -> Asks[FirstOrder]:
        """First-order integrals accurate enough for the verdict on a matrix of this scale."""
        enough = self.tolerance / FIRST_ORDER_SHARE * (scale or 1.0)
        return (yield from self.phase.sharpened(first, rule, intervals, scale, enough))

    def _probed(self, matrix: Array, hessians: Array, finer: Refinement) -> Asks[float]:
        """The largest entry of z·(Γ_2N - Γ_N) over a few sign vectors z.

        A product does not show an entry of the difference if the rest of its column cancels it. The units are
        therefore ordered by the sum of their row's magnitudes, and on every four units in that order the vectors are
        rows of a Hadamard matrix; its remaining row, all ones, gives the row sums, which are known exactly. Any error
        on the first four units is then seen in full: max_k |h_k·e| >= |e| for all four orthogonal sign vectors.
        """
        vectors = self._signs(matrix)
        probed = yield from self.log.product(finer.t[finer.new], vectors)
        old = vectors @ np.tensordot(finer.w[~finer.new], hessians, axes=1)
        refined = np.tensordot(finer.w[finer.new], probed, axes=1) + old
        margin = FEW_MARGIN if len(vectors) == FEW_PROBES else 1.0
        difference = refined - vectors @ matrix
        return margin * float(np.abs(difference if self.chosen is None else difference[:, :-1]).max())

    def _signs(self, matrix: Array) -> Array:
        """Sign vectors (K, U): Hadamard rows with random signs on every four units, largest rows first.

        They are zero for the unit of all others, whose errors do not count.
        """
        counted = _counted(matrix, self.chosen)
        units = len(counted)
        count = FEW_PROBES if units <= FEW_UNITS else PROBES
        rank = np.empty(units, dtype=int)
        rank[np.argsort(-np.abs(counted).sum(axis=1), kind="stable")] = np.arange(units)
        signs = self.rng.choice([-1.0, 1.0], size=(count, units // 4 + 1))
        vectors = HADAMARD[:count, rank % 4] * signs[:, rank // 4]
        return np.pad(vectors, ((0, 0), (0, len(matrix) - units)))


def total(matrix: Array, first: FirstOrder, chosen: Indices | None = None) -> Array:
    """The matrix with the diagonal's first-order term, in the rows of the chosen units where it has only those."""
    diagonal = first.diagonal if chosen is None else np.append(first.diagonal[chosen], 0.0)
    return matrix + np.diag(diagonal)


def largest(matrix: Array, first: FirstOrder, chosen: Indices | None = None) -> float:
    """Its largest entry, of the chosen units where it has only those."""
    return float(np.abs(_counted(total(matrix, first, chosen), chosen)).max())


def row_gap(matrix: Array, first: FirstOrder, chosen: Indices | None = None) -> float:
    """The largest difference between its row sums and those known from first-order values."""
    sums = total(matrix, first, chosen).sum(1)
    seen = sums - first.row_sums if chosen is None else sums[:-1] - first.row_sums[chosen]
    return float(np.abs(seen).max())


def _counted(matrix: Array, chosen: Indices | None) -> Array:
    """The entries of single units, without those of all others together."""
    return matrix if chosen is None else matrix[:-1, :-1]


def left_after(change: float, ratio: float, slowest: float) -> float:
    """The error left in a matrix after the last doubling of its nodes, which changed it by `change`.

    If the error with N nodes is q^N, the change c is about q^(N/2), and what is left about c². The row sums, whose
    errors are known exactly, show the same ratio. The caller passes the larger of the two ratios, and `GEOMETRIC` is
    the safety factor on it. The rule's own order, `slowest`, bounds the share from below, because rows that cancel do
    not show it.
    """
    return change * min(1.0, max(GEOMETRIC * ratio, SLOWEST * slowest, LEAST_LEFT))
