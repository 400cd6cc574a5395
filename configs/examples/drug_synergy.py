"""Which drugs act together, and in whom: a synthetic response to drug combinations with a known synergy.

The second domain of Janizek, Sturmfels and Lee (JMLR 2021).  An experiment gives up to two of eight drugs, at doses d
in [0, 1], to cells described by the expression g of six genes.  Log viability follows Bliss's rule, by which drugs
without synergy add up, and a planted term for six of the 28 pairs, positive for synergy, negative for antagonism:

    y = - Σ_i a_i d_i (1 + ½ tanh g_i') - Σ_ij s_ij d_i d_j (1 + m_ij g_k) + noise,      m_ij not 0 for one pair

A network of GELU units learns y from doses and genes.  Explained from no drug in average cells, the entry of two doses
is what they do together: for s d_i d_j it is a quarter of the term (with its sign).  So -4 Γ_ij / (d_i d_j) estimates
s_ij, and for the pair that depends on a gene it must rise with that gene, cell by cell.

    python configs/examples/drug_synergy.py outputs/examples
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import ihcli

DRUGS, GENES = 8, 6
PLANTED = {(0, 1): 2.0, (0, 4): 1.2, (2, 3): -1.5, (2, 6): 1.6, (4, 7): -1.0, (5, 6): 1.4}
"""s by pair of drugs."""
MARKED, MARKER, SLOPE = (5, 6), 2, 0.6
"""The pair whose synergy grows with a gene, that gene, and m."""


@dataclass(frozen=True)
class Size:
    """How much is drawn, trained and explained."""

    samples: int = 8000
    epochs: int = 60
    explained: int = 40


@dataclass(frozen=True)
class Outcome:
    """What the network learnt, and how the planted synergies were found."""

    r_squared: float
    """Of the network on unseen experiments."""
    planted: list[float]
    """s of the 28 pairs, row by row."""
    found: list[float]
    """Its estimate, the mean over experiments with that pair."""
    correlation: float
    marker: list[float]
    """The gene of each experiment with the marked pair."""
    marked: list[float]
    """Its synergy there."""
    marker_correlation: float
    converged: float


def response(x: Tensor) -> Tensor:
    """Log viability without noise, (N,) from doses and genes (N, 8 + 6)."""
    doses, genes = x[:, :DRUGS], x[:, DRUGS:]
    alone = torch.linspace(0.4, 1.6, DRUGS, dtype=x.dtype)
    effect = (alone * doses * (1 + 0.5 * genes[:, torch.arange(DRUGS) % GENES].tanh())).sum(1)
    for (i, j), strength in PLANTED.items():
        scale = 1 + SLOPE * genes[:, MARKER] if (i, j) == MARKED else 1.0
        effect = effect + strength * doses[:, i] * doses[:, j] * scale
    return -effect


def experiments(count: int, seed: int, pair: tuple[int, int] | None = None) -> Tensor:
    """Doses and genes (N, 8 + 6): of a given pair, or of two drugs by chance, each left out in a quarter of cases."""
    generator = torch.Generator().manual_seed(seed)
    genes = torch.randn(count, GENES, generator=generator)
    doses = torch.zeros(count, DRUGS)
    any_two = torch.rand(count, DRUGS, generator=generator).topk(2, dim=1).indices
    chosen = any_two if pair is None else torch.tensor(pair).expand(count, 2)
    given = torch.rand(count, 2, generator=generator)
    kept = torch.rand(count, 2, generator=generator) > 0.25  # noqa: PLR2004
    doses.scatter_(1, chosen, given * kept if pair is None else 0.5 + given / 2)
    return torch.cat([doses, genes], dim=1)


def learn(size: Size) -> nn.Sequential:
    """A network of GELU units trained on noisy responses."""
    torch.manual_seed(0)
    x = experiments(size.samples, seed=1)
    y = response(x) + 0.05 * torch.randn(len(x))
    model = nn.Sequential(
        nn.Linear(DRUGS + GENES, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(),
        nn.Linear(64, 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, size.epochs)
    for _ in range(size.epochs):
        for chosen in torch.split(torch.randperm(len(x)), 128):
            optimizer.zero_grad()
            (model(x[chosen])[:, 0] - y[chosen]).square().mean().backward()
            optimizer.step()
        schedule.step()
    return model.requires_grad_(requires_grad=False)


def synergies(
    model: nn.Sequential, pair: tuple[int, int], count: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """-4 Γ_ij / (d_i d_j) of experiments with a pair, their marker gene, and the share of certificates that held."""
    points = experiments(count, seed, pair).double()
    i, j = pair
    found = [ihcli.integrated_hessians(lambda x: model(x)[:, 0], one, torch.zeros_like(one)) for one in points]
    estimates = [-4 * one.ih[i, j] / float(x[i] * x[j]) for one, x in zip(found, points, strict=True)]
    converged = np.mean([one.certificate.converged for one in found])
    return np.array(estimates), points[:, DRUGS + MARKER].numpy(), float(converged)


def run(size: Size) -> Outcome:
    """Learn the response, explain every pair, compare with what was planted."""
    model = learn(size)
    unseen = experiments(2000, seed=2)
    residual = response(unseen) - model(unseen)[:, 0]
    model.double()
    pairs = [(int(i), int(j)) for i, j in zip(*np.triu_indices(DRUGS, k=1), strict=True)]
    each = {pair: synergies(model, pair, size.explained, seed=3 + n) for n, pair in enumerate(pairs)}
    planted = [PLANTED.get(pair, 0.0) for pair in pairs]
    found = [float(each[pair][0].mean()) for pair in pairs]
    marked, marker, _ = each[MARKED]
    return Outcome(
        r_squared=float(1 - residual.var() / response(unseen).var()),
        planted=planted,
        found=found,
        correlation=float(np.corrcoef(planted, found)[0, 1]),
        marker=marker.tolist(),
        marked=marked.tolist(),
        marker_correlation=float(np.corrcoef(marker, marked)[0, 1]),
        converged=float(np.mean([share for _, _, share in each.values()])),
    )


def draw(outcome: Outcome) -> Figure:
    """Planted against found for every pair; and the marked pair's synergy against its gene, cell by cell."""
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.axline((0, 0), slope=1, color="#c9ced6")
    left.scatter(outcome.planted, outcome.found, color="#1b6ca8")
    left.set_xlabel("planted synergy s")
    left.set_ylabel("found: mean of −4 Γ / (d d′)")
    left.set_title(f"28 pairs of drugs (correlation {outcome.correlation:.3f})", fontsize=10)
    genes = np.linspace(min(outcome.marker), max(outcome.marker), 2)
    strength = PLANTED[MARKED]
    right.plot(genes, strength * (1 + 4 / 9 * SLOPE * genes), color="#c9ced6", label="of the planted term alone")
    right.scatter(outcome.marker, outcome.marked, color="#1b6ca8", label="found")
    right.set_xlabel(f"expression of gene {MARKER}")
    right.set_ylabel("synergy in these cells")
    right.set_title(
        f"drugs {MARKED[0]} and {MARKED[1]}, by cell (correlation {outcome.marker_correlation:.2f})", fontsize=10
    )
    right.legend(frameon=False)
    return figure


def main(arguments: Sequence[str] | None = None) -> Outcome:
    """Run it, print what was found, and write the plot and the numbers."""
    parser = argparse.ArgumentParser(description="A synthetic response to drug combinations, with its plot.")
    parser.add_argument("directory", type=Path, help="where the plot goes")
    for name, value in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args(arguments)
    outcome = run(Size(given.samples, given.epochs, given.explained))
    print(
        f"R² {outcome.r_squared:.3f}; planted and found synergies correlate by {outcome.correlation:.3f}, the marked "
        f"pair with its gene by {outcome.marker_correlation:.2f}; certified {outcome.converged:.0%}"
    )
    given.directory.mkdir(parents=True, exist_ok=True)
    draw(outcome).savefig(given.directory / "drug_synergy.png", dpi=110)
    (given.directory / "drug_synergy.json").write_text(json.dumps(asdict(outcome)) + "\n", encoding="utf-8")
    return outcome


if __name__ == "__main__":
    main()
