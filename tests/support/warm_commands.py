"""Commands that start at once: a server that has imported what is slow to import forks a process for each of them.

Importing PyTorch, transformers and Matplotlib takes longer than most commands of the documentation. A client program
(`client`) stands in the place of `ih` and `python`. It hands its arguments, folder, environment and standard streams to
the server, which forks; the new process runs the command as a new interpreter would, and the client ends with its exit
code.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IMPORTS = (
    "torch", "transformers.models.bert.modeling_bert", "transformers.models.bert.tokenization_bert", "numpy", "pandas",
    "matplotlib.figure", "ihcli.cli.app", "ihcli.pipeline", "ihcli.output.figures", "ihcli.corpus",
)  # fmt: skip
CLIENT = """\
#!{python} -S
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
task = {{"program": {program!r}, "arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(connection, [json.dumps(task).encode() + b"\\n"], [0, 1, 2])
sys.exit(int(connection.makefile().readline() or 1))
"""


@contextmanager
def server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """A running server; the value is the address that `client` takes."""
    address = str(folder / "commands")
    process = subprocess.Popen([sys.executable, __file__, address], env=environment)
    try:
        while not Path(address).exists():
            assert process.poll() is None, "the server of commands has ended"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def client(file: Path, program: str, address: str) -> None:
    """Write an executable that has the server run `ih` or `python` with its arguments."""
    file.write_text(CLIENT.format(python=sys.executable, address=address, program=program), encoding="utf-8")
    file.chmod(0o755)


def serve(address: str) -> None:
    """Import what is slow, then fork for each connection, for ever."""
    for name in IMPORTS:
        with suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process waits for those that are forked
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address + ".new")
    listening.listen(16)
    Path(address + ".new").rename(address)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            answer(connection)
        connection.close()


def answer(connection: socket.socket) -> None:
    """Run the command of one connection in this process, and end with its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(connection, 1 << 16, 3)
    while not message.endswith(b"\n"):
        message += connection.recv(1 << 16)
    task = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(task["folder"])
    os.environ.clear()
    os.environ.update(task["environment"])
    code: object = 0
    try:
        if task["program"] == "ih":
            from ihcli.__main__ import main

            sys.argv = ["ih", *task["arguments"]]
            main()
        else:
            sys.argv = task["arguments"]
            sys.path[0] = str(Path(sys.argv[0]).parent)
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  (as the interpreter does)
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        sys.stderr.write(code + "\n")
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.flush()
    number = code if isinstance(code, int) else int(code is not None)
    connection.sendall(f"{number}\n".encode())
    os._exit(number & 0xFF)


if __name__ == "__main__":
    serve(sys.argv[1])
