"""What an explanation will cost, from one timed gradient, before it starts."""

import time
from dataclasses import dataclass

import torch

from ihcli.attribution.cost import hessian_cost
from ihcli.attribution.evaluation import Engine
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine

TYPICAL_NODES = {False: {0.1: 15, 0.01: 27, 0.001: 47}, True: {0.1: 9, 0.01: 11, 0.001: 11}}
"""Median full Hessians a text of the bundled model at a tolerance: for paths of embeddings by
`outputs/benchmarks/study.jsonl`, for smooth paths (value zeroing) on its texts of 1 to 13 words."""
TYPICAL_GRADIENTS = {False: 73, True: 13}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Units, and the expected nodes, products, seconds and peak bytes."""

    units: int
    nodes: int
    products: int
    seconds: float
    bytes: int
    engine: str

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.units} units: about {self.nodes} Hessians, {self.products} products of a Hessian and a vector "
            f"({self.engine} engine), {self.seconds:.1f} s, {self.bytes / 1e6:.0f} MB beyond the model"
        )


def estimate(
    path: Path, tolerance: float, baselines: int, engine: Engine, reverse: ReverseEngine, *, smooth: bool
) -> Estimate:
    """Time one small batch of gradients on the path and scale it up to the expected work of an explanation."""
    footprint = reverse.footprint(path)
    typical = TYPICAL_NODES[smooth]
    nodes = typical[min(typical, key=lambda known: abs(known / tolerance - 1))]
    batch = min(4, footprint.nodes_first_order())
    t = torch.linspace(0, 1, batch, dtype=path.delta.dtype, device=path.delta.device)
    reverse.evaluate(path, t, order=1)
    started = time.perf_counter()
    reverse.evaluate(path, t, order=1)
    gradient = (time.perf_counter() - started) / batch
    hessian = hessian_cost(engine.name, path.units, path.groups.numel())
    gradients = TYPICAL_GRADIENTS[smooth] + nodes * hessian  # most texts need no probes
    at_once = engine.nodes_at_once(path, order=2)
    rows = footprint.rows_second_order(path.units)
    return Estimate(
        units=path.units,
        nodes=nodes * baselines,
        products=nodes * path.units * baselines,
        seconds=gradients * gradient * baselines,
        bytes=footprint.bytes(min(at_once, nodes), rows) + nodes * path.units**2 * 8,
        engine=engine.name,
    )
