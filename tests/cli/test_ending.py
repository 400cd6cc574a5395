"""The end of a process of the command line, without the interpreter's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import atexit, sys, threading, time\nfrom ihcli import __main__ as entry\n"
LATE = "atexit.register(print, 'at exit')\n"


def ended(code: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(("code", "number"), [("None", 0), ("0", 0), ("3", 3), ("70", 70)])
def test_the_exit_code_is_kept_and_what_is_due_at_the_end_is_done(code: str, number: int) -> None:
    done = ended(
        f"{LATE}def main():\n    print('a line without its end', end='')\n    sys.exit({code})\nentry.main = main\n"
        "class Freed:\n    def __del__(self):\n        print('freed')\nkept = Freed()\nentry.run()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (number, "a line without its endat exit\n", "")


def test_a_thread_that_still_runs_is_waited_for() -> None:
    done = ended(
        "def late():\n    time.sleep(0.3)\n    print('done', flush=True)\n"
        "def main():\n    threading.Thread(target=late).start()\n    sys.exit(4)\nentry.main = main\nentry.run()"
    )
    assert (done.returncode, done.stdout) == (4, "done\n")


def test_a_message_in_the_place_of_a_code_is_shown() -> None:
    done = ended("def main():\n    sys.exit('no more')\nentry.main = main\nentry.run()")
    assert (done.returncode, done.stderr) == (1, "no more\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_reported_as_by_the_interpreter() -> None:
    code = "def main():\n    print('lost')\n    sys.exit(0)\nentry.main = main\n"
    with Path("/dev/full").open("w") as full:
        numbers = [
            subprocess.run(
                [sys.executable, "-c", START + code + end], stdout=full, stderr=subprocess.DEVNULL, check=False
            )
            for end in ("entry.run()", "entry.main()")
        ]
    assert numbers[0].returncode == numbers[1].returncode != 0


def test_the_command_ends_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "ihcli", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert done.stdout.startswith("ih ")
