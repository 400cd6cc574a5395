"""The published procedures and this package's (`ours`) on the same texts, model and machine: seconds, Hessians, error.

`ours` runs as the command line does, on the path of embeddings that the published procedures use, and `value-zeroing`
with that baseline, where the model allows it; the published procedures run on PyTorch's own products, as their users'
do.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ihcli.attribution.evaluation import ScalarField
from ihcli.attribution.path import Path
from ihcli.benchmarks import published
from ihcli.benchmarks.published import Outcome
from ihcli.config import BaselineSection, RunConfig
from ihcli.explanation_record import environment
from ihcli.pipeline import Explainer
from ihcli.results import Environment, Explanation
from ihcli.runtime.onednn import fast_products

Array = NDArray[np.float64]
TEXTS = (
    "this movie was not bad",
    "A charming disaster from start to finish",
    "I thought it would be terribly boring, but the second half was not bad at all and the ending made me cry",
)
"""The article's two examples and a sentence of 21 tokens."""
GOAL = 0.01
"""The true error that every procedure is asked to reach."""
ARTICLE_STEPS = 50
PAPER_SAMPLES = (49, 256, 1024)
GRID_ORDERS = (4, 7, 10, 14, 20, 28, 40)
TOLERANCES = (0.1, 0.01, 0.001)
REFERENCE_TOLERANCE = 1e-5
REPEATS = 3
AT_GOAL = f"tolerance {GOAL:g}"
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one procedure.

    `seconds` is the time of the whole matrix. If only a `share` of the work was run, it is scaled up, and `error`, the
    largest error of an entry as a share of the largest entry, is unknown (NaN). `correlation` is that of the entries
    off the diagonal with the reference's.
    """

    procedure: str
    effort: str
    hessians: int
    products: int
    seconds: float
    error: float
    correlation: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Reach:
    """The seconds that a procedure needs to a true error of `GOAL`.

    `how`: `measured`, `extrapolated` from the known rate of convergence, `at least` (not reached within the budget), or
    `never` (it computes another quantity).
    """

    procedure: str
    seconds: float
    how: str


@dataclass(frozen=True, slots=True)
class Text:
    """The measurements of one text; `first_seconds` is the time of `ours` with the model not yet traced."""

    text: str
    tokens: int
    units: int
    first_seconds: float
    measurements: tuple[Measurement, ...]
    reaches: tuple[Reach, ...]

    def ratio(self, procedure: str) -> float:
        """How many times longer than `ours` a procedure takes: to `GOAL`, or as published (the article's)."""
        ours = self._seconds("ours")
        if procedure == "value-zeroing":
            return next(m for m in self.measurements if m.procedure == procedure and m.effort == AT_GOAL).seconds / ours
        if procedure.startswith("article"):
            return next(m.seconds for m in self.measurements if m.procedure == procedure) / ours
        return self._seconds(procedure) / ours

    def _seconds(self, procedure: str) -> float:
        return next(r.seconds for r in self.reaches if r.procedure == procedure)


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of `ih bench`."""

    model: str
    architecture: str
    dtype: str
    threads: int
    environment: Environment
    texts: tuple[Text, ...]


def measure(config: RunConfig, texts: tuple[str, ...] = TEXTS, budget: float = 60.0, say: Say = print) -> Bench:
    """Run every procedure on every text; a measurement that would take over `budget` seconds is not begun."""
    config = on_embeddings(config)
    explainer = Explainer(config)
    exact = Explainer(_exact(config))
    found = tuple(_text(explainer, exact, text, budget, say) for text in texts)
    info = explainer.classifier.info
    return Bench(info.name, info.architecture, info.dtype, torch.get_num_threads(),
                 environment(explainer.classifier.device), found)  # fmt: skip


def on_embeddings(config: RunConfig) -> RunConfig:
    """The configuration for the published procedures: a path of embeddings, by default from the pad baseline."""
    values = config.to_dict()
    if values["baseline"]["kind"] == "auto":
        values["baseline"]["kind"] = "pad"
    values["attribution"]["removal"] = False
    return RunConfig.of(values)


def _exact(config: RunConfig) -> RunConfig:
    """The configuration of the reference: double precision, and a tolerance far below those that are measured."""
    values = config.to_dict()
    values["model"]["dtype"] = "float64"
    values["attribution"] |= {"tolerance": REFERENCE_TOLERANCE, "max_nodes": 4096}
    return RunConfig.of(values)


def _text(explainer: Explainer, exact: Explainer, text: str, budget: float, say: Say) -> Text:
    say(f"{text}: reference")
    truth = exact.explain(text).ih
    with fast_products():
        explanation, first = _timed(partial(explainer.explain, text))
    path = explainer.prepare(text).switched.paths[0]
    runs: list[Measurement] = []
    for one in _all(explainer, exact, text, path, truth, budget):
        say(f"{text}: {one.procedure}, {one.effort}: {one.seconds:.3g} s, error {one.error:.2g}")
        runs.append(one)
    return Text(text, int((path.groups >= 0).sum()), len(explanation.units), first, tuple(runs), tuple(reaches(runs)))


def _all(
    explainer: Explainer, exact: Explainer, text: str, path: Path, truth: Array, budget: float
) -> Iterator[Measurement]:
    score = explainer.prepare(text).switched.score
    yield from ours(explainer, text, truth)
    yield from on_values(explainer, exact, text)
    tokens = int((path.groups >= 0).sum())
    row = _timed(lambda: published.article(score, path, 1, tokens=1))[1]
    yield _article(score, path, truth, row * ARTICLE_STEPS * tokens, budget)
    steps = max(1, min(ARTICLE_STEPS, int(math.sqrt(budget / 4 / (row * tokens)))))
    sample, seconds = _timed(lambda: published.article_double(score, path, steps))
    scale = (ARTICLE_STEPS / steps) ** 2
    yield Measurement("article-double", f"{ARTICLE_STEPS} × {ARTICLE_STEPS} steps", ARTICLE_STEPS**2,
                      ARTICLE_STEPS**2 * tokens, seconds * scale, math.nan,
                      _correlation(sample.matrix, truth), 1 / scale)  # fmt: skip
    yield from _until(
        "paper", "samples", PAPER_SAMPLES, lambda n: published.paper(score, path, n), lambda n: n, truth, budget
    )
    yield from _until(
        "product-grid", "a side", GRID_ORDERS, lambda n: published.product_grid(score, path, n), lambda n: n * n, truth,
        budget,
    )  # fmt: skip


def on_values(explainer: Explainer, exact: Explainer, text: str) -> Iterator[Measurement]:
    """Whole explanations by value zeroing against a reference of that matrix, where the model allows it."""
    if explainer.config.baseline.kind != "value-zeroing" and explainer.classifier.value_plan().refusal is None:
        baseline = BaselineSection(kind="value-zeroing")
        truth = exact.variant(baseline=baseline).explain(text).ih
        yield from ours(explainer.variant(baseline=baseline), text, truth, "value-zeroing")


def ours(explainer: Explainer, text: str, truth: Array, name: str = "ours") -> Iterator[Measurement]:
    """Whole explanations (encoding, checks of the model, prediction, integral), the median of a few."""
    for tolerance in TOLERANCES:
        some = explainer.at_tolerance(tolerance)
        with fast_products():  # as the command line does
            runs: list[tuple[Explanation, float]] = [_timed(partial(some.explain, text)) for _ in range(REPEATS)]
        found = runs[0][0]
        yield Measurement(
            name, f"tolerance {tolerance:g}", found.quadrature.nodes, found.quadrature.hessian_vector_products,
            statistics.median(seconds for _, seconds in runs), _error(found.ih, truth), _correlation(found.ih, truth),
        )  # fmt: skip


def _article(score: ScalarField, path: Path, truth: Array, expected: float, budget: float) -> Measurement:
    tokens = int((path.groups >= 0).sum())
    share = min(1.0, budget / expected)
    steps = max(1, round(ARTICLE_STEPS * share)) if share < 1 else ARTICLE_STEPS
    found, seconds = _timed(lambda: published.article(score, path, steps))
    scale = ARTICLE_STEPS / steps
    return Measurement("article", f"{ARTICLE_STEPS} steps", ARTICLE_STEPS, ARTICLE_STEPS * tokens, seconds * scale,
                       _error(found.matrix, truth) if scale == 1 else math.nan, _correlation(found.matrix, truth),
                       1 / scale)  # fmt: skip


def _until(
    name: str, unit: str, efforts: tuple[int, ...], run: Callable[[int], Outcome], work: Callable[[int], int],
    truth: Array, budget: float,
) -> Iterator[Measurement]:  # fmt: skip
    """Raise the effort until the goal is met or the next run would take too long."""
    rate = 0.0
    for effort in efforts:
        if rate * work(effort) > budget:
            return
        found, seconds = _timed(partial(run, effort))
        rate = seconds / work(effort)
        error = _error(found.matrix, truth)
        yield Measurement(
            name, f"{effort} {unit}", found.hessians, found.products, seconds, error, _correlation(found.matrix, truth)
        )
        if error <= GOAL:
            return


def reaches(runs: Sequence[Measurement]) -> Iterator[Reach]:
    """The time of each procedure to `GOAL`, from its measurements on one text."""
    certified = next(m for m in runs if m.procedure == "ours" and m.effort == AT_GOAL)
    yield Reach("ours", certified.seconds, "measured" if certified.error <= GOAL else "at least")
    yield Reach("article", math.inf, "never")
    for name in ("paper", "product-grid"):
        own = [m for m in runs if m.procedure == name]
        last = own[-1]
        if last.error <= GOAL:
            yield Reach(name, last.seconds, "measured")
        elif name == "paper":  # the plain mean converges as 1/√k: four times the samples for half of the error
            yield Reach(name, last.seconds * (last.error / GOAL) ** 2, "extrapolated")
        else:
            yield Reach(name, last.seconds, "at least")


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started


def _error(matrix: Array, truth: Array) -> float:
    return float(np.abs(matrix - truth).max() / np.abs(truth).max())


def _correlation(matrix: Array, truth: Array) -> float:
    """Of the entries off the diagonal; NaN where there are too few."""
    apart = ~np.eye(len(truth), dtype=bool)
    if len(truth) < 3:  # noqa: PLR2004  (one pair twice correlates with anything)
        return math.nan
    return float(np.corrcoef(matrix[apart], truth[apart])[0, 1])
