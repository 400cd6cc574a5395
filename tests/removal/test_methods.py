"""Every method: closed forms, what it promises, and bad questions."""

import itertools
import math

import numpy as np
import pytest

from ihcli.errors import NonFiniteError, UsageError
from ihcli.removal.game import CountedGame, all_coalitions
from ihcli.removal.methods import METHODS, explain_game

PAIRS = [name for name, method in METHODS.items() if method.pairs]
SHAPLEY = ["shapley", "sii", "faith-shap", "kernel-shap"]
UNBIASED = [name for name in METHODS if name != "lime"]  # LIME's penalty and weights leave no exact zero


def product(coalitions):
    """12 where units 0, 1 and 2 are present; unit 3 does nothing, unit 4 adds 5; 1 for nobody."""
    return 1 + 12.0 * coalitions[:, :3].all(axis=1) + 5.0 * coalitions[:, 4]


def table(units, seed):
    """A game with independent values."""
    values = np.random.default_rng(seed).normal(size=2**units)
    return lambda coalitions: values[coalitions @ (1 << np.arange(units))]


def members(value):
    matrix = np.zeros((5, 5))
    matrix[:3, :3] = value
    np.fill_diagonal(matrix, 0)
    return matrix


@pytest.mark.parametrize(
    ("method", "attributions", "diagonal", "pair"),
    [
        ("shapley", [4, 4, 4, 0, 5], [0, 0, 0, 0, 5], 4),
        ("sii", [4, 4, 4, 0, 5], [4, 4, 4, 0, 5], 6),
        ("faith-shap", [4, 4, 4, 0, 5], [-2, -2, -2, 0, 5], 6),
        ("archipelago", [0, 0, 0, 0, 5], [0, 0, 0, 0, 5], 6),
        ("occlusion", [12, 12, 12, 0, 5], [12, 12, 12, 0, 5], 12),
    ],
)
def test_a_product_and_a_sum_by_hand(method, attributions, diagonal, pair):
    result = explain_game(product, 5, method)
    np.testing.assert_allclose(result.attributions, attributions, atol=1e-10)
    np.testing.assert_allclose(result.matrix, members(pair) + np.diag(diagonal), atol=1e-10)
    assert (result.v_none, result.v_all) == (1, 18)
    assert result.exact
    assert result.converged


def test_kernel_shap_gives_the_shapley_values_and_no_pairs():
    result = explain_game(product, 5, "kernel-shap")
    np.testing.assert_allclose(result.attributions, [4, 4, 4, 0, 5], atol=1e-10)
    assert np.isnan(result.matrix[~np.eye(5, dtype=bool)]).all()
    assert (np.diag(result.matrix) == result.attributions).all()


def test_lime_of_a_sum_keeps_its_order_and_loses_little():
    result = explain_game(lambda rows: rows @ np.array([3.0, -2.0, 0.0, 1.0]), 4, "lime")
    np.testing.assert_allclose(result.attributions, [3, -2, 0, 1], atol=0.05)  # a penalty of 1 against 5,000 texts
    assert result.attributions[0] < 3
    assert np.isnan(result.matrix[0, 1])


def test_a_majority_by_hand():
    def majority(rows):
        return (rows.sum(axis=1) >= 3).astype(float)

    everyone = ~np.eye(5, dtype=bool)
    pairs = {"shapley": 1 / 10, "sii": 0, "faith-shap": 0, "archipelago": 0, "occlusion": 0}
    diagonal = {"shapley": 0, "sii": 1 / 5, "faith-shap": 1 / 5, "archipelago": 0, "occlusion": 0}
    for method in PAIRS:
        result = explain_game(majority, 5, method)
        np.testing.assert_allclose(result.matrix[everyone], pairs[method], atol=1e-12, err_msg=method)
        np.testing.assert_allclose(np.diag(result.matrix), diagonal[method], atol=1e-12, err_msg=method)


def test_occlusion_and_archipelago_see_each_end():
    # Exclusive or: −2 where the other is absent and all are present; a third unit turns the sign near the full text.
    def game(rows):
        return (rows[:, 0] ^ rows[:, 1]) * np.where(rows[:, 2], -3.0, 1.0)

    assert explain_game(game, 3, "occlusion").matrix[0, 1] == 6
    assert explain_game(game, 3, "archipelago").matrix[0, 1] == (6 - 2) / 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("units", [2, 3, 7])
def test_every_promise_is_kept_on_any_game(method, units):
    game = table(units, seed=units)
    result = explain_game(game, units, method)
    ends = game(np.array([[False] * units, [True] * units]))
    assert (result.v_none, result.v_all) == (ends[0], ends[1])
    total = ends[1] - ends[0]
    promised = METHODS[method]
    if promised.attributions_complete:
        assert result.attributions.sum() == pytest.approx(total, abs=1e-10)
    if promised.matrix_complete:
        assert np.trace(result.matrix) + np.triu(result.matrix, k=1).sum() == pytest.approx(total, abs=1e-10)
    assert (result.completeness is None) == (not promised.attributions_complete and not promised.matrix_complete)
    assert (result.completeness_gap is None) == (result.completeness is None)
    assert result.completeness_gap is None or result.completeness_gap < 1e-10
    np.testing.assert_array_equal(result.matrix, result.matrix.T)
    assert np.isfinite(result.attributions).all()
    assert np.isnan(result.matrix).any() != promised.pairs
    assert not result.matrix.flags.writeable


@pytest.mark.parametrize("method", SHAPLEY)
def test_four_methods_give_the_same_shapley_values(method):
    game = table(6, seed=1)
    found = explain_game(game, 6, method).attributions
    np.testing.assert_allclose(found, permutation_shapley(game, 6), atol=1e-10)


def permutation_shapley(game, units):
    """The mean of what a unit adds to those before it, over every order."""
    total, count = np.zeros(units), math.factorial(units)
    for order in itertools.permutations(range(units)):
        rows = np.zeros((units + 1, units), dtype=bool)
        for position, unit in enumerate(order):
            rows[position + 1 :, unit] = True
        total[list(order)] += np.diff(game(rows))
    return total / count


@pytest.mark.parametrize("method", METHODS)
def test_equal_units_are_treated_alike(method):
    def game(rows):  # units 1 and 3 may change places
        return np.sin(1.0 + rows[:, 0] + 2.0 * rows[:, 1] + 2.0 * rows[:, 3]) + rows[:, 2]

    result = explain_game(game, 4, method)
    swapped = [0, 3, 2, 1]
    np.testing.assert_allclose(result.attributions, result.attributions[swapped], atol=1e-10)
    np.testing.assert_allclose(result.matrix, result.matrix[np.ix_(swapped, swapped)], atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_units_in_another_order_give_the_same_numbers(method):
    game, order = table(5, seed=3), np.array([3, 0, 4, 1, 2])
    result = explain_game(game, 5, method)
    moved = explain_game(lambda rows: game(rows[:, np.argsort(order)]), 5, method)
    np.testing.assert_allclose(moved.attributions, result.attributions[order], atol=1e-10)
    np.testing.assert_allclose(moved.matrix, result.matrix[np.ix_(order, order)], atol=1e-10)


@pytest.mark.parametrize("method", UNBIASED)
def test_a_unit_that_does_nothing_gets_nothing(method):
    result = explain_game(lambda rows: np.exp(rows[:, 0] - 2.0 * rows[:, 2] + rows[:, 3]), 4, method)
    assert result.attributions[1] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(np.nan_to_num(result.matrix[1]), 0, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_results_are_linear_in_the_game(method):
    first, second = table(4, seed=5), table(4, seed=6)
    both = explain_game(lambda rows: 2 * first(rows) - 3 * second(rows), 4, method)
    one, other = explain_game(first, 4, method), explain_game(second, 4, method)
    np.testing.assert_allclose(both.attributions, 2 * one.attributions - 3 * other.attributions, atol=1e-10)
    np.testing.assert_allclose(both.matrix, 2 * one.matrix - 3 * other.matrix, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_gets_the_difference(method):
    result = explain_game(lambda rows: 2 + 3.0 * rows[:, 0], 1, method)
    assert result.attributions.tolist() == [3]
    assert result.matrix.tolist() == [[3]]
    assert result.evaluations == 2
    assert result.exact
    assert result.quadratic_form(all_coalitions(1)).tolist() == [2, 5]


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_game_gives_zeros_and_converges(method):
    result = explain_game(lambda rows: np.full(len(rows), 2.0), 3, method)
    np.testing.assert_allclose(result.attributions, 0, atol=1e-12)
    assert result.converged


@pytest.mark.parametrize(
    ("method", "evaluations"),
    [("shapley", 64), ("lime", 64), ("occlusion", 2 + 6 + 15), ("archipelago", 2 * (1 + 6 + 15))],
)
def test_evaluations_are_those_that_the_definition_needs(method, evaluations):
    asked = []
    game = table(6, seed=7)

    def recorded(rows):
        asked.append(len(rows))
        return game(rows)

    assert explain_game(recorded, 6, method).evaluations == evaluations == sum(asked)


def test_methods_share_what_a_counted_game_knows():
    shared = CountedGame(table(6, seed=8), 6)
    explain_game(shared, 6, "shapley")
    result = explain_game(shared, 6, "occlusion")
    assert shared.evaluations == 64
    assert result.evaluations == 23


def test_forms_predict_what_each_method_is_about():
    game = table(5, seed=9)
    rows = all_coalitions(5)
    values, size = game(rows), rows.sum(axis=1)
    occlusion = explain_game(game, 5, "occlusion")
    near = size >= 3  # at most two left out
    np.testing.assert_allclose(occlusion.quadratic_form(rows)[near], values[near], atol=1e-10)
    np.testing.assert_allclose(occlusion.linear_form(rows)[size >= 4], values[size >= 4], atol=1e-10)
    for method in ("shapley", "sii", "faith-shap", "kernel-shap"):
        form = explain_game(game, 5, method).quadratic_form
        np.testing.assert_allclose(form(rows)[[0, -1]], values[[0, -1]], atol=1e-9)
    taylor = explain_game(game, 5, "shapley").quadratic_form(rows)
    np.testing.assert_allclose(taylor[size <= 1], values[size <= 1], atol=1e-10)
    lime = explain_game(game, 5, "lime")
    assert lime.intercept == pytest.approx(lime.linear_form(rows)[0])


SAMPLED = [name for name, method in METHODS.items() if method.samples]


def smooth(units, seed=4):
    """The hyperbolic tangent of a quadratic form."""
    generator = np.random.default_rng(seed)
    main, pairs = generator.normal(size=units) / 2, generator.normal(size=(units, units)) / (2 * units)
    return lambda rows: 1 + 3 * np.tanh(rows @ main + np.einsum("nu,uv,nv->n", 1.0 * rows, pairs, 1.0 * rows))


@pytest.mark.parametrize("method", SAMPLED)
def test_a_sample_is_right_within_its_errors(method):
    game = smooth(10)
    exact = explain_game(game, 10, method)
    known = np.isfinite(exact.matrix)
    covered, evaluations = [], set()
    for seed in range(20):
        result = explain_game(game, 10, method, evaluations=600, seed=seed)
        assert not result.exact
        evaluations.add(result.evaluations)
        covered.append(np.abs(result.attributions - exact.attributions) <= 1.959964 * result.attribution_errors)
        off = np.abs(result.matrix - exact.matrix)[known]
        covered.append(off <= 1.959964 * result.matrix_errors[known] + 1e-12)
        np.testing.assert_array_equal(np.isfinite(result.matrix), known)
    assert 0.85 < np.concatenate(covered).mean() < 1
    assert max(evaluations) <= 600


@pytest.mark.parametrize("method", SAMPLED)
def test_a_sample_keeps_the_promises(method):
    result = explain_game(smooth(16), 16, method, evaluations=1000)
    assert (result.completeness_gap or 0) < 1e-9
    np.testing.assert_array_equal(result.matrix, result.matrix.T)
    assert np.isfinite(result.attributions).all()
    assert result.quadratic_form(all_coalitions(16)[[-1]]).shape == (1,)


@pytest.mark.parametrize("method", SAMPLED)
def test_the_seed_decides_the_result(method):
    one, same, other = (explain_game(smooth(14), 14, method, evaluations=600, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.attributions, same.attributions)
    np.testing.assert_array_equal(one.matrix_errors, same.matrix_errors)
    assert (one.attributions != other.attributions).any()


def test_converged_says_that_every_entry_is_within_the_tolerance():
    strict, loose = (explain_game(smooth(14), 14, "sii", evaluations=600, tolerance=t) for t in (1e-6, 1.0))
    assert strict.error == pytest.approx(1.959964 * strict.matrix_errors.max())
    assert (strict.converged, loose.converged) == (False, True)
    at = explain_game(smooth(14), 14, "sii", evaluations=600, tolerance=1.0001 * strict.error / strict.largest)
    assert at.converged


def test_more_evaluations_give_smaller_errors():
    few, many = (explain_game(smooth(14), 14, "shapley", evaluations=n) for n in (500, 4000))
    assert many.matrix_errors.max() < few.matrix_errors.max() / 2


@pytest.mark.parametrize("method", METHODS)
def test_by_default_twelve_units_are_exact_and_thirteen_are_sampled(method):
    assert explain_game(smooth(12), 12, method).exact
    thirteen = explain_game(smooth(13), 13, method)
    assert thirteen.exact == (not METHODS[method].samples)
    assert thirteen.evaluations <= 2**12


def test_the_limit_of_a_counted_game_is_respected():
    game = CountedGame(smooth(14), 14, limit=1500)
    assert explain_game(game, 14, "shapley", evaluations=1000).evaluations <= 1000
    assert explain_game(game, 14, "lime").evaluations <= 1500
    assert game.evaluations <= 1500
    whole = CountedGame(smooth(6), 6, limit=64)
    explain_game(whole, 6, "occlusion")
    assert explain_game(whole, 6, "shapley").exact


def test_many_units_get_attributions_and_honest_errors():
    game = smooth(70)
    result = explain_game(game, 70, "shapley", evaluations=800)
    assert result.evaluations <= 800
    assert result.attributions.sum() == pytest.approx(result.v_all - result.v_none, abs=1e-9)
    other = explain_game(game, 70, "shapley", evaluations=800, seed=1)
    distance = np.abs(result.attributions - other.attributions)
    both = np.hypot(result.attribution_errors, other.attribution_errors)
    assert 0.85 < (distance <= 1.959964 * both).mean() < 1.01
    np.testing.assert_allclose(np.diag(result.matrix), game(np.eye(70, dtype=bool)) - result.v_none, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "least"),
    [("shapley", 2 * 106), ("sii", 2 * 106), ("faith-shap", 2 * 106), ("kernel-shap", 32), ("lime", 32)],
)
def test_too_few_evaluations_for_a_sample_are_refused(method, least):
    with pytest.raises(UsageError, match=f"at least {least} for {method}"):
        explain_game(smooth(14), 14, method, evaluations=least - 1)
    assert explain_game(smooth(14), 14, method, evaluations=least).evaluations <= least


def test_an_unknown_method_lists_the_methods():
    with pytest.raises(
        UsageError, match="no method 'shap'; the methods are shapley, sii, faith-shap, archipelago, occ"
    ):
        explain_game(product, 5, "shap")


@pytest.mark.parametrize(
    ("units", "options", "message"),
    [
        (0, {}, "0 units"),
        (3, {"tolerance": 0.0}, "greater than 0 and at most 1"),
        (3, {"tolerance": 1.5}, "greater than 0 and at most 1"),
        (3, {"evaluations": 0}, "at least 1"),
    ],
)
def test_bad_questions_are_refused(units, options, message):
    with pytest.raises(UsageError, match=message):
        explain_game(lambda rows: np.zeros(len(rows)), units, "shapley", **options)


@pytest.mark.parametrize("method", ["occlusion", "archipelago"])
def test_a_definition_that_needs_more_than_allowed_is_refused(method):
    with pytest.raises(UsageError, match="at most 20 are allowed"):
        explain_game(table(6, seed=1), 6, method, evaluations=20)


def test_a_game_that_is_not_finite_is_refused():
    with pytest.raises(NonFiniteError, match=r"units \[0, 1\]"):
        explain_game(lambda rows: np.where(rows.sum(axis=1) == 2, np.nan, 1.0), 2, "sii")
