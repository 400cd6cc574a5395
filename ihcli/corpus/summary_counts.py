"""Sums over all texts of a store: of pairs of words, of words, and of words after a negator.

One pass over the store; memory grows with the vocabulary, not with the number of rows or pairs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ihcli.corpus.records import RowOutcome
from ihcli.corpus.sums import MOST_KEYS, KeyedSums, Keys, Values
from ihcli.errors import ResultError
from ihcli.results import Explanation, Unit
from ihcli.wording import is_punctuation

ALL = "(all)"
"""Stands for all texts in the place of a predicted label."""
NEGATORS = ("not", "never", "n't")
_ENGLISH = (
    "a an the and or of to in on at by for from with into as than that this these those is am are was were be been "
    "being 's 're 've 'm 'll 'd do does did has have had i you he she it we they me him her us them my your his its "
    "our their who which what there"
)
STOP_WORDS = frozenset(_ENGLISH.split())
"""English function words: the most frequent words, whose sums would lead every table."""
REACH = 3
"""Words after a negator that it is taken to reach, unless punctuation or another negator comes before."""
EXCLUSIVE = 1e-5
"""Labels exclude each other when their probabilities add up to 1 within this."""
_WORD_BITS, _LABEL_BITS = 26, 12

Order = Literal["magnitude", "mean", "count"]


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """What is counted, and how much of it is kept."""

    top: int = 1000
    """Rows kept of each table for each label."""
    by: Order = "magnitude"
    min_count: int = 1
    punctuation: bool = False
    """Whether units of punctuation are counted."""
    stop_words: frozenset[str] = STOP_WORDS
    """Words that are not counted, in lower case; negators always are."""
    negators: Sequence[str] = NEGATORS


@dataclass(slots=True)
class _Numbering:
    """Numbers for names, in the order in which they first occur."""

    bits: int
    what: str
    numbers: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        number = self.numbers.setdefault(name, len(self.numbers))
        if number >= 1 << self.bits:
            message = f"The store has more than {1 << self.bits} different {self.what}: too many to summarize."
            raise ResultError(message)
        return number


def make_key(label: int, a: Keys, b: Keys) -> Keys:
    """The key of a label and two words, by their numbers."""
    return np.uint64(label << 2 * _WORD_BITS) | (a << np.uint64(_WORD_BITS)) | b


def split_key(keys: Keys) -> tuple[Keys, Keys, Keys]:
    """The numbers of the label and the two words."""
    mask, shift = np.uint64((1 << _WORD_BITS) - 1), np.uint64(_WORD_BITS)
    return keys >> np.uint64(2 * _WORD_BITS), (keys >> shift) & mask, keys & mask


class SummaryCounts:
    """The sums of one pass over the rows of a store."""

    def __init__(self, options: SummaryOptions, folder: Path, most_keys: int = MOST_KEYS) -> None:
        """Start without rows; sums that do not fit in memory go to `folder`."""
        self._options = options
        self.pairs = KeyedSums(6, folder, most_keys)
        """Columns: count, Σ Γ, Σ |Γ|, number of Γ > 0, number of Γ < 0, how often the words are in the key's order."""
        self.words = KeyedSums(6, folder, most_keys)
        """Columns: count, Σ IG, Σ_v |Γ_uv|, Σ Γ_uu, count and Σ IG where no negator reaches the word."""
        self.negations = KeyedSums(6, folder, most_keys)
        """Columns: count, Σ Γ, Σ |Γ|, number of Γ > 0, number of Γ < 0, Σ IG of the word."""
        self._labels = _Numbering(_LABEL_BITS, "predicted labels", {ALL: 0})
        self._vocabulary = _Numbering(_WORD_BITS, "units")
        self.predictions: Counter[str] = Counter()
        self.explained = self.failed = self.not_converged = 0
        self.towards: str | None = None
        """The label that positive numbers speak for; None where it is the explained label of each text."""
        self._turning: bool | None = None
        self.problem: str | None = None
        """What kind of outputs the model has, as `Prediction.problem` says."""

    @property
    def labels(self) -> list[str]:
        """The predicted labels by number; number 0 is `ALL`."""
        return list(self._labels.numbers)

    @property
    def vocabulary(self) -> list[str]:
        """The words by number."""
        return list(self._vocabulary.numbers)

    def add_rows(self, outcomes: Iterable[RowOutcome], *, fixed_target: bool) -> Self:
        """Add all rows; `fixed_target` says that every row explains the same label."""
        for outcome in outcomes:
            if outcome.explanation is None:
                self.failed += 1
            else:
                self._add(outcome.explanation, fixed_target=fixed_target)
        return self

    def _add(self, explanation: Explanation, *, fixed_target: bool) -> None:
        self.explained += 1
        self.not_converged += not explanation.converged
        label = explanation.prediction.label
        self.predictions[label] += 1
        self.problem = "regression" if explanation.prediction.are_values else explanation.prediction.problem
        sign = self._sign(explanation, fixed_target=fixed_target)
        ig, ih = sign * explanation.ig, sign * explanation.ih
        units = explanation.units
        words = np.array([self._vocabulary[_folded(unit)] for unit in units], dtype=np.uint64)
        kept = np.array([self._is_counted(unit) for unit in units], dtype=bool)
        labels = [0, self._labels[label]]
        reached = [(negator, p, q) for negator, p, q in _reached(units, self._options.negators) if kept[q]]
        self._add_pairs(labels, words, ih, kept)
        self._add_words(labels, words, ig, ih, kept, [q for _, _, q in reached])
        self._add_negations(labels, words, ig, ih, [one for one in reached if not np.isnan(ih[one[1:]])])

    def _is_counted(self, unit: Unit) -> bool:
        if is_punctuation(unit):
            return self._options.punctuation
        word = _folded(unit)
        return word not in self._options.stop_words or word in self._options.negators

    def _sign(self, explanation: Explanation, *, fixed_target: bool) -> float:
        """+1, or -1 where the text explains the other of two labels, so that the numbers of all texts can be added."""
        prediction, target = explanation.prediction, explanation.target
        if fixed_target:
            self.towards = target.label
            return 1.0
        if self._turning is None:  # labels that do not exclude each other are no opposites
            values = prediction.probabilities.values()
            exclusive = prediction.problem in {None, "single_label"} and not prediction.are_values
            self._turning = exclusive and len(values) == 2 and abs(sum(values) - 1) < EXCLUSIVE  # noqa: PLR2004
        if not self._turning:
            return 1.0
        self.towards = list(prediction.probabilities)[-1]
        return 1.0 if target.index == 1 else -1.0

    def _add_pairs(self, labels: Sequence[int], words: Keys, ih: Values, kept: Any) -> None:
        i, j = np.triu_indices(len(words), k=1)
        value = ih[i, j]
        known = ~np.isnan(value) & kept[i] & kept[j]
        a, b, value = words[i][known], words[j][known], value[known]
        sums = np.stack([np.ones_like(value), value, np.abs(value), value > 0, value < 0, a <= b], axis=1)
        for label in labels:
            self.pairs.add(make_key(label, np.minimum(a, b), np.maximum(a, b)), sums)

    def _add_words(
        self, labels: Sequence[int], words: Keys, ig: Values, ih: Values, kept: Any, reached: Sequence[int]
    ) -> None:
        others = ~np.eye(len(words), dtype=bool) & kept[None]
        magnitude = np.nansum(np.abs(ih) * others, axis=1)
        free = np.ones(len(words))
        free[list(reached)] = 0.0
        sums = np.stack([np.ones_like(ig), ig, magnitude, np.diag(ih), free, free * ig], axis=1)[kept]
        for label in labels:
            self.words.add(make_key(label, words[kept], np.zeros(int(kept.sum()), np.uint64)), sums)

    def _add_negations(
        self, labels: Sequence[int], words: Keys, ig: Values, ih: Values, reached: Sequence[tuple[str, int, int]]
    ) -> None:
        if not reached:
            return
        negators = np.array([self._vocabulary[negator] for negator, _, _ in reached], dtype=np.uint64)
        p, q = np.array([p for _, p, _ in reached]), np.array([q for _, _, q in reached])
        value = ih[p, q]
        sums = np.stack([np.ones_like(value), value, np.abs(value), value > 0, value < 0, ig[q]], axis=1)
        for label in labels:
            self.negations.add(make_key(label, negators, words[q]), sums)


def _folded(unit: Unit) -> str:
    return " ".join(unit.text.casefold().replace("’", "'").split())


def _reached(units: Sequence[Unit], negators: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each word that a negator reaches, as (negator, position of the negator, position of the word)."""
    current: tuple[str, int] | None = None
    left = 0
    for position, unit in enumerate(units):
        word = _folded(unit)
        negator = next((n for n in negators if word == n or (n.startswith("n'") and word.endswith(n))), None)
        if negator is not None:
            current, left = (negator, position), REACH
        elif is_punctuation(unit) or left == 0:
            current = None
        elif current is not None and units[current[1]].side == unit.side:
            left -= 1
            yield (*current, position)
