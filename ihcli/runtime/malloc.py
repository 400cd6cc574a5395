"""Memory that is kept between operations, in processes of our own.

The forward engine takes and frees tensors of a few megabytes thousands of times. The GNU C library gives such memory
back to the system each time, which then fills it with zeros page by page when it is asked for again: 8 to 14 % of the
time of a Hessian at 8 and 64 tokens.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT = {_MMAP_THRESHOLD: 128 << 20, _TRIM_THRESHOLD: (1 << 31) - 1}
"""Larger blocks go back at once: the tangents of 500 tokens, 350 MB each, left holes of 2.3 GB, and filling them with
zeros takes nothing beside what is computed in them."""
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
"""Where the library's own adjustment, which a call of mallopt ends, would have come to with tensors about."""


def release_free_memory() -> None:
    """Give memory that is free back to the system now."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def held_memory() -> Iterator[bool]:
    """Inside, freed memory stays with the process; afterwards it is given back. Yields whether the C library does."""
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
