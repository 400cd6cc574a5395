"""Synthetic results for tests: valid, self-consistent records that no model made."""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from ihcli.results import (
    Array,
    Certificate,
    Environment,
    Explanation,
    ModelInfo,
    PathProfile,
    Prediction,
    Quadrature,
    Target,
    Unit,
)

_SENTENCE = (
    "this movie was not bad but the plot never quite finds its feet , and although two actors shine in every scene , "
    "it is hard to care about anyone . a charming disaster from start to finish : I laughed , I cried , I checked my "
    "watch twice , yet I would still watch it again with friends on some rainy evening"
)
_WORDS = re.findall(r"\S+", _SENTENCE)


def make_explanation(units: int = 5, seed: int = 0, text: str | None = None, **changes: Any) -> Explanation:
    """A converged result of `units` words (or of the words of `text`): ih symmetric, its rows summing to ig.

    `changes` replaces fields of the record; `ih` alone may be given, and ig and f then follow from it.
    """
    words = text.split() if text is not None else [_WORDS[k % len(_WORDS)] for k in range(units)]
    text = " ".join(words) if text is None else text
    ih = changes.pop("ih", None)
    ih = random_interactions(len(words), seed) if ih is None else np.asarray(ih, dtype=np.float64)
    ig = np.nansum(ih, axis=1)
    f_baseline = 0.25
    f_input = f_baseline + float(ig.sum())
    gaps = abs(float(np.nansum(ih)) - (f_input - f_baseline)), float(np.abs(np.nansum(ih, axis=1) - ig).max(initial=0))
    record = Explanation(
        text=text,
        text_pair=None,
        model=ModelInfo("bundled", None, "BertForSequenceClassification", "0" * 64, "float32"),
        prediction=Prediction("POSITIVE", 1, {"NEGATIVE": 0.034, "POSITIVE": 0.966}),
        target=Target("POSITIVE", 1, "logit"),
        baseline={"kind": "pad"},
        units=units_of(text, words),
        f_input=f_input,
        f_baseline=f_baseline,
        ig=ig,
        ih=ih,
        certificate=Certificate(*gaps, 0.0, 3e-4, None, 0.01, converged=True),
        quadrature=Quadrature("midpoint", "paper", 64, 64 * len(words)),
        environment=Environment("0.1.0", "2.13.0", "5.23.0", "3.11.8", "cpu"),
        path=spiky_path(),
    )
    return replace(record, **changes)


def units_of(text: str, words: list[str]) -> tuple[Unit, ...]:
    """Units of consecutive words with their offsets."""
    found, at = [], 0
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        found.append(Unit(word, start, at, (word.lower(),)))
    return tuple(found)


def random_interactions(count: int, seed: int) -> Array:
    """A symmetric matrix with a few strong pairs, many weak ones, and a heavier diagonal."""
    rng = np.random.default_rng(seed)
    half = rng.normal(0, 0.05, (count, count)) * rng.gamma(0.6, 1.5, (count, count))
    matrix = (half + half.T) / 2
    matrix[np.diag_indices(count)] = rng.normal(0.1, 0.15, count)
    if count > 1:
        matrix[count - 2, count - 1] = matrix[count - 1, count - 2] = 0.42
    return matrix


def spiky_path(spike: float = 0.2) -> PathProfile:
    """A score that turns at `spike`, with the size of H known at every third point."""
    t = np.sort(np.concatenate([np.linspace(0, 1, 61), spike + np.linspace(-0.08, 0.08, 30)]))
    f = 0.25 + 2.0 / (1 + np.exp(-(t - spike) * 60))
    curvature = 400 * np.exp(-(((t - spike) / 0.03) ** 2)) + 2
    curvature[np.arange(len(t)) % 3 != 0] = np.nan
    return PathProfile(t=t, f=f, curvature=curvature)
