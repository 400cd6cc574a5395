"""Measures explanations of many texts: made now by several sources, recorded in a run, or brought by another tool."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ihcli.attribution.forward import EngineChoices
from ihcli.errors import IhError, InputError
from ihcli.evaluation.foreign import ForeignExplanation
from ihcli.evaluation.measuring import Explained, measure
from ihcli.evaluation.randomisation import Randomisation, compare_randomised, randomisation_check
from ihcli.evaluation.table import Evaluation, Source
from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer
from ihcli.removal.game import CountedGame
from ihcli.removal.judging import linear_form
from ihcli.removal.stability import stability
from ihcli.results import Explanation, Target
from ihcli.sources import SourceName, explainer_of, quadratic_form

EVALUATIONS = 512
"""Coalitions over which an explanation is measured, for texts of more than nine units."""
KEPT = 1 << 16
"""Cut texts whose logits are kept from one text to the next."""


@dataclass(slots=True)
class Measured:
    """What was measured so far."""

    evaluation: Evaluation = field(default_factory=Evaluation)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """Text, source and message of each explanation that failed."""
    stabilities: list[dict[str, float]] = field(default_factory=list)
    """How explanations of one text by Integrated Hessians agree across baselines, a text each."""


class Judge:
    """Measures explanations of texts with the games of deletion of one model."""

    def __init__(self, explainer: Explainer, evaluations: int = EVALUATIONS, model: str = "") -> None:
        """Use the model of `explainer`; `model` is its name in the table."""
        self.explainer, self.evaluations, self.model = explainer, evaluations, model
        self._games: dict[tuple[str, str | None, Target, int], tuple[CountedGame, CountedGame]] = {}
        explainer.deleted = {}  # the methods and the metrics ask for many of the same cut texts

    def games(self, explanation: Explanation) -> tuple[CountedGame, CountedGame]:
        """The games of the explained score and of the label's probability, kept for the last text."""
        key = (explanation.text, explanation.text_pair, explanation.target, len(explanation.units))
        if key not in self._games:
            own = self.explainer
            encoded = own.classifier.encode(
                explanation.text, explanation.text_pair, units=own.config.units,
                truncation=own.config.text.truncation,
            )  # fmt: skip
            probability = replace(explanation.target, output="probability", against=None)
            if own.classifier.problem == "regression":
                probability = explanation.target
            targets = (explanation.target, probability)
            kept = own.deleted if own.deleted is not None else {}
            if len(kept) > KEPT:
                kept.clear()
            games = [
                CountedGame(DeletionGame(own.classifier, encoded, target, kept), len(encoded.units))
                for target in targets
            ]
            self._games = {key: (games[0], games[1])}
        return self._games[key]

    def values(self, explanation: Explanation) -> dict[str, float]:
        """Every metric of one explanation, and what it cost."""
        score, probability = self.games(explanation)
        empty = float(score(np.zeros((1, len(explanation.units)), dtype=bool))[0])
        matrix = explanation.ih
        explained = Explained(
            explanation.ig,
            None if np.isnan(matrix[~np.eye(len(matrix), dtype=bool)]).all() and len(matrix) > 1 else matrix,
            linear_form(explanation.ig, empty),
            quadratic_form(explanation, empty),
        )
        measured = measure(explained, score=score, probability=probability, evaluations=self.evaluations)
        difference = abs(explanation.f_input - explanation.f_baseline)
        measured["cancellation"] = float(np.nansum(np.abs(matrix)) / difference) if difference else float("nan")
        measured["baseline_score"] = explanation.f_baseline
        return measured

    def require_fit(self, foreign: ForeignExplanation) -> None:
        """Raise `InputError` where another tool's explanation has not the words of its text, or is of another label."""
        config, classifier = self.explainer.config, self.explainer.classifier
        encoded = classifier.encode(
            foreign.text, foreign.text_pair, units=config.units, truncation=config.text.truncation
        )
        foreign.aligned(encoded.units, encoded.text, encoded.text_pair)
        label = classifier.target(config.target, classifier.predict(encoded)).label
        if foreign.label not in {None, label}:
            message = (
                f"the scores of {foreign.text[:60]!r} speak for {foreign.label!r}, and {label!r} is explained. Name "
                f"the label with --target, or give scores that speak for {label!r}."
            )
            raise InputError(message)

    def foreign_values(self, foreign: ForeignExplanation, like: Explanation) -> dict[str, float]:
        """Every metric of another tool's explanation of a text that `like` explains."""
        aligned = foreign.aligned(like.units, like.text, like.text_pair)
        score, probability = self.games(like)
        explained = Explained(aligned.attributions, aligned.matrix)
        return measure(explained, score=score, probability=probability, evaluations=self.evaluations)


def evaluate_texts(
    judge: Judge, texts: Iterable[tuple[str, str | None]], sources: Sequence[SourceName], measured: Measured
) -> Iterator[int]:
    """Explain and measure each text by each source; yields the number of texts done.

    The label that the first source explains is explained by all.
    """
    explainers = [explainer_of(judge.explainer, source) for source in sources]
    for index, (text, pair) in enumerate(texts):
        integrated = []
        for source, explainer in zip(sources, explainers, strict=True):
            try:
                explanation = explainer.explain(text, pair)
                values = judge.values(explanation)
            except IhError as error:
                measured.failures.append((text, str(source), str(error)))
                continue
            kind = str(explanation.baseline["kind"])
            measured.evaluation.add(Source(source.method, kind, judge.model), str(index), values)
            if source.method == "ih" and not np.isnan(explanation.ih).any():
                integrated.append(Explained(explanation.ig, explanation.ih))
        if len(integrated) > 1:
            measured.stabilities.append(stability(integrated).to_dict())
        yield index + 1


def evaluate_recorded(
    judge: Judge, explanations: Iterable[tuple[str, Explanation | str]], measured: Measured
) -> Iterator[int]:
    """Measure recorded explanations; yields the number done."""
    for index, (name, explanation) in enumerate(explanations):
        if isinstance(explanation, str):
            measured.failures.append((name, "recorded", explanation))
        else:
            kind = str(explanation.baseline["kind"])
            source = Source(explanation.method, kind, judge.model)
            try:
                measured.evaluation.add(source, f"{index}", judge.values(explanation))
            except IhError as error:
                measured.failures.append((name, source.name, str(error)))
        yield index + 1


def evaluate_foreign(judge: Judge, foreign: Iterable[ForeignExplanation], measured: Measured) -> Iterator[int]:
    """Measure explanations of other tools; yields the number done.  Raises `InputError` where one fits no text."""
    plain = explainer_of(judge.explainer, SourceName("occlusion"))
    for index, one in enumerate(foreign):
        like = plain.explain(one.text, one.text_pair)
        source = Source(one.method or "foreign", one.baseline or "", judge.model)
        measured.evaluation.add(source, f"foreign {index}", judge.foreign_values(one, like))
        yield index + 1


def check_randomised(judge: Judge, texts: Sequence[tuple[str, str | None]], source: SourceName) -> Randomisation:
    """The randomisation check: explanations of the same model with random weights must differ.

    The weights of a copy are drawn anew from a normal distribution of each tensor's own mean and deviation.
    """
    own = explainer_of(judge.explainer, source)
    random = explainer_of(randomised(judge.explainer), source)
    pairs = [(own.explain(*text), random.explain(*text)) for text in texts]
    return randomisation_check(compare_randomised(one.ig, other.ig, one.ih, other.ih) for one, other in pairs)


def randomised(explainer: Explainer, seed: int = 0) -> Explainer:
    """An explainer of a copy of the model whose weights are drawn anew; the model itself stays."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.copy(explainer)
    model = copy.deepcopy(explainer.classifier.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point() and parameter.dim() > 1:
                drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.copy_(parameter.mean() + drawn * parameter.std())
    adapter = replace(explainer.classifier.adapter, model=model)
    other.classifier = replace(explainer.classifier, model=model, adapter=adapter)
    other.traces = EngineChoices()  # they contain the weights
    return other
