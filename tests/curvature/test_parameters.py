"""Parameters of a traced program: further arguments whose values are given anew in each call."""

import math

import pytest
import torch
from curvature_reference import distance, reverse_over_reverse
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)

from ihcli.curvature import Untraceable, segments, trace
from ihcli.curvature import program as program_module
from ihcli.errors import UsageError

T, D, H = 5, 6, 2
GROUPS = torch.tensor([0, -1, 1, 2, 1])


def weights(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) / math.sqrt(shape[-1])


QUERY, KEY, VALUE, OUT, UP, DOWN = (weights(D, D, seed=seed) * 1.5 for seed in range(6))
HEAD = weights(D, seed=6)


def heads(z):
    return z.view(z.shape[0], T, H, D // H).transpose(1, 2)


def transformer(s, x, layers=2):
    """Layers of attention whose value vectors are multiplied by the switches s (B, T) of their positions."""
    for _ in range(layers):
        q, k, v = (heads(F.linear(x, w)) for w in (QUERY, KEY, VALUE))
        probability = (q @ k.transpose(-1, -2) / math.sqrt(D / H)).softmax(-1)
        mixed = probability @ (v * s[:, None, :, None])
        x = F.layer_norm(x + F.linear(mixed.transpose(1, 2).reshape(x.shape), OUT), [D], eps=1e-5)
        x = F.layer_norm(x + F.linear(F.gelu(F.linear(x, UP)), DOWN), [D], eps=1e-5)
    return (F.linear(x[:, 0], QUERY).tanh() * HEAD).sum(1)


def switches(batch, seed=10):
    return torch.rand(batch, T, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def embeddings(batch, seed=11):
    return weights(batch, T, D, seed=seed) * 2


def check(f, program, points, parameters, groups=GROUPS, units=3, **settings):
    delta = torch.linspace(0.5, 1.5, points[0].numel(), dtype=points.dtype).view(points.shape[1:])
    fixed = lambda p: f(p, *parameters)  # noqa: E731
    value, gradient, hessian = reverse_over_reverse(fixed, points, delta, groups, units)
    second = program.second_order(points, delta, groups, units, parameters=parameters, **settings)
    assert distance(second.value, value) < 1e-12
    assert distance(second.gradient, gradient) < 1e-11
    assert distance(second.hessian, hessian) < 1e-10
    assert hessian.abs().max() > 1e-6
    assert distance(program.value(points, *parameters), value) < 1e-12
    alone, slope = program.first_order(points, parameters)
    assert distance(alone, value) < 1e-12
    source = points.clone().requires_grad_()
    (expected,) = torch.autograd.grad(fixed(source).sum(), source)
    assert distance(slope, expected) < 1e-11


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_one_program_serves_other_parameters(batch):
    program = trace(transformer, switches(1), parameters=(embeddings(1),))
    for seed in (20, 21):
        check(transformer, program, switches(batch, seed), (embeddings(batch, seed + 10),))


def test_what_depends_on_parameters_alone_has_no_tangent():
    program = trace(transformer, switches(2), parameters=(embeddings(2),))
    linear = [node for node in program.graph.nodes if node.name == "linear"]
    # The first layer's queries, keys and values.
    assert [node.depends for node in linear[:4]] == [False, False, False, True]
    # The switched values keep one tensor for all units up to their product with the attention of the first layer.
    products = [node for node in program.graph.nodes if node.name == "matmul" and node.depends]
    switched = products[0].args[1]
    assert not products[0].args[0].depends
    assert (switched.name, switched.position_axes) == ("mul", (0, 2))


def test_nothing_of_the_parameters_is_folded_or_kept():
    program = trace(transformer, switches(1), parameters=(embeddings(1),))
    points = switches(3)
    first = program.value(points, embeddings(3, seed=1))
    program.value(points, embeddings(3, seed=2))
    assert torch.equal(program.value(points, embeddings(3, seed=1)), first)
    assert not torch.equal(program.value(points, embeddings(3, seed=2)), first)
    fixed = [node for node in program.graph.nodes if node.parametric]
    assert all(node.constant is None for node in fixed)


def everywhere(x, a, b):
    """Parameters as factor, summand, matrix, denominator, mask, gathered, written and joined."""
    scaled = torch.where(a > 0.4, x * a, x / (2 + b.square())) + torch.relu(a - 0.5)
    mixed = torch.matmul(a @ b.transpose(1, 2), scaled) + scaled @ b.transpose(1, 2) @ a
    largest = b.max(-1, keepdim=True).values
    normal = F.layer_norm(b, [D]) * x.mean(1, keepdim=True)
    joined = torch.cat([mixed.sin(), normal * largest, a.flip(1)], dim=1)
    written = torch.zeros_like(b)
    written[:, 1:3] = x[:, :2] ** 2
    written[:, 3] += b[:, 0] * a.std(1)
    attended = F.scaled_dot_product_attention(a, b, b) * torch.tanh(x)
    return (joined.softmax(1).sum(1) + (written * attended).sum(1).exp() * b[:, 0]).sum(-1)


@pytest.mark.parametrize("small", [False, True], ids=["whole", "in blocks"])
def test_parameters_in_every_place(small, monkeypatch):
    if small:
        monkeypatch.setattr(segments, "BLOCK_BYTES", 1)
        monkeypatch.setattr(segments, "QUERY_BLOCK_BYTES", 1)
        monkeypatch.setattr(program_module, "GROUP_BYTES", 1)
    parameters = (weights(4, T, D, seed=1) + 0.5, weights(4, T, D, seed=2))
    points = weights(4, T, D, seed=3)
    program = trace(everywhere, points, parameters=[parameter.flip(0) for parameter in parameters])
    check(everywhere, program, points, parameters)


def samples_inside(x, a):
    """Samples and positions share an axis, samples second: (T, B) in one."""
    rows = (x.transpose(0, 1).reshape(-1, D) * a.transpose(0, 1).reshape(-1, D)).tanh()
    factor = a.sum(2).t().reshape(-1, 1)
    return (rows * factor).view(T, -1, D).sum((0, 2)).sin()


def test_parameters_follow_their_points_in_groups_and_chunks(monkeypatch):
    monkeypatch.setattr(program_module, "GROUP_BYTES", 1)
    for f in (samples_inside, lambda x, a: transformer(x.mean(-1), a)):
        points, a = weights(5, T, D, seed=4), embeddings(5, seed=5)
        program = trace(f, points, parameters=(a.flip(0),))
        check(f, program, points, (a,))
        check(f, program, points, (a,), limit=program.bytes_per_node(3) * 2)
        check(f, program, points, (a,), groups=torch.arange(T), units=T, limit=program.bytes_per_node(2))


def test_groups_of_each_point():
    program = trace(transformer, switches(1), parameters=(embeddings(1),))
    groups = torch.tensor([[0, 1, 2, 0, 1], [-1, -1, 0, 2, 2], [2, 1, 0, 0, 0]])
    check(transformer, program, switches(3), (embeddings(3),), groups=groups)


def test_parameters_of_other_shapes():
    f = lambda s, x, bias, scale: transformer(s, x + bias[:, None]) * scale  # noqa: E731
    given = lambda batch, seed: (embeddings(batch, seed), weights(batch, D, seed=seed + 1), switches(batch, seed)[:, 0])  # noqa: E731
    program = trace(f, switches(2), parameters=given(2, 30))
    check(f, program, switches(4), given(4, 40))


def test_single_precision():
    points, x = switches(2), embeddings(2)
    single = lambda s, x: transformer(s.double(), x.double()).to(s.dtype)  # noqa: E731
    program = trace(single, points.float(), parameters=(x.float(),))
    hessian = program.second_order(points.float(), torch.ones(T), GROUPS, 3, parameters=(x.float(),)).hessian
    expected = reverse_over_reverse(lambda s: transformer(s, x), points, torch.ones(T, dtype=torch.float64), GROUPS, 3)[
        2
    ]
    assert hessian.dtype == torch.float32
    assert distance(hessian.double(), expected) < 1e-4


REFUSED = {
    "a branch": (lambda s, x: transformer(s, x if x.sum() > 0 else x * 2), "reads a value"),
    "a number": (lambda s, x: transformer(s, x) * x.sum().item(), "reads a value"),
    "a list": (lambda s, x: transformer(s, x) * x[0, 0].tolist()[0], "reads a value"),
    "a cast": (lambda s, x: transformer(s, x)[:, None].expand(-1, 2).gather(1, x[:, :1, 0].abs().long() % 2)[:, 0], "cast"),  # noqa: E501
    "mixed samples": (lambda s, x: transformer(s, x - x.mean(0, keepdim=True)), "combines the samples"),
    "other samples": (lambda s, x: transformer(s, x.flip(0)), "combines the samples"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    f, message = REFUSED[name]
    with pytest.raises(Untraceable, match=message):
        trace(f, switches(2), parameters=(embeddings(2),))


def test_a_parameter_that_was_baked_in_is_noticed():
    """A function that keeps the first parameter it saw: the checks use other values than the trace."""
    seen = []

    def f(s, x):
        seen.append(x)
        return transformer(s, x) if len(seen) > 2 else transformer(s, END.expand(x.shape))

    with pytest.raises(Untraceable, match="the traced computation gives"):
        trace(f, switches(2), parameters=(embeddings(2),))


END = embeddings(1, seed=50)


def test_shapes_and_types_that_do_not_fit():
    program = trace(transformer, switches(1), parameters=(embeddings(1),))
    points, delta = switches(2), torch.ones(T, dtype=torch.float64)
    wrong = {
        "none": (),
        "one too many": (embeddings(2), embeddings(2)),
        "another batch": (embeddings(3),),
        "another width": (embeddings(2)[..., 1:],),
        "another type": (embeddings(2).float(),),
    }
    for parameters in wrong.values():
        with pytest.raises(UsageError, match="do not fit"):
            program.second_order(points, delta, GROUPS, 3, parameters=parameters)
        with pytest.raises(UsageError, match="do not fit"):
            program.first_order(points, parameters)
        with pytest.raises(UsageError, match="do not fit"):
            program.value(points, *parameters)
    with pytest.raises(UsageError, match="floating-point"):
        trace(lambda s, n: s.sum(1) * n[:, 0], switches(1), parameters=(torch.ones(1, T, dtype=torch.long),))
