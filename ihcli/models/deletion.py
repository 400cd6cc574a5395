"""The game of deletion: the explained score of a text without some of its units, tokenized anew.

How a unit is cut out:

- Its characters are removed.  A character that several units share (the bytes of one character as tokens) is removed
  with any of them; a unit of white space alone, or of no character, removes nothing.
- Of the white space on both sides of a removed stretch, the one before it stays and the one after it goes; a removed
  stretch at the start or the end of the text takes its white space with it.  White space on one side only stays, and so
  does punctuation: "good, bad." without "bad" is "good, .".
- Where letters or digits that were apart would become one word by Unicode's word boundaries (UAX #29), a space is put
  between them: "well-known" without "-" is "well known".

Both texts of a pair are cut by themselves, and an empty side is the empty string.  Of a truncated text only the part
that the model read is used.  The game of all units is the text itself, token by token; the game of no unit is
the model's answer to its special tokens alone, or to its token for the beginning of a text where it has no others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import uniseg.wordbreak
from numpy.typing import NDArray

from ihcli.errors import BaselineError, PreflightError, TextTooLongError, UsageError
from ihcli.models.adapter import PARITY, disagreement
from ihcli.models.classifier import LoadedClassifier
from ihcli.models.encoding import SIDES, EncodedText
from ihcli.models.targets import output, probabilities, recorded_index
from ihcli.models.units import Span
from ihcli.removal.game import Array, Coalitions
from ihcli.results import Target

Inputs = NDArray[np.int64]
"""(1 + extras, T): the ids of one text, and its further inputs."""
NOTE = (
    "An absent unit is cut out of the text by its characters, the white space beside it is closed up, and the text is "
    "tokenized anew; punctuation keeps its place."
)
TOKENS = {"cpu": 1024, "cuda": 32768}
"""Tokens in one forward pass: above a thousand a core gains nothing, and the activations leave its cache."""
PASS = {"cpu": 24, "cuda": 2048}
"""What a forward pass costs besides its tokens, in tokens: about 14 (12 layers of 768) to 30 (six of 384) on a core."""
_TEXTS = 8192
"""Texts that are cut and tokenized at a time."""
PADDED = frozenset(
    {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "modernbert", "mpnet"}
    | {"roberta", "xlm-roberta"}
)
"""Model types whose attention mask hides padding; others read blocks or the last token, and get equal lengths only."""
_PADDED_ALIKE: "WeakKeyDictionary[torch.nn.Module, bool]" = WeakKeyDictionary()
"""Models of which is known whether padding leaves their answers as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class DeletionGame:
    """v(S): the explained score of the text with exactly the units in S, for coalitions (n, U) as (n,) in float64.

    Only forward passes are used, so a model without derivatives will do.  Texts of equal length are computed together,
    few texts of similar lengths too, padded, where the model answers them alike; equal token ids once.

    Args:
        classifier: the loaded model.
        encoded: the text as `classifier.encode` gives it, with its units.
        target: the explained scalar as `classifier.target` gives it: logit, probability or log-odds, `against` heeded.
        logits: the logits (C,) of texts evaluated so far, by their token ids; games of one classifier may share them,
            whatever their text and target.

    Raises:
        BaselineError: when the tokenizer gives no token at all for an empty text.
        UsageError: when called with coalitions of another shape.
        TextTooLongError: for a text that has more tokens after the cut than the model reads.
        ModelError: for tokens without an embedding.
        PreflightError: where the model stops on a cut text.

    Example:
        >>> from ihcli.config import BaselineSection, RunConfig, TargetSection, UnitsSection
        >>> from ihcli.models import load_classifier
        >>> classifier = load_classifier(RunConfig())
        >>> encoded = classifier.encode("not bad", units=UnitsSection())
        >>> target = classifier.target(TargetSection(label="POSITIVE"), classifier.predict(encoded))
        >>> game = DeletionGame(classifier, encoded, target)
        >>> game.texts(np.array([[True, True], [False, True]]))
        [('not bad',), ('bad',)]
        >>> game(np.array([[True, True], [False, True]])).shape
        (2,)

    """

    classifier: LoadedClassifier
    encoded: EncodedText
    target: Target
    logits: dict[bytes, Array] = field(repr=False, default_factory=dict)
    _sides: tuple["_Side", ...] = field(init=False, repr=False)
    _whole: bytes = field(init=False, repr=False)
    _empty: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find where the units lie and what the tokenizer makes of an empty text."""
        whole = [self.encoded.input_ids, *self.encoded.extras.values()]
        object.__setattr__(self, "_sides", tuple(_sides(self.encoded)))
        object.__setattr__(self, "_whole", _key([row.tolist() for row in whole]))
        object.__setattr__(self, "_empty", self._empty_token())

    @property
    def units(self) -> int:
        """U, the number of units."""
        return len(self.encoded.units)

    def texts(self, coalitions: Coalitions) -> list[tuple[str, ...]]:
        """The cut texts, one or two sides for each coalition."""
        rows = self._checked(coalitions)
        columns = [side.cut(rows) for side in self._sides]
        return list(zip(*columns, strict=True))

    def __call__(self, coalitions: Coalitions) -> Array:
        """v of each coalition, (n,)."""
        rows = self._checked(coalitions)
        found = np.empty(len(rows))
        for start in range(0, len(rows), _TEXTS):
            logits = self._logits_of(self._tokenized(rows[start : start + _TEXTS]))
            found[start : start + _TEXTS] = output(logits, self.target, self.classifier.problem, self._against)
        return found

    def predictions(self, coalitions: Coalitions) -> list[tuple[str, float, float]]:
        """Of each cut text the predicted label, its probability and that of the explained label (or its output)."""
        logits = self._logits_of(self._tokenized(self._checked(coalitions)))
        answers = probabilities(logits, self.classifier.problem)
        explained = self.target.index
        return [(self.classifier.labels[int(own.argmax())], float(own.max()), float(own[explained])) for own in answers]

    def _checked(self, coalitions: Coalitions) -> Coalitions:
        rows = np.asarray(coalitions, dtype=bool)
        if rows.ndim != 2 or rows.shape[1] != self.units:  # noqa: PLR2004
            message = f"coalitions have shape {rows.shape}; they must be (n, {self.units}), one column a unit."
            raise UsageError(message)
        return rows

    def _tokenized(self, rows: Coalitions) -> list[bytes]:
        """The ids and further inputs of each cut text, as keys; those of the whole text are the text's own."""
        names = tuple(self.encoded.extras)
        keys = [self._whole] * len(rows)
        partial = np.flatnonzero(~rows.all(axis=1))
        columns = [side.cut(rows[partial]) for side in self._sides]
        if not len(partial):
            return keys
        batch = self._tokenize(columns)
        for index, place in enumerate(partial.tolist()):
            ids = batch["input_ids"][index] or [self._empty]
            self._require_short(len(ids), [column[index] for column in columns])
            keys[place] = _key([ids, *((batch[name][index] or [0]) for name in names)])
        return keys

    def _tokenize(self, columns: Sequence[list[str]]) -> Any:
        limits = {"truncation": "longest_first", "max_length": self.classifier.max_tokens}
        return self.classifier.tokenizer(
            *columns, return_attention_mask=False, verbose=False, **(limits if self.encoded.truncated else {})
        )

    def _require_short(self, length: int, sides: Sequence[str]) -> None:
        if length > self.classifier.max_tokens:
            message = (
                f"Without some units the text has {length} tokens, and the model reads at most "
                f"{self.classifier.max_tokens}: {' | '.join(sides)[:200]!r}. Shorten it, or allow it to be cut "
                "(--truncate)."
            )
            raise TextTooLongError(message)

    def _logits_of(self, keys: Sequence[bytes]) -> torch.Tensor:
        """The logits (n, C) of token ids, on the CPU in float64."""
        self._evaluate([key for key in dict.fromkeys(keys) if key not in self.logits])
        return torch.from_numpy(np.stack([self.logits[key] for key in keys]))

    def _evaluate(self, keys: Sequence[bytes]) -> None:
        """Compute the logits of new ids, those of one length or of similar ones together."""
        inputs = 1 + len(self.encoded.extras)
        by_length: dict[int, list[bytes]] = {}
        for key in keys:
            by_length.setdefault(len(key) // (inputs * np.dtype(np.int64).itemsize), []).append(key)
        lengths, device = sorted(by_length, reverse=True), self.classifier.device.type
        budget = TOKENS.get(device, TOKENS["cpu"])
        counts = [len(by_length[length]) for length in lengths]
        groups = _together(lengths, counts, PASS.get(device, PASS["cpu"]))
        if len(groups) < len(lengths) and not self._padded_alike([by_length[length][0] for length in lengths]):
            groups = [[length] for length in lengths]
        for group in groups:
            same = [key for length in group for key in by_length[length]]
            step = max(1, budget // group[0])
            for start in range(0, len(same), step):
                part = same[start : start + step]
                tables = [self._table(key) for key in part]
                self.logits.update(zip(part, self._forward(tables).cpu().numpy(), strict=True))

    def _padded_alike(self, keys: Sequence[bytes]) -> bool:
        """Whether padding leaves the model's answers as they are: by its type, and tried once for each model."""
        known = _PADDED_ALIKE.get(self.classifier.model)
        if known is None:
            model_type = getattr(self.classifier.model.config, "model_type", None)
            takes_mask = "attention_mask" in self.classifier.adapter.accepted
            known = model_type in PADDED and takes_mask and self._pad is not None
            if known:
                tables = [self._table(key) for key in keys]
                alone = torch.cat([self._forward([table]) for table in tables])
                known = disagreement(self._forward(tables), alone) <= PARITY
            _PADDED_ALIKE[self.classifier.model] = known
        return known

    def _table(self, key: bytes) -> Inputs:
        """The ids of a text and its further inputs, (1 + extras, T)."""
        return np.frombuffer(key, dtype=np.int64).reshape(1 + len(self.encoded.extras), -1)

    @property
    def _pad(self) -> int | None:
        """The token that padding is made of."""
        found = self.classifier.tokenizer.pad_token_id
        return None if found is None else int(found)

    def _forward(self, tables: Sequence[Inputs]) -> torch.Tensor:
        """The logits (B, C) of ids and further inputs, (1 + extras, T) for each text, padded to the longest."""
        classifier = self.classifier
        longest = max(table.shape[1] for table in tables)
        padding = [self._pad or 0, *(0 for _ in self.encoded.extras)]
        padded = np.empty((len(tables), len(padding), longest), dtype=np.int64)
        padded[:] = np.array(padding)[None, :, None]
        mask = np.zeros((len(tables), longest), dtype=np.int64)
        for own, read, table in zip(padded, mask, tables, strict=True):
            own[:, : table.shape[1]] = table
            read[: table.shape[1]] = 1
        ids, *further = torch.tensor(padded, device=classifier.device).unbind(1)
        classifier.adapter.require_known(ids)
        extras = dict(zip(self.encoded.extras, further, strict=True))
        if not mask.all():
            extras["attention_mask"] = torch.tensor(mask, device=classifier.device)
        try:
            with torch.no_grad():
                return classifier.adapter.of_ids(ids, extras).double()
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            message = (
                f"{classifier.info.architecture} stops on a text of {ids.shape[1]} tokens that deletion makes of this "
                f"one ({type(error).__name__}: {error}). Choose another baseline."
            )
            raise PreflightError(message) from error

    @property
    def _against(self) -> int | None:
        against = self.target.against
        return None if against is None else recorded_index(against, self.classifier.labels)

    def _empty_token(self) -> int:
        """The token that stands for an empty text where the tokenizer adds no special tokens."""
        tokenizer = self.classifier.tokenizer
        if self._tokenize([[""] for _ in self._sides])["input_ids"][0]:
            return -1
        found = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if found is None:
            message = (
                f"{type(tokenizer).__name__} gives no token for an empty text, so the model has no answer to a text "
                "without units, and deletion needs one. Choose another baseline."
            )
            raise BaselineError(message)
        return int(found)


def _together(lengths: Sequence[int], counts: Sequence[int], overhead: int) -> list[list[int]]:
    """Lengths, longest first, divided into groups that are padded to their longest, at the least cost.

    A group costs `overhead` tokens and its longest length for each text.
    """
    cost, start = [0.0], [0]
    for end in range(1, len(lengths) + 1):
        ways = [cost[first] + overhead + lengths[first] * sum(counts[first:end]) for first in range(end)]
        cost.append(min(ways))
        start.append(ways.index(cost[-1]))
    groups: list[list[int]] = []
    end = len(lengths)
    while end:
        groups.insert(0, list(lengths[start[end] : end]))
        end = start[end]
    return groups


def _key(inputs: Sequence[Sequence[int]]) -> bytes:
    return np.array(inputs, dtype=np.int64).tobytes()


def _sides(encoded: EncodedText) -> Iterator["_Side"]:
    texts = (encoded.text,) if encoded.text_pair is None else (encoded.text, encoded.text_pair)
    for name, text in zip(SIDES, texts, strict=False):
        spans = {u: (unit.start, unit.end) for u, unit in enumerate(encoded.units) if unit.side == name}
        seen = max((end for _, end in spans.values()), default=len(text)) if encoded.truncated else len(text)
        yield _Side.of(text[:seen], spans)


@dataclass(frozen=True, slots=True)
class _Side:
    """One text as stretches of characters that are present or absent as a whole, and the gaps between them."""

    stretches: tuple[str, ...]
    owners: tuple[tuple[int, ...], ...]
    """For each stretch the units that must be present."""
    gaps: tuple[str, ...]
    """The characters before, between and after the stretches, which belong to no unit."""
    _joints: dict[Span, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, spans: dict[int, Span]) -> "_Side":
        """Cut the text at both ends of every unit."""
        borders = sorted({0, len(text), *(place for span in spans.values() for place in span)})
        stretches: list[str] = []
        owners: list[tuple[int, ...]] = []
        gaps = [""]
        for start, end in pairwise(borders):
            own = tuple(unit for unit, (first, last) in spans.items() if first <= start and end <= last)
            if own and not text[start:end].isspace():
                stretches.append(text[start:end])
                owners.append(own)
                gaps.append("")
            else:
                gaps[-1] += text[start:end]
        return cls(tuple(stretches), tuple(owners), tuple(gaps))

    def cut(self, rows: Coalitions) -> list[str]:
        """The text of each coalition (n, U)."""
        present = np.stack([rows[:, list(own)].all(axis=1) for own in self.owners], axis=1)
        return [self._joined(np.flatnonzero(row).tolist()) for row in present]

    def _joined(self, kept: list[int]) -> str:
        ends = [-1, *kept, len(self.stretches)]
        parts = [self._joint(ends[0], ends[1])]
        for before, after in pairwise(ends[1:]):
            parts += [self.stretches[before], self._joint(before, after)]
        return "".join(parts)

    def _joint(self, before: int, after: int) -> str:
        """What stands between two stretches when all between them are absent; -1 and the count are the text's ends."""
        if (before, after) not in self._joints:
            self._joints[before, after] = self._mended(before, after)
        return self._joints[before, after]

    def _mended(self, before: int, after: int) -> str:
        first, *others = self.gaps[before + 1 : after + 1]
        if not others:
            return first
        joined = first
        for gap in others:
            joined += gap.lstrip() if joined[-1:].isspace() else gap
        at_start, at_end = before < 0, after == len(self.stretches)
        joined = joined.lstrip() if at_start else joined
        joined = joined.rstrip() if at_end else joined
        if joined or at_start or at_end or not _one_word(self.stretches[before][-1], self.stretches[after][0]):
            return joined
        return " "


@cache
def _one_word(left: str, right: str) -> bool:
    """Whether two letters or digits side by side are one word, as Unicode divides words."""
    return left.isalnum() and right.isalnum() and len(list(uniseg.wordbreak.words(left + right))) == 1
