"""Baselines: what stands in the place of the text at the other end of the path."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ihcli.config import BaselineSection
from ihcli.errors import BaselineError
from ihcli.input_files import read_file
from ihcli.models.encoding import EncodedText
from ihcli.text_lines import split_lines

TOKENS = ("pad", "mask", "unk")
_MOST_BYTES = 1 << 28
"""Largest file of baseline texts."""


def baseline_ids(tokenizer: Any, encoded: EncodedText, section: BaselineSection) -> tuple[list[Tensor], dict[str, Any]]:
    """Ids (T,) of every baseline of a kind that is made of tokens, and its description.

    Special tokens stay.  `pad`, `mask` and `unk` put that token everywhere else.  `text` and `texts` put the tokens
    of the baseline text there in order, once for each side of a pair, cut at the text's length or filled up with pad.
    Raises `BaselineError`.
    """
    if section.kind in TOKENS:
        token = _token_id(tokenizer, section.kind)
        ids = torch.where(encoded.explained, token, encoded.input_ids)
        return [ids], {"kind": section.kind, "token": tokenizer.convert_ids_to_tokens(token), "token_id": token}
    if section.kind == "text":
        return [_aligned(tokenizer, encoded, section.text or "")], {"kind": "text", "text": section.text}
    texts = _read(Path(section.file or ""))
    description = {"kind": "texts", "file": Path(section.file or "").name, "texts": texts}
    return [_aligned(tokenizer, encoded, text) for text in texts], description


def _token_id(tokenizer: Any, kind: str) -> int:
    token = getattr(tokenizer, f"{kind}_token_id", None)
    if token is None:
        has = [
            f"{k} ({getattr(tokenizer, f'{k}_token')})"
            for k in TOKENS
            if getattr(tokenizer, f"{k}_token_id", None) is not None
        ]
        message = (
            f"The baseline {kind} needs a {kind} token and this tokenizer has none; of pad, mask and unk it has "
            f"{', '.join(has) or 'none'}. Choose one that is there, zero, or a text."
        )
        raise BaselineError(message)
    return int(token)


def _aligned(tokenizer: Any, encoded: EncodedText, text: str) -> Tensor:
    """The ids of a baseline text on the places of the explained tokens of each side."""
    own = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    if not own:
        message = f"The baseline text {text!r} tokenizes to nothing. Give a text with words, or the kind pad."
        raise BaselineError(message)
    ids = encoded.input_ids.clone()
    for side in (0, 1):
        places = [i for i, owner in enumerate(encoded.sides) if owner == side]
        filled = own[: len(places)]
        if len(filled) < len(places):
            filled = filled + [_token_id(tokenizer, "pad")] * (len(places) - len(filled))
        ids[places] = torch.tensor(filled, dtype=ids.dtype, device=ids.device)
    return ids


def _read(path: Path) -> list[str]:
    try:
        lines = split_lines(read_file(path, _MOST_BYTES).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        message = f"{path}: the baseline texts cannot be read ({error}). Give a UTF-8 file with a text on each line."
        raise BaselineError(message) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        message = f"{path}: contains no baseline text. Give a file with a text on each line."
        raise BaselineError(message)
    return texts
