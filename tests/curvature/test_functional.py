"""Writes into memory become new values: the program gives what the function gives, and nothing is written any more."""

import pytest
import torch
from curvature_functions import FUNCTIONS, D, T, squash, weights

from ihcli.curvature import Untraceable, trace

WRITING = [
    "in place",
    "written through views",
    "written into zeros",
    "written by an index",
    "a view made before a write",
]


def _permuted(x):
    y = x * 2
    y.permute(2, 0, 1)[1] += x[:, :, 0]
    return y


def _narrowed(x):
    y = x * 2
    y.narrow(1, 1, 2).mul_(x[:, :2])
    return y


def _filled(x):
    y = x * 2
    y[:, 1].zero_()
    y[:, 2].fill_(2.0)
    return y * x


def _reshaped_in_place(x):
    y = x * 2
    y.unsqueeze_(1)
    y.squeeze_(1)
    return y


def _copied(x):
    y = torch.empty_like(x)
    y.copy_(x[:, :1])
    y[:, 0].copy_(x[:, 1] * 3)
    return y * x


VIEWS = {
    "permute": _permuted, "narrow": _narrowed, "fill": _filled, "shapes in place": _reshaped_in_place, "copy": _copied,
}  # fmt: skip


@pytest.mark.parametrize("name", [*WRITING, *VIEWS])
def test_a_function_that_writes_gives_the_same_values(name: str) -> None:
    f = lambda x: squash({**FUNCTIONS, **VIEWS}[name](x))  # noqa: E731
    program = trace(f, weights(2, T, D))
    points = weights(5, T, D, seed=9)
    torch.testing.assert_close(program.value(points), f(points), rtol=0, atol=1e-12)
    assert not any(node.mutates or node.name.endswith("_") for node in program.graph.nodes)


def _into_integers(x):
    y = torch.zeros(x.shape, dtype=torch.long)
    y.copy_(x)
    return y.to(x.dtype) * x


def _into_windows(x):
    y = x * 2
    y.unfold(1, 2, 2).mul_(3)
    return y


@pytest.mark.parametrize(
    ("f", "words"),
    [(_into_integers, "loses the derivative"), (_into_windows, "a view made by unfold cannot be traced")],
)
def test_a_write_that_cannot_be_rewritten_is_named(f, words: str) -> None:
    with pytest.raises(Untraceable, match=words):
        trace(lambda x: squash(f(x)), weights(2, T, D))
