"""Ctrl-C during an explanation: the first ends it with what is complete, the second ends the command."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ihcli.attribution.time_limit import TimeLimit
    from ihcli.console import Consoles

L = TypeVar("L", bound="TimeLimit")


@contextmanager
def stopping(limit: L, to: "Consoles") -> Iterator[L]:
    """Let the first interruption of the block end the time limit; a second one raises `KeyboardInterrupt`.

    Where the program does not handle interruptions as Python does by default, nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield limit
        return

    def first(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, before)
        limit.stop()
        to.note("Ending with what is complete once the present step ends. Ctrl-C again ends the command.")

    signal.signal(signal.SIGINT, first)
    try:
        yield limit
    finally:
        signal.signal(signal.SIGINT, before)
