"""Which pairs of features a network lets interact: the simulation of Janizek, Sturmfels and Lee (JMLR 2021).

Ten features from a standard Gaussian, and a target that is the sum over twenty of their 45 pairs of c·g(x_i, x_j), one
kind g a data set, c from a Gaussian, scaled to unit variance.  Three layers of 64 ReLU units learn it.  The trained
network, its ReLU replaced by a softplus of sharpness 10 as in the paper, is explained at test points from the baseline
zero; the mean of |Γ_ij| over the points ranks the pairs, and the planted ones must come first.

    python configs/examples/simulated_pairs.py outputs/examples
"""

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import ihcli

FEATURES, PAIRS, UNITS = 10, 20, 64
KINDS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": lambda a, b: a * b,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "cossum": lambda a, b: (a + b).cos(),
    "tanhsum": lambda a, b: (a + b).tanh(),
}


@dataclass(frozen=True)
class Size:
    """How much is drawn, trained and explained, and how sharp the softplus is that stands for ReLU."""

    samples: int = 5000
    epochs: int = 200
    explained: int = 100
    sharpness: int = 10


@dataclass(frozen=True)
class Outcome:
    """One kind: what the network explains of the test variance, and how the pairs were found."""

    kind: str
    r_squared: float
    """Of the network on the test points."""
    surrogate_gap: float
    """Mean change of f(x) - f(0) by the softplus, as a share of its mean size."""
    strengths: list[float]
    """Mean |Γ_ij| of the 45 pairs, i < j, row by row."""
    coefficients: list[float]
    """The planted |c|, zero where nothing was planted."""
    auc: float
    """The chance that a planted pair is ranked before one that is not."""
    first_ten: float
    """The share of planted pairs among the ten strongest."""
    converged: float
    """The share of points whose certificate held."""


def simulate(kind: str, samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, 10), targets (N,) and the coefficients (10, 10), upper triangle, zero where nothing is planted."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, FEATURES, generator=generator)
    rows, columns = torch.triu_indices(FEATURES, FEATURES, offset=1)
    chosen = torch.randperm(len(rows), generator=generator)[:PAIRS]
    coefficients = torch.zeros(FEATURES, FEATURES)
    coefficients[rows[chosen], columns[chosen]] = torch.randn(PAIRS, generator=generator)
    y = torch.zeros(samples)
    for i, j in coefficients.nonzero().tolist():
        y += coefficients[i, j] * KINDS[kind](x[:, i], x[:, j])
    return x, (y - y.mean()) / y.std(), coefficients / y.std()


def network(seed: int) -> nn.Sequential:
    """Three layers of 64 ReLU units and one output."""
    torch.manual_seed(seed)
    widths = [FEATURES, UNITS, UNITS, UNITS]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(UNITS, 1))


def train(model: nn.Sequential, x: Tensor, y: Tensor, epochs: int, batch: int = 128) -> None:
    """Adam with a cosine schedule on the squared error."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(x)), batch):
            optimizer.zero_grad()
            (model(x[chosen])[:, 0] - y[chosen]).square().mean().backward()
            optimizer.step()
        schedule.step()


def smoothed(model: nn.Sequential, sharpness: float) -> nn.Sequential:
    """A copy with a softplus in place of every ReLU."""
    twin = copy.deepcopy(model).requires_grad_(requires_grad=False)
    for index, layer in enumerate(twin):
        if isinstance(layer, nn.ReLU):
            twin[index] = nn.Softplus(beta=sharpness)
    return twin


def strengths(model: nn.Sequential, points: Tensor) -> tuple[np.ndarray, float]:
    """Mean |Γ| (10, 10) over the points from the baseline zero, and the share of certificates that held."""
    found = [
        ihcli.integrated_hessians(lambda x: model(x)[:, 0], point, torch.zeros_like(point)) for point in points.double()
    ]
    return np.mean([np.abs(one.ih) for one in found], axis=0), float(
        np.mean([one.certificate.converged for one in found])
    )


def auc(scores: np.ndarray, planted: np.ndarray) -> float:
    """The area under the ROC curve: the share of (planted, other) pairs that are in order, ties by half."""
    ahead = scores[planted][:, None] - scores[~planted][None]
    return float(((ahead > 0) + 0.5 * (ahead == 0)).mean())


def run(kind: str, size: Size) -> Outcome:
    """Simulate, train, explain and rank for one kind."""
    seed = list(KINDS).index(kind)
    x, y, coefficients = simulate(kind, size.samples, seed)
    test = len(x) // 5
    model = network(seed)
    train(model, x[test:], y[test:], size.epochs)
    model.requires_grad_(requires_grad=False)
    smooth = smoothed(model, size.sharpness)
    residual = y[:test] - model(x[:test])[:, 0]
    points, zero = x[: size.explained], torch.zeros(1, FEATURES)
    hard, soft = (one(points) - one(zero) for one in (model, smooth))
    found, converged = strengths(smooth.double(), points)
    upper = np.triu_indices(FEATURES, k=1)
    scores, planted = found[upper], coefficients.numpy()[upper] != 0
    return Outcome(
        kind=kind,
        r_squared=float(1 - residual.var() / y[:test].var()),
        surrogate_gap=float((soft - hard).abs().mean() / hard.abs().mean()),
        strengths=scores.tolist(),
        coefficients=np.abs(coefficients.numpy()[upper]).tolist(),
        auc=auc(scores, planted),
        first_ten=float(planted[np.argsort(-scores)[:10]].mean()),
        converged=converged,
    )


def draw(outcomes: Sequence[Outcome]) -> Figure:
    """The pairs of each kind in the order found, planted ones coloured, and their planted coefficients below."""
    figure = Figure(figsize=(3.1 * len(outcomes), 4.6), layout="constrained")
    axes = figure.subplots(2, len(outcomes), squeeze=False, sharex=True)
    for column, outcome in enumerate(outcomes):
        order = np.argsort(-np.array(outcome.strengths))
        planted = np.array(outcome.coefficients)[order] > 0
        ranks = np.arange(1, len(order) + 1)
        colours = np.where(planted, "#1b6ca8", "#c9ced6")
        axes[0, column].bar(ranks, np.array(outcome.strengths)[order], color=colours)
        axes[0, column].set_title(
            f"{outcome.kind}\nAUC {outcome.auc:.2f}, {outcome.first_ten:.0%} of the first ten", fontsize=10
        )
        axes[1, column].bar(ranks, np.array(outcome.coefficients)[order], color="#1b6ca8")
        axes[1, column].set_xlabel("pairs, strongest first")
    axes[0, 0].set_ylabel("found: mean |Γ|")
    axes[1, 0].set_ylabel("planted: |c|")
    figure.suptitle("Pairs that interact in a network of 64 ReLU units a layer; blue: planted", fontsize=11)
    return figure


def main(arguments: Sequence[str] | None = None) -> list[Outcome]:
    """Run the kinds that are asked for, print what was found, and write the plot and the numbers."""
    parser = argparse.ArgumentParser(description="The simulation of the paper, with its plot.")
    parser.add_argument("directory", type=Path, help="where the plot goes")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    for name, value in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args(arguments)
    size = Size(given.samples, given.epochs, given.explained, given.sharpness)
    outcomes = [run(kind, size) for kind in given.kinds]
    for one in outcomes:
        print(
            f"{one.kind:<9} R² {one.r_squared:.3f}  AUC {one.auc:.3f}  of the first ten {one.first_ten:.0%} planted  "
            f"surrogate gap {one.surrogate_gap:.1%}  certified {one.converged:.0%}"
        )
    given.directory.mkdir(parents=True, exist_ok=True)
    draw(outcomes).savefig(given.directory / "simulated_pairs.png", dpi=110)
    lines = [json.dumps(asdict(one)) for one in outcomes]
    (given.directory / "simulated_pairs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return outcomes


if __name__ == "__main__":
    main()
