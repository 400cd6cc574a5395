"""Files are written whole or not at all: into a new file beside the place, which then takes its name.

The new file has a random name and is created exclusively, so that no file or link that somebody else put there is
opened. A device, a FIFO or a socket is written into, never replaced.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ihcli.errors import OutputError

TEMPORARY = ".ih-"
"""Prefix of the name of a file that is being written."""
_MOST_LINKS = 40


def write_atomically(file: Path, content: bytes, *, follow_links: bool = True) -> None:
    """Write `content` to `file` and make its folder; raises `OutputError`.  See `replacing` for what is followed."""
    with replacing(file, follow_links=follow_links) as stream:
        stream.write(content)


@contextmanager
def replacing(file: Path, *, follow_links: bool = True) -> Iterator[BinaryIO]:
    """A stream whose content becomes `file` when the block ends well; otherwise `file` is as it was.

    A symbolic link is followed where the user named the file, and replaced with `follow_links` off: for names that the
    program chooses in a folder, where a link may have been planted. Raises `OutputError`.
    """
    try:
        target = _link_target(file) if follow_links else file
        descriptor = _own_stream(target)
        if descriptor is not None:
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                yield stream
        elif not target.is_symlink() and target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as stream:
                yield stream
        else:
            with _new_file(target) as stream:
                yield stream
    except BrokenPipeError:  # who reads the pipe has gone, which is no fault of the file
        raise
    except OSError as error:
        message = f"{file}: cannot be written ({error.strerror or error}). Choose another place."
        raise OutputError(message) from error


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """A file beside `target` that takes its name, and the mode of what stood there, when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = create_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        if target.is_file() and not target.is_symlink():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def require_folder_possible(folder: Path) -> None:
    """Try, before anything is computed, to write into a folder, and leave no trace; raises `OutputError`."""
    made: list[Path] = []
    try:
        present = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
        if present.exists() and not present.is_dir():
            message = f"{folder}: cannot be written ({present} is a file). Choose another place."
            raise OutputError(message)
        absent = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(absent):
            place.mkdir(exist_ok=True)
            made.append(place)
        descriptor, beside = create_beside(folder / "result.json")
        os.close(descriptor)
        beside.unlink()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        message = f"{folder}: cannot be written ({getattr(error, 'strerror', None) or error}). Choose another place."
        raise OutputError(message) from error
    finally:
        for place in reversed(made):
            with suppress(OSError):  # somebody else wrote there meanwhile
                place.rmdir()


def require_file_possible(file: Path) -> None:
    """Raise `OutputError`, before anything is computed, where `file` cannot be written; what is there stays."""
    try:
        target = _link_target(file)
        if target.is_dir():
            message = f"{file}: is a folder, and a file is to be written there. Choose another name."
            raise OutputError(message)
        if _own_stream(target) is not None:
            return
        if target.exists() and not target.is_file():
            if not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with suppress(FileNotFoundError):
            target.lstat()  # an impossible name is an error here
    except (OSError, ValueError) as error:
        message = f"{file}: cannot be written ({getattr(error, 'strerror', None) or error}). Choose another place."
        raise OutputError(message) from error
    require_folder_possible(target.parent)


def create_beside(file: Path, prefix: str = TEMPORARY) -> tuple[int, Path]:
    """A new file in the folder of `file`, opened for writing: its descriptor and its random name; raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        beside = file.parent / f"{prefix}{secrets.token_hex(8)}"
        try:
            return os.open(beside, flags, 0o666), beside  # the process's umask narrows the mode
        except FileExistsError:
            continue


def _link_target(file: Path) -> Path:
    """Where the symbolic links of `file` lead; a link to one of the process's own streams is left as it is."""
    target = file
    for _ in range(_MOST_LINKS):
        if not target.is_symlink() or _own_stream(target) is not None:
            return target
        target = target.parent / target.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _own_stream(target: Path) -> int | None:
    """The descriptor that a path such as /dev/stdout or /dev/fd/3 stands for.

    It may be open on a file with content before and after; a second opening of that file would write over it.
    """
    place = os.path.realpath(target.parent)
    own = {"/proc/self/fd", f"/proc/{os.getpid()}/fd"}
    return int(target.name) if place in own and target.name.isdecimal() else None
