"""Every rule against reverse over reverse in float64."""

import pytest
import torch
from curvature_functions import FUNCTIONS, GROUPS, D, T, U, W, mixed, squash, weights
from curvature_reference import distance, reverse_over_reverse

from ihcli.curvature import matrix_products, segments, trace
from ihcli.curvature import program as program_module
from ihcli.curvature.operation_rules import RULES


@pytest.fixture
def small_blocks(monkeypatch):
    """Points one by one, every block of one entry, every sum in pieces, every product by itself."""
    monkeypatch.setattr(segments, "BLOCK_BYTES", 1)
    monkeypatch.setattr(segments, "QUERY_BLOCK_BYTES", 1)
    monkeypatch.setattr(program_module, "GROUP_BYTES", 1)
    monkeypatch.setattr(matrix_products, "LARGE", 1)
    monkeypatch.setattr(matrix_products, "PIECE", 1)


@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_rule_equals_reverse_over_reverse(name, before):
    check(FUNCTIONS[name], before)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not name.startswith("pointwise")])
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
def test_rule_in_blocks(name, before):
    check(FUNCTIONS[name], before)


def check(function, before):
    f = lambda x: squash(function(before(x)))  # noqa: E731
    points, delta = weights(4, T, D, seed=8) * 2, weights(T, D, seed=9) * 2
    program = trace(f, points)
    given = [points.clone(), delta.clone()]
    second = program.second_order(points, delta, GROUPS, U)
    assert torch.equal(given[0], points)
    assert torch.equal(given[1], delta)
    value, gradient, hessian = reverse_over_reverse(f, points, delta, GROUPS, U)
    assert distance(second.value, value) < 1e-12
    assert distance(second.gradient, gradient) < 1e-11
    assert distance(second.hessian, hessian) < 1e-10
    assert torch.equal(second.hessian, second.hessian.transpose(1, 2))


def test_every_rule_is_used_by_a_function_above():
    used = set()
    for function in FUNCTIONS.values():
        program = trace(lambda x, function=function: squash(function(x)), weights(2, T, D))
        used.update(program.operations)
    assert set(RULES) - used == set()


def test_closed_form_of_a_product_of_powers():
    powers = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    point = torch.tensor([[1.5, -0.5, 2.0]], dtype=torch.float64)
    f = lambda x: x[:, 0] * x[:, 1] ** 2 * x[:, 2] ** 3  # noqa: E731
    second = trace(f, point).second_order(point, point[0], torch.arange(3), 3)
    value = point[0].pow(powers).prod()
    assert torch.allclose(second.hessian[0], value * (torch.outer(powers, powers) - torch.diag(powers)))
    assert torch.allclose(second.gradient[0], value * powers)


def test_a_linear_function_has_no_curvature():
    points = weights(2, T, D)
    second = trace(lambda x: (x @ W).sum((1, 2)), points).second_order(points, weights(T, D), GROUPS, U)
    assert torch.count_nonzero(second.hessian) == 0


def test_a_function_that_ignores_its_input():
    points = weights(2, T, D)
    second = trace(lambda x: (x * 0).sum((1, 2)) + 1, points).second_order(points, weights(T, D), GROUPS, U)
    assert torch.equal(second.value, torch.ones(2, dtype=torch.float64))
    assert torch.count_nonzero(second.hessian) == 0
