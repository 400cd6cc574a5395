"""Measure the engine's choices: is every certificate true, and what does it cost.

``python -m tests.studies.accuracy --out FILE --model MODEL`` explains thirty-six texts against five baselines at three
tolerances in single precision, each beside a reference in double precision at a tolerance ten times finer than the
finest.  A line of JSON a case is appended to FILE; a run that was stopped goes on where it stopped.  ``--summary``
prints what FILE says.  ``--references DIR`` keeps the references, most of the time, for the next state of the engine.
"""

import argparse
import hashlib
import itertools
import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihcli.pipeline import Explainer
from ihcli.results import Explanation

TEXTS = (
    "superb",
    "not good",
    "never boring",
    "this movie was not bad",
    "this movie was bad",
    "hardly a masterpiece, is it?",
    "I would not call it dull",
    "A charming disaster from start to finish",
    "nobody will ever regret missing this mess",
    "without the score it would be nothing",
    "it's so bad it's almost good",
    "well acted, badly written and far too long",
    "the plot is thin but the acting is wonderful",
    "a film that nobody asked for and everybody will enjoy",
    "not once did I feel that my time was wasted",
    "an unforgettable film that I would love to forget as soon as possible",
    "I expected nothing from the trailer and still managed to be let down",
    "the jokes that land are funny, the ones that do not are painful, and there are many",
    "I thought it would be terribly boring, but the second half was not bad at all and the ending made me cry",
    (
        "despite a clumsy script and a director who seems asleep for most of the running time, the two leads give so "
        "much warmth to their scenes that I left the cinema smiling"
    ),
    (
        "there is a good film somewhere in these two hours, but nobody involved seems to have looked for it; the "
        "camera wanders, the music shouts, the dialogue explains what we have just seen, and only the quiet scenes at "
        "the lake, which last for less than ten minutes, show what it might have been had anyone dared to stop talking"
    ),
    "not funny",
    "utterly predictable",
    "I have seen worse",
    "nothing here is worth your time",
    "a bore from its first frame",
    "the cast saves what the script ruins",
    "slow, cold and strangely beautiful",
    "no laughs, no thrills and no point",
    "it could have been great, and it is not",
    "my children loved it and I slept through it",
    "for once the sequel is better than the film before it",
    "a lovely idea, ruined by an ending that makes no sense at all",
    "you will either adore its silence or leave before the first word is spoken",
    "the effects are dated and the dialogue is worse, and yet I could not look away for a moment",
    (
        "less a story than a row of pretty pictures, it runs for two and a half hours and has not one idea that a "
        "better film of last year did not have before it"
    ),
)
"""Negation, contrast, irony, one word, long sentences; 1 to 60 words, none of them tuned for."""
BASELINES = ("value-zeroing", "pad", "mask", "unk", "zero")
TOLERANCES = (0.1, 0.01, 0.001)
REFERENCE_TOLERANCE = 1e-4
MOST_NODES = 512
DOUBLE_UNITS = 14
"""Texts of up to so many units are also explained in double precision at the default tolerance."""


def run(
    model: str,
    out: Path,
    texts: tuple[str, ...] = TEXTS,
    name: str | None = None,
    references: Path | None = None,
    baselines: Sequence[str] = BASELINES,
) -> None:
    """Measure every case that `out` does not hold yet, the short texts first; cases bear `name`, by default `model`."""
    name = name or model
    done = {(case["model"], case["baseline"], case["text"]) for case in read(out)}
    out.parent.mkdir(parents=True, exist_ok=True)
    explainers = {kind: _explainers(model, kind) for kind in baselines}
    for text in sorted(texts, key=lambda text: len(text.split())):
        for kind in baselines:
            if (name, kind, text) in done:
                continue
            single, double = explainers[kind]
            kept = None if references is None else references / _file(single.classifier.info.weights_sha256, kind, text)
            case = {"model": name, "baseline": kind, "text": text, **_case(single, double, text, kept)}
            with out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(case, ensure_ascii=False) + "\n")


def _explainers(model: str, kind: str) -> tuple[Explainer, Explainer]:
    """One in single precision, and one in double precision for the reference."""
    values = {"model": {"name": model}, "baseline": {"kind": kind},
              "attribution": {"max_nodes": MOST_NODES, "removal": False}}  # fmt: skip
    attribution = {"tolerance": REFERENCE_TOLERANCE, "max_nodes": 8 * MOST_NODES, "removal": False}
    exact = {**values, "model": {"name": model, "dtype": "float64"}, "attribution": attribution}
    return Explainer(values), Explainer(exact)


def _file(weights: str, kind: str, text: str) -> str:
    """Where the reference of a case is kept: under its weights, so that a model trained anew gets its own."""
    return hashlib.sha256(f"{weights}\0{kind}\0{text}".encode()).hexdigest()[:16] + ".npz"


def _case(single: Explainer, double: Explainer, text: str, kept: Path | None) -> dict[str, Any]:
    if kept is not None and kept.exists():
        with np.load(kept) as known:
            truth, nodes, converged = known["ih"], int(known["nodes"]), bool(known["converged"])
    else:
        reference = double.explain(text)
        truth, nodes, converged = reference.ih, reference.quadrature.nodes, reference.converged
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, ih=truth, nodes=nodes, converged=converged)
    case: dict[str, Any] = {
        "units": len(truth),
        "reference": {"nodes": nodes, "converged": converged},
        "runs": [_against(single.at_tolerance(t).explain(text), truth) for t in TOLERANCES],
    }
    if len(truth) <= DOUBLE_UNITS:
        same = double.at_tolerance(TOLERANCES[1]).explain(text)
        other = single.at_tolerance(TOLERANCES[1]).explain(text)
        case["precision"] = float(np.abs(same.ih - other.ih).max() / np.abs(truth).max())
    return case


def _against(found: Explanation, truth: NDArray[np.float64]) -> dict[str, Any]:
    size = float(np.abs(found.ih).max())
    c, q = found.certificate, found.quadrature
    full = q.nodes * len(found.units)
    return {
        "tolerance": c.tolerance,
        "converged": c.converged,
        "error": float(np.abs(found.ih - truth).max() / np.abs(truth).max()),
        "estimate": max(c.quadrature_error, c.row_gap) / size,
        "nodes": q.nodes,
        "gradients": q.gradients,
        "extra": (q.hessian_vector_products - full) / full,
        "rule": q.rule,
    }


def read(file: Path) -> list[dict[str, Any]]:
    """The cases of a file; none when there is no file yet."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def summary(cases: list[dict[str, Any]]) -> Iterator[str]:
    """What the cases say, a line a tolerance; then precision."""
    for tolerance in TOLERANCES:
        runs = [run for case in cases for run in case["runs"] if run["tolerance"] == tolerance]
        good = [run for run in runs if run["converged"]]
        nodes = [run["nodes"] for run in runs]
        yield (
            f"tolerance {tolerance:g}: {len(good)} of {len(runs)} converged; true error at most "
            f"{max(run['error'] for run in good):.2g}, above the tolerance in "
            f"{sum(run['error'] > tolerance for run in good)}, above the estimate in "
            f"{sum(run['error'] > run['estimate'] for run in good)}; Hessians median {statistics.median(nodes):g}, "
            f"most {max(nodes)}; probes in {sum(run['extra'] > 0 for run in runs)}, adding "
            f"{statistics.mean(run['extra'] for run in runs):.2f} of the products (mean), "
            f"{max(run['extra'] for run in runs):.2f} (most); gradients median "
            f"{statistics.median(run['gradients'] for run in runs):g}"
        )
    precisions = [case["precision"] for case in cases if "precision" in case]
    if precisions:
        yield (
            f"float32 and float64 differ by at most {max(precisions):.2g} of the largest entry "
            f"({len(precisions)} cases)"
        )


def main() -> None:
    """Run, or summarize."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of the cases (JSON lines)")
    parser.add_argument("--model", default="bundled", help="`bundled` or a model's folder")
    parser.add_argument("--name", help="what the file calls the model; by default what --model says")
    parser.add_argument("--references", type=Path, help="folder of references to keep, and to take where they are")
    parser.add_argument("--baseline", action="append", choices=BASELINES, help="a baseline; all by default")
    parser.add_argument("--texts", type=int, default=len(TEXTS), help="explain the N shortest texts only")
    parser.add_argument("--summary", action="store_true", help="only print what the file says")
    options = parser.parse_args()
    if not options.summary:
        texts = tuple(sorted(TEXTS, key=lambda text: len(text.split()))[: options.texts])
        chosen = options.baseline or BASELINES
        run(options.model, options.out, texts, options.name, options.references, chosen)
    cases = read(options.out)
    kinds = {"value zeroing": {"value-zeroing"}, "embeddings": set(BASELINES) - {"value-zeroing"}}
    for model, absence in itertools.product(sorted({case["model"] for case in cases}), kinds):
        own = [case for case in cases if case["model"] == model and case["baseline"] in kinds[absence]]
        if not own:
            continue
        print(f"{model}, {absence}: {len(own)} cases, {len({case['text'] for case in own})} texts")  # noqa: T201
        for line in summary(own):
            print(f"  {line}")  # noqa: T201


if __name__ == "__main__":
    main()
