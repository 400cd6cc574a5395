"""What an explanation is expected to cost, against the arithmetic done by hand with a clock of our own."""

import itertools

import pytest
import torch

from ihcli.attribution import estimate as module
from ihcli.attribution.estimate import estimate
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine

TICK = 8.0
"""Seconds that pass between two looks at the clock: one batch of four gradients takes them, one gradient 2 s."""


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(start=0, step=TICK)
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))


def f(points: torch.Tensor) -> torch.Tensor:
    return points.sum((1, 2)) ** 2


def path(units: int) -> Path:
    x = torch.ones(units, 3)
    return Path.between(x, torch.zeros_like(x), torch.arange(units))


def costs(units: int, tolerance: float, baselines: int = 1, *, smooth: bool = False) -> module.Estimate:
    reverse = ReverseEngine(f, 1 << 30)
    return estimate(path(units), tolerance, baselines, reverse, reverse, smooth=smooth)


@pytest.mark.parametrize(
    ("units", "tolerance", "baselines", "nodes", "seconds"),
    [
        (5, 0.01, 1, 27, 2 * (73 + 27 * (1 + 1.6 * 5))),  # 632
        (5, 0.1, 1, 15, 2 * (73 + 15 * (1 + 1.6 * 5))),
        (5, 0.001, 1, 47, 2 * (73 + 47 * (1 + 1.6 * 5))),
        (10, 0.01, 1, 27, 2 * (73 + 27 * (1 + 1.6 * 10))),
        (5, 0.01, 3, 27, 3 * 2 * (73 + 27 * (1 + 1.6 * 5))),
    ],
)
def test_seconds_are_gradients_times_the_time_of_one(
    units: int, tolerance: float, baselines: int, nodes: int, seconds: float
) -> None:
    found = costs(units, tolerance, baselines)
    assert (found.units, found.nodes, found.engine) == (units, nodes * baselines, "reverse")
    assert found.products == nodes * units * baselines
    assert found.seconds == pytest.approx(seconds)


def test_a_tolerance_between_two_known_ones_counts_as_the_nearer() -> None:
    assert [costs(2, tolerance).nodes for tolerance in (0.02, 0.008, 0.0012, 0.3)] == [27, 27, 47, 15]


def test_smooth_paths_take_fewer_nodes_and_gradients() -> None:
    assert costs(5, 0.01, smooth=True).seconds == pytest.approx(2 * (13 + 11 * (1 + 1.6 * 5)))


def test_it_reads_as_one_line() -> None:
    assert str(costs(5, 0.01)).startswith(
        "5 units: about 27 Hessians, 135 products of a Hessian and a vector (reverse engine), 632.0 s, "
    )
