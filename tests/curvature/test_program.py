"""One program at any batch, with units, limits of memory and precisions of all kinds."""

import math
from itertools import pairwise

import pytest
import torch
from curvature_functions import GROUPS, D, T, U, W, transformer, weights
from curvature_reference import distance, reverse_over_reverse

from ihcli.curvature import program as program_module
from ihcli.curvature import segments, trace
from ihcli.errors import DeviceError, UsageError


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_one_program_serves_every_batch(batch):
    program = trace(transformer, weights(3, T, D))
    points, delta = weights(batch, T, D, seed=11), weights(T, D, seed=12)
    second = program.second_order(points, delta, GROUPS, U)
    assert distance(second.hessian, reverse_over_reverse(transformer, points, delta, GROUPS, U)[2]) < 1e-10


def test_groups_and_delta_of_each_point():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(3, T, D, seed=13), weights(3, T, D, seed=14)
    groups = torch.tensor([[0, 1, 2, 0, 1], [-1, -1, 0, 2, 2], [2, 1, 0, 0, 0]])
    second = program.second_order(points, delta, groups, U)
    _, gradient, hessian = reverse_over_reverse(transformer, points, delta, groups, U)
    assert distance(second.gradient, gradient) < 1e-11
    assert distance(second.hessian, hessian) < 1e-10


def test_groups_of_features():
    f = lambda x: (x @ W).tanh().prod(1) * x[:, 0]  # noqa: E731
    points, delta = weights(3, D, seed=15), weights(D, seed=16)
    groups = torch.tensor([0, 1, 2, 0, 1, -1])
    second = trace(f, points).second_order(points, delta, groups, U)
    assert distance(second.hessian, reverse_over_reverse(f, points, delta, groups, U)[2]) < 1e-10


def test_a_group_has_the_block_sum_of_its_members():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(2, T, D, seed=17), weights(T, D, seed=18)
    single = program.second_order(points, delta, torch.arange(T), T).hessian
    grouped = program.second_order(points, delta, torch.tensor([0, 0, 1, 1, 2]), 3).hessian
    sums = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=torch.float64)
    assert distance(grouped, sums @ single @ sums.T) < 1e-12


def test_chunks_of_points_and_of_units_change_nothing():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(5, T, D, seed=19), weights(T, D, seed=20)
    whole = program.second_order(points, delta, torch.arange(T), T)
    for limit in (program.bytes_per_node(T) * 2, program.bytes_per_node(4), program.bytes_per_node(2)):
        parts = program.second_order(points, delta, torch.arange(T), T, limit=limit)
        assert distance(parts.hessian, whole.hessian) < 1e-13
        assert distance(parts.gradient, whole.gradient) < 1e-13
    assert program.sweeps(T, program.bytes_per_node(T)) == 1
    assert program.sweeps(T, program.bytes_per_node(2)) == T - 1
    assert program.sweeps(T, 100) == math.inf
    with pytest.raises(DeviceError, match="two units"):
        program.second_order(points, delta, torch.arange(T), T, limit=100)


def test_blocks_change_nothing(monkeypatch):
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(5, T, D, seed=19), weights(5, T, D, seed=20)
    groups = torch.stack([torch.arange(T).roll(k) for k in range(5)])
    whole = program.second_order(points, delta, groups, T)
    sizes = {step.size for step in program.steps if isinstance(step, segments.Segment)}
    assert sizes == {2, T}  # heads, positions
    for block, together in ((1, 1), (T * 4 * 8 * 8, 1), (1, 10**9), (10**9, 10**4)):
        monkeypatch.setattr(segments, "BLOCK_BYTES", block)
        monkeypatch.setattr(program_module, "GROUP_BYTES", together)
        parts = program.second_order(points, delta, groups, T)
        assert distance(parts.hessian, whole.hessian) < 1e-13
        assert distance(parts.gradient, whole.gradient) < 1e-13


def test_more_units_take_more_memory():
    program = trace(transformer, weights(1, T, D))
    sizes = [program.bytes_per_node(units) for units in (1, 2, 4, 8)]
    assert all(a < b for a, b in pairwise(sizes))


def test_rows_are_rows():
    program = trace(transformer, weights(1, T, D))
    points, delta, rows = weights(2, T, D), weights(T, D, seed=21), torch.tensor([2, 0])
    whole = program.second_order(points, delta, GROUPS, U).hessian
    assert torch.equal(program.second_order(points, delta, GROUPS, U, rows).hessian, whole[:, rows])


def test_single_precision():
    points, delta = weights(2, T, D, seed=22), weights(T, D, seed=23)
    expected = reverse_over_reverse(transformer, points, delta, GROUPS, U)[2]
    single = lambda x: transformer(x.double()).to(x.dtype)  # noqa: E731
    second = trace(single, points.float()).second_order(points.float(), delta.float(), GROUPS, U)
    assert second.hessian.dtype == torch.float32
    assert distance(second.hessian.double(), expected) < 1e-4


def test_shapes_that_do_not_fit():
    program = trace(transformer, weights(1, T, D))
    with pytest.raises(UsageError, match="delta"):
        program.second_order(weights(2, T, D), weights(T + 1, D), GROUPS, U)
    with pytest.raises(UsageError, match="float32"):
        program.second_order(weights(2, T, D).float(), weights(T, D).float(), GROUPS, U)
