"""Programs of tiny models of every family against reverse over reverse, and the families that cannot be traced."""

import dataclasses

import pytest
import torch
from architectures import FAMILIES, classifier
from curvature_reference import distance, reverse_over_reverse
from torch.overrides import TorchFunctionMode

from ihcli.config import BaselineSection, RunConfig
from ihcli.curvature import Untraceable, trace
from ihcli.results import Target

BY_NAME = {family.name: family for family in FAMILIES}
REQUIRED = [
    "BERT", "RoBERTa", "DistilBERT", "ALBERT", "ELECTRA", "DeBERTa-v2", "MPNet", "ModernBERT", "GPT-2", "Llama",
    "Qwen2", "Qwen3",
]  # fmt: skip
OTHERS = [
    "DeBERTa", "XLNet", "Funnel", "SqueezeBERT", "RoFormer", "Nyströmformer", "BigBird", "ESM",
    "GPT-NeoX", "GPT-Neo", "GPT-J", "OPT", "Gemma 2", "Gemma 3", "T5", "BART", "BLOOM", "Falcon", "OLMo 2", "GLM",
    "MPT", "CTRL", "XLM", "FNet", "ConvBERT", "X-MOD", "LUKE",
]  # fmt: skip
VALUE_ZEROING = ["BERT", "DistilBERT", "ALBERT", "ModernBERT", "GPT-2", "Llama", "Qwen3", "OPT"]
REFUSED = {
    "Mixtral": "reads a value that depends on the input",
    "Longformer": "cast to torch.bool",
    "YOSO": "acos",
}


class OneType(TorchFunctionMode):
    """Leaves out the casts to float32 that some models make on the way, as the engine does."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if args and isinstance(args[0], torch.Tensor) and args[0].requires_grad:
            if func is torch.Tensor.float or (func is torch.Tensor.to and torch.float32 in (*args, *kwargs.values())):
                return args[0]
            if kwargs.get("dtype") is torch.float32:
                del kwargs["dtype"]
        return func(*args, **kwargs)


def problem(name, dtype, kind="zero"):
    """The smoothed score of a tiny model, and two points of a path: from permuted embeddings, or of switches."""
    made = classifier(BY_NAME[name])
    encoded = made.encode("this movie was not bad", units=RunConfig().units)
    made.model.to(dtype)
    presence = made.presence(encoded, Target("", 1, "logit"), BaselineSection(kind=kind))
    path = presence.paths[0]
    if kind == "zero":  # tiny models are nearly constant along the path from zero
        x = made.embed(encoded)
        path = dataclasses.replace(path, start=x.roll(1, 0), delta=x - x.roll(1, 0))
    points = path.points(torch.tensor([0.3, 0.8], dtype=dtype))
    return presence.score, points, path.delta, path.groups, path.units, path.parameters_at(2)


def check(name, kind):
    score, points, delta, groups, units, parameters = problem(name, torch.float64, kind)
    program = trace(score, points, parameters=parameters)
    second = program.second_order(points, delta, groups, units, parameters=parameters)
    value, slope = program.first_order(points, parameters)
    with OneType():
        expected = reverse_over_reverse(lambda p: score(p, *parameters), points, delta, groups, units)
    assert expected[2].abs().max() > 1e-7  # or rounding is compared with rounding
    for actual, reference in zip((second.value, second.gradient, second.hessian), expected, strict=True):
        assert distance(actual, reference) < 1e-9
    assert distance(value, expected[0]) < 1e-9
    by_position = (slope * delta).flatten(2).sum(-1) if delta.dim() > 1 else slope * delta
    by_unit = torch.stack([by_position[:, groups == unit].sum(-1) for unit in range(units)], 1)
    assert distance(by_unit, expected[1]) < 1e-9


@pytest.mark.parametrize("name", [*REQUIRED, *OTHERS])
def test_embeddings(name):
    check(name, "zero")


@pytest.mark.parametrize("name", VALUE_ZEROING)
def test_value_zeroing(name):
    check(name, "value-zeroing")


@pytest.mark.parametrize("name", REQUIRED)
def test_single_precision(name):
    exact = problem(name, torch.float64)
    score, points, delta, groups, units, _ = problem(name, torch.float32)
    second = trace(score, points).second_order(points, delta, groups, units)
    with OneType():
        expected = reverse_over_reverse(*exact[:5])[2]
    assert second.hessian.dtype == torch.float32
    assert distance(second.hessian.double(), expected) < 1e-4


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_named(name):
    score, points, *_ = problem(name, torch.float64)
    with pytest.raises(Untraceable, match=REFUSED[name]):
        trace(score, points)
