"""Values and adjoints of all nodes at a batch of points, and the part of them that belongs to some of the points."""

import pytest
import torch
from curvature_functions import D, T, W, squash, transformer, weights

from ihcli.curvature import trace
from ihcli.curvature.operation_rules import RULES
from ihcli.curvature.reverse_sweep import reverse_sweep

POINTS = weights(4, T, D, seed=1)


def swept(f, points: torch.Tensor):
    program = trace(f, points)
    curved = [node for node in program.graph.dependent() if RULES[node.name].curved(node)]
    constants = program._constants_for(points, ())
    return program.graph, curved, reverse_sweep(program.graph, curved, points, constants), program


def test_the_gradient_is_that_of_autograd() -> None:
    *_, sweep, _ = swept(transformer, POINTS)
    source = POINTS.clone().requires_grad_()
    [expected] = torch.autograd.grad(transformer(source).sum(), source)
    torch.testing.assert_close(sweep.gradient, expected, rtol=0, atol=1e-12)


def test_an_adjoint_is_the_derivative_by_the_node_s_result() -> None:
    """f = Σ tanh(x W)³: the adjoint of tanh's result y is 3 y²."""
    graph, curved, sweep, _ = swept(lambda x: (x @ W).tanh().pow(3).sum((1, 2)), POINTS)
    tanh = next(node for node in curved if node.name == "tanh")
    y = (POINTS @ W).tanh()
    torch.testing.assert_close(sweep.values[id(tanh)], y, rtol=0, atol=1e-13)
    torch.testing.assert_close(sweep.adjoints[id(tanh)], 3 * y**2, rtol=0, atol=1e-12)
    assert not any(value.requires_grad for value in sweep.values.values() if isinstance(value, torch.Tensor))
    assert graph.result.depends


def test_a_function_without_derivative_has_adjoints_of_zero() -> None:
    *_, sweep, _ = swept(lambda x: (x * 0).exp().sum((1, 2)), POINTS)
    assert not sweep.gradient.any()


@pytest.mark.parametrize(
    "f",
    [
        transformer,
        lambda x: squash((x.transpose(0, 1).reshape(-1, D) @ W).tanh().view(T, -1, D).transpose(0, 1)),
        lambda x: squash((x.reshape(-1, D) @ W).tanh().view(-1, T, D)),
    ],
    ids=["samples first", "samples last in their axis", "samples first in their axis"],
)
def test_some_of_the_points_have_what_they_would_have_alone(f) -> None:
    graph, curved, sweep, program = swept(f, POINTS)
    part = sweep.at(graph, slice(1, 3), program._constants_at(2))
    alone = reverse_sweep(graph, curved, POINTS[1:3], program._constants_for(POINTS[1:3], ()))
    torch.testing.assert_close(part.gradient, alone.gradient, rtol=0, atol=1e-12)
    for node in graph.dependent():
        torch.testing.assert_close(part.values[id(node)], alone.values[id(node)], rtol=0, atol=1e-12)
    for node in curved:
        torch.testing.assert_close(part.adjoints[id(node)], alone.adjoints[id(node)], rtol=0, atol=1e-12)
