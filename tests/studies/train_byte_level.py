"""Train a small RoBERTa with a byte-level tokenizer of its own: ``python -m tests.studies.train_byte_level``.

The third trained model of the evaluation: another tokenizer, no pretraining.  ``--data DIR`` is a folder with
`sst2_phrases.tsv`, `sst2_train.tsv` and `sst2_dev.tsv` (label, text), ``--out DIR`` gets the model.
"""

import argparse
import logging
import random
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from torch.nn.functional import cross_entropy
from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaTokenizerFast

from tests.studies.train_bundled import LABELS, Example, accuracy, batches, read_rows, tensors

LOG = logging.getLogger("tests.studies.train_byte_level")
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]


def main() -> None:
    """Parse the command line, train, judge, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--phrases", type=int, default=40000, help="phrases used")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    rng = random.Random(0)  # noqa: S311  (an order of texts, no secret)
    rows = [*read_rows(options.data / "sst2_phrases.tsv"), *read_rows(options.data / "sst2_train.tsv") * 2]
    backend = ByteLevelBPETokenizer()
    backend.train_from_iterator([row[-1] for row in rows], vocab_size=8000, special_tokens=SPECIAL,
                                show_progress=False)  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    backend.save_model(str(options.out))
    tokenizer = RobertaTokenizerFast.from_pretrained(options.out, model_max_length=256)
    tokenizer.save_pretrained(options.out)

    def encoded(texts: list[list[str]]) -> list[Example]:
        ids = tokenizer([row[-1] for row in texts], truncation=True, max_length=64)["input_ids"]
        return [Example(own, int(row[0])) for own, row in zip(ids, texts, strict=True)]

    chosen = encoded(rng.sample(rows, min(options.phrases, len(rows))))
    config = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=options.width, num_hidden_layers=options.layers, num_attention_heads=4,
        intermediate_size=4 * options.width, max_position_embeddings=260, type_vocab_size=1, num_labels=2,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        id2label=LABELS, label2id={name: index for index, name in LABELS.items()},
    )  # fmt: skip
    model = RobertaForSequenceClassification(config)
    schedule = [batch for _ in range(options.passes) for batch in batches(chosen, rng, texts=64, tokens=2304)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=len(schedule))
    for batch in schedule:
        ids, mask, labels = tensors(batch)
        loss = cross_entropy(model(input_ids=ids, attention_mask=mask).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
    model.eval()
    judged = accuracy(model, encoded(read_rows(options.data / "sst2_dev.tsv")))
    logging.basicConfig(level=logging.INFO, force=True)
    LOG.info("%d steps, sst2_dev %.4f", len(schedule), judged)
    model.save_pretrained(options.out)


if __name__ == "__main__":
    main()
