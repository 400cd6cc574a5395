"""Tiny BERT classifiers of the planted tasks: trained from nothing, saved as normal model folders with a tokenizer."""

import json
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from tests.studies.planted_tasks import Example, Task

LOG = logging.getLogger(__name__)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
RECORD, STATE = "planted.json", "training.pt"
GOOD, GOOD_CHECKS = 0.995, 2
"""Training ends when so many looks in a row find at least this held-out accuracy."""
REQUIRED = 0.98
"""Least accuracy on held-out texts of a model that is ranked."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is made: its size, the batch, the largest learning rate, the most steps and the seed."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    batch: int = 64
    rate: float = 1e-3
    steps: int = 6000
    check: int = 250
    """Steps between two looks at the held-out accuracy."""
    seed: int = 0
    watched: int = 1000
    """Held-out texts of each look."""
    judged: int = 2000
    """Other held-out texts, all different, that the finished model is judged on."""


SETTINGS = {
    "negation": Training(steps=1500),
    "xor": Training(),
    "brackets": Training(layers=3, steps=12000),
    "palindrome": Training(layers=3, steps=12000),
    "conjunction": Training(steps=2000),
}


def tokenizer(task: Task) -> Any:
    """A tokenizer with one token a word of the task, and BERT's special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *task.vocabulary))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=32,
    )  # fmt: skip


def build(task: Task, training: Training) -> Any:
    """A BERT classifier with random weights."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(training.seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=len(SPECIAL) + len(task.vocabulary), hidden_size=training.hidden,
            num_hidden_layers=training.layers, num_attention_heads=training.heads,
            intermediate_size=2 * training.hidden, max_position_embeddings=32, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, classifier_dropout=0.0, pad_token_id=0,
            id2label={0: "NO", 1: "YES"}, label2id={"NO": 0, "YES": 1},
        )
    )  # fmt: skip


def tensors(examples: Sequence[Example], vocabulary: dict[str, int]) -> dict[str, torch.Tensor]:
    """Padded ids, attention mask and labels of a batch."""
    width = max(len(e.words) for e in examples) + 2
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    for row, example in zip(ids, examples, strict=True):
        tokens = ["[CLS]", *example.words, "[SEP]"]
        row[: len(tokens)] = torch.tensor([vocabulary[token] for token in tokens])
    labels = torch.tensor([e.label for e in examples])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def accuracy(model: Any, examples: Sequence[Example], vocabulary: dict[str, int]) -> float:
    """Share of the texts that the model labels right."""
    batch = tensors(examples, vocabulary)
    labels = batch.pop("labels")
    with torch.inference_mode():
        return float((model(**batch).logits.argmax(-1) == labels).float().mean())


def train(task: Task, folder: Path, training: Training, seconds: float | None = None) -> float | None:
    """Train one model into `folder`; its accuracy on other held-out texts, or None where it is not done yet.

    After `seconds` the state is kept in the folder, and the next call goes on from it.
    """
    started = time.monotonic()
    words = tokenizer(task)
    vocabulary = words.get_vocab()
    model = build(task, training)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.rate, weight_decay=0.01)
    state = {"step": 0, "good": 0, "seconds": 0.0}
    if (folder / STATE).exists():
        state = torch.load(folder / STATE, weights_only=True)
        model.load_state_dict(state.pop("model"))
        optimizer.load_state_dict(state.pop("optimizer"))
    watched = list(islice(task.examples(random.Random(1), held_out=True), training.watched))  # noqa: S311  (texts, no secrets)
    while state["step"] < training.steps and state["good"] < GOOD_CHECKS:
        rng = random.Random(f"{training.seed} {state['step']}")  # noqa: S311
        stream = task.examples(rng, held_out=False)
        for _ in range(training.check):
            state["step"] += 1
            share = max(0.05, 1 - state["step"] / training.steps)
            optimizer.param_groups[0]["lr"] = training.rate * min(state["step"] / 200, share)
            loss = model(**tensors(list(islice(stream, training.batch)), vocabulary)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        found = accuracy(model, watched, vocabulary)
        spent = time.monotonic() - started
        LOG.info("%s step %d loss %.4f held-out %.4f, %.0f s", task.name, state["step"], loss.item(), found, spent)
        state["good"] = state["good"] + 1 if found >= GOOD else 0
        if seconds is not None and spent > seconds:
            break
    state["seconds"] += time.monotonic() - started
    folder.mkdir(parents=True, exist_ok=True)
    if state["step"] < training.steps and state["good"] < GOOD_CHECKS:
        torch.save({**state, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / STATE)
        return None
    judged = task.distinct(random.Random(2), training.judged)  # noqa: S311
    result = accuracy(model, judged, vocabulary)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    record = {
        "task": task.name, "accuracy": result, "judged_on": len(judged), "steps": state["step"],
        "seconds": round(state["seconds"], 1), "training": asdict(training),
    }  # fmt: skip
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (folder / STATE).unlink(missing_ok=True)
    LOG.info("%s: accuracy %.4f on %d held-out texts after %d steps", task.name, result, len(judged), state["step"])
    return result


def trained(task: Task, cache: Path, seconds: float | None = None) -> Path | None:
    """The folder of the task's model, trained first where it is missing; None where `seconds` did not suffice.

    Raises `RuntimeError` below 98 %.
    """
    folder = cache / "models" / task.name
    if not (folder / RECORD).exists() and train(task, folder, SETTINGS[task.name], seconds) is None:
        return None
    found = json.loads((folder / RECORD).read_text(encoding="utf-8"))["accuracy"]
    if found < REQUIRED:
        message = f"{folder}: accuracy {found:.4f} is below {REQUIRED}. Delete the folder to train it anew."
        raise RuntimeError(message)
    return folder
