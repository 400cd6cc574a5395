"""Where the time of one Hessian goes: by operation, its tangents and its sums over pairs of units apart.

``python -m tests.studies.hessian_profile WORDS… --out FILE`` computes one Hessian of a review, cut to each length, by
the forward engine of the bundled model with value zeroing, and prints the share of each part.
"""

import argparse
import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ihcli.attribution.forward import ForwardEngine
from ihcli.curvature import program
from ihcli.curvature.forward_sweep import ForwardSweep
from ihcli.curvature.operation_rules import RULES
from ihcli.pipeline import Explainer
from tests.studies.long_texts import review

GROUPS = {
    "linear layers": "linear", "products of attention": "matmul", "softmax": "softmax", "GELU": "gelu",
    "layer norm": "layer_norm", "values and adjoints": "values and adjoints", "copying blocks": "blocks",
}  # fmt: skip
"""What the parts of the table consist of: operations by the beginning of their name; all others are one row more."""


class Stopwatch:
    """Seconds of named parts; a part within a part counts for the inner one only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inner = [0.0]

    def timed(self, name: Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time noted under the name that its arguments give."""

        def run(*arguments: Any, **named: Any) -> Any:
            self.inner.append(0.0)
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.perf_counter() - started
                self.seconds[name(*arguments)] += spent - self.inner.pop()
                self.inner[-1] += spent

        return run


def profile(words: int) -> dict[str, Any]:
    """The parts of one Hessian of so many words."""
    explainer = Explainer()
    prepared = explainer.prepare(review(words))
    engine, path = explainer.engine(prepared), prepared.switched.paths[0]
    assert isinstance(engine, ForwardEngine)
    t = torch.tensor([0.4])
    engine.evaluate(path, t, 1)
    watch = Stopwatch()
    kept = ForwardSweep.square_term, ForwardSweep.pair_term, program.reverse_sweep
    ForwardSweep.square_term = watch.timed(lambda _, node, *__: f"{node.name}: pairs", kept[0])  # type: ignore[method-assign]
    ForwardSweep.pair_term = watch.timed(lambda _, node, *__: f"{node.name}: pairs", kept[1])  # type: ignore[method-assign]
    program.reverse_sweep = watch.timed(lambda *_: "values and adjoints", kept[2])  # type: ignore[assignment]
    rules = dict(RULES)
    for name, rule in rules.items():
        carry = watch.timed(lambda _, node: f"{node.name}: tangents", rule.carry)
        RULES[name] = dataclasses.replace(rule, carry=carry)
    try:
        started = time.perf_counter()
        engine.evaluate(path, t, 2)
        whole = time.perf_counter() - started
    finally:
        RULES.update(rules)
        ForwardSweep.square_term, ForwardSweep.pair_term, program.reverse_sweep = kept  # type: ignore[method-assign]
    started = time.perf_counter()
    engine.evaluate(path, t, 1)
    gradient = time.perf_counter() - started
    parts = dict(sorted(watch.seconds.items(), key=lambda part: -part[1]))
    parts["blocks, and what has no rule"] = whole - sum(parts.values())
    return {"words": words, "units": path.units, "seconds": whole, "gradient": gradient, "parts": parts}


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The share of each group in the time of a Hessian, as a table with a column for each length."""

    def share(one: Mapping[str, Any], start: str) -> float:
        return sum(seconds for name, seconds in one["parts"].items() if name.startswith(start)) / one["seconds"]

    rows = {name: [share(one, start) for one in found] for name, start in GROUPS.items()}
    rows["other operations"] = [1 - sum(row[k] for row in rows.values()) for k in range(len(found))]
    seconds = " | ".join(f"{one['seconds']:.2g} s" for one in found)
    lines = [f"| | {' | '.join(str(one['units']) for one in found)} units |", "|---" * (len(found) + 1) + "|"]
    lines += [f"| one Hessian | {seconds} |"]
    lines += [
        f"| {name} | {' | '.join(f'{value:.0%}'.replace('%', ' %') for value in row)} |" for name, row in rows.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and keep all parts."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.hessian_profile", description=__doc__)
    parser.add_argument("words", type=int, nargs="+")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = [profile(words) for words in asked.words]
    print(table(found))  # noqa: T201
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
