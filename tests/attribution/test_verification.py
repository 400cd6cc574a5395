"""The verification of a matrix: what it sees of an error, and what it credits a doubling of the nodes with."""

import numpy as np
import pytest
from gradient_fields import Field, play, powers

from ihcli.attribution.evaluation import Evaluations
from ihcli.attribution.first_order import FirstOrder, FirstOrderPhase
from ihcli.attribution.formulations import FORMULATIONS
from ihcli.attribution.sampling import ANY_FUNCTION, EvaluationLog
from ihcli.attribution.verification import (
    HADAMARD,
    LEAST_LEFT,
    Refinement,
    Verification,
    largest,
    left_after,
    row_gap,
    total,
)
from ihcli.quadrature.kernels import MINUS_T_LOG
from ihcli.quadrature.rules import ClenshawCurtis, is_new

RULE = ClenshawCurtis(MINUS_T_LOG)


def judged(field: Field, units: int, intervals: int, tolerance: float, *, wrong: np.ndarray | None = None):
    """The verdict on the matrix of so many intervals; `wrong` is added to the Hessian at their nodes alone."""
    log = EvaluationLog(units)
    phase = FirstOrderPhase(FORMULATIONS["paper"], ANY_FUNCTION, log)
    verification = Verification(phase, log, tolerance, np.random.default_rng(0), probing=True)
    first, _ = play(phase.integrate(tolerance / 4), field)
    (t, w), (finer_t, finer_w) = RULE.nodes(intervals), RULE.nodes(2 * intervals)
    hessians = field.hessian(t) + (0 if wrong is None else wrong)
    matrix = np.tensordot(w, hessians, axes=1)
    finer = Refinement(finer_t, finer_w, is_new(finer_t, t))
    (sharper, error), requests = play(verification.judge(first, RULE, intervals, hessians, matrix, finer), field)
    return error, matrix, sharper, requests


def test_the_hadamard_rows_and_the_row_sums_are_a_basis_of_four_units() -> None:
    basis = np.vstack([np.ones(4), HADAMARD])
    assert np.array_equal(basis @ basis.T, 4 * np.eye(4))


def test_a_right_matrix_is_within_its_tolerance() -> None:
    field = powers(2, 1, 3, 1, 2, 1, 1)
    error, matrix, first, _ = judged(field, 7, 32, 1e-3)
    m = np.array([2, 1, 3, 1, 2, 1, 1])
    exact = np.outer(m, m) / 121
    actual = np.abs(total(matrix, first) - exact).max()
    assert actual <= error <= 1e-3 * largest(matrix, first)


@pytest.mark.parametrize("pair", [(0, 1), (2, 5), (3, 6)])
def test_an_error_between_two_pairs_of_units_whose_rows_cancel_is_seen(pair) -> None:
    """(e_i - e_j)(e_k - e_l)ᵀ leaves every row sum as it is, so that only probes can see it."""
    units, field = 7, powers(1, 1, 1, 1, 1, 1, 1)
    left, right = np.zeros(units), np.zeros(units)
    left[[pair[0], pair[1]]] = 1, -1
    right[[4, (pair[1] + 2) % units]] = 1, -1
    wrong = 0.2 * (np.outer(left, right) + np.outer(right, left))
    error, matrix, first, requests = judged(field, units, 8, 1e-2, wrong=wrong)  # too few for the nested rule
    assert row_gap(matrix, first) <= 1e-9
    actual = 0.25 * np.abs(wrong).max()  # ∫ -t ln t = 1/4 of a constant
    assert error >= 0.3 * actual  # half of it is in the finer matrix too
    assert error > 1e-2 * largest(matrix, first)
    assert any(request.vectors is not None for request in requests)


def test_an_error_of_a_row_is_seen_without_probes() -> None:
    wrong = np.zeros((7, 7))
    wrong[1, 2] = 0.5
    error, *_, requests = judged(powers(2, 1, 3, 1, 2, 1, 1), 7, 32, 1e-2, wrong=wrong)
    assert error == pytest.approx(0.5 / 4, rel=1e-6)
    assert all(request.vectors is None for request in requests)


def test_sign_vectors_are_hadamard_rows_on_every_four_units_by_weight() -> None:
    log = EvaluationLog(10)
    phase = FirstOrderPhase(FORMULATIONS["paper"], ANY_FUNCTION, log)
    rng = np.random.default_rng(1)
    signs = Verification(phase, log, 0.01, np.random.default_rng(0), probing=True)._signs(rng.normal(size=(10, 10)))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    matrix = np.diag(rng.permutation(10) + 1.0)
    heaviest = np.argsort(-np.abs(matrix).sum(1))
    signs = Verification(phase, log, 0.01, np.random.default_rng(0), probing=True)._signs(matrix)
    for four in (heaviest[:4], heaviest[4:8]):
        part = signs[:, four]
        assert np.array_equal(part @ part.T, 4 * np.eye(3))
        assert np.array_equal(np.abs(part.sum(1)), np.zeros(3))


@pytest.mark.parametrize(
    ("change", "ratio", "slowest", "left"),
    [
        (1e-3, 1e-1, 0.0, 4e-4),  # four times the ratio
        (1e-3, 1e-9, 0.0, 1e-3 * LEAST_LEFT),  # never less than the least share
        (1e-3, 1e-9, 0.25, 5e-4),  # the rule's own order, twice
        (1e-3, 10.0, 0.0, 1e-3),  # never more than the change
        (0.0, 1.0, 0.25, 0.0),
    ],
)
def test_what_a_doubling_leaves(change, ratio, slowest, left) -> None:
    assert left_after(change, ratio, slowest) == pytest.approx(left)


def test_largest_entry_and_row_gap_count_the_diagonal_s_first_order_term() -> None:
    none = Evaluations(np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2)))
    first = FirstOrder(1, none, np.zeros(2), np.array([1.0, -4.0]), np.array([3.5, 0.0]), 0.0, np.zeros((2, 2)))
    matrix = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert largest(matrix, first) == 3.0
    assert row_gap(matrix, first) == 1.0  # rows (4, -1)


def test_of_chosen_units_the_entries_of_all_others_together_do_not_count() -> None:
    """Three units of which two are chosen: the last row is that of the third, whose entries may be anything."""
    samples = Evaluations(np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3)))
    first = FirstOrder(2, samples, np.zeros(3), np.array([1.0, 0, 10]), np.array([4.0, -1, 50]), 0.0, np.zeros((3, 3)))
    matrix, chosen = np.array([[1.0, 2, 9], [2, -3, 9], [9, 9, 99]]), np.array([2, 0])
    assert largest(matrix, first, chosen) == 11.0  # 1 and the term 10 of unit 2
    assert row_gap(matrix, first, chosen) == 28.0  # rows 11 + 2 + 9 for 50, and 2 - 2 + 9 for 4
    assert total(matrix, first, chosen)[2, 2] == 99.0
