"""Where positions have not been combined, a change at one position changes nothing at others."""

import pytest
from curvature_functions import FUNCTIONS, D, T, attention, squash, weights

from ihcli.curvature import trace
from ihcli.curvature.capture import SECOND
from ihcli.curvature.layout import node_values


@pytest.mark.parametrize("name", FUNCTIONS)
def test_position_axes_are_those_along_which_one_position_changes(name):
    graph = trace(lambda x: squash(FUNCTIONS[name](x)), weights(1, T, D)).graph
    points = weights(SECOND, T, D, seed=32)
    changed = points.clone()
    changed[1, 2] += 0.5
    before, after = (node_values(graph, [given]) for given in (points, changed))
    for node in graph.dependent():
        if node.position_axes is not None:
            samples, positions = node.position_axes
            different = (before[id(node)] != after[id(node)]).movedim((samples, positions), (0, 1))
            different = different.reshape(SECOND, T, -1).any(2)
            different[1, 2] = False
            assert not different.any(), node.name


def test_positions_stay_apart_up_to_the_product_of_queries_and_keys():
    graph = trace(lambda x: squash(attention(x)), weights(1, T, D)).graph
    products = [node for node in graph.dependent() if node.name == "matmul"]
    assert [node.between_positions for node in products] == [True, False]
    assert [node.position_axes for node in products] == [None, None]
    for node in graph.dependent()[: graph.dependent().index(products[0])]:
        assert node.position_axes is not None, node.name
