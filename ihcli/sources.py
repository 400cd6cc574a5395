"""Sources of explanations: pairs of a method and a kind of absence, and the explainers that make them.

One loaded model serves all sources; a source is written METHOD or METHOD:BASELINE, for example ih:value-zeroing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from ihcli.config import AttributionSection, BaselineSection
from ihcli.errors import InputError, ModelError, UsageError
from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer
from ihcli.removal.agreement import Agreement, agreement
from ihcli.removal.game import Array, CountedGame
from ihcli.removal.judging import QuadraticForm, integrated_hessians_form, judge, linear_form
from ihcli.removal.methods import METHODS, MethodResult
from ihcli.removal.stratified import uniform_sizes
from ihcli.results import Explanation, Target

COMPARED = ("ih", "ih:deletion", "ih:pad", "shapley", "faith-shap", "archipelago", "occlusion", "lime", "kernel-shap")
"""Sources that `ih compare` shows by default."""
EVALUATIONS = 512
"""Coalitions over which sources are judged by removal, for texts of more than nine units."""


@dataclass(frozen=True, slots=True)
class SourceName:
    """A method and the kind of absence that it is computed with."""

    method: str
    baseline: str = "auto"

    @classmethod
    def of(cls, text: str) -> "SourceName":
        """Read METHOD or METHOD:BASELINE; raises `UsageError`."""
        method, _, baseline = text.strip().partition(":")
        methods = get_args(AttributionSection.model_fields["method"].annotation)
        kinds = [k for k in get_args(BaselineSection.model_fields["kind"].annotation) if k not in {"text", "texts"}]
        if method not in methods:
            message = f"{text!r} names the method {method!r}; the methods are {', '.join(methods)}."
            raise UsageError(message)
        if baseline and baseline not in kinds:
            message = f"{text!r} names the baseline {baseline!r}; the baselines are {', '.join(kinds)}."
            raise UsageError(message)
        return cls(method, baseline or "auto")

    @property
    def evaluates_texts(self) -> bool:
        """Whether it needs no derivative, only the answers to texts without some of their units."""
        return self.baseline == "deletion" or (self.method != "ih" and self.baseline == "auto")

    def __str__(self) -> str:
        """As it is written."""
        return self.method if self.baseline == "auto" else f"{self.method}:{self.baseline}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One source's explanation of a text, what it cost, and how well it predicts removal."""

    source: SourceName
    explanation: Explanation
    seconds: float
    r_squared: float | None
    """R² of the scores of texts with removed units by attributions and pairs; None without pairs."""
    r_squared_attributions: float | None
    """The same by the attributions alone."""
    agreement: Agreement
    """With the first source."""

    @property
    def attributions(self) -> Array:
        """Attributions (U,)."""
        return self.explanation.ig

    @property
    def matrix(self) -> Array:
        """The matrix (U, U)."""
        return self.explanation.ih


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What agreement asks of an explanation."""

    attributions: Array
    matrix: Array


def sources_of(names: Sequence[str]) -> list[SourceName]:
    """Read several sources, each once; raises `UsageError`."""
    sources = list(dict.fromkeys(SourceName.of(name) for name in names if name.strip()))
    if not sources:
        message = f"No source was given; give METHOD or METHOD:BASELINE, for example {', '.join(COMPARED[:4])}."
        raise UsageError(message)
    return sources


def explainer_of(explainer: Explainer, source: SourceName, *, removal: bool = False) -> Explainer:
    """An explainer of the same loaded model for one source; raises `UsageError` for units that depend on the method."""
    if explainer.config.units.kind == "auto":
        message = "units is auto, and methods are compared on the same units. Use word or sentence."
        raise UsageError(message)
    attribution = {"method": source.method, "removal": removal}
    baseline = BaselineSection(kind=source.baseline)  # type: ignore[arg-type]  # checked when the source was read
    return explainer.variant(attribution=attribution, baseline=baseline)


def compare(explainer: Explainer, text: str, text_pair: str | None, sources: Sequence[SourceName]) -> list[Compared]:
    """Explain one text by several sources; the label that the first explains is explained by all.

    Raises `InputError` for a text of one unit, and `ModelError` naming the source that the model cannot have.
    """
    results: list[Compared] = []
    judged: tuple[CountedGame, Target] | None = None
    explainers = [explainer_of(explainer, source) for source in sources]
    config = explainer.config
    units = explainer.classifier.encode(text, text_pair, units=config.units, truncation=config.text.truncation).units
    if len(units) < 2:  # noqa: PLR2004
        message = (
            f"The text has one unit, {units[0].text!r}, and all methods give it the whole score; compare a text of two "
            "units or more, or take smaller units (--units token)."
        )
        raise InputError(message)
    for source, own in zip(sources, explainers, strict=True):
        started = time.perf_counter()
        try:
            explanation = own.explain(text, text_pair)
        except ModelError as error:
            message = (
                f"{source} is not possible: {error} Name methods that evaluate texts alone: --methods "
                f"{','.join(str(one) for one in sources if one.evaluates_texts) or 'shapley,faith-shap,occlusion'}."
            )
            raise type(error)(message) from error
        seconds = time.perf_counter() - started
        if judged is None:
            prepared = own.classifier.encode(
                text, text_pair, units=own.config.units, truncation=own.config.text.truncation
            )
            game = DeletionGame(own.classifier, prepared, explanation.target)
            judged = CountedGame(game, len(explanation.units)), explanation.target
        forms = removal_scores(explanation, judged[0])
        first = results[0].explanation if results else explanation
        agreed = agreement(_Numbers(first.ig, first.ih), _Numbers(explanation.ig, explanation.ih))
        results.append(Compared(source, explanation, seconds, *forms, agreed))
    return results


def removal_scores(explanation: Explanation, game: CountedGame) -> tuple[float | None, float | None]:
    """R² of removal by attributions and pairs, and by attributions alone."""
    units = len(explanation.units)
    if units < 2:  # noqa: PLR2004
        return None, None
    sample = uniform_sizes(units, EVALUATIONS, seed=0)
    empty = float(game(np.zeros((1, units), dtype=bool))[0])
    linear = judge(linear_form(explanation.ig, empty), game, sample).r_squared
    form = quadratic_form(explanation, empty)
    return (None if form is None else judge(form, game, sample).r_squared), linear


def quadratic_form(explanation: Explanation, empty: float) -> QuadraticForm | None:
    """The prediction of v(S) that a method's own definition makes; None without pairs.

    Raises `InputError` for a record of a method that this version does not know.
    """
    if explanation.method == "ih":
        return None if np.isnan(explanation.ih).any() else integrated_hessians_form(explanation.ih, empty)
    if explanation.method not in METHODS:
        message = f"The record names the method {explanation.method[:40]!r}; the methods are ih, {', '.join(METHODS)}."
        raise InputError(message)
    if not METHODS[explanation.method].pairs:
        return None
    result = MethodResult(
        explanation.method, explanation.ig, explanation.ih, explanation.f_input, empty, 0, exact=True,
        tolerance=explanation.certificate.tolerance,
    )  # fmt: skip
    return result.quadratic_form
