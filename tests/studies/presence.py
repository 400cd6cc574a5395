"""Value zeroing measured: is F(0) free of the words, and does Γ say what the interactions of its own game are?

``python -m tests.studies.presence TEXTS MODEL… --out FILE`` reads a text a line and measures for each model and each
ε (the share of value zeroing against renormalised attention weights):

- the standard deviation of F(0) over the texts, as a share of that of F(1), and their correlation: it must say nothing
  of the words that are absent;
- over the texts of 5 to 8 units, medians of: the correlation of Γ with the exact Shapley interaction index of F's own
  corners, and with that of deletion; the share of what pairs add beyond main effects; how often the sign of the
  strongest pair is that of the index, of its own corners and of deletion.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihcli.config import BaselineSection, TargetSection
from ihcli.errors import IhError
from ihcli.models import presence, value_zeroing
from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer
from ihcli.removal.game import CountedGame
from ihcli.removal.judging import integrated_hessians_form, judge
from ihcli.removal.methods import explain_game
from ihcli.removal.stratified import uniform_sizes
from ihcli.text_games import CornerGame

EPSILONS = (1.0, 0.5)
SIZES = range(5, 9)


def ends(explainer: Explainer, texts: Sequence[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """F(0) and F(1) of one label for each text."""
    classifier, found = explainer.classifier, []
    for text in texts:
        encoded = classifier.encode(text, units=explainer.config.units)
        target = classifier.target(TargetSection(label=classifier.labels[-1]), classifier.predict(encoded))
        made = classifier.presence(encoded, target, BaselineSection(kind="value-zeroing"))
        units = len(encoded.units)
        found.append(made.at(torch.stack([torch.zeros(units), torch.ones(units)])).tolist())
    empty, full = np.array(found).T
    return empty, full


def against_games(explainer: Explainer, text: str) -> dict[str, float]:
    """How Γ of one text agrees with the interactions of its own corners and of deletion."""
    explanation = explainer.explain(text)
    classifier, units = explainer.classifier, len(explanation.units)
    encoded = classifier.encode(text, units=explainer.config.units)
    made = classifier.presence(encoded, explanation.target, BaselineSection(kind="value-zeroing"))
    rows, columns = np.triu_indices(units, 1)
    gamma = explanation.ih[rows, columns]
    strongest = int(np.abs(gamma).argmax())
    values: dict[str, float] = {}
    games = {"own": CornerGame(made), "deletion": DeletionGame(classifier, encoded, explanation.target)}
    for name, raw in games.items():
        game = CountedGame(raw, units)
        index = explain_game(game, units, "sii").matrix[rows, columns]
        sample = uniform_sizes(units, 2**units, seed=0)
        empty = float(game(np.zeros((1, units), dtype=bool))[0])
        judged = judge(integrated_hessians_form(explanation.ih, empty), game, sample)
        values |= {
            f"{name}_r": float(np.corrcoef(gamma, index)[0, 1]),
            f"{name}_share": float("nan") if judged.share is None else judged.share,
            f"{name}_r_squared": float("nan") if judged.r_squared is None else judged.r_squared,
            f"{name}_sign": float(gamma[strongest] * index[strongest] > 0),
        }
    difference = abs(explanation.f_input - explanation.f_baseline)
    values["cancellation"] = float(np.abs(explanation.ih).sum() / difference)
    return values


def measured(model: str, epsilon: float, texts: Sequence[str], most: int) -> dict[str, Any]:
    """A row of the table."""
    presence.EPSILON = value_zeroing.EPSILON = epsilon  # what the package fixes is what is varied here
    settings = {"model": {"name": model}, "baseline": {"kind": "value-zeroing"}, "attribution": {"removal": False}}
    explainer = Explainer(settings)
    readable = []
    for text in texts:
        try:
            readable.append((text, len(explainer.classifier.encode(text, units=explainer.config.units).units)))
        except IhError:
            continue
    empty, full = ends(explainer, [text for text, _ in readable])
    short = [text for text, units in readable if units in SIZES][:most]
    rows = [against_games(explainer, text) for text in short]
    row = {
        "model": Path(model).name, "epsilon": epsilon, "texts": len(readable), "short_texts": len(short),
        "spread": float(empty.std() / full.std()), "correlation": float(np.corrcoef(empty, full)[0, 1]),
        "f_empty": float(empty.mean()),
    }  # fmt: skip
    for name in rows[0]:
        column = np.array([one[name] for one in rows])
        row[name] = float(np.nanmean(column) if name.endswith("_sign") else np.nanmedian(column))
    return row


def main() -> None:
    """Measure every model and ε, print the table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--most", type=int, default=60, help="texts of 5 to 8 units")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    texts = arguments.texts.read_text(encoding="utf-8").splitlines()
    rows = []
    for model in arguments.models:
        for epsilon in EPSILONS:
            rows.append(measured(model, epsilon, texts, arguments.most))
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
