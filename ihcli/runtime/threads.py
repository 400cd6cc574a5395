"""How many threads to compute with on a machine that others use as well.

Two processes with two threads each on two cores slow each other several-fold: threads of one product wait for each
other, and each waits for a core. The command line therefore takes as many threads as there are free cores. What other
processes use is measured while this one loads its libraries: processor time of the machine less that of this process.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
_SHORTEST = 0.3
"""Seconds below which a measurement says nothing: the kernel counts in hundredths of a second."""
_IDLE = (3, 4)
"""Columns of the kernel's line that are not use: idle, and idle while a disk answers."""
_USED = 7
"""Columns that count use; those beyond it are counted in these."""


@dataclass(frozen=True, slots=True)
class CoreUse:
    """Processor time until now, in seconds."""

    at: float
    """When it was read."""
    all: float
    """Of all processes of the machine."""
    own: float
    """Of this process and of the children that have ended."""


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def core_use() -> CoreUse | None:
    """Processor time until now; None where the system does not tell it."""
    try:
        columns = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        ticks = sum(int(value) for place, value in enumerate(columns[: _USED + 1]) if place not in _IDLE)
        per_second = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    return CoreUse(time.monotonic(), ticks / per_second, sum(os.times()[:4]))


def free_cores(before: CoreUse | None, now: CoreUse | None, cores: int, installed: int) -> int:
    """The number of cores, of those that this process may use, that others left free between two readings.

    Args:
        before: The first reading.
        now: The second.
        cores: Cores that this process may use.
        installed: Cores of the machine, to which the readings belong.

    Returns:
        At least 1; all of `cores` where nothing is known.
    """
    if before is None or now is None or now.at - before.at < _SHORTEST:
        return cores
    others = (now.all - before.all - (now.own - before.own)) / (now.at - before.at)
    return max(1, min(cores, round(installed - others)))


def take_free_cores(before: CoreUse | None, threads: int | None = None) -> int:
    """Compute with as many threads as cores were free since a reading, unless a number is named.

    Args:
        before: A reading from the start of the process.
        threads: The number that the configuration names, which is kept; so is one that the environment names.

    Returns:
        The number of threads.
    """
    import torch

    if threads is None and not any(name in os.environ for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")):
        free = free_cores(before, core_use(), available_cores(), os.cpu_count() or 1)
        if free < torch.get_num_threads():
            torch.set_num_threads(free)
    return torch.get_num_threads()
