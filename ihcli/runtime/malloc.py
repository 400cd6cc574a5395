"""Memory that stays with the process between operations, for processes that this package starts.

The forward engine allocates and frees tensors of a few megabytes thousands of times. The GNU C library returns such
memory to the system each time, and the system fills it with zeros, page by page, when it is allocated again. That is
8 to 14 % of the time of a Hessian at 8 and 64 tokens.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT = {_MMAP_THRESHOLD: 128 << 20, _TRIM_THRESHOLD: (1 << 31) - 1}
"""Thresholds in bytes. Larger blocks are returned at once: the tangents of 500 tokens, 350 MB each, left unused gaps of
2.3 GB, and filling such blocks with zeros takes little time compared with what is computed in them."""
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
"""The thresholds that the library would have reached by its own adjustment, which a call of mallopt switches off."""


def release_free_memory() -> None:
    """Return free memory to the system now."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def held_memory() -> Iterator[bool]:
    """Keep freed memory within the block and return it afterwards; yields whether the C library can."""
    if platform.libc_ver()[0] != "glibc":
        yield False
        return
    library = ctypes.CDLL(None)
    for name, value in _KEPT.items():
        library.mallopt(name, value)
    try:
        yield True
    finally:
        for name, value in _USUAL.items():
            library.mallopt(name, value)
        release_free_memory()
