"""CPU seconds of one explanation with the defaults, in a warm process on one thread.

``python -m tests.studies.speed --out outputs/benchmarks/default_times.json`` explains three texts of the bundled model,
each once to trace it and three times more, and keeps the least time, with and without the check by removal.  Another
state of the engine is measured with its folder first in PYTHONPATH and ``--integral-only`` where it has no check.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from ihcli.pipeline import Explainer

TEXTS = (
    "this movie was not bad",
    "A charming disaster from start to finish",
    "I thought it would be terribly boring, but the second half was not bad at all and the ending made me cry",
)
REPEATS = 3


def timed(explainer: Explainer, text: str) -> dict[str, Any]:
    """The least CPU time of a text, and what it took."""
    found, seconds = explainer.explain(text), []
    for _ in range(REPEATS):
        started = time.process_time()
        found = explainer.explain(text)
        seconds.append(time.process_time() - started)
    counts = {"hessians": found.quadrature.nodes, "gradients": found.quadrature.gradients}
    return {"units": len(found.units), "seconds": round(min(seconds), 3), **counts}


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--integral-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"integral": {} if arguments.integral_only else {"attribution": {"removal": False}}}
    if not arguments.integral_only:
        settings["with removal"] = {}
    rows = {name: [timed(Explainer(config), text) for text in TEXTS] for name, config in settings.items()}
    print(json.dumps(rows, indent=1))  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
