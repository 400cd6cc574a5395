"""The forward engine against reverse over reverse on tiny models of every family, and what it leaves to the latter."""

import pytest
import torch
from architectures import FAMILIES, classifier
from curvature_reference import distance, reverse_over_reverse
from torch.overrides import TorchFunctionMode

from ihcli.attribution.forward import choose
from ihcli.config import RunConfig
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


def problem(name, dtype):
    made = classifier(BY_NAME[name])
    encoded = made.encode("this movie was not bad", units=RunConfig().units)
    made.model.to(dtype)
    score = made.score(encoded, Target("", 1, "logit"))
    x = made.embed(encoded)
    baseline = x.roll(1, 0)
    points = torch.stack([baseline + t * (x - baseline) for t in (0.3, 0.8)])
    return score, points, x - baseline, encoded.groups, int(encoded.groups.max()) + 1


@pytest.mark.parametrize("name", [*REQUIRED, *OTHERS])
def test_equals_reverse_over_reverse(name):
    score, points, delta, groups, units = problem(name, torch.float64)
    program = trace(score, points)
    found, (alone, slope) = program.second_order(points, delta, groups, units), program.first_order(points)
    with OneType():
        value, gradient, hessian = reverse_over_reverse(score, points, delta, groups, units)
    assert hessian.abs().max() > 1e-7  # or rounding is compared with rounding
    assert distance(found.value, value) < 1e-9
    assert distance(found.gradient, gradient) < 1e-9
    assert distance(alone, value) < 1e-9
    along = (slope * delta).sum(-1)
    assert distance(torch.stack([along[:, groups == unit].sum(-1) for unit in range(units)], 1), gradient) < 1e-9
    assert distance(found.hessian, hessian) < 1e-9


@pytest.mark.parametrize("name", REQUIRED)
def test_single_precision(name):
    exact = problem(name, torch.float64)
    score, points, delta, groups, units = problem(name, torch.float32)
    found = trace(score, points).second_order(points, delta, groups, units)
    with OneType():
        expected = reverse_over_reverse(*exact)[2]
    assert found.hessian.dtype == torch.float32
    assert distance(found.hessian.double(), expected) < 1e-4


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_falls_back_and_says_why(name, caplog):
    score, points, *_ = problem(name, torch.float64)
    with caplog.at_level("DEBUG", "ihcli"):
        choice = choose(score, points[0])
    assert (choice.name, choice.program) == ("reverse", None)
    assert REFUSED[name] in choice.reason
    assert REFUSED[name] in caplog.text
    with pytest.raises(Untraceable, match=REFUSED[name]):
        choose(score, points[0], "forward")


def test_the_choice_of_an_engine():
    score, points, *_ = problem("BERT", torch.float32)
    choice = choose(score, points[0])
    assert choice.name == "forward"
    assert choice.reason == f"57 operations of {len(choice.program.operations)} kinds, all with rules"
    assert choose(score, points[0], "reverse").program is None
