"""Seconds, memory and estimate of explanations of 5 to 440 words, by words, by sentences, mixed, and of ten pairs.

``python -m tests.studies.long_texts --out FILE`` explains a review (``long_review.txt``) cut to several lengths with
the bundled model, each case in a process of its own and with the defaults but for the check by removal, which is left
out.  A case that is expected to take more than ``--longest`` seconds is not run; its estimate is kept.  ``--roberta``
does the same for a RoBERTa-base of random weights: its cost is that of a trained one.  ``--model FOLDER`` does it for
a model on the disk.  A case that FILE holds already is replaced, all others are kept.

Seconds do not contain the loading of the model; memory is the peak of the process less that after a text of two words.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihcli.attribution.evaluation import Request
from ihcli.attribution.orchestration import evaluate
from ihcli.attribution.path import Path as TextPath
from ihcli.benchmarks.published import article
from ihcli.pipeline import Explainer
from ihcli.results import Explanation
from ihcli.runtime.onednn import fast_products

REVIEW = (Path(__file__).parent / "long_review.txt").read_text(encoding="utf-8")
WORDS = (5, 23, 60, 120, 230, 440)
ROBERTA_WORDS = (23, 230)
BUNDLED, ROBERTA = "bundled", "roberta"
MODES: dict[str, dict[str, Any]] = {
    "words": {},
    "sentences": {"units": {"kind": "sentence"}},
    "auto": {"units": {"kind": "auto"}},
    "top 10": {"attribution": {"top": 10}},
}
CHOSEN = 19
"""Units of the ten strongest pairs of 230 words of the review, by the bundled model."""
ARTICLE_ROWS = 3
"""Rows of the article's procedure that are timed; it computes one for each token at each of 50 steps."""
SHORTEST_AUTO = 64
"""Shorter texts are explained by words by `--units auto` too."""


def review(words: int) -> str:
    """So many words of the review, from its beginning."""
    return " ".join(REVIEW.split()[:words])


def strongest(explanation: Explanation, count: int = 10) -> list[list[int]]:
    """The strongest pairs of two units, the strongest first."""
    return [[u, v] for u, v, _ in explanation.pairs()[:count]]


def roberta_base() -> tuple[torch.nn.Module, Any]:
    """RoBERTa-base with random weights, and a tokenizer."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    config = RobertaConfig(max_position_embeddings=514, type_vocab_size=1, id2label={0: "NEGATIVE", 1: "POSITIVE"})
    return RobertaForSequenceClassification(config).eval(), Explainer().classifier.tokenizer


def explainer_of(model: str, changes: dict[str, Any]) -> Explainer:
    """An explainer of the bundled model, of RoBERTa-base with random weights, or of a model on the disk."""
    if model == ROBERTA:
        return Explainer.from_model(*roberta_base(), config=changes)
    return Explainer(changes if model == BUNDLED else {"model": {"name": model}, **changes})


def measured(mode: str, words: int, longest: float, model: str) -> dict[str, Any]:
    """One case: what was expected, and what it took where that is not too long."""
    changes = {**MODES[mode]}
    changes["attribution"] = {"removal": False, **changes.get("attribution", {})}
    explainer = explainer_of(model, changes)
    text = review(words)
    explainer.explain("so dull")  # what is done once for a model
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    expected = explainer.estimate(text)
    row = {
        "words": words, "mode": mode, "units": expected.units, "expected_seconds": round(expected.seconds, 1),
        "expected_bytes": expected.bytes, "seconds_of_the_estimate": round(time.perf_counter() - started, 2),
    }  # fmt: skip
    if expected.seconds > longest:
        return row
    explainer = explainer_of(model, changes)
    explainer.explain("so dull")
    began, cpu = time.perf_counter(), time.process_time()
    found = explainer.explain(text)
    return row | {
        "units": len(found.units), "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "bytes": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),
        "hessians": found.quadrature.nodes, "gradients": found.quadrature.gradients,
        "products": found.quadrature.hessian_vector_products, "converged": found.converged,
        "strongest": strongest(found),
    }  # fmt: skip


def parts(words: int, model: str) -> dict[str, Any]:
    """Seconds of a gradient, of one Hessian of all units and of `CHOSEN` with all others as one, of an article's row.

    Random weights have no strongest pairs, so that `--top` would compute most rows: its cost is put together from
    these and from what it takes of a trained model.
    """
    explainer = explainer_of(model, {})
    text = review(words)
    prepared = explainer.prepare(text)
    engine, path = explainer.engine(prepared), prepared.switched.paths[0]
    some = path.merged(np.linspace(0, path.units - 1, CHOSEN).astype(int))

    def seconds(own: TextPath, nodes: int, order: int) -> float:
        started = time.perf_counter()
        evaluate(own, Request(np.linspace(0.2, 0.8, nodes), order), engine)
        return (time.perf_counter() - started) / nodes

    with fast_products():
        seconds(path, 1, 1)
        found = {"gradient": seconds(path, 4, 1), "chosen": seconds(some, 2, 2), "whole": seconds(path, 1, 2)}
    embedded = explainer.variant(baseline=explainer.config.baseline.model_copy(update={"kind": "pad"})).prepare(text)
    started = time.perf_counter()
    article(embedded.switched.score, embedded.switched.paths[0], steps=1, tokens=ARTICLE_ROWS)
    found["article_row"] = (time.perf_counter() - started) / ARTICLE_ROWS
    return {"words": words, "units": path.units, "chosen_units": CHOSEN + 1, "seconds": found}


def with_row(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows in the order of lengths and modes, with a new one in place of that of the same case."""
    others = [one for one in rows if (one["words"], one["mode"]) != (row["words"], row["mode"])]
    return sorted([*others, row], key=lambda one: (one["words"], list(MODES).index(one["mode"])))


def main() -> None:
    """Run every case in a process of its own, print it, and keep all."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.long_texts", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--roberta", dest="model", action="store_const", const=ROBERTA, default=BUNDLED)
    parser.add_argument("--model", metavar="FOLDER")
    parser.add_argument("--longest", type=float, default=600.0, help="seconds that one case may be expected to take")
    parser.add_argument("--words", type=int, nargs="*")
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--parts", action="store_true", help="time a gradient and single Hessians only")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--case", nargs=2, metavar=("MODE", "WORDS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.case:
        print(json.dumps(measured(asked.case[0], int(asked.case[1]), asked.longest, asked.model)))  # noqa: T201
        return
    if asked.parts:
        measured_parts = [parts(words, asked.model) for words in asked.words or ROBERTA_WORDS]
        print(json.dumps(measured_parts, indent=1))  # noqa: T201
        if asked.out is not None:
            asked.out.write_text(json.dumps(measured_parts, indent=1) + "\n", encoding="utf-8")
        return
    lengths = asked.words or (ROBERTA_WORDS if asked.model == ROBERTA else WORDS)
    model = Path(asked.model).name
    kept = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out is not None and asked.out.exists() else {}
    for words in lengths:
        for mode in asked.modes:
            if mode == "auto" and words <= SHORTEST_AUTO:
                continue
            command = [sys.executable, "-m", "tests.studies.long_texts", "--case", mode, str(words)]
            command += ["--longest", str(asked.longest), "--threads", str(asked.threads)]
            command += {BUNDLED: [], ROBERTA: ["--roberta"]}.get(asked.model, ["--model", asked.model])
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            print(json.dumps(row), flush=True)  # noqa: T201
            kept[model] = with_row(kept.get(model, []), row)
            if asked.out is not None:
                asked.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
