"""Every rule of the second-order engine against reverse over reverse in float64, and what it refuses."""

import math
from itertools import pairwise

import pytest
import torch
from curvature_reference import distance, reverse_over_reverse
from torch import nn
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)
from torch.nn.attention import SDPBackend, sdpa_kernel

from ihcli.curvature import Untraceable, kinks, products, tiling, trace
from ihcli.curvature import program as program_module
from ihcli.curvature.rules import POINTWISE, RULES
from ihcli.errors import DeviceError, UsageError

T, D, U = 5, 6, 3
GROUPS = torch.tensor([0, -1, 1, 2, 1])


def weights(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) / math.sqrt(shape[-1])


MIX = weights(T, T, seed=2)
W = weights(D, D, seed=3)
BIAS = weights(D, seed=4)
END = weights(T, D, seed=5)
KERNEL = weights(D, D, 3, seed=7)


def squash(z):
    """A nonlinear end, so that terms of a rule meet adjoints that vary."""
    return torch.tanh(z.reshape(z.shape[0], -1)).mul(0.7).sin().sum(1)


def mixed(x):
    """Positions mixed at once, so that the rule after it works on the tangents of all units apart."""
    return torch.einsum("st,btd->bsd", MIX, x)


def attention(x):
    q, k, v = (x @ w for w in (W, W.T, W * 0.5))
    heads = [z.view(z.shape[0], T, 2, D // 2).transpose(1, 2) for z in (q, k, v)]
    scores = heads[0] @ heads[1].transpose(-1, -2) / math.sqrt(D / 2)
    return (scores.softmax(-1) @ heads[2]).transpose(1, 2).reshape(x.shape[0], T, D)


def fused_attention(x, **settings):
    """By the kernel that the reference can differentiate twice."""
    heads = x.reshape(-1, T, 2, 3).transpose(1, 2)
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(heads, heads.flip(1), heads * 0.5, **settings)


POINTWISE_DOMAIN = {
    "log": (0.5, 2), "log2": (0.5, 2), "log10": (0.5, 2), "log1p": (0.0, 2), "sqrt": (0.5, 2), "rsqrt": (0.5, 2),
    "reciprocal": (0.5, 2), "logit": (0.2, 0.8),
}  # fmt: skip


def pointwise(name):
    low, high = POINTWISE_DOMAIN.get(name, (-1.2, 1.2))
    named = {
        "gelu": F.gelu, "silu": F.silu, "softplus": lambda z: F.softplus(z, beta=3.0), "mish": F.mish,
        "log_sigmoid": F.logsigmoid, "pow": lambda z: z.pow(3), "special_expit": torch.special.expit,
        "special_erf": torch.special.erf,
    }  # fmt: skip
    function = named.get(name) or getattr(torch, name)
    return lambda x: function(low + (high - low) * torch.sigmoid(x))


def _in_place(x):
    y = x * 2
    y += BIAS
    y.mul_(x)
    return y


def _indexed(x):
    y = x * 2
    y[:, torch.tensor([3, 0])] = x[:, :2] * x[:, 2:4]
    y[:, torch.tensor([1, 3])] += 1
    return y


def _written(x):
    y = (x * 2).contiguous()
    y[:, 1:3].mul_(x[:, 2:4])
    y[:, 0, ::2] = x[:, 4, 3:]
    y.transpose(1, 2)[:, 1] += 0.5
    y.view(-1, T * D)[:, -1].zero_()
    return y


def _gathered(x):
    y = torch.empty(x.shape[0], 2, D, dtype=x.dtype)
    for k, part in enumerate((x[:, 0], x[:, 1] * x[:, 2])):
        y[:, k] = part
    return y


def _seen_before(x):
    y = x * 2
    early, late = y[:, :2], y[:, 1:]
    late.mul_(x[:, 1:])
    return early * x[:, 3:]


MASK = torch.tensor([True, False, True, True, False]).unsqueeze(-1)

FUNCTIONS = {
    **{f"pointwise {name}": pointwise(name) for name in POINTWISE},
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "pow 2": lambda x: x**2,
    "pow half": lambda x: (x * x + 1) ** 0.5,
    "square": torch.square,
    "mul": lambda x: x * torch.flip(x, [-1]),
    "mul by itself": lambda x: x * x,
    "mul with broadcasting": lambda x: x * x.mean(-1, keepdim=True),
    "mul with broadcasting over positions": lambda x: x * x.mean(1, keepdim=True) * x[:, :1],
    "mul of broadcast both ways": lambda x: x[:, :, :1] * x[:, :1, :],
    "div": lambda x: x / (1 + x.pow(2).sum(-1, keepdim=True)),
    "div of a number": lambda x: 1 / (2 + x.sin()),
    "div by a constant": lambda x: x / END,
    "add with alpha": lambda x: torch.add(x, x.flip(1), alpha=0.3),
    "sub": lambda x: torch.sub(x.flip(2), x, alpha=2),
    "rsub": lambda x: 1 - x,
    "rsub of a tensor": lambda x: torch.rsub(x, x.flip(1), alpha=0.5),
    "neg": lambda x: -x,
    "add broadcasting": lambda x: x[:, :, :1] + x[:, :1, :],
    "add of itself": lambda x: x + x,
    "where on a constant": lambda x: torch.where(MASK, x, x.flip(1)),
    "where with a number": lambda x: torch.where(MASK, x, 0.3),
    "masked_fill": lambda x: x.masked_fill(MASK, -2.0),
    "linear": lambda x: F.linear(x, W, BIAS),
    "addmm": lambda x: torch.addmm(BIAS, x.reshape(-1, D), W).view(-1, T, D),
    "mm": lambda x: (x.reshape(-1, D) @ W).view(-1, T, D),
    "matmul with a constant on the left": lambda x: MIX @ x,
    "matmul of both": lambda x: x @ x.transpose(1, 2),
    "matmul that broadcasts": lambda x: x.view(-1, T, 2, D // 2).transpose(1, 2) @ x[:, None, : D // 2, :1],
    "bmm": lambda x: torch.bmm(x, x.transpose(1, 2)),
    "baddbmm": lambda x: torch.baddbmm(x @ x.transpose(1, 2), x, x.transpose(1, 2), beta=0.5, alpha=0.3),
    "einsum": lambda x: torch.einsum("btd,bsd->bts", x, x),
    "attention": attention,
    "fused attention": fused_attention,
    "fused attention with a mask": lambda x: fused_attention(x, attn_mask=MIX > 0),
    "fused causal attention": lambda x: fused_attention(x, is_causal=True, scale=0.7),
    "softmax": lambda x: x.softmax(-1),
    "softmax over positions": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "log_softmax over positions": lambda x: x.log_softmax(1),
    "logsumexp": lambda x: x.logsumexp(-1),
    "logsumexp of two axes": lambda x: x.logsumexp((1, 2), keepdim=True),
    "layer norm": lambda x: F.layer_norm(x, [D], BIAS, BIAS, 1e-2),
    "layer norm without weights": lambda x: F.layer_norm(x, [D], eps=1e-12),
    "layer norm over two axes": lambda x: F.layer_norm(x, [T, D]),
    "rms norm": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * BIAS,
    "rms norm as one operation": lambda x: F.rms_norm(x, [D], BIAS, 1e-6),
    "group norm": lambda x: F.group_norm(x.transpose(1, 2), 2),
    "variance": lambda x: x - x.var(-1, keepdim=True),
    "sum": lambda x: x.sum(1),
    "mean of all": lambda x: x.mean((1, 2)),
    "cumsum": lambda x: x.cumsum(1),
    "gather": lambda x: x.gather(2, torch.tensor([[[0, 2]] * T]).expand(x.shape[0], T, 2)),
    "index": lambda x: x[:, torch.tensor([0, 2, 2])],
    "index of one position of each": lambda x: x[torch.arange(x.shape[0]), torch.full((x.shape[0],), 2)],
    "index_select": lambda x: x.index_select(1, torch.tensor([3, 1])),
    "cat": lambda x: torch.cat([x, END.expand(x.shape[0], T, D), x * 2], dim=1),
    "stack": lambda x: torch.stack([x, x * x], dim=-1),
    "split": lambda x: torch.mul(*x.split(3, dim=-1)),
    "chunk": lambda x: torch.mul(*x.chunk(2, -1)),
    "unbind": lambda x: torch.mul(*x.unbind(1)[:2]),
    "tuple of uneven parts": lambda x: x.split([2, 4], -1)[1],
    "views": lambda x: x.unsqueeze(1).expand(-1, 2, -1, -1).permute(0, 2, 1, 3).flatten(2).unflatten(-1, (2, D)).squeeze(),  # noqa: E501
    "slices": lambda x: x[:, 1:4, ::2].narrow(1, 0, 2),
    "roll, repeat and flip": lambda x: x.roll(1, 1).repeat(1, 2, 1).flip(1),
    "constant pad": lambda x: F.pad(x, (1, 0, 2, 0)),
    "pad with a value": lambda x: F.pad(x, (1, 0), value=0.5) ** 2,
    "pad by repeating": lambda x: F.pad(x, (1, 0), mode="replicate"),
    "subtracted with a factor": lambda x: torch.rsub(x, 1.0, alpha=0.5) ** 2,
    "convolution": lambda x: F.conv1d(x.transpose(1, 2), KERNEL, padding=1),
    "triangle": lambda x: torch.tril(x @ x.transpose(1, 2)),
    "in place": _in_place,
    "written through views": _written,
    "written into zeros": _gathered,
    "written by an index": _indexed,
    "a view made before a write": _seen_before,
    "fourier": lambda x: torch.fft.fftn(x, dim=(1, 2)).real * x,
    "fourier of one axis": lambda x: torch.view_as_real(torch.fft.fft(x, dim=1)).prod(-1) * END,
    "fourier of two axes": lambda x: torch.fft.fft2(x).imag + torch.fft.rfft(x, dim=1).real.sum(1, keepdim=True),
    "positions before samples": lambda x: F.layer_norm(x.transpose(0, 1).reshape(-1, D) @ W, [D]).view(T, -1, D).transpose(0, 1),  # noqa: E501
    "samples and positions in one axis": lambda x: F.layer_norm(F.gelu(x.reshape(-1, D) @ W), [D]).view(-1, T, D),
    "casts": lambda x: x.to(torch.float64).contiguous().clone() * 2,
    "batch of a constant": lambda x: x * torch.ones(x.shape[0], T, 1, dtype=x.dtype).cumsum(1),
    "zeros_like": lambda x: torch.zeros_like(x) + x,
    "reads a constant": lambda x: x * 2 if torch.ones(3).sum().item() == 3 else x,
    "dropout in evaluation mode": lambda x: F.dropout(x, 0.5, training=False),
    "positions selected late": lambda x: F.layer_norm(F.gelu(F.linear(attention(x), W)) + x, [D])[:, 0],
}  # fmt: skip


@pytest.fixture
def small_blocks(monkeypatch):
    """Points one by one, every block of one entry, every sum in pieces."""
    monkeypatch.setattr(tiling, "BLOCK", 1)
    monkeypatch.setattr(tiling, "WIDE_BLOCK", 1)
    monkeypatch.setattr(program_module, "TOGETHER", 1)
    monkeypatch.setattr(products, "LARGE", 1)
    monkeypatch.setattr(products, "PIECE", 1)


@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_rule_equals_reverse_over_reverse(name, before):
    check(FUNCTIONS[name], before)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not name.startswith("pointwise")])
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
def test_rule_in_blocks(name, before):
    check(FUNCTIONS[name], before)


def check(function, before):
    f = lambda x: squash(function(before(x)))  # noqa: E731
    points, delta = weights(4, T, D, seed=8) * 2, weights(T, D, seed=9) * 2
    program = trace(f, points)
    given = [points.clone(), delta.clone()]
    found = program.second_order(points, delta, GROUPS, U)
    assert torch.equal(given[0], points)
    assert torch.equal(given[1], delta)
    value, gradient, hessian = reverse_over_reverse(f, points, delta, GROUPS, U)
    assert distance(found.value, value) < 1e-12
    assert distance(found.gradient, gradient) < 1e-11
    assert distance(found.hessian, hessian) < 1e-10
    assert torch.equal(found.hessian, found.hessian.transpose(1, 2))


def test_every_rule_is_met_by_a_function_above():
    met = set()
    for function in FUNCTIONS.values():
        program = trace(lambda x, function=function: squash(function(x)), weights(2, T, D))
        met.update(program.operations)
    unmet = set(RULES) - met - {
        # Other spellings, which the tracer brings to one of the above, or which only older code calls.
        "view", "_unsafe_view", "t", "swapaxes", "narrow", "mm", "take_along_dim", "repeat_interleave",
        "constant_pad_nd", "convolution", "conv2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "fft_rfft", "triu",  # noqa: E501
        "diagonal", "movedim", "unfold", "square",
    }  # fmt: skip
    assert unmet <= {"special_erf", "special_expit", "erf", "sigmoid", "pad", "fft_rfft", "view_as_complex"}


def test_closed_form_of_a_product_of_powers():
    powers = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    point = torch.tensor([[1.5, -0.5, 2.0]], dtype=torch.float64)
    found = trace(
        lambda x: (x**powers).prod(-1) if False else (x[:, 0] * x[:, 1] ** 2 * x[:, 2] ** 3), point
    ).second_order(point, point[0], torch.arange(3), 3)
    value = point[0].pow(powers).prod()
    assert torch.allclose(found.hessian[0], value * (torch.outer(powers, powers) - torch.diag(powers)))
    assert torch.allclose(found.gradient[0], value * powers)


def test_a_linear_function_has_no_curvature():
    points = weights(2, T, D)
    found = trace(lambda x: (x @ W).sum((1, 2)), points).second_order(points, weights(T, D), GROUPS, U)
    assert torch.count_nonzero(found.hessian) == 0


def test_a_function_that_ignores_its_input():
    points = weights(2, T, D)
    found = trace(lambda x: (x * 0).sum((1, 2)) + 1, points).second_order(points, weights(T, D), GROUPS, U)
    assert torch.equal(found.value, torch.ones(2, dtype=torch.float64))
    assert torch.count_nonzero(found.hessian) == 0


def transformer(x):
    """Two blocks of attention, normalisation and GELU, read at the first position."""
    for _ in range(2):
        x = F.layer_norm(x + attention(x), [D], eps=1e-5)
        x = F.layer_norm(x + F.linear(F.gelu(F.linear(x, W, BIAS)), W.T), [D], eps=1e-5)
    return F.linear(x[:, 0], W).tanh().sum(1)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_one_program_serves_every_batch(batch):
    program = trace(transformer, weights(3, T, D))
    points, delta = weights(batch, T, D, seed=11), weights(T, D, seed=12)
    found = program.second_order(points, delta, GROUPS, U)
    assert distance(found.hessian, reverse_over_reverse(transformer, points, delta, GROUPS, U)[2]) < 1e-10


def test_groups_and_delta_of_each_point():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(3, T, D, seed=13), weights(3, T, D, seed=14)
    groups = torch.tensor([[0, 1, 2, 0, 1], [-1, -1, 0, 2, 2], [2, 1, 0, 0, 0]])
    found = program.second_order(points, delta, groups, U)
    _, gradient, hessian = reverse_over_reverse(transformer, points, delta, groups, U)
    assert distance(found.gradient, gradient) < 1e-11
    assert distance(found.hessian, hessian) < 1e-10


def test_groups_of_features():
    f = lambda x: (x @ W).tanh().prod(1) * x[:, 0]  # noqa: E731
    points, delta = weights(3, D, seed=15), weights(D, seed=16)
    groups = torch.tensor([0, 1, 2, 0, 1, -1])
    found = trace(f, points).second_order(points, delta, groups, U)
    assert distance(found.hessian, reverse_over_reverse(f, points, delta, groups, U)[2]) < 1e-10


def test_a_group_has_the_block_sum_of_its_members():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(2, T, D, seed=17), weights(T, D, seed=18)
    single = program.second_order(points, delta, torch.arange(T), T).hessian
    grouped = program.second_order(points, delta, torch.tensor([0, 0, 1, 1, 2]), 3).hessian
    sums = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=torch.float64)
    assert distance(grouped, sums @ single @ sums.T) < 1e-12


def test_chunks_of_points_and_of_units_change_nothing():
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(5, T, D, seed=19), weights(T, D, seed=20)
    whole = program.second_order(points, delta, torch.arange(T), T)
    for limit in (program.bytes_per_node(T) * 2, program.bytes_per_node(4), program.bytes_per_node(2)):
        parts = program.second_order(points, delta, torch.arange(T), T, limit=limit)
        assert distance(parts.hessian, whole.hessian) < 1e-13
        assert distance(parts.gradient, whole.gradient) < 1e-13
    assert program.sweeps(T, program.bytes_per_node(T)) == 1
    assert program.sweeps(T, program.bytes_per_node(2)) == T - 1
    assert program.sweeps(T, 100) == math.inf
    with pytest.raises(DeviceError, match="two units"):
        program.second_order(points, delta, torch.arange(T), T, limit=100)


def test_blocks_change_nothing(monkeypatch):
    program = trace(transformer, weights(1, T, D))
    points, delta = weights(5, T, D, seed=19), weights(5, T, D, seed=20)
    groups = torch.stack([torch.arange(T).roll(k) for k in range(5)])
    whole = program.second_order(points, delta, groups, T)
    segments = [step for step in program.steps if isinstance(step, tiling.Segment)]
    assert {segment.size for segment in segments} == {2, T}  # heads, positions
    for block, together in ((1, 1), (T * 4 * 8 * 8, 1), (1, 10**9), (10**9, 10**4)):
        monkeypatch.setattr(tiling, "BLOCK", block)
        monkeypatch.setattr(program_module, "TOGETHER", together)
        parts = program.second_order(points, delta, groups, T)
        assert distance(parts.hessian, whole.hessian) < 1e-13
        assert distance(parts.gradient, whole.gradient) < 1e-13


def test_more_units_take_more_memory():
    program = trace(transformer, weights(1, T, D))
    sizes = [program.bytes_per_node(units) for units in (1, 2, 4, 8)]
    assert all(a < b for a, b in pairwise(sizes))


def test_rows_are_rows():
    program = trace(transformer, weights(1, T, D))
    points, delta, rows = weights(2, T, D), weights(T, D, seed=21), torch.tensor([2, 0])
    whole = program.second_order(points, delta, GROUPS, U).hessian
    assert torch.equal(program.second_order(points, delta, GROUPS, U, rows).hessian, whole[:, rows])


def test_single_precision():
    f = lambda x: transformer(x.double()).float()  # noqa: E731
    points, delta = weights(2, T, D, seed=22), weights(T, D, seed=23)
    expected = reverse_over_reverse(transformer, points, delta, GROUPS, U)[2]
    with torch.no_grad():
        single = nn.Sequential(nn.Linear(D, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 1)).requires_grad_(
            requires_grad=False
        )
    g = lambda x: single(x).sum((1, 2))  # noqa: E731
    found = trace(g, points.float()).second_order(points.float(), delta.float(), GROUPS, U)
    reference = reverse_over_reverse(g, points.float(), delta.float(), GROUPS, U)[2]
    assert distance(found.hessian, reference) < 1e-4
    assert f(points).dtype == torch.float32
    assert expected.dtype == torch.float64


def test_only_the_positions_that_are_read_are_computed():
    program = trace(transformer, weights(1, T, D))
    products = [node for node in program.graph.nodes if node.name == "linear" and node.depends]
    # In the last block the two products of the feed-forward part and the head see one position.
    assert [node.shape[1] for node in products[-2:]] == [1, D] or [node.shape[1] for node in products[-3:-1]] == [1, 1]


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
def test_kinks_are_named_and_refused(name):
    f = lambda x: squash(REFUSED[name](x))  # noqa: E731
    assert kinks(f, weights(2, T, D)) == [name.rstrip("_")]
    with pytest.raises(Untraceable, match=name.rstrip("_")):
        trace(f, weights(2, T, D))


def test_kinks_of_constants_do_not_count():
    f = lambda x: squash(x * torch.relu(END) + END.clamp(0, 1) @ W.abs())  # noqa: E731
    assert kinks(f, weights(2, T, D)) == []
    trace(f, weights(2, T, D))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: squash(torch.where(x > 0, x, x * 2)), "where"),
        (lambda x: squash(x.cumprod(1)), "cumprod"),
        (lambda x: squash(x * x.mean(0, keepdim=True)), "mixes the samples"),
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


def test_shapes_that_do_not_fit():
    program = trace(transformer, weights(1, T, D))
    with pytest.raises(UsageError, match="delta"):
        program.second_order(weights(2, T, D), weights(T + 1, D), GROUPS, U)
    with pytest.raises(UsageError, match="float32"):
        program.second_order(weights(2, T, D).float(), weights(T, D).float(), GROUPS, U)
