"""How the cost of one row of H grows: with the tokens of a text, and with its units at a fixed number of tokens."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure

from ihcli.pipeline import Explainer

TOKENS = (8, 16, 32, 64, 128, 256)
UNITS = (2, 4, 8, 16, 32, 64)
UNIT_TOKENS = 64
SENTENCE = "the film was not bad and we did like it a lot but never once did they tell me why"
NODES = 4
"""Nodes of a timed batch, for texts of up to `UNIT_TOKENS` tokens."""
REPEATS = 5
SLOW = 2.0
"""Seconds from which a measurement is repeated only once."""


@dataclass(frozen=True, slots=True)
class Point:
    """Median seconds of one node: of its whole Hessian, of one of its rows, and of its gradient."""

    tokens: int
    units: int
    hessian_seconds: float
    row_seconds: float
    gradient_seconds: float
    engine: str

    @property
    def row_gradients(self) -> float:
        """A row in gradients of the same batch."""
        return self.row_seconds / self.gradient_seconds


def words(count: int) -> str:
    """A text of so many words, each one token of the bundled model."""
    known = SENTENCE.split()
    return " ".join(known[i % len(known)] for i in range(count))


def against_tokens(explainer: Explainer, tokens: Sequence[int] = TOKENS) -> Iterator[Point]:
    """One unit a word; texts of so many words."""
    for count in tokens:
        yield _point(explainer, count, count)


def against_units(explainer: Explainer, units: Sequence[int] = UNITS, tokens: int = UNIT_TOKENS) -> Iterator[Point]:
    """The same text cut into fewer and fewer units."""
    for count in units:
        yield _point(explainer, tokens, count)


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of log y over log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _point(explainer: Explainer, tokens: int, units: int) -> Point:
    prepared = explainer.prepare(words(tokens))
    groups = prepared.encoded.groups.clone()
    inside = groups >= 0
    groups[inside] = (torch.arange(int(inside.sum())) * units) // int(inside.sum())
    path = dataclasses.replace(prepared.switched.paths[0], groups=groups, units=units)
    nodes = NODES if tokens <= UNIT_TOKENS else 1
    t = torch.linspace(0.1, 0.9, nodes, dtype=path.delta.dtype, device=path.delta.device)
    engine = explainer.engine(prepared)
    gradient = median_seconds(lambda: engine.evaluate(path, t, order=1)) / nodes
    hessian = median_seconds(lambda: engine.evaluate(path, t, order=2)) / nodes
    return Point(tokens, path.units, hessian, hessian / path.units, gradient, engine.name)


def median_seconds(run: Callable[[], object], *, warm: bool = False) -> float:
    """The median of the seconds of a few runs, fewer if they are slow. Unless `warm`, a first run is not counted."""
    if not warm:
        run()
    seconds: list[float] = []
    while len(seconds) < REPEATS:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
        if seconds[-1] > SLOW and len(seconds) > 1:
            break
    return statistics.median(seconds)


def figure(tokens: Sequence[Point], units: Sequence[Point]) -> Figure:
    """Two panels: seconds a row against tokens, and seconds a Hessian against units, with their exponents."""
    sheet = Figure(figsize=(8.0, 3.6), layout="constrained")
    left, right = sheet.subplots(1, 2)
    rows = [p.row_seconds for p in tokens]
    left.plot([p.tokens for p in tokens], rows, "o-", color="#1f6fb2")
    left.set_xlabel("tokens")
    left.set_ylabel("seconds a row and node")
    left.set_title(f"row: exponent {exponent([p.tokens for p in tokens], rows):.2f}", fontsize=9)
    whole = [p.hessian_seconds for p in units]
    right.plot([p.units for p in units], whole, "o-", color="#1f6fb2")
    right.set_xlabel(f"units ({units[0].tokens} tokens)")
    right.set_ylabel("seconds a Hessian")
    right.set_title(f"Hessian: exponent {exponent([p.units for p in units], whole):.2f}", fontsize=9)
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.grid(visible=True, color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.tick_params(labelsize=8)
    return sheet
