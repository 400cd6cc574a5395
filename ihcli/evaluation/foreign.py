"""Explanations made by other tools: a documented JSON, read strictly, and its words laid on the units of a text.

A document is one explanation, or several under `explanations`; a `.jsonl` file holds one explanation a line.
One explanation:

    {"schema": "ihcli.foreign/1",      may be left out
     "method": "shap",                 any name: it names the rows of tables
     "baseline": "mask",               any name, or left out
     "text": "not bad", "text_pair": null,
     "label": "POSITIVE",              the label that positive scores speak for; left out: the predicted one
     "words": ["not", "bad"]           or [{"text": "not", "start": 0, "end": 3, "side": "text"}, …]
     "scores": [-0.2, 0.7],            one number a word
     "pairs": [[0, 1, 0.9]],           positions of two words and the entry of a symmetric matrix, or
     "matrix": [[0.1, 0.9], [0.9, 0.2]],
     "complete": false}                whether pairs that are not listed are 0; otherwise they are not known

At least one of `scores`, `pairs` and `matrix` is given.  Unknown keys, other lengths, NaN and infinity are errors.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ihcli.counting import counted
from ihcli.errors import InputError
from ihcli.input_files import read_file
from ihcli.results import Array, Unit, frozen_array
from ihcli.text_lines import split_lines

SCHEMA: Final = "ihcli.foreign/1"
_SHOWN: Final = 40
_MOST_BYTES: Final = 1 << 28
"""Largest file that is read."""
_NEEDS: Final = {
    "pairs": "A pair is [position, position, value]",
    "words": "A word is a string, or an object with text, start and end",
}
_Position = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ForeignWord(_Strict):
    """A word with its character offsets [start, end) in the text, or in the second text where `side` is `text_pair`."""

    text: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    side: Literal["text", "text_pair"] = "text"


class ForeignExplanation(_Strict):
    """One explanation by another tool, as its document says it; `aligned` lays it on the units of the text."""

    method: str = Field(min_length=1)
    text: str
    words: Annotated[list[ForeignWord] | list[str], Field(min_length=1)]
    schema_: Literal["ihcli.foreign/1"] = Field(SCHEMA, alias="schema")
    baseline: str | None = None
    text_pair: str | None = None
    label: str | None = None
    scores: list[float] | None = None
    pairs: list[Annotated[tuple[_Position, _Position, float], Field(strict=False)]] | None = None
    matrix: list[list[float]] | None = None
    complete: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        count = len(self.words)
        if self.scores is None and self.pairs is None and self.matrix is None:
            message = "holds no scores, pairs or matrix; give at least one of them"
            raise ValueError(message)
        if self.pairs is not None and self.matrix is not None:
            message = "holds both pairs and matrix; give one of them"
            raise ValueError(message)
        if self.complete and self.pairs is None:
            message = "complete is true, which only pairs need; leave it out"
            raise ValueError(message)
        if self.scores is not None and len(self.scores) != count:
            message = f"has {counted(count, 'word')} and {counted(len(self.scores), 'score')}; give one score a word"
            raise ValueError(message)
        self._check_pairs(count)
        self._check_matrix(count)
        return self

    def _check_pairs(self, count: int) -> None:
        seen: set[tuple[int, int]] = set()
        for first, second, _ in self.pairs or ():
            if first == second or max(first, second) >= count:
                message = f"pair [{first}, {second}] must be two different words, numbered 0 to {count - 1}"
                raise ValueError(message)
            pair = (min(first, second), max(first, second))
            if pair in seen:
                message = f"pair [{first}, {second}] stands twice; give one number a pair"
                raise ValueError(message)
            seen.add(pair)

    def _check_matrix(self, count: int) -> None:
        if self.matrix is None:
            return
        if len(self.matrix) != count or any(len(row) != count for row in self.matrix):
            message = f"has {counted(count, 'word')} and a matrix that is not {count} x {count}"
            raise ValueError(message)
        entries = np.array(self.matrix)
        if not np.allclose(entries, entries.T, rtol=0.0, atol=1e-6 * float(np.abs(entries).max())):
            message = "has a matrix that is not symmetric; give (M + M transposed) / 2"
            raise ValueError(message)

    def aligned(self, units: Sequence[Unit], text: str, text_pair: str | None = None) -> "Aligned":
        """The scores and pairs on the units of the text.

        A word belongs to the unit that it lies in; several words of one unit are added up, the pairs among them on the
        diagonal (grouping is a sum, as for Integrated Hessians).  Plain words are found in the text one after the
        other: only white space may lie between them, and letters may differ in case.

        Args:
            units: The units of the text, in order.
            text: The text that they are units of.
            text_pair: The second text of a pair.

        Returns:
            Attributions (U,) and matrix (U, U), None where the document holds none.

        Raises:
            InputError: For another text, a word that is not where it should be or spans two units, or a unit that has
                no word.

        """
        _same_text(self, text, text_pair)
        words = _placed(self.words, text, text_pair)
        members = [_unit_of(word, position, units) for position, word in enumerate(words)]
        _all_covered(units, members)
        sums = np.zeros((len(units), len(members)))
        sums[members, np.arange(len(members))] = 1.0
        attributions = None if self.scores is None else frozen_array(sums @ np.array(self.scores))
        own = self._word_matrix()
        return Aligned(attributions, None if own is None else frozen_array(_grouped(own, members, len(units))))

    def _word_matrix(self) -> Array | None:
        if self.matrix is not None:
            return np.array(self.matrix)
        if self.pairs is None:
            return None
        count = len(self.words)
        entries = np.full((count, count), 0.0 if self.complete else np.nan)
        np.fill_diagonal(entries, 0.0)
        for first, second, value in self.pairs:
            entries[first, second] = entries[second, first] = value
        return entries


@dataclass(frozen=True, slots=True)
class Aligned:
    """A foreign explanation on the units of a text; read-only arrays."""

    attributions: Array | None
    """(U,), None where the document holds no scores."""
    matrix: Array | None
    """(U, U), symmetric, NaN where a pair is not known; None where the document holds no pairs."""


def read_foreign(path: str | os.PathLike[str]) -> Iterator[ForeignExplanation]:
    """The explanations of a `.json` or `.jsonl` file, in order.

    Blank lines of a `.jsonl` file are skipped.  Raises `InputError` that names the file, the line or explanation, the
    key, the value seen and what is allowed.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "shap.json"
        >>> _ = file.write_text('{"method": "shap", "text": "not bad", "words": ["not", "bad"], "scores": [-1, 2]}')
        >>> [one.method for one in read_foreign(file)]
        ['shap']

    """
    file = Path(path)
    try:
        content = read_file(file, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        message = f"{file}: cannot be read ({error.strerror or error}). Give a .json or .jsonl file of explanations."
        raise InputError(message) from error
    except UnicodeDecodeError as error:
        message = f"{file}: is not UTF-8 (byte {error.start}). Write the file as UTF-8."
        raise InputError(message) from error
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(split_lines(content), start=1):
            if line.strip():
                yield parse_foreign(_json(line, f"{file}, line {number}"), f"{file}, line {number}")
        return
    document = _json(content, str(file))
    if not (isinstance(document, Mapping) and "explanations" in document):
        yield parse_foreign(document, str(file))
        return
    unknown = sorted(set(document) - {"schema", "explanations"})
    if unknown or document.get("schema", SCHEMA) != SCHEMA or not isinstance(document["explanations"], list):
        message = (
            f"{file}: a document of several explanations holds the keys schema ({SCHEMA!r}) and explanations (a list) "
            f"and no others; it has {', '.join(map(repr, document))}. See the README of ihcli/evaluation."
        )
        raise InputError(message)
    for number, one in enumerate(document["explanations"]):
        yield parse_foreign(one, f"{file}, explanations[{number}]")


def parse_foreign(document: Any, source: str = "explanation") -> ForeignExplanation:
    """One explanation from its JSON values; raises `InputError` that names `source` and what is wrong."""
    if not isinstance(document, Mapping):
        message = f"{source}: is a {type(document).__name__} and must be an object with method, text and words."
        raise InputError(message)
    try:
        return ForeignExplanation.model_validate(document)
    except ValidationError as error:
        message = f"{source}: {_sentence(error, document)}"
        raise InputError(message) from error


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        message = f"{source}: is not JSON ({error}). Numbers must be finite; keys and texts stand in double quotes."
        raise InputError(message) from error


def _refused(constant: str) -> float:
    message = f"{constant} is no number of JSON"
    raise ValueError(message)


def _sentence(error: ValidationError, document: Mapping[str, Any]) -> str:
    """The first problem: key, value seen, what is allowed."""
    problems = [p for p in error.errors() if not (p["loc"][:1] == ("words",) and "ForeignWord" in _kind(p, document))]
    problem = (problems or error.errors())[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in _place(problem["loc"]))
    where = where.removeprefix(".") or "explanation"
    known = [field.alias or name for name, field in ForeignExplanation.model_fields.items()]
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        return f"unknown key {where!r}. Known keys are {', '.join(known)}."
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}. A word holds text, start, end and side."
    if problem["type"] == "missing":
        needs = _NEEDS.get(
            str(problem["loc"][0]), "An explanation needs method, text, words, and scores, pairs or matrix"
        )
        return f"{where} is missing. {needs}."
    text = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{text}."
    return f"{where} is {_seen(problem['input'])}: {text[0].lower()}{text[1:]}."


def _kind(problem: Any, document: Mapping[str, Any]) -> str:
    """The alternative of `words` that a problem speaks of where the document means the other one."""
    words = document.get("words")
    plain = isinstance(words, list) and bool(words) and isinstance(words[0], str)
    tag = str(problem["loc"][1]) if len(problem["loc"]) > 1 else ""
    return tag if plain == ("ForeignWord" in tag) else ""


def _place(location: tuple[int | str, ...]) -> list[int | str]:
    """A problem's place without the names of alternatives that pydantic puts in."""
    return [part for part in location if isinstance(part, int) or "[" not in part]


def _seen(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _same_text(explanation: ForeignExplanation, text: str, text_pair: str | None) -> None:
    for name, own, wanted in (("text", explanation.text, text), ("text_pair", explanation.text_pair, text_pair)):
        if own != wanted:
            message = (
                f"The explanation by {explanation.method} is of another {name}: it has {_seen(own)}, the text here is "
                f"{_seen(wanted)}. Give the explanation of this very text."
            )
            raise InputError(message)


def _placed(words: Sequence[ForeignWord | str], text: str, text_pair: str | None) -> list[ForeignWord]:
    """Words with offsets, checked against the text; plain words are found one after the other."""
    sides = {"text": text, "text_pair": text_pair}
    found = []
    side, cursor = "text", 0
    for position, word in enumerate(words):
        if isinstance(word, ForeignWord):
            whole = sides[word.side]
            if whole is None or whole[word.start : word.end] != word.text or word.start >= word.end:
                there = "no such text" if whole is None else repr(whole[word.start : word.end])
                message = (
                    f"Word {position}, {word.text!r}, is said to be characters {word.start} to {word.end} of "
                    f"{word.side}, where the text has {there}. Offsets count characters from 0, the end excluded."
                )
                raise InputError(message)
            found.append(word)
            continue
        whole = sides[side] or ""
        cursor = _skip_space(whole, cursor)
        if cursor == len(whole) and side == "text" and text_pair is not None:
            side, whole = "text_pair", text_pair
            cursor = _skip_space(whole, 0)
        end = cursor + len(word)
        if not word.strip() or whole[cursor:end].casefold() != word.casefold():
            message = (
                f"Word {position}, {word!r}, was expected at character {cursor} of {side}, where the text has "
                f"{whole[cursor : cursor + max(len(word), 12)]!r}. Plain words must be the text's own in order, only "
                "white space between them; give words with start and end otherwise."
            )
            raise InputError(message)
        found.append(ForeignWord(text=whole[cursor:end], start=cursor, end=end, side=side))  # type: ignore[arg-type]
        cursor = end
    return found


def _skip_space(text: str, cursor: int) -> int:
    while cursor < len(text) and text[cursor].isspace():
        cursor += 1
    return cursor


def _unit_of(word: ForeignWord, position: int, units: Sequence[Unit]) -> int:
    """The unit that the word lies in; raises `InputError` where it lies in none or in several."""
    met = [
        k for k, unit in enumerate(units) if unit.side == word.side and word.start < unit.end and unit.start < word.end
    ]
    where = f"Word {position}, {word.text!r} (characters {word.start} to {word.end} of {word.side})"
    if not met:
        message = f"{where}, lies in no unit of the text. Explain the text with units that hold it, or leave it out."
        raise InputError(message)
    if len(met) > 1:
        names = ", ".join(repr(units[k].text) for k in met)
        message = f"{where}, lies in several units: {names}. Use larger units (--units sentence), or smaller words."
        raise InputError(message)
    return met[0]


def _all_covered(units: Sequence[Unit], members: Sequence[int]) -> None:
    for k in sorted(set(range(len(units))) - set(members)):
        unit = units[k]
        message = (
            f"Unit {k}, {unit.text!r} (characters {unit.start} to {unit.end} of {unit.side}), has no word in the "
            "explanation. Give every unit a word, with score 0 where the tool ignores it."
        )
        raise InputError(message)


def _grouped(entries: Array, members: Sequence[int], units: int) -> Array:
    """Block sums of a matrix over words (W, W) for units (U, U); a block with a pair that is not known is NaN."""
    sums = np.zeros((units, units))
    np.add.at(sums, (np.array(members)[:, None], np.array(members)[None, :]), entries)
    return sums
