"""Files that survive a power cut, and the reading of files that others may have replaced."""

import errno
import os
import secrets
import stat
from pathlib import Path

from ihcli.errors import OutputError
from ihcli.file_writing import create_beside


def write_durably(file: Path, content: bytes) -> None:
    """Write `file` whole or not at all; it is on the disk when this returns.  Raises `OutputError`."""
    try:
        descriptor, beside = create_beside(file)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)
    except OSError as error:
        message = (
            f"{file}: cannot be written ({error.strerror or error}). Rows written before are safe: free some space, "
            "then run the same command again."
        )
        raise OutputError(message) from error


def sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk; on a system that cannot open folders this does nothing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_regular_file(file: Path) -> bytes:
    """The content of a file; raises `OSError` for what is no regular file, without waiting for a pipe's writer."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(file))
        return stream.read()


def new_folder_beside(place: Path) -> Path:
    """A new folder with a random name beside `place`, whose parent folders are made; raises `OSError`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = place.with_name(f".{place.name}-{secrets.token_hex(8)}")
    folder.mkdir()  # fails where something is there
    return folder
