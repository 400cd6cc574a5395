"""Free memory of the device or the machine, and the share of it that may be used."""

from pathlib import Path as FilePath

import torch

SAFE_SHARE = 0.5
"""Share of the free memory that `--memory auto` uses."""
MOST_BYTES = 2_500_000_000
"""The most bytes that `--memory auto` uses; the tangents of 454 words in 508 tokens fit together."""


def free_memory(device: torch.device) -> int:
    """Bytes free on the device, or on the machine for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = FilePath("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _cgroup_free())
    return 4 << 30  # unknown without Linux: a size that any machine with PyTorch has


def _cgroup_free() -> int:
    """Bytes that the memory limit of a container leaves; a very large number if there is none."""
    limit, used = FilePath("/sys/fs/cgroup/memory.max"), FilePath("/sys/fs/cgroup/memory.current")
    try:
        return int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 1 << 62


def memory_limit(device: torch.device, given: int | None = None) -> int:
    """The bytes that may be used: those given, or a safe share of what is free."""
    return int(min(SAFE_SHARE * free_memory(device), MOST_BYTES)) if given is None else given
