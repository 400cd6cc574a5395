"""Files that survive a power cut: written beside, synchronised, renamed, and the folder synchronised after them."""

import os
from pathlib import Path

from ihcli.errors import OutputError

BESIDE = ".writing-"
"""Prefix of a file that is not finished; whoever holds the store's lock may remove it."""


def write_durably(file: Path, content: bytes) -> None:
    """Write `file` whole or not at all, and have it on the disk on return; raises `OutputError`."""
    beside = file.with_name(f"{BESIDE}{file.name}")
    try:
        try:
            with beside.open("wb") as stream:
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
            f"{file}: cannot be written ({error.strerror or error}). What was written before it is safe: make room, "
            "then give the same command again."
        )
        raise OutputError(message) from error


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on the disk; a system that cannot open folders needs no such thing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
