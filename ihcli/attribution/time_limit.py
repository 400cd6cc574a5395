"""A limit on the time of integrations: the time left, what evaluations will take, and how an integration ends early.

Before each chunk of evaluations, the time that the rest of the request will take, by the measurements so far, is
compared with the time left. A request that does not fit is not begun: `Stopped` is thrown into its integration, which
ends with the best matrix that it has. Time for what follows the integration is kept, but not at the price of the first
matrix.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ihcli.attribution.cost import LEAST_UNITS, hessian_cost, product_cost
from ihcli.attribution.evaluation import Request
from ihcli.counting import counted
from ihcli.errors import TimeLimitError

KEPT = 0.25
"""The share of the time that is kept at most for what follows the integrations."""


class Stopped(Exception):  # noqa: N818  (it ends an integration on request and is no error)
    """Thrown into an integration whose request will not be answered."""


class TimeLimit:
    """A number of seconds of wall time from now on, or no limit; `stop` ends the time at once."""

    def __init__(
        self,
        seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        expect: Callable[[float], None] | None = None,
    ) -> None:
        """Start the time. `expect` is called with the seconds that each phase after the gradients will take."""
        self.expect = expect
        self.seconds = seconds
        self.clock = clock
        self.started = clock()
        self.interrupted = False
        """Whether `stop` was called."""

    def stop(self) -> None:
        """End the time, so that no further request begins."""
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
    """The time of evaluations on this machine, measured as they are made, and what fits the time that is left."""

    limit: TimeLimit
    engine: str
    positions: int = 0
    """Positions of the paths; sums over pairs of units cost in proportion to them."""
    shares: int = 1
    """Integrations that share the time."""
    afterwards: float = 0.0
    """Gradients that follow the integrations within the same time."""
    _rates: dict[str, float] = field(default_factory=dict)
    """Seconds of a unit of work in the last chunk of each phase."""
    _refused: float = 0.0
    """Seconds of the gradients that did not fit."""

    def note(self, request: Request, units: int, nodes: int, seconds: float) -> None:
        """Record that `nodes` nodes of a request took `seconds`."""
        self._rates[request.phase] = seconds / (nodes * self._work(request.phase, _rows(request, units), units))

    def seconds(self, request: Request, units: int, nodes: int) -> float:
        """The expected seconds of `nodes` nodes of a request; 0 before anything was measured."""
        rows = _rows(request, units)
        return self._rate(request.phase) * nodes * self._work(request.phase, rows, units)

    def require(self, request: Request, units: int, nodes: int) -> None:
        """Raise `Stopped` if `nodes` nodes of a request do not fit the time that is left."""
        left, needed = self._left() if request.refines else self.limit.left, self.seconds(request, units, nodes)
        if left <= 0 or needed > left:
            self._refused = needed if request.order == 1 else 0.0
            raise Stopped

    def hessians(self, units: int) -> float:
        """The number of whole Hessians that fit the time that is left to one integration."""
        one = self.seconds_of_hessians(1, units)
        return math.inf if one == 0 else self._left() / (one * self.shares)

    def seconds_of_hessians(self, nodes: int, units: int) -> float:
        """The expected seconds of `nodes` whole Hessians."""
        return self._rate("hessians") * nodes * self._work("hessians", units, units)

    def too_short(self, nodes: int, units: int) -> TimeLimitError:
        """The error of an integration that has no matrix yet, and whose first one needs `nodes` nodes.

        Raises `KeyboardInterrupt` if the user ended it.
        """
        if self.limit.interrupted:
            raise KeyboardInterrupt
        pairs = ", the strongest pairs (--top 10)" if units > LEAST_UNITS else ""
        needed = self.limit.elapsed + self._refused + self.shares * self.seconds_of_hessians(nodes, units)
        return TimeLimitError(
            f"{self.limit.seconds:g} s are too short for a first matrix of {counted(units, 'unit')}: its {nodes} "
            f"Hessians would end about {needed:.3g} s after the start. Give --max-seconds {math.ceil(1.2 * needed)} or "
            f"more, or explain less: sentences (--units sentence){pairs}, or one baseline."
        )

    def too_short_for_rows(self, units: int) -> TimeLimitError:
        """The error of a search for the strongest pairs that has no row yet.

        Raises `KeyboardInterrupt` if the user ended it.
        """
        if self.limit.interrupted:
            raise KeyboardInterrupt
        return TimeLimitError(
            f"{self.limit.seconds:g} s are too short for the first rows of {counted(units, 'unit')}. Give "
            "--max-seconds a larger number, or explain sentences (--units sentence)."
        )

    def announce(self, request: Request, units: int, nodes: int) -> None:
        """Call `expect` with the seconds that second derivatives, or a search, will take."""
        if self.limit.expect is not None and request.phase != "gradients":
            self.limit.expect(self.seconds(request, units, nodes))

    def _left(self) -> float:
        """Seconds left to integrations, less those that are kept for what follows: at most a share of the limit."""
        left = self.limit.left
        if math.isinf(left):
            return left
        kept = min(self.afterwards * self._rates.get("gradients", 0.0), KEPT * (self.limit.seconds or 0.0))
        return max(0.0, left - kept)

    def _rate(self, phase: str) -> float:
        """Seconds of a unit of work in a phase; before its first chunk, those of the slowest other phase."""
        return self._rates.get(phase, max(self._rates.values(), default=0.0))

    def _work(self, phase: str, rows: int, units: int) -> float:
        if phase in {"gradients", "search"}:
            return 1.0
        return hessian_cost(self.engine, units, self.positions) if phase == "hessians" else product_cost(rows)


def _rows(request: Request, units: int) -> int:
    return units if request.vectors is None else len(request.vectors)
