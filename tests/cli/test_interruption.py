"""Ctrl-C: the first ends the time limit, the second the command, and the handler of before comes back."""

import os
import signal
from collections.abc import Iterator

import pytest

from ihcli.attribution.time_limit import TimeLimit
from ihcli.cli.interruption import stopping
from ihcli.console import consoles


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ends_the_time_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with stopping(TimeLimit(), consoles()) as limit:
        assert limit.left == float("inf")
        interrupt()
        assert limit.interrupted
        assert limit.left == 0
    assert "Ending with what is complete" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ends_the_command() -> None:
    with stopping(TimeLimit(), consoles(quiet=True)):
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_interruptions_itself_keeps_its_handler() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stopping(TimeLimit(), consoles(quiet=True)) as limit:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        interrupt()
        assert not limit.interrupted
