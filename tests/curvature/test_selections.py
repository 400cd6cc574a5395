"""The last layer is computed only at the position that the head reads."""

from curvature_functions import D, T, transformer, weights

from ihcli.curvature import trace


def test_only_the_positions_that_are_read_are_computed():
    program = trace(transformer, weights(1, T, D))
    linear = [node for node in program.graph.nodes if node.name == "linear" and node.depends]
    # In the last block the two products of the feed-forward part and the head see one position.
    assert [node.shape[1] for node in linear[-2:]] == [1, D] or [node.shape[1] for node in linear[-3:-1]] == [1, 1]
