"""How samples lie in a value: found by changing one of them, and refused where others change with it."""

import pytest
import torch
from curvature_functions import D, T, squash, weights

from ihcli.curvature import Untraceable, trace
from ihcli.curvature.capture import SECOND
from ihcli.curvature.layout import node_values

LAYOUTS = {
    "first": (lambda x: x * 2, (0, 1, 1)),
    "last": (lambda x: x.permute(1, 2, 0), (2, 1, 1)),
    "before positions, in one axis": (lambda x: x.reshape(-1, D), (0, 1, T)),
    "after positions, in one axis": (lambda x: x.transpose(0, 1).reshape(-1, D), (0, T, 1)),
    "between positions and heads": (
        lambda x: x.view(-1, T, 2, D // 2).permute(1, 0, 2, 3).reshape(-1, D // 2), (0, T, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_samples_of_a_value_are_found(name: str) -> None:
    change, layout = LAYOUTS[name]
    graph = trace(lambda x: squash(_undone(name, change(x).sin())), weights(1, T, D)).graph
    node = next(one for one in graph.dependent() if one.name == "sin")
    assert (node.batch_axis, node.outer, node.inner) == layout


def _undone(name: str, z: torch.Tensor) -> torch.Tensor:
    """The value with its samples first again."""
    if name == "last":
        return z.permute(2, 0, 1)
    if name == "after positions, in one axis":
        return z.view(T, -1, D).transpose(0, 1)
    if name == "between positions and heads":
        return z.view(T, -1, 2, D // 2).permute(1, 0, 2, 3)
    return z.reshape(-1, T, D)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: squash(x - x.mean(0, keepdim=True)),
        lambda x: squash(x + x.flip(0)),
        lambda x: squash(x.cumsum(0)),
    ],
)
def test_a_function_that_combines_samples_is_refused(f) -> None:
    with pytest.raises(Untraceable, match="combines the samples"):
        trace(f, weights(1, T, D))


def test_shapes_hold_at_the_second_batch_size_and_sizes_at_any() -> None:
    graph = trace(lambda x: squash((x.reshape(-1, D) * 2).view(-1, T, D)), weights(1, T, D)).graph
    values = node_values(graph, [weights(SECOND, T, D, seed=1)])
    for node in graph.dependent():
        assert node.shape == tuple(values[id(node)].shape), node.name
    for batch in (1, 5):
        values = node_values(graph, [weights(batch, T, D, seed=1)])
        for node in graph.dependent():
            sizes = [size if isinstance(size, int) else size.at(batch) for size in node.sizes]
            assert sizes == list(values[id(node)].shape), node.name
