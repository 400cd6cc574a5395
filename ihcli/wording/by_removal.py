"""The check by removal in sentences: the answers to texts without words, and what the matrix says of them."""

import math

from ihcli.removal.multilinear import NORMAL_95
from ihcli.results import Explanation, Removal, RemovedPair, RemovedText
from ihcli.wording.number_format import MINUS
from ihcli.wording.unit_names import names

NOTABLE = 0.1
"""An effect below this share of what it is compared with is called small."""
APART = 0.1
"""R² with the best factor is told where it is higher by so much."""
_LONGEST = 40
"""Characters of a unit's name."""
_TWO_LABELS = 2
_SIGNIFICANT = 3


def by_removal(explanation: Explanation, removal: Removal) -> str:
    """The finding of the check in plain words.

    Args:
        explanation: What was checked.
        removal: What was found; its own sentence is not read.
    """
    parts = [_answers(explanation, removal)]
    if removal.pairs:
        parts.append(_pair(explanation, removal.pairs[0]))
    if removal.compared > 1:
        parts.append(_signs(removal.agreeing, removal.compared))
    if removal.r_squared is not None:
        parts.append(_explained(removal, removal.r_squared))
    return " ".join(filter(None, parts))


def by_removal_short(explanation: Explanation, removal: Removal) -> str:
    """The same for the caption of a figure: the answers, and R² as it stands and with the best factor."""
    parts = [_answers(explanation, removal)]
    if removal.r_squared is not None:
        fits = [_r_squared(removal.r_squared, removal.r_squared_error)]
        if removal.scale is not None and removal.r_squared_scaled is not None and _scaled(removal, removal.r_squared):
            fits.append(
                f"{_factor(removal.scale)}: {_r_squared(removal.r_squared_scaled, removal.r_squared_scaled_error)}"
            )
        parts.append(f"R² of the matrix for such removals: {'; '.join(fits)}.")
    return " ".join(parts)


def contradictions(explanation: Explanation, removal: Removal) -> list[str]:
    """Warnings of pairs that are shown and get the other sign from removal, and of a matrix that predicts nothing."""
    called = names(explanation.units, _LONGEST)
    found = [
        f"Removing words gives {called[pair.i]} · {called[pair.j]} the other sign: by removal the pair adds "
        f"{_signed(pair.effect)} to the score, the matrix has {_predicted(explanation, pair)} for that."
        for pair in removal.pairs
        if not pair.agrees and abs(pair.effect) >= NOTABLE * abs(pair.interaction)
    ]
    if removal.r_squared is not None and removal.r_squared <= 0 and not _scaled(removal, removal.r_squared):
        deletion = explanation.baseline.get("kind") == "deletion"
        advice = "" if deletion else " `--baseline deletion` explains removal itself."
        found.append(
            "The matrix does not predict how the score varies as words are removed: do not read its numbers as effects "
            f"of removing words.{advice}"
        )
    return found


def _answers(explanation: Explanation, removal: Removal) -> str:
    """The probability of the explained label for the text, for an empty one, and without the units that matter most."""
    called = [f"“{name}”" for name in names(explanation.units, _LONGEST)]
    label = explanation.target.label
    listed = [f"{explanation.prediction.probabilities.get(label, math.nan):.2f} for the text"]
    told = [(removal.nothing, "for an empty text")]
    if removal.pairs:
        first = removal.pairs[0]
        told.append((first.without_first, f"without {called[first.i]}"))
        told.append((first.without_second, f"without {called[first.j]}"))
        told.append((first.without_both, "without both"))
    if removal.largest is not None:
        (unit,) = removal.largest.without
        told.append((removal.largest, f"without {called[unit]} (the largest attribution)"))
    listed += [f"{_answer(explanation, one)} {which}" for one, which in told if one is not None]
    name = label if explanation.prediction.are_values else f"Probability of {label}"
    return f"{name}: {', '.join(listed)}."


def _answer(explanation: Explanation, one: RemovedText) -> str:
    """The probability of the explained label, and the predicted one where the probability alone does not tell it."""
    value = f"{one.probability if one.target_probability is None else one.target_probability:.2f}"
    prediction = explanation.prediction
    plain = prediction.are_values or prediction.problem == "multi_label" or one.label == explanation.target.label
    return value if plain or len(prediction.probabilities) <= _TWO_LABELS else f"{value} ({one.label} is predicted)"


def _pair(explanation: Explanation, pair: RemovedPair) -> str:
    """What each of the strongest pair adds to the score beside the other and without it."""
    called = [f"“{name}”" for name in names(explanation.units, _LONGEST)]
    without_i, without_j, without_both = (
        one.score for one in (pair.without_first, pair.without_second, pair.without_both)
    )
    whole = pair.effect + without_i + without_j - without_both
    first = pair.i, pair.j, whole - without_i, without_j - without_both
    second = pair.j, pair.i, whole - without_j, without_i - without_both
    turns = [beside * alone < 0 for *_, beside, alone in (first, second)]
    unit, other, beside, alone = second if turns[1] and not turns[0] else first
    texts = _signed_together(beside, alone, pair.effect)
    found = f"{called[unit]} adds {texts[0]} to the score beside {called[other]} and {texts[1]} once "
    found += f"{called[other]} is removed"
    own = _predicted(explanation, pair)
    if abs(pair.effect) < NOTABLE * max(map(abs, (*first[2:], *second[2:]))):
        return f"{found}, so by removal the two hardly act together ({texts[2]}; the matrix has {own} for that)."
    return f"{found}, so the pair adds {texts[2]}; the matrix has {own} for that."


def _predicted(explanation: Explanation, pair: RemovedPair) -> str:
    """What the matrix says that the pair adds by removal: 4Γ, exact where words act in pairs only, else the entry."""
    if explanation.method == "ih":
        return f"4Γ = {_signed(4 * pair.interaction)}"
    return _signed(pair.interaction)


def _signs(agreeing: int, compared: int) -> str:
    """How many of the strongest pairs have the sign that removal shows."""
    if agreeing == compared:
        return f"{'Both' if compared == 2 else f'All {compared}'} strongest pairs have the sign that removal shows."  # noqa: PLR2004
    return (
        f"{agreeing} of the {compared} strongest pairs (down to a tenth of the largest) have the sign that removal "
        "shows; half would by chance."
    )


def _scaled(removal: Removal, r_squared: float) -> bool:
    """Whether the matrix predicts removal clearly better with its numbers multiplied by one positive factor."""
    factor, scaled = removal.scale, removal.r_squared_scaled
    return factor is not None and scaled is not None and factor > 0 and scaled >= max(r_squared + APART, APART)


def _explained(removal: Removal, r_squared: float) -> str:
    """How much of how the score varies as words are removed the matrix explains, as it stands and with a factor."""
    varies = "how the score varies as words are removed"
    raw = f"R² {_r_squared(r_squared, removal.r_squared_error)}"
    share = _share(r_squared, removal.r_squared_error)
    if removal.scale is not None and removal.r_squared_scaled is not None and _scaled(removal, r_squared):
        better = f"with its numbers {_factor(removal.scale)} it explains "
        better += _share(removal.r_squared_scaled, removal.r_squared_scaled_error)
        if r_squared > 0:
            return f"As it stands, the matrix explains {share} of {varies}; {better}."
        return f"As it stands, the matrix does not predict {varies} ({raw}; the mean score has 0); {better}."
    if r_squared > 0:
        return f"The matrix explains {share} of {varies}."
    return f"The matrix does not predict {varies} ({raw}; the mean score has 0)."


def _factor(scale: float) -> str:
    """The factor by which the numbers of the matrix fit best."""
    return f"divided by {1 / scale:.2g}" if scale < 1 else f"multiplied by {scale:.2g}"


def _r_squared(value: float, error: float | None) -> str:
    """R² as a number, said to be an estimate where it is one."""
    return f"{'about ' if error else ''}{value:.2f}".replace("-", MINUS)


def _share(value: float, error: float | None) -> str:
    """A share in percent, with its 95 % interval where it is an estimate."""
    if not error:
        return f"{100 * value:.0f} %"
    low, high = max(value - NORMAL_95 * error, 0.0), min(value + NORMAL_95 * error, 1.0)
    return f"about {100 * value:.0f} % (from {100 * low:.0f} to {100 * high:.0f} %)"


def _signed(value: float) -> str:
    """A number with its sign."""
    return f"{value:+.3g}".replace("-", MINUS)


def _signed_together(*values: float) -> list[str]:
    """Numbers with their signs and as many decimals as give the largest three digits."""
    largest = max(map(abs, values))
    decimals = max(0, _SIGNIFICANT - 1 - math.floor(math.log10(largest))) if largest > 0 else 0
    return [f"{value:+.{decimals}f}".replace("-", MINUS) for value in values]
