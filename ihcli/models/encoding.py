"""From text to token ids, model inputs and units."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ihcli.config import UnitsSection
from ihcli.counting import counted
from ihcli.errors import InputError, ModelError, TextTooLongError
from ihcli.models.units import Place, Span, group, require_spans
from ihcli.models.word_breaks import missing_dictionary
from ihcli.results import Unit

SIDES = ("text", "text_pair")
SAMPLE = "The film was not bad at all, but its second half is far too long."
"""The text that a model is tried on when the user gives none."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedText:
    """One tokenized text: ids (T,), further inputs of the model (each (T,)), tokens, units, the unit of each token.

    `groups` (T,) holds -1 for the special tokens that the tokenizer added; every other token is in exactly one unit.
    """

    text: str
    """The text."""
    text_pair: str | None
    """The second text, or None."""
    input_ids: Tensor
    """The ids (T,)."""
    extras: Mapping[str, Tensor]
    """Further inputs of the model by name, each (T,)."""
    tokens: tuple[str, ...]
    """The tokens as the tokenizer names them."""
    units: tuple[Unit, ...]
    """The units that rows stand for."""
    groups: Tensor
    """The unit of each token (T,), -1 for special tokens."""
    sides: tuple[int | None, ...]
    """0 or 1 for a token of the text or of its pair, None for a special token."""
    truncated: bool = False
    """Whether the text was cut to what the model reads."""
    notes: tuple[str, ...] = ()
    """What every explanation of this text must say beside its numbers."""

    @property
    def explained(self) -> Tensor:
        """Where the tokens are that a baseline replaces, (T,) of truth values."""
        return self.groups >= 0


def encode(
    tokenizer: Any,
    text: str,
    text_pair: str | None,
    units: UnitsSection,
    *,
    limit: int,
    accepted: Collection[str],
    truncation: bool = False,
    device: torch.device | str = "cpu",
    opened: Collection[Place] | None = None,
) -> EncodedText:
    """Tokenize without padding and group the tokens into units.

    `limit` is the most tokens the model reads, `accepted` the names of inputs it takes, `opened` the sentences
    to divide into words where the others are units.  Raises `InputError` for a
    blank text, one that tokenizes to nothing, one that spells out a special token or a pair that the tokenizer cannot
    mark, and `TextTooLongError`.
    """
    for side, content in zip(SIDES, (text, text_pair), strict=True):
        if content is not None and not content.strip():
            message = (
                f"The {side.replace('_', ' ')} is {content!r}: there is nothing to explain. Give a text with words."
            )
            raise InputError(message)
        if content is not None and any("\ud800" <= character <= "\udfff" for character in content):
            message = (
                f"The {side.replace('_', ' ')} holds half of a surrogate pair, which is not a character. Remove it."
            )
            raise InputError(message)
    if text_pair is not None:
        _require_pairs(tokenizer)
    if units.kind == "spans":
        require_spans(Path(str(units.spans)), paired=text_pair is not None)
    arguments = (text,) if text_pair is None else (text, text_pair)
    batch = tokenizer(*arguments, return_offsets_mapping=True, verbose=False)
    _refuse_special(tokenizer, batch["input_ids"], batch["offset_mapping"], batch.sequence_ids(0), arguments)
    truncated = len(batch["input_ids"]) > limit
    if truncated and not truncation:
        message = (
            f"The text has {len(batch['input_ids'])} tokens and the model reads at most {limit}. Shorten it, allow it "
            "to be cut (--truncate), or explain it in windows (--windows auto; in Python `Explainer.explain_windows`)."
        )
        raise TextTooLongError(message)
    if truncated:
        batch = tokenizer(
            *arguments, return_offsets_mapping=True, verbose=False, truncation="longest_first", max_length=limit
        )
    sides = tuple(batch.sequence_ids(0))
    tokens = tuple(batch.tokens(0))
    found, groups = _units(arguments, tokens, batch["offset_mapping"], sides, units, opened)
    extras = {name: batch[name] for name in batch if name in accepted and name not in _OWN}
    return EncodedText(
        text=text,
        text_pair=text_pair,
        input_ids=torch.tensor(batch["input_ids"], device=device),
        extras={name: torch.tensor(value, device=device) for name, value in extras.items()},
        tokens=tokens,
        units=found,
        groups=torch.tensor(groups, dtype=torch.int64, device=device),
        sides=sides,
        truncated=truncated,
        notes=_notes(arguments, units),
    )


def _notes(texts: Sequence[str], section: UnitsSection) -> tuple[str, ...]:
    """What to say of units that are not what they were asked to be."""
    missing = missing_dictionary(" ".join(texts)) if section.kind in {"word", "spans"} else None
    return () if missing is None else (missing,)


_SPECIAL = ("bos", "eos", "cls", "sep", "pad", "mask")
"""Kinds of tokens that a tokenizer puts around, between or in place of texts."""


def _refuse_special(
    tokenizer: Any, ids: Sequence[int], offsets: Sequence[Span], sides: Sequence[int | None], texts: Sequence[str]
) -> None:
    """Raise `InputError` where a text spells out a special token, which the model would not read as these characters.

    Where the special token is also the unknown one, only its own name is refused; further added tokens are words.
    """
    named = {getattr(tokenizer, f"{kind}_token_id", None): getattr(tokenizer, f"{kind}_token") for kind in _SPECIAL}
    for i, (start, end), side in zip(ids, offsets, sides, strict=True):
        if side is None or named.get(i) is None:
            continue
        token = str(named[i])
        if i == tokenizer.unk_token_id and texts[side][start:end].strip() != token:
            continue
        message = (
            f"The {SIDES[side].replace('_', ' ')} holds {token} at character {start}, a special token of this model: "
            "it would be read as the border or the gap that it stands for, and not as these characters. Remove it, or "
            f"write it apart, as in {token[0]} {token[1:]}."
        )
        raise InputError(message)


# A text of its own length needs no mask; with one, a value is read while the computation is traced.
_OWN = frozenset({"input_ids", "attention_mask", "offset_mapping", "inputs_embeds"})


def _units(
    texts: Sequence[str],
    tokens: Sequence[str],
    offsets: Sequence[Span],
    sides: Sequence[int | None],
    section: UnitsSection,
    opened: Collection[Place] | None,
) -> tuple[tuple[Unit, ...], list[int]]:
    """The units of both sides, first those of the text, and the unit of each token."""
    units: list[Unit] = []
    groups = [-1] * len(tokens)
    for side, text in enumerate(texts):
        places = [i for i, owner in enumerate(sides) if owner == side]
        if not places:
            message = f"The {SIDES[side].replace('_', ' ')} {text!r} tokenizes to nothing. Give a text with words."
            raise InputError(message)
        grouping = group(text, [tokens[i] for i in places], [offsets[i] for i in places], section, SIDES[side], opened)
        members: list[list[str]] = [[] for _ in grouping.spans]
        for place, unit in zip(places, grouping.members, strict=True):
            groups[place] = len(units) + unit
            members[unit].append(tokens[place])
        units += [
            Unit(text[start:end], start, end, tuple(own), SIDES[side])
            for (start, end), own in zip(grouping.spans, members, strict=True)
        ]
    return tuple(units), groups


def require_token_types(encoded: EncodedText, model: Any) -> None:
    """Raise `ModelError` where the second text has a type that the model has no embedding for."""
    given = encoded.extras.get("token_type_ids")
    if given is None:
        return
    known = min(
        (
            layer.num_embeddings
            for name, layer in model.named_modules()
            if name.endswith("token_type_embeddings") and isinstance(layer, nn.Embedding)
        ),
        default=None,
    )
    if known is not None and int(given.max()) >= known:
        message = (
            f"The tokenizer marks the second text with token type {int(given.max())}, and the model knows "
            f"{counted(known, 'type')} only: it was not made for text pairs. Give one text, or another "
            "model."
        )
        raise ModelError(message)


def _require_pairs(tokenizer: Any) -> None:
    """Raise `InputError` where nothing marks the border between two texts: the model was not made for pairs."""
    batch = tokenizer("a", "b")
    sides = batch.sequence_ids(0)
    first, second = sides.index(0) if 0 in sides else 0, len(sides) - 1 - sides[::-1].index(1) if 1 in sides else 0
    kinds = batch.get("token_type_ids")
    if None in sides[first:second] or (kinds and kinds[first] != kinds[second]):
        return
    message = (
        "A text pair was given, but this model's tokenizer puts nothing between two texts: the model was not made for "
        "pairs. Leave --text-pair out, or give both as one text the way the model was trained."
    )
    raise InputError(message)
