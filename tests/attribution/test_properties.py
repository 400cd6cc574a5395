"""What holds of every function: the axioms, and that neither grouping, chunks nor order of units change a number."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.attribution import integrated_hessians

UNITS, WIDTH = 4, 3
examples = settings(max_examples=12, derandomize=True, deadline=None)
seeds = st.integers(0, 10_000)


def network(seed):
    """A smooth random function of (B, UNITS, WIDTH), with curvature everywhere."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(UNITS * WIDTH, 8, generator=generator, dtype=torch.float64) / 2
    last = torch.randn(8, generator=generator, dtype=torch.float64)
    return lambda x: torch.tanh(x.flatten(1) @ first) @ last


def ends(seed):
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (UNITS, WIDTH)
    return (torch.randn(shape, generator=generator, dtype=torch.float64),
            torch.randn(shape, generator=generator, dtype=torch.float64))  # fmt: skip


def explained(f, x, baseline, groups=None, **options):
    groups = torch.arange(UNITS) if groups is None else groups
    options = {"tolerance": 1e-6, **options}
    found = integrated_hessians(f, x, baseline, groups, **options)
    assert found.certificate.converged
    return found


def scale(*matrices):
    return max(float(np.abs(m).max()) for m in matrices)


@given(seeds)
@examples
def test_completeness_of_rows_and_whole_and_symmetry(seed):
    f, (x, b) = network(seed), ends(seed)
    found = explained(f, x, b)
    difference = float(f(x[None]) - f(b[None]))
    assert np.abs(found.ih.sum(1) - found.ig).max() <= 2e-6 * scale(found.ih)
    assert abs(found.ih.sum() - difference) <= UNITS * 2e-6 * scale(found.ih)
    assert abs(found.ig.sum() - difference) <= UNITS * 2e-6 * scale(found.ih)
    assert np.array_equal(found.ih, found.ih.T)


@given(seeds, st.floats(-3, 3), st.floats(-3, 3))
@examples
def test_linear_in_the_function(seed, a, c):
    f, g, (x, b) = network(seed), network(seed + 7), ends(seed)
    both = explained(lambda z: a * f(z) + c * g(z), x, b).ih
    left, right = explained(f, x, b).ih, explained(g, x, b).ih
    assert np.abs(both - a * left - c * right).max() <= 2e-6 * (
        scale(both) + abs(a) * scale(left) + abs(c) * scale(right)
    )


@given(seeds, st.permutations(range(UNITS)))
@examples
def test_the_order_of_the_units_is_only_an_order(seed, order):
    f, (x, b) = network(seed), ends(seed)
    plain = explained(f, x, b).ih
    shuffled = explained(f, x, b, torch.tensor(order)).ih  # position p is unit order[p]
    assert np.abs(shuffled[np.ix_(order, order)] - plain).max() <= 2e-6 * scale(plain)


@given(seeds, st.integers(0, UNITS - 1))
@examples
def test_a_unit_that_does_not_move_has_a_zero_row(seed, unit):
    f, (x, b) = network(seed), ends(seed)
    x[unit] = b[unit]
    found = explained(f, x, b)
    assert not found.ih[unit].any()
    assert found.ig[unit] == 0


@given(seeds, st.lists(st.integers(0, 2), min_size=UNITS, max_size=UNITS))
@settings(parent=examples)
def test_grouping_is_the_block_sum(seed, groups):
    groups = [sorted(set(groups)).index(g) for g in groups]
    f, (x, b) = network(seed), ends(seed)
    options = {"tolerance": 1e-10}
    fine = explained(f, x, b, **options).ih
    coarse = explained(f, x, b, torch.tensor(groups), **options).ih
    blocks = np.zeros_like(coarse)
    for i, u in enumerate(groups):
        for j, v in enumerate(groups):
            blocks[u, v] += fine[i, j]
    assert np.abs(coarse - blocks).max() <= 1e-9 * scale(fine)


def test_grouping_is_the_block_sum_to_ten_digits_on_the_same_nodes():
    # a polynomial is integrated exactly from enough nodes: what is left is the grouping itself
    def f(x):
        return (x.flatten(1) ** 2).sum(1) * x[:, 0, 0] + x.flatten(1).prod(1)

    x, b = ends(3)
    fine = explained(f, x, b, tolerance=1e-12).ih
    coarse = explained(f, x, b, torch.tensor([0, 1, 0, 1]), tolerance=1e-12).ih
    blocks = fine.reshape(2, 2, 2, 2).sum(axis=(0, 2))
    assert np.abs(coarse - blocks).max() <= 1e-10 * scale(fine)


@given(seeds, st.integers(1, 60))
@examples
def test_the_chunk_size_changes_nothing(seed, kilobytes):
    f, (x, b) = network(seed), ends(seed)
    assert np.abs(explained(f, x, b, memory=1000 * kilobytes).ih - explained(f, x, b).ih).max() <= 1e-12


@given(seeds)
@examples
def test_expected_hessians_are_the_mean_with_its_spread(seed):
    f, (x, b), (_, c) = network(seed), ends(seed), ends(seed + 50)
    both = explained(f, x, [b, c])
    one, other = explained(f, x, b), explained(f, x, c)
    assert np.abs(both.ih - (one.ih + other.ih) / 2).max() <= 2e-6 * scale(one.ih, other.ih)
    assert both.ih_spread == pytest.approx(np.abs(one.ih - other.ih) / 2, abs=2e-6 * scale(one.ih, other.ih))
    assert both.f_baseline == pytest.approx((one.f_baseline + other.f_baseline) / 2)


@given(seeds)
@examples
def test_a_linear_function_interacts_with_nobody(seed):
    weight = torch.randn(UNITS, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x, b = ends(seed)
    found = explained(lambda z: (z * weight).sum((1, 2)) + 0.5, x, b)
    expected = np.diag(((x - b) * weight).sum(1).numpy())
    assert np.abs(found.ih - expected).max() <= 1e-9 * scale(expected)


def steep(seed):
    f = network(seed)
    return lambda z: torch.sin(2 * f(2 * z))


@cache
def truth(seed, formulation):
    f, (x, b) = steep(seed), ends(seed)
    return explained(f, x, b, tolerance=1e-7, formulation=formulation, max_nodes=4096).ih


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1e-3])
@pytest.mark.parametrize("formulation", ["paper", "article"])
def test_what_says_converged_keeps_its_promise_and_what_cannot_says_so(tolerance, formulation):
    outcomes = set()
    for seed in range(12):
        f, (x, b) = steep(seed), ends(seed)
        found = integrated_hessians(f, x, b, torch.arange(UNITS), tolerance=tolerance, formulation=formulation,
                                    max_nodes=24)  # fmt: skip
        size, certificate = scale(found.ih), found.certificate
        outcomes.add(certificate.converged)
        assert found.quadrature.nodes <= 24
        if certificate.converged:
            assert max(certificate.row_gap, certificate.quadrature_error) <= tolerance * size
            assert np.abs(found.ih - truth(seed, formulation)).max() <= tolerance * size
        else:
            assert max(certificate.row_gap, certificate.quadrature_error) > tolerance * size
    assert {0.1: True, 0.01: True, 1e-3: False}[tolerance] in outcomes


def test_no_difference_is_a_matrix_of_zeros():
    f, (x, _) = network(0), ends(0)
    found = explained(f, x, x.clone())
    assert not found.ih.any()
    assert not found.ig.any()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_taken_whatever_the_caller_switched_off(mode):
    f, (x, b) = network(0), ends(0)
    expected = explained(f, x, b).ih
    with mode():
        found = explained(f, x * 1.0, b * 1.0).ih
        assert not torch.is_grad_enabled()
    assert np.abs(found - expected).max() <= 1e-12
