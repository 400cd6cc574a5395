"""All metrics of one explanation at once: the table of metrics, and `measure`."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.evaluation import metrics
from ihcli.removal.game import Array, CountedGame, Game
from ihcli.removal.judging import QuadraticForm, linear_form, pair_share, r_squared
from ihcli.removal.methods import explain_game
from ihcli.removal.stratified import uniform_sizes
from ihcli.results import frozen_array

EVALUATIONS: Final = 4096
"""Coalitions that infidelity, R² and the share are averaged over by default: all of them up to twelve units."""
STRONGEST: Final = 10
"""Pairs whose signs are compared with removal."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a column of the table means."""

    title: str
    """Its name as figures and tables show it."""
    better: Literal["higher", "lower"]
    of: Literal["attributions", "matrix"]
    """What of the explanation it judges."""
    game: Literal["probability", "score"]
    """The game that it asks."""
    formula: str


METRICS: Final = MappingProxyType(
    {
        "comprehensiveness": Metric(
            "Comprehensiveness, top 20 %", "higher", "attributions", "probability", "p(N) − p(N∖R)"
        ),
        "sufficiency": Metric("Sufficiency, top 20 %", "lower", "attributions", "probability", "p(N) − p(R)"),
        "aopc_comprehensiveness": Metric(
            "Comprehensiveness, area", "higher", "attributions", "probability", "mean over sizes of p(N) − p(N∖R)"
        ),
        "aopc_sufficiency": Metric(
            "Sufficiency, area", "lower", "attributions", "probability", "mean over sizes of p(N) − p(R)"
        ),
        "log_odds": Metric("Log-odds, top 20 %", "lower", "attributions", "probability", "ln p(N∖R) − ln p(N)"),
        "tau_leave_one_out": Metric(
            "τ with leave-one-out", "higher", "attributions", "probability", "Kendall's τ of φ_u and p(N) − p(N∖u)"
        ),
        "insertion_area": Metric("Insertion, area", "higher", "attributions", "probability", "∫ p, units added"),
        "deletion_area": Metric("Deletion, area", "lower", "attributions", "probability", "∫ p, units removed"),
        "infidelity": Metric(
            "Infidelity", "lower", "attributions", "score", "E[(Σ_{u∉S} φ_u − (v(N) − v(S)))²] / Var v"
        ),
        "r_squared_attributions": Metric(
            "R² of attributions", "higher", "attributions", "score", "R² of v by c + Σ φ_u"
        ),
        "r_squared": Metric("R² with pairs", "higher", "matrix", "score", "R² of v by the quadratic form"),
        "pair_share": Metric(
            "Share of what pairs add", "higher", "matrix", "score", "variance that one multiple of the pairs explains"
        ),
        "pair_correlation": Metric(
            "r with Shapley interactions", "higher", "matrix", "score", "Pearson's r over pairs with the exact index"
        ),
        "pair_deletion": Metric("Deletion of the strongest pair", "higher", "matrix", "probability", "p(N) − p(N∖uv)"),
        "pair_effect": Metric("Effect of the strongest pair", "higher", "matrix", "score", "|Δ_uv| / √Var v"),
        "strongest_sign": Metric("Sign of the strongest pair", "higher", "matrix", "score", "sign Γ_uv = sign Δ_uv"),
        "sign_agreement": Metric(
            "Signs of the ten strongest pairs", "higher", "matrix", "score", "share with sign Γ_uv = sign Δ_uv"
        ),
    }
)
"""Every metric that `measure` gives, in the order of tables."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation of one text, as far as it is judged; arrays are read-only.

    Give what there is: attributions, a matrix of pairs, or both.
    """

    attributions: Array | None = None
    """φ (U,), in units of the score; positive ones speak for the label."""
    matrix: Array | None = None
    """(U, U), symmetric, NaN where a pair is not known."""
    linear_form: QuadraticForm | None = None
    """What the attributions say of v(S); None for v(∅) + Σ_{u∈S} φ_u."""
    quadratic_form: QuadraticForm | None = None
    """What attributions and pairs say of v(S) (`integrated_hessians_form`, `MethodResult.quadratic_form`)."""

    def __post_init__(self) -> None:
        """Check the shapes and freeze the arrays."""
        if self.attributions is None and self.matrix is None:
            message = "an explanation has neither attributions nor a matrix; give at least one of them."
            raise UsageError(message)
        if self.matrix is not None:
            object.__setattr__(self, "matrix", frozen_array(metrics.square(self.matrix)))
        if self.attributions is not None:
            object.__setattr__(self, "attributions", frozen_array(metrics.finite(self.attributions)))
        if self.attributions is not None and self.matrix is not None and len(self.attributions) != len(self.matrix):
            found = counted(len(self.attributions), "attribution")
            message = f"an explanation has {found} and a matrix of {self.matrix.shape}."
            raise UsageError(message)

    @property
    def units(self) -> int:
        """U, the number of units."""
        return len(self.attributions if self.attributions is not None else self.matrix)  # type: ignore[arg-type]


def measure(
    explained: Explained,
    *,
    score: Game,
    probability: Game,
    evaluations: int = EVALUATIONS,
    fractions: Sequence[float] | None = metrics.ERASER_BINS,
    interactions: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Every metric of one explanation, by the names of `METRICS`; NaN where one does not apply.

    Formulas and sources: `ihcli.evaluation.metrics` and `ihcli.removal.judging`; infidelity is divided by the variance
    of v and the effect of the strongest pair by its standard deviation, so that texts and models can be averaged.

    Args:
        explained: The explanation.
        score: The game v of the explained score.
        probability: The game p of the explained label's probability, over the same units.
        evaluations: Coalitions of uniform size that infidelity, R² and the share are averaged over: all 2^U where that
            is not more, else a sample.  Wrap the games in one `CountedGame` each, so that the explanations of one text
            share their evaluations.
        fractions: Sizes of the areas over thresholds, as shares of U; None for every size.
        interactions: The exact Shapley interactions (U, U) of v; None computes them where 2^U ≤ `evaluations`.
        seed: Seed of the sample.

    Returns:
        A number for each name in `METRICS`, in that order.

    Raises:
        UsageError: For too few evaluations, or a game of other units.
        NonFiniteError: Where a `CountedGame` meets NaN or infinity.

    Example:
        >>> import numpy as np
        >>> product = lambda s: 0.25 + 0.5 * (s[:, 0] & s[:, 1])
        >>> explained = Explained(np.array([0.25, 0.25]), np.full((2, 2), 0.125))
        >>> measure(explained, score=product, probability=product)["pair_deletion"]
        0.5

    """
    units = explained.units
    v = score if isinstance(score, CountedGame) else CountedGame(score, units)
    p = probability if isinstance(probability, CountedGame) else CountedGame(probability, units)
    sample = uniform_sizes(units, evaluations, seed)
    values = v(sample.coalitions)
    spread = float(sample.weights @ (values - np.average(values, weights=sample.weights)) ** 2)
    found = dict.fromkeys(METRICS, math.nan)
    if explained.attributions is not None:
        phi = explained.attributions
        found["comprehensiveness"] = metrics.comprehensiveness(phi, p)
        found["sufficiency"] = metrics.sufficiency(phi, p)
        found["aopc_comprehensiveness"] = metrics.aopc_comprehensiveness(phi, p, fractions)
        found["aopc_sufficiency"] = metrics.aopc_sufficiency(phi, p, fractions)
        with suppress(UsageError):  # a regressor's values have no logarithm: the metric stays unknown
            found["log_odds"] = metrics.log_odds(phi, p)
        found["tau_leave_one_out"] = metrics.tau_leave_one_out(phi, p)
        found["insertion_area"] = metrics.insertion_area(phi, p)
        found["deletion_area"] = metrics.deletion_area(phi, p)
        infidelity = metrics.infidelity(phi, v, sample.coalitions, sample.weights)
        found["infidelity"] = infidelity / spread if spread else math.nan
        form = explained.linear_form or linear_form(phi, float(v(np.zeros((1, units), dtype=bool))[0]))
        found["r_squared_attributions"] = _known(r_squared(values, form(sample.coalitions), sample.weights))
    if explained.matrix is not None:
        m = explained.matrix
        if explained.quadratic_form is not None:
            predicted = explained.quadratic_form(sample.coalitions)
            found["r_squared"] = _known(r_squared(values, predicted, sample.weights))
        if np.isfinite(m[np.triu_indices(units, 1)]).all():
            found["pair_share"] = _known(pair_share(values, np.where(np.eye(units) > 0, 0.0, m), sample))
        if interactions is None and 2**units <= evaluations:
            interactions = explain_game(v, units, "sii", evaluations=evaluations).matrix
        if interactions is not None:
            found["pair_correlation"] = metrics.pair_correlation(m, interactions)
        found["pair_deletion"] = metrics.pair_deletion(m, p)
        effect = metrics.pair_effect(m, v)
        found["pair_effect"] = effect / math.sqrt(spread) if spread else math.nan
        found["strongest_sign"] = metrics.sign_agreement(m, v)
        found["sign_agreement"] = metrics.sign_agreement(m, v, STRONGEST)
    return found


def _known(value: float | None) -> float:
    return math.nan if value is None else value
