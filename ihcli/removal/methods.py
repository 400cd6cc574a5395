"""The methods that users know, over any game: one record for what each returns, and a table of their names.

    shapley      Shapley values; pairs: Shapley–Taylor interactions of order 2
    sii          Shapley values; pairs: Shapley interaction index
    faith-shap   Faith-SHAP of order 2
    archipelago  ArchAttribute of one unit; pairs: ArchDetect's mixed differences at both ends
    occlusion    leave one out; pairs: leave two out
    lime         LIME for text, no pairs
    kernel-shap  KernelSHAP, no pairs

Where all 2^U coalitions are allowed (by default up to twelve units) the result is exact.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal import indices, surrogates
from ihcli.removal.assisted import MOST_COLUMNS, AssistedSample, assisted_sample
from ihcli.removal.game import Array, Coalitions, CountedGame, Game, all_coalitions
from ihcli.removal.judging import QuadraticForm, linear_form
from ihcli.removal.multilinear import NORMAL_95
from ihcli.removal.stratified import WeightedCoalitions, uniform_sizes
from ihcli.results import frozen_array

EXACT_UNITS = 12
"""Up to so many units all coalitions are evaluated by default."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a method says of a game with U units; arrays are read-only, in units of v.

    The matrix holds the method's pairs off its diagonal, NaN where it has none; what its diagonal holds stands in
    `METHODS[method].diagonal`.
    """

    method: str
    """Its name, a key of `METHODS`."""
    attributions: Array
    """(U,), free of NaN."""
    matrix: Array
    """(U, U), symmetric."""
    v_all: float
    """v of all units."""
    v_none: float
    """v of no unit."""
    evaluations: int
    """Distinct coalitions that the result rests on."""
    exact: bool
    """Whether the method's own definition was computed without sampling."""
    tolerance: float
    """The relative error asked for."""
    attribution_errors: Array | None = None
    """(U,): the standard error of each attribution; None where exact."""
    matrix_errors: Array | None = None
    """(U, U): the standard error of each entry, NaN where there is none; None where exact."""
    intercept: float | None = None
    """What the attributions alone say of v(∅); None for v(∅) itself (only LIME and occlusion differ)."""
    pair_total: float = 1.0
    """What {u, v} adds in total is `pair_total` times matrix[u, v]: 1 for every method of this table, whose entry is
    the whole effect of the pair; 2 for Integrated Hessians, which give half of it to each of the two entries."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("attributions", "matrix", "attribution_errors", "matrix_errors"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else frozen_array(value))

    @property
    def completeness(self) -> str | None:
        """The identity that the method promises, as a formula; None where it promises none."""
        return METHODS[self.method].completeness

    @property
    def completeness_gap(self) -> float | None:
        """How far that identity is missed, the larger of both if there are two; None where none is promised."""
        total = self.v_all - self.v_none
        gaps = [abs(float(self.attributions.sum()) - total)] if METHODS[self.method].attributions_complete else []
        if METHODS[self.method].matrix_complete:
            gaps.append(abs(float(self.matrix.trace() + np.triu(self.matrix, k=1).sum()) - total))
        return max(gaps, default=None)

    @property
    def largest(self) -> float:
        """The largest magnitude of the matrix."""
        return float(np.nanmax(np.abs(self.matrix)))

    @property
    def error(self) -> float:
        """The largest 95 % error of any entry of the matrix: 1.96 times its standard error, 0 where exact."""
        return 0.0 if self.matrix_errors is None else NORMAL_95 * float(np.nanmax(self.matrix_errors))

    @property
    def converged(self) -> bool:
        """Whether the 95 % error of every entry is within `tolerance` times the largest entry."""
        return self.error <= self.tolerance * self.largest

    @property
    def linear_form(self) -> QuadraticForm:
        """What the attributions alone say of v(S)."""
        return linear_form(self.attributions, self.v_none if self.intercept is None else self.intercept)

    @property
    def quadratic_form(self) -> QuadraticForm:
        """What attributions and pairs say of v(S), in the method's own way; the linear form where it has no pairs."""
        return METHODS[self.method].form(self)


@dataclass(frozen=True, slots=True)
class Method:
    """An entry of the table."""

    title: str
    """Its name in words, with the publication."""
    compute: Callable[["_Question"], MethodResult]
    diagonal: str
    """What the diagonal of its matrix holds."""
    form: Callable[[MethodResult], QuadraticForm]
    """How it predicts v(S)."""
    pairs: bool = True
    """Whether it has pairs."""
    samples: bool = True
    """Whether it samples where not all coalitions may be evaluated; otherwise it needs those of its definition."""
    attributions_complete: bool = False
    """Whether Σ attributions = v(all) − v(none)."""
    matrix_complete: bool = False
    """Whether the diagonal and one entry of each pair sum to v(all) − v(none)."""

    @property
    def completeness(self) -> str | None:
        """The identity promised, as a formula; None where none is."""
        sums = ["Σ_u a_u"] if self.attributions_complete else []
        if self.matrix_complete:
            sums.append("Σ_u M_uu + Σ_{u<v} M_uv")
        return " = ".join([*sums, "v(all) − v(none)"]) if sums else None


@dataclass(frozen=True, slots=True)
class _Question:
    """What a method is to explain, and how far it may go."""

    method: str
    game: CountedGame
    units: int
    evaluations: int | None
    """The most distinct coalitions it may ask for; None for as many as its definition needs."""
    seed: int
    tolerance: float
    ends: tuple[float, float] = field(init=False)
    """v(∅) and v(all)."""

    def __post_init__(self) -> None:
        """Evaluate both ends."""
        values = self.game(np.array([[False] * self.units, [True] * self.units]))
        object.__setattr__(self, "ends", (float(values[0]), float(values[1])))

    @property
    def exact(self) -> bool:
        """Whether all coalitions may be evaluated."""
        return 1 << self.units <= self.allowed

    @property
    def allowed(self) -> int:
        """The most distinct coalitions that a sample may have."""
        return default_evaluations(self.units) if self.evaluations is None else self.evaluations

    def sample(self, columns: int, reserved: int = 0) -> WeightedCoalitions:
        """As many coalitions as are allowed, less those reserved, enough to fit so many columns."""
        least = max(2 * (1 + columns), 4 * (self.units // 2 + 1)) + reserved
        if self.allowed < least:
            message = (
                f"{self.allowed} evaluations are allowed; a sample of {self.units} units needs at least {least} for "
                f"{self.method}. Raise --evaluations, or explain larger units (--units sentence)."
            )
            raise UsageError(message)
        return uniform_sizes(self.units, self.allowed - reserved, self.seed)

    def assisted(self) -> AssistedSample:
        """A sample with a quadratic form fitted to it, leaving room for the coalitions of one unit."""
        pairs = self.units * (self.units - 1) // 2
        columns = self.units + pairs if self.units + pairs <= MOST_COLUMNS else self.units
        sample = self.sample(columns)
        if sample.counts[1] < self.units:
            sample = self.sample(columns, reserved=self.units)
        return assisted_sample(self.game, sample)

    def everything(self) -> tuple[Coalitions, Array]:
        """All coalitions and their values."""
        rows = all_coalitions(self.units)
        return rows, self.game(rows)

    def answer(self, attributions: Array, matrix: Array, intercept: float | None = None) -> MethodResult:
        """The record of an exact answer."""
        return MethodResult(
            method=self.method,
            attributions=attributions,
            matrix=matrix,
            v_none=self.ends[0],
            v_all=self.ends[1],
            evaluations=self.game.evaluations,
            exact=True,
            tolerance=self.tolerance,
            intercept=intercept,
        )

    def sampled(
        self,
        attributions: Array,
        matrix: Array,
        errors: Array,
        matrix_errors: Array,
        intercept: float | None = None,
    ) -> MethodResult:
        """The record of an answer from a sample."""
        answer = self.answer(attributions, matrix, intercept)
        return dataclasses.replace(answer, exact=False, attribution_errors=errors, matrix_errors=matrix_errors)


def default_evaluations(units: int) -> int:
    """The evaluations that a method may use by default: 4,096, or eight times the number of units and pairs."""
    return max(1 << EXACT_UNITS, 8 * (units + units * (units - 1) // 2))


def explain_game(
    game: Game,
    units: int,
    method: str,
    *,
    evaluations: int | None = None,
    seed: int = 0,
    tolerance: float = 0.01,
) -> MethodResult:
    """Explain a game by a method that users know.

    Equations and sources: `ihcli.removal.indices` and `ihcli.removal.surrogates`.  All 2^U coalitions are evaluated
    where that many are allowed; otherwise coalitions are sampled and the result carries standard errors.  One unit gets
    v(all) − v(∅) by every method, without error.

    Args:
        game: v, from coalitions (n, U) of truth values to scores (n,).  A `CountedGame` keeps what it knows, so that
            several methods share their evaluations; its own limit holds as well.
        units: U, the number of units, at least 1.
        method: a name of `METHODS`.
        evaluations: the most distinct coalitions to evaluate; None for 4,096, or eight times the number of units and
            pairs where that is more, and for `occlusion` and `archipelago` as many as their definitions need.
        seed: of the coalitions drawn; the same seed gives the same result.
        tolerance: the 95 % error of an entry, relative to the largest, up to which the result counts as converged.

    Returns:
        Attributions (U,), pairs (U, U), their standard errors, and what the method promises of them.

    Raises:
        UsageError: for an unknown method, no units, a tolerance outside (0, 1], and too few evaluations.
        NonFiniteError: where the game is NaN or infinite.

    Example:
        >>> product = lambda present: 12.0 * (present[:, 0] & present[:, 1])
        >>> explain_game(product, 2, "shapley").matrix
        array([[ 0., 12.],
               [12.,  0.]])

    """
    if method not in METHODS:
        message = f"There is no method {method!r}; the methods are {', '.join(METHODS)}."
        raise UsageError(message)
    if units < 1:
        message = f"The game has {units} units; a method needs at least 1. Explain a text that has words."
        raise UsageError(message)
    if not 0 < tolerance <= 1:
        message = f"The tolerance is {tolerance}; it must be greater than 0 and at most 1."
        raise UsageError(message)
    if evaluations is not None and evaluations < 1:
        message = f"{evaluations} evaluations are allowed; give at least 1 with --evaluations."
        raise UsageError(message)
    if isinstance(game, CountedGame) and game.limit is not None and METHODS[method].samples:
        left = game.limit if 1 << units <= game.limit else game.limit - game.evaluations
        evaluations = min(left, default_evaluations(units) if evaluations is None else evaluations)
    counted = CountedGame(game, units, limit=evaluations)
    question = _Question(method, counted, units, evaluations, seed, tolerance)
    if units == 1:
        difference = np.array([question.ends[1] - question.ends[0]])
        return question.answer(difference, difference[None])
    return METHODS[method].compute(question)


def _shapley(question: _Question) -> MethodResult:
    """Shapley values and Shapley–Taylor interactions."""
    weights = indices.shapley_weights(question.units), indices.taylor_weights(question.units)
    alone = np.eye(question.units, dtype=bool)
    if not question.exact:
        sample = question.assisted()
        (attributions, errors), (matrix, matrix_errors) = sample.values(weights[0]), sample.pairs(weights[1])
        matrix = matrix + np.diag(question.game(alone) - question.ends[0])
        return question.sampled(attributions, matrix, errors, matrix_errors)
    rows, values = question.everything()
    matrix = indices.pair_sums(rows, values, weights[1]) + np.diag(question.game(alone) - question.ends[0])
    return question.answer(indices.value_sums(rows, values, weights[0]), matrix)


def _interaction_index(question: _Question) -> MethodResult:
    """Shapley values and the Shapley interaction index."""
    weights = indices.shapley_weights(question.units), indices.interaction_weights(question.units)
    if not question.exact:
        sample = question.assisted()
        (attributions, errors), (matrix, matrix_errors) = sample.values(weights[0]), sample.pairs(weights[1])
        return question.sampled(attributions, matrix + np.diag(attributions), errors, matrix_errors + np.diag(errors))
    rows, values = question.everything()
    attributions = indices.value_sums(rows, values, weights[0])
    return question.answer(attributions, indices.pair_sums(rows, values, weights[1]) + np.diag(attributions))


def _faithful(question: _Question) -> MethodResult:
    """Faith-SHAP: the attributions are Shapley values, the main effect and half of each of the unit's pairs."""
    if not question.exact:
        sample = question.assisted()
        matrix, matrix_errors = sample.faithful()
        _, errors = sample.values(indices.shapley_weights(question.units))
        return question.sampled((matrix.sum(axis=1) + np.diag(matrix)) / 2, matrix, errors, matrix_errors)
    rows, values = question.everything()
    matrix = indices.faithful_interactions(rows, values, np.ones(len(rows)), *question.ends)
    return question.answer((matrix.sum(axis=1) + np.diag(matrix)) / 2, matrix)


def _kernel_shap(question: _Question) -> MethodResult:
    """KernelSHAP."""
    if not question.exact:
        sample = question.sample(question.units)
        values = question.game(sample.coalitions)
        attributions = surrogates.kernel_shap(sample.coalitions, values, sample.factors, *question.ends)
        errors = surrogates.kernel_shap_errors(sample, values, attributions)
        return question.sampled(attributions, _without_pairs(attributions), errors, _without_pairs(errors))
    rows, values = question.everything()
    attributions = surrogates.kernel_shap(rows, values, np.ones(len(rows)), *question.ends)
    return question.answer(attributions, _without_pairs(attributions))


def _lime(question: _Question) -> MethodResult:
    """LIME: from all coalitions, each with the number of times that it is drawn in the mean, or as LIME draws them."""
    if not question.exact:
        question.sample(question.units)
        samples = min(surrogates.LIME_SAMPLES, question.allowed - 1)
        rows = surrogates.lime_neighbourhood(question.units, samples, question.seed)
        fit = surrogates.lime_fit(rows, question.game(rows), surrogates.lime_weights(rows))
        parts = (fit.coefficients, _without_pairs(fit.coefficients), fit.errors, _without_pairs(fit.errors))
        return question.sampled(*parts, intercept=fit.intercept)
    rows, values = question.everything()
    counts = surrogates.lime_expected_counts(rows)
    fit = surrogates.lime_fit(rows, values, surrogates.lime_weights(rows) * counts)
    return question.answer(fit.coefficients, _without_pairs(fit.coefficients), intercept=fit.intercept)


def _occlusion(question: _Question) -> MethodResult:
    """Leave one out and leave two out."""
    single, pair = _mixed_differences(question, present=True)
    intercept = question.ends[1] - float(single.sum())
    return question.answer(single, pair + np.diag(single), intercept=intercept)


def _archipelago(question: _Question) -> MethodResult:
    """What each unit does alone, and the mixed differences at both ends, averaged with their signs."""
    single, near_none = _mixed_differences(question, present=False)
    _, near_all = _mixed_differences(question, present=True)
    return question.answer(single, (near_none + near_all) / 2 + np.diag(single))


def _mixed_differences(question: _Question, *, present: bool) -> tuple[Array, Array]:
    """Δ_u v and Δ_uv v where all other units are present, or absent: (U,) and (U, U) with a zero diagonal."""
    units = question.units
    rows, columns = np.triu_indices(units, k=1)
    pairs = np.eye(units, dtype=bool)[rows] | np.eye(units, dtype=bool)[columns]
    values = question.game(np.concatenate([np.eye(units, dtype=bool), pairs]) ^ present)
    end = question.ends[1] if present else question.ends[0]
    single = end - values[:units] if present else values[:units] - end
    pair = np.zeros((units, units))
    pair[rows, columns] = end - values[rows] - values[columns] + values[units:]
    return single, pair + pair.T


def _without_pairs(attributions: Array) -> Array:
    """A matrix with the attributions on its diagonal and no pairs."""
    matrix = np.full((len(attributions), len(attributions)), np.nan)
    np.fill_diagonal(matrix, attributions)
    return matrix


def _off_diagonal(matrix: Array) -> Array:
    return matrix - np.diag(np.diag(matrix))


def _direct_form(result: MethodResult) -> QuadraticForm:
    """v(∅), the diagonal, and the entries."""
    return QuadraticForm(result.v_none, np.diag(result.matrix), _off_diagonal(result.matrix))


def _index_form(result: MethodResult) -> QuadraticForm:
    """The form with these Shapley values and these pairs: a unit adds its value less half of its pairs."""
    pairs = _off_diagonal(result.matrix)
    return QuadraticForm(result.v_none, result.attributions - pairs.sum(axis=1) / 2, pairs)


def _form_at_all(result: MethodResult) -> QuadraticForm:
    """v(all) − Σ_{u∉S} M_uu + Σ_{u<v, both ∉ S} M_uv, sorted by what is present."""
    single, pairs = np.diag(result.matrix), _off_diagonal(result.matrix)
    constant = result.v_all - float(single.sum()) + float(pairs.sum()) / 2
    return QuadraticForm(constant, single - pairs.sum(axis=1), pairs)


def _linear(result: MethodResult) -> QuadraticForm:
    return result.linear_form


METHODS: dict[str, Method] = {
    "shapley": Method(
        "Shapley values (Shapley 1953) and Shapley–Taylor interactions (Dhamdhere, Agarwal and Sundararajan 2020)",
        _shapley,
        "what each unit does alone, v(u) − v(∅)",
        _direct_form,
        attributions_complete=True,
        matrix_complete=True,
    ),
    "sii": Method(
        "Shapley values and the Shapley interaction index (Grabisch and Roubens 1999)",
        _interaction_index,
        "the Shapley values, the index of order one",
        _index_form,
        attributions_complete=True,
    ),
    "faith-shap": Method(
        "Faith-SHAP of order two (Tsai, Yeh and Ravikumar 2023)",
        _faithful,
        "the main effects",
        _direct_form,
        attributions_complete=True,
        matrix_complete=True,
    ),
    "archipelago": Method(
        "Archipelago (Tsang, Rambhatla and Liu 2020): ArchAttribute of each unit and ArchDetect's mixed differences at "
        "both ends, averaged with their signs; ArchDetect ranks by the mean of their squares",
        _archipelago,
        "what each unit does alone, v(u) − v(∅)",
        _direct_form,
        samples=False,
    ),
    "occlusion": Method(
        "Occlusion (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016): leave one out and leave two out",
        _occlusion,
        "what leaving the unit out takes away, v(all) − v(all without u)",
        _form_at_all,
        samples=False,
    ),
    "lime": Method(
        "LIME for text (Ribeiro, Singh and Guestrin 2016), every unit kept in the regression",
        _lime,
        "the attributions",
        _linear,
        pairs=False,
    ),
    "kernel-shap": Method(
        "KernelSHAP (Lundberg and Lee 2017), every unit kept in the regression",
        _kernel_shap,
        "the attributions",
        _linear,
        pairs=False,
        attributions_complete=True,
    ),
}
"""Every method by its name."""
