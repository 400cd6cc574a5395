"""CPU seconds of four labels explained together, against four separate runs, in a warm process on one thread.

``python -m tests.studies.labels --out outputs/benchmarks/labels.json`` explains a text of seven words with random BERT
classifiers of four labels (``--size`` hidden units and layers, as 128x2), with and without the check by removal.
``first`` is the first time in a process, when each way traces its computations; ``again`` is the least time of
``--repeats`` further ones, in turn with the other way.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import ihcli

TEXT = "A charming disaster from start to finish"
LABELS = 4
SIZES = ("128x2", "256x4")


def save_classifier(size: str, folder: str) -> None:
    """A random classifier of four labels with the tokenizer of the bundled model."""
    tokenizer = ihcli.Explainer().classifier.tokenizer
    hidden, layers = (int(part) for part in size.split("x"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 32,
        intermediate_size=4 * hidden, num_labels=LABELS, initializer_range=0.08,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def compared(size: str, repeats: int, *, removal: bool) -> dict[str, Any]:
    """The least CPU time of both ways, and their ratio."""
    settings = {"attribution": {"removal": removal}}
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(size, folder)
        together, *apart = (
            ihcli.Explainer({"model": {"name": folder}, "target": {"label": label}, **settings})
            for label in ("predicted", *range(LABELS))
        )

    def shared() -> None:
        together.explain_labels(TEXT)

    def separate() -> None:
        for one in apart:
            one.explain(TEXT)

    first = seconds(shared), seconds(separate)
    times = [(seconds(shared), seconds(separate)) for _ in range(repeats)]
    again = [min(column) for column in zip(*times, strict=True)]
    ways = {"first": first, "again": again}
    return {"size": size, "removal": removal} | {
        name: {"together": round(one, 3), "separate": round(other, 3), "ratio": round(one / other, 3)}
        for name, (one, other) in ways.items()
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", help=f"hidden units and layers (default: {', '.join(SIZES)})")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        compared(size, arguments.repeats, removal=removal)
        for size in arguments.size or SIZES
        for removal in (True, False)
    ]
    print(json.dumps(rows, indent=1))  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
