"""The controller: which nodes, how many, and when to stop.  It asks; the driver evaluates; NumPy only.

Three facts make it cheap.  (1) g is the derivative's derivative: g_u'(t) = Σ_v H_uv(t), because γ'(t) = δ.  First-order
values, which cost no second-order product, therefore give the exact row sums of the matrix, and show where H has its
spikes.  (2) In the variable s of `quadrature.mapping`, made from those row sums, the integrand is smooth and even, and
the trapezoid rule converges geometrically; its error on the row sums can be computed beforehand from first-order values
alone, so the number of full Hessians is chosen before the first is spent.  (3) The same convergence bounds the
error left by what half of the nodes give; where that is not enough, the error of the whole matrix shows in its action
on a few sign vectors: the halved step's new nodes get K products each instead of U.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ihcli.quadrature import chebyshev, mapping
from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE, Kernel

Array = NDArray[np.float64]

LADDER = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512)
PROBES = 3
"""Sign vectors whose products verify a matrix; with the row sums, known exactly, a basis of four units."""
HADAMARD = np.array([[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=np.float64)
FEW_PROBES = 2
"""The same for few units, where three would cost as much as half of the matrix."""
FEW_UNITS = 5
REFINED_UNITS = 3
"""Up to so many units, verification by probes would cost what whole Hessians do; an engine may raise it."""
FORWARD_REFINED_UNITS = 6
"""The same for the forward engine, whose whole Hessian of six units costs what the graph of one probe does."""
NESTED_FROM = 16
"""Intervals from which the nodes may check themselves, so that probes are saved; half of fewer see too little."""
GEOMETRIC = 4.0
"""Safety on the error left after a change c: c·max(c, ratio of the last two errors of the rows), both geometric."""
SLOWEST = 2.0
"""Safety on the share that a rule's own order leaves, for its logarithm."""
RESOLVED = 0.05
"""First-order integrals off by less of the largest entry show the path well enough to lay nodes."""
LEAST_RESOLVED = 64
"""Intervals before that is believed."""
FEW_MARGIN = 1.5
"""What the missing direction may hide, as a factor on the estimate from few probes."""
FIRST_INTERVALS = 32
MAX_FIRST_INTERVALS = 2048
FIRST_ORDER_SHARE = 4
"""The first-order integrals may use up one part in this many of the tolerance."""
FORESIGHT_SHARE = 1 / 2
"""The foreseen error of the rows must be this share of the tolerance."""
VARIATION_SHARE = 1 / 5
"""The largest entry is seldom under this share of ∫ k |Σ_v H_uv| dt (0.11 to 0.5 on trained models)."""
SAFE_RUNGS = 2
"""So many rungs in a row must be safe: an error may pass through zero on one."""
DEFAULT_RUNG = 10
"""The rung of the ladder to start on when nothing can be foreseen."""


@dataclass(frozen=True, slots=True)
class Formulation:
    """A definition of the matrix: the kernel over H, whether the diagonal has its first-order term, the left vector."""

    name: str
    kernel: Kernel
    diagonal: bool
    ones_left: bool = False


FORMULATIONS = {
    f.name: f
    for f in (
        Formulation("paper", MINUS_T_LOG, diagonal=True),
        Formulation("article", MINUS_LOG, diagonal=False),
        Formulation("article-code", ONE, diagonal=False, ones_left=True),
    )
}


@dataclass(frozen=True, slots=True)
class Request:
    """Nodes t to evaluate: to first order, or with H (`order` 2), or with the products of H and `vectors` (K, U)."""

    t: Array
    order: int
    vectors: Array | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """What came back: f (B,), g (B, U), the left gradient (B, U; g itself but for `article-code`), H (B, K, U)."""

    value: Array
    gradient: Array
    left: Array
    hessian: Array | None = None


@dataclass(frozen=True, slots=True)
class Integral:
    """The outcome: the matrix before it is made symmetric, and all that the certificate needs."""

    ig: Array
    f_input: float
    f_baseline: float
    matrix: Array
    row_sums: Array
    """What the rows must sum to, from first-order values."""
    quadrature_error: float
    first_order_error: float
    rule: str
    nodes: int
    products: int
    gradients: int
    converged: bool
    t: Array
    value: Array
    curvature: Array


class Rule(Protocol):
    """A nested family: the nodes and weights of N intervals are every other one of 2N."""

    @property
    def name(self) -> str:
        """What the result calls it."""

    @property
    def slowest(self) -> float:
        """The share of its error that a doubling leaves at worst, where the integrand is smooth; 0: geometric."""

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """Nodes t and weights in place of k(t) dt."""

    def half(self, values: Array) -> Array:
        """The values at the nodes of half as many intervals."""


@dataclass(frozen=True, slots=True)
class MappedTrapezoid:
    """The trapezoid rule in the arc length of the row sums: for spikes."""

    kernel: Kernel
    mapping: mapping.Mapping
    name: str = "mapped trapezoid"

    @property
    def slowest(self) -> float:
        """2^-4 for -t ln t, which leaves θ³ ln θ at the baseline's end, else 2^-2: an error that no spike outweighs."""
        return 2.0**-4 if self.kernel is MINUS_T_LOG else 2.0**-2

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """N - 1 interior nodes."""
        t, w = self.mapping.nodes(intervals)
        return t, w * self.kernel(t)

    def half(self, values: Array) -> Array:
        """Every other one; the first interior node is new."""
        return values[1::2]


@dataclass(frozen=True, slots=True)
class ClenshawCurtis:
    """Chebyshev points with product weights: exact for polynomials, for functions smooth over the whole path."""

    kernel: Kernel
    name: str = "Clenshaw-Curtis"
    slowest: float = 0.0

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """N + 1 nodes, both ends among them."""
        return chebyshev.points(intervals), chebyshev.product_weights(intervals, self.kernel)

    def half(self, values: Array) -> Array:
        """Every other one, both ends kept."""
        return values[::2]


Steps = Generator[Request, Samples, Integral]
Answers = Generator[Request, Samples, Samples]


def integrate(
    units: int,
    formulation: Formulation,
    tolerance: float,
    max_nodes: int,
    seed: int = 0,
    refined_units: int = REFINED_UNITS,
) -> Steps:
    """Integrate one matrix to `tolerance`, with at most `max_nodes` full Hessians.

    Up to `refined_units` units, whole Hessians on nested nodes check each other; above, probes check them.  A
    generator: it yields a `Request`, is sent the `Samples`, and returns the `Integral`.
    """
    run = AdaptiveIntegration(
        units, formulation, tolerance, max_nodes, np.random.default_rng(seed), probing=units > refined_units
    )
    return (yield from run.steps())


@dataclass(frozen=True, slots=True)
class FirstOrder:
    """What the cheap phase knows."""

    intervals: int
    samples: Samples
    ig: Array
    diagonal: Array
    row_sums: Array
    error: float
    series: Array
    """Damped Chebyshev coefficients of the left gradient: for the map and for foresight, never for the result."""


def integrate_first_order(units: int, tolerance: float) -> Generator[Request, Samples, FirstOrder]:
    """Integrated Gradients alone, to `tolerance` of the largest entry."""
    run = AdaptiveIntegration(units, FORMULATIONS["article"], tolerance, 1, np.random.default_rng(0))
    first = yield from run.first_order(tolerance)
    while first.error > tolerance * float(np.abs(first.ig).max()) and first.intervals < MAX_FIRST_INTERVALS:
        first = yield from run.first_order(tolerance, float(np.abs(first.ig).max()), first)
    return first


class AdaptiveIntegration:
    """The state of one integration."""

    def __init__(
        self,
        units: int,
        formulation: Formulation,
        tolerance: float,
        max_nodes: int,
        rng: np.random.Generator,
        *,
        probing: bool = True,
    ) -> None:
        """Nothing evaluated yet; `probing` verifies by probes, otherwise by nested nodes."""
        self.units = units
        self.formulation = formulation
        self.tolerance = tolerance
        self.max_nodes = max_nodes
        self.rng = rng
        self.probing = probing
        self.profile: list[tuple[Array, Array, Array]] = []
        self.seen: list[tuple[Array, Array]] = []
        """Nodes of the rule and the gradients that came with their second-order products."""
        self.gradients = self.products = self.nodes = 0

    def steps(self) -> Steps:
        """First order, map, matrix, verification; halve the step until the tolerance is met or the nodes are spent."""
        first = yield from self.first_order(self.tolerance / FIRST_ORDER_SHARE, laying=True)
        rule, intervals = self._choose(first)
        laid = first.intervals
        t, w = rule.nodes(intervals)
        hessians = yield from self._full(t)
        while True:
            matrix = np.tensordot(w, hessians, axes=1)
            finer_t, finer_w = rule.nodes(2 * intervals)
            new = added(finer_t, t)
            first, error = yield from self._judged(first, rule, intervals, hessians, matrix, (finer_t, finer_w, new))
            done = self._within(error + first.error, matrix, first)
            affordable = self.nodes + int(new.sum()) <= self.max_nodes
            if done or not affordable:
                break
            if first.intervals > laid:  # the nodes were laid by a path that has turned out to be finer
                laid = MAX_FIRST_INTERVALS  # once is enough
                again = self._foreseen(first)
                if again and again[1] <= intervals and self.nodes + len(again[0].nodes(again[1])[0]) <= self.max_nodes:
                    rule, intervals = again
                    t, w = rule.nodes(intervals)
                    self.seen.clear()
                    hessians = yield from self._full(t)
                    continue
            hessians = yield from self._refined(hessians, finer_t, new)
            t, w, intervals = finer_t, finer_w, 2 * intervals
        return self.outcome(first, rule.name, _total(matrix, first), error, converged=done)

    def _judged(
        self,
        first: FirstOrder,
        rule: Rule,
        intervals: int,
        hessians: Array,
        matrix: Array,
        finer: tuple[Array, Array, NDArray[np.bool_]],
    ) -> Generator[Request, Samples, tuple[FirstOrder, float]]:
        """The error of the matrix or of its rows, whichever is larger, and first-order integrals sharp enough to tell.

        The matrix checks itself against half of its nodes; probes are asked, at the nodes of the `finer` rule that are
        new, where that leaves it undecided.
        """
        finer_t, finer_w, new = finer
        coarse = np.tensordot(rule.nodes(intervals // 2)[1], rule.half(hessians), axes=1)
        change, size = float(np.abs(matrix - coarse).max()), _largest(matrix, first) or 1.0
        promising = intervals >= NESTED_FROM and self._within(
            left_after(change, change / size, rule.slowest), matrix, first
        )
        error, gap = float("inf"), 0.0  # nothing is known against its rows yet
        if promising or not self.probing:
            first = yield from self._sharpened(first, rule, size, finer_t[new])
            gap = _gap(matrix, first)
            error = left_after(change, max(change / size, gap / (_gap(coarse, first) or 1.0)), rule.slowest)
        undecided = self._within(gap, matrix, first) and not self._within(error + first.error, matrix, first)
        if self.probing and undecided:
            error = yield from self._verify(matrix, hessians, finer_t, finer_w, new)
            error /= 1 - rule.slowest  # the finer matrix has an error too
            first = yield from self._sharpened(first, rule, _largest(matrix, first), finer_t[new])
            gap = _gap(matrix, first)
        return first, max(error, gap)

    def _within(self, error: float, matrix: Array, first: FirstOrder) -> bool:
        """Whether an error is within the tolerance, a share of the largest entry."""
        return error <= self.tolerance * _largest(matrix, first)

    def outcome(self, first: FirstOrder, rule: str, matrix: Array, error: float, *, converged: bool) -> Integral:
        """The record of what was found and what it cost."""
        t, value, curvature = (np.concatenate(column) for column in zip(*self.profile, strict=True))
        order = np.argsort(t, kind="stable")
        return Integral(
            ig=first.ig,
            f_input=float(first.samples.value[-1]),
            f_baseline=float(first.samples.value[0]),
            matrix=matrix,
            row_sums=first.row_sums,
            quadrature_error=error,
            first_order_error=first.error,
            rule=rule,
            nodes=self.nodes,
            products=self.products,
            gradients=self.gradients,
            converged=converged,
            t=t[order],
            value=value[order],
            curvature=curvature[order],
        )

    def _sharpened(
        self, first: FirstOrder, rule: Rule, scale: float, between: Array
    ) -> Generator[Request, Samples, FirstOrder]:
        """First-order integrals good enough for the verdict.

        From the gradients that came with the Hessians, with those at the nodes `between` them, or by doubling.
        """
        scale = scale or 1.0
        enough = self.tolerance / FIRST_ORDER_SHARE * scale
        if first.error <= enough:
            return first
        if isinstance(rule, MappedTrapezoid) and self.formulation.diagonal:
            found = self._from_nodes(first, rule, scale)
            if found.error > enough and not np.isin(between, self._seen_nodes()).all():
                samples = yield from self._gradients(between)
                self._see(between, samples.gradient)
                found = self._from_nodes(first, rule, scale)
            if found.error <= enough:
                return found
        return (yield from self.first_order(self.tolerance / FIRST_ORDER_SHARE, scale, first))

    def _from_nodes(self, first: FirstOrder, rule: MappedTrapezoid, scale: float) -> FirstOrder:
        """IG and the diagonal's term by product weights on the mapped nodes, whose gradients came with the Hessians."""
        t, gradient = (np.concatenate(column) for column in zip(*self.seen, strict=True))
        inside = gradient[np.argsort(t, kind="stable")]
        values = np.concatenate([first.samples.gradient[:1], inside, first.samples.gradient[-1:]])
        intervals = len(values) - 1
        ig, coarse_ig, diagonal, coarse_diagonal = (
            rule.mapping.product_weights(n, kernel) @ values[:: intervals // n]
            for kernel in (ONE, MINUS_LOG)
            for n in (intervals, intervals // 2)
        )
        change = max(float(np.abs(ig - coarse_ig).max()), float(np.abs(diagonal - coarse_diagonal).max()))
        error = self._settled(change, scale, ig, first.samples)
        return FirstOrder(first.intervals, first.samples, ig, diagonal, ig, error, first.series)

    def _settled(self, change: float, size: float, ig: Array, samples: Samples) -> float:
        """The error left in first-order integrals after their last change, or what completeness shows of it."""
        completeness = abs(float(ig.sum()) - float(samples.value[-1] - samples.value[0]))  # one unit may own it all
        return float(max(change * min(1.0, 5.0 * np.sqrt(change / size)), completeness))

    def first_order(
        self, share: float, scale: float | None = None, known: FirstOrder | None = None, *, laying: bool = False
    ) -> Generator[Request, Samples, FirstOrder]:
        """Clenshaw-Curtis with product weights, doubled until its own error is `share` of the scale.

        For `laying` nodes alone less will do: the nodes themselves then give the integrals.
        """
        if known is None:
            intervals = FIRST_INTERVALS
            samples = yield from self._gradients(chebyshev.points(intervals))
        else:
            intervals, samples = known.intervals, known.samples
        while True:
            if known is not None and intervals >= MAX_FIRST_INTERVALS:
                return known
            if known is not None:
                samples = yield from self._halved(samples)
                intervals *= 2
            now = self._integrals(samples)
            half = self._integrals(Samples(samples.value[::2], samples.gradient[::2], samples.left[::2]))
            change = max(float(np.abs(a - b).max()) for a, b in zip(now[:3], half[:3], strict=True))
            size = scale or self._size(*now) or 1.0
            error = self._settled(change, size, now[0], samples)
            known = FirstOrder(intervals, samples, *now[:3], error, chebyshev.filtered(now[3]))
            resolved = laying and self.formulation.diagonal and intervals >= LEAST_RESOLVED and error <= RESOLVED * size
            if error <= share * size or resolved:
                return known

    def _integrals(self, samples: Samples) -> tuple[Array, Array, Array, Array]:
        """IG, the diagonal's first-order term, what the rows must sum to, and the series of the left gradient."""
        intervals = len(samples.value) - 1
        series = chebyshev.coefficients(samples.left)
        ig = chebyshev.product_weights(intervals, ONE) @ samples.gradient
        if self.formulation.diagonal:
            return ig, chebyshev.product_weights(intervals, MINUS_LOG) @ samples.gradient, ig, series
        slopes = chebyshev.derivative(series, chebyshev.points(intervals))
        rows = chebyshev.product_weights(intervals, self.formulation.kernel) @ slopes
        return ig, np.zeros(self.units), rows, series

    def _size(self, ig: Array, diagonal: Array, _rows: Array, series: Array) -> float:
        """A guess at the largest entry before there is one; entries cancel on the path: part of it counts."""
        fine = chebyshev.points(len(series) - 1)
        weights = chebyshev.product_weights(len(series) - 1, self.formulation.kernel)
        variation = np.abs(weights) @ np.abs(chebyshev.derivative(series, fine))
        return max(float(np.abs(ig).max()), float(np.abs(diagonal).max()), VARIATION_SHARE * float(variation.max()))

    def _gradients(self, t: Array) -> Answers:
        samples = yield Request(t, order=1)
        self.gradients += len(t)
        self.profile.append((t, samples.value, np.full(len(t), np.nan)))
        return samples

    def _halved(self, samples: Samples) -> Answers:
        """The samples on twice as many intervals, the old ones kept."""
        intervals = 2 * (len(samples.value) - 1)
        new = yield from self._gradients(chebyshev.points(intervals)[1::2])

        def merge(old: Array, fresh: Array) -> Array:
            both = np.empty((intervals + 1, *old.shape[1:]))
            both[::2], both[1::2] = old, fresh
            return both

        return Samples(
            merge(samples.value, new.value), merge(samples.gradient, new.gradient), merge(samples.left, new.left)
        )

    def _profile(self, first: FirstOrder, t: Array) -> Array:
        """k(t) Σ_v H_uv(t), (n, U), from first-order values alone; 0 at the ends of the path."""
        inside = np.clip(t, 1e-12, 1.0)
        return self.formulation.kernel(inside)[:, None] * chebyshev.derivative(first.series, t)

    def _choose(self, first: FirstOrder) -> tuple[Rule, int]:
        """What is foreseen to be enough, or a middling number of mapped nodes to begin with."""
        found = self._foreseen(first)
        if found is not None:
            return found
        profile = self._profile(first, mapping.grid())
        few = max([n for n in LADDER[:DEFAULT_RUNG] if n - 1 <= self.max_nodes], default=2)
        return MappedTrapezoid(self.formulation.kernel, mapping.equidistribute(profile)), few

    def _foreseen(self, first: FirstOrder) -> tuple[Rule, int] | None:
        """The rule and the fewest nodes whose error on the row sums, known from first-order values alone, is safe."""
        kernel = self.formulation.kernel
        size = self._size(first.ig, first.diagonal, first.row_sums, first.series) or 1.0
        fine = chebyshev.points(first.intervals)
        exact = chebyshev.product_weights(first.intervals, kernel) @ chebyshev.derivative(first.series, fine)
        rules: list[Rule] = [
            MappedTrapezoid(kernel, mapping.equidistribute(self._profile(first, mapping.grid()))),
            ClenshawCurtis(kernel),
        ]
        goal = self.tolerance * size * FORESIGHT_SHARE
        best: tuple[int, Rule, int] | None = None
        for rule in rules:
            safe = 0
            for index, intervals in enumerate(LADDER):
                t, w = rule.nodes(intervals)
                if len(t) > self.max_nodes or (best is not None and 2 * len(t) > best[0]):
                    break  # the trapezoid rule foresees best: only a landslide counts for the other
                error = float(np.abs(w @ chebyshev.derivative(first.series, t) - exact).max())
                if not self.probing:
                    coarse_t, coarse_w = rule.nodes(intervals // 2)
                    change = float(np.abs(coarse_w @ chebyshev.derivative(first.series, coarse_t) - exact).max())
                    error = GEOMETRIC * max(error, change * change / size)
                safe = safe + 1 if error <= goal else 0
                if safe == SAFE_RUNGS:
                    best = len(rule.nodes(LADDER[index + 1 - SAFE_RUNGS])[0]), rule, LADDER[index + 1 - SAFE_RUNGS]
                    break
        return None if best is None else best[1:]

    def _full(self, t: Array) -> Generator[Request, Samples, Array]:
        """H(t), (n, U, U)."""
        samples = yield Request(t, order=2)
        assert samples.hessian is not None  # noqa: S101  (the driver answers what was asked)
        self._see(t, samples.gradient)
        self.nodes += len(t)
        self.products += len(t) * self.units
        self.profile.append((t, samples.value, np.abs(samples.hessian).max(axis=(1, 2))))
        return samples.hessian

    def _refined(self, hessians: Array, t: Array, new: NDArray[np.bool_]) -> Generator[Request, Samples, Array]:
        """H at all the nodes t, of which `hessians` holds those that are not new."""
        both = np.empty((len(t), *hessians.shape[1:]))
        both[~new] = hessians
        both[new] = yield from self._full(t[new])
        return both

    def _verify(
        self, matrix: Array, hessians: Array, t: Array, w: Array, new: NDArray[np.bool_]
    ) -> Generator[Request, Samples, float]:
        """The largest entry of z·(Γ_2N - Γ_N) over a few sign vectors z.

        An entry of the difference hides from a vector only if the rest of its column cancels it.  The vectors are
        therefore laid out by the rows' weight in the matrix: on every four units in that order they are the rows of a
        Hadamard matrix, whose first, all ones, is the row sums, known exactly.  Any error that lies on the four
        heaviest units is then seen in full: max_k |h_k·e| >= |e| for a complete set of orthogonal sign vectors.
        """
        vectors = self._probes(matrix)
        samples = yield Request(t[new], order=2, vectors=vectors)
        assert samples.hessian is not None  # noqa: S101
        self._see(t[new], samples.gradient)
        self.products += int(new.sum()) * len(vectors)
        finer = np.tensordot(w[new], samples.hessian, axes=1) + vectors @ np.tensordot(w[~new], hessians, axes=1)
        margin = FEW_MARGIN if len(vectors) == FEW_PROBES else 1.0
        return margin * float(np.abs(finer - vectors @ matrix).max())

    def _see(self, t: Array, gradient: Array) -> None:
        """Keep the gradients of nodes that are new: probed nodes come back when the step is halved."""
        fresh = ~np.isin(t, self._seen_nodes())
        self.seen.append((t[fresh], gradient[fresh]))

    def _seen_nodes(self) -> Array:
        return np.concatenate([own for own, _ in self.seen]) if self.seen else np.empty(0)

    def _probes(self, matrix: Array) -> Array:
        """Sign vectors (K, U): Hadamard rows over the units by weight, each four of them with signs of its own."""
        count = FEW_PROBES if self.units <= FEW_UNITS else PROBES
        rank = np.empty(self.units, dtype=int)
        rank[np.argsort(-np.abs(matrix).sum(axis=1), kind="stable")] = np.arange(self.units)
        signs = self.rng.choice([-1.0, 1.0], size=(count, self.units // 4 + 1))
        return np.asarray(HADAMARD[:count, rank % 4] * signs[:, rank // 4])


def _total(matrix: Array, first: FirstOrder) -> Array:
    """The matrix with the diagonal's first-order term."""
    return matrix + np.diag(first.diagonal)


def _largest(matrix: Array, first: FirstOrder) -> float:
    """Its largest entry."""
    return float(np.abs(_total(matrix, first)).max())


def _gap(matrix: Array, first: FirstOrder) -> float:
    """How far its rows are from what they must sum to."""
    return float(np.abs(_total(matrix, first).sum(1) - first.row_sums).max())


def left_after(change: float, ratio: float, slowest: float) -> float:
    """The error left in a matrix after the last doubling of its nodes, which changed it by `change`.

    With errors like q^N the change c stands for q^(N/2), and c² for what is left; the rows, known exactly, show the
    same ratio by themselves.  The caller takes the larger of the two, and `GEOMETRIC` is the safety on it.  Below the
    spikes every rule has a `slowest` share of its own, which rows that cancel do not show.
    """
    return change * min(1.0, max(GEOMETRIC * ratio, SLOWEST * slowest))


def added(finer: Array, t: Array) -> NDArray[np.bool_]:
    """Which of the finer nodes are not among t; a nested rule keeps its own at every other place."""
    new = np.ones(len(finer), dtype=bool)
    new[(1 if len(finer) == 2 * len(t) + 1 else 0) :: 2] = False
    return new
