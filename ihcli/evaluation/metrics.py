"""Faithfulness metrics of one explanation against a game v over the units of its text.

A metric takes attributions (U,) or a matrix of interactions (U, U), and a game (`ihcli.removal.game.Game`) that says
what the model answers when units are removed.  Formulas with p take the *probability game*: p(S) is the probability of
the explained label (the predicted one unless another was asked for) when exactly the units in S are present.  Formulas
with v take any game, usually that of the explained score.  Attributions are signed: positive ones speak for the label.

N is the set of all units, N∖R the text without the units in R.  The order of units is by attribution, largest first;
of equal attributions the later unit comes first, as in ferret.  A metric that a text is too short for is NaN.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ihcli.errors import UsageError
from ihcli.removal.correlation import kendall, pearson
from ihcli.removal.game import Array, Coalitions, Game

ERASER_BINS: Final = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Fractions of the units removed (or kept) in ERASER's area over thresholds (DeYoung et al., ACL 2020, section 4.2)."""
TOP: Final = 0.2
"""Fraction of the units removed by single-threshold metrics (Sanyal and Ren, EMNLP 2021)."""
STEPS: Final = 100
"""Most steps of an insertion or deletion curve (interpreto's default)."""
ROUNDING: Final = 1e-6
"""Share below which a number is taken for rounding."""
_LEAST_UNITS: Final = 2

Pair = tuple[int, int]


def comprehensiveness(attributions: ArrayLike, probability: Game, fraction: float = TOP) -> float:
    """Drop of the probability when the strongest units are removed: p(N) - p(N∖R); higher is better.

    R holds the ⌊fraction · U⌋ units of largest attribution (DeYoung et al., ACL 2020; the rounding is ferret's).

    Args:
        attributions: Attribution of each unit, (U,).
        probability: The probability game p.
        fraction: Share of the units that are removed, in (0, 1].

    Returns:
        The drop, in [-1, 1]; NaN where ⌊fraction · U⌋ is 0.

    Raises:
        UsageError: For attributions that are no finite vector, or a fraction outside (0, 1].

    Example:
        >>> import numpy as np
        >>> comprehensiveness([3.0, 1.0], lambda s: 0.2 + s @ np.array([0.5, 0.1]), fraction=0.5)
        0.5

    """
    return aopc_comprehensiveness(attributions, probability, (fraction,))


def sufficiency(attributions: ArrayLike, probability: Game, fraction: float = TOP) -> float:
    """Drop of the probability when only the strongest units are kept: p(N) - p(R); lower is better.

    Arguments, result and errors as in `comprehensiveness`.
    """
    return aopc_sufficiency(attributions, probability, (fraction,))


def aopc_comprehensiveness(
    attributions: ArrayLike, probability: Game, fractions: Sequence[float] | None = None
) -> float:
    """Mean comprehensiveness over several sizes of R, as in ferret: mean_R [p(N) - p(N∖R)]; higher is better.

    Args:
        attributions: Attribution of each unit, (U,).
        probability: The probability game p.
        fractions: Sizes of R as shares of U, each rounded down; a size that is 0 or the same as the one before is left
            out (ferret's `based_on="perc"`; `ERASER_BINS` are those of ERASER).  None: every size 1, …, U (ferret's
            default).

    Returns:
        The mean drop, in [-1, 1]; NaN where no size is left.

    Raises:
        UsageError: For attributions that are no finite vector, or a fraction outside (0, 1].

    """
    phi = finite(attributions)
    removed = [~kept for kept in _rationales(phi, fractions)]
    return _mean_drop(probability, len(phi), removed)


def aopc_sufficiency(attributions: ArrayLike, probability: Game, fractions: Sequence[float] | None = None) -> float:
    """Mean sufficiency over several sizes of R, as in ferret: mean_R [p(N) - p(R)]; lower is better.

    Arguments, result and errors as in `aopc_comprehensiveness`.
    """
    phi = finite(attributions)
    return _mean_drop(probability, len(phi), _rationales(phi, fractions))


def log_odds(attributions: ArrayLike, probability: Game, fraction: float = TOP) -> float:
    """Change of the log-probability when the strongest units are removed: ln p(N∖R) - ln p(N); lower is better.

    R as in `comprehensiveness` (Shrikumar et al. 2017; `eval_log_odds` of DIG, which counts 0 where R is empty and
    replaces the units: the same where the game replaces them).  NaN where R is empty; raises `UsageError` where p is
    not in (0, 1].
    """
    phi = finite(attributions)
    rationales = _rationales(phi, (fraction,))
    if not rationales:
        return float("nan")
    p = probability(np.array([~rationales[0], np.ones(len(phi), dtype=bool)]))
    if not ((p > 0) & (p <= 1)).all():
        message = f"log-odds need probabilities in (0, 1]; the game returned {p.tolist()}. Give the probability game."
        raise UsageError(message)
    return float(np.log(p[0]) - np.log(p[1]))


def tau_leave_one_out(attributions: ArrayLike, probability: Game) -> float:
    """Kendall's tau-b of the attributions and the drops p(N) - p(N∖u) of leaving one unit out; higher is better.

    As ferret's `taucorr_loo` (Jain and Wallace, NAACL 2019).  NaN for one unit, and where all values of either are
    equal.
    """
    phi = finite(attributions)
    full = np.ones((1, len(phi)), dtype=bool)
    p = probability(np.concatenate([full, ~np.eye(len(phi), dtype=bool)]))
    return kendall(phi, p[0] - p[1:])


def infidelity(
    attributions: ArrayLike,
    game: Game,
    coalitions: Coalitions,
    weights: ArrayLike | None = None,
    *,
    normalize: bool = False,
) -> float:
    """Infidelity E[(β Iᵀφ - (v(N) - v(S)))²] with I = 1 - S, the removed units; lower is better, 0 is best.

    Yeh et al., NeurIPS 2019, with removal as the perturbation: on the cube of switches the text is x = 1 and x - I = S.
    With `normalize`, β = E[Iᵀφ · (v(N) - v(S))] / E[(Iᵀφ)²] makes it independent of the attributions' scale, as
    Captum's `infidelity(…, normalize=True)`; otherwise β = 1.

    Args:
        attributions: φ, attribution of each unit, (U,).
        game: Any game v; in the attributions' units unless normalised.
        coalitions: The coalitions S that are averaged over, (n, U).
        weights: Weight of each coalition, (n,), not negative; None weighs all equally.
        normalize: Whether the attributions are scaled first.

    Returns:
        The mean square, in squared units of v.

    Raises:
        UsageError: For shapes that do not fit, or weights that are negative or all zero.

    """
    phi = finite(attributions)
    rows = np.asarray(coalitions, dtype=bool)
    if rows.ndim != 2 or rows.shape[1] != len(phi) or not len(rows):  # noqa: PLR2004
        message = f"coalitions have shape {rows.shape}; they must be (n, {len(phi)}) with n at least 1."
        raise UsageError(message)
    w = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(rows),) or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        message = f"weights must be {len(rows)} finite numbers, none negative, not all 0."
        raise UsageError(message)
    w = w / w.sum()
    v = game(np.concatenate([np.ones((1, len(phi)), dtype=bool), rows]))
    predicted, drop = (~rows).astype(np.float64) @ phi, v[0] - v[1:]
    if normalize:
        scale = float(w @ predicted**2)
        predicted = predicted * (float(w @ (predicted * drop)) / scale if scale else 1.0)
    return float(w @ (predicted - drop) ** 2)


def insertion_area(attributions: ArrayLike, probability: Game, steps: int = STEPS) -> float:
    """Area under p as units are added to nothing, strongest first; higher is better.

    The curve has min(steps, U) + 1 points at equal steps of the number of units (rounded down); the area is the
    trapezoid rule over [0, 1], as in interpreto's `Insertion`.  NaN for one unit, raises `UsageError` for steps < 1.
    """
    return _area(attributions, probability, steps, insert=True)


def deletion_area(attributions: ArrayLike, probability: Game, steps: int = STEPS) -> float:
    """Area under p as units are removed from the text, strongest first; lower is better (interpreto's `Deletion`).

    The rest as in `insertion_area`.
    """
    return _area(attributions, probability, steps, insert=False)


def pair_deletion(matrix: ArrayLike, probability: Game, k: int = 1) -> float:
    """Drop of the probability when all units of the k strongest pairs are removed: p(N) - p(N∖R); higher is better.

    Args:
        matrix: Interactions (U, U), symmetric; NaN off the diagonal where a pair is not known.
        probability: The probability game p.
        k: Number of pairs; fewer where the matrix has fewer.

    Returns:
        The drop, in [-1, 1]; NaN where there is no known pair.

    Raises:
        UsageError: For another shape, or k < 1.

    """
    m = square(matrix)
    pairs = strongest_pairs(m, k)
    if not pairs:
        return float("nan")
    kept = np.ones(len(m), dtype=bool)
    kept[[unit for pair in pairs for unit in pair]] = False
    return _mean_drop(probability, len(m), [kept])


def pair_effect(matrix: ArrayLike, game: Game, k: int = 1) -> float:
    """Mean size |Δ_uv| of what the k strongest pairs do by removal; higher is better.

    Δ_uv = v(N) - v(N∖u) - v(N∖v) + v(N∖uv), the mixed difference at the text.  NaN without pairs.
    """
    m = square(matrix)
    pairs = strongest_pairs(m, k)
    return float(np.abs(mixed_differences(game, len(m), pairs)).mean()) if pairs else float("nan")


def sign_agreement(matrix: ArrayLike, game: Game, k: int = 1) -> float:
    """Share of the k strongest pairs whose sign is that of their mixed difference Δ_uv (see `pair_effect`).

    A pair that does nothing, by removal or in the matrix, does not agree: |Δ_uv| at most 1e-6 of the largest |v| that
    it is made of (single precision rounds that), or an entry of at most 1e-6 of the largest.  NaN without pairs.
    """
    m = square(matrix)
    pairs = strongest_pairs(m, k)
    if not pairs:
        return float("nan")
    entries = np.array([m[u, v] for u, v in pairs])
    values = _corners(game, len(m), pairs)
    effects = _mixed(values)
    telling = (np.abs(effects) > ROUNDING * np.abs(values).max(axis=0)) & (
        np.abs(entries) > ROUNDING * np.abs(entries).max()
    )
    return float((telling & (entries * effects > 0)).mean())


def mixed_differences(game: Game, units: int, pairs: Sequence[Pair]) -> Array:
    """Δ_uv = v(N) - v(N∖u) - v(N∖v) + v(N∖uv) of each pair, (len(pairs),)."""
    return _mixed(_corners(game, units, pairs)) if pairs else np.zeros(0)


def _corners(game: Game, units: int, pairs: Sequence[Pair]) -> Array:
    """v(N), v(N∖u), v(N∖v), v(N∖uv) of each pair, (4, len(pairs))."""
    first, second = np.array(pairs).T
    rows = np.ones((4, len(pairs), units), dtype=bool)
    at = np.arange(len(pairs))
    rows[1, at, first] = rows[2, at, second] = rows[3, at, first] = rows[3, at, second] = False
    return np.asarray(game(rows.reshape(-1, units)), dtype=np.float64).reshape(4, -1)


def _mixed(corners: Array) -> Array:
    both, without_first, without_second, neither = corners
    return np.asarray(both - without_first - without_second + neither)


def pair_correlation(matrix: ArrayLike, reference: ArrayLike) -> float:
    """Pearson's r of the entries above the diagonal of two matrices (U, U), over pairs that both know.

    With the exact Shapley interactions of a game as reference it says how far the matrix orders and sizes pairs as
    removal does, whatever its scale.  NaN where fewer than two pairs are known or either is constant.
    """
    a, b = square(matrix), square(reference)
    if a.shape != b.shape:
        message = f"two matrices of the same units are needed; their shapes are {a.shape} and {b.shape}."
        raise UsageError(message)
    rows, columns = np.triu_indices(len(a), k=1)
    x, y = a[rows, columns], b[rows, columns]
    known = np.isfinite(x) & np.isfinite(y)
    return pearson(x[known], y[known])


def strongest_pairs(matrix: ArrayLike, k: int) -> list[Pair]:
    """The k known pairs (i, j), i < j, of largest |entry|, strongest first, ties by position."""
    m = square(matrix)
    if k < 1:
        message = f"k is {k}; it must be at least 1 pair."
        raise UsageError(message)
    rows, columns = np.triu_indices(len(m), k=1)
    sizes = np.abs(m[rows, columns])
    order = [int(p) for p in np.argsort(-sizes, kind="stable") if not np.isnan(sizes[p])]
    return [(int(rows[p]), int(columns[p])) for p in order[:k]]


def square(matrix: ArrayLike) -> Array:
    """The matrix as float64 (U, U); raises `UsageError` for another shape or one that is not symmetric."""
    m = np.asarray(matrix, dtype=np.float64)
    if m.ndim != 2 or m.shape[0] != m.shape[1]:  # noqa: PLR2004
        message = f"a matrix of interactions has shape {m.shape}; it must be (U, U)."
        raise UsageError(message)
    largest = float(np.nanmax(np.abs(m), initial=0.0))
    if not np.allclose(m, m.T, rtol=0.0, atol=1e-6 * largest, equal_nan=True):
        message = (
            "a matrix of interactions must be symmetric, one number a pair. Give the mean of it and its transpose."
        )
        raise UsageError(message)
    return m


def finite(attributions: ArrayLike) -> Array:
    """The attributions as float64 (U,); raises `UsageError` for another shape, none, and NaN or infinity."""
    phi = np.asarray(attributions, dtype=np.float64)
    if phi.ndim != 1 or not len(phi):
        message = f"attributions have shape {phi.shape}; they must be (U,), one number a unit."
        raise UsageError(message)
    if not np.isfinite(phi).all():
        message = f"the attribution of unit {int(np.argmin(np.isfinite(phi)))} is NaN or infinite; give finite numbers."
        raise UsageError(message)
    return phi


def _order(phi: Array) -> NDArray[np.intp]:
    """Units by attribution, largest first, the later of equal ones first."""
    return np.argsort(phi, kind="stable")[::-1]


def _rationales(phi: Array, fractions: Iterable[float] | None) -> list[NDArray[np.bool_]]:
    """The coalitions R of strongest units, one for each size that is not 0 and not the one before."""
    sizes: list[int] = []
    if fractions is None:
        sizes = list(range(1, len(phi) + 1))
    else:
        for fraction in fractions:
            if not 0 < fraction <= 1:
                message = f"a fraction of units is {fraction}; it must be above 0 and at most 1."
                raise UsageError(message)
            size = int(fraction * len(phi))
            if size and sizes[-1:] != [size]:
                sizes.append(size)
    order = _order(phi)
    found = []
    for size in sizes:
        kept = np.zeros(len(phi), dtype=bool)
        kept[order[:size]] = True
        found.append(kept)
    return found


def _mean_drop(probability: Game, units: int, coalitions: Sequence[NDArray[np.bool_]]) -> float:
    """Mean of p(N) - p(S) over coalitions; NaN over none."""
    if not coalitions:
        return float("nan")
    p = probability(np.array([np.ones(units, dtype=bool), *coalitions]))
    return float((p[0] - p[1:]).mean())


def _area(attributions: ArrayLike, probability: Game, steps: int, *, insert: bool) -> float:
    phi = finite(attributions)
    if steps < 1:
        message = f"steps is {steps}; a curve needs at least 1."
        raise UsageError(message)
    if len(phi) < _LEAST_UNITS:
        return float("nan")
    points = min(steps, len(phi)) + 1
    moved = np.arange(points) * len(phi) // (points - 1)
    order = _order(phi)
    rows = np.full((points, len(phi)), not insert)
    for row, count in zip(rows, moved, strict=True):
        row[order[:count]] = insert
    p = probability(rows)
    return float((p.sum() - (p[0] + p[-1]) / 2) / (points - 1))
