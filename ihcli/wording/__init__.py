"""A result in words and its numbers as text, the same in the terminal, under a figure, in the report and a notebook."""

from ihcli.wording.by_removal import by_removal, by_removal_short, contradictions
from ihcli.wording.method_names import MethodWords, method_words
from ihcli.wording.number_format import MINUS, UNKNOWN, Digits, digits_together, number, percent
from ihcli.wording.sentences import (
    Contributions,
    baseline,
    certificate,
    contributions,
    digits_of,
    direction,
    entries_cancel,
    largest,
    meaning_of_one,
    prediction,
    setting,
    target,
)
from ihcli.wording.unit_names import is_punctuation, names, shorten, units_of_strongest_pairs

__all__ = [
    "MINUS", "UNKNOWN", "Contributions", "Digits", "MethodWords", "baseline", "by_removal", "by_removal_short",
    "certificate", "contradictions", "contributions", "digits_of", "digits_together", "direction", "entries_cancel",
    "is_punctuation", "largest", "meaning_of_one", "method_words", "names", "number", "percent", "prediction",
    "setting", "shorten", "target", "units_of_strongest_pairs",
]  # fmt: skip
