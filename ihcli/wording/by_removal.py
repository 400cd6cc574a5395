"""The check by removal in sentences: the answers to texts without words, and what the matrix says of them."""

import math

from ihcli.removal.multilinear import NORMAL_95
from ihcli.results import Explanation, PairEffect, Removal, RemovedPair, RemovedText
from ihcli.wording.number_format import MINUS
from ihcli.wording.unit_names import names

NOTABLE = 0.1
"""An effect below this share of what it is compared with is called small."""
APART = 0.1
"""R² with the best factor is told where it is higher by so much."""
_LONGEST = 40
"""Characters of a unit's name."""
_TWO = 2
_UNLIKELY = 0.05
"""A count of signs that chance reaches more often than this is no better than chance."""
NEAR = 1.25
"""A factor within so many times of 1 is not what makes R² higher: the constant is."""
FAR = 1.5
"""The matrix and removal are said to differ where one is so many times the other."""
_SIGNIFICANT = 3


def by_removal(explanation: Explanation, removal: Removal) -> str:
    """The finding of the check in plain words.

    Args:
        explanation: What was checked.
        removal: What was found; its own sentence is not read.
    """
    parts = [f"Check by removal (words deleted from the text): {_answers(explanation, removal)}"]
    if removal.pairs:
        parts.append(_pair(explanation, removal.pairs[0]))
    if removal.compared > 1:
        parts.append(_signs(removal.agreeing, removal.compared))
    if removal.r_squared is not None:
        parts.append(_explained(removal, removal.r_squared))
    return " ".join(filter(None, parts))


def by_removal_short(explanation: Explanation, removal: Removal) -> str:
    """The same for the caption of a figure: the answers, and R² as it stands and with the best factor."""
    parts = [f"Words removed: {_answers(explanation, removal)}"]
    if removal.r_squared is not None:
        fits = [_r_squared(removal.r_squared, removal.r_squared_error)]
        if removal.scale is not None and removal.r_squared_scaled is not None and _scaled(removal, removal.r_squared):
            fits.append(
                f"{_factor(removal.scale)}: {_r_squared(removal.r_squared_scaled, removal.r_squared_scaled_error)}"
            )
        parts.append(f"R² of the matrix for such removals: {'; '.join(fits)}.")
    return " ".join(parts)


def contradictions(explanation: Explanation, removal: Removal) -> list[str]:
    """Warnings of strong pairs that removal gives another sign, and of a matrix that does not predict removal."""
    called = names(explanation.units, _LONGEST)
    listed = [
        f"{called[pair.i]} · {called[pair.j]} (removal {_signed(pair.effect)}, matrix {_predicted(explanation, pair)})"
        for pair in removal.contradicted or ()
    ]
    found = [f"Removal gives another sign than the matrix to {', '.join(listed)}."] if listed else []
    if removal.r_squared is not None and removal.r_squared <= 0 and not _scaled(removal, removal.r_squared):
        deletion = explanation.baseline.get("kind") == "deletion"
        advice = "" if deletion else " `--baseline deletion` explains removal itself."
        found.append(f"Do not read the numbers of the matrix as effects of removing words.{advice}")
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
    name = label if explanation.prediction.are_values else f"probability of {label}"
    return f"{name} {', '.join(listed)}."


def _answer(explanation: Explanation, one: RemovedText) -> str:
    """The probability of the explained label, and the predicted one where the probability alone does not tell it."""
    value = f"{one.probability if one.target_probability is None else one.target_probability:.2f}"
    prediction = explanation.prediction
    plain = prediction.are_values or prediction.problem == "multi_label" or one.label == explanation.target.label
    return value if plain or len(prediction.probabilities) <= _TWO else f"{value} ({one.label} is predicted)"


def _pair(explanation: Explanation, pair: RemovedPair) -> str:
    """What one unit of the strongest pair adds to f beside the other and without it."""
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
    found = f"Strongest pair: {called[unit]} adds {texts[0]} to f beside {called[other]} and {texts[1]} once "
    found += f"{called[other]} is removed"
    own = _predicted(explanation, pair)
    if abs(pair.effect) < NOTABLE * max(map(abs, (*first[2:], *second[2:]))):
        return f"{found}, so by removal the two hardly act together ({texts[2]}); the matrix predicts {own}."
    own += " (2Γ from the pair's entries, as much from the diagonal)" if explanation.method == "ih" else ""
    own += _ratio(explanation, pair)
    return f"{found}, so removal shows the pair adding {texts[2]}; the matrix predicts {own}."


def _predicted(explanation: Explanation, pair: RemovedPair | PairEffect) -> str:
    """What the matrix says that the pair adds by removal: 4Γ, exact where words act in pairs only, else the entry."""
    factor, symbol = _factor_of(explanation)
    return f"{symbol}{_signed(factor * pair.interaction)}"


def _ratio(explanation: Explanation, pair: RemovedPair) -> str:
    """By how much the matrix and removal differ, where that is more than a half."""
    ratio = _factor_of(explanation)[0] * pair.interaction / pair.effect if pair.effect else math.inf
    if ratio <= 0:
        return ", with another sign"
    return "" if 1 / FAR < ratio < FAR or math.isinf(ratio) else f", {ratio:.2g} times as much"


def _factor_of(explanation: Explanation) -> tuple[float, str]:
    """By what an entry is multiplied to be compared with removal, and what stands before the number."""
    return (4.0, "4Γ = ") if explanation.method == "ih" else (1.0, "")


def _signs(agreeing: int, compared: int) -> str:
    """How many of the strongest pairs have the sign that removal shows, and whether chance would do as well."""
    which = f"{compared} strongest pairs (down to a tenth of the largest)"
    if agreeing == compared:
        return f"{'Both' if compared == _TWO else 'All'} {which.removeprefix('2 ')} have the sign that removal shows."
    found = f"Removal gives {compared - agreeing} of the {which} another sign"
    by_chance = sum(math.comb(compared, count) for count in range(agreeing, compared + 1)) / 2**compared
    return f"{found}, which chance could do as well." if by_chance > _UNLIKELY else f"{found}."


def _scaled(removal: Removal, r_squared: float) -> bool:
    """Whether the matrix predicts removal clearly better with its numbers multiplied by one positive factor."""
    factor, scaled = removal.scale, removal.r_squared_scaled
    return factor is not None and scaled is not None and factor > 0 and scaled >= max(r_squared + APART, APART)


def _explained(removal: Removal, r_squared: float) -> str:
    """How much of how f varies as words are removed the matrix explains, as printed and with a factor."""
    varies = "how f varies as words are removed"
    share = _share(r_squared, removal.r_squared_error)
    raw = f"R² {_r_squared(r_squared, removal.r_squared_error)}; the mean of f has 0"
    if removal.scale is not None and removal.r_squared_scaled is not None and _scaled(removal, r_squared):
        better, factor = _share(removal.r_squared_scaled, removal.r_squared_scaled_error, ""), _factor(removal.scale)
        if r_squared > 0:
            return f"As printed, the matrix explains {share} of {varies}; {factor}, {better}."
        return (
            f"As printed, the matrix does not predict {varies} ({raw}): its proportions hold, its size does not; "
            f"{factor}, it explains {better}, though single pairs can differ."
        )
    if r_squared > 0:
        return f"The matrix explains {share} of {varies}."
    return f"The matrix does not predict {varies} ({raw})."


def _factor(scale: float) -> str:
    """The factor by which the numbers of the matrix fit best; it is fitted together with a constant, told near 1."""
    if 1 / NEAR < scale < NEAR:
        return f"shifted by a constant and multiplied by {scale:.2g}, both fitted"
    return f"divided by a fitted {1 / scale:.2g}" if scale < 1 else f"multiplied by a fitted {scale:.2g}"


def _r_squared(value: float, error: float | None) -> str:
    """R² as a number, said to be an estimate where it is one."""
    return f"{'about ' if error else ''}{value:.2f}".replace("-", MINUS)


def _share(value: float, error: float | None, named: str = "95 % interval ") -> str:
    """A share in percent, with its 95 % interval where it is an estimate."""
    if not error:
        return f"{100 * value:.0f} %"
    low, high = max(value - NORMAL_95 * error, 0.0), min(value + NORMAL_95 * error, 1.0)
    return f"about {100 * value:.0f} % ({named}{100 * low:.0f} to {100 * high:.0f} %)"


def _signed(value: float) -> str:
    """A number with its sign."""
    return f"{value:+.3g}".replace("-", MINUS)


def _signed_together(*values: float) -> list[str]:
    """Numbers with their signs and as many decimals as give the largest three digits."""
    largest = max(map(abs, values))
    decimals = max(0, _SIGNIFICANT - 1 - math.floor(math.log10(largest))) if largest > 0 else 0
    return [f"{value:+.{decimals}f}".replace("-", MINUS) for value in values]
