"""One text from an argument, standard input or a file, and what is said of bytes that are none."""

import os
from pathlib import Path

import pytest

from ihcli import input_files
from ihcli.cli import texts
from ihcli.cli.texts import checked, names_a_file, read_text
from ihcli.errors import InputError


def content(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "t.txt").write_bytes(data)
    return tmp_path / "t.txt"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_unicode_encoding_is_named_with_its_conversion(tmp_path: Path, encoding: str) -> None:
    file = content(tmp_path, "not bad".encode(encoding))
    with pytest.raises(InputError) as caught:
        read_text(None, file)
    name = encoding.upper()
    assert f"t.txt: is {name}, and must be UTF-8. Convert it: `iconv -f {name} -t UTF-8`." in str(caught.value)
    assert "LATIN1" not in str(caught.value)


def test_utf_16_without_a_mark_is_not_utf_8(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not UTF-8: byte 0 is 0xe8"):
        read_text(None, content(tmp_path, "èè".encode("utf-16-le")))


def test_the_mark_and_the_last_line_end_are_no_part_of_a_text(tmp_path: Path) -> None:
    assert read_text(None, content(tmp_path, "\ufefftrès\nbien\r\n".encode())) == "très\nbien"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
def test_a_device_is_not_read(device: str) -> None:
    with pytest.raises(InputError, match=f"{device}: cannot be read .Is a device or a socket"):
        read_text(None, Path(device))


def test_a_pipe_that_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="Is a pipe without data"):
        read_text(None, tmp_path / "pipe")


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_MOST_BYTES", 10)
    with pytest.raises(InputError, match="Holds more than 10 bytes"):
        read_text(None, content(tmp_path, b"x" * 11))


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have(name: str) -> None:
    assert not names_a_file(name)
    with pytest.raises(InputError, match="cannot be read"):
        read_text(None, Path(name))


def test_bytes_that_are_no_utf_8_in_an_argument() -> None:
    with pytest.raises(InputError, match="TEXT is not UTF-8: invalid byte at character 4"):
        checked("bad \udce9", "TEXT")
