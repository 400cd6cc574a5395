"""Kinks: found wherever they are called, and replaced by forms built from softplus while a score is computed.

A ReLU has all its curvature in its kinks, which no derivative sees, so the matrix misses completeness however many
nodes are spent.  softplus_β(z) = ln(1 + exp βz)/β tends to ReLU as β grows, and is smooth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.overrides import TorchFunctionMode

SHARPNESS = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""The sharpnesses that `auto` tries, from the smoothest, whose curvature is cheapest to integrate."""
LARGEST_GAP = 0.01
"""What `auto` allows smoothing to change f(x) - f(x') by, as a share of it."""

# Where softplus and its derivatives turn linear: exp(-40) is below float64's rounding, exp(40) within float32's range.
_LINEAR_BEYOND = 40.0
# A bound like finfo.min guards against overflow and is never met; subtracting it would cancel everything.
_NEVER_MET = 1e30


def softplus(z: Tensor, beta: float) -> Tensor:
    """ln(1 + exp βz)/β, elementwise."""
    return F.softplus(z, beta=beta, threshold=_LINEAR_BEYOND)


def _clamped(z: Tensor, low: Any, high: Any, beta: float) -> Tensor:
    """min(max(z, low), high): z + softplus(low - z) - softplus(z - high), with the bounds that there are."""
    result = z
    if low is not None and not _unmet(low):
        result = result + softplus(low - z, beta)
    if high is not None and not _unmet(high):
        result = result - softplus(z - high, beta)
    return result


def _relu6(z: Tensor, beta: float) -> Tensor:
    return softplus(z, beta) - softplus(z - 6, beta)


def _prelu(z: Tensor, weight: Tensor, beta: float) -> Tensor:
    slope = weight if weight.numel() == 1 or z.dim() == 1 else weight.view(-1, *[1] * (z.dim() - 2))
    return slope * z + (1 - slope) * softplus(z, beta)


def _selu(z: Tensor, beta: float) -> Tensor:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * (softplus(z, beta) + alpha * torch.expm1(-softplus(-z, beta)))


Smooth = Callable[..., Tensor]

# Each takes the arguments of the function that it stands for, and β.
_FORMS: Mapping[str, Smooth] = {
    "relu": lambda z, _inplace=False, *, beta, inplace=False: softplus(z, beta),  # noqa: ARG005
    "relu6": lambda z, _inplace=False, *, beta, inplace=False: _relu6(z, beta),  # noqa: ARG005
    "leaky_relu": lambda z, negative_slope=0.01, _inplace=False, *, beta, inplace=False: (  # noqa: ARG005
        negative_slope * z + (1 - negative_slope) * softplus(z, beta)
    ),
    "prelu": lambda z, weight, *, beta: _prelu(z, weight, beta),
    "selu": lambda z, _inplace=False, *, beta, inplace=False: _selu(z, beta),  # noqa: ARG005
    "abs": lambda z, *, beta: softplus(z, beta) + softplus(-z, beta),
    "clamp": lambda z, min=None, max=None, *, beta: _clamped(z, min, max, beta),  # noqa: A006
    "clamp_min": lambda z, min, *, beta: _clamped(z, min, None, beta),  # noqa: A006
    "clamp_max": lambda z, max, *, beta: _clamped(z, None, max, beta),  # noqa: A006
    "hardtanh": lambda z, min_val=-1.0, max_val=1.0, _inplace=False, *, beta, inplace=False: (  # noqa: ARG005
        _clamped(z, min_val, max_val, beta)
    ),
    "maximum": lambda a, other, *, beta: other + softplus(a - other, beta),
    "minimum": lambda a, other, *, beta: a - softplus(a - other, beta),
    "threshold": lambda z, threshold, value, _inplace=False, *, beta, inplace=False: (  # noqa: ARG005
        threshold + softplus(z - threshold, beta)
    ),
    "hardsigmoid": lambda z, _inplace=False, *, beta, inplace=False: _relu6(z + 3, beta) / 6,  # noqa: ARG005
    "hardswish": lambda z, _inplace=False, *, beta, inplace=False: z * _relu6(z + 3, beta) / 6,  # noqa: ARG005
    "softshrink": lambda z, lambd=0.5, *, beta: softplus(z - lambd, beta) - softplus(-z - lambd, beta),
}

SMOOTHED = frozenset(_FORMS)
"""The kinks that have a smooth form."""
# Kinks that keep their place: the certificate shows what they cost.
_LEFT = ("amax", "amin", "max_pool1d", "max_pool2d", "adaptive_max_pool1d", "sign", "sort", "cummax", "cummin", "rrelu")


def _named() -> dict[Any, str]:
    """Every way to call each kink in Python: torch, its functional module, tensor methods, in place or not."""
    table: dict[Any, str] = {}
    aliases = {"abs": ("absolute", "__abs__"), "clamp": ("clip",), "maximum": ("fmax",), "minimum": ("fmin",)}
    for name in (*_FORMS, *_LEFT, "max", "min"):
        for spelling in (name, *aliases.get(name, ())):
            for home in (torch, F, Tensor, torch._C._nn, torch._C._TensorBase):  # noqa: SLF001 - where they live
                for way in (spelling, f"{spelling}_"):
                    function = getattr(home, way, None)
                    if function is not None:
                        table[function] = name
    return table


_NAMES = _named()


@dataclass(frozen=True, slots=True)
class Kink:
    """One call of a kinked function: its name, and whether a smooth form can take its place there."""

    name: str
    """The function, such as `relu`."""
    smoothable: bool
    """Whether a smooth form can take its place."""


class _Watch(TorchFunctionMode):
    """Meets every call of a kinked function, in order."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        name = _NAMES.get(func)
        if name is None:
            return func(*args, **kwargs)
        args = (*([kwargs.pop("input")] if "input" in kwargs else []), *args)
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return func(*args, **kwargs)
        return self.meet(_kind(name, args, kwargs), func, args, kwargs)

    def meet(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError


def _kind(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """`max` of two tensors is `maximum`; along a dimension it is `amax`."""
    if name not in {"max", "min"}:
        return name
    two = isinstance(kwargs.get("other"), Tensor) or (len(args) > 1 and isinstance(args[1], Tensor))
    return f"{name}imum" if two else f"a{name}"


class Observation(_Watch):
    """Records the kinks of one run; those that do not depend on the input are None."""

    def __init__(self) -> None:
        """An empty record."""
        super().__init__()
        self.calls: list[Kink | None] = []

    def meet(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note the call and let it pass."""
        values = (*args, *kwargs.values())
        depends = any(isinstance(v, Tensor) and v.requires_grad for v in values)
        never = name in _BOUNDED and all(bound is None or _unmet(bound) for bound in values[1:])
        usable = name in _FORMS and not (name == "threshold" and len(args) > 2 and args[1] != args[2])  # noqa: PLR2004
        self.calls.append(Kink(name, usable) if depends and not never else None)
        return func(*args, **kwargs)


_BOUNDED = frozenset({"maximum", "minimum", "clamp", "clamp_min", "clamp_max"})


def _unmet(bound: Any) -> bool:
    if isinstance(bound, Tensor):
        return not bound.requires_grad and bound.numel() == 1 and abs(float(bound)) > _NEVER_MET
    return isinstance(bound, (int, float)) and abs(bound) > _NEVER_MET


class Smoothing(_Watch):
    """While it is entered, the kinks of `calls` that can be are replaced by their smooth forms of sharpness `beta`.

    Neither the model nor torch is changed.  The calls are told apart by their order, which the same text repeats.
    """

    def __init__(self, beta: float, calls: Sequence[Kink | None]) -> None:
        """`calls` is what an `Observation` of the same text recorded."""
        super().__init__()
        self.beta = beta
        self.calls = iter(calls)

    def meet(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute the smooth form instead, in place where the original would."""
        kink = next(self.calls, None)
        if kink is None or not kink.smoothable or kink.name != name:
            return func(*args, **kwargs)
        if not _in_place(func, args, kwargs):
            return _FORMS[name](*args, **kwargs, beta=self.beta)
        return args[0].copy_(_FORMS[name](args[0].clone(), *args[1:], **kwargs, beta=self.beta))


def _in_place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the call overwrites its argument: `relu_`, or `relu(z, inplace=True)`."""
    name = getattr(func, "__name__", "")
    return (name.endswith("_") and not name.endswith("__")) or kwargs.get("inplace") is True or args[-1] is True


def observe(f: Callable[..., Tensor], point: Tensor, *parameters: Tensor) -> tuple[Kink | None, ...]:
    """The kinked calls of f at one point that depend on it, in order, None for those that do not."""
    watch = Observation()
    with torch.enable_grad(), watch:
        f(point.detach()[None].requires_grad_(), *(own[None] for own in parameters))
    return tuple(watch.calls)


def names(calls: Sequence[Kink | None]) -> tuple[str, ...]:
    """The names of the kinks that depend on the input, as often as they stand there."""
    return tuple(kink.name for kink in calls if kink is not None)
