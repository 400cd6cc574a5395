"""Functions of switches with known derivatives along the diagonal, and a player that answers an integration with them.

They stand in for the engines of `ihcli.attribution` where an integration is tested without PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.attribution.evaluation import Asks, Evaluations, Request, T

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """F(t·1) (n,), its gradient (n, U) and its Hessian (n, U, U) as functions of t (n,)."""

    value: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    hessian: Callable[[Array], Array]

    def __call__(self, request: Request) -> Evaluations:
        """What an engine would return."""
        t = np.asarray(request.t)
        gradient = self.gradient(t)
        hessian = None
        if request.order == 2:
            hessian = self.hessian(t)
            if request.vectors is not None:
                hessian = request.vectors @ hessian
        return Evaluations(self.value(t), gradient, gradient, hessian)


def powers(*exponents: float) -> Field:
    """F(s) = Π s_u^m_u: the matrix is m mᵀ / M², with M = Σ m_u, and the attributions are m / M."""
    m = np.array(exponents, dtype=np.float64)
    total = float(m.sum())
    second = np.outer(m, m) - np.diag(m)
    return Field(
        lambda t: t**total,
        lambda t: t[:, None] ** (total - 1) * m,
        lambda t: t[:, None, None] ** (total - 2) * second,
    )


def through(outer: Callable[[Array], tuple[Array, Array, Array]], *weights: float) -> Field:
    """F(s) = φ(w·s) for weights that sum to 1; `outer` gives φ, φ′ and φ″."""
    w = np.array(weights, dtype=np.float64)
    assert abs(w.sum() - 1) < 1e-12
    return Field(
        lambda t: outer(t)[0],
        lambda t: outer(t)[1][:, None] * w,
        lambda t: outer(t)[2][:, None, None] * np.outer(w, w),
    )


def step(centre: float, width: float) -> Callable[[Array], tuple[Array, Array, Array]]:
    """tanh((t - c) / w) and its derivatives."""

    def outer(t: Array) -> tuple[Array, Array, Array]:
        value = np.tanh((t - centre) / width)
        return value, (1 - value**2) / width, -2 * value * (1 - value**2) / width**2

    return outer


def play(asks: Asks[T], field: Callable[[Request], Evaluations]) -> tuple[T, list[Request]]:
    """Answer every request of an integration; its result, and what it requested."""
    requests: list[Request] = []
    try:
        request = next(asks)
        while True:
            requests.append(request)
            request = asks.send(field(request))
    except StopIteration as end:
        return end.value, requests
