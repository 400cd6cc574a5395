"""Windows of a text that is longer than the model reads: pieces of whole units that overlap, explained one by one.

Each window is a text of its own: its prediction, f, attributions, matrix and certificate are those of `ih explain` of
that piece. Nothing is merged: a pair whose words share no window has no entry, and one in an overlap has two.
"""

import dataclasses
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from ihcli.attribution.evaluation import Progress
from ihcli.attribution.time_limit import TimeLimit
from ihcli.config import RunConfig, UnitsSection
from ihcli.errors import IhError, InputError, UsageError
from ihcli.models import LoadedClassifier
from ihcli.models.encoding import EncodedText, encode
from ihcli.results import Explanation

if TYPE_CHECKING:
    from ihcli.pipeline import Explainer

FEWEST = 2
"""Units of the smallest window: a pair needs two."""
SHARE = 4
"""Without a given overlap, a window shares one in so many of its units with the one behind it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text that is explained as a text of its own.

    Attributes:
        text: The piece.
        start: Offset of its first character in the whole text.
        end: Offset behind its last character.
        first: Position of its first word (or sentence) in the whole text.
        last: Position behind its last one.
        number: Which window it is, counted from 1.
        count: How many windows there are.
        total: Words (or sentences) of the whole text.
        kind: `words`, which are cut as those of `--units word` are, punctuation marks among them, or `sentences`.
        before: Words that are also in the window before it.
        behind: Words that are also in the window behind it.
    """

    text: str
    start: int
    end: int
    first: int
    last: int
    number: int
    count: int
    total: int
    kind: str
    before: int = 0
    behind: int = 0

    @property
    def name(self) -> str:
        """`window-2-of-5`."""
        return f"window-{self.number}-of-{self.count}"

    @property
    def note(self) -> str:
        """What a reader of its numbers must know."""
        shared = [f"first {self.before}"] * bool(self.before) + [f"last {self.behind}"] * bool(self.behind)
        overlap = (
            f" Its {' and '.join(shared)} {self.kind} are in a neighbouring window too, with numbers of their own."
            if shared
            else ""
        )
        return (
            f"Window {self.number} of {self.count} of a text that is longer than one window: {self.kind} "
            f"{self.first + 1} to {self.last} of {self.total} (characters {self.start} to {self.end}). It was read "
            "alone: the prediction, f, the attributions and the pairs are of this window, not of the whole text, and "
            f"pairs with what is outside of it are not known.{overlap}"
        )

    def noted(self, explanation: Explanation) -> Explanation:
        """The explanation of the window with that note, where it is not the whole text."""
        if self.count == 1:
            return explanation
        return dataclasses.replace(explanation, warnings=(self.note, *explanation.warnings))


def require_possible(config: RunConfig, *, paired: bool = False) -> None:
    """Raise `UsageError` for settings that windows exclude."""
    if config.text.windows is None:
        message = "text.windows is not set: give `auto`, or the most words of a window (--windows)."
        raise UsageError(message)
    if paired:
        message = (
            "Windows and a second text exclude each other: which part of one belongs to which of the other is not "
            "known. Give one text, or leave --windows out."
        )
        raise UsageError(message)
    if config.units.kind == "spans":
        message = (
            "Windows and units of a file (--spans) exclude each other: spans count characters of one whole text. Use "
            "units word, token, sentence or auto."
        )
        raise UsageError(message)


def split(classifier: LoadedClassifier, config: RunConfig, text: str) -> list[Window]:
    """Divide a text into the fewest windows of whole words or sentences, of lengths that differ as little as they can.

    A text that fits one window is that window. What room the last window has left it takes before it, so that it is
    no shorter than the others and may share more with the one before than was asked for.

    Args:
        classifier: The model, which bounds the tokens of a window.
        config: `text.windows` and `text.overlap`, and the units: sentences are kept whole where rows stand for
            sentences, else words.
        text: The text.

    Returns:
        The windows, in order; each word or sentence is in at least one.

    Raises:
        UsageError: The settings exclude windows.
        InputError: The text holds nothing to explain, a window would hold one unit, or no more than the overlap.
    """
    require_possible(config)
    cutting = _Cutting(classifier, config, text)
    total = len(cutting.starts)
    if cutting.fits(0, total):
        return [Window(text, 0, len(text), 0, total, 1, 1, total, f"{cutting.kind}s")]
    spans = cutting.most_equal()
    return [
        Window(
            text[cutting.starts[first] : cutting.ends[last - 1]], cutting.starts[first], cutting.ends[last - 1], first,
            last, number + 1, len(spans), total, f"{cutting.kind}s",
            before=spans[number - 1][1] - first if number else 0,
            behind=last - spans[number + 1][0] if number + 1 < len(spans) else 0,
        )
        for number, (first, last) in enumerate(spans)
    ]  # fmt: skip


class _Cutting:
    """Where a text may be cut, and how much fits a window."""

    def __init__(self, classifier: LoadedClassifier, config: RunConfig, text: str) -> None:
        self.kind = "sentence" if config.units.kind in {"sentence", "auto"} else "word"
        self.text, self.classifier, self.asked = text, classifier, config.text.overlap
        whole = _whole(classifier, text, self.kind)
        self.starts = [unit.start for unit in whole.units]
        self.ends = [unit.end for unit in whole.units]
        self.most = len(whole.units) if config.text.windows in {"auto", None} else int(config.text.windows)
        self._summed = [0, *accumulate(len(unit.tokens) for unit in whole.units)]
        self._room = classifier.max_tokens - (len(whole.tokens) - self._summed[-1])
        self._tokens_of_all = len(whole.tokens)

    def fits(self, first: int, last: int) -> bool:
        """Whether the units from `first` up to `last` are no more than a window holds, tokenized by themselves."""
        if last - first > self.most:
            return False
        if (first, last) == (0, len(self.starts)):
            return self._tokens_of_all <= self.classifier.max_tokens
        piece = self.text[self.starts[first] : self.ends[last - 1]]
        return len(self.classifier.tokenizer(piece, verbose=False)["input_ids"]) <= self.classifier.max_tokens

    def most_equal(self) -> list[tuple[int, int]]:
        """The windows, as many as the largest ones are, each of as few units as so many windows may have."""
        best = self._windows()
        least, largest = max(FEWEST, (self.asked or 0) + 1), max(last - first for first, last in best)
        while least < largest:
            self.most = (least + largest) // 2
            try:
                found = self._windows()
            except InputError:  # a long unit where a window now begins
                found = []
            if len(found) == len(best):
                best, largest = found, self.most
            else:
                least = self.most + 1
        return best

    def _windows(self) -> list[tuple[int, int]]:
        """Windows of at most `most` units, the first and last unit of each; raises `InputError`."""
        spans = [(0, self.end_from(0))]
        while spans[-1][1] < len(self.starts):
            first, last = spans[-1]
            start = last - self.overlap(first, last)
            end = self.end_from(start)
            spans.append((self.start_before(first + 1, start) if end == len(self.starts) else start, end))
        return spans

    def end_from(self, first: int) -> int:
        """The end of the longest window that begins at a unit; raises `InputError`."""
        last = min(first + self.most, bisect_right(self._summed, self._summed[first] + self._room) - 1)
        while last > first + 1 and not self.fits(first, last):
            last -= 1
        if last < min(first + FEWEST, len(self.starts)):
            self._refuse(first)
        return last

    def start_before(self, least: int, start: int) -> int:
        """The start of the longest window that ends with the text, between two bounds; raises `InputError`."""
        last = len(self.starts)
        found = max(least, last - self.most, bisect_left(self._summed, self._summed[last] - self._room))
        while found < start and not self.fits(found, last):
            found += 1
        if last - found < FEWEST:
            self._refuse(last - FEWEST)
        return found

    def overlap(self, first: int, last: int) -> int:
        """How many of its units a window shares with the one behind it; raises `InputError`."""
        if self.asked is None:
            return (last - first) // SHARE
        if self.asked >= last - first:
            message = (
                f"The overlap is {self.asked}, and the window that begins with the {self.kind} {first + 1} holds "
                f"{last - first}, as many as the model reads. Give a smaller --overlap."
            )
            raise InputError(message)
        return self.asked

    def _refuse(self, first: int) -> None:
        """Raise for a unit that leaves no room for another one."""
        shown = " ".join(self.text[self.starts[first] : self.ends[first]].split())
        shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
        advice = "Windows of words need less (--units word)" if self.kind == "sentence" else "Shorten it"
        message = (
            f"The {self.kind} {first + 1} of {len(self.starts)} (“{shown}”) and the one behind it have more tokens "
            f"than the {self.classifier.max_tokens} that the model reads, and a window holds {FEWEST} {self.kind}s or "
            f"more. {advice}."
        )
        raise InputError(message)


_SHOWN = 40


def _whole(classifier: LoadedClassifier, text: str, kind: str) -> EncodedText:
    """The text, however long, with its tokens by words or sentences; raises `InputError`."""
    section = UnitsSection.model_validate({"kind": kind})
    return encode(classifier.tokenizer, text, None, section, limit=sys.maxsize, accepted=classifier.adapter.accepted)


def explained(
    explainer: "Explainer", windows: Sequence[Window], progress: Progress | None, limit: TimeLimit
) -> Iterator[Explanation]:
    """The explanations of the windows, one after the other, until the limit is stopped; its time begins anew with each.

    Raises `IhError`, whose message says which window it met.
    """
    for window in windows:
        limit.started = limit.clock()
        if not limit.left:
            return
        try:
            found = explainer.explain(window.text, progress=_numbered(progress, window), limit=limit)
        except KeyboardInterrupt:
            if limit.interrupted and window.number > 1:  # before it had a matrix
                return
            raise
        except IhError as error:
            message = f"Window {window.number} of {window.count}: {error}"
            raise type(error)(message) from error
        yield window.noted(found)


def _numbered(progress: Progress | None, window: Window) -> Progress | None:
    """Progress with the number of the window before each phase."""
    if progress is None or window.count == 1:
        return progress

    def report(phase: str, done: int, total: int) -> None:
        progress(f"window {window.number} of {window.count}: {phase}", done, total)

    return report
