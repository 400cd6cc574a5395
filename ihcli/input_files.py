"""Reading a file that a user names: bounded in size, and in time where it is a pipe."""

import errno
import os
import select
import stat
import time
from pathlib import Path

PIPE_SECONDS = 30.0
"""How long a named pipe may stay silent before it is given up."""


def read_file(path: Path, most: int) -> bytes:
    """The content of a file, a pipe or the null device, at most `most` bytes.

    Raises `OSError` with a `strerror` for what cannot be read, for any other device, for a pipe that nobody writes to,
    and for content that is longer.
    """
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        content = _read_pipe(path, most)
    elif stat.S_ISREG(mode) or path.samefile(os.devnull):
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    elif stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    else:
        raise OSError(errno.EINVAL, "Is a device or a socket, not a file", str(path))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"Holds more than {most:,} bytes", str(path))
    return content


def _read_pipe(path: Path, most: int) -> bytes:
    """Everything that is written to a pipe until its writers close it; opening it must not wait for a writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        content = bytearray()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + PIPE_SECONDS
        while len(content) <= most:
            if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise OSError(errno.ETIMEDOUT, f"Is a pipe without data for {PIPE_SECONDS:g} s", str(path))
            try:
                block = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                continue
            if not block:
                break
            content += block
            deadline = time.monotonic() + PIPE_SECONDS
        return bytes(content)
    finally:
        os.close(descriptor)
