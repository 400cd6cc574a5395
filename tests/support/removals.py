"""A check by removal for tests: the strongest pair with the texts without one, the other, and both of its units."""

from dataclasses import replace

from ihcli.results import Explanation, Removal, RemovedPair, RemovedText

SENTENCE = "Without *not*: NEGATIVE (0.96). Removing words agrees with 9 of the 10 strongest pairs."


def with_removal(explanation: Explanation, sentence: str = SENTENCE) -> Explanation:
    """The explanation with a check by removal whose texts are what is left of its own."""
    i, j, value = explanation.pairs()[0]

    def removed(without: tuple[int, ...], score: float) -> RemovedText:
        left = " ".join(unit.text for u, unit in enumerate(explanation.units) if u not in without)
        return RemovedText(without, left, "NEGATIVE", 0.96, score, 0.04)

    pair = RemovedPair(i, j, value, 1.5, removed((i,), -2.0), removed((j,), -1.0), removed((i, j), 0.5))
    removal = Removal(sentence, (pair,), compared=10, agreeing=9, r_squared=0.91, r_squared_attributions=0.7,
                      correlation=0.9, exact=True, evaluations=32,
                      nothing=removed(tuple(range(len(explanation.units))), 0.25))  # fmt: skip
    return replace(explanation, removal=removal)
