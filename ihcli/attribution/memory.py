"""How many nodes and rows fit: an estimate from what autograd keeps for one node, and the limit it is held to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import torch
from torch import Tensor

from ihcli.attribution.path import Path
from ihcli.errors import DeviceError, UsageError

GRAPH = 3.0
"""Bytes of the twice differentiable graph of one node, as a multiple of what one forward pass keeps."""
ROW = 2.6
"""Bytes of one row's vectorised product, likewise (1.9 to 2.6 were seen for 1 to 30 rows at 30 and 120 tokens)."""
SAFE_SHARE = 0.5
"""Share of the free memory that `auto` uses."""
MOST_BYTES = 2_500_000_000
"""The most that `auto` uses: the tangents of 454 words of a text of 508 tokens fit at once."""
CACHE_BYTES = 1 << 30
"""Beyond this much at once, larger batches bring no speed (the products are compute-bound long before)."""


def free_memory(device: torch.device) -> int:
    """Bytes free on the device, or on the machine for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = FilePath("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _cgroup_free())
    return 4 << 30  # nothing can be asked (no Linux): a size that any machine with PyTorch has


def _cgroup_free() -> int:
    """What a container's limit leaves."""
    limit, used = FilePath("/sys/fs/cgroup/memory.max"), FilePath("/sys/fs/cgroup/memory.current")
    try:
        return int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 1 << 62


def memory_limit(device: torch.device, given: int | None = None) -> int:
    """The bytes that may be used: those given, or a safe share of what is free."""
    return int(min(SAFE_SHARE * free_memory(device), MOST_BYTES)) if given is None else given


def _require_scalar_field(value: object) -> None:
    """Raise `UsageError` where f does not map (1, …) to (1,) in a way that autograd can follow."""
    if not isinstance(value, Tensor) or value.shape != (1,):
        shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        message = f"f must map a batch (B, …) to a tensor (B,); of one input it made {shown}."
        raise UsageError(message)
    if not value.requires_grad:
        message = (
            "f has no derivative that autograd can follow: it computes under no_grad, detaches, or does not depend on "
            "its input."
        )
        raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one node keeps alive, and how much may be used."""

    saved: int
    """Bytes that a forward pass of one node keeps for its backward pass."""
    limit: int

    @classmethod
    def measure(cls, f: Callable[[Tensor], Tensor], path: Path, limit: int | None = None) -> "Footprint":
        """Run f once on the baseline and count; `limit` in bytes, by default a safe share of what is free.

        Raises `DeviceError` when one row of one node does not fit, `UsageError` where f is no scalar field.
        """
        seen: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if tensor.requires_grad or tensor.grad_fn is not None or not tensor.is_leaf:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor.detach()  # itself, it would hold the graph that holds it, for ever

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            point = path.points(torch.ones(1, dtype=path.delta.dtype, device=path.delta.device)).requires_grad_()
            value = f(point)
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
        """Estimated peak of second order for that many nodes and rows at once."""
        return int(self.saved * nodes * (GRAPH + ROW * rows))

    def nodes_first_order(self) -> int:
        """Nodes of one gradient batch."""
        return max(1, min(self.limit, CACHE_BYTES) // (2 * self.saved))

    def nodes_second_order(self, rows: int) -> int:
        """Nodes whose graphs and `rows` rows fit together; one when rows must be cut instead."""
        return max(1, int(min(self.limit, CACHE_BYTES) / (self.saved * (GRAPH + ROW * rows))))

    def rows_second_order(self, rows: int) -> int:
        """Rows of one vectorised product."""
        nodes = self.nodes_second_order(rows)
        return max(1, min(rows, int((self.limit / (self.saved * nodes) - GRAPH) / ROW)))
