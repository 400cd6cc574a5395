"""Attention, intercepted: the value vectors of a text's tokens multiplied by switches, in any transformer.

What all attentions share is a softmax whose result is multiplied with values.  A `TorchFunctionMode` follows the result
of each softmax (through dropout, casts, reshapes) to that product, and changes the values there.  Neither the model nor
torch is changed, and one implementation serves every family: grouped-query attention (values are repeated before the
product), cross-attention, sliding windows (a mask in the weights), biases of values (part of them), and fused
attention, which is computed explicitly.

With weights P and values V of tokens whose switches are s, the result is

    Σ_j P_ij s_j V_j / (ε + (1 - ε) Σ_j P_ij s_j)

ε = 1 is value zeroing (Mohebbi et al., EACL 2023, use s = 0): what a token gives to others is scaled, everything else
stays.  ε = 0 is masked attention, which gives the weight of absent tokens to the present ones.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ihcli.errors import BaselineError

Keys = Literal["text", "shifted", "other"]
"""What the keys of one attention carry: the text's tokens, the tokens moved right by one (decoders of encoder-decoder
models), or none of the text's tokens."""

_SOFTMAX = frozenset({"softmax"})
_FOLLOWED = frozenset(
    ["dropout", "to", "type", "type_as", "float", "double", "contiguous", "view", "reshape", "flatten", "unflatten",
     "expand", "clone", "masked_fill", "where", "mul", "div", "truediv", "true_divide", "add", "sub", "rsub",
     "nan_to_num", "getitem", "squeeze", "unsqueeze", "slice", "narrow", "detach"]
)  # fmt: skip
_PRODUCTS = frozenset({"matmul", "bmm", "rmatmul"})


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """One attention: weights, values, and the product that the model is about to compute with them."""

    weights: Tensor
    values: Tensor
    key_axis: int
    """The axis of `values` along which the keys lie."""
    batch_axis: int
    """The axis of `values` along which the samples lie, heads folded in or not."""
    product: Callable[[Tensor, Tensor], Tensor]


class AttentionMode(TorchFunctionMode):
    """Intercepts the product of attention weights and values; subclasses say what is computed instead."""

    def __init__(self) -> None:
        """Follow nothing yet."""
        super().__init__()
        self._weights: dict[int, Tensor] = {}
        """Attention weights by id; the tensors are kept so that ids stay theirs."""

    def attend(self, attention: WeightedSum) -> Tensor:
        """The result of one attention."""
        raise NotImplementedError

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one call of torch, or what replaces it."""
        del types
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").strip("_")
        if name == "scaled_dot_product_attention":
            return self._explicit(*args, **kwargs)
        if name in _PRODUCTS and self._is_weights(args[0]) and isinstance(args[1], Tensor):
            values = args[1]
            product = lambda w, v: func(w, v, *args[2:], **kwargs)  # noqa: E731
            return self.attend(WeightedSum(args[0], values, values.dim() - 2, 0, product))
        if name == "einsum" and len(args) == 3 and any(self._is_weights(arg) for arg in args[1:]):  # noqa: PLR2004
            return self._einsum(func, *args)
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.is_floating_point() and result.dim() > 1:
            if name in _SOFTMAX:
                axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
                if axis in (-1, result.dim() - 1):
                    self._weights[id(result)] = result
            elif name in _FOLLOWED:
                given = [arg for arg in tensors_in((args, tuple(kwargs.values()))) if self._is_weights(arg)]
                if given and result.shape[-1] == given[0].shape[-1]:
                    self._weights[id(result)] = result
        return result

    def _is_weights(self, value: object) -> bool:
        return id(value) in self._weights

    def _einsum(self, func: Any, equation: str, left: Tensor, right: Tensor) -> Any:
        """Attention written as an Einstein sum, such as bnij,jbnd->ibnd."""
        inputs, output = equation.replace(" ", "").split("->")
        names = inputs.split(",")
        first = self._is_weights(left)
        weights, values = (left, right) if first else (right, left)
        own, other = (names[0], names[1]) if first else (names[1], names[0])
        key, sample = own[-1], own[0]
        if key not in other or sample not in other or key in output:
            return func(equation, left, right)

        def product(w: Tensor, v: Tensor) -> Tensor:
            result: Tensor = func(f"{own},{other}->{output}", w, v)
            return result

        return self.attend(WeightedSum(weights, values, other.index(key), other.index(sample), product))

    def _explicit(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        """Attention that a fused kernel would compute: explicit, so that it has second derivatives."""
        del dropout_p  # zero in evaluation mode, which loading sets
        if enable_gqa:
            repeat = query.shape[-3] // key.shape[-3]
            key, value = (z.repeat_interleave(repeat, dim=-3) for z in (key, value))
        scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
            scores = scores.masked_fill(~mask, -math.inf)
        if attn_mask is not None:
            boolean = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -math.inf) if boolean else scores + attn_mask
        weights = functional.softmax(scores, dim=-1)
        return self.attend(WeightedSum(weights, value, value.dim() - 2, 0, torch.matmul))


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among nested tuples and lists, as arguments and results of an operation hold them."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from tensors_in(value)


class ExplicitAttention(AttentionMode):
    """Computes fused attention explicitly and changes nothing else."""

    def attend(self, attention: WeightedSum) -> Tensor:
        """The product as it is."""
        return attention.product(attention.weights, attention.values)


class SwitchedValues(AttentionMode):
    """Multiplies the values of each token by its switch, renormalised by ε, in every attention of a planned model."""

    def __init__(self, switches: Tensor, plan: Sequence[Keys], epsilon: float = 1.0) -> None:
        """`switches` is (B, T); `plan` says of each attention, in order, which tokens its keys carry."""
        super().__init__()
        self.switches, self.epsilon = switches, epsilon
        self._shifted = torch.cat([torch.ones_like(switches[:, :1]), switches[:, :-1]], dim=1)
        self._plan = iter(plan)

    def attend(self, attention: WeightedSum) -> Tensor:
        """The product with switched values."""
        keys = next(self._plan, None)
        if keys is None:
            message = (
                "The model runs more attentions for this text than for the sample, so value-zeroing cannot be used."
            )
            raise BaselineError(message)
        if keys == "other":
            return attention.product(attention.weights, attention.values)
        switches = self.switches if keys == "text" else self._shifted
        values = attention.values
        own = _aligned(switches, values, attention.key_axis, attention.batch_axis)
        switched = values * own
        if self.epsilon == 1.0:
            return attention.product(attention.weights, switched)
        # The sum of the present tokens' weights comes from the same product, as one more column of the values.
        column = own.expand(*values.shape[:-1], 1)
        joint = attention.product(attention.weights, torch.cat([switched, column], dim=-1))
        if self.epsilon == 0.0:  # masked attention; where no token is present, nothing is read
            return joint[..., :-1] / joint[..., -1:].clamp_min(torch.finfo(joint.dtype).tiny)
        return joint[..., :-1] / (self.epsilon + (1 - self.epsilon) * joint[..., -1:])


def _aligned(switches: Tensor, values: Tensor, axis: int, batch_axis: int) -> Tensor:
    """The switches (B, T) as a factor of values whose keys lie on `axis`; heads may be folded into the samples."""
    samples = values.shape[batch_axis]
    if samples != len(switches):
        switches = switches.repeat_interleave(samples // len(switches), dim=0)
    if axis < batch_axis:
        switches = switches.t()
    shape = [1] * values.dim()
    shape[axis], shape[batch_axis] = values.shape[axis], samples
    return switches.reshape(shape)


@dataclass
class Probe(AttentionMode):
    """Runs a model without attention and keeps the values that each attention would have read."""

    values: list[Tensor] = field(default_factory=list)
    """The values of each attention, keys and samples first: (T, B, …)."""

    def __post_init__(self) -> None:
        """Follow nothing yet."""
        super().__init__()

    def attend(self, attention: WeightedSum) -> Tensor:
        """Zero in place of the product."""
        axes = (attention.key_axis, attention.batch_axis)
        self.values.append(attention.values.detach().movedim(axes, (0, 1)))
        return attention.product(attention.weights, attention.values * 0)


@dataclass
class FrozenWeights(AttentionMode):
    """Switches values like `SwitchedValues`, under attention weights that are kept, or replayed from another text."""

    switched: SwitchedValues
    weights: list[Tensor] = field(default_factory=list)
    replay: bool = False
    _next: int = 0

    def __post_init__(self) -> None:
        """Follow nothing yet."""
        super().__init__()

    def attend(self, attention: WeightedSum) -> Tensor:
        """The switched product, under own weights (kept) or recorded ones."""
        if self.replay:
            attention = replace(attention, weights=self.weights[self._next])
            self._next += 1
        else:
            self.weights.append(attention.weights.detach())
        return self.switched.attend(attention)
