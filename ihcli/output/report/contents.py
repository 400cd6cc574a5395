"""The numbers and sentences that a report holds, as plain JSON."""

import dataclasses
import json
import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np

from ihcli import wording
from ihcli.results import Array, Explanation, RemovedText
from ihcli.text_safety import one_line

BUDGET = 34_000
"""Characters that the matrix of a text may take on average; fewer than fifty texts share the room of fifty, 1.7 MB."""
_FEWEST = 50
STEPS = 32767
MISSING = STEPS + 1
_SHOWN_PROBABILITIES = 5
_LONG_TEXT = 90
_LONG_UNIT = 60
_SPREADS = 80
"""More than the 60 pairs that the page lists, because rounding may change the order of equal ones."""


def payload(explanations: Iterable[Explanation]) -> dict[str, Any]:
    """Everything that the page shows, for its script.

    Each entry of a matrix is stored as a whole number of steps of max|Γ| / 32767, far below any tolerance. Where all
    entries together would exceed `BUDGET`, small ones are stored as zero: those below a floor, the same share of the
    largest entry in every text. The page says so.
    """
    groups = _by_text(explanations)
    texts = [{"levels": [_level(explanation) for explanation in group]} for group in groups]
    levels = [level for text in texts for level in text["levels"]]
    matrices = [whole_steps(explanation.ih) for group in groups for explanation in group]
    share = 0.0
    while True:
        entries = [encode(steps, share) for steps in matrices]
        if sum(map(len, entries)) <= BUDGET * max(_FEWEST, len(texts)) or share >= 1:
            break
        share = max(2 * share, 1 / 1024)
    for level, text in zip(levels, entries, strict=True):
        level["entries"] = text
        level["floor"] = share * level["step"] * STEPS
    return {"texts": texts}


def _by_text(explanations: Iterable[Explanation]) -> list[list[Explanation]]:
    """Explanations that differ only in their units or their explained label are levels of one text."""
    groups: dict[str, dict[tuple[int, str], Explanation]] = {}
    for explanation in explanations:
        key = json.dumps(
            [
                explanation.text,
                explanation.text_pair,
                explanation.model.name,
                explanation.model.weights_sha256,
                [explanation.target.output, explanation.target.against],
                dict(explanation.baseline),
                explanation.quadrature.formulation,
            ],
            sort_keys=True,
            default=str,
        )
        level = explanation.target.index, level_name(explanation)
        while level in groups.get(key, {}):
            key += "+"  # the same text twice at the same level for one label: two entries of the list
        groups.setdefault(key, {})[level] = explanation
    return [list(levels.values()) for levels in groups.values()]


def level_name(explanation: Explanation) -> str:
    """`word`, `token`, `sentence` or `spans`: as configured, else guessed from the tokens of the units."""
    units = (explanation.config or {}).get("units")
    if isinstance(units, dict) and isinstance(units.get("kind"), str):
        return str(units["kind"])
    return "token" if all(len(unit.tokens) == 1 for unit in explanation.units) else "word"


def _level(explanation: Explanation) -> dict[str, Any]:
    pairs = explanation.pairs()
    probabilities = explanation.prediction.probabilities
    ranked = sorted(probabilities, key=lambda label: -probabilities[label])
    shown = wording.number if explanation.prediction.are_values else wording.percent
    return {
        "name": level_name(explanation),
        "text": explanation.text,
        "pair": explanation.text_pair,
        "label": explanation.prediction.label,
        "prediction": wording.prediction(explanation),
        "confidence": None
        if explanation.prediction.are_values
        else _finite(probabilities.get(explanation.prediction.label, math.nan)),
        "others": [
            f"{label} {shown(probabilities[label])}"
            for label in ranked[:_SHOWN_PROBABILITIES]
            if label != explanation.prediction.label
        ],
        "regression": explanation.prediction.are_values,
        "explained": explanation.target.label,
        "index": explanation.target.index,
        "choice": _choice(explanation),
        "target": wording.target(explanation),
        "baseline": wording.baseline(explanation),
        "model": explanation.model.name,
        "formulation": explanation.quadrature.formulation,
        "nodes": explanation.quadrature.nodes,
        "f": [_finite(explanation.f_input), _finite(explanation.f_baseline)],
        "converged": explanation.certificate.converged,
        "certificate": [_unbroken(sentence) for sentence in wording.certificate(explanation)],
        "direction": wording.direction(explanation),
        "meaning": _unbroken(wording.meaning_of_one(explanation) or ""),
        "cancels": wording.entries_cancel(explanation),
        "path": _path(explanation),
        "sums": _sums(explanation),
        "words": dataclasses.asdict(wording.method_words(explanation)),
        "pair_total": explanation.pair_total,
        "removal": _removal(explanation),
        "warnings": list(explanation.warnings),
        "sides": [
            _pieces(explanation, "text"),
            *([_pieces(explanation, "text_pair")] if explanation.text_pair else []),
        ],
        "units": wording.names(explanation.units, _LONG_UNIT),
        "ig": [_finite(float(f"{value:.6g}")) for value in explanation.ig],
        "strongest": pairs[0] if pairs else None,
        "spread": _spread(explanation, pairs[:_SPREADS]),
        "step": _largest(explanation.ih) / STEPS,
    }


def _choice(explanation: Explanation) -> str:
    """The explained label and its probability or value, among the labels that the page switches between."""
    label, index = explanation.target.label, explanation.target.index
    outputs = list(explanation.prediction.probabilities.values())
    if index >= len(outputs):
        return label
    shown = wording.number if explanation.prediction.are_values else wording.percent
    return f"{label} ({_unbroken(shown(outputs[index]))})"


def _unbroken(sentence: str) -> str:
    """The sentence with percent signs that stay beside their number."""
    return sentence.replace(" %", "\u00a0%")


def _sums(explanation: Explanation) -> dict[str, Any]:
    """What the entries of the matrix sum to."""
    sums = wording.contributions(explanation)
    return {
        "pairs": sums.pairs,
        "diagonal": sums.diagonal,
        "total": sums.total,
        "difference": _finite(sums.difference),
        "complete": sums.complete,
    }


def _removal(explanation: Explanation) -> dict[str, Any] | None:
    """The check by removal: its sentences, and the texts that it evaluated with the model's answers."""
    removal = explanation.removal
    if removal is None:
        return None
    pairs = [
        {
            "units": [pair.i, pair.j],
            "interaction": _finite(pair.interaction),
            "effect": _finite(pair.effect),
            "agrees": pair.agrees,
            "texts": [_removed(text) for text in (pair.without_first, pair.without_second, pair.without_both)],
        }
        for pair in removal.pairs
    ]
    single = [_removed(text) for text in (removal.nothing, removal.largest) if text is not None]
    whole = explanation.prediction.probabilities.get(explanation.target.label, math.nan)
    return {"sentence": _unbroken(removal.sentence), "pairs": pairs, "single": single, "whole": _finite(whole)}


def _removed(text: RemovedText) -> dict[str, Any]:
    return {
        "without": list(text.without),
        "text": text.text,
        "label": text.label,
        "probability": None if text.target_probability is None else _finite(text.target_probability),
        "score": _finite(text.score),
    }


def _path(explanation: Explanation) -> dict[str, list[float]] | None:
    """The score along the path from the baseline to the text, for results whose entries nearly cancel."""
    path = explanation.path
    if path is None or not len(path.t) or wording.entries_cancel(explanation) is None:
        return None
    order = np.argsort(path.t, kind="stable")
    known = order[np.isfinite(path.f[order])]
    return {"t": np.round(path.t[known], 4).tolist(), "f": [float(f"{value:.4g}") for value in path.f[known]]}


def _spread(explanation: Explanation, pairs: list[tuple[int, int, float]]) -> dict[str, float | None] | None:
    """The standard deviation over a set of baselines, of the pairs that the page can list."""
    spread = explanation.ih_spread
    return None if spread is None else {f"{u} {v}": _finite(float(f"{spread[u, v]:.4g}")) for u, v, _ in pairs}


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _pieces(explanation: Explanation, side: str) -> list[Any]:
    """One text cut into units: `[text before it, unit, its text]` for each, and what follows the last.

    Cut here because offsets count code points, and JavaScript counts UTF-16 units. White space at the ends of a unit
    is put before and after it. A unit without characters of its own (one of several byte tokens of an emoji) shows its
    token instead.
    """
    text = explanation.text if side == "text" else explanation.text_pair or ""
    order = [index for index, unit in enumerate(explanation.units) if unit.side == side]
    order.sort(key=lambda index: (explanation.units[index].start, explanation.units[index].end))
    pieces: list[Any] = []
    position = 0
    for index in order:
        unit = explanation.units[index]
        start, end = max(unit.start, position), max(unit.end, position)
        shown = text[start:end]
        start += len(shown) - len(shown.lstrip())
        end = start + len(shown.strip())
        pieces.append([text[position:start], index, shown.strip() or unit.text.strip() or "·"])
        position = max(position, end)
    pieces.append(text[position:])
    return pieces


def _largest(matrix: Array) -> float:
    return float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0))


def whole_steps(matrix: Array) -> list[int]:
    """The upper triangle, row by row, in whole numbers of max|Γ| / 32767; `MISSING` where an entry is not known."""
    entries = matrix[np.triu_indices(len(matrix))]
    largest = _largest(matrix)
    shares = entries / largest if largest > 0 else np.where(np.isfinite(entries), 0.0, np.nan)
    steps: list[int] = np.where(np.isfinite(shares), np.rint(shares * STEPS), MISSING).astype(np.int64).tolist()
    return steps


def encode(steps: list[int], floor: float) -> str:
    """Whole numbers separated by spaces; `z` is zero, `n` a missing entry, `z7` and `n7` are runs of seven.

    Entries below `floor`, a share of the largest, become zero.
    """
    least = floor * STEPS
    words: list[str] = []
    for code, run in groupby(0 if abs(step) < least else step for step in steps):
        count = sum(1 for _ in run)
        if code in {0, MISSING}:
            name = "n" if code == MISSING else "z"
            words.append(name if count == 1 else f"{name}{count}")
        else:
            words.extend([str(code)] * count)
    return " ".join(words)


def headline(texts: list[dict[str, Any]]) -> str:
    """A title for the page when none was given."""
    first = texts[0]["levels"][0]
    if len(texts) > 1:
        models = {level["model"] for text in texts for level in text["levels"]}
        by = f" by {first['model']}" if len(models) == 1 else f" by {len(models)} models"
        return f"{len(texts)} texts explained{by}"
    return wording.shorten(one_line(first["text"]), _LONG_TEXT)
