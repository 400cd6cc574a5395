"""What the rules say of axes, against the operations themselves on a part of an axis."""

import pytest
import torch
from curvature_functions import FUNCTIONS, D, T, mixed, squash, weights

from ihcli.curvature import trace
from ihcli.curvature.capture import SECOND
from ihcli.curvature.graph import resolve
from ihcli.curvature.layout import node_values
from ihcli.curvature.operation_rules import RULES


def graph_of(function, before):
    return trace(lambda x: squash(function(before(x))), weights(1, T, D)).graph


@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_entries_along_an_axis_are_computed_from_those_of_the_arguments(name, before):
    graph = graph_of(FUNCTIONS[name], before)
    values = node_values(graph, [weights(SECOND, T, D, seed=31)])
    for node in graph.dependent():
        behaviour = RULES[node.name].axis_behaviour
        for axis, size in enumerate(node.shape):
            followed = behaviour.arguments(node, axis) if axis != node.batch_axis else None
            if followed is None:
                continue
            index = size - 1
            arguments = list(resolve(node.args, SECOND, values))
            for place, own in followed.items():
                arguments[place] = arguments[place].narrow(own, index, 1)
            if behaviour.takes_shape:
                arguments[1] = [*arguments[1][:axis], 1, *arguments[1][axis + 1 :]]
            part = node.target(*arguments, **resolve(node.kwargs, SECOND, values))
            whole = values[id(node)].narrow(axis, index, 1)
            assert torch.allclose(part, whole, rtol=1e-12, atol=1e-12), (node.name, axis)
