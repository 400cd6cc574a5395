"""Graphs: integers that grow with the batch, nested arguments, readers, and nodes that are replaced or dropped."""

import pytest
import torch

from ihcli.curvature.graph import (
    Affine,
    Graph,
    Node,
    call,
    entries_per_sample,
    has_affine,
    map_leaves,
    nodes_in,
    resolve,
    set_dependence,
)

aten = torch.ops.aten


def node(name: str, target, *args, **kwargs) -> Node:
    made = Node(name, target, args, kwargs)
    set_dependence(made)
    return made


def small() -> tuple[Graph, dict[str, Node]]:
    """(x + p) · (c + c), and a node that nothing reads."""
    x = Node("input", lambda: None, (), {}, depends=True, batched=True)
    p = Node("parameter", lambda: None, (), {}, parametric=True, batched=True)
    c = Node("constant", lambda: None, (), {}, constant=torch.tensor(2.0))
    left = node("add", aten.add.Tensor, x, p)
    right = node("add", aten.add.Tensor, c, c)
    result = node("mul", aten.mul.Tensor, left, right)
    unread = node("neg", aten.neg.default, p)
    names = {"x": x, "p": p, "c": c, "left": left, "right": right, "result": result, "unread": unread}
    return Graph(x, [p], [x, p, c, left, right, unread, result], result), names


def test_an_affine_integer_at_any_batch_size() -> None:
    assert [Affine(2, 3).at(batch) for batch in (1, 2, 7)] == [5, 8, 23]
    assert has_affine([1, (2, {"size": Affine(0, 1)})])
    assert not has_affine([1, (2, {"size": 5})])


def test_what_a_node_depends_on_follows_from_its_arguments() -> None:
    _, at = small()
    kinds = {name: (n.depends, n.parametric, n.batched) for name, n in at.items()}
    assert kinds["left"] == kinds["result"] == (True, True, True)
    assert kinds["right"] == (False, False, False)
    assert kinds["unread"] == (False, True, True)
    assert node("full", aten.full.default, [Affine(0, 1)], 1.0).batched


def test_nodes_among_nested_arguments_are_found_as_often_as_they_occur() -> None:
    _, at = small()
    nested = [at["x"], (at["p"], {"again": [at["x"]], "number": 3})]
    assert [id(n) for n in nodes_in(nested)] == [id(at["x"]), id(at["p"]), id(at["x"])]
    assert map_leaves((1, [2, {"three": 3}]), lambda leaf: 10 * leaf) == (10, [20, {"three": 30}])


def test_arguments_are_resolved_to_values_and_numbers() -> None:
    _, at = small()
    values = {id(at["x"]): torch.ones(2), id(at["p"]): torch.tensor([1.0, 2.0])}
    assert resolve([Affine(0, 2), (at["x"], {"size": 4})], 3, values)[0] == 6
    assert call(at["left"], 2, values).tolist() == [2.0, 3.0]


def test_readers_count_a_node_that_reads_twice_once() -> None:
    graph, at = small()
    readers = graph.readers()
    assert readers[id(at["c"])] == [at["right"]]
    assert readers[id(at["p"])] == [at["left"], at["unread"]]
    assert readers[id(at["result"])] == []


def test_the_frontier_is_what_the_points_read_of_the_parameters() -> None:
    graph, at = small()
    assert graph.frontier() == [at["p"]]
    assert graph.dependent() == [at["left"], at["result"]]


def test_what_the_result_does_not_need_is_dropped_but_never_an_input() -> None:
    graph, at = small()
    graph.replace(at["left"], at["x"])
    graph.remove_unused()
    assert at["unread"] not in graph.nodes
    assert at["left"] not in graph.nodes
    assert at["p"] in graph.nodes
    assert not at["result"].parametric


def test_a_replaced_node_is_replaced_everywhere_and_as_the_result() -> None:
    graph, at = small()
    new = node("sub", aten.sub.Tensor, at["left"], at["right"])
    graph.insert_before(at["result"], new)
    assert graph.nodes.index(new) == graph.nodes.index(at["result"]) - 1
    graph.replace(at["result"], new)
    assert graph.result is new


@pytest.mark.parametrize(
    ("shape", "axis", "outer", "inner", "entries"),
    [((3, 5, 2), 0, 1, 1, 10), ((5, 3), 1, 1, 1, 5), ((15, 4), 0, 5, 1, 20), ((6, 2), 0, 1, 2, 4)],
)
def test_entries_of_one_sample(shape, axis, outer, inner, entries) -> None:
    made = node("x", None)
    made.shape, made.batch_axis, made.outer, made.inner = shape, axis, outer, inner
    assert entries_per_sample(made) == entries
