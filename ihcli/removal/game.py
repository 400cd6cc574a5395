"""A cooperative game v over the units of a text, and one that caches, counts and bounds its evaluations.

v(S) is the explained score when exactly the units in S are present.  Whatever says what "absent" means (deletion of the
words, masked attention, value zeroing at its corners, any black box) is a game; the methods of this package see nothing
else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ihcli.errors import NonFiniteError, UsageError

Array = NDArray[np.float64]
Coalitions = NDArray[np.bool_]
"""(n, U): row k is the coalition S_k, true where a unit is present."""
Game = Callable[[Coalitions], Array]
"""v: coalitions (n, U) to scores (n,), each row by itself, deterministic."""


@dataclass(slots=True)
class CountedGame:
    """A game that evaluates each coalition once, counts evaluations, and refuses to exceed a limit.

    Calling it gives v(S) (n,) for coalitions (n, U).  `evaluations` counts distinct coalitions evaluated so far.
    """

    game: Game
    """The game that is asked for coalitions not seen before."""
    units: int
    """U, the number of units (players)."""
    limit: int | None = None
    """Largest number of evaluations; None for no limit."""
    whole: float | None = None
    """v of all units where it is known already; it then counts as no evaluation."""
    _known: dict[bytes, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take what is known already."""
        if self.whole is not None:
            self._known[np.ones(self.units, dtype=bool).tobytes()] = self.whole

    @property
    def evaluations(self) -> int:
        """Distinct coalitions evaluated so far."""
        return len(self._known) - (self.whole is not None)

    def __call__(self, coalitions: Coalitions) -> Array:
        """v of each coalition, (n,).

        Raises `UsageError` when the limit would be exceeded (nothing is then evaluated) and for coalitions of another
        shape, `NonFiniteError` where the game returns NaN or infinity.
        """
        rows = np.asarray(coalitions, dtype=bool)
        if rows.ndim != 2 or rows.shape[1] != self.units:  # noqa: PLR2004
            message = f"coalitions have shape {rows.shape}; they must be (n, {self.units}), one column a unit."
            raise UsageError(message)
        keys = [row.tobytes() for row in rows]
        new = {key: index for index, key in enumerate(keys) if key not in self._known}
        if self.limit is not None and self.evaluations + len(new) > self.limit:
            message = (
                f"{self.evaluations + len(new)} evaluations are needed and at most {self.limit} are allowed. Raise "
                "--evaluations, or explain larger units (--units sentence)."
            )
            raise UsageError(message)
        if new:
            chosen = rows[list(new.values())]
            values = _real(self.game(chosen))
            if values.shape != (len(chosen),):
                message = f"the game returned shape {values.shape} for {len(chosen)} coalitions; it must be (n,)."
                raise UsageError(message)
            if not np.isfinite(values).all():
                present = chosen[int(np.argmin(np.isfinite(values)))].nonzero()[0].tolist()
                message = f"The game is NaN or infinite for the coalition of units {present}. Nothing was written."
                raise NonFiniteError(message)
            self._known.update(zip(new, values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])


def _real(scores: object) -> Array:
    """What a game returned, as float64; raises `UsageError` for what holds no real numbers."""
    found = np.asarray(scores)
    if found.dtype.kind not in "biufO" or any(isinstance(one, complex | str) for one in found.flat[:1]):
        message = f"the game returned {found.dtype} ({type(scores).__name__}); it must return real numbers (n,)."
        raise UsageError(message)
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError) as error:
        message = f"the game returned what holds no real numbers ({error}); it must return real numbers (n,)."
        raise UsageError(message) from error


def all_coalitions(units: int) -> Coalitions:
    """Every coalition of U units, (2^U, U); row k holds the bits of k, the lowest bit first."""
    return (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype(bool)
