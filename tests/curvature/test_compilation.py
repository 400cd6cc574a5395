"""What is refused while a function is traced, and how the reason is given."""

import doctest

import pytest
import torch
from curvature_functions import END, D, T, W, squash, weights
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)

from ihcli.curvature import Untraceable, compilation, trace
from ihcli.curvature.operation_rules import RULES

REFUSED = {
    "relu": torch.relu,
    "relu_": lambda x: torch.relu_(x * 1),
    "abs": torch.abs,
    "clamp": lambda x: x.clamp(-1, 1),
    "clamp_min": lambda x: x.clamp_min(0),
    "maximum": lambda x: torch.maximum(x, x.flip(1)),
    "max": lambda x: x.max(1).values,
    "amax": lambda x: x.amax(1),
    "hardtanh": F.hardtanh,
    "hardswish": F.hardswish,
    "leaky_relu": F.leaky_relu,
    "threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "sign": torch.sign,
    "sort": lambda x: x.sort(1).values,
    "topk": lambda x: x.topk(2, 1).values,
}


@pytest.mark.parametrize("name", REFUSED)
def test_operations_that_are_not_smooth_are_named(name):
    f = lambda x: squash(REFUSED[name](x))  # noqa: E731
    with pytest.raises(Untraceable, match=name.rstrip("_")):
        trace(f, weights(2, T, D))


def test_constants_may_be_computed_by_any_operation():
    f = lambda x: squash(x * torch.relu(END) + END.clamp(0, 1) @ W.abs())  # noqa: E731
    trace(f, weights(2, T, D))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: squash(torch.where(x > 0, x, x * 2)), "where"),
        (lambda x: squash(x.cumprod(1)), "cumprod"),
        (lambda x: squash(x * x.mean(0, keepdim=True)), "combines the samples"),
        (lambda x: squash(x if x.sum() > 0 else x * 2), "value"),
        (lambda x: squash(F.dropout(x, 0.5, training=True)), "random"),
        (lambda x: squash(x / x.shape[0]), "batch"),
        (lambda x: squash(x.half()), "precision"),
        (lambda x: squash(2.0**x), "pow"),
        (lambda x: x, "shape"),
    ],
)
def test_what_is_not_understood_is_refused(f, message):
    with pytest.raises(Untraceable, match=message):
        trace(f, weights(2, T, D))


@pytest.mark.parametrize("example", [torch.zeros, torch.ones])
def test_a_wrong_rule_is_noticed_whatever_the_example(example, monkeypatch):
    monkeypatch.setitem(RULES, "cos", RULES["neg"])
    with pytest.raises(Untraceable, match="differs from reverse over reverse"):
        trace(lambda s: s.cos().prod(1), example(1, T, dtype=torch.float64))


def test_the_example_of_trace():
    assert doctest.testmod(compilation) == (0, 4)
