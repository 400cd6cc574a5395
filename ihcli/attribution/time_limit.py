"""A limit on the time of integrations: what is left of it, what evaluations will take, and how one ends early.

Before each chunk of evaluations the time that the rest of a request will take, measured so far, is compared with what
is left.  What does not fit is not begun: the integration that asked for it is told by `Stopped` and ends with the best
matrix that it has.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ihcli.attribution.cost import hessian_cost, product_cost
from ihcli.attribution.evaluation import Request
from ihcli.errors import TimeLimitError


class Stopped(Exception):  # noqa: N818  (it ends an integration as asked, and is no error)
    """Thrown into an integration whose request will not be answered."""


class TimeLimit:
    """Seconds from now on, of wall time; `stop` ends them at once.  Without a number only `stop` does."""

    def __init__(
        self,
        seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        expect: Callable[[float], None] | None = None,
    ) -> None:
        """The time begins to run; `expect` is told what second derivatives will take before they begin."""
        self.expect = expect
        self.seconds = seconds
        self.clock = clock
        self.started = clock()
        self.interrupted = False
        """Whether `stop` was called."""

    def stop(self) -> None:
        """Let nothing further begin."""
        self.interrupted = True

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self.started

    @property
    def left(self) -> float:
        """Seconds left, never below 0."""
        if self.interrupted:
            return 0.0
        return math.inf if self.seconds is None else max(0.0, self.seconds - self.elapsed)


@dataclass(slots=True)
class Pace:
    """What evaluations take on this machine, measured as they are made, and what fits the time that is left."""

    limit: TimeLimit
    engine: str
    positions: int = 0
    """Positions of the paths, by which sums over pairs of units grow."""
    shares: int = 1
    """Integrations that share the time."""
    _rates: dict[str, float] = field(default_factory=dict)
    """Seconds of a unit of work in each phase, of its last chunk."""
    _refused: float = 0.0
    """Seconds of the gradients that did not fit."""

    def note(self, request: Request, units: int, nodes: int, seconds: float) -> None:
        """So many nodes of a request took so many seconds."""
        self._rates[request.phase] = seconds / (nodes * self._work(request.phase, _rows(request, units), units))

    def seconds(self, request: Request, units: int, nodes: int) -> float:
        """What so many nodes of a request will take; 0 while nothing was measured."""
        rows = _rows(request, units)
        return self._rate(request.phase) * nodes * self._work(request.phase, rows, units)

    def require(self, request: Request, units: int, nodes: int) -> None:
        """Raise `Stopped` where so many nodes of a request do not fit the time that is left."""
        left, needed = self.limit.left, self.seconds(request, units, nodes)
        if left <= 0 or needed > left:
            self._refused = needed if request.order == 1 else 0.0
            raise Stopped

    def hessians(self, units: int) -> float:
        """The number of whole Hessians that fit the time that is left to one integration."""
        one = self.seconds_of_hessians(1, units)
        return math.inf if one == 0 else self.limit.left / (one * self.shares)

    def seconds_of_hessians(self, nodes: int, units: int) -> float:
        """What so many whole Hessians will take."""
        return self._rate("hessians") * nodes * self._work("hessians", units, units)

    def too_short(self, nodes: int, units: int) -> TimeLimitError:
        """The error of an integration without a matrix, whose first one takes so many nodes.

        Raises `KeyboardInterrupt` where the user ended it.
        """
        if self.limit.interrupted:
            raise KeyboardInterrupt
        needed = self.limit.elapsed + self._refused + self.shares * self.seconds_of_hessians(nodes, units)
        return TimeLimitError(
            f"{self.limit.seconds:g} s do not suffice for a first matrix of {units} units: its {nodes} Hessians would "
            f"end about {needed:.3g} s after the start. Give --max-seconds {math.ceil(1.2 * needed)} or more, or "
            "explain less: sentences (--units sentence), or one baseline."
        )

    def too_short_for_rows(self, units: int) -> TimeLimitError:
        """The error of a search for the strongest pairs that has no row yet; `KeyboardInterrupt` as above."""
        if self.limit.interrupted:
            raise KeyboardInterrupt
        return TimeLimitError(
            f"{self.limit.seconds:g} s do not suffice for the first rows of {units} units. Give --max-seconds a larger "
            "number, or explain sentences (--units sentence)."
        )

    def announce(self, request: Request, units: int, nodes: int) -> None:
        """Tell who wants to know what the second derivatives of a request will take."""
        if self.limit.expect is not None and request.order > 1:
            self.limit.expect(self.seconds(request, units, nodes))

    def _rate(self, phase: str) -> float:
        """Seconds of a unit of work in a phase; before its first chunk the slowest of the others."""
        return self._rates.get(phase, max(self._rates.values(), default=0.0))

    def _work(self, phase: str, rows: int, units: int) -> float:
        if phase == "gradients":
            return 1.0
        return hessian_cost(self.engine, units, self.positions) if phase == "hessians" else product_cost(rows)


def _rows(request: Request, units: int) -> int:
    return units if request.vectors is None else len(request.vectors)
