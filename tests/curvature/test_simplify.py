"""Rewrites: constants are computed once, copies and casts vanish, and each operation is written in one way."""

import pytest
import torch
from curvature_functions import D, T, W, squash, weights

from ihcli.curvature import Untraceable, trace


def operations(f) -> dict[str, int]:
    """How often each operation occurs that depends on the points; those of the nonlinear end are taken off."""
    example = weights(2, T, D)
    found = dict(trace(lambda x: squash(f(x).sin()), example).operations)
    for name, count in trace(lambda x: squash(x.sin()), example).operations.items():
        found[name] = found.get(name, 0) - count
    return {name: count for name, count in found.items() if count}


REWRITES = {
    "nothing": (lambda x: x, {}),
    "copies": (lambda x: x.clone().contiguous(), {}),
    "casts": (lambda x: x.to(torch.float64).double(), {}),
    "dropout in evaluation mode": (lambda x: torch.nn.functional.dropout(x, 0.5, training=False), {}),
    "a square": (lambda x: x * x, {"pow": 1}),
    "a quotient": (lambda x: x / (x + 3), {"add": 1, "reciprocal": 1, "mul": 1}),
    "a quotient by a constant": (lambda x: x / (W[:1] + 3), {"div": 1}),
    "a product with a constant matrix": (lambda x: x @ W, {"linear": 1}),
    "a transposition": (lambda x: x.transpose(1, 2).transpose(1, 2), {"permute": 2}),
    "a view": (lambda x: x.view(-1, T * D).unflatten(1, (T, D)), {"reshape": 2}),
    "parts of a split": (lambda x: x.split(3, dim=-1)[1].repeat(1, 1, 2), {"slice": 1, "repeat": 1}),
    "parts of an unbind": (lambda x: x.unbind(1)[2].unsqueeze(1).expand(-1, T, -1), {"select": 1, "unsqueeze": 1, "expand": 1}),  # noqa: E501
    "constants": (lambda x: x + (W.exp() @ W).relu()[:1], {"add": 1}),
    "a softmax": (lambda x: torch.softmax(x, dim=-1, dtype=torch.float64), {"softmax": 1}),
    "the last token of each sample": (
        lambda x: x[torch.arange(x.shape[0]), torch.full((x.shape[0],), 2)].unsqueeze(1).expand(-1, T, -1),
        {"select": 1, "unsqueeze": 1, "expand": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITES)
def test_an_operation_is_written_in_one_way(name: str) -> None:
    f, expected = REWRITES[name]
    assert operations(f) == expected


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x.half().double(), "loses precision"),
        (lambda x: x.long().double() * x, "loses precision or the derivative"),
        (lambda x: torch.div(x, x + 3, rounding_mode="floor"), "rounding has no derivative"),
        (lambda x: torch.stack(x.split(1, dim=0)).squeeze(1), "samples|batch"),
    ],
)
def test_what_has_no_derivative_is_refused(f, words: str) -> None:
    with pytest.raises(Untraceable, match=words):
        trace(lambda x: squash(f(x)), weights(2, T, D))


def test_constants_are_computed_once_and_hold_their_value() -> None:
    calls = []

    def f(x):
        calls.append(1)
        return squash(x * (W[:1] * 3).exp())

    program = trace(f, weights(2, T, D))
    [constant] = [
        node.constant for node in program.graph.nodes if node.name == "constant" and node.constant is not None
    ]
    torch.testing.assert_close(constant, (W[:1] * 3).exp(), rtol=0, atol=0)
