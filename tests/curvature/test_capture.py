"""Two traces at two batch sizes become one graph for any batch, or are refused as different computations."""

import pytest
import torch
from curvature_functions import D, T, W, weights

from ihcli.curvature import Untraceable
from ihcli.curvature.capture import capture
from ihcli.curvature.graph import Affine
from ihcli.curvature.layout import node_values


def captured(f, *parameters: torch.Tensor):
    return capture(f, weights(1, T, D, seed=1), parameters, lambda _: None)


def test_the_graph_serves_every_batch_size() -> None:
    def f(x):
        return (x.reshape(x.shape[0] * T, D) @ W).view(x.shape[0], -1).sum(1)

    graph = captured(f)
    for batch in (1, 2, 7):
        points = weights(batch, T, D, seed=2)
        values = node_values(graph, [points])
        torch.testing.assert_close(values[id(graph.result)], f(points), rtol=0, atol=1e-12)


def test_integers_that_grow_with_the_batch_are_affine() -> None:
    graph = captured(lambda x: torch.cat([x, x[:1]]).new_zeros(3 * len(x) + 1).sum() + x.sum((1, 2)))
    [full] = [node for node in graph.nodes if node.name == "full"]
    assert full.args[0] == [Affine(1, 3)]
    assert graph.source.sizes == [Affine(0, 1), T, D]


def test_shapes_alone_do_not_make_a_constant_depend_on_the_points() -> None:
    graph = captured(lambda x: (torch.ones_like(x) * 2).sum((1, 2)) + x.sum((1, 2)))
    assert [node.depends for node in graph.nodes if node.name == "mul"] == [False]


def test_points_come_first_and_parameters_follow() -> None:
    graph = captured(lambda x, p: (x * p).sum((1, 2)), weights(1, T, D, seed=3))
    assert graph.nodes[0] is graph.source
    assert graph.nodes[1] is graph.parameters[0]
    assert (graph.parameters[0].depends, graph.parameters[0].parametric) == (False, True)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x.sum((1, 2)) if len(x) == 2 else x.mean((1, 2)) * 30, "other operations|values that depend"),
        (lambda x: torch.cat([part.sum((1, 2)) for part in x.split(1)]), "number of arguments|other operations"),
        (lambda x: torch.cat([x[:1].sum((1, 2))] * len(x)) * x[:, 0, 0], "number of arguments"),
        (lambda x: (x * torch.rand(1, T, D, dtype=x.dtype)).sum((1, 2)), "random"),
        (lambda x: torch.nn.functional.dropout(x, 0.5, training=True).sum((1, 2)), "random"),
        (lambda x: (x / len(x)).sum((1, 2)), "changes with the batch size|values that depend on"),
        (lambda x: x.sum(), "shape"),
        (lambda x: x.no_such_method(), "AttributeError"),
    ],
)
def test_what_is_not_one_computation_is_refused(f, words: str) -> None:
    with pytest.raises(Untraceable, match=words):
        captured(f)
