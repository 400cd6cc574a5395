"""How far a phase of a computation has come between two reports, and when it will end."""

import time
from collections.abc import Callable


class Outlook:
    """The course of one phase: expected seconds at first, then what its steps took so far."""

    def __init__(self, expected: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """The phase begins; `expected` is what it is expected to take, where that is known."""
        self._clock = clock
        self._began = clock()
        self._expected = expected
        self._shown = 0.0

    def report(self, done: int, total: int | None) -> None:
        """So many of its steps are done."""
        if total and done:
            self._expected = (self._clock() - self._began) * total / done

    @property
    def left(self) -> float | None:
        """Seconds to its end; None where nothing is known."""
        return None if self._expected is None else max(0.0, self._expected - (self._clock() - self._began))

    @property
    def share(self) -> float | None:
        """The share that is done, which never goes back and is 1 only at the end."""
        if not self._expected:
            return None
        passed = min((self._clock() - self._began) / self._expected, 0.99)
        self._shown = max(self._shown, passed)
        return self._shown
