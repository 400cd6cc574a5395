"""Units: a partition of one text's tokens, found by character offsets alone, so that any fast tokenizer will do."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import uniseg.sentencebreak
import uniseg.wordbreak

from ihcli.config import UnitsSection
from ihcli.errors import InputError

Span = tuple[int, int]
"""Characters [start, end) of one text."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """The units of one text: the spans (U of them) and the unit of each token (T,)."""

    spans: tuple[Span, ...]
    members: tuple[int, ...]


def group(text: str, offsets: Sequence[Span], section: UnitsSection, side: str = "text") -> Grouping:
    """The units of `text`, whose tokens cover `offsets`; raises `InputError` for spans that cannot be."""
    trimmed = [_trimmed(text, span) for span in offsets]
    if section.kind == "token":
        return Grouping(
            tuple(tight if tight[0] < tight[1] else span for tight, span in zip(trimmed, offsets, strict=True)),
            tuple(range(len(offsets))),
        )
    segments = sentences(text) if section.kind == "sentence" else words(text)
    if section.kind == "spans" and section.spans is not None:
        segments = _overlaid(segments, read_spans(Path(section.spans), text, side), text)
    return _by_segment(text, trimmed, segments)


def words(text: str) -> list[Span]:
    """Words, numbers, emoji and single punctuation marks by Unicode's word boundaries (UAX #29), without white space.

    Scripts that write no spaces come out one character (cluster) at a time; a token that spans several of them makes
    them one unit, so that the tokenizer's own pieces are the units there.
    """
    return _visible(text, uniseg.wordbreak.words(text))


def sentences(text: str) -> list[Span]:
    """Sentences by Unicode's boundaries (UAX #29), without the white space around them."""
    return _visible(text, uniseg.sentencebreak.sentences(text))


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


def _by_segment(text: str, tokens: Sequence[Span], segments: Sequence[Span]) -> Grouping:
    """Tokens by the segment that they touch; a token that touches several makes one unit of them.

    A token without characters of its own (a lone metaspace, a line break) goes with the token after it, at the end of
    the text with the one before.  What a token covers outside every segment is a segment too.
    """
    owner: list[int | None] = []
    parent = list(range(len(segments)))
    extents = list(segments)

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for start, end in tokens:
        if start >= end:
            owner.append(None)
            continue
        touched = [i for i, (s, e) in enumerate(extents) if s < end and start < e]
        if not touched:
            parent.append(len(extents))
            extents.append((start, end))
            touched = [len(extents) - 1]
        for other in touched[1:]:
            parent[max(root(touched[0]), root(other))] = min(root(touched[0]), root(other))
        owner.append(touched[0])
    roots = _lent([None if segment is None else root(segment) for segment in owner])
    order = {segment: unit for unit, segment in enumerate(dict.fromkeys(roots))}
    read = [(start, end) for start, end in tokens if start < end]
    begun, last = min((start for start, _ in read), default=0), max((end for _, end in read), default=0)
    spans = []
    for segment in order:
        parts = [extents[i] for i in range(len(extents)) if root(i) == segment]
        start, end = min(s for s, _ in parts), max(e for _, e in parts)
        spans.append((_seen_start(text, start, begun), _seen_end(text, end, last)))
    return Grouping(tuple(spans), tuple(order[segment] for segment in roots))


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
                f"{path}: the span {start} {end} does not lie in the text, which has {len(text)} characters; a span is "
                "`start end` with 0 <= start < end <= that length. Mend the span."
            )
            raise InputError(message)
    for (a, b), (c, d) in pairwise(spans):
        if c < b:
            message = f"{path}: the spans {a} {b} and {c} {d} overlap; units must not share characters. Mend one."
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
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = (
            f"{path}: the spans cannot be read ({error}). Give a UTF-8 file with a line `start end` for each unit."
        )
        raise InputError(message) from error
    try:
        if content.lstrip().startswith("["):
            rows = [[str(part) for part in _listed(row)] for row in json.loads(content)]
        else:
            rows = [line.split() for line in content.splitlines() if line.strip() and not line.startswith("#")]
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
