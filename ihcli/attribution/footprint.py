"""How many nodes and rows fit the memory, estimated from what autograd keeps for one node."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ihcli.attribution.evaluation import ScalarField
from ihcli.attribution.path import Path
from ihcli.errors import DeviceError, UsageError
from ihcli.runtime.memory import memory_limit

GRADIENT = 3.5
"""Bytes of a gradient at one node, as a multiple of what one forward pass keeps: a traced program holds all values."""
GRAPH = 3.0
"""Bytes of the twice differentiable graph of one node, as a multiple of what one forward pass keeps."""
ROW = 2.6
"""The same for one row of a vectorised product (1.9 to 2.6 for 1 to 30 rows at 30 and 120 tokens)."""
CACHE_BYTES = 1 << 30
"""Bytes of a batch beyond which a larger one is not faster, because its products are compute-bound."""


def _require_scalar_field(value: object) -> None:
    """Raise `UsageError` where f does not map (1, …) to (1,) in a way that autograd can follow."""
    if not isinstance(value, Tensor) or value.shape != (1,):
        shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        message = f"f must map a batch (B, …) to a tensor (B,); of one input it made {shown}."
        raise UsageError(message)
    if value.is_complex():
        message = f"f returns complex numbers ({value.dtype}); it must return real ones, such as a part or a modulus."
        raise UsageError(message)
    if not value.requires_grad:
        message = (
            "f has no derivative that autograd can follow: it computes under no_grad, detaches, or does not depend on "
            "its input."
        )
        raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Footprint:
    """The memory that one node needs, and how much may be used."""

    saved: int
    """Bytes that a forward pass of one node keeps for its backward pass."""
    limit: int
    """Bytes that may be used."""

    @classmethod
    def measure(cls, f: ScalarField, path: Path, limit: int | None = None) -> "Footprint":
        """Run f once at the end of the path and count; `limit` is in bytes, by default a safe share of what is free.

        Raises `DeviceError` if one row of one node does not fit, `UsageError` if f is no scalar field.
        """
        seen: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if tensor.requires_grad or tensor.grad_fn is not None or not tensor.is_leaf:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()  # else it and the graph would refer to each other, and neither would be freed

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            point = path.points(torch.ones(1, dtype=path.delta.dtype, device=path.delta.device)).requires_grad_()
            value = f(point, *path.parameters_at(1))
        _require_scalar_field(value)
        del value
        saved = sum(seen.values()) + 1
        limit = memory_limit(path.delta.device, limit)
        found = cls(saved, limit)
        least = found.bytes(1, 1)
        if least > limit:
            message = (
                f"{limit / 1e6:.1f} MB is too little for one row of one node, which takes about {least / 1e6:.1f} MB. "
                f"Give --memory {least // 10**6 + 1}MB or more."
            )
            raise DeviceError(message)
        return found

    def bytes(self, nodes: int, rows: int) -> int:
        """Estimated peak of second derivatives of that many nodes and rows at once; of gradients, for no rows."""
        return int(self.saved * nodes * (GRAPH + ROW * rows if rows else GRADIENT))

    def nodes_first_order(self) -> int:
        """Nodes of one batch of gradients."""
        return max(1, int(min(self.limit, CACHE_BYTES) / (GRADIENT * self.saved)))

    def nodes_second_order(self, rows: int) -> int:
        """Nodes whose graphs and `rows` rows fit together; one if the rows themselves must be computed in parts."""
        return max(1, int(min(self.limit, CACHE_BYTES) / (self.saved * (GRAPH + ROW * rows))))

    def rows_second_order(self, rows: int) -> int:
        """Rows of one vectorised product."""
        nodes = self.nodes_second_order(rows)
        return max(1, min(rows, int((self.limit / (self.saved * nodes) - GRAPH) / ROW)))
