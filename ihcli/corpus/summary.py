"""What a corpus says: its strongest pairs, its most interacting words, and what a negation does to what follows it.

One pass over a store, in memory that grows with the vocabulary but not with the number of rows or pairs.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ihcli.corpus.records import ERROR, NOT_CONVERGED
from ihcli.corpus.store import Reader
from ihcli.corpus.sums import LIMIT, Keys, Sums, Values
from ihcli.errors import ResultError
from ihcli.results import Unit
from ihcli.wording import is_punctuation

ALL = "(all)"
"""Stands in the place of a predicted label for all rows together."""
NEGATORS = ("not", "never", "n't")
REACH = 3
"""Words after a negator that it is taken to reach, unless punctuation or another negator comes before."""
EXCLUSIVE = 1e-5
"""How far from 1 the probabilities of labels that exclude each other may add up."""
_WORD_BITS, _LABEL_BITS = 26, 12
_COLUMNS = ("status", "prediction", "target", "units", "ig", "ih")

Order = Literal["magnitude", "mean", "count"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is counted and what is kept of it."""

    top: int = 1000
    """Rows of each table kept for each label."""
    by: Order = "magnitude"
    min_count: int = 1
    punctuation: bool = True
    negators: Sequence[str] = NEGATORS


@dataclass(frozen=True, slots=True)
class Pair:
    """Two words wherever they stand in one text, over all their occurrences: Γ of the two, in units of f."""

    prediction: str
    words: tuple[str, str]
    """In the order in which they stand more often."""
    count: int
    mean: float
    magnitude: float
    """Σ |Γ|."""
    sign_agreement: float
    """The share of the occurrences that have the more frequent sign."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word over all its occurrences."""

    prediction: str
    word: str
    count: int
    magnitude: float
    """Σ |Γ| with every other word of its texts."""
    ig: float
    """Mean attribution."""
    diagonal: float
    """Mean of what it contributes on its own."""
    partner: str | None
    """The word with which Σ |Γ| is largest."""


@dataclass(frozen=True, slots=True)
class Negation:
    """A word within reach of a negator, against the same word elsewhere."""

    prediction: str
    negator: str
    word: str
    count: int
    mean: float
    """Mean Γ of the negator and the word."""
    magnitude: float
    sign_agreement: float
    ig: float
    """Mean attribution of the word after the negator."""
    ig_elsewhere: float | None
    """Mean attribution of the word within reach of none; None where it never stands so."""
    count_elsewhere: int

    @property
    def turns(self) -> bool | None:
        """Whether the attribution has the other sign than elsewhere; None where there is nothing to compare."""
        return None if self.ig_elsewhere is None else self.ig * self.ig_elsewhere < 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The aggregates of one store.  With two labels every number counts towards one of them, `towards`."""

    explained: int
    failed: int
    not_converged: int
    predictions: Mapping[str, int]
    towards: str | None
    """The label that positive numbers speak for; None: each row's own explained label."""
    pairs: tuple[Pair, ...]
    words: tuple[Word, ...]
    negations: tuple[Negation, ...]

    @property
    def labels(self) -> list[str]:
        """`ALL`, and the predicted labels where there are several, most frequent first."""
        several = len(self.predictions) > 1
        return [ALL, *(sorted(self.predictions, key=lambda label: -self.predictions[label]) if several else ())]


def summarize(store: Path, choice: Choice | None = None, *, limit: int = LIMIT) -> Summary:
    """Aggregate a store; `limit` keys of each table stay in memory.  Raises `StoreError`, `ResultError`."""
    choice = choice or Choice()
    reader = Reader(store)
    with tempfile.TemporaryDirectory(prefix="ih-summary-") as folder:
        counted = _Counted.over(reader, choice, Path(folder), limit)
        pairs, partners = _pairs(counted, choice)
        words, elsewhere = _words(counted, choice, partners)
        negations = _negations(counted, choice, elsewhere)
    if not counted.rows:
        message = f"{store}: holds no explanation, so there is nothing to summarize."
        raise ResultError(message)
    if len(counted.predictions) == 1:  # its rows are those of `ALL`
        pairs, words, negations = (_of_all(rows) for rows in (pairs, words, negations))
    return Summary(
        explained=counted.rows,
        failed=counted.failed,
        not_converged=counted.not_converged,
        predictions=dict(counted.predictions),
        towards=counted.towards,
        pairs=tuple(pairs),
        words=tuple(words),
        negations=tuple(negations),
    )


def _of_all(rows: list[Any]) -> list[Any]:
    return [row for row in rows if row.prediction == ALL]


# --- one pass over the rows -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Names:
    """Numbers for strings."""

    bits: int
    what: str
    known: dict[str, int] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)

    def number(self, name: str) -> int:
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = len(self.listed)
            self.listed.append(name)
            if found >= 1 << self.bits:
                message = f"The store has more than {1 << self.bits} different {self.what}: too many to summarize."
                raise ResultError(message)
        return found


@dataclass(slots=True)
class _Counted:
    """The sums of one pass.  A key is (label, word, word); label 0 is `ALL`."""

    pairs: Sums
    """count, Σ Γ, Σ |Γ|, positive, negative, and how often the words stand in the key's order."""
    words: Sums
    """count, Σ IG, Σ Γ_uu, Σ_v |Γ_uv|, count and Σ IG within reach of no negator."""
    negations: Sums
    """count, Σ Γ, Σ |Γ|, positive, negative, Σ IG of the word."""
    labels: _Names = field(default_factory=lambda: _Names(_LABEL_BITS, "predicted labels"))
    vocabulary: _Names = field(default_factory=lambda: _Names(_WORD_BITS, "units"))
    predictions: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    failed: int = 0
    not_converged: int = 0
    towards: str | None = None
    turning: bool | None = None
    """Whether rows that explain another label are turned: with two labels that exclude each other."""

    @classmethod
    def over(cls, reader: Reader, choice: Choice, folder: Path, limit: int) -> Self:
        found = cls(Sums(6, folder, limit), Sums(6, folder, limit), Sums(6, folder, limit))
        found.labels.number(ALL)
        fixed = reader.manifest["settings"]["target.label"] != "predicted"
        for record in reader.records(_COLUMNS):
            if record["status"] == ERROR:
                found.failed += 1
                continue
            found._row(record, choice, fixed=fixed)
        return found

    def _row(self, record: Mapping[str, Any], choice: Choice, *, fixed: bool) -> None:
        self.rows += 1
        self.not_converged += record["status"] == NOT_CONVERGED
        prediction, target = record["prediction"], record["target"]
        self.predictions[prediction["label"]] += 1
        sign = self._sign(prediction, target, fixed=fixed)
        units = [Unit(one["text"], one["start"], one["end"], (), one["side"]) for one in record["units"]]
        ig = sign * np.array(record["ig"])
        ih = sign * np.array(record["ih"], dtype=np.float64).reshape(len(ig), len(ig))
        kept = np.array([choice.punctuation or not is_punctuation(unit) for unit in units], dtype=bool)
        words = np.array([self.vocabulary.number(_folded(unit)) for unit in units], dtype=np.uint64)
        labels = [0, self.labels.number(prediction["label"])]
        reached = list(_reached(units, choice.negators))
        self._add_pairs(labels, words, ih, kept)
        self._add_words(labels, words, ig, ih, kept, [follower for *_, follower in reached])
        self._add_negations(labels, words, ig, ih, reached)

    def _sign(self, prediction: Mapping[str, Any], target: Mapping[str, Any], *, fixed: bool) -> float:
        """+1, or -1 where f speaks for the other of two labels: so that numbers of all rows can be added."""
        if fixed:
            self.towards = target["label"]
            return 1.0
        if self.turning is None:  # two labels of which both may hold have probabilities of their own
            self.turning = len(prediction["labels"]) == 2 and abs(sum(prediction["probabilities"]) - 1) < EXCLUSIVE  # noqa: PLR2004
        if not self.turning:
            return 1.0
        self.towards = prediction["labels"][-1]
        return 1.0 if target["index"] == 1 else -1.0

    def _add_pairs(self, labels: Sequence[int], words: Keys, ih: Values, kept: Any) -> None:
        i, j = np.triu_indices(len(words), k=1)
        value = ih[i, j]
        known = ~np.isnan(value) & kept[i] & kept[j]
        a, b, value = words[i][known], words[j][known], value[known]
        sums = np.stack([np.ones_like(value), value, np.abs(value), value > 0, value < 0, a <= b], axis=1)
        for label in labels:
            self.pairs.add(_key(label, np.minimum(a, b), np.maximum(a, b)), sums)

    def _add_words(
        self, labels: Sequence[int], words: Keys, ig: Values, ih: Values, kept: Any, reached: Sequence[int]
    ) -> None:
        away = ~np.eye(len(words), dtype=bool)
        partners = np.nansum(np.abs(ih) * (away & kept[None]), axis=1)
        free = np.ones(len(words))
        free[list(reached)] = 0.0
        sums = np.stack([np.ones_like(ig), ig, np.diag(ih), partners, free, free * ig], axis=1)[kept]
        for label in labels:
            self.words.add(_key(label, words[kept], np.zeros(int(kept.sum()), np.uint64)), sums)

    def _add_negations(
        self, labels: Sequence[int], words: Keys, ig: Values, ih: Values, reached: Sequence[tuple[str, int, int]]
    ) -> None:
        found = [(negator, p, q) for negator, p, q in reached if not np.isnan(ih[p, q])]
        if not found:
            return
        negators = np.array([self.vocabulary.number(negator) for negator, _, _ in found], dtype=np.uint64)
        p, q = np.array([place for _, place, _ in found]), np.array([place for *_, place in found])
        value = ih[p, q]
        sums = np.stack([np.ones_like(value), value, np.abs(value), value > 0, value < 0, ig[q]], axis=1)
        for label in labels:
            self.negations.add(_key(label, negators, words[q]), sums)


def _folded(unit: Unit) -> str:
    return " ".join(unit.text.casefold().replace("’", "'").split())


def _reached(units: Sequence[Unit], negators: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(negator, its place, place of a word that it reaches)."""
    at: tuple[str, int] | None = None
    left = 0
    for place, unit in enumerate(units):
        word = _folded(unit)
        negator = next((n for n in negators if word == n or (n.startswith("n'") and word.endswith(n))), None)
        if negator is not None:
            at, left = (negator, place), REACH
        elif is_punctuation(unit) or left == 0:
            at = None
        elif at is not None and units[at[1]].side == unit.side:
            left -= 1
            yield (*at, place)


def _key(label: int, a: Keys, b: Keys) -> Keys:
    return np.uint64(label << 2 * _WORD_BITS) | (a << np.uint64(_WORD_BITS)) | b


def _parts(keys: Keys) -> tuple[Keys, Keys, Keys]:
    mask = np.uint64((1 << _WORD_BITS) - 1)
    shift = np.uint64(_WORD_BITS)
    return keys >> np.uint64(2 * _WORD_BITS), (keys >> shift) & mask, keys & mask


# --- from sums to tables ----------------------------------------------------------------------------------------------


def _pairs(counted: _Counted, choice: Choice) -> tuple[list[Pair], Mapping[int, int]]:
    """The strongest pairs of each label, and of each (label, word) its strongest partner."""
    words, labels = counted.vocabulary.listed, counted.labels.listed
    partners: dict[int, tuple[float, int]] = {}

    def note(keys: Keys, sums: Values) -> None:
        label, a, b = _parts(keys)
        for own, other in ((a, b), (b, a)):
            place = (label << np.uint64(_WORD_BITS)) | own
            order = np.lexsort((-other.astype(np.int64), sums[:, 2], place))
            last = np.flatnonzero(np.concatenate([place[order][1:] != place[order][:-1], [True]]))
            for k in order[last].tolist():
                known = partners.get(int(place[k]), (-1.0, 0))
                partners[int(place[k])] = max(known, (float(sums[k, 2]), -int(other[k])))

    best = _strongest(counted.pairs, choice, note)
    found = []
    for label, a, b, (n, total, magnitude, positive, negative, in_order) in best:
        both = (words[a], words[b]) if 2 * in_order >= n else (words[b], words[a])
        found.append(Pair(labels[label], both, int(n), total / n, magnitude, max(positive, negative) / n))
    return found, {place: -partner for place, (_, partner) in partners.items()}


def _words(
    counted: _Counted, choice: Choice, partners: Mapping[int, int]
) -> tuple[list[Word], Callable[[int, int], tuple[int, float]]]:
    """The most interacting words of each label; and count and mean IG of a word within reach of no negator."""
    words, labels = counted.vocabulary.listed, counted.labels.listed
    free: dict[int, tuple[int, float]] = {}

    def note(keys: Keys, sums: Values) -> None:
        label, word, _ = _parts(keys)
        places = ((label << np.uint64(_WORD_BITS)) | word).tolist()
        for place, count, total in zip(places, sums[:, 4].tolist(), sums[:, 5].tolist(), strict=True):
            if count:
                free[place] = (int(count), total / count)

    found = []
    for label, a, _, (n, ig, diagonal, magnitude, *_rest) in _strongest(counted.words, choice, note, magnitude=3):
        partner = partners.get((label << _WORD_BITS) | a)
        name = None if partner is None else words[partner]
        found.append(Word(labels[label], words[a], int(n), magnitude, ig / n, diagonal / n, name))
    return found, lambda label, word: free.get((label << _WORD_BITS) | word, (0, 0.0))


def _negations(counted: _Counted, choice: Choice, elsewhere: Callable[[int, int], tuple[int, float]]) -> list[Negation]:
    words, labels = counted.vocabulary.listed, counted.labels.listed
    found = []
    for label, a, b, (n, total, magnitude, positive, negative, ig) in _strongest(counted.negations, choice):
        count, mean = elsewhere(label, b)
        found.append(
            Negation(
                labels[label], words[a], words[b], int(n), total / n, magnitude, max(positive, negative) / n, ig / n,
                mean if count else None, count,
            )
        )  # fmt: skip
    return found


def _strongest(
    sums: Sums, choice: Choice, note: Callable[[Keys, Values], None] | None = None, *, magnitude: int = 2
) -> list[tuple[int, int, int, list[float]]]:
    """(label, word, word, sums) of the `top` strongest keys of each label, by label, strongest first."""
    held: tuple[Keys, Values] = (np.empty(0, np.uint64), np.empty((0, 0)))
    for keys, values in sums.results():
        if note is not None:
            note(keys, values)
        enough = values[:, 0] >= choice.min_count
        some = keys[enough], values[enough]
        held = some if not len(held[0]) else (np.concatenate([held[0], some[0]]), np.concatenate([held[1], some[1]]))
        held = _kept(*held, choice, magnitude)
    label, a, b = (part.tolist() for part in _parts(held[0]))
    return list(zip(label, a, b, held[1].tolist(), strict=True))


def _kept(keys: Keys, values: Values, choice: Choice, magnitude: int) -> tuple[Keys, Values]:
    """The first `top` of each label in the order asked for; equal ones by key: the same store gives the same tables."""
    label = _parts(keys)[0]
    measure = {
        "magnitude": lambda: values[:, magnitude],
        "mean": lambda: np.abs(values[:, 1]) / values[:, 0],
        "count": lambda: values[:, 0],
    }[choice.by]()
    order = np.lexsort((keys, -measure, label))
    ordered = label[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    chosen = order[np.arange(len(order)) - starts < choice.top]
    return keys[chosen], values[chosen]
