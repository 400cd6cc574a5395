"""A language model with a prompt as a classifier: the labels are words, and the model says how likely each comes next.

For labels w_1 … w_C and a prompt made of the text, the logit of label k is

    z_k = log p(w_k | prompt) - (1/C) Σ_j log p(w_j | prompt),

so that an explanation is of the contrast between the labels, and z_k - z_j is the log of the ratio of their
probabilities.  A label of several tokens counts with the sum of their log-probabilities: in a causal model each given
those before it, in a masked model all at as many masks side by side.
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from ihcli.errors import InputError, ModelError
from ihcli.models.units import Span

TEXT, MASK = "{text}", "{mask}"
"""What a template holds in place of the text, and of the masked word."""
_TRIAL = "The film was not bad."
_MOST_CUTS = 8
_SWITCHES = {"use_cache": False, "return_dict": True}


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a masked model gives its answer: so many tokens from the start or from the end of the prompt."""

    from_start: int | None
    from_end: int | None

    def position(self, length: int) -> int:
        """The index of the mask in a prompt of `length` tokens."""
        return self.from_start if self.from_start is not None else length - 1 - (self.from_end or 0)


class Prompt:
    """A template around a text, in the place of a tokenizer.

    Called with a text it gives the ids of the whole prompt; only the tokens of the text belong to a side (0), and their
    offsets count in the text.  Everything else is that of the tokenizer.
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        """Put `template` around every text; raises `ModelError` for a template that cannot be used."""
        if template.count(TEXT) != 1:
            message = f"The template {template!r} must hold {TEXT} once, in place of the text. For example: '{TEXT} ='."
            raise ModelError(message)
        if template.count(MASK) > 1:
            message = f"The template {template!r} holds {MASK} {template.count(MASK)} times; once is allowed."
            raise ModelError(message)
        if MASK in template and tokenizer.mask_token is None:
            message = (
                f"The template {template!r} holds {MASK}, and this model's tokenizer has no mask token. Remove it."
            )
            raise ModelError(message)
        self.tokenizer = tokenizer
        self.masked = MASK in template
        before, after = template.split(TEXT)
        self._before, self._after = (part.replace(MASK, str(tokenizer.mask_token)) for part in (before, after))
        self.mask_is_first = MASK in before

    def __getattr__(self, name: str) -> Any:
        """Everything that concerns no prompt: special tokens, the vocabulary."""
        if "tokenizer" not in self.__dict__:  # while it is copied
            raise AttributeError(name)
        return getattr(self.tokenizer, name)

    def __call__(self, text: Any, text_pair: Any = None, **options: Any) -> Any:
        """The ids of the prompt of a text, or of several; without special tokens only those of the text itself."""
        if text_pair is not None:
            message = "A text pair was given, and a prompted model reads one text. Give one text, without --text-pair."
            raise InputError(message)
        if not options.get("add_special_tokens", True):
            return self.tokenizer(text, **options)
        most = int(options["max_length"]) if options.get("truncation") else None
        if isinstance(text, list):
            return {"input_ids": [self._encoded(one, most)["input_ids"] for one in text]}
        return self._encoded(text, most)

    def prompt(self, text: str) -> str:
        """The whole prompt of a text."""
        return self._before + text + self._after

    def _encoded(self, text: str, most: int | None) -> "_PromptEncoding":
        """The prompt of a text, of whose end so much is cut that it has at most `most` tokens."""
        encoded = self._whole(text)
        for _ in range(_MOST_CUTS):
            excess = 0 if most is None else len(encoded["input_ids"]) - most
            if excess <= 0:
                return encoded
            sides = zip(encoded["offset_mapping"], encoded.sequence_ids(0), strict=True)
            own = [span for span, side in sides if side == 0]
            if excess >= len(own):
                break
            text = text[: own[-excess - 1][1]]
            encoded = self._whole(text)
        message = f"The template alone has more tokens than the {most} that the model reads. Shorten it."
        raise ModelError(message)

    def _whole(self, text: str) -> "_PromptEncoding":
        whole = self.tokenizer(self.prompt(text), return_offsets_mapping=True, verbose=False)
        kept = len(whole["input_ids"])
        sides = whole.sequence_ids(0)
        while not self.masked and kept and sides[kept - 1] is None:  # the answer follows the prompt, not its end token
            kept -= 1
        first, last = len(self._before), len(self._before) + len(text)
        own = [side is not None and _touches(span, first, last) for side, span in
               zip(sides[:kept], whole["offset_mapping"][:kept], strict=True)]  # fmt: skip
        offsets = [
            (min(max(start, first), last) - first, min(max(end, first), last) - first)
            for start, end in whole["offset_mapping"][:kept]
        ]
        return _PromptEncoding(
            whole["input_ids"][:kept], offsets, [0 if mine else None for mine in own], whole.tokens(0)[:kept]
        )


class _PromptEncoding(dict[str, Any]):
    """What a tokenizer returns for one text, with the parts that `encode` reads."""

    def __init__(self, ids: list[int], offsets: list[Span], sides: list[int | None], tokens: list[str]) -> None:
        super().__init__(input_ids=ids, offset_mapping=offsets)
        self._sides, self._tokens = sides, tokens

    def __iter__(self) -> Iterator[str]:
        return iter(("input_ids", "offset_mapping"))

    def sequence_ids(self, _: int) -> list[int | None]:
        """0 for a token of the text, None for one of the template."""
        return self._sides

    def tokens(self, _: int) -> list[str]:
        """The tokens as the tokenizer spells them."""
        return self._tokens


def _touches(span: Span, first: int, last: int) -> bool:
    start, end = span
    return start < last and end > first if start < end else first < start < last or first == start < last


class PromptedClassifier(nn.Module):
    """A language model that answers a prompt with one of a few labels, in the form of a sequence classifier."""

    def __init__(self, model: Any, labels: Sequence[tuple[int, ...]], names: Sequence[str], answer: Answer | None,
                 mask_id: int | None) -> None:  # fmt: skip
        """Score `labels`, each a sequence of token ids, by `model`; `answer` says where a masked model answers."""
        super().__init__()
        self.model = model
        self.answers = tuple(labels)
        self.answer = answer
        self.mask_id = mask_id
        self.config = copy.deepcopy(model.config)
        self.config.id2label = dict(enumerate(names))
        self.config.label2id = {name: index for index, name in enumerate(names)}
        self.config.problem_type = "single_label_classification"
        accepted = inspect.signature(model.forward).parameters
        self._switches = {name: value for name, value in _SWITCHES.items() if name in accepted}
        self._keeps = "logits_to_keep" in accepted

    @property
    def reserved_tokens(self) -> int:
        """How many tokens beyond the prompt the longest label takes."""
        return max(map(len, self.answers)) - 1

    def get_input_embeddings(self) -> nn.Module:
        """The embedding layer of the language model."""
        return self.model.get_input_embeddings()  # type: ignore[no-any-return]

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, **further: Any
    ) -> SequenceClassifierOutput:
        """The logits (B, C) of prompts, given as ids (B, T) or as embeddings (B, T, D)."""
        given: Any = input_ids if input_ids is not None else inputs_embeds
        scores: dict[int, Tensor] = {}
        for length in sorted({len(ids) for ids in self.answers}):
            asked = [k for k, ids in enumerate(self.answers) if len(ids) == length]
            if self.answer is not None:
                scores |= self._at_masks(given, input_ids is not None, asked, length, further)
            elif length == 1:
                chances = self._log_probabilities(given, input_ids is not None, further, last=1)[:, 0]
                scores |= {k: chances[:, self.answers[k][0]] for k in asked}
            else:
                scores |= {k: self._continued(given, input_ids is not None, self.answers[k], further) for k in asked}
        found = torch.stack([scores[k] for k in range(len(self.answers))], dim=1)
        return SequenceClassifierOutput(logits=found - found.mean(1, keepdim=True))

    def _at_masks(
        self, given: Any, are_ids: bool, asked: Sequence[int], length: int, further: dict[str, Any]
    ) -> dict[int, Tensor]:
        """The scores of labels of one length, at as many masks in place of the one."""
        place = self.answer.position(given.shape[1])  # type: ignore[union-attr]
        masks = given[:, place : place + 1].repeat_interleave(length, dim=1)
        points = torch.cat([given[:, :place], masks, given[:, place + 1 :]], dim=1) if length > 1 else given
        chances = self._log_probabilities(points, are_ids, further, slice(place, place + length))
        return {k: _summed(chances, self.answers[k]) for k in asked}

    def _continued(self, given: Any, are_ids: bool, answer: tuple[int, ...], further: dict[str, Any]) -> Tensor:
        """The score of one label: each token's log-probability given the prompt and the tokens before it."""
        begun = torch.tensor(answer[:-1], device=given.device).expand(len(given), -1)
        more = begun if are_ids else self.get_input_embeddings()(begun)
        points = torch.cat([given, more.to(given.dtype)], dim=1)
        return _summed(self._log_probabilities(points, are_ids, further, last=len(answer)), answer)

    def _log_probabilities(
        self, points: Tensor, are_ids: bool, further: dict[str, Any], chosen: slice | None = None, last: int = 0
    ) -> Tensor:
        """Log p of every token at the `chosen` positions, or at the `last` ones, (B, positions, V)."""
        inputs: dict[str, Any] = {"input_ids": points} if are_ids else {"inputs_embeds": points}
        if last and self._keeps:
            inputs["logits_to_keep"] = last
        logits = self.model(**inputs, **further, **self._switches).logits
        return logits[:, slice(-last, None) if chosen is None else chosen].log_softmax(-1)  # type: ignore[no-any-return]


def _summed(chances: Tensor, answer: Sequence[int]) -> Tensor:
    """Σ_i log p(token i of an answer) of chances (B, positions, V), as (B,)."""
    return torch.stack([chances[:, i, token] for i, token in enumerate(answer)]).sum(0)


def make_classifier(
    model: Any, tokenizer: Any, template: str, labels: Sequence[str]
) -> tuple[PromptedClassifier, Prompt, tuple[str, ...]]:
    """The classifier of a language model and a template, its tokenizer, and what its user should know.

    Raises `ModelError` for a template or labels that cannot be used.
    """
    prompt = Prompt(tokenizer, template)
    answers = tuple(_label_ids(prompt, label) for label in labels)
    for k, ids in enumerate(answers):
        if ids in answers[:k]:
            message = (
                f"The labels {labels[answers.index(ids)]!r} and {labels[k]!r} are the same tokens to this model. Give "
                "labels that differ."
            )
            raise ModelError(message)
    names = [label.strip() for label in labels]
    names = names if len(set(names)) == len(names) else list(labels)
    classifier = PromptedClassifier(model, answers, names, _answer(prompt), tokenizer.mask_token_id)
    return classifier, prompt, tuple(_notes(tokenizer, labels, answers, masked=prompt.masked))


def _notes(tokenizer: Any, labels: Sequence[str], answers: Sequence[tuple[int, ...]], *, masked: bool) -> Iterator[str]:
    """Say which labels count as a sum over several tokens."""
    how = "at as many masks side by side" if masked else "each given those before it"
    for label, ids in zip(labels, answers, strict=True):
        if len(ids) > 1:
            tokens = ", ".join(tokenizer.convert_ids_to_tokens(list(ids)))
            yield (
                f"The label {label!r} has {len(ids)} tokens ({tokens}): its score is the sum of their "
                f"log-probabilities, {how}. Labels of one token compare more fairly."
            )


def _label_ids(prompt: Prompt, label: str) -> tuple[int, ...]:
    """The tokens of a label where the answer stands; raises `ModelError`."""
    tokenizer = prompt.tokenizer
    alone = tuple(tokenizer(label, add_special_tokens=False, verbose=False)["input_ids"])
    if not prompt.masked:
        before = tokenizer(prompt.prompt(_TRIAL), add_special_tokens=False, verbose=False)["input_ids"]
        joined = tokenizer(prompt.prompt(_TRIAL) + label, add_special_tokens=False, verbose=False)["input_ids"]
        if joined[: len(before)] == before:
            alone = tuple(joined[len(before) :])
    if not alone:
        message = f"The label {label!r} tokenizes to nothing. Give labels that are words, as in --labels ' good, bad'."
        raise ModelError(message)
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in alone and label.strip() != tokenizer.unk_token:
        message = f"The label {label!r} holds what this model's tokenizer does not know. Give labels that it knows."
        raise ModelError(message)
    return alone


def _answer(prompt: Prompt) -> Answer | None:
    """Where the mask stands in every prompt; None for a causal model, which answers after the prompt."""
    if not prompt.masked:
        return None
    ids = prompt(_TRIAL)["input_ids"]
    places = [i for i, token in enumerate(ids) if token == prompt.tokenizer.mask_token_id]
    if len(places) != 1:
        message = (
            f"The prompt {prompt.prompt(_TRIAL)!r} has {len(places)} mask tokens, and needs one. Change the template."
        )
        raise ModelError(message)
    return Answer(places[0], None) if prompt.mask_is_first else Answer(None, len(ids) - 1 - places[0])
