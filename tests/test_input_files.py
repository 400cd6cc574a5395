"""A file that a user names is read within bounds of size and time."""

import os
import threading
from pathlib import Path

import pytest

from ihcli import input_files
from ihcli.input_files import read_file


def test_a_file_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"12345")
    assert read_file(file, 5) == b"12345"
    with pytest.raises(OSError, match="Holds more than 4 bytes"):
        read_file(file, 4)


def test_the_null_device_is_empty() -> None:
    assert read_file(Path(os.devnull), 5) == b""


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random", "/dev/full"])
def test_another_device_is_refused_at_once(device: str) -> None:
    with pytest.raises(OSError, match="Is a device or a socket"):
        read_file(Path(device), 5)


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path, 5)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 5)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_writes_to_is_given_up(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_SECONDS", 0.05)
    with pytest.raises(OSError, match=r"Is a pipe without data for 0\.05 s"):
        read_file(pipe, 5)


def test_a_pipe_is_read_until_its_writer_closes_it(pipe: Path) -> None:
    content = b"x" * 200_000
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert read_file(pipe, 200_000) == content
    writer.join()


def test_a_pipe_with_too_much_is_not_read_to_its_end(pipe: Path) -> None:
    def write() -> None:
        try:
            pipe.write_bytes(b"x" * 1_000_000)
        except BrokenPipeError:
            return

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(OSError, match="Holds more than 1,000 bytes"):
        read_file(pipe, 1000)
    writer.join()


def test_a_pipe_of_another_process_through_its_descriptor() -> None:
    """As `--config <(echo …)` gives it."""
    reading, writing = os.pipe()
    os.write(writing, b"seed: 1")
    os.close(writing)
    assert read_file(Path(f"/dev/fd/{reading}"), 100) == b"seed: 1"
    os.close(reading)
