"""An explanation for other libraries: frames of pandas, InteractionValues of shapiq, an Explanation of shap."""

import warnings
from importlib import import_module
from typing import Any

import numpy as np

from ihcli.errors import UsageError
from ihcli.results import Explanation


def to_pandas(explanation: Explanation) -> tuple[Any, Any]:
    """The frame of units and the frame of pairs; raises `UsageError` without pandas."""
    pandas = _library("pandas")
    units = pandas.DataFrame(
        {
            "unit": [unit.text for unit in explanation.units],
            "side": [unit.side for unit in explanation.units],
            "start": [unit.start for unit in explanation.units],
            "end": [unit.end for unit in explanation.units],
            "attribution": np.array(explanation.ig),
            "own": np.diag(explanation.ih).copy(),
        }
    )
    found = explanation.pairs()
    values = np.array([value for _, _, value in found], dtype=np.float64)
    pairs = pandas.DataFrame(
        {
            "i": np.array([i for i, _, _ in found], dtype=np.int64),
            "j": np.array([j for _, j, _ in found], dtype=np.int64),
            "first": [explanation.units[i].text for i, _, _ in found],
            "second": [explanation.units[j].text for _, j, _ in found],
            "interaction": values,
            "total": explanation.pair_total * values,
        }
    )
    return units, pairs


def to_shapiq(explanation: Explanation) -> Any:
    """The InteractionValues of orders 0 to 2; raises `UsageError` without shapiq, or for a matrix with gaps."""
    shapiq = _library("shapiq")
    missing = int(np.isnan(explanation.ih).any(axis=1).sum())
    if missing:
        message = (
            f"{missing} of {len(explanation.units)} rows of the matrix hold entries that were not computed, and "
            "shapiq takes whole ones. Explain the text without --top."
        )
        raise UsageError(message)
    values: dict[tuple[int, ...], float] = {(): explanation.f_baseline}
    values |= {(i,): float(value) for i, value in enumerate(np.diag(explanation.ih))}
    values |= {(i, j): explanation.pair_total * value for i, j, value in explanation.pairs()}
    lookup = {interaction: place for place, interaction in enumerate(values)}
    evaluations = explanation.quadrature.evaluations
    return shapiq.InteractionValues(
        np.array(list(values.values())),
        index="k-SII",
        min_order=0,
        max_order=2,
        n_players=len(explanation.units),
        interaction_lookup=lookup,
        estimated=True,
        estimation_budget=evaluations or None,
        baseline_value=explanation.f_baseline,
    )


def to_shap(explanation: Explanation) -> Any:
    """The attributions as an Explanation of shap; raises `UsageError` without shap."""
    shap = _library("shap")
    names = np.array([unit.text for unit in explanation.units], dtype=object)
    return shap.Explanation(
        values=np.array(explanation.ig),
        base_values=explanation.f_baseline,
        data=names,
        feature_names=list(names),
    )


def _library(name: str) -> Any:
    """A library that is no dependency of this package; raises `UsageError` where it cannot be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library says of its own imports is not about the result
            return import_module(name)
    except ImportError as error:
        message = f"This needs {name}, which cannot be imported ({error}). Install it: pip install {name}"
        raise UsageError(message) from error
