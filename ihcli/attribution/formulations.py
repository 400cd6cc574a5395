"""The three published definitions of the matrix, as data."""

from dataclasses import dataclass

from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE, Kernel


@dataclass(frozen=True, slots=True)
class Formulation:
    """A definition of the matrix as one integral over the path."""

    name: str
    """`paper`, `article` or `article-code`."""
    kernel: Kernel
    """k(t), the factor of H(t) under the integral."""
    diagonal: bool
    """Whether the diagonal has the first-order term ∫₀¹ -ln t g_u(t) dt."""
    ones_left: bool = False
    """Whether a vector of ones takes the place of δ on the left side of the second derivative."""


FORMULATIONS = {
    formulation.name: formulation
    for formulation in (
        Formulation("paper", MINUS_T_LOG, diagonal=True),
        Formulation("article", MINUS_LOG, diagonal=False),
        Formulation("article-code", ONE, diagonal=False, ones_left=True),
    )
}
