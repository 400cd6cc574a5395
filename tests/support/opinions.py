"""A stand-in for a model with two labels, texts for its summary, and the summary in which every unit counts."""

import dataclasses
from pathlib import Path
from typing import Any

from corpora import StandIn

from ihcli.corpus import iter_explanations
from ihcli.corpus.summary import Summary
from ihcli.corpus.summary import summarize as summarize_with
from ihcli.corpus.summary_counts import SummaryOptions
from ihcli.results import Explanation, Prediction, Target

TEXTS = [
    "this is not a bad film", "a bad film", "the film was bad bad", "never a dull day , bad film", "good", "is nan",
    "it was n't good", "it is good", "a slow good one", "Not good , never bad",
]  # fmt: skip


class Opinionated(StandIn):
    """Predicts NEGATIVE for texts of an odd number of words, and explains that label."""

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        found = super().one(text, pair)
        if isinstance(found, Exception) or len(text.split()) % 2 == 0:
            return found
        prediction = Prediction("NEGATIVE", 0, {"NEGATIVE": 0.8, "POSITIVE": 0.2})
        return dataclasses.replace(found, prediction=prediction, target=Target("NEGATIVE", 0, "logit"))


EVERYTHING = SummaryOptions(punctuation=True, stop_words=frozenset())


def summarize(store: Path, options: SummaryOptions = EVERYTHING, **more: Any) -> Summary:
    """The summary in which every unit counts."""
    return summarize_with(store, options, **more)


def every(**options: Any) -> SummaryOptions:
    return dataclasses.replace(EVERYTHING, **options)


def explained(store: Path) -> list[Explanation]:
    return [found for _, found in iter_explanations(store) if isinstance(found, Explanation)]


def towards_positive(one: Explanation) -> float:
    return 1.0 if one.target.label == "POSITIVE" else -1.0


def of(summary: Summary, label: str) -> dict[frozenset[str], tuple[int, float, float, float]]:
    return {
        frozenset(p.words): (p.count, p.mean, p.magnitude, p.sign_agreement)
        for p in summary.pairs
        if p.prediction == label
    }
