"""Random first values of weights that have no memory yet, left out.

transformers builds a model on PyTorch's meta device before it reads the weights. Layers fill themselves with random
values there, of which nothing is kept. PyTorch finds their shape by its reference implementation, which imports SymPy:
more processor time than reading the weights of the bundled model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_RANDOM = frozenset(
    f"{name}_"
    for name in ("normal", "uniform", "trunc_normal", "kaiming_normal", "kaiming_uniform", "xavier_normal",
                 "xavier_uniform")
)  # fmt: skip


class NoMetaInitialisation(TorchFunctionMode):
    """While it is entered, filling a tensor of the meta device with random values does nothing."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The tensor as it is, or what the function gives."""
        del types
        kwargs = kwargs or {}
        tensor = args[0] if args else kwargs.get("tensor")
        if getattr(func, "__name__", "") in _RANDOM and isinstance(tensor, Tensor) and tensor.is_meta:
            return tensor
        return func(*args, **kwargs)
