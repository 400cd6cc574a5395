"""Summary of a store: the strongest pairs of words, the most interacting words, and words after a negation."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.corpus.summary_counts import ALL, SummaryCounts, SummaryOptions, make_key, split_key
from ihcli.corpus.sums import MOST_KEYS, KeyedSums, Keys, Values
from ihcli.errors import ResultError


@dataclass(frozen=True, slots=True)
class PairSummary:
    """A pair of words over all texts in which both occur; Γ is their interaction, in units of f."""

    prediction: str
    """The predicted label of the texts, or `ALL`."""
    words: tuple[str, str]
    """In their more frequent order."""
    count: int
    mean: float
    """Mean Γ."""
    magnitude: float
    """Σ |Γ|."""
    sign_agreement: float
    """Share of the occurrences with the more frequent sign."""


@dataclass(frozen=True, slots=True)
class WordSummary:
    """A word over all its occurrences."""

    prediction: str
    word: str
    count: int
    magnitude: float
    """Σ |Γ| with the other counted words of its texts."""
    ig: float
    """Mean attribution (Integrated Gradients)."""
    diagonal: float
    """Mean Γ_uu."""
    partner: str | None
    """The word with the largest Σ |Γ|."""


@dataclass(frozen=True, slots=True)
class NegationSummary:
    """A word that a negator reaches, compared with the same word where none does."""

    prediction: str
    negator: str
    word: str
    count: int
    mean: float
    """Mean Γ of the negator and the word."""
    magnitude: float
    """Σ |Γ|."""
    sign_agreement: float
    ig: float
    """Mean attribution of the word after the negator."""
    ig_elsewhere: float | None
    """Mean attribution of the word where no negator reaches it; None where there is no such occurrence."""
    count_elsewhere: int

    @property
    def turns(self) -> bool | None:
        """Whether the attribution has the opposite sign elsewhere; None where it does not occur elsewhere."""
        return None if self.ig_elsewhere is None else self.ig * self.ig_elsewhere < 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The tables of one store.  Where labels exclude each other, all numbers count towards one of two labels."""

    explained: int
    failed: int
    not_converged: int
    predictions: Mapping[str, int]
    """Number of texts by predicted label."""
    towards: str | None
    """The label that positive numbers speak for; None: the explained label of each text."""
    options: SummaryOptions
    pairs: tuple[PairSummary, ...]
    words: tuple[WordSummary, ...]
    negations: tuple[NegationSummary, ...]
    problem: str | None = None
    """What kind of outputs the model has: `single_label`, `multi_label` or `regression`; None where not recorded."""

    @property
    def labels(self) -> list[str]:
        """`ALL`, and where there are several the predicted labels, most frequent first."""
        several = len(self.predictions) > 1
        return [ALL, *(sorted(self.predictions, key=lambda label: -self.predictions[label]) if several else ())]

    @property
    def meaning_of_sign(self) -> str:
        """The label that positive numbers speak for, in a sentence."""
        if self.problem == "regression":
            which = "the explained output of each text" if self.towards is None else self.towards
            return f"Positive numbers raise {which}."
        if self.towards is None:
            return "Positive numbers speak for the explained label of each text."
        return f"Positive numbers speak for {self.towards}, whichever label was predicted."

    def texts_of(self, label: str) -> str:
        """The texts whose predicted label this is, as `12 predicted POSITIVE`; of `ALL` all of them."""
        if label == ALL:
            return "all texts"
        which = {"regression": "with the largest output", "multi_label": "with the most probable label"}
        return f"{self.predictions[label]} {which.get(str(self.problem), 'predicted')} {label}"

    def where(self, label: str) -> str:
        """The same without their number, as `where POSITIVE is predicted`; nothing for `ALL`."""
        which = {"regression": "the largest output", "multi_label": "the most probable label"}
        return "" if label == ALL else f"where {label} is {which.get(str(self.problem), 'predicted')}"

    @property
    def not_counted(self) -> str:
        """What the tables leave out, in a sentence, or nothing."""
        kinds = ["punctuation"] * (not self.options.punctuation) + ["stop words"] * bool(self.options.stop_words)
        return f"Not counted: {' and '.join(kinds)}." if kinds else ""

    def first(self, count: int) -> "Summary":
        """The summary with the first `count` rows of each table for each label."""
        first: dict[str, Any] = {}
        for name in ("pairs", "words", "negations"):
            by_label = ([row for row in getattr(self, name) if row.prediction == label] for label in self.labels)
            first[name] = tuple(row for rows in by_label for row in rows[:count])
        return replace(self, **first)


def summarize(store: Path, options: SummaryOptions | None = None, *, most_keys: int = MOST_KEYS) -> Summary:
    """The summary of a store; raises `StoreError`, and `ResultError` for a store without explanations.

    Args:
        store: Folder of the store.
        options: What is counted and kept.
        most_keys: Keys of each table in memory; the others are on disk.
    """
    options = options or SummaryOptions()
    reader = ReadOnlyStore(store)
    fixed_target = reader.manifest["settings"].get("target.label") != "predicted"
    with tempfile.TemporaryDirectory(prefix="ih-summary-") as folder:
        counts = SummaryCounts(options, Path(folder), most_keys)
        counts.add_rows(reader.outcomes(), fixed_target=fixed_target)
        if not counts.explained:
            message = f"{store}: holds no explanation, so there is nothing to summarize."
            raise ResultError(message)
        pairs, partners = _pair_table(counts, options)
        words, elsewhere = _word_table(counts, options, partners)
        negations = _negation_table(counts, options, elsewhere)
    summary = Summary(
        explained=counts.explained,
        failed=counts.failed,
        not_converged=counts.not_converged,
        predictions=dict(counts.predictions),
        towards=counts.towards,
        options=options,
        pairs=tuple(pairs),
        words=tuple(words),
        negations=tuple(negations),
        problem=counts.problem,
    )
    return summary.first(options.top)  # where one label is predicted, its rows are those of `ALL` and are left out


def _pair_table(counts: SummaryCounts, options: SummaryOptions) -> tuple[list[PairSummary], Mapping[int, int]]:
    """The strongest pairs of each label, and for each label and word the partner with the largest Σ |Γ|."""
    words, labels = counts.vocabulary, counts.labels
    partners: dict[int, tuple[float, int]] = {}

    def note_partners(keys: Keys, sums: Values) -> None:
        label, a, b = split_key(keys)
        for own, other in ((a, b), (b, a)):
            place = make_key(0, label, own)
            order = np.lexsort((-other.astype(np.int64), sums[:, 2], place))
            last = np.flatnonzero(np.concatenate([place[order][1:] != place[order][:-1], [True]]))
            for k in order[last].tolist():
                known = partners.get(int(place[k]), (-1.0, 0))
                partners[int(place[k])] = max(known, (float(sums[k, 2]), -int(other[k])))

    table = []
    strongest = _strongest(counts.pairs, options, note_partners)
    for label, a, b, (n, total, magnitude, positive, negative, in_order) in strongest:
        pair = (words[a], words[b]) if 2 * in_order >= n else (words[b], words[a])
        table.append(PairSummary(labels[label], pair, int(n), total / n, magnitude, max(positive, negative) / n))
    return table, {place: -partner for place, (_, partner) in partners.items()}


def _word_table(
    counts: SummaryCounts, options: SummaryOptions, partners: Mapping[int, int]
) -> tuple[list[WordSummary], Mapping[int, tuple[int, float]]]:
    """The most interacting words of each label, and count and mean IG of each word where no negator reaches it."""
    words, labels = counts.vocabulary, counts.labels
    elsewhere: dict[int, tuple[int, float]] = {}

    def note_elsewhere(keys: Keys, sums: Values) -> None:
        label, word, _ = split_key(keys)
        places = make_key(0, label, word).tolist()
        for place, count, total in zip(places, sums[:, 4].tolist(), sums[:, 5].tolist(), strict=True):
            if count:
                elsewhere[place] = (int(count), total / count)

    table = []
    for label, word, _, (n, ig, magnitude, diagonal, *_rest) in _strongest(counts.words, options, note_elsewhere):
        partner = partners.get(_place(label, word))
        name = None if partner is None else words[partner]
        table.append(WordSummary(labels[label], words[word], int(n), magnitude, ig / n, diagonal / n, name))
    return table, elsewhere


def _negation_table(
    counts: SummaryCounts, options: SummaryOptions, elsewhere: Mapping[int, tuple[int, float]]
) -> list[NegationSummary]:
    words, labels = counts.vocabulary, counts.labels
    table = []
    for label, a, b, (n, total, magnitude, positive, negative, ig) in _strongest(counts.negations, options):
        count, mean = elsewhere.get(_place(label, b), (0, None))
        agreement = max(positive, negative) / n
        table.append(
            NegationSummary(
                labels[label], words[a], words[b], int(n), total / n, magnitude, agreement, ig / n, mean, count
            )
        )
    return table


def _place(label: int, word: int) -> int:
    return int(make_key(0, np.uint64(label), np.uint64(word)))  # type: ignore[arg-type]


def _strongest(
    sums: KeyedSums, options: SummaryOptions, visit: Callable[[Keys, Values], None] | None = None
) -> list[tuple[int, int, int, list[float]]]:
    """(label, word, word, sums) of the strongest keys of each label, strongest first; `visit` gets all keys."""
    strongest: tuple[Keys, Values] | None = None
    for keys, values in sums.results():
        if visit is not None:
            visit(keys, values)
        frequent = values[:, 0] >= options.min_count
        block = keys[frequent], values[frequent]
        if strongest is not None:
            block = np.concatenate([strongest[0], block[0]]), np.concatenate([strongest[1], block[1]])
        strongest = _top_of_each_label(*block, options)
    if strongest is None:
        return []
    label, a, b = (part.tolist() for part in split_key(strongest[0]))
    return list(zip(label, a, b, strongest[1].tolist(), strict=True))


def _top_of_each_label(keys: Keys, values: Values, options: SummaryOptions) -> tuple[Keys, Values]:
    """The first rows of each label in the order of `options`; rows that are equal in it by key."""
    label = split_key(keys)[0]
    count, total, magnitude = values[:, 0], values[:, 1], values[:, 2]
    measure = {"magnitude": magnitude, "mean": np.abs(total) / count, "count": count}[options.by]
    order = np.lexsort((keys, -measure, label))
    ordered = label[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    chosen = order[np.arange(len(order)) - starts < options.top]
    return keys[chosen], values[chosen]
