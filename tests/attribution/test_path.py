"""Paths: their points, sums over units, and nodes of several paths in one batch, against loops."""

import numpy as np
import pytest
import torch

from ihcli.attribution.path import NodeBatch, Path
from ihcli.errors import UsageError

T, D = 4, 3
GROUPS = torch.tensor([0, -1, 1, 0])


def tensor(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def path(seed: int = 0, groups: torch.Tensor = GROUPS) -> Path:
    x, baseline = tensor(T, D, seed=seed), tensor(T, D, seed=seed + 100)
    return Path.between(x, torch.where(groups[:, None] < 0, x, baseline), groups)


def sums_by_loop(values: torch.Tensor, groups: torch.Tensor, units: int) -> torch.Tensor:
    out = torch.zeros(len(values), units, dtype=values.dtype)
    for b in range(len(values)):
        for position, unit in enumerate(groups.tolist()):
            if unit >= 0:
                out[b, unit] += values[b, position].sum()
    return out


def test_points_run_from_the_baseline_to_the_input() -> None:
    own = path()
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    points = own.points(t)
    assert torch.equal(points[0], own.start)
    torch.testing.assert_close(points[1], own.start + own.delta / 4)
    torch.testing.assert_close(points[2], own.start + own.delta)


def test_sums_over_units_leave_out_positions_in_none() -> None:
    own, values = path(), tensor(5, T, D, seed=3)
    torch.testing.assert_close(own.per_unit(values), sums_by_loop(values, GROUPS, 2))


def test_without_groups_every_element_is_a_unit() -> None:
    x = tensor(2, 3, seed=1)
    own = Path.between(x, torch.zeros_like(x))
    assert own.units == 6
    assert torch.equal(own.per_unit(x[None]), x.flatten()[None])


def test_groups_over_several_leading_axes() -> None:
    x = tensor(2, 2, 3, seed=1)
    groups = torch.tensor([[0, 1], [1, 0]])
    own = Path.between(x, torch.zeros_like(x), groups)
    expected = torch.stack([x[groups == unit].sum() for unit in range(2)])
    torch.testing.assert_close(own.per_unit(x[None])[0], expected)


def test_nodes_of_several_paths_keep_their_own_points_units_and_parameters() -> None:
    others = torch.tensor([0, 1, 2, 3])
    one, two = path(1), path(2, others)
    one, two = (Path(own.start, own.delta, own.groups, own.units, (tensor(5, seed=own.units),)) for own in (one, two))
    batch = NodeBatch.of([one, two], [2, 3])
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    expected = torch.cat([one.points(t[:2]), two.points(t[2:])])
    torch.testing.assert_close(batch.points(t), expected)
    values = tensor(5, T, D, seed=4)
    sums = batch.per_unit(values)
    assert batch.units == 4
    torch.testing.assert_close(sums[:2, :2], one.per_unit(values[:2]))
    torch.testing.assert_close(sums[2:], two.per_unit(values[2:]))
    assert not sums[:2, 2:].any()
    [parameters] = batch.parameters_at(5)
    assert torch.equal(
        parameters, torch.cat([own.expand(n, -1) for own, n in ((one.parameters[0], 2), (two.parameters[0], 3))])
    )
    part = batch.chosen(slice(1, 3))
    torch.testing.assert_close(part.points(t[1:3]), expected[1:3])
    doubled = part.per_unit(torch.cat([values[1:3], values[1:3] * 2]))  # two blocks of its nodes
    torch.testing.assert_close(doubled, torch.cat([sums[1:3], sums[1:3] * 2]))


def test_one_path_stands_for_itself() -> None:
    own = path()
    assert NodeBatch.of([own], [7]) is own
    assert own.chosen(slice(2, 3)) is own


@pytest.mark.parametrize(
    ("x", "baseline", "groups", "words"),
    [
        (torch.ones(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64), None, "floating point"),
        (torch.tensor(1.0), torch.tensor(0.0), None, "with a dimension"),
        (torch.ones(2), torch.zeros(3), None, "shape"),
        (torch.ones(2), torch.zeros(2).double(), None, "float64"),
        (torch.ones(2), torch.tensor([0.0, torch.inf]), None, "infinity"),
        (torch.ones(2), torch.zeros(2), torch.tensor([0.0, 1.0]), "integers"),
        (torch.ones(2), torch.zeros(2), torch.tensor([0, 2]), "every unit from 0 up"),
        (torch.ones(2), torch.zeros(2), torch.tensor([-2, 0]), "every unit from 0 up"),
        (torch.ones(2), torch.zeros(2), torch.tensor([-1, 0]), "in no unit"),
    ],
)
def test_what_does_not_fit_is_named(x, baseline, groups, words) -> None:
    with pytest.raises(UsageError, match=words):
        Path.between(x, baseline, groups)


def test_the_baseline_is_copied() -> None:
    baseline = torch.zeros(2)
    own = Path.between(torch.ones(2), baseline)
    baseline += 1
    assert not own.start.any()


def test_units_that_are_not_chosen_count_as_one_unit_the_last() -> None:
    groups = torch.tensor([0, 1, -1, 2, 3, 3])
    delta = torch.tensor([1.0, 2.0, 0.0, 4.0, 8.0, 16.0])
    merged = Path(torch.zeros(6), delta, groups, 4).merged([3, 1])
    assert merged.units == 3
    assert merged.groups.tolist() == [2, 1, -1, 2, 0, 0]
    assert merged.per_unit(delta[None]).tolist() == [[24.0, 2.0, 5.0]]


def test_a_displaced_path_moves_the_switches_of_each_unit() -> None:
    own = path()
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    moved = own.displaced(np.array([0.5, -2.0]))
    by = torch.tensor([0.5, 0.0, -2.0, 0.5], dtype=torch.float64)  # of each position; the second is in no unit
    torch.testing.assert_close(moved.points(t), own.points(t) + by[:, None] * own.delta)
    assert torch.equal(moved.delta, own.delta)
