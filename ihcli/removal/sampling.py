"""Integrated Hessians of a game from a sample of its coalitions.

A game of deletion is smooth: its variance falls by a factor of three to ten from one order of interaction to the next,
and few units carry most of it.  A Gaussian process says so (`sampling_kernel`), its hyperparameters come from the
evidence (`sampling_fit`), and Γ, being linear in the game, gets a mean and a standard deviation without any truncation
at order two.  All orders count, so that terms of order three are not mistaken for pairs.

Coalitions are drawn in complementary pairs, each unit present with probability t, t spread evenly over [0, 1].  The
coalitions of all and of no units are always among them and are met exactly, so that the matrix is complete.

The standard deviations trust the hyperparameters, which were fitted.  So they are multiplied by two factors of at least
one.  The estimate is made twice more, from either half of the sample with hyperparameters of its own: the first factor
is what 95 % of the changes of Γ need to be within their intervals.  The second is the root mean square of the errors of
prediction when each value is left out in turn, in units of their standard deviations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.errors import UsageError
from ihcli.removal.game import Array, Coalitions, Game, all_coalitions
from ihcli.removal.multilinear import EXACT_UNITS, NORMAL_95, GameInteractions, exact_interactions
from ihcli.removal.sampling_fit import Observations, evidence, kernel_of, minimise, start
from ihcli.removal.sampling_kernel import JITTER, GameKernel

FIT = 320
"""Coalitions from which the hyperparameters are fitted."""
BLOCK = 4096
"""Coalitions that one process is conditioned on; more are divided into blocks, whose results are averaged."""
STEPS, FURTHER_STEPS = 40, 12
"""Steps of the fit, and of one that starts from the hyperparameters of the whole sample."""
_ATTEMPTS = 20
Indices = NDArray[np.intp]
LEAST_SHARE = 1 / 3
"""The squared change from half of the sample is taken to be at least this share of that half's own variance."""


def sampled_interactions(
    game: Game,
    units: int,
    evaluations: int,
    seed: int = 0,
    *,
    prior: Array | None = None,
    top: int | None = None,
) -> GameInteractions:
    """Integrated Hessians of a game from `evaluations` of its coalitions, with a standard error for every entry.

    Equation: Γ as in `multilinear` (Owen 1972; Janizek et al. 2021), as posterior mean and standard deviation under a
    Gaussian process over the game (Bayesian quadrature: O'Hagan, "Bayes-Hermite quadrature", J. Stat. Plan. Inference
    29, 1991), the latter scaled to the changes between halves of the sample.

    Args:
        game: v, from coalitions (n, U) of truth values to scores (n,).  It is called once, with `top` twice.
        units: U, the number of units.
        evaluations: how many distinct coalitions are evaluated, at least 2 U + 2.  Where that is 2^U or more, all
            coalitions are evaluated and the result is exact.
        seed: of the choice of coalitions; equal seeds give equal results.
        prior: a matrix Γ (U, U) that is expected up to an unknown factor, such as that of gradients; it need not be
            right.  None for no expectation.
        top: with K, half of the evaluations are spent on the K pairs that are the strongest after the first half: on
            v(S∪uv), v(S∪u), v(S∪v) and v(S) for S as Γ_uv weighs them.  None spreads all over the whole matrix.

    Returns:
        A record with the Shapley values (U,), the matrix Γ (U, U) and their standard errors, in units of v.  The rows
        of the matrix sum to the attributions, and the matrix to v_all − v_none.

    Raises:
        UsageError: for too few evaluations, a `top` below 1, a prior of another shape or with NaN, and a game that
            returns another shape.

    Example:
        >>> product = lambda present: 12.0 * present[:, :2].all(axis=1)
        >>> found = sampled_interactions(product, 20, 200)
        >>> bool(abs(found.matrix[0, 1] - 3) < 0.01)
        True

    """
    if units <= EXACT_UNITS and evaluations >= 2**units:
        return exact_interactions(game, units)
    if evaluations < 2 * units + 2:
        message = (
            f"{evaluations} evaluations were asked for and {units} units need at least {2 * units + 2}. Raise "
            "--evaluations, or explain larger units (--units sentence)."
        )
        raise UsageError(message)
    if top is not None and top < 1:
        message = f"The strongest {top} pairs were asked for; ask for at least 1, or for none in particular."
        raise UsageError(message)
    shape = None if prior is None else _checked_prior(prior, units)
    coalitions = draw(units, evaluations if top is None else max(evaluations // 2, 2 * units + 2), seed)
    values = _asked(game, coalitions)
    found = estimate(coalitions, values, seed, prior=shape)
    if top is None or len(values) == evaluations:
        return found
    more = _around(strongest(found.matrix, top), coalitions, evaluations - len(values), seed)
    if not len(more):
        return found
    return estimate(np.concatenate([coalitions, more]), np.concatenate([values, _asked(game, more)]), seed, prior=shape)


def _asked(game: Game, coalitions: Coalitions) -> Array:
    values = np.asarray(game(coalitions), dtype=np.float64)
    if values.shape != (len(coalitions),):
        message = f"The game returned shape {values.shape} for {len(coalitions)} coalitions; it must return (n,)."
        raise UsageError(message)
    return values


def strongest(matrix: Array, count: int) -> list[tuple[int, int]]:
    """The pairs u < v with the largest |Γ_uv|, strongest first."""
    rows, columns = np.triu_indices(len(matrix), 1)
    order = np.argsort(-np.abs(matrix[rows, columns]), kind="stable")[:count]
    return [(int(rows[i]), int(columns[i])) for i in order]


def _around(pairs: list[tuple[int, int]], known: Coalitions, count: int, seed: int) -> Coalitions:
    """At most `count` new coalitions, in fours that differ in a pair, the pairs in turn; the rest as Γ_uv weighs it."""
    random = np.random.default_rng([seed, 2])
    seen = {row.tobytes() for row in known}
    found: list[NDArray[np.bool_]] = []
    for attempt in range(_ATTEMPTS * count):
        if len(found) >= count:
            break
        u, v = pairs[attempt % len(pairs)]
        t = random.random() * random.random()  # of density −ln t
        others = np.less(random.random(known.shape[1:]), t)
        if random.random() > t:  # of density −t ln t
            continue
        for state in range(4):
            row = others.copy()
            row[u], row[v] = state & 1, state >> 1
            if row.tobytes() not in seen:
                seen.add(row.tobytes())
                found.append(row)
    return np.array(found[:count], dtype=bool).reshape(-1, known.shape[1])


def draw(units: int, count: int, seed: int) -> Coalitions:
    """`count` distinct coalitions (count, U): all units, none, then complementary pairs of every size.

    Each unit is present with probability t, t even over [0, 1]: all sizes are equally likely.
    """
    random = np.random.default_rng(seed)
    ends = np.array([[True] * units, [False] * units])
    if units <= EXACT_UNITS and 2**units <= 4 * count:
        return _without_replacement(random, ends, count)
    found = {row.tobytes(): row for row in ends}
    while len(found) < count:
        pairs = (count - len(found) + 1) // 2
        t = (random.permutation(pairs) + random.random(pairs)) / pairs
        for row in random.random((pairs, units)) < t[:, None]:
            for one in (row, ~row):
                if len(found) < count:
                    found.setdefault(one.tobytes(), one)
    return np.array(list(found.values()))


def _without_replacement(random: np.random.Generator, ends: Coalitions, count: int) -> Coalitions:
    """The same where much of the cube is drawn: pairs by decreasing keys u^(1/w) (Efraimidis and Spirakis 2006)."""
    units = ends.shape[1]
    rows = all_coalitions(units)[1 : 2 ** (units - 1)]  # one of each pair, without the ends
    size = rows.sum(axis=1)
    chances = np.exp(-np.array([_log_choose(units, k) for k in range(units + 1)]))[size]
    chosen = rows[np.argsort(-np.log(random.random(len(rows))) / chances)]
    pairs = np.stack([chosen, ~chosen], axis=1).reshape(-1, units)
    return np.concatenate([ends, pairs])[:count]


def _log_choose(n: int, k: int) -> float:
    return float(np.log(np.arange(n - k + 1, n + 1)).sum() - np.log(np.arange(1, k + 1)).sum())


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Mean and variance of Γ (U, U) and of the attributions (U,)."""

    matrix: Array
    variances: Array
    attributions: Array
    attribution_variances: Array
    surprise: float
    """Root mean square of the errors of leaving each value out, in their standard deviations."""


def estimate(coalitions: Coalitions, values: Array, seed: int, *, prior: Array | None = None) -> GameInteractions:
    """Γ from given coalitions (n, U) and their values (n,); the first two must be all units and none."""
    units = coalitions.shape[1]
    scale = float(values.std())
    if scale == 0:
        zero = np.zeros(units)
        return GameInteractions(
            zero, np.zeros((units, units)), values[0], values[1], zero, np.zeros((units, units)), len(values)
        )
    seen = _standardised(coalitions, values, prior)
    random = np.random.default_rng([seed, 1])
    parameters = _fitted(seen, random, None)
    kernel = kernel_of(parameters, seen.quadratic)
    blocks = _blocks(len(values), random)
    parts = [_condition(kernel, seen.part(block)) for block in blocks]
    found = _mean(parts)
    inflation = _inflation(seen.part(blocks[0]), parameters, parts[0], random) * max(1.0, found.surprise)
    if len(parts) > 1:
        changes = [(part.matrix - found.matrix) / np.sqrt(part.variances * (1 - 1 / len(parts))) for part in parts]
        inflation = max(inflation, _needed(np.array(changes)))
    gap = float(seen.y[0] - seen.y[1] - found.matrix.sum())
    matrix = scale * (found.matrix + np.eye(units) * gap / units)
    return GameInteractions(
        attributions=matrix.sum(axis=1),
        matrix=matrix,
        v_all=float(values[0]),
        v_none=float(values[1]),
        attribution_errors=inflation * scale * np.sqrt(found.attribution_variances),
        matrix_errors=inflation * scale * np.sqrt(found.variances),
        evaluations=len(values),
    )


def expected_game(coalitions: Coalitions, values: Array, seed: int, *, prior: Array | None = None) -> Game:
    """The game that `estimate` expects from the same arguments, for any other index of it.

    Its Γ is the matrix of `estimate`; at the given coalitions it differs from their values by what is taken for noise.
    """
    centre, scale = float(values.mean()), float(values.std())
    if scale == 0:
        return lambda rows: np.full(len(rows), centre)
    seen = _standardised(coalitions, values, prior)
    random = np.random.default_rng([seed, 1])
    kernel = kernel_of(_fitted(seen, random, None), seen.quadratic)
    parts = [seen.part(block) for block in _blocks(len(values), random)]
    solved = [(part.z, np.linalg.solve(_covariance(kernel, part), part.y)) for part in parts]

    def game(rows: Coalitions) -> Array:
        z = np.where(rows, 1.0, -1.0)
        means = [kernel.covariance(z, known) @ weights for known, weights in solved]
        return np.asarray(centre + scale * np.mean(means, axis=0))

    return game


def _standardised(coalitions: Coalitions, values: Array, prior: Array | None) -> Observations:
    noisy = np.ones(len(values))
    noisy[:2] = 0
    y = (values - values.mean()) / values.std()
    return Observations(np.where(coalitions, 1.0, -1.0), y, noisy, _normalised(prior))


def _fitted(seen: Observations, random: np.random.Generator, first: Array | None) -> Array:
    """Hyperparameters from the evidence of at most `FIT` of the observations."""
    if len(seen.y) > FIT:
        seen = seen.part(np.concatenate([[0, 1], 2 + random.permutation(len(seen.y) - 2)[: FIT - 2]]))
    steps = STEPS if first is None else FURTHER_STEPS
    if first is None:
        first = start(seen.z.shape[1], quadratic=seen.quadratic is not None)
    return minimise(lambda parameters: evidence(parameters, seen), first, steps)


def _condition(kernel: GameKernel, seen: Observations) -> _Posterior:
    """The process, given the observations."""
    inverse = np.linalg.inv(_covariance(kernel, seen))
    solved = inverse @ seen.y
    left_out = solved / np.sqrt(np.diag(inverse))
    units = seen.z.shape[1]
    matrix, variances = np.zeros((units, units)), np.zeros((units, units))
    attributions, attribution_variances = np.zeros(units), np.zeros(units)
    for row in kernel.functionals(seen.z):
        u = row.unit
        mean = row.covariances @ solved
        variance = row.variances - np.einsum("rn,rn->r", row.covariances @ inverse, row.covariances)
        variance = np.maximum(variance, JITTER * row.variances)
        matrix[u, u:] = matrix[u:, u] = mean[:-1]
        variances[u, u:] = variances[u:, u] = variance[:-1]
        attributions[u], attribution_variances[u] = mean[-1], variance[-1]
    surprise = float(np.sqrt((left_out[2:] ** 2).mean()))
    return _Posterior(matrix, variances, attributions, attribution_variances, surprise)


def _covariance(kernel: GameKernel, seen: Observations) -> Array:
    """The covariance (n, n) of what was observed, noise included."""
    covariance = kernel.covariance(seen.z, seen.z)
    covariance[np.diag_indices_from(covariance)] += kernel.noise * seen.noisy + JITTER
    return covariance


def _blocks(count: int, random: np.random.Generator) -> list[Indices]:
    """Indices of observations, at most `BLOCK` in each part; both ends are in every part."""
    if count <= BLOCK:
        return [np.arange(count)]
    pieces = -(-(count - 2) // (BLOCK - 2))
    return [np.concatenate([[0, 1], part]) for part in np.array_split(2 + random.permutation(count - 2), pieces)]


def _mean(parts: list[_Posterior]) -> _Posterior:
    """The mean over independent parts."""
    count = len(parts)
    return _Posterior(
        matrix=sum((part.matrix for part in parts), start=np.zeros(())) / count,
        variances=sum((part.variances for part in parts), start=np.zeros(())) / count**2,
        attributions=sum((part.attributions for part in parts), start=np.zeros(())) / count,
        attribution_variances=sum((part.attribution_variances for part in parts), start=np.zeros(())) / count**2,
        surprise=float(np.mean([part.surprise for part in parts])),
    )


def _inflation(seen: Observations, parameters: Array, whole: _Posterior, random: np.random.Generator) -> float:
    """By how much the changes from halves of the sample exceed what the process says of them; at least 1."""
    order = 2 + random.permutation(len(seen.y) - 2)
    needed = []
    for half in (order[::2], order[1::2]):
        part = seen.part(np.concatenate([[0, 1], half]))
        other = _condition(kernel_of(_fitted(part, random, parameters), seen.quadratic), part)
        expected = np.maximum(other.variances - whole.variances, LEAST_SHARE * other.variances)
        needed.append(_needed((other.matrix - whole.matrix) / np.sqrt(expected)))
    return float(np.mean(needed))


def _needed(changes: Array) -> float:
    """The factor on standard errors that covers 95 % of the changes (…, U, U), which are told in them; at least 1."""
    rows, columns = np.triu_indices(changes.shape[-1])
    return max(1.0, float(np.quantile(np.abs(changes[..., rows, columns]), 0.95)) / NORMAL_95)


def _normalised(prior: Array | None) -> Array | None:
    """The expected matrix with a largest entry of 1; None where there is nothing in it."""
    if prior is None or not prior.any():
        return None
    return prior / float(np.abs(prior).max())


def _checked_prior(prior: Array, units: int) -> Array:
    found = np.asarray(prior, dtype=np.float64)
    if found.shape != (units, units) or not np.isfinite(found).all():
        message = f"The prior has shape {found.shape} (or NaN in it); it must be a finite matrix ({units}, {units})."
        raise UsageError(message)
    return (found + found.T) / 2
