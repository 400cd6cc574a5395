"""What an explanation is expected to cost, against the arithmetic done by hand with a clock of our own."""

import pytest
import torch

from ihcli.attribution import estimate as module
from ihcli.attribution.estimate import Work, estimate
from ihcli.attribution.evaluation import Evaluations
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine

OVERHEAD, GRADIENT = 3.0, 2.0
"""Seconds of a call and of each gradient in it."""


class Timed(ReverseEngine):
    """An engine whose evaluations take time on a clock of their own."""

    now = 0.0
    gradients = 0

    def evaluate(self, path: Path, t: torch.Tensor, order: int, vectors: torch.Tensor | None = None) -> Evaluations:
        Timed.now += OVERHEAD + GRADIENT * len(t)
        Timed.gradients += len(t)
        return super().evaluate(path, t, order, vectors)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Timed.now, Timed.gradients = 0.0, 0
    monkeypatch.setattr(module.time, "perf_counter", lambda: Timed.now)


def f(points: torch.Tensor) -> torch.Tensor:
    return points.sum((1, 2)) ** 2


def path(units: int, positions: int | None = None) -> Path:
    x = torch.ones(positions or units, 3)
    groups = torch.full((len(x),), units - 1)
    groups[:units] = torch.arange(units)
    return Path.between(x, torch.zeros_like(x), groups)


def costs(
    units: int, tolerance: float, baselines: int = 1, *, smooth: bool = False, positions: int | None = None, **work: int
) -> module.Estimate:
    engine = Timed(f, 1 << 30)
    own = path(units, positions)
    return estimate(own, tolerance, baselines, engine, smooth=smooth, work=Work(**work))


@pytest.mark.parametrize(
    ("units", "tolerance", "baselines", "nodes", "gradients"),
    [
        (5, 0.01, 1, 27, 73 + 27 * (1 + 1.6 * 5)),
        (5, 0.1, 1, 15, 73 + 15 * (1 + 1.6 * 5)),
        (5, 0.001, 1, 47, 73 + 47 * (1 + 1.6 * 5)),
        (10, 0.01, 1, 27, 73 + 27 * (1 + 1.6 * 10)),
        (5, 0.01, 3, 27, 3 * (73 + 27 * (1 + 1.6 * 5))),
    ],
)
def test_seconds_are_gradients_times_the_time_of_one_and_calls_times_their_overhead(
    units: int, tolerance: float, baselines: int, nodes: int, gradients: float
) -> None:
    found = costs(units, tolerance, baselines)
    assert (found.units, found.nodes, found.engine) == (units, nodes * baselines, "reverse")
    assert found.products == nodes * units * baselines
    assert found.seconds == pytest.approx(GRADIENT * gradients + 6 * OVERHEAD)
    assert Timed.gradients == 6


def test_two_gradients_of_a_long_text_are_timed() -> None:
    found = costs(5, 0.01, positions=200)
    assert Timed.gradients == 2
    assert found.seconds == pytest.approx((GRADIENT + OVERHEAD) * (73 + 27 * (1 + 1.6 * 5)))


def test_a_call_of_a_small_model_is_not_taken_for_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "OVERHEAD", 0.02)
    monkeypatch.setitem(globals(), "GRADIENT", 0.01)
    found = costs(5, 0.01, positions=200)
    assert Timed.gradients == 6
    assert found.seconds == pytest.approx(0.01 * (73 + 27 * (1 + 1.6 * 5)) + 6 * 0.02)


def test_a_tolerance_between_two_known_ones_counts_as_the_nearer() -> None:
    assert [costs(2, tolerance).nodes for tolerance in (0.02, 0.008, 0.0012, 0.3, 0.04)] == [27, 27, 47, 15, 19]


def test_smooth_paths_take_fewer_nodes_and_gradients() -> None:
    assert costs(5, 0.01, smooth=True).seconds == pytest.approx(2 * (13 + 11 * (1 + 1.6 * 5)) + 18)


def test_preparation_removal_and_a_second_matrix_count() -> None:
    plain = costs(5, 0.01, smooth=True).seconds
    assert costs(5, 0.01, smooth=True, preparation=7).seconds == pytest.approx(plain + 7)
    assert costs(5, 0.01, smooth=True, removed_texts=100).seconds == pytest.approx(plain + 2 * 45)
    second = costs(8, 0.01, smooth=True).seconds
    assert costs(5, 0.01, smooth=True, then=8, preparation=7).seconds == pytest.approx(plain + second + 7)


def test_the_strongest_pairs_alone_cost_probes_and_rows() -> None:
    found = costs(100, 0.01, smooth=True, top=10)
    search = 3 * (1 + 10 + 22)  # a gradient, one more for each of ten probes and 22 rows, at three nodes
    gradients = 13 + search + 11 * (1 + 1.6 * 14)
    assert found.seconds == pytest.approx(2 * gradients + 18)
    assert costs(60, 0.01, smooth=True, top=10).seconds == costs(60, 0.01, smooth=True).seconds  # too few units


def test_memory_is_that_of_the_largest_request() -> None:
    engine = Timed(f, 1 << 30)
    saved = engine.footprint(path(5)).saved
    rows = saved * 11 * (3.0 + 2.6 * 5)  # the graph of eleven nodes and five rows, which all fit together
    assert costs(5, 0.01, smooth=True).bytes == pytest.approx(rows + 8 * 11 * 5**2, abs=2)
    saved = engine.footprint(path(100)).saved
    engine = Timed(f, 40 * saved)
    assert estimate(path(100), 0.01, 1, engine, smooth=True).bytes <= 40 * saved + 8 * 11 * 100**2
    assert costs(100, 0.01, smooth=True, top=10).bytes < costs(100, 0.01, smooth=True).bytes


def test_what_is_cheaper_is_named_with_its_time() -> None:
    found = costs(100, 0.01, smooth=True, sentences=4)
    assert list(found.cheaper) == ["--units sentence", "--top 10"]  # the tolerance saves 2 of 11 nodes only
    assert found.cheaper["--units sentence"] == pytest.approx(costs(4, 0.01, smooth=True).seconds)
    assert found.cheaper["--top 10"] == pytest.approx(costs(100, 0.01, smooth=True, top=10).seconds)
    assert "--tolerance 0.05" in costs(5, 0.01).cheaper
    assert costs(5, 0.05).cheaper == {}
    assert found.advice.startswith("Cheaper: --units sentence about ")


def test_a_further_baseline_is_added() -> None:
    one, other = costs(5, 0.01), costs(5, 0.01, smooth=True)
    both = one.with_another(other)
    assert both.seconds == one.seconds + other.seconds
    assert both.nodes == 27 + 11
    assert both.bytes == max(one.bytes, other.bytes)


def test_it_reads_as_one_line_and_one_of_advice() -> None:
    lines = str(costs(5, 0.01)).splitlines()
    assert lines[0].startswith(
        "5 units: about 27 Hessians, 135 products of a Hessian and a vector (reverse engine), 650.0 s, "
    )
    assert lines[1].startswith("Cheaper: --tolerance 0.05 about ")
