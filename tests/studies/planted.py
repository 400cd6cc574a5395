"""Planted truth: which method finds interactions that are known to be there?

``python -m tests.studies.planted`` trains a tiny transformer for each task of `planted_tasks` (once; kept in
``--cache``, by default a folder under the system's temporary one), refuses those below 98 % on held-out texts, explains
held-out texts by every method and baseline of `planted_methods`, and prints for each the rank of the true partner (0 is
best), precision at k (k: as many as are planted) and the area under the ROC curve over pairs, each a mean over texts
with its 95 % interval.  Methods over the game of deletion share its evaluations, whose time the first of them bears.
Results are kept beside the models, so that a run that was stopped goes on; ``--again`` starts anew.
"""

import argparse
import json
import logging
import random
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from ihcli.evaluation.intervals import bootstrap
from tests.studies import planted_methods
from tests.studies.planted_models import RECORD, trained
from tests.studies.planted_ranking import partner_rank, precision_at_k, roc_area
from tests.studies.planted_tasks import TASKS, Example, Task

LOG = logging.getLogger("planted")
RANKS = "ranks.jsonl"
MEASURES = {"rank": partner_rank, "precision": precision_at_k, "auc": roc_area}
HEADINGS = {"rank": "rank of partner ↓", "precision": "precision at k ↑", "auc": "ROC area ↑"}


def rank(task: Task, entry: planted_methods.Entry, examples: Sequence[Example]) -> dict[str, Any]:
    """The measures of one method on one task, a value a text, with the seconds that it took."""
    started = time.monotonic()
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for example in examples:
        _, matrix = entry.explain(example.text)
        if len(matrix) != len(example.words):
            message = f"{example.text!r} has {len(example.words)} words and a matrix of {len(matrix)} units"
            raise ValueError(message)
        for name, measure in MEASURES.items():
            found[name].append(measure(matrix, example.pairs))
    return {
        "task": task.name, "method": entry.method, "absence": entry.absence, "texts": len(examples),
        "seconds": round(time.monotonic() - started, 2), "missed": getattr(entry.explain, "missed", 0), **found,
    }  # fmt: skip


def table(rows: Iterable[dict[str, Any]]) -> str:
    """The results as a Markdown table: a row a task and method, in the order of the results."""
    lines = [
        "| task | method | absence | " + " | ".join(HEADINGS.values()) + " | seconds a text |",
        "|---|---|---|" + "---|" * (len(HEADINGS) + 1),
    ]
    for row in rows:
        cells = [row["task"], row["method"], row["absence"]]
        for name in MEASURES:
            interval = bootstrap(row[name])
            cells.append(f"{interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f})")
        cells.append(f"{row['seconds'] / row['texts']:.2g}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_table(rows: Sequence[dict[str, Any]]) -> str:
    """The mean over tasks of each measure, best rank first; only methods that every task has."""
    tasks = {row["task"] for row in rows}
    by_method: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_method.setdefault((row["method"], row["absence"]), []).append(row)
    lines = [f"| method | absence | {' | '.join(HEADINGS.values())} |", "|---|---|" + "---|" * len(HEADINGS)]
    means = []
    for key, own in by_method.items():
        if {row["task"] for row in own} == tasks:
            means.append((key, [sum(bootstrap(row[name]).estimate for row in own) / len(own) for name in MEASURES]))
    for key, values in sorted(means, key=lambda one: one[1][0]):
        lines.append(f"| {key[0]} | {key[1]} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return "\n".join(lines)


def _recorded(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _wanted(entry: planted_methods.Entry, methods: Sequence[str]) -> bool:
    return not methods or entry.method in methods or f"{entry.method}:{entry.absence}" in methods


def main() -> None:
    """Parse the command line, train what is missing, rank, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(tempfile.gettempdir()) / "ih-planted"
    parser.add_argument("--cache", type=Path, default=default, help=f"folder of models and results ({default})")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument(
        "--methods", nargs="+", default=[], help="names, or name:absence, such as ih:mask; all by default"
    )
    parser.add_argument("--texts", type=int, default=50, help="held-out texts a task")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--seconds", type=float, help="stop training a model after so long; the next run goes on")
    parser.add_argument("--again", action="store_true", help="explain again what has results")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    file = options.cache / RANKS
    for name in options.tasks:
        task = TASKS[name]
        folder = trained(task, options.cache, options.seconds)
        if folder is None:
            LOG.info("%s: not trained yet; run the command again to go on", name)
            continue
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        LOG.info("%s: accuracy %.4f on %d held-out texts", name, record["accuracy"], record["judged_on"])
        if options.train_only:
            continue
        weights = zlib.crc32((folder / "model.safetensors").read_bytes())
        examples = task.distinct(random.Random(3), options.texts, planted=True)  # noqa: S311  (texts, no secrets)
        for entry in planted_methods.table(folder):
            key = {"task": name, "method": entry.method, "absence": entry.absence, "texts": options.texts,
                   "weights": weights}  # fmt: skip
            done = any(key.items() <= row.items() for row in _recorded(file))
            if not _wanted(entry, options.methods) or (done and not options.again):
                continue
            row = rank(task, entry, examples) | key
            with file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            LOG.info("%s %s %s: %.1f s, %d not to tolerance", *list(key.values())[:3], row["seconds"], row["missed"])
    if not options.train_only:
        latest = {(r["task"], r["method"], r["absence"]): r for r in _recorded(file) if r["texts"] == options.texts}
        rows = [row for row in latest.values() if row["task"] in options.tasks]
        print(table(rows))  # noqa: T201
        print()  # noqa: T201
        print(mean_table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
