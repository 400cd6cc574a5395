"""The reverse engine against torch's own Hessian, in chunks of rows, and on several paths at once."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ihcli.attribution.footprint import GRAPH, ROW, Footprint
from ihcli.attribution.path import NodeBatch, Path
from ihcli.attribution.reverse import ReverseEngine, differentiable

T, D = 4, 2
GROUPS = torch.tensor([0, -1, 1, 0])
NODES = torch.tensor([0.2, 0.7, 1.0], dtype=torch.float64)


def tensor(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


MIX = tensor(T * D, 5, seed=1)


def f(x: Tensor) -> Tensor:
    return torch.tanh(x.flatten(1) @ MIX).prod(1) + (x**3).sum((1, 2))


def path(groups: Tensor = GROUPS, seed: int = 2) -> Path:
    x, baseline = tensor(T, D, seed=seed), tensor(T, D, seed=seed + 1)
    return Path.between(x, torch.where(groups[:, None] < 0, x, baseline), groups)


def member(own: Path) -> Tensor:
    """δ of each unit, flat (U, T·D)."""
    return torch.stack([torch.where((own.groups == u)[:, None], own.delta, 0).flatten() for u in range(own.units)])


def expected(own: Path, t: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    units = member(own)
    values, gradients, hessians = [], [], []
    for point in own.points(t):
        one = lambda z: f(z[None])[0]  # noqa: E731
        values.append(one(point))
        gradients.append(units @ torch.autograd.functional.jacobian(one, point).flatten())
        full = torch.autograd.functional.hessian(one, point).reshape(T * D, T * D)
        hessians.append(units @ full @ units.T)
    return torch.stack(values).numpy(), torch.stack(gradients).numpy(), torch.stack(hessians).numpy()


@pytest.mark.parametrize("groups", [GROUPS, torch.arange(T)])
def test_value_gradient_and_hessian(groups: Tensor) -> None:
    own = path(groups)
    value, gradient, hessian = expected(own, NODES)
    found = ReverseEngine(f).evaluate(own, NODES, order=2)
    np.testing.assert_allclose(found.value, value, atol=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, atol=1e-11)
    np.testing.assert_allclose(found.hessian, hessian, atol=1e-10)
    first = ReverseEngine(f).evaluate(own, NODES, order=1)
    assert first.hessian is None
    np.testing.assert_allclose(first.gradient, gradient, atol=1e-11)


def test_products_are_those_of_the_whole_hessian() -> None:
    own, vectors = path(), tensor(3, 2, seed=5)
    found = ReverseEngine(f).evaluate(own, NODES, order=2, vectors=vectors)
    np.testing.assert_allclose(found.hessian, vectors.numpy() @ expected(own, NODES)[2], atol=1e-10)


def test_rows_one_at_a_time_are_the_same() -> None:
    own = path(torch.arange(T))
    saved = Footprint.measure(f, own).saved
    engine = ReverseEngine(f, int(saved * (GRAPH + ROW)) + 1)
    assert engine.footprint(own).rows_second_order(T) == 1
    found = engine.evaluate(own, NODES[:1], order=2)
    np.testing.assert_allclose(found.hessian, expected(own, NODES[:1])[2], atol=1e-10)


def test_vectors_of_each_node_s_own() -> None:
    one, two = path(seed=2), path(torch.arange(T), seed=7)
    batch = NodeBatch.of([one, two], [1, 2])
    vectors = torch.zeros(2, 3, T, dtype=torch.float64)
    vectors[:, :1, :2] = tensor(2, 1, 2, seed=8)
    vectors[:, 1:] = tensor(2, 2, T, seed=9)
    found = ReverseEngine(f).evaluate(batch, NODES, order=2, vectors=vectors).hessian
    assert found is not None
    np.testing.assert_allclose(found[0, :, :2], vectors[:, 0, :2].numpy() @ expected(one, NODES[:1])[2][0], atol=1e-10)
    for node in (1, 2):
        whole = expected(two, NODES[node : node + 1])[2][0]
        np.testing.assert_allclose(found[node], vectors[:, node].numpy() @ whole, atol=1e-10)


def test_a_left_vector_takes_the_place_of_delta_on_the_left() -> None:
    own = path()
    ones = Path(own.start, own.delta, own.groups, own.units, left=torch.ones_like(own.delta))
    found = ReverseEngine(f).evaluate(ones, NODES[:1], order=2)
    point = own.points(NODES[:1])[0]
    full = torch.autograd.functional.hessian(lambda z: f(z[None])[0], point).reshape(T * D, T * D)
    left = torch.stack([(own.groups == u).repeat_interleave(D).to(full.dtype) for u in range(own.units)])
    np.testing.assert_allclose(found.hessian[0], (left @ full @ member(own).T).numpy(), atol=1e-10)


def test_a_function_that_ignores_a_unit_has_a_row_of_zeros() -> None:
    own = path(torch.arange(T))
    found = ReverseEngine(lambda x: (x[:, 0] ** 2).sum(1)).evaluate(own, NODES, order=2)
    assert not found.hessian[:, 1:].any()
    assert not found.gradient[:, 1:].any()
    np.testing.assert_allclose(found.hessian[:, 0, 0], 2 * float((own.delta[0] ** 2).sum()))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_enabled_inside_whatever_the_caller_says(mode) -> None:
    inside = differentiable(lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
    with mode():
        assert inside() == (True, False)
