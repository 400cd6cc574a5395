"""What a forward sweep offers to its rules: membership of units, sums over them, and memory that may be written."""

import pytest
import torch
from curvature_functions import weights

from ihcli.curvature.forward_sweep import ForwardSweep, _empty_like, _may_overlap
from ihcli.curvature.reverse_sweep import ReverseSweep

B, T, D, U = 2, 4, 3, 3
GROUPS = torch.tensor([0, -1, 2, 0])
OWN = torch.tensor([[0, -1, 2, 0], [1, 1, 0, 2]])


def sweep(groups: torch.Tensor = GROUPS) -> ForwardSweep:
    gradient = weights(B, T, D, seed=1)
    return ForwardSweep(ReverseSweep({}, {}, gradient), weights(T, D, seed=2), groups, U, (T,))


@pytest.mark.parametrize("groups", [GROUPS, OWN], ids=["shared", "of each point"])
def test_a_gradient_by_unit_is_the_sum_over_its_positions(groups: torch.Tensor) -> None:
    made, gradient = sweep(groups), weights(B, T, D, seed=1)
    found = made.gradient_by_unit(gradient)
    for b in range(B):
        own = groups if groups.dim() == 1 else groups[b]
        for unit in range(U):
            expected = (gradient[b] * made.delta)[own == unit].sum()
            assert float(found[b, unit]) == pytest.approx(float(expected), abs=1e-13)


def test_terms_by_position_lie_on_the_diagonal_and_the_hessian_is_symmetric() -> None:
    made = sweep()
    made.half_hessian += weights(B, U, U, seed=3)
    made.by_position += torch.tensor([1.0, 5.0, 10.0, 100.0], dtype=torch.float64)
    half = weights(B, U, U, seed=3)
    found = made.hessian()
    assert torch.equal(found, found.transpose(1, 2))
    own = torch.diag(torch.tensor([202.0, 0.0, 20.0], dtype=torch.float64))  # the position in no unit counts nowhere
    torch.testing.assert_close(found, half + half.transpose(1, 2) + own, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "axes"), [((B, T, D), (0, 1)), ((B, D, T), (0, 2)), ((T, B, D), (1, 0))])
@pytest.mark.parametrize("groups", [GROUPS, OWN], ids=["shared", "of each point"])
def test_membership_stands_at_the_axes_of_positions(shape, axes, groups: torch.Tensor) -> None:
    member = sweep(groups).membership_like(torch.Size(shape), axes).expand(U, *shape)
    for unit in range(U):
        for b in range(B):
            for t in range(T):
                index = [0, 0, 0]
                index[axes[0]], index[axes[1]] = b, t
                own = groups if groups.dim() == 1 else groups[b]
                assert bool(member[(unit, *index)]) == (int(own[t]) == unit)


def test_membership_is_narrowed_to_the_current_block() -> None:
    made = sweep()
    made.windows = {1: (2, 2)}
    whole = sweep().membership_like(torch.Size((B, T, D)), (0, 1))
    assert torch.equal(made.membership_like(torch.Size((B, 2, D)), (0, 1)), whole[:, :, 2:4])


@pytest.mark.parametrize(
    ("tensor", "overlaps"),
    [
        (torch.zeros(3, 4), False),
        (torch.zeros(3, 4).t(), False),
        (torch.zeros(4, 6)[:, ::2], False),
        (torch.zeros(1, 4).expand(3, 4), True),
        (torch.zeros(8).unfold(0, 3, 1), True),
        (torch.zeros(9).unfold(0, 3, 3), False),
        (torch.zeros(1, 4).expand(1, 4), False),
    ],
)
def test_entries_that_share_memory_are_found(tensor: torch.Tensor, *, overlaps: bool) -> None:
    assert _may_overlap(tensor) == overlaps


def test_a_tensor_of_another_size_keeps_the_order_of_memory() -> None:
    tangent = torch.zeros(2, 3, 5).permute(2, 0, 1)
    made = _empty_like(tangent, 1, 7)
    assert made.shape == (5, 7, 3)
    assert made.permute(1, 2, 0).is_contiguous()
