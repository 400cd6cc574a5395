"""Loading a tokenizer: one that says which characters each token stands for, or a slow one converted to such a one."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ihcli.config import ModelSection
from ihcli.errors import ModelError
from ihcli.models.encoding import SAMPLE
from ihcli.models.transformers_output import first_line, silenced

_TRIALS = (
    SAMPLE, "It wasn't well-known; TRÈS bien!", "  two  spaces\nand a line", "这部电影不错", "👍🏽 3.14 x² don’t",
    "хорошо not",
)  # fmt: skip
"""Texts on which a converted tokenizer must give the ids of the slow one."""


def load_tokenizer(folder: Path, section: ModelSection) -> Any:
    """The fast tokenizer of a folder; raises `ModelError`."""
    from transformers import AutoTokenizer

    try:
        with silenced():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=section.trust_remote_code, local_files_only=True
            )
    except Exception as error:
        message = (
            f"{section.name}: its tokenizer cannot be loaded ({first_line(error)}). The folder needs the tokenizer's "
            "files, above all tokenizer.json; save it there with tokenizer.save_pretrained."
        )
        raise ModelError(message) from error
    return require_fast(tokenizer, section.name)


def require_fast(tokenizer: Any, name: str) -> Any:
    """The tokenizer itself where it is fast, else the fast one made of it; raises `ModelError`."""
    if not getattr(tokenizer, "is_fast", False):
        tokenizer = _converted(tokenizer, name)
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        message = (
            f"{name}: its tokenizer knows no tokens beside the special ones, so every word would be unknown. "
            "The folder needs the tokenizer's own files; save them there with tokenizer.save_pretrained."
        )
        raise ModelError(message)
    return tokenizer


def _converted(slow: Any, name: str) -> Any:
    """The fast tokenizer that transformers makes of a slow one; raises `ModelError` where it makes none, or another."""
    from transformers import PreTrainedTokenizerFast

    converters = import_module("transformers.convert_slow_tokenizer")
    refused = (
        f"{name}: its tokenizer {type(slow).__name__} is a slow one, which does not say which characters a token "
        "stands for. A fast one (tokenizer.json) is needed"
    )
    for convert in (converters.convert_slow_tokenizer, lambda own: converters.SpmConverter(own).converted()):
        try:
            with silenced():
                made = PreTrainedTokenizerFast(
                    tokenizer_object=convert(slow), model_max_length=slow.model_max_length,
                    model_input_names=slow.model_input_names, **slow.special_tokens_map,
                )  # fmt: skip
                differing = next((text for text in _TRIALS if made(text)["input_ids"] != slow(text)["input_ids"]), None)
        except Exception:  # noqa: BLE001, S112 - whatever stops a conversion, the next one is tried
            continue
        if differing is None:
            return made
        message = f"{refused}, and that which transformers makes of it gives other tokens for {differing!r}."
        raise ModelError(message)
    message = f"{refused}, and transformers cannot convert this one. Give a model with a tokenizer.json."
    raise ModelError(message)
