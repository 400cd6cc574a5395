"""Files are whole or not there, what is no file is written into, and nothing planted beside is opened."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ihcli import file_writing
from ihcli.errors import OutputError
from ihcli.file_writing import (
    TEMPORARY,
    create_beside,
    replacing,
    require_file_possible,
    require_folder_possible,
    write_atomically,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices, FIFOs and links of POSIX")


def test_a_file_is_written_with_its_folders_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "deep" / "a.txt", b"content")
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [
        "new/deep/a.txt"
    ]
    assert (tmp_path / "new" / "deep" / "a.txt").read_bytes() == b"content"


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"old")

    def fail() -> None:
        with replacing(file) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert file.read_bytes() == b"old"


def test_a_full_disk_is_one_message_and_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"old")

    def fail() -> None:
        with replacing(file):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        fail()
    assert file.read_bytes() == b"old"


def test_a_new_file_has_the_mode_of_the_process_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", b"")
        (tmp_path / "private").touch(0o600)
        write_atomically(tmp_path / "private", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


# --- what is no regular file ---


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    for place in (Path("/dev/null"), link):
        write_atomically(place, b"content")
        assert stat.S_ISCHR(place.stat().st_mode)
    assert link.is_symlink()


def test_a_full_device_is_one_message() -> None:
    with pytest.raises(OutputError, match="/dev/full: cannot be written"):
        write_atomically(Path("/dev/full"), b"content")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.html"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_atomically(fifo, b"content")
    reader.join(10)
    assert read == [b"content"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_socket_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(OutputError, match="cannot be written"):
            write_atomically(Path("s"), b"content")
    assert stat.S_ISSOCK(Path("s").stat().st_mode)


def test_a_folder_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_atomically(tmp_path, b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_gets_the_content_between_what_is_printed(tmp_path: Path, name: str) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom ihcli.file_writing import write_atomically\n"
        f"print('before', flush=True)\nwrite_atomically(Path({name!r}), b'content\\n')\nprint('after')\n"
    )
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert (tmp_path / "out.txt").read_text() == "before\ncontent\nafter\n"
    piped = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"before\ncontent\nafter\n"


# --- links ---


def test_a_link_is_followed_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real").write_bytes(b"old")
    (tmp_path / "near").symlink_to("data/real")
    (tmp_path / "far").symlink_to(tmp_path / "near")
    (tmp_path / "dangling").symlink_to("data/new")
    for name in ("near", "far", "dangling"):
        write_atomically(tmp_path / name, name.encode())
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "data" / "real").read_bytes() == b"far"
    assert (tmp_path / "data" / "new").read_bytes() == b"dangling"


def test_a_planted_link_is_replaced_where_the_program_chose_the_name(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "result.json").symlink_to("precious")
    (tmp_path / "device.json").symlink_to("/dev/null")
    for name in ("result.json", "device.json"):
        write_atomically(tmp_path / name, b"{}", follow_links=False)
        assert (tmp_path / name).read_bytes() == b"{}"
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_links_in_a_circle_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="a: cannot be written"):
        write_atomically(tmp_path / "a", b"content")
    assert (tmp_path / "a").is_symlink()


# --- temporary names ---


def test_a_name_that_is_taken_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / f"{TEMPORARY}planted").symlink_to("precious")
    (tmp_path / f"{TEMPORARY}file").write_bytes(b"of another process")
    names = iter(["planted", "file", "free"])
    monkeypatch.setattr(file_writing.secrets, "token_hex", lambda _: next(names))
    write_atomically(tmp_path / "a.txt", b"content")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / f"{TEMPORARY}planted").is_symlink()
    assert (tmp_path / f"{TEMPORARY}file").read_bytes() == b"of another process"
    assert (tmp_path / "a.txt").read_bytes() == b"content"


def test_many_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    contents = [bytes([k]) * 100_000 for k in range(8)]
    threads = [threading.Thread(target=write_atomically, args=(tmp_path / "a", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"content")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"content"


def test_a_temporary_file_is_new_and_private_to_its_name(tmp_path: Path) -> None:
    made = [create_beside(tmp_path / "a", ".writing-") for _ in range(20)]
    for descriptor, _ in made:
        os.close(descriptor)
    assert len({path for _, path in made}) == 20
    assert all(path.name.startswith(".writing-") and len(path.name) >= 20 for _, path in made)


# --- before anything is computed ---

IMPOSSIBLE = ["/proc/x", "/proc/x/y/z", "/dev/null/x", "/" + "x" * 300, "a\0b", "/dev/null/../x"]


@pytest.mark.parametrize("place", [*IMPOSSIBLE, "/dev/null"])
def test_a_folder_that_cannot_be_made_is_an_error(place: str) -> None:
    with pytest.raises(OutputError, match=r"cannot be written \(.*Choose another place"):
        require_folder_possible(Path(place))


@pytest.mark.parametrize("place", [*IMPOSSIBLE, "loop", "folder", "taken/x"])
def test_a_file_that_cannot_be_written_is_an_error(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("folder").mkdir()
    Path("taken").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="Choose another"):
        require_file_possible(Path(place))
    assert Path("taken").read_text(encoding="utf-8") == "mine"


def test_the_trial_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a/b", Path("c"), Path(), Path("d/../e")):
        require_folder_possible(folder)
        require_file_possible(folder / "file")
    assert list(tmp_path.iterdir()) == []
    for device in ("/dev/null", "/dev/stdout"):
        require_file_possible(Path(device))
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text("mine", encoding="utf-8")
    require_file_possible(tmp_path / "link")
    assert (tmp_path / "target").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]
