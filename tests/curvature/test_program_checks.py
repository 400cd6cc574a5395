"""A program that does not compute what its function does is noticed before it is used."""

import pytest
import torch
from curvature_functions import D, T, transformer, weights

from ihcli.curvature import Untraceable, trace
from ihcli.curvature.program_checks import require_same_hessian, require_same_values

POINT = weights(1, T, D, seed=1)


@pytest.fixture(scope="module")
def program():
    return trace(transformer, POINT)


def test_the_program_of_a_function_passes(program) -> None:
    require_same_values(transformer, program, POINT, ())
    require_same_hessian(transformer, program, POINT, ())


@pytest.mark.parametrize(
    "other", [lambda x: transformer(x) + 0.01, lambda x: transformer(x.flip(1)), lambda x: x.sum(2)]
)
def test_other_values_are_noticed(program, other) -> None:
    with pytest.raises(Untraceable, match="the traced computation gives"):
        require_same_values(other, program, POINT, ())


def test_other_derivatives_are_noticed_although_the_values_agree(program) -> None:
    """A function whose values are the program's and whose gradient is detached in part."""

    def detached(x):
        return transformer(x * 0.5 + (x * 0.5).detach())

    require_same_values(detached, program, POINT, ())
    with pytest.raises(Untraceable, match="differs from reverse over reverse"):
        require_same_hessian(detached, program, POINT, ())


def test_nan_in_a_product_is_noticed(program) -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x.clone()

        @staticmethod
        def backward(_, grad):
            return grad * torch.nan

    with pytest.raises(Untraceable, match="differs from reverse over reverse"):
        require_same_hessian(lambda x: transformer(Broken.apply(x)), program, POINT, ())
