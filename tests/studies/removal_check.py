"""The check by removal measured: how near its R² comes to the exact one, and what it costs.

``python -m tests.studies.removal_check --out FILE`` explains sentences of eight to ten units with the bundled model,
evaluates all of their cut texts, and holds the R² of the check against the exact one, beside R² from a plain sample of
32 coalitions and their complements.  Then it takes the CPU seconds of the check and of the integral for texts of
several lengths, in a warm process on one thread.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer
from ihcli.removal.game import CountedGame, all_coalitions
from ihcli.removal.judging import integrated_hessians_form, judge, linear_form
from ihcli.removal.multilinear import NORMAL_95
from ihcli.removal.stratified import uniform_sizes
from ihcli.removal_check import check_by_removal

SENTENCES = (
    "this movie was not bad at all honestly",
    "I would not recommend this to anyone here",
    "it is neither clever nor funny nor short",
    "two hours of my life are gone forever",
    "you will laugh and then you will cry",
    "the first half is dull the second great",
    "I have never seen such a bad film",
    "not a single joke in it is funny",
    "the plot is thin but the actors save it",
    "a charming disaster from start to finish I thought",
    "what a waste of such a very great cast",
    "not even the lovely music could save this film",
    "hardly a masterpiece yet it is always rather charming",
    "I was surprised how tender and funny it is",
    "the plot is thin but the actors nearly save it",
    "hardly anyone will miss the last hour of this film",
    "a dull first half hides a rather moving last act",
    "if you liked the book you may hate this one",
    "nothing about this sweet little film feels forced or false",
    "the jokes are stale and the ending is no surprise",
)
"""Of eight to ten units."""
TIMED = (
    "so very dull",
    "not a bad film",
    "this movie was not bad",
    "this film is not very good",
    "A charming disaster from start to finish",
    "the plot is thin but the actors save it",
    "despite a clumsy script the two leads are never less than charming",
    "I thought it would be terribly boring, but the second half was not bad at all and the ending made me cry",
)
"""Of 3 to 23 units."""
SAMPLED, REPEATS = 32, 5


def held(explainer: Explainer, text: str) -> dict[str, Any]:
    """R² of one text: exact, by the check, and by a plain sample."""
    explanation = explainer.explain(text)
    encoded = explainer.classifier.encode(text, units=explainer.config.units)
    game = DeletionGame(explainer.classifier, encoded, explanation.target)
    units = len(explanation.units)
    removal = check_by_removal(explanation, game)
    every = CountedGame(game, units)
    v_none = float(every(all_coalitions(units))[0])
    forms = integrated_hessians_form(explanation.ih, v_none), linear_form(explanation.ig, v_none)
    exact, plain = (
        [judge(form, every, uniform_sizes(units, count)).r_squared for form in forms] for count in (2**units, SAMPLED)
    )
    return {
        "text": text,
        "units": units,
        "exact": exact,
        "check": [removal.r_squared, removal.r_squared_attributions],
        "error": [removal.r_squared_error, removal.r_squared_attributions_error],
        "texts": removal.evaluations,
        "plain": plain,
    }


def timed(explainer: Explainer, text: str) -> dict[str, Any]:
    """The least CPU seconds of the integral and of the check."""
    seconds: dict[str, list[float]] = {"integral": [], "check": []}
    found = explainer.explain(text)
    for _ in range(REPEATS):
        started = time.process_time()
        found = explainer.explain(text)
        seconds["integral"].append(time.process_time() - started)
        started = time.process_time()
        encoded = explainer.classifier.encode(text, units=explainer.config.units)
        removal = check_by_removal(found, DeletionGame(explainer.classifier, encoded, found.target))
        seconds["check"].append(time.process_time() - started)
    least = {name: round(min(values), 4) for name, values in seconds.items()}
    return {"units": len(found.units), "hessians": found.quadrature.nodes, "texts": removal.evaluations, **least}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The root mean square and the largest error of R² of the matrix and of the attributions, by the two ways."""
    exact, error = np.array([row["exact"] for row in rows]), np.array([row["error"] for row in rows])
    found = {}
    for place, name in enumerate(("matrix", "attributions")):
        own: dict[str, float] = {}
        for way in ("check", "plain"):
            missed = np.array([row[way] for row in rows])[:, place] - exact[:, place]
            own |= {f"{way}_rms": float(np.sqrt((missed**2).mean())), f"{way}_median": float(np.median(np.abs(missed)))}
        missed = np.array([row["check"] for row in rows])[:, place] - exact[:, place]
        own["covered"] = float((np.abs(missed) <= NORMAL_95 * error[:, place]).mean())
        found[name] = {key: round(value, 3) for key, value in own.items()}
    return found


def tables(document: Mapping[str, Any]) -> list[str]:
    """Accuracy and cost as Markdown."""
    accuracy = [
        "| R² of | rms error | median error | in the 95 % intervals | plain sample: rms error | median error |",
        "|---|---|---|---|---|---|",
    ]
    for name, own in document["summary"].items():
        errors = [f"{own[key]:.2f}" for key in ("check_rms", "check_median", "plain_rms", "plain_median")]
        covered = f"{100 * own['covered']:.0f} %"
        accuracy.append(f"| the {name} | {errors[0]} | {errors[1]} | {covered} | {errors[2]} | {errors[3]} |")
    cost = ["| units | texts | integral, s | check, s | share |", "|---|---|---|---|---|"]
    for row in document["seconds"]:
        share = 100 * row["check"] / row["integral"]
        cost.append(f"| {row['units']} | {row['texts']} | {row['integral']:.2f} | {row['check']:.2f} | {share:.0f} % |")
    return ["\n".join(accuracy), "\n".join(cost)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    explainer = Explainer({"attribution": {"removal": False}})
    rows = [held(explainer, text) for text in SENTENCES]
    document = {
        "meaning": "R² of the matrix and of the attributions; plain: from a sample of 32; CPU seconds on one thread",
        "summary": summary(rows),
        "texts": rows,
        "seconds": [timed(explainer, text) for text in TIMED],
    }
    print("\n\n".join(tables(document)))  # noqa: T201
    if given.out is not None:
        given.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
