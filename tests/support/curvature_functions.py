"""Small functions of x (B, T, D) in which every rule of the curvature engine occurs."""

import math

import torch
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)
from torch.nn.attention import SDPBackend, sdpa_kernel

from ihcli.curvature.operation_rules import POINTWISE

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
    "cumsum of features": lambda x: x.cumsum(-1).flip(-1) ** 2,
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
    "upper triangle and diagonal": lambda x: torch.triu(x @ x.transpose(1, 2)).diagonal(dim1=1, dim2=2),
    "windows": lambda x: x.unfold(1, 3, 1) ** 2,
    "average pooling": lambda x: F.avg_pool1d(x, 3, 2) * F.adaptive_avg_pool1d(x.sin(), 2),
    "swapped and moved axes": lambda x: x.swapaxes(1, 2).movedim(1, 2).unsqueeze(0).squeeze(0).flatten(1).unflatten(1, (T, D)),  # noqa: E501
    "transposed samples": lambda x: x[:, 0].t().sin().t(),
    "other spellings": lambda x: torch.true_divide(torch.multiply(x, x.flip(1)), torch.square(x) + 1),
    "products within each position": lambda x: x.view(-1, T, 2, 3) @ x.view(-1, T, 3, 2),
    "constant matrices on both sides": lambda x: MIX @ x @ W,
    "product with a batch of constants": lambda x: x @ END.expand(x.shape[0], T, D).transpose(1, 2),
    "complex numbers": lambda x: torch.view_as_complex(x.reshape(-1, T, 3, 2)).imag,
    "pad by reflection": lambda x: F.pad(x, (2, 1), mode="reflect"),
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


def transformer(x):
    """Two layers of attention, normalisation and GELU, read at the first position."""
    for _ in range(2):
        x = F.layer_norm(x + attention(x), [D], eps=1e-5)
        x = F.layer_norm(x + F.linear(F.gelu(F.linear(x, W, BIAS)), W.T), [D], eps=1e-5)
    return F.linear(x[:, 0], W).tanh().sum(1)
