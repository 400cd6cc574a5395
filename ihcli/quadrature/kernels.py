"""The kernels k(t): the factors of the second derivatives under the integral over the path."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function k on (0, 1], with at most a logarithmic singularity at 0."""

    name: str
    function: Callable[[Array], Array]

    def __call__(self, t: Array) -> Array:
        """k(t), t in (0, 1]."""
        return self.function(t)


ONE = Kernel("1", np.ones_like)
MINUS_LOG = Kernel("-ln t", lambda t: -np.log(t))
MINUS_T_LOG = Kernel("-t ln t", lambda t: -t * np.log(t))
