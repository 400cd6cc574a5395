"""Jumps: places where the input chooses what is computed, so that no derivative sees what the choice changes.

A mixture of experts sends each token to the experts that `topk` names; hashed attention sorts tokens into buckets;
rounding makes steps.  Along a path such a score jumps, and a function that jumps has no Integrated Hessians.  They are
found by following whatever is not a floating-point number from the input's numbers on, until a number is computed
with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ihcli.models.attention import tensors_in

_STEPS = frozenset({"round", "floor", "ceil", "trunc", "heaviside", "hardshrink"})
_READ = frozenset({"item", "tolist", "int", "index", "bool"})
_COMPARISONS = frozenset({"gt", "lt", "ge", "le", "eq", "ne", "greater", "less", "greater_equal", "less_equal"})
_CHOOSERS = frozenset(
    ["topk", "sort", "argsort", "argmax", "argmin", "max", "min", "kthvalue", "median", "mode", "cummax", "cummin",
     "bucketize", "searchsorted", "unique", "multinomial", "to", "long", "int", "type", "type_as"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """What the input chooses, by the operation that makes the choice.

    `jumps` are by an index or by rounding; `branches` by a comparison, which may be a jump or only a kink.
    """

    jumps: tuple[str, ...]
    branches: tuple[str, ...]


class _Follow(TorchFunctionMode):
    """Marks every integer or truth value that comes from the input, and notes the numbers computed with it."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: dict[int, tuple[Tensor, str, bool]] = {}
        """By id: the tensor itself (it keeps its id), the operation that chose, whether only by comparison."""
        self.jumps: dict[str, None] = {}
        self.branches: dict[str, None] = {}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "").strip("_")
        given = list(tensors_in((args, tuple(kwargs.values()))))
        sources = [self.marked[id(one)][1:] for one in given if id(one) in self.marked]
        depends = any(one.requires_grad for one in given)
        if depends and name in _STEPS:
            self.jumps[name] = None
        if name in _READ:
            self._note(sources)
        for made in tensors_in(result):
            if made.is_floating_point() or made.is_complex():
                self._note(sources)
            elif sources:
                self.marked[id(made)] = (made, *min(sources, key=lambda source: source[1]))
            elif depends and name in _COMPARISONS | _CHOOSERS:
                self.marked[id(made)] = (made, name, name in _COMPARISONS)
        return result

    def _note(self, sources: Sequence[tuple[str, bool]]) -> None:
        for name, compared in sources:
            (self.branches if compared else self.jumps)[name] = None


def choices(f: Callable[[Tensor], Tensor], point: Tensor) -> Choices:
    """What f lets its input choose at one point (T, D)."""
    watch = _Follow()
    with torch.enable_grad(), watch:
        f(point.detach()[None].requires_grad_())
    return Choices(tuple(watch.jumps), tuple(watch.branches))
