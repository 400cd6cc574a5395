"""Units of a long text: words in the sentences that matter, and each other sentence as one unit.

The matrix of sentences is explained first.  A sentence matters by |IG| + Σ |Γ| over its row without the diagonal: what
it says, and what it does together with others.  Its words are then units of their own, and one matrix is taken over
words and sentences, exact for these units as any grouping is.
"""

import numpy as np

from ihcli.counting import counted
from ihcli.models.encoding import EncodedText
from ihcli.models.units import Place, word_count, words
from ihcli.results import Explanation, Unit

MOST_UNITS = 64
"""Units up to which sentences are opened; texts with no more words are explained by words."""
SENTENCE_TOLERANCE = 0.05
"""Largest error of the matrix that the choice rests on, where the tolerance is not larger."""
_NAMED = 3


def is_long(encoded: EncodedText) -> bool:
    """Whether a text has more words than are explained together."""
    return sum(word_count(text) for text in (encoded.text, encoded.text_pair) if text is not None) > MOST_UNITS


def opened(sentences: Explanation) -> tuple[Place, ...]:
    """The sentences to open, most important first, as long as no more than `MOST_UNITS` units result.

    The most important one that fits is always opened, and the most important of all where none fits.
    """
    matrix = np.abs(np.nan_to_num(sentences.ih))  # some methods have no pairs
    importance = np.abs(sentences.ig) + matrix.sum(1) - np.diag(matrix)
    order = np.argsort(-importance, kind="stable")
    total, chosen = len(sentences.units), []
    for index in order:
        unit = sentences.units[index]
        more = len(words(unit.text)) - 1
        if more > 0 and total + more <= MOST_UNITS:
            total += more
            chosen.append(_place(unit))
    return tuple(chosen) or (_place(sentences.units[order[0]]),)


def closed_note(explanation: Explanation) -> str | None:
    """What the matrix does not show of the sentences that are single units; None where there are none."""
    closed = [index for index, unit in enumerate(explanation.units) if word_count(unit.text) > 1]
    if not closed:
        return None
    diagonal = {index: float(explanation.ih[index, index]) for index in closed}
    largest = sorted(closed, key=lambda index: -abs(diagonal[index]))[:_NAMED]
    named = "; ".join(f"{_short(explanation.units[index])} {diagonal[index]:+.3g}" for index in largest)
    more = "" if len(closed) <= _NAMED else f", {_NAMED} of {len(closed)} by size"
    return (
        f"{counted(len(closed), 'sentence was', 'sentences were')} kept as one unit each. Of what acts "
        "inside such a unit only the sum is known, its "
        f"entry on the diagonal{more}: {named}. Effects of opposite signs in it may cancel; --units word shows them."
    )


def _place(unit: Unit) -> Place:
    return unit.side, unit.start, unit.end


def _short(unit: Unit, most: int = 30) -> str:
    text = " ".join(unit.text.split())
    return f"“{text}”" if len(text) <= most else f"“{text[: most - 1]}…”"
