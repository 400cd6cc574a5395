"""Units: a partition of one text's tokens, found by character offsets alone, so that any fast tokenizer will do."""

import json
import unicodedata
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import uniseg.sentencebreak

from ihcli.config import UnitsSection
from ihcli.counting import counted
from ihcli.errors import InputError
from ihcli.input_files import read_file
from ihcli.models.word_breaks import word_pieces
from ihcli.text_lines import split_lines

Span = tuple[int, int]
"""Characters [start, end) of one text."""
Place = tuple[str, int, int]
"""A side of the input, `text` or `text_pair`, and characters [start, end) of it."""
_BYTE_LEVEL_SPACE, _METASPACE = "Ġ", "▁"
_VISIBLE = frozenset("LNPS")
"""First letters of the Unicode categories of letters, numbers, punctuation and symbols."""
_MOST_BYTES = 16 << 20
"""Bytes that a file of spans may hold."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """The units of one text: the spans (U of them) and the unit of each token (T,)."""

    spans: tuple[Span, ...]
    members: tuple[int, ...]


def group(
    text: str,
    tokens: Sequence[str],
    offsets: Sequence[Span],
    section: UnitsSection,
    side: str = "text",
    opened: Collection[Place] | None = None,
) -> Grouping:
    """The units of `text`, whose tokens cover `offsets`; raises `InputError` for spans that cannot be used.

    Where sentences are `opened`, they are divided into words, and each other sentence is one unit.
    """
    covered = claim_letters(text, tokens, offsets)
    trimmed = [_trimmed(text, span) for span in covered]
    if section.kind == "token":
        return Grouping(tuple(_shown_spans(trimmed, covered)), tuple(range(len(offsets))))
    segments = sentences(text) if section.kind == "sentence" else words(text)
    if opened is not None:
        segments = _opened(text, [(start, end) for own, start, end in opened if own == side])
    if section.kind == "spans" and section.spans is not None:
        segments = _overlaid(segments, read_spans(Path(section.spans), text, side), text)
    return _by_segment(text, trimmed, segments)


def claim_letters(text: str, tokens: Sequence[str], offsets: Sequence[Span]) -> list[Span]:
    """The offsets, with letters that no token covers given to the token that stands for them.

    A byte-level tokenizer that adds a space before a word (`add_prefix_space`) takes one character off the offsets of
    a word that follows an added token directly: in `<user>It` those of `ĠIt` cover only `t`, in `<user>I` those of
    `ĠI` are empty.
    """
    claimed: list[Span] = []
    end_so_far = 0
    following = _next_starts(offsets)
    for token, (start, end), next_start in zip(tokens, offsets, following, strict=True):
        span = (start, end)
        if start == end_so_far + 1 and token.startswith(_BYTE_LEVEL_SPACE) and not text[end_so_far].isspace():
            span = (end_so_far, end)
        elif start == end and token.strip(_BYTE_LEVEL_SPACE + _METASPACE):
            span = _letters_around(text, start, end_so_far, next_start)
        claimed.append(span)
        end_so_far = max(end_so_far, span[1])
    return claimed


def _next_starts(offsets: Sequence[Span]) -> list[int | None]:
    """For each token the start of the next one that covers characters."""
    found: list[int | None] = []
    start: int | None = None
    for first, end in reversed(offsets):
        found.append(start)
        start = first if first < end else start
    return found[::-1]


def _letters_around(text: str, at: int, least: int, most: int | None) -> Span:
    """The run of characters around a place, within bounds and up to white space; empty where nothing is visible."""
    start = end = at
    while start > least and not text[start - 1].isspace():
        start -= 1
    while most is not None and end < most and not text[end].isspace():
        end += 1
    visible = any(unicodedata.category(character)[0] in _VISIBLE for character in text[start:end])
    return (start, end) if visible else (at, at)


def _shown_spans(trimmed: Sequence[Span], covered: Sequence[Span]) -> list[Span]:
    """The span of each token as a unit: without white space, but never empty.

    A token of white space shows it.  A token without characters (a lone metaspace) shows those of the token after it,
    at the end of those before it, as the bytes of one character all show that character.
    """
    shown: list[Span | None] = [
        tight if tight[0] < tight[1] else span if span[0] < span[1] else None
        for tight, span in zip(trimmed, covered, strict=True)
    ]
    for order in (range(len(shown) - 2, -1, -1), range(1, len(shown))):
        step = -1 if order.step > 0 else 1
        for i in order:
            shown[i] = shown[i] or shown[i + step]
    return [span or (0, 0) for span in shown]


def words(text: str) -> list[Span]:
    """Words, numbers, emoji and single punctuation marks, without white space.

    By Unicode's word boundaries (UAX #29), and in Thai, Lao, Khmer and Burmese by a dictionary where one is installed.
    Other scripts that write no spaces give one character at a time; a token that spans several makes them one unit.
    """
    return _visible(text, word_pieces(text))


def sentences(text: str) -> list[Span]:
    """Sentences by Unicode's boundaries (UAX #29), without the white space around them."""
    return _visible(text, uniseg.sentencebreak.sentences(text))


def word_count(text: str) -> int:
    """How many words a text has, punctuation marks not counted."""
    return sum(any(character.isalnum() for character in text[start:end]) for start, end in words(text))


def _opened(text: str, chosen: Sequence[Span]) -> list[Span]:
    """The words of the sentences that overlap a chosen span, and the other sentences."""
    found: list[Span] = []
    for start, end in sentences(text):
        if any(start < last and first < end for first, last in chosen):
            found += [(start + first, start + last) for first, last in words(text[start:end])]
        else:
            found.append((start, end))
    return found


def _visible(text: str, pieces: Iterable[str]) -> list[Span]:
    spans, start = [], 0
    for piece in pieces:
        span = _trimmed(text, (start, start + len(piece)))
        if span[0] < span[1]:
            spans.append(span)
        start += len(piece)
    return spans


def _trimmed(text: str, span: Span) -> Span:
    """Without the white space at both ends: byte-level offsets include the space before a word."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


class _Segments:
    """Spans of a text that share no characters, some of which are joined to one; a union-find over their indices."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = list(spans)
        self._parent = list(range(len(spans)))
        self._places = sorted((start, index) for index, (start, _) in enumerate(spans))

    def root(self, index: int) -> int:
        """The first of the segments that are joined with this one."""
        while self._parent[index] != index:
            index = self._parent[index]
        return index

    def holding(self, start: int, end: int) -> int:
        """The segment of some characters: those that they touch are joined; where there is none they become one."""
        begun = max(0, bisect_right(self._places, (start, len(self.spans))) - 1)
        near = self._places[begun : bisect_left(self._places, (end, -1))]
        touched = [i for _, i in near if start < self.spans[i][1]]
        if not touched:
            index = len(self.spans)
            self._parent.append(index)
            self.spans.append((start, end))
            insort(self._places, (start, index))
            return index
        first = min(self.root(i) for i in touched)
        for i in touched:
            self._parent[self.root(i)] = first
        return first

    def extents(self) -> dict[int, Span]:
        """For each first of joined segments, from their first character to their last."""
        found: dict[int, Span] = {}
        for i, (start, end) in enumerate(self.spans):
            first, last = found.get(self.root(i), (start, end))
            found[self.root(i)] = (min(first, start), max(last, end))
        return found


def _by_segment(text: str, tokens: Sequence[Span], segments: Sequence[Span]) -> Grouping:
    """Tokens by the segment that they touch; a token that touches several makes one unit of them.

    A token without characters of its own (a lone metaspace, a line break) goes with the token after it, at the end of
    the text with the one before.  What a token covers outside every segment is a segment too.
    """
    joined = _Segments(segments)
    owners = [joined.holding(start, end) if start < end else None for start, end in tokens]
    roots = _lent([None if owner is None else joined.root(owner) for owner in owners])
    order = {root: unit for unit, root in enumerate(dict.fromkeys(roots))}
    read = [(start, end) for start, end in tokens if start < end]
    begun, last = min((start for start, _ in read), default=0), max((end for _, end in read), default=0)
    spans, extents = [], joined.extents()
    for root in order:
        start, end = extents.get(root, (0, 0))
        spans.append((_seen_start(text, start, begun), _seen_end(text, end, last)))
    return Grouping(tuple(spans), tuple(order[root] for root in roots))


def _seen_start(text: str, start: int, begun: int) -> int:
    """The start of a unit, but not before the first token when letters were cut off there."""
    return begun if start < begun and any(c.isalnum() for c in text[start:begun]) else start


def _seen_end(text: str, end: int, last: int) -> int:
    """The end of a unit, but not past the last token when letters were cut off there."""
    return last if end > last and any(c.isalnum() for c in text[last:end]) else end


def _lent(roots: list[int | None]) -> list[int]:
    """Tokens without a segment take that of the next token that has one, or else of the one before."""
    filled: list[int] = []
    following: int | None = None
    for segment in reversed(roots):
        following = segment if segment is not None else following
        filled.append(-1 if following is None else following)
    filled.reverse()
    known = [segment for segment in filled if segment >= 0]
    return [segment if segment >= 0 else (known[-1] if known else 0) for segment in filled]


def _overlaid(segments: Sequence[Span], spans: Sequence[Span], text: str) -> list[Span]:
    """The user's spans, and of the words what lies outside them."""
    rest = list(segments)
    for start, end in spans:
        parts = [part for s, e in rest for part in ((s, min(e, start)), (max(s, end), e)) if part[0] < part[1]]
        rest = [_trimmed(text, part) for part in parts]
    return sorted([*(part for part in rest if part[0] < part[1]), *spans])


def read_spans(path: Path, text: str, side: str = "text") -> list[Span]:
    """The spans of a file that lie in one side of the input, in order.

    A line holds `start end`, or `start end text_pair` for the second text; or the file is JSON, [[start, end], …].
    Raises `InputError` for a file that cannot be read and for spans that are empty, overlap or run past the text.
    """
    spans = sorted((start, end) for start, end, where in _read(path) if where == side)
    for start, end in spans:
        if not 0 <= start < end <= len(text):
            message = (
                f"{path}: the span {start} {end} does not lie in the text, which has "
                f"{counted(len(text), 'character')}; a span is "
                "`start end` with 0 <= start < end <= that length. Correct the span."
            )
            raise InputError(message)
    for (a, b), (c, d) in pairwise(spans):
        if c < b:
            message = (
                f"{path}: the spans {a} {b} and {c} {d} overlap; units must not share characters. Correct one of them."
            )
            raise InputError(message)
    trimmed = [_trimmed(text, span) for span in spans]
    for (start, end), (first, last) in zip(spans, trimmed, strict=True):
        if first >= last:
            message = f"{path}: the span {start} {end} holds white space only. Leave it out."
            raise InputError(message)
    return trimmed


def require_spans(path: Path, *, paired: bool) -> None:
    """Raise `InputError` for a file without spans, or with spans of a second text where there is none."""
    sides = {side for _, _, side in _read(path)}
    if not sides:
        message = f"{path}: holds no span. Write a line `start end` for each unit."
        raise InputError(message)
    if not paired and "text_pair" in sides:
        message = f"{path}: has spans of a second text, and there is none. Give --text-pair, or leave them out."
        raise InputError(message)


def _read(path: Path) -> list[tuple[int, int, str]]:
    form = "Give a UTF-8 file with a line `start end` for each unit."
    try:
        content = read_file(path, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        message = f"{path}: the spans cannot be read ({getattr(error, 'strerror', None) or error}). {form}"
        raise InputError(message) from error
    try:
        if content.lstrip().startswith("["):
            rows = [[str(part) for part in _listed(row)] for row in json.loads(content)]
        else:
            rows = [line.split() for line in split_lines(content) if line.strip() and not line.startswith("#")]
        return [_row(row) for row in rows]
    except (ValueError, TypeError, RecursionError) as error:
        message = (
            f"{path}: is not a file of spans ({error}). Write a line `start end` for each unit (`start end text_pair` "
            "in the second text), or JSON [[start, end], …]."
        )
        raise InputError(message) from error


def _listed(row: object) -> list[object]:
    if not isinstance(row, list):
        message = f"{row!r} is no list [start, end]"
        raise TypeError(message)
    return row


def _row(parts: Sequence[str]) -> tuple[int, int, str]:
    start, end, *side = parts
    if side not in ([], ["text"], ["text_pair"]):
        message = f"{' '.join(parts)!r} is not `start end [text|text_pair]`"
        raise ValueError(message)
    return int(start), int(end), side[0] if side else "text"
